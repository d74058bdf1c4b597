package apikey

import (
	"context"
	"time"

	"keyward/internal/keyring"
)

// What happens while the tail is lost goes by class (DESIGN §7). A process whose lease
// has run out asks the database. Where that does not answer either, withdrawals,
// transfers, changes and new orders are closed: they would take a place in the database
// that nobody can take. Looking and cancelling may go on for the operator's grace, from
// what this process remembers: somebody whose position runs away must be able to close
// it, and a key that was ended in these seconds can do no more than that. Each such
// answer says how old the memory is, and their number is written to the log afterwards.

// MaxGrace bounds what an operator may set.
const MaxGrace = time.Minute

// dbPatience: how long a request that could be answered from memory waits for a database
// that may be gone.
const dbPatience = 250 * time.Millisecond

// graced reports whether a request may be answered from memory although the tail is
// lost, and for how long it has been. 0 is "no".
func (s *Service) graced(need Need) time.Duration {
	if s.grace <= 0 || !need.exits() || s.lost == nil {
		return 0
	}
	since, ever := s.lost()
	if !ever || since > s.grace {
		return 0
	}
	return max(since, time.Millisecond)
}

// lookup finds a key and its account's standing. stale is not 0 when both come from a
// memory that nobody vouches for.
func (s *Service) lookup(ctx context.Context, p Profile, id ID, need Need) (k *opened, stale time.Duration, err error) {
	if s.grace <= 0 || s.fresh == nil || s.fresh() {
		k, err = s.findFor(ctx, p, id)
		return k, 0, err
	}
	short := ctx
	if s.graced(need) > 0 {
		var cancel context.CancelFunc
		short, cancel = context.WithTimeout(ctx, dbPatience)
		defer cancel()
	}
	if k, err = s.findFor(short, p, id); err == nil || ctx.Err() != nil {
		return k, 0, err
	}
	stale = s.graced(need) // again: time went by
	if k = s.keys.get(id); stale == 0 || k == nil {
		return nil, 0, err
	}
	return k, stale, nil
}

// noteStale counts an answer from memory.
func (s *Service) noteStale() {
	s.stales.Add(1)
	s.unsaid.Add(1)
}

// Stale is how many requests were answered from memory without a lease.
func (s *Service) Stale() int64 { return s.stales.Load() }

// tellStale writes the number of such answers since the last time to the log.
func (s *Service) tellStale(ctx context.Context) error {
	n := s.unsaid.Swap(0)
	if n == 0 {
		return nil
	}
	one := sighting{kind: sightStale, key: ID(keyring.NewID("sig_", s.db.Now())), at: s.db.Now(), n: n}
	var err error
	if s.reader {
		err = s.sight(ctx, one)
	} else {
		err = s.tell(ctx, one)
	}
	if err != nil {
		s.unsaid.Add(n) // the next time
	}
	return err
}
