package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"keyward/internal/store"
)

// The pace of sealing. Sealing is never on the way of a request; these numbers
// decide how much history an intruder could still rewrite unseen.
const (
	sealEvery       = 50 * time.Millisecond
	checkpointEvery = time.Second
	anchorEvery     = time.Minute
	anchorAfter     = 1000 // events, if that comes earlier than a minute

	sealBatch = 256 // events per transaction; also bounds a row of audit_hash to 16 KiB

	sealerBeat = 500 * time.Millisecond // sign of life of the holder
	sealerDead = 2 * time.Second        // standing still this long, it may be replaced
)

// ErrForged: an event in the log was not written by this deployment, or was
// changed after it was written. The tree does not grow past it.
var ErrForged = errors.New("audit: an event in the log is not ours")

// errFenced: another process seals now.
var errFenced = errors.New("audit: sealing was taken over by another process")

// Sealer turns committed events into a signed tree. Every process runs one: on
// PostgreSQL one of them holds the lease and gives places, the others wait for
// it to fall silent; each keeps its own anchor.
//
// Crash order: index, hashes and the deletion from the queue are one
// transaction; a checkpoint is written after the hashes it signs are durable, and
// the anchor after the checkpoint is. So whatever an anchor says was in the
// database, and a database that does not have it was rolled back.
type Sealer struct {
	db     *store.DB
	log    *Log
	anchor string // path; "" keeps none
	clock  func() time.Time
	slog   *slog.Logger

	pass sync.Mutex // one pass at a time; guards the fields below

	tree      *frontier // right edge as last committed; nil: read it again
	signed    int64     // size of the newest checkpoint known
	signedAt  time.Time
	anchored  int64
	anchorAt  time.Time
	fence     int64 // our n in audit_sealer; 0: not the holder
	beatAt    time.Time
	rivalSeen rival

	mu  sync.Mutex // guards err
	err error
}

// rival is the lease of another process as last seen.
type rival struct {
	n, beat int64
	since   time.Time
}

// NewSealer makes the sealer of a process. anchor is the path of a file outside
// the database, best on another disk or machine, "" for none. The clock must
// read monotonic time.
func NewSealer(db *store.DB, log *Log, anchor string, clock func() time.Time, logger *slog.Logger) *Sealer {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Sealer{db: db, log: log, anchor: anchor, clock: clock, slog: logger}
}

// Err is what hinders sealing now: ErrForged needs a person, other errors pass.
func (s *Sealer) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Run seals until ctx ends, then once more, with a last checkpoint and anchor.
func (s *Sealer) Run(ctx context.Context) error {
	t := time.NewTicker(sealEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.note(ctx, s.step(ctx, false))
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			err := s.step(last, true)
			s.release(last)
			return err
		}
	}
}

// note keeps the state for Err and logs each change of it once.
func (s *Sealer) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	before := s.err
	s.err = err
	s.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		s.slog.Error("the event log is not sealed", "error", err)
	case err == nil && before != nil:
		s.slog.Info("the event log is sealed again")
	}
}

// Seal brings everything committed so far into the tree, signs it and writes the
// anchor. On PostgreSQL it does nothing while another process holds the lease.
func (s *Sealer) Seal(ctx context.Context) error { return s.step(ctx, true) }

// step is one pass; now forces the checkpoint and the anchor.
func (s *Sealer) step(ctx context.Context, now bool) error {
	s.pass.Lock()
	defer s.pass.Unlock()
	err := s.grow(ctx)
	if err != nil {
		s.tree = nil // what was committed is unknown; read it again
		if errors.Is(err, errFenced) {
			s.fence = 0
			err = nil
		}
	}
	if err == nil && s.tree != nil {
		err = s.sign(ctx, now)
	}
	return errors.Join(err, s.keepAnchor(ctx, now))
}

func (s *Sealer) grow(ctx context.Context) error {
	if s.db.Dialect() == store.SQLite {
		return s.integrate(ctx)
	}
	if held, err := s.hold(ctx); err != nil || !held {
		s.tree = nil
		return err
	}
	return s.place(ctx)
}

func (s *Sealer) load(ctx context.Context) error {
	if s.tree != nil {
		return nil
	}
	return s.db.View(ctx, func(tx *store.Tx) (err error) {
		if s.tree, err = loadFrontier(tx); err != nil {
			return err
		}
		s.signed = 0
		err = tx.Row(sqlLastSigned).Scan(&s.signed)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		return err
	})
}

// integrate hashes events that have their place already (SQLite). The hashing is
// done on a reader; the writer only takes one insert per batch.
func (s *Sealer) integrate(ctx context.Context) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	for {
		var last int64
		if err := s.db.Get(ctx, sqlLast).Scan(&last); err != nil {
			return err
		}
		if last < s.tree.size {
			return nil
		}
		next := s.tree.clone()
		var stored []tlog.Hash
		if err := s.db.View(ctx, func(tx *store.Tx) error {
			list, err := sealed(tx, next.size-1, sealBatch)
			if err != nil {
				return err
			}
			for _, p := range list {
				if stored, err = s.log.grown(next, stored, p); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		if next.size == s.tree.size {
			return fmt.Errorf("%w: event %d is missing", ErrForged, next.size)
		}
		if err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(sqlAddHashes, tlog.StoredHashCount(s.tree.size), next.size, hashBytes(stored))
			return err
		}); err != nil {
			return err
		}
		s.tree = next
	}
}

// grown adds an event to the tree, unless it is not ours or not the next.
func (l *Log) grown(f *frontier, stored []tlog.Hash, p placed) ([]tlog.Hash, error) {
	if p.n != f.size || p.row == nil {
		return nil, fmt.Errorf("%w: event %d is missing", ErrForged, f.size)
	}
	if !l.ours(p.row) {
		return nil, fmt.Errorf("%w: %s at %d", ErrForged, p.id, p.n)
	}
	leaf, err := p.row.leaf(p.n)
	if err != nil {
		return nil, err
	}
	return append(stored, f.add(leaf)...), nil
}

// place gives the waiting events their places (PostgreSQL), in batches.
func (s *Sealer) place(ctx context.Context) error {
	for {
		waiting := false
		if err := s.db.Get(ctx, sqlWaiting).Scan(&waiting); err != nil || !waiting {
			return err
		}
		if err := s.load(ctx); err != nil {
			return err
		}
		full, err := s.placeBatch(ctx)
		if err != nil || !full {
			return err
		}
	}
}

// placeBatch is one transaction: read what waits, check it, then index, hashes
// and deletion together. All writes wait for the fence that comes last, and
// travel with it in one trip, so a process that is stopped here holds no lock
// that the next sealer needs, and when it goes on it adds nothing.
func (s *Sealer) placeBatch(ctx context.Context) (full bool, err error) {
	var next *frontier
	err = s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		list, err := unsealed(tx, sealBatch)
		if err != nil {
			return err
		}
		full = len(list) == sealBatch
		next = s.tree.clone()
		var stored []tlog.Hash
		var ids []string
		for _, p := range list {
			if p.row == nil || !s.log.ours(p.row) {
				// It stays out of the log and out of the way; verify shows it.
				s.slog.Error("an event that is not ours was refused", "event", p.id)
				if err := tx.Later(sqlRefuse, p.id); err != nil {
					return err
				}
				continue
			}
			p.n = next.size
			if stored, err = s.log.grown(next, stored, p); err != nil {
				return err
			}
			ids = append(ids, p.id)
		}
		if len(ids) > 0 {
			if err := sqlPlace.places(s.fence, s.tree.size, ids, tx.Later); err != nil {
				return err
			}
			if err := tx.Later(sqlAddHashesFenced, tlog.StoredHashCount(s.tree.size), next.size, hashBytes(stored), s.fence); err != nil {
				return err
			}
			if err := sqlDequeue.each(ids, func(q string, args []any) error { return tx.Later(q, args...) }); err != nil {
				return err
			}
		}
		n, err := tx.Exec(sqlSealerBeat, s.fence)
		if err == nil && n == 0 {
			return errFenced
		}
		return err
	})
	if err != nil {
		return false, err
	}
	s.tree, s.beatAt = next, s.clock()
	return full, nil
}

// hold takes or keeps the lease and reports whether we have it.
func (s *Sealer) hold(ctx context.Context) (bool, error) {
	now := s.clock()
	if s.fence != 0 {
		if now.Sub(s.beatAt) < sealerBeat {
			return true, nil
		}
		return true, s.db.Housekeeping(ctx, func(tx *store.Tx) error {
			n, err := tx.Exec(sqlSealerBeat, s.fence)
			if err == nil && n == 0 {
				return errFenced
			}
			s.beatAt = now
			return err
		})
	}
	var r rival
	var free bool
	if err := s.db.Get(ctx, sqlSealer).Scan(&r.n, &r.beat, &free); err != nil {
		return false, err
	}
	r.since = s.clock() // after the read: a query that hung must not date it back
	if r.n == s.rivalSeen.n && r.beat == s.rivalSeen.beat && !s.rivalSeen.since.IsZero() {
		r.since = s.rivalSeen.since
	}
	s.rivalSeen = r
	if !free && s.clock().Sub(r.since) < sealerDead {
		return false, nil
	}
	took := false
	err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(sqlTakeSealer, r.n, r.beat)
		took = n == 1
		return err
	})
	if err != nil || !took {
		return false, err
	}
	s.fence, s.beatAt, s.tree = r.n+1, now, nil
	s.slog.Info("sealing the event log", "fence", s.fence)
	return true, s.load(ctx)
}

// release lets the next process take over at once.
func (s *Sealer) release(ctx context.Context) {
	s.pass.Lock()
	defer s.pass.Unlock()
	if s.fence == 0 {
		return
	}
	_ = s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(sqlFreeSealer, s.fence)
		return err
	})
	s.fence = 0
}

// sign writes a checkpoint when there is news and the last one is a second old.
func (s *Sealer) sign(ctx context.Context, now bool) error {
	if s.tree.size <= s.signed || !now && s.clock().Sub(s.signedAt) < checkpointEvery {
		return nil
	}
	c := checkpoint{size: s.tree.size, root: s.tree.root()}
	if err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		c.at = tx.Now
		text, err := c.sign(s.log.signer)
		if err != nil {
			return err
		}
		_, err = tx.Exec(sqlAddCheckpoint, c.size, store.Micros(tx.Now), text)
		return err
	}); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	s.signed, s.signedAt = c.size, s.clock()
	return nil
}
