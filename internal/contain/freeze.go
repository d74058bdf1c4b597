package contain

import (
	"context"
	"strings"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Freeze stops the account: every session ends, sign-in by recovery code is
// refused, and only a passkey gets in, to lift it. Any live session may freeze.
func (s *Service) Freeze(ctx context.Context, cause store.Cause, acc account.ID, how string) (Effect, error) {
	return s.freeze(ctx, cause, acc, how, func(tx *store.Tx) (account.Account, error) { return s.accounts.ByID(tx, acc) })
}

// freeze reads the account with find inside the transaction, where a right that
// ends with a lift has to be looked at.
func (s *Service) freeze(ctx context.Context, cause store.Cause, acc account.ID, how string, find func(*store.Tx) (account.Account, error)) (Effect, error) {
	live, err := s.live(ctx, acc)
	if err != nil {
		return Effect{}, err
	}
	return s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		a, err := find(tx)
		if err != nil {
			return nil, err
		}
		if a.Status == account.Frozen {
			return nil, nil // pressed twice: already as safe as it gets
		}
		if a.Status == account.Closed {
			return nil, account.ErrClosed
		}
		version, err := s.accounts.SetStatus(tx, acc, account.Frozen)
		if err != nil {
			return nil, err
		}
		// A freeze and a lift must not be a way out of a restriction.
		if _, err := tx.Exec(sqlPutFreeze, string(acc), string(a.Status), store.Micros(tx.Now)); err != nil {
			return nil, err
		}
		eff, err := s.sessions.EndAll(tx, acc, session.EndedFreeze)
		if err != nil {
			return nil, err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "account.frozen", Account: string(acc), Target: string(acc),
			Effects: append(eff, audit.Effect{Kind: "account", ID: string(acc), Version: version}),
			Payload: map[string]string{"by": by(cause.Actor), "how": how},
		})
		return live, err // for the count shown, not for the log: the epoch ended them
	})
}

// by says to the owner who froze: everything that comes from a session or a mailed
// link is theirs, as far as we can know, and the rest is not.
func by(actor string) string {
	switch kind, _, _ := strings.Cut(actor, ":"); kind {
	case "account", "link":
		return "owner"
	case "operator":
		return "staff"
	case "client":
		return "exchange"
	}
	return "system"
}

// Lift ends a freeze. It needs a touch for exactly this act (device.Proof). When
// nothing is frozen it does nothing and leaves the touch unused.
func (s *Service) Lift(ctx context.Context, cause store.Cause, by session.Session) error {
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		a, err := s.accounts.ByID(tx, by.Account)
		if err != nil || a.Status != account.Frozen {
			return err
		}
		proof, err := s.devices.Need(tx, by.By(), device.Act{Kind: device.ActFreezeLift})
		if err != nil {
			return err
		}
		return s.LiftFreeze(tx, proof)
	})
}

// LiftFreeze is the widening act itself: it cannot be called without a Proof. The
// account gets back the status it had, which may be a restricted one.
func (s *Service) LiftFreeze(tx *store.Tx, proof device.Proof) error {
	act := device.Act{Kind: device.ActFreezeLift}
	if !proof.For(tx, proof.Account(), act) {
		return device.StepUp(act)
	}
	a, err := s.accounts.ByID(tx, proof.Account())
	if err != nil {
		return err
	}
	if a.Status != account.Frozen {
		return nil
	}
	was := string(account.Active)
	if err := tx.Row(sqlTakeFreeze, string(a.ID)).Scan(&was); err != nil && err != store.ErrNoRows {
		return err
	}
	version, err := s.accounts.SetStatus(tx, a.ID, account.Status(was))
	if err != nil {
		return err
	}
	key, err := s.devices.Key(tx, a.ID, proof.Key())
	if err != nil {
		return err
	}
	_, err = s.log.Append(tx, audit.Event{
		Action: "account.unfrozen", Account: string(a.ID), Target: string(a.ID),
		Effects: []audit.Effect{{Kind: "account", ID: string(a.ID), Version: version}},
		Payload: map[string]string{"key": key.Name},
	})
	return err
}

// FreezeByLink follows a mailed link. It can only freeze, and not again after the
// owner has lifted a freeze.
func (s *Service) FreezeByLink(ctx context.Context, cause store.Cause, token string) (Effect, error) {
	var a account.Account
	open := func(tx *store.Tx) (_ account.Account, err error) {
		a, err = s.accounts.OpenFreezeToken(tx, token)
		return a, err
	}
	if err := s.db.View(ctx, func(tx *store.Tx) error { _, err := open(tx); return err }); err != nil {
		return Effect{}, err
	}
	return s.freeze(ctx, cause, a.ID, "link", open)
}
