package contain

import (
	"context"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Freeze stops the account: every session ends, sign-in by recovery code is
// refused, and only a passkey gets in, to lift it. Any live session may freeze.
func (s *Service) Freeze(ctx context.Context, cause store.Cause, acc account.ID, how string) (Effect, error) {
	return s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		a, err := s.accounts.ByID(tx, acc)
		if err != nil {
			return nil, err
		}
		if a.Status == account.Frozen {
			return nil, nil // pressed twice: already as safe as it gets
		}
		if a.Status == account.Closed {
			return nil, account.ErrClosed
		}
		live, _, err := s.sessions.List(tx, acc)
		if err != nil {
			return nil, err
		}
		version, err := s.accounts.SetStatus(tx, acc, account.Frozen)
		if err != nil {
			return nil, err
		}
		eff, err := s.sessions.EndAll(tx, acc, session.EndedFreeze)
		if err != nil {
			return nil, err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "account.frozen", Account: string(acc), Target: string(acc),
			Effects: append(eff, audit.Effect{Kind: "account", ID: string(acc), Version: version}),
			Payload: map[string]string{"by": "owner", "how": how},
		})
		for _, x := range live {
			eff = append(eff, audit.Effect{Kind: "session", ID: string(x.ID)}) // for the count shown, not for the log: the epoch ended them
		}
		return eff, err
	})
}

// Lift ends a freeze. It needs a touch for exactly this act (device.Proof).
func (s *Service) Lift(ctx context.Context, cause store.Cause, by session.Session) error {
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		proof, err := s.devices.Need(tx, string(by.ID), by.Account, device.Act{Kind: device.ActFreezeLift})
		if err != nil {
			return err
		}
		return s.LiftFreeze(tx, proof)
	})
}

// LiftFreeze is the widening act itself: it cannot be called without a Proof.
func (s *Service) LiftFreeze(tx *store.Tx, proof device.Proof) error {
	if proof.Act() != (device.Act{Kind: device.ActFreezeLift}) {
		return device.StepUp(device.Act{Kind: device.ActFreezeLift})
	}
	a, err := s.accounts.ByID(tx, proof.Account())
	if err != nil {
		return err
	}
	if a.Status != account.Frozen {
		return nil
	}
	version, err := s.accounts.SetStatus(tx, a.ID, account.Active)
	if err != nil {
		return err
	}
	_, err = s.log.Append(tx, audit.Event{
		Action: "account.unfrozen", Account: string(a.ID), Target: string(a.ID),
		Effects: []audit.Effect{{Kind: "account", ID: string(a.ID), Version: version}},
	})
	return err
}

// FreezeByLink follows a mailed link. It can only freeze.
func (s *Service) FreezeByLink(ctx context.Context, cause store.Cause, token string) (Effect, error) {
	acc, err := s.accounts.OpenFreezeToken(token, s.db.Now())
	if err != nil {
		return Effect{}, err
	}
	return s.Freeze(ctx, cause, acc, "link")
}
