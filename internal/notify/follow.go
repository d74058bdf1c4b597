package notify

import (
	"context"
	"errors"
	"time"

	"keyward/internal/audit"
	"keyward/internal/store"
)

// Run follows the log until ctx ends. Any number of processes may run it. An
// event that cannot be taken in stops the follower there and is reported each
// time: a notice is late then, which is seen, and not lost, which is not.
func (s *Service) Run(ctx context.Context, report func(error)) {
	var swept time.Time
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		n, err := s.Follow(ctx)
		if err != nil && ctx.Err() == nil {
			report(err)
		}
		if now := s.DB.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			if err := s.DB.Housekeeping(ctx, s.Sweep); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
		wait := followEvery
		if n == followBatch && err == nil {
			wait = 0 // more is waiting
		}
		pause.Reset(wait)
	}
}

// Follow takes in one batch of events and returns how many. It is one
// transaction: the cursor moves and the mails exist, or neither. When another
// process took the same batch first, nothing is done and nothing is lost.
func (s *Service) Follow(ctx context.Context) (int, error) {
	at, err := s.cursor(ctx)
	if err != nil {
		return 0, err
	}
	// Only sealed events: they have their place, so none can appear before it later.
	events, last, err := s.Log.Sealed(ctx, s.DB, at, followBatch, told)
	if err != nil || last == at {
		return 0, err
	}
	moved := false
	err = s.DB.Housekeeping(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(sqlMove, follower, at, last, store.Micros(tx.Now))
		if moved = n == 1; err != nil || !moved {
			return err
		}
		return s.takeIn(tx, events)
	})
	if err != nil || !moved {
		return 0, err
	}
	return int(last - at), nil
}

// told reports whether anybody is ever mailed about such an event.
func told(a audit.Action) bool {
	spec, ok := audit.Describe(a)
	return ok && spec.Notice != audit.None
}

func (s *Service) takeIn(tx *store.Tx, events []audit.Record) error {
	mails := 0
	for _, rec := range events {
		orders, wanted, err := s.plan(tx, rec)
		if err != nil {
			return err
		}
		for _, o := range orders {
			if err := enqueue(tx, o, mails); err != nil {
				return err
			}
			mails++
		}
		if wanted && len(orders) == 0 {
			// An owner who could not be told is a fact somebody must be able to find.
			spec, _ := audit.Describe(rec.Action)
			o := order{ID: rec.ID + "/nobody", Event: rec.ID, Kind: Kind(spec.Mail), Account: rec.Account}
			if _, err := s.open(tx, o, stateNobody, "no confirmed address"); err != nil {
				return err
			}
		}
	}
	if mails > 0 {
		tx.AfterCommit(s.Kick)
	}
	return nil
}

// cursor is the index of the last event taken in, -1 before the first.
func (s *Service) cursor(ctx context.Context) (at int64, err error) {
	err = s.DB.Get(ctx, sqlCursor, follower).Scan(&at)
	if !errors.Is(err, store.ErrNoRows) {
		return at, err
	}
	err = s.DB.Housekeeping(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(sqlStart, follower, store.Micros(tx.Now)); err != nil {
			return err
		}
		return tx.Row(sqlCursor, follower).Scan(&at)
	})
	return at, err
}
