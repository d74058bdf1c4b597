package signin

import (
	"context"
	"strconv"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/store"
)

// CodeState is what the owner may know about the codes: never the codes.
type CodeState struct {
	Left        int
	MadeAt      time.Time // zero: never made
	RehearsedAt time.Time // zero: not proved since they were made
	LastUsed    time.Time // zero: none was used
}

// Codes reads the state of an account's recovery codes.
func (s *Service) Codes(tx *store.Tx, acc account.ID) (CodeState, error) {
	var c CodeState
	var made, rehearsed, version int64
	err := tx.Row(sqlCodeSet, string(acc)).Scan(&made, &rehearsed, &version)
	if err == store.ErrNoRows {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	c.MadeAt, c.RehearsedAt = store.Time(made), store.Time(rehearsed)
	var used int64
	err = tx.Row(sqlCodesLeft, string(acc)).Scan(&c.Left, &used)
	c.LastUsed = store.Time(used)
	return c, err
}

// NewCodes makes ten codes and drops all older ones. They are returned once and
// kept as SHA-256 only. The very first set is covered by the touch that opened
// the session moments ago (sign-up shows the codes in the same visit); every
// later set needs a touch for exactly this act.
func (s *Service) NewCodes(ctx context.Context, cause store.Cause, ses session.Session) ([]string, error) {
	if !session.Reaches(ses.ACR, session.ACRPhr) {
		return nil, ErrPower
	}
	codes := make([]string, CodesPerSet)
	for i := range codes {
		codes[i] = keyring.RecoveryCode()
	}
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if err := s.changeable(tx, ses.Account, account.HoldFactors); err != nil {
			return err
		}
		state, err := s.Codes(tx, ses.Account)
		if err != nil {
			return err
		}
		acc, err := s.accounts.ByID(tx, ses.Account)
		if err != nil {
			return err
		}
		// Both: the touch is the one that made the account. At any later sign-in a
		// copied cookie could otherwise mint itself ten lasting ways in.
		first := state.MadeAt.IsZero() && tx.Now.Sub(ses.AuthTime) <= FreshTouch && tx.Now.Sub(acc.CreatedAt) <= FreshTouch
		if !first {
			if _, err := s.need(tx, ses, device.Act{Kind: device.ActCodesNew}); err != nil {
				return err
			}
		}
		if err := tx.Later(sqlDropCodes, string(ses.Account)); err != nil {
			return err
		}
		for _, c := range codes {
			h, err := codeHash(c)
			if err != nil {
				return err
			}
			if err := tx.Later(sqlInsertCode, h[:], string(ses.Account)); err != nil {
				return err
			}
		}
		var version int64
		if err := tx.Row(sqlPutCodeSet, string(ses.Account), store.Micros(tx.Now)).Scan(&version); err != nil {
			return err
		}
		p := map[string]string{"n": strconv.Itoa(len(codes)), "agent": ses.Agent.String()}
		if !state.MadeAt.IsZero() {
			p["replaced"] = "yes"
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "codes.created", Account: string(ses.Account), Target: string(ses.Account),
			Effects: []audit.Effect{{Kind: "codes", ID: string(ses.Account), Version: version}}, Payload: p,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

func codeHash(code string) ([32]byte, error) {
	norm, ok := keyring.NormalizeCode(code)
	if !ok {
		return [32]byte{}, ErrCodeNotAccepted
	}
	return keyring.Hash("recovery-code|" + norm), nil
}

// Rehearse proves that the owner kept the codes: one is typed back and stays
// unused (MISSION D1).
func (s *Service) Rehearse(ctx context.Context, cause store.Cause, ses session.Session, code string) error {
	if !session.Reaches(ses.ACR, session.ACRPhr) {
		return ErrPower
	}
	h, err := codeHash(code)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var acc string
		var used int64
		err := tx.Row(sqlFindCode, h[:]).Scan(&acc, &used)
		if err == store.ErrNoRows || (err == nil && acc != string(ses.Account)) {
			return ErrCodeNotAccepted
		}
		if err == nil && used != 0 {
			return ErrCodeUsed // the owner may hear it: this is their own code
		}
		if err != nil {
			return err
		}
		var version int64
		if err := tx.Row(sqlRehearsed, store.Micros(tx.Now), string(ses.Account)).Scan(&version); err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "codes.rehearsed", Account: string(ses.Account), Target: string(ses.Account),
			Effects: []audit.Effect{{Kind: "codes", ID: string(ses.Account), Version: version}},
		})
		return err
	})
}

// SignInWithCode spends a recovery code. It gives urn:keyward:fallback powers
// only: look, end sessions, freeze. It never adds a key, whatever happens
// afterwards in that session (DESIGN §5). Wrong address, wrong code and used
// code look the same.
func (s *Service) SignInWithCode(ctx context.Context, cause store.Cause, mail, code string, f From) (Entered, error) {
	mail, mailErr := account.NormalizeMail(mail)
	h, codeErr := codeHash(code)
	if mailErr != nil || codeErr != nil {
		return Entered{}, ErrCodeNotAccepted
	}
	f.Remember = false // a code never makes a device remembered
	f, fresh := f.withCookie()
	var in Entered
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var id string
		var used int64
		err := tx.Row(sqlFindCode, h[:]).Scan(&id, &used)
		if err == store.ErrNoRows {
			return ErrCodeNotAccepted
		}
		if err != nil {
			return err
		}
		acc, err := s.accounts.ByID(tx, account.ID(id))
		if err != nil {
			return err
		}
		contacts, err := s.accounts.Contacts(tx, acc.ID)
		if err != nil {
			return err
		}
		theirs := false
		for _, c := range contacts {
			theirs = theirs || c.Value == mail
		}
		if !theirs {
			return ErrCodeNotAccepted
		}
		n, err := tx.Exec(sqlUseCode, store.Micros(tx.Now), h[:], id) // one statement decides; a second try finds no row
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrCodeNotAccepted
		}
		// In here and not before: who has no code makes us write nothing.
		if err := s.sessions.Spend(tx, f.JKT, f.JTI); err != nil {
			return err
		}
		if acc.Status == account.Frozen {
			return ErrFrozen // a plain error: the code is not used up
		}
		if acc.Status != account.Active && acc.Status != account.Restricted {
			return ErrAccountClosed
		}
		var effects []audit.Effect
		in, effects, err = s.enter(tx, acc.ID, f, nil)
		if err != nil {
			return err
		}
		state, err := s.Codes(tx, acc.ID)
		if err != nil {
			return err
		}
		tx.Cause.Actor = "account:" + id
		p := seen(f, "code", in.NewDevice)
		p["left"] = strconv.Itoa(state.Left)
		_, err = s.log.Append(tx, audit.Event{Action: "codes.used", Account: id, Target: string(in.Session), Effects: effects, Payload: p})
		return err
	})
	if err != nil {
		return Entered{}, err
	}
	in.DeviceCookie = fresh
	return in, nil
}
