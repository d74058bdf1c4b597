package device

import (
	"errors"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// How a touch that was given on one device lets a key in on another, minutes later
// and in another transaction, without a Proof that could be kept or passed about:
// the touch is for letting in exactly one join (one browser, one code), it is kept
// under the id of that join, and the one function that can take it from there adds
// one key in the same breath. What it keeps of the touch is what Keep keeps: the
// key that gave it must still be live, and its five minutes go on from the touch
// and not from here.

// joinPrefix keeps the ids of joins apart from those of sessions, under which all
// other touches are kept.
const joinPrefix = "joi_"

// NewJoinID names a browser that asks to be let in.
func NewJoinID(now time.Time) string { return keyring.NewID(joinPrefix, now) }

// Entrust keeps a touch for the join it was given for and tells until when the key
// may come. Rows only.
func (s *Service) Entrust(tx *store.Tx, p Proof, join string) (until time.Time, err error) {
	act := Act{ActDevicesAdmit, join}
	if !strings.HasPrefix(join, joinPrefix) || !p.For(tx, p.account, act) {
		return time.Time{}, StepUp(act)
	}
	_, err = tx.Exec(sqlKeepProof, join, act.Kind, act.Object, p.account, p.device, p.key, p.grade, p.regressed, store.Micros(p.at))
	return p.at.Add(stepUpLife), err
}

// AddJoined adds the key of a device that was let in, and uses the touch for it up.
// The Proof it returns is that of the new key, for the session that begins with it
// (see Found). Rows only.
func (s *Service) AddJoined(tx *store.Tx, acc account.ID, att *Attestation, dev ID, name, join string) (Key, Proof, error) {
	if !strings.HasPrefix(join, joinPrefix) {
		return Key{}, Proof{}, ErrStepUp.Because(errors.New("not a join"))
	}
	yes, err := s.Redeem(tx, By{Session: join, Account: acc}, Act{ActDevicesAdmit, join})
	if err != nil {
		return Key{}, Proof{}, err
	}
	k, err := s.insert(tx, acc, att, dev, name, "join:"+string(yes.key))
	if err != nil {
		return Key{}, Proof{}, err
	}
	return k, Proof{tx: tx, account: acc, device: dev, key: k.ID, grade: k.Grade, at: tx.Now, act: Act{Kind: ActSignIn}}, nil
}
