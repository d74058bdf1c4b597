package notify

import (
	"context"
	"sync"
	"time"

	"keyward/internal/audit"
	"keyward/internal/store"
)

// Run follows the log until ctx ends. Any number of processes may run it.
func (s *Service) Run(ctx context.Context, report func(error)) {
	f := s.follower()
	var sweeper sync.WaitGroup
	sweeper.Go(func() { s.sweep(ctx, report) })
	f.Run(ctx, report)
	sweeper.Wait()
}

func (s *Service) follower() *audit.Follower {
	return &audit.Follower{DB: s.DB, Log: s.Log, Name: follower, Wanted: told, TakeIn: s.takeIn}
}

func (s *Service) sweep(ctx context.Context, report func(error)) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		if err := s.DB.Housekeeping(ctx, s.Sweep); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
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
