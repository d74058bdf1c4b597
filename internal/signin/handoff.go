package signin

import (
	"context"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Handoff makes a one-time code with which the exchange's back end learns who is
// signed in. The code is bound to the client and the session, lives a minute, and
// is the only thing that travels through the browser (OAuth replaces it later).
func (s *Service) Handoff(ctx context.Context, ses session.Session, client, url string) (string, error) {
	code := keyring.Secret()
	h := keyring.Hash(code)
	err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(sqlSweepHandoff, store.Micros(tx.Now)); err != nil {
			return err
		}
		_, err := tx.Exec(sqlPutHandoff, h[:], client, url, string(ses.Account), string(ses.ID), store.Micros(tx.Now.Add(handoffLife)))
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
// succeed; a code for another client is not spent by trying.
func (s *Service) RedeemHandoff(ctx context.Context, cause store.Cause, client, code string) (Redeemed, error) {
	h := keyring.Hash(code)
	var r Redeemed
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var acc, ses string
		err := tx.Row(sqlTakeHandoff, h[:], client, store.Micros(tx.Now)).Scan(&acc, &ses)
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
		// out must not come in by a code that is still on its way.
		if !r.Session.EndedAt.IsZero() {
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
