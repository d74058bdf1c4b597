package device

import (
	"errors"

	"keyward/internal/account"
	"keyward/internal/store"
)

// Need uses up the touch that was kept for an act of this session, or says which
// touch is missing and where to give it.
func (s *Service) Need(tx *store.Tx, by By, act Act) (Proof, error) {
	p, err := s.Redeem(tx, by, act)
	if errors.Is(err, ErrStepUp) {
		return Proof{}, StepUp(act)
	}
	return p, err
}

// Kept tells whether a touch for the act waits to be used. It decides nothing:
// Redeem does. Pages ask it so that nobody is led through a system dialog whose
// result would be refused.
func (s *Service) Kept(tx *store.Tx, by By, act Act) (bool, error) {
	var key KeyID
	err := tx.Row(sqlKept, by.kept(tx, act)...).Scan(&key)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	if err == nil {
		err = s.may(tx, by.Account, key, act)
	}
	if errors.Is(err, ErrTooNew) || errors.Is(err, ErrGradeLow) {
		return false, nil
	}
	return err == nil, err
}

// Found adds the first key of a new account and returns the touch that made it
// as a Proof of sign-in: the creation ceremony verified the user and the
// challenge just as an assertion would (WebAuthn L3 §7.1), and the first session
// begins in the same transaction. Rows only.
func (s *Service) Found(tx *store.Tx, acc account.ID, att *Attestation, dev ID, name string) (Key, Proof, error) {
	k, err := s.AddFirst(tx, acc, att, dev, name)
	if err != nil {
		return Key{}, Proof{}, err
	}
	return k, Proof{tx: tx, account: acc, device: dev, key: k.ID, grade: k.Grade, at: tx.Now, act: Act{Kind: ActSignIn}}, nil
}

// RemoveWith removes a key together with the device it was enrolled on. proof is
// a touch for removing exactly that device. Never the last key. Rows only.
func (s *Service) RemoveWith(tx *store.Tx, acc account.ID, id KeyID, dev ID, proof Proof) (Key, error) {
	if !proof.For(tx, acc, Act{ActDevicesRemove, string(dev)}) {
		return Key{}, ErrStepUp
	}
	k, err := s.Key(tx, acc, id)
	if err != nil {
		return Key{}, err
	}
	if k.Device != dev {
		return Key{}, ErrKeyUnknown.Because(errors.New("the key was enrolled on another device"))
	}
	return s.remove(tx, acc, id, "with:"+string(dev))
}

// Detach lets a key stay when the device it was enrolled on goes: it is a shared
// one, which its owner has on another device by now. It opens nothing new. Rows only.
func (s *Service) Detach(tx *store.Tx, acc account.ID, id KeyID, dev ID) (Key, error) {
	n, err := tx.Exec(sqlDetachKey, id, acc, dev)
	if err != nil {
		return Key{}, err
	}
	if n == 0 {
		return Key{}, ErrKeyUnknown
	}
	return s.Key(tx, acc, id)
}

// Forget takes a device out of the list. Its browser keeps its cookie and would
// be met as a new device. Rows only.
func (s *Service) Forget(tx *store.Tx, acc account.ID, id ID) error {
	n, err := tx.Exec(sqlForgetDevice, id, acc)
	if err == nil && n == 0 {
		return ErrUnknown
	}
	return err
}

// Roaming reports whether the key came over a cable, near-field or Bluetooth and
// not from inside a phone or computer: a security key (WebAuthn L3 §5.8.4).
func (k Key) Roaming() bool {
	outside := false
	for _, t := range k.Transports {
		switch t {
		case "internal", "hybrid":
			return false
		case "usb", "nfc", "ble", "smart-card":
			outside = true
		}
	}
	return outside
}

// Default is the name a device has until its owner gives it one.
func (d Device) Default() string { return UserAgent{d.Browser, d.Platform}.String() }
