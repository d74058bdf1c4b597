package signin

import (
	"context"
	"errors"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/lang"
	"keyward/internal/session"
	"keyward/internal/store"
)

// The owner's half of joining: the code is typed, what is known of the newcomer is
// looked at, and the answer is a touch or a no.

// ClaimJoin takes a typed code. Whoever counts tries counts before it is called; of
// two that type one code at once, on whatever accounts, one has it.
func (s *Service) ClaimJoin(ctx context.Context, cause store.Cause, ses session.Session, typed string) (j Join, err error) {
	if !session.Reaches(ses.ACR, session.ACRPhr) {
		return j, ErrPower
	}
	code, ok := keyring.NormalizeJoinCode(typed)
	if !ok {
		return j, ErrJoinCode
	}
	mac := s.joinCode(code)
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if err := s.changeable(tx, ses.Account, account.HoldKeys); err != nil {
			return err
		}
		// One at a time: two rows on a screen are how somebody says yes to the wrong one.
		// Asked before the code is looked at, so that it says nothing about the code.
		switch open, err := s.OpenJoin(tx, ses.Account); {
		case err == nil:
			return ErrJoinOpen.With("join", open.ID)
		case !errors.Is(err, ErrJoinGone):
			return err
		}
		j, err = scanJoin(tx.Row(sqlClaimJoin, mac[:], string(ses.Account), string(ses.ID), store.Micros(tx.Now)), tx.Now)
		if errors.Is(err, ErrJoinGone) {
			return ErrJoinCode
		}
		if err != nil {
			return err
		}
		return s.joinEvent(tx, "device.join_asked", j, ses)
	})
	return j, err
}

// OpenJoin is the new device that waits for the account's answer, or has it and has
// not come in yet; ErrJoinGone when there is none.
func (s *Service) OpenJoin(tx *store.Tx, acc account.ID) (Join, error) {
	return scanJoin(tx.Row(sqlOpenJoin, string(acc), store.Micros(tx.Now)), tx.Now)
}

// JoinByID is one join of an account, in whatever state.
func (s *Service) JoinByID(tx *store.Tx, acc account.ID, id string) (Join, error) {
	j, err := scanJoin(tx.Row(sqlJoin, id, string(acc)), tx.Now)
	if errors.Is(err, ErrJoinGone) {
		err = ErrJoinUnknown
	}
	return j, err
}

// AdmitJoin says yes. It needs a touch for exactly this join, given on the session
// that typed the code; the touch is then kept for the newcomer's key and nothing
// else (device.Entrust).
func (s *Service) AdmitJoin(ctx context.Context, cause store.Cause, ses session.Session, id string) (j Join, err error) {
	if !session.Reaches(ses.ACR, session.ACRPhr) {
		return j, ErrPower
	}
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if err := s.changeable(tx, ses.Account, account.HoldKeys); err != nil {
			return err
		}
		if j, err = s.JoinByID(tx, ses.Account, id); err != nil {
			return err
		}
		if j.State != JoinClaimed || j.Session != string(ses.ID) {
			return ErrJoinGone // before anybody is asked for a touch that could open nothing
		}
		proof, err := s.need(tx, ses, device.Act{Kind: device.ActDevicesAdmit, Object: id})
		if err != nil {
			return err
		}
		until, err := s.devices.Entrust(tx, proof, id)
		if err != nil {
			return err
		}
		j, err = scanJoin(tx.Row(sqlAdmitJoin, id, string(ses.Account), string(ses.ID), store.Micros(until), store.Micros(tx.Now)), tx.Now)
		if err != nil {
			return err
		}
		return s.joinEvent(tx, "device.join_admitted", j, ses)
	})
	return j, err
}

// RefuseJoin says no, for good; also after a yes, until the newcomer has come in.
// Any live session may: stopping needs no proof.
func (s *Service) RefuseJoin(ctx context.Context, cause store.Cause, ses session.Session, id string) error {
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if _, err := s.JoinByID(tx, ses.Account, id); err != nil {
			return err
		}
		j, err := scanJoin(tx.Row(sqlRefuseJoin, id, string(ses.Account), store.Micros(tx.Now)), tx.Now)
		if err != nil {
			return err
		}
		return s.joinEvent(tx, "device.join_refused", j, ses)
	})
}

func (s *Service) joinEvent(tx *store.Tx, action audit.Action, j Join, ses session.Session) error {
	_, err := s.log.Append(tx, audit.Event{
		Action: action, Account: string(ses.Account), Target: j.ID,
		Effects: []audit.Effect{{Kind: "join", ID: j.ID, Version: j.Version}},
		Payload: map[string]string{"agent": ses.Agent.String(), "newcomer": j.Agent.String(), "newcomer_addr": j.Addr},
	})
	return err
}

func sessionOfJoin(j Join) session.ID { return session.ID(j.Session) }

// holdForKey holds withdrawals because a key came in, and says until when. why is a
// text of package lang; the account keeps it in its owner's language.
func (s *Service) holdForKey(tx *store.Tx, id account.ID, why string) (until string, version int64, err error) {
	acc, err := s.accounts.ByID(tx, id)
	if err != nil {
		return "", 0, err
	}
	h, err := s.accounts.Hold(tx, id, account.HoldWithdraw, tx.Now.Add(NewKeyHold), lang.T(acc.Lang, why))
	if err != nil {
		return "", 0, err
	}
	acc, err = s.accounts.ByID(tx, id)
	return h.Until.UTC().Format(time.RFC3339), acc.Version, err
}

// Strange reports whether a key added by this session would hold withdrawals: the
// account is older than a day and has known this device for less (see device.Known: what
// signed in with a recovery code alone is not known). Not where it is: a place is a hint
// for people and refuses nothing (see package place).
func (s *Service) Strange(tx *store.Tx, ses session.Session) (bool, error) {
	acc, err := s.accounts.ByID(tx, ses.Account)
	if err != nil || tx.Now.Sub(acc.CreatedAt) < NewKeyHold {
		return false, err
	}
	dev, err := s.devices.Device(tx, ses.Account, ses.Device)
	if errors.Is(err, device.ErrUnknown) {
		return true, nil
	}
	return dev.Known(tx.Now) < NewKeyHold, err
}
