package device

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"

	"keyward/internal/attest"
	"keyward/internal/store"
)

// touched verifies what a phone answered to BeginAssert. jkt is the key that the
// request itself proved.
func (s *Service) touched(ctx context.Context, db *store.DB, act Act, acc, bind, jkt string, answer []byte) (*Assertion, error) {
	t, err := parseTouching(answer)
	if err != nil {
		return nil, ErrNotAccepted.Because(err)
	}
	a := &Assertion{act: act}
	if a.ticket, err = s.check(purpose{ceremony: "get", subject: acc, act: act, bind: bind}, t.challenge); err != nil {
		return nil, err
	}
	_, err = s.judgedTouch(ctx, db, t, act, acc, jkt, a)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// judgedTouch is the part after the challenge: whose key it is, whether it signed, and for what.
func (s *Service) judgedTouch(ctx context.Context, db *store.DB, t *touching, act Act, acc, jkt string, a *Assertion) (k forAssert, err error) {
	switch err := k.read(ctx, db, t.id, a); {
	case errors.Is(err, store.ErrNoRows) || err == nil && k.kind != Phone:
		return k, ErrNotAccepted.Because(errNoCredential)
	case err != nil:
		return k, err
	}
	refused := ErrNotAccepted.About(string(a.key))
	switch {
	case acc != "" && string(a.account) != acc:
		return k, refused.Because(errors.New("a key of another account"))
	case k.jkt == "" || k.jkt != jkt:
		return k, refused.Because(errors.New("the request is not proved by the session key of this phone"))
	}
	pub, err := publicKeyOf(k.PublicKey)
	if err != nil {
		return k, err
	}
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return k, errors.New("device: a touch key of another kind")
	}
	session, err := decode(k.jkt)
	if err != nil {
		return k, err
	}
	if err := (touchFor{s.cfg.RPID, act, session}).says(t.statement, key, t.id); err != nil {
		return k, refused.Because(err)
	}
	if len(k.appKey) == 0 {
		return k, nil
	}
	if err := s.vouchedAgain(a, t, k, session); err != nil {
		if errors.Is(err, attest.ErrCounter) {
			// The same answer once more, or one that another was faster than. Its touch was good,
			// so this is its owner and may know; an app that heard "not accepted" would throw
			// good keys away.
			return k, ErrChallengeSpent
		}
		return k, refused.Because(err)
	}
	return k, nil
}

// vouchedAgain: with each touch the app's key says once more that it is the same app
// with the same two keys, and counts.
func (s *Service) vouchedAgain(a *Assertion, t *touching, k forAssert, session []byte) error {
	pub, err := publicKeyOf(k.appKey)
	if err != nil {
		return err
	}
	key, _ := pub.(*ecdsa.PublicKey)
	a.counted = true
	a.counter, err = attest.VerifyAppAssertion(t.assertion, key, vouched(t.challenge, session, t.id), uint32(k.counter), s.site().trust.apple(s.cfg.Apps))
	return err
}

// forAssert is the row that a signature is judged by.
type forAssert struct {
	Stored
	kind    Kind
	jkt     string
	appKey  []byte
	counter int64
}

// read finds a key by its credential id, with one statement and outside any
// transaction: a signature takes longer than a commit may wait.
func (k *forAssert) read(ctx context.Context, db *store.DB, id []byte, a *Assertion) error {
	err := db.Get(ctx, sqlForAssert, id).Scan(&a.key, &a.account, &a.name, &k.Handle, &k.PublicKey, &k.BE, &k.kind, &k.jkt, &k.appKey, &k.counter)
	k.Name = string(a.key)
	k.PublicKey, k.appKey = bytes.Clone(k.PublicKey), bytes.Clone(k.appKey)
	return err
}
