package device

import (
	"context"
	"errors"
	"time"

	"keyward/internal/account"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// A touch over a challenge that somebody else made: a money act signs over a hash of all its fields, so that whoever
// carries it out can check the person's own signature. The caller stores what the challenge is made of, and uses it up
// in the same transaction: this package spends nothing here, and keeps no such touch for later.

// ActConfirm is such an act; its object is the intent. It cannot be asked for by name: a touch for it that was made
// over a challenge of ours would be worth nothing to the executor.
const ActConfirm = "confirm"

// Given is a challenge of the caller's, and the act it is for.
type Given struct {
	Challenge [32]byte
	Act       Act
	Account   account.ID
}

// BeginGiven makes the options for a touch over it. left is how long it is good for.
func (s *Service) BeginGiven(g Given, left time.Duration, o Offer) ([]byte, error) {
	if g.Account == "" || g.Act.Kind != ActConfirm || g.Act.Object == "" || o.Refusal != nil {
		return nil, errors.New("device: a given challenge is for one act of one account, by a key that may")
	}
	return s.optionsOver(g.Challenge[:], min(left, ceremonyTimeout), o.allowed())
}

// Signature is what an executor needs to check a touch by itself.
type Signature struct {
	Kind          Kind
	CredentialID  []byte
	PublicKey     []byte // COSE_Key
	Authenticator []byte // WebAuthn
	Client        []byte // WebAuthn
	Signed        []byte // WebAuthn
	Statement     string // of a phone
}

// ParseGiven is [Service.ParseAssert] for a given challenge, with the same one answer before proof.
func (s *Service) ParseGiven(ctx context.Context, db *store.DB, g Given, jkt string, answer []byte) (*Assertion, Signature, error) {
	a := &Assertion{act: g.Act, given: true}
	if fromPhone(answer) {
		return s.touchedGiven(ctx, db, g, jkt, answer, a)
	}
	r, err := parseResponse(answer, "get")
	if err != nil {
		return nil, Signature{}, ErrNotAccepted.Because(err)
	}
	cd, err := parseClientData(r.clientData)
	if err != nil {
		return nil, Signature{}, ErrNotAccepted.Because(err)
	}
	if !keyring.Equal(cd.challenge, g.Challenge[:]) {
		return nil, Signature{}, errGiven
	}
	var k forAssert
	ad, err := s.judged(ctx, r, cd, true, func(ctx context.Context, id []byte) (Stored, error) {
		err := k.read(ctx, db, id, a)
		if err == nil && k.kind != Passkey {
			err = store.ErrNoRows
		}
		return k.Stored, err
	})
	switch {
	case err != nil:
		return nil, Signature{}, err
	case a.account != g.Account:
		return nil, Signature{}, ErrNotAccepted.About(string(a.key)).Because(errors.New("a key of another account"))
	}
	a.backedUp, a.counter = ad.has(flagBS), ad.counter
	return a, Signature{Kind: Passkey, CredentialID: r.id, PublicKey: k.PublicKey, Authenticator: r.authData, Client: r.clientData, Signed: r.signature}, nil
}

var errGiven = ErrNotAccepted.Because(errors.New("a signature over another challenge than the intent's"))

func (s *Service) touchedGiven(ctx context.Context, db *store.DB, g Given, jkt string, answer []byte, a *Assertion) (*Assertion, Signature, error) {
	t, err := parseTouching(answer)
	if err != nil {
		return nil, Signature{}, ErrNotAccepted.Because(err)
	}
	if !keyring.Equal(t.challenge, g.Challenge[:]) {
		return nil, Signature{}, errGiven
	}
	k, err := s.judgedTouch(ctx, db, t, g.Act, string(g.Account), jkt, a)
	if err != nil {
		return nil, Signature{}, err
	}
	m, err := members(answer) // which parseTouching has read
	if err != nil {
		return nil, Signature{}, err
	}
	statement, err := m.text("statement")
	return a, Signature{Kind: Phone, CredentialID: t.id, PublicKey: k.PublicKey, Statement: statement}, err
}

// ProveGiven turns a touch over a given challenge into a Proof. The caller has used the challenge up in this
// transaction: without that the same touch would be good twice.
func (s *Service) ProveGiven(tx *store.Tx, a *Assertion) (Proof, error) {
	if a == nil || !a.given {
		return Proof{}, ErrNotAccepted.Because(errors.New("not a touch over a given challenge"))
	}
	return s.use(tx, a)
}
