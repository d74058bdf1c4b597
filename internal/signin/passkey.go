package signin

import (
	"context"
	"errors"
	"strconv"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// BeginSignIn returns request options for a discoverable passkey. They never
// carry allowCredentials: a list would tell a stranger which accounts exist and
// which keys they hold (WebAuthn L3 §14.6.3).
func (s *Service) BeginSignIn(ctx context.Context) ([]byte, error) {
	return s.devices.BeginAssert(device.Act{Kind: device.ActSignIn}, "", "")
}

// FinishSignIn verifies the touch and starts a session.
func (s *Service) FinishSignIn(ctx context.Context, cause store.Cause, response []byte, f From) (Entered, error) {
	as, err := s.devices.ParseAssert(ctx, s.db, device.Act{Kind: device.ActSignIn}, "", "", f.proved(), response)
	if err != nil {
		return Entered{}, err
	}
	cause.Actor = "account:" + string(as.Account())
	f, fresh := f.withCookie()
	var in Entered
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		proof, err := s.devices.Prove(tx, as)
		if err != nil {
			return err
		}
		if err := s.sessions.Spend(tx, f.JKT, f.JTI); err != nil {
			return err
		}
		acc, err := s.accounts.ByID(tx, proof.Account())
		if err != nil {
			return err
		}
		// The signature is good, so the owner may hear the exact reason (exact after
		// proof). A frozen account lets its passkey in: that is how it is lifted.
		switch acc.Status {
		case account.Active, account.Restricted, account.Frozen:
		default:
			return ErrAccountClosed
		}
		var effects []audit.Effect
		in, effects, err = s.enter(tx, acc.ID, f, &proof)
		if err != nil {
			return err
		}
		effects = append(effects, audit.Effect{Kind: "key", ID: string(proof.Key())})
		p := seen(f, "passkey", in.NewDevice)
		p["key"] = as.KeyName()
		if f.Instead.Account == acc.ID {
			p["instead"] = "lapsed"
		}
		if n := session.EndedGrants(effects); n > 0 { // only a lapse takes apps along
			p["instead"], p["apps"] = "lapsed_apps", strconv.Itoa(n)
		}
		if proof.CounterRegressed() {
			// A signal, never a refusal by itself (WebAuthn L3 §7.2 step 22, §6.1.1):
			// it rides in this event so that risk can weigh it.
			p["signal"] = "counter_regressed"
		}
		_, err = s.log.Append(tx, audit.Event{Action: "session.started", Account: string(acc.ID), Target: string(in.Session), Effects: effects, Payload: p})
		return err
	})
	if errors.Is(err, account.ErrUnknown) {
		err = ErrNotAccepted
	}
	if err != nil {
		return Entered{}, err
	}
	in.DeviceCookie = fresh
	return in, nil
}
