package device

import (
	"errors"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/store"
)

// Act is what a touch is for. The owner is shown it before touching, and a
// Proof for one act opens no other.
type Act struct {
	Kind   string // "sign-in", "keys.add", "keys.remove", "sessions.end_all", …
	Object string // what it is done to, "" when there is only one
}

// Acts this package itself asks proofs for.
const (
	ActSignIn     = "sign-in"
	ActKeysAdd    = "keys.add"
	ActKeysRemove = "keys.remove"
)

// Proof says that the owner of an account verified themselves to a live key of
// it, for one act. The zero Proof proves nothing.
type Proof struct {
	tx      *store.Tx // the transaction it is good in
	account account.ID
	device  ID
	key     KeyID
	grade   Grade
	at      time.Time
	act     Act

	regressed bool
	redeemed  bool
}

func (p Proof) Account() account.ID { return p.account }

// Device is the device the key was enrolled on, which for a synced passkey need
// not be the one in the owner's hand.
func (p Proof) Device() ID   { return p.device }
func (p Proof) Key() KeyID   { return p.key }
func (p Proof) Grade() Grade { return p.grade }

// At is when the touch was accepted, not when it was redeemed.
func (p Proof) At() time.Time { return p.at }
func (p Proof) Act() Act      { return p.act }

// CounterRegressed reports that the key's counter did not grow: there may be a
// copy of it. It is a signal for risk and never a refusal, because counters also
// stand still when a phone is restored (WebAuthn L3 §6.1.1).
func (p Proof) CounterRegressed() bool { return p.regressed }

// For reports whether p allows this act for this account in this transaction.
func (p Proof) For(tx *store.Tx, acc account.ID, act Act) bool {
	right := p.act == act || p.act.plain() == act // a touch by a better key than this asks for is one all the same
	return tx != nil && p.tx == tx && acc != "" && p.account == acc && right && tx.Now.Sub(p.at) < stepUpLife
}

// Prove turns a verified assertion into a Proof inside the acting transaction:
// it spends the challenge, makes sure the key is still live, and notes its use.
func (s *Service) Prove(tx *store.Tx, a *Assertion) (Proof, error) {
	if a == nil || a.given {
		return Proof{}, ErrNotAccepted.Because(errors.New("no assertion over a challenge of ours"))
	}
	if err := s.spend(tx, a.ticket); err != nil {
		return Proof{}, err
	}
	return s.use(tx, a)
}

// use makes sure that the key is live, and notes its use.
func (s *Service) use(tx *store.Tx, a *Assertion) (Proof, error) {
	p := Proof{tx: tx, key: a.key, at: tx.Now, act: a.act}
	var before int64
	err := tx.Row(sqlUseKey, a.key, a.backedUp, int64(a.counter), store.Micros(tx.Now)).Scan(&p.account, &p.device, &p.grade, &before)
	switch {
	case errors.Is(err, store.ErrNoRows):
		// The signature was good, so this is its owner and may know.
		return Proof{}, ErrKeyUnknown.Because(errors.New("the key was removed"))
	case err != nil:
		return Proof{}, err
	case a.account != "" && p.account != a.account:
		return Proof{}, ErrNotAccepted.Because(errors.New("the key belongs to another account"))
	}
	if a.counted && int64(a.counter) <= before {
		return Proof{}, ErrChallengeSpent // another answer of the same app was faster, or this one is a copy
	}
	// §7.2 step 22: zero on both sides means the authenticator has no counter.
	p.regressed = (before != 0 || a.counter != 0) && int64(a.counter) <= before
	if err := s.may(tx, p.account, p.key, p.act); err != nil {
		return Proof{}, err
	}
	return p, nil
}

// Keep remembers a touch for one later act of the same session, for five
// minutes. A redeemed Proof cannot be kept again.
func (s *Service) Keep(tx *store.Tx, p Proof, session string) error {
	if session == "" || p.redeemed || !p.For(tx, p.account, p.act) {
		return ErrStepUp
	}
	_, err := tx.Exec(sqlKeepProof, session, p.act.Kind, p.act.Object, p.account, p.device, p.key, p.grade, p.regressed, store.Micros(p.at))
	return err
}

// By is who redeems a touch: a session, and the device it is on.
type By struct {
	Session string
	Account account.ID
	Device  ID
}

// kept are the parameters of the condition that a kept touch can be redeemed.
func (b By) kept(tx *store.Tx, act Act) []any {
	joins := b.Device == "" && strings.HasPrefix(b.Session, joinPrefix)
	return []any{b.Session, b.Account, act.Kind, act.Object, store.Micros(tx.Now.Add(-stepUpLife)), b.Device, joins}
}

// Redeem uses a kept touch up. There is one statement and it deletes the row,
// so of two requests at once one has it; the key must be live still, the device that
// asks must be there still, and the key must have the power for the act now.
func (s *Service) Redeem(tx *store.Tx, by By, act Act) (Proof, error) {
	p := Proof{tx: tx, account: by.Account, act: act, redeemed: true}
	var at int64
	err := tx.Row(sqlRedeemProof, by.kept(tx, act)...).Scan(&p.device, &p.key, &p.grade, &p.regressed, &at)
	if errors.Is(err, store.ErrNoRows) {
		return Proof{}, ErrStepUp
	}
	if err != nil {
		return Proof{}, err
	}
	if err := s.may(tx, p.account, p.key, act); err != nil {
		return Proof{}, err
	}
	p.at = store.Time(at)
	return p, nil
}
