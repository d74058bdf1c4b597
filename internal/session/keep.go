package session

import (
	"context"
	"time"

	"keyward/internal/store"
)

// Run writes last uses once a minute and forgets spent proofs, until ctx ends.
// Neither is security state, so an error is only passed to report.
func (s *Service) Run(ctx context.Context, report func(error)) {
	tick := time.NewTicker(seenEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			if err := s.FlushSeen(end); err != nil {
				report(err)
			}
			cancel()
			return
		case <-tick.C:
			if err := s.FlushSeen(ctx); err != nil {
				report(err)
			}
			if err := s.Sweep(ctx); err != nil {
				report(err)
			}
		}
	}
}

// FlushSeen writes the coalesced last uses (DESIGN §3: never a write per check).
func (s *Service) FlushSeen(ctx context.Context) error {
	uses := s.cache.unflushed()
	for len(uses) > 0 {
		part := uses[:min(len(uses), 200)] // short transactions, so that a refresh never waits long behind one
		uses = uses[len(part):]
		if err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
			for _, u := range part {
				if err := tx.Later(sqlSeen, u.sec*1e6, string(u.id)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		for _, u := range part {
			u.e.flushed.Store(u.sec)
		}
	}
	return nil
}

// Sweep forgets proofs whose window is over.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		var n int64
		if err := s.db.Housekeeping(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.Exec(sqlSweepJTI, store.Micros(tx.Now), sweepPart)
			return err
		}); err != nil || n < sweepPart {
			return err
		}
	}
}

// Reached notes how long an end took to be refused everywhere, for the owner's
// list ("ended everywhere in 0.8 s").
func (s *Service) Reached(ctx context.Context, took time.Duration, ids ...ID) error {
	if len(ids) == 0 {
		return nil
	}
	return s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			if err := tx.Later(sqlReach, took.Milliseconds(), string(id)); err != nil {
				return err
			}
		}
		return nil
	})
}
