package signin

import (
	"context"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// BeginStepUp returns request options whose challenge is bound to this account,
// this session and this act. A session opened by a recovery code is not raised by
// any touch: its owner signs in with the passkey.
//
// They list the keys that may give this touch when not every one may, so that the browser
// offers the right one; when none may, the answer says why and nobody is asked.
func (s *Service) BeginStepUp(ctx context.Context, ses session.Session, act device.Act) ([]byte, error) {
	if !session.Reaches(ses.ACR, session.ACRPhr) {
		return nil, ErrPower
	}
	var o device.Offer
	if err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		o, err = s.Offer(tx, ses, act)
		return err
	}); err != nil {
		return nil, err
	}
	if o.Refusal != nil {
		return nil, o.Refusal
	}
	return s.devices.BeginAssert(act, ses.Account, string(ses.ID), o)
}

// Offer says which keys may give the touch for an act on this session.
func (s *Service) Offer(tx *store.Tx, ses session.Session, act device.Act) (device.Offer, error) {
	return s.devices.Offer(tx, ses.Account, ses.Proved(), act)
}

// FinishStepUp keeps the touch for one use of the act within five minutes and
// gives the session new secrets (ASVS 7.2.4). Any older token of the session is
// dead, so this is also how an owner makes a leaked one worthless.
func (s *Service) FinishStepUp(ctx context.Context, cause store.Cause, ses session.Session, act device.Act, response []byte, f From) (session.Issued, error) {
	as, err := s.devices.ParseAssert(ctx, s.db, act, ses.Account, string(ses.ID), ses.Proved(), response)
	if err != nil {
		return session.Issued{}, err
	}
	var iss session.Issued
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		proof, err := s.devices.Prove(tx, as)
		if err != nil {
			return err
		}
		if err := s.sessions.Spend(tx, f.JKT, f.JTI); err != nil {
			return err
		}
		var effects []audit.Effect
		iss, effects, err = s.sessions.Elevate(tx, ses, proof, f.JKT, f.Remember, f.Addr)
		if err != nil {
			return err
		}
		if act.Kind != device.ActConfirmMe {
			if err := s.devices.Keep(tx, proof, string(ses.ID)); err != nil {
				return err
			}
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "session.stepped_up", Account: string(ses.Account), Target: string(ses.ID), Effects: effects,
			Payload: map[string]string{"act": act.Kind, "agent": ses.Agent.String(), "key": as.KeyName()},
		})
		return err
	})
	if err != nil {
		return session.Issued{}, err
	}
	return iss, nil
}

// touched says which touch is missing, without using one up.
func (s *Service) touched(tx *store.Tx, ses session.Session, act device.Act) error {
	kept, err := s.devices.Kept(tx, ses.By(), act)
	if err == nil && !kept {
		err = device.StepUp(act)
	}
	return err
}

// need redeems a kept touch for an act, or says which touch is missing and where
// to give it.
func (s *Service) need(tx *store.Tx, ses session.Session, act device.Act) (device.Proof, error) {
	return s.devices.Need(tx, ses.By(), act)
}

// Touched redeems a kept touch for an act of a flow above this one, or says which
// touch is missing.
func (s *Service) Touched(tx *store.Tx, ses session.Session, act device.Act) error {
	_, err := s.need(tx, ses, act)
	return err
}

// MayGive says whether the key that this session was last proved with has the power for
// an act, for what a session may do without a touch of its own.
func (s *Service) MayGive(tx *store.Tx, ses session.Session, act device.Act) error {
	return s.devices.May(tx, ses.Account, ses.Key, act)
}

// ForScopes: see [device.Service.ForScopes].
func (s *Service) ForScopes(act device.Act, scopes ...string) device.Act {
	return s.devices.ForScopes(act, scopes...)
}

// Usable refuses what a frozen, restricted or closed account may not begin.
func (s *Service) Usable(tx *store.Tx, acc account.ID) error { return s.usable(tx, acc) }
