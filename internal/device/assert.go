package device

import (
	"context"
	"encoding/json"
	"errors"

	"keyward/internal/account"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// BeginAssert makes the options for navigator.credentials.get(), in the form of
// PublicKeyCredential.parseRequestOptionsFromJSON. acc is "" for a sign-in.
//
// There is never a list of allowed credentials. At sign-in it would tell a
// stranger which keys an account has; for a step-up it would only save a choice,
// and whose key it was is checked anyway.
func (s *Service) BeginAssert(act Act, acc account.ID, bind string) ([]byte, error) {
	if act.Kind == "" || (acc == "") != (act.Kind == ActSignIn) {
		return nil, errors.New("device: a sign-in is for nobody yet, and every other act is for one account")
	}
	// A sign-in may begin before the browser has anything to be bound to.
	if acc != "" || bind != "" {
		if err := checkBind(bind); err != nil {
			return nil, err
		}
	}
	return s.requestOptions(asserting(act, acc, bind))
}

// requestOptions are the options of an assertion whose challenge is for p.
func (s *ceremonies) requestOptions(p purpose) ([]byte, error) {
	return json.Marshal(struct {
		Challenge        string `json:"challenge"`
		Timeout          int64  `json:"timeout"`
		RPID             string `json:"rpId"`
		UserVerification string `json:"userVerification"`
	}{encode(s.issue(p)), ceremonyTimeout.Milliseconds(), s.cfg.RPID, "required"})
}

// Assertion is a verified signature that has not proved anything yet: its
// challenge is not spent and its key may have been removed meanwhile.
type Assertion struct {
	ticket   ticket
	act      Act
	account  account.ID // whose key it was
	key      KeyID
	name     string
	backedUp bool
	counter  uint32
	counted  bool // the counter must grow, or it is a copy
	given    bool // over a challenge that the caller spends
}

// Account is whose key signed. It is for telling a frozen account from an open
// one before the transaction; it proves nothing until Prove.
func (a *Assertion) Account() account.ID { return a.account }

// KeyName is what the owner calls the key that signed.
func (a *Assertion) KeyName() string { return a.name }

// ParseAssert verifies what the browser or the phone answered to BeginAssert for the
// same act, account and bind. jkt is the key that the request itself proves, "" when
// none does: the touch of a phone is good beside its own session key only.
//
// Whatever is wrong before the signature is known to be good, the answer is
// ErrNotAccepted; the reason is for the log.
func (s *Service) ParseAssert(ctx context.Context, db *store.DB, act Act, acc account.ID, bind, jkt string, answer []byte) (*Assertion, error) {
	if fromPhone(answer) {
		return s.touched(ctx, db, act, string(acc), bind, jkt, answer)
	}
	a := Assertion{act: act}
	ad, t, err := s.asserted(ctx, asserting(act, acc, bind), answer, func(ctx context.Context, id []byte) (Stored, error) {
		var k forAssert
		err := k.read(ctx, db, id, &a)
		if err == nil && k.kind != Passkey {
			err = store.ErrNoRows // a touch key speaks for itself
		}
		return k.Stored, err
	})
	switch {
	case err != nil:
		return nil, err
	case acc != "" && a.account != acc:
		return nil, ErrNotAccepted.About(string(a.key)).Because(errors.New("a key of another account"))
	}
	a.ticket, a.backedUp, a.counter = t, ad.has(flagBS), ad.counter
	return &a, nil
}

// asserted judges an answer against the key that find gives, which is
// [store.ErrNoRows] when nobody has that credential.
func (s *ceremonies) asserted(ctx context.Context, p purpose, answer []byte, find func(context.Context, []byte) (Stored, error)) (authData, ticket, error) {
	r, cd, t, err := s.open(p, answer)
	if err != nil {
		return authData{}, ticket{}, err
	}
	ad, err := s.judged(ctx, r, cd, find)
	if err != nil {
		return authData{}, ticket{}, err
	}
	return ad, t, nil
}

// judged is the part after the challenge: whose key it is, and whether it signed.
func (s *ceremonies) judged(ctx context.Context, r *response, cd clientData, find func(context.Context, []byte) (Stored, error)) (authData, error) {
	k, err := find(ctx, r.id)
	switch {
	case errors.Is(err, store.ErrNoRows):
		return authData{}, ErrNotAccepted.Because(errNoCredential)
	case err != nil:
		return authData{}, err
	}
	ad, err := s.site().get(cd.challenge, cd, r, k.PublicKey, k.BE)
	refused := ErrNotAccepted.About(k.Name)
	switch {
	case err != nil:
		return authData{}, refused.Because(err)
	case len(k.Handle) == 0 || !keyring.Equal(r.userHandle, k.Handle):
		// §7.2 step 6: the key says whose it is, and must say the same as we do.
		return authData{}, refused.Because(errors.New("the key names another user handle"))
	}
	return ad, nil
}

func asserting(act Act, acc account.ID, bind string) purpose {
	return purpose{ceremony: "get", subject: string(acc), act: act, bind: bind}
}
