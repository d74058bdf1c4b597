package signin

import (
	"context"
	"encoding/base64"
	"strings"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Ask is a hand-off as the exchange asked for it, through the browser.
type Ask struct {
	Client, URL string
	Challenge   [32]byte // of the browser at the exchange: SHA-256 of its verifier
}

// ParseChallenge reads a code challenge (RFC 7636 §4.2; S256 is the only method,
// "plain" would put the verifier where the code is). One spelling only: the
// decoder by itself skips line breaks.
func ParseChallenge(s string) (c [32]byte, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(s) != 43 {
		return c, false
	}
	return [32]byte(b), true
}

// ValidState: what comes back must be unguessable and safe in any address.
func ValidState(s string) bool {
	return len(s) >= 16 && len(s) <= 128 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// Handoff makes a one-time code with which the exchange's back end learns who is
// signed in. The code is bound to the client, the session and the browser that
// asked at the exchange, and lives a minute (OAuth replaces it later).
//
// A cookie alone never gets one: a copied access cookie lives five minutes, the
// exchange's own session for hours. A bound session proves its key here and now;
// an unbound one needs a touch for this act, whose step-up also makes every copy
// of its cookies worthless. What a recovery code opened has no power to go on.
func (s *Service) Handoff(ctx context.Context, ses session.Session, ask Ask, f From) (string, error) {
	code := keyring.Secret()
	h := keyring.Hash(code)
	err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		if err := s.usable(tx, ses.Account); err != nil {
			return err
		}
		ses, err := s.sessions.ByID(tx, ses.Account, ses.ID) // as it is now, not as a cache saw it
		switch {
		case err != nil:
			return err
		case !ses.EndedAt.IsZero():
			return session.ErrEnded
		case !session.Reaches(ses.ACR, session.ACRPhr):
			return ErrPower
		case ses.JKT == "":
			_, err = s.need(tx, ses, device.Act{Kind: device.ActHandoff})
		case f.JKT != ses.JKT:
			return session.ErrProofMissing
		}
		if err != nil {
			return err
		}
		if err := s.sessions.Spend(tx, f.JKT, f.JTI); err != nil {
			return err
		}
		if _, err := tx.Exec(sqlSweepHandoff, store.Micros(tx.Now)); err != nil {
			return err
		}
		_, err = tx.Exec(sqlPutHandoff, h[:], ask.Challenge[:], ask.Client, ask.URL, string(ses.Account), string(ses.ID), store.Micros(tx.Now.Add(handoffLife)))
		return err
	})
	return code, err
}

// Redeemed is who a hand-off code stands for.
type Redeemed struct {
	Account account.Account
	Session session.Session
}

// RedeemHandoff spends a code. The DELETE decides, so two redeemers cannot both
// succeed; a code for another client, or with another browser's verifier, is not
// spent by trying. Both comparisons are of SHA-256 values whose inputs the caller
// would have to know already, so the index may compare them byte by byte: how far
// it came says nothing that leads to the next byte.
func (s *Service) RedeemHandoff(ctx context.Context, cause store.Cause, client, code, verifier string) (Redeemed, error) {
	h, challenge := keyring.Hash(code), keyring.Hash(verifier)
	var r Redeemed
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var acc, ses string
		err := tx.Row(sqlTakeHandoff, h[:], challenge[:], client, store.Micros(tx.Now)).Scan(&acc, &ses)
		if err == store.ErrNoRows {
			return ErrHandoff
		}
		if err != nil {
			return err
		}
		if r.Account, err = s.accounts.ByID(tx, account.ID(acc)); err != nil {
			return err
		}
		if r.Session, err = s.sessions.ByID(tx, account.ID(acc), session.ID(ses)); err != nil {
			return err
		}
		// Whatever ended it, a freeze and "end everything" included: who was signed
		// out must not come in by a code that is still on its way. A restriction is
		// for the exchange to judge: the status goes with the answer.
		if !r.Session.EndedAt.IsZero() || r.Account.Status == account.Frozen || r.Account.Status == account.Closed {
			return ErrHandoff
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "handoff.redeemed", Account: acc, Target: ses,
			Effects: []audit.Effect{{Kind: "session", ID: ses, Version: r.Session.Version}},
			Payload: map[string]string{"client": client},
		})
		return err
	})
	if err != nil {
		return Redeemed{}, err
	}
	return r, nil
}
