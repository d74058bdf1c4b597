package device

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"keyward/internal/attest"
	"keyward/internal/store"
)

// enrolled verifies what a phone answered to BeginRegister. It refuses more than a
// registration of a passkey does: the app is the exchange's own, so what is no evidence
// of it is no app of theirs.
func (s *Service) enrolled(ctx context.Context, f RegisterFor, p purpose, answer []byte) (*Attestation, error) {
	e, err := parseEnrolling(answer)
	if err != nil {
		return nil, ErrNotAccepted.Because(err)
	}
	t, err := s.check(p, e.challenge)
	if err != nil {
		return nil, err
	}
	switch jkt := encode(e.session[:]); {
	case !f.App:
		return nil, ErrNotAccepted.Because(errors.New("a phone enrols by the door for apps, where each request is proved"))
	case f.JKT != "" && f.JKT != jkt:
		return nil, ErrNotAccepted.Because(errors.New("the session that begins is bound to another key than the phone's session key"))
	}
	want := touchFor{s.cfg.RPID, Act{Kind: ActKeysAdd}, e.session[:]}
	err = s.judges.sit(ctx, func() error {
		if err := want.says(e.statement, e.key, e.thumb[:]); err != nil {
			return err
		}
		return want.goesWith(e)
	})
	a := &Attestation{
		kind: Phone, account: f.Account, handle: f.Handle, ticket: t, credentialID: e.thumb[:], publicKey: cose(e.key), alg: algES256,
		transports: "[]", object: answer, clientHash: sha256.Sum256(e.challenge), jkt: encode(e.session[:]),
	}
	if err == nil {
		err = s.judges.sit(ctx, func() error { return s.site().phone(a, e, s.cfg.Apps) })
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err() // it is not the phone's fault
	case err != nil:
		return nil, ErrNotAccepted.Because(err)
	}
	a.format = a.evidence.Format
	return a, nil
}

// phone judges the evidence of an enrolment.
func (st site) phone(a *Attestation, e *enrolling, apps Apps) error {
	a.evidence = Evidence{At: store.Micros(st.trust.at)}
	switch {
	case e.platform == platformAndroid && len(apps.Android) > 0:
		a.evidence.Format = formatAndroid
		err := st.trust.androidPhone(&a.evidence, e, apps)
		st.trust.lists.Rules.judge(&a.evidence, [16]byte{})
		return err
	case e.platform == platformIOS && len(apps.IOS) > 0:
		a.evidence.Format = formatIOS
		err := st.trust.iPhone(a, e, apps)
		st.trust.lists.Rules.judge(&a.evidence, [16]byte{})
		return err
	}
	return fmt.Errorf("no app for %s is configured (apps)", e.platform)
}

// androidPhone: both keys were made in our app for this challenge, and the touch key
// wants the person for each use.
func (t trust) androidPhone(ev *Evidence, e *enrolling, apps Apps) error {
	own, err := leafKey(e.sessionChain)
	if err != nil {
		return fmt.Errorf("session key: %w", err)
	}
	if thumbprint(own) != e.session {
		return errors.New("the session chain is about another key than the session key")
	}
	touch, err := leafKey(e.touchChain)
	if err != nil {
		return fmt.Errorf("touch key: %w", err)
	}
	if !touch.Equal(e.key) {
		return errors.New("the touch chain is about another key than the one that signed")
	}
	policy := attest.AndroidPolicy{Roots: t.google, Revoked: t.lists.Revoked, Challenge: e.challenge, Apps: apps.Android, OldestPatch: t.lists.Rules.oldestPatch(t.asked())}
	var beside Evidence
	if err := t.chain(&beside, e.sessionChain, policy); err != nil {
		return fmt.Errorf("session key: %w", err)
	}
	policy.AuthPerUse = true
	if err := t.chain(ev, e.touchChain, policy); err != nil {
		return fmt.Errorf("touch key: %w", err)
	}
	for _, f := range beside.Faults { // what is said of the key is said of the touch key alone
		ev.fault(f)
	}
	return nil
}

// chain adds what one chain says. Refused is what no app of ours would send; a maker
// whom we do not know, or a phone whose owner took the locks off, costs the grade.
func (t trust) chain(ev *Evidence, chain [][]byte, p attest.AndroidPolicy) error {
	v, err := attest.VerifyAndroid(chain, p, t.at)
	switch {
	case errors.Is(err, attest.ErrNoRoot):
		ev.fault(attest.FaultUnknownMaker)
		return nil
	case errors.Is(err, attest.ErrChallenge):
		return err // the makers' word for another enrolment: no honest phone sends it
	case err != nil:
		ev.fault(attest.FaultUnchecked)
		return nil
	}
	for _, f := range v.Faults {
		switch {
		case f == attest.FaultOtherApp:
			return errors.New("made by another app than ours")
		case f == attest.FaultNoAuth && v.Level > attest.Software:
			// It would sign for whoever holds the phone, unlocked on a table.
			return errors.New("signs without the person")
		}
		ev.fault(f)
	}
	if !v.ListKnown {
		ev.fault(faultNoList)
	}
	ev.Speaker, ev.Kept, ev.AuthPerUse = Google, v.Level.String(), v.AuthPerUse
	if l := v.Description.Hardware.OSPatchLevel; l != nil {
		ev.Patch = *l
	}
	return nil
}

// iPhone: a genuine app on a genuine device vouches for both keys. Nothing in it says
// that a key wants the person.
func (t trust) iPhone(a *Attestation, e *enrolling, apps Apps) error {
	key, err := attest.VerifyAppAttest(e.appObject, e.appKey, vouched(e.challenge, e.session[:], e.thumb[:]), t.apple(apps), t.at)
	if err != nil {
		return err
	}
	a.appKey = cose(key.Key)
	a.evidence.Speaker, a.evidence.Kept, a.evidence.App = Apple, "secure_enclave", true
	if !apps.AppIsEnough {
		a.evidence.fault(attest.FaultAppOnly)
	}
	return nil
}

func (t trust) apple(apps Apps) attest.AppAttestPolicy {
	return attest.AppAttestPolicy{Root: t.appleRoot, AppIDs: apps.IOS, Environment: apps.Environment}
}
