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
	return json.Marshal(struct {
		Challenge        string `json:"challenge"`
		Timeout          int64  `json:"timeout"`
		RPID             string `json:"rpId"`
		UserVerification string `json:"userVerification"`
	}{encode(s.issue(asserting(act, acc, bind))), ceremonyTimeout.Milliseconds(), s.cfg.RPID, "required"})
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
}

// Account is whose key signed. It is for telling a frozen account from an open
// one before the transaction; it proves nothing until Prove.
func (a *Assertion) Account() account.ID { return a.account }

// KeyName is what the owner calls the key that signed.
func (a *Assertion) KeyName() string { return a.name }

// ParseAssert verifies what the browser answered to BeginAssert for the same
// act, account and bind. The key is read with one statement outside any
// transaction, because a signature takes longer than a commit may wait.
//
// Whatever is wrong before the signature is known to be good, the answer is
// ErrNotAccepted; the reason is for the log.
func (s *Service) ParseAssert(ctx context.Context, db *store.DB, act Act, acc account.ID, bind string, answer []byte) (*Assertion, error) {
	r, cd, t, err := s.open(asserting(act, acc, bind), answer)
	if err != nil {
		return nil, err
	}
	var (
		a                 = Assertion{ticket: t, act: act}
		handle, publicKey []byte
		be                bool
	)
	err = db.Get(ctx, sqlForAssert, r.id).Scan(&a.key, &a.account, &a.name, &handle, &publicKey, &be)
	switch {
	case errors.Is(err, store.ErrNoRows):
		return nil, ErrNotAccepted.Because(errNoCredential)
	case err != nil:
		return nil, err
	}
	ad, err := s.site().get(cd.challenge, cd, r, publicKey, be)
	refused := ErrNotAccepted.About(string(a.key))
	switch {
	case err != nil:
		return nil, refused.Because(err)
	case len(handle) == 0 || !keyring.Equal(r.userHandle, handle):
		// §7.2 step 6: the key says whose it is, and must say the same as we do.
		return nil, refused.Because(errors.New("the key names another user handle"))
	case acc != "" && a.account != acc:
		return nil, refused.Because(errors.New("a key of another account"))
	}
	a.backedUp, a.counter = ad.has(flagBS), ad.counter
	return &a, nil
}

func asserting(act Act, acc account.ID, bind string) purpose {
	return purpose{ceremony: "get", account: acc, act: act, bind: bind}
}
