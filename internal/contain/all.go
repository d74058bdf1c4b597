package contain

import (
	"context"
	"strconv"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/session"
	"keyward/internal/store"
)

// EndAll ends every session of an account in one write, for operators and the
// exchange's back end. The owner is told.
func (s *Service) EndAll(ctx context.Context, cause store.Cause, acc account.ID) (Effect, error) {
	live, err := s.live(ctx, acc)
	if err != nil {
		return Effect{}, err
	}
	return s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		if _, err := s.accounts.ByID(tx, acc); err != nil {
			return nil, err
		}
		eff, err := s.sessions.EndAll(tx, acc, session.EndedAll)
		if err != nil {
			return nil, err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "sessions.ended_all", Account: string(acc), Target: string(acc), Effects: eff,
			Payload: map[string]string{"n": strconv.Itoa(len(live))},
		})
		return live, err
	})
}

// AlsoErase adds what a package beside this one keeps of an account. It is called
// while the program is wired, before the first Erase.
func (s *Service) AlsoErase(f func(*store.Tx, account.ID) error) { s.erase = append(s.erase, f) }

// Erase closes an account for good and takes its personal data out of every
// table and out of the log, whose tree still verifies (DESIGN §8).
//
// The sessions end first, in a transaction of their own: a refresh adds to the very
// history that is being erased, and whoever refreshed in a loop could keep the
// erasure from ever committing.
func (s *Service) Erase(ctx context.Context, cause store.Cause, acc account.ID) error {
	if _, err := s.EndAll(ctx, cause, acc); err != nil {
		return err
	}
	_, err := s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		if _, err := s.accounts.ByID(tx, acc); err != nil {
			return nil, err
		}
		eff, err := s.sessions.EndAll(tx, acc, session.EndedClosed)
		if err != nil {
			return nil, err
		}
		if err := s.sessions.Erase(tx, acc); err != nil {
			return nil, err
		}
		if err := s.devices.Erase(tx, acc); err != nil {
			return nil, err
		}
		if err := s.accounts.Erase(tx, acc); err != nil {
			return nil, err
		}
		if _, err := tx.Exec(sqlTakeFreeze, string(acc)); err != nil {
			return nil, err
		}
		for _, erase := range s.erase {
			if err := erase(tx, acc); err != nil {
				return nil, err
			}
		}
		if err := s.log.Erase(tx, string(acc)); err != nil {
			return nil, err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "account.erased", Account: string(acc), Target: string(acc),
			Effects: append(eff, audit.Effect{Kind: "account", ID: string(acc)}),
		})
		return eff, err
	})
	return err
}

// AlsoRestored adds what a package beside this one ends when a restored database is
// accepted. It is called while the program is wired.
func (s *Service) AlsoRestored(f func(*store.Tx) ([]audit.Effect, error)) {
	s.restored = append(s.restored, f)
}

// AcceptRestore takes responsibility for a database that is behind its anchor.
// Every session of every account ends in the same transaction: the backup may
// hold sessions that were ended after it was made.
func (s *Service) AcceptRestore(ctx context.Context, cause store.Cause, b *audit.Behind) error {
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		ended, err := s.sessions.EndEverywhere(tx, session.EndedRestored)
		if err != nil {
			return err
		}
		for _, end := range s.restored {
			more, err := end(tx)
			if err != nil {
				return err
			}
			ended = append(ended, more...)
		}
		// With its effect, so that a process that is running beside us forgets what it
		// holds in memory.
		return s.log.AcceptRestore(tx, b, ended...)
	})
}
