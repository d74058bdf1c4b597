package device

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"keyward/internal/account"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// BeginAssert makes the options for navigator.credentials.get(), in the form of
// PublicKeyCredential.parseRequestOptionsFromJSON. acc is "" for a sign-in.
//
// There is a list of allowed credentials only for a step-up that not every key of the
// account may give (Offer). At sign-in it would tell a stranger which keys an account has.
func (s *Service) BeginAssert(act Act, acc account.ID, bind string, only ...Offer) ([]byte, error) {
	if act.Kind == "" || (acc == "") != (act.Kind == ActSignIn) {
		return nil, errors.New("device: a sign-in is for nobody yet, and every other act is for one account")
	}
	// A sign-in may begin before the browser has anything to be bound to.
	if acc != "" || bind != "" {
		if err := checkBind(bind); err != nil {
			return nil, err
		}
	}
	var allowed []descriptor
	for _, o := range only {
		if o.Refusal != nil || acc == "" {
			return nil, errors.Join(errors.New("device: no key may give this touch"), o.Refusal)
		}
		allowed = o.allowed()
	}
	return s.requestOptions(asserting(act, acc, bind), allowed...)
}

// requestOptions are the options of an assertion whose challenge is for p. An empty list
// would mean any key (WebAuthn L3 §5.5), so it is left out.
func (s *ceremonies) requestOptions(p purpose, allowed ...descriptor) ([]byte, error) {
	return s.optionsOver(s.issue(p), ceremonyTimeout, allowed)
}

func (s *ceremonies) optionsOver(challenge []byte, timeout time.Duration, allowed []descriptor) ([]byte, error) {
	return json.Marshal(struct {
		Challenge        string       `json:"challenge"`
		Timeout          int64        `json:"timeout"`
		RPID             string       `json:"rpId"`
		UserVerification string       `json:"userVerification"`
		Allow            []descriptor `json:"allowCredentials,omitempty"`
	}{encode(challenge), timeout.Milliseconds(), s.cfg.RPID, "required", allowed})
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
	ad, err := s.judged(ctx, r, cd, p.subject != "", find)
	if err != nil {
		return authData{}, ticket{}, err
	}
	return ad, t, nil
}

// judged is the part after the challenge: whose key it is, and whether it signed. known
// says that the caller compares whose key it was with who was asked.
func (s *ceremonies) judged(ctx context.Context, r *response, cd clientData, known bool, find func(context.Context, []byte) (Stored, error)) (authData, error) {
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
	case len(k.Handle) == 0 || !keyring.Equal(r.userHandle, k.Handle) && !(known && len(r.userHandle) == 0):
		// §7.2 step 6: the key says whose it is, and must say the same as we do. One that was
		// named in allowCredentials may leave it out (§6.3.3).
		return authData{}, refused.Because(errors.New("the key names another user handle"))
	}
	return ad, nil
}

func asserting(act Act, acc account.ID, bind string) purpose {
	return purpose{ceremony: "get", subject: string(acc), act: act, bind: bind}
}
