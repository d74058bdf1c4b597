package audit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// The clock of "acknowledged means refused". A lease ends 200 ms before anybody
// may conclude that it has ended; that difference pays for clocks that run apart.
const (
	beatEvery  = 100 * time.Millisecond
	leaseFor   = 400 * time.Millisecond
	lapsedFor  = 600 * time.Millisecond // standing still this long, a lease has run out
	maxDrift   = 200 * time.Millisecond // between wall and monotonic time
	forgetLate = time.Hour              // rows of processes that ended without a word
	tailLimit  = 5000
)

// Watch keeps the caches of one process honest (DESIGN §7). A process that
// answers from memory has one, asks [Watch.Valid] after a request arrived and
// before it looks into a cache, and drops cached objects in [Watch.OnEffect].
//
// On PostgreSQL the watch holds a lease: a row that it counts up before each
// read of the tail. Whoever revokes waits until each lease has moved on twice,
// which proves a complete read after the commit, or has run out. On SQLite this
// process is the only one, its caches hear of each commit before the caller
// does, and the watch is always valid.
//
// A cache must ignore a version lower than the one it knows, and must not keep
// an object whose loading began before an effect on it was delivered.
type Watch struct {
	db    *store.DB
	log   *Log
	id    string
	read  func() instant
	slog  *slog.Logger
	alone bool // SQLite

	// Guest says that this process may write its own lease and delete none, as the database
	// role of a gate is given: who could delete the leases of others would have revocations
	// acknowledged that they never heard of. Its row is dropped by the next server that starts.
	Guest bool

	// OfflineFor is the longest life of an access token. A verifier without a
	// tail may accept a revoked one for so long; WaitGates says until when.
	OfflineFor time.Duration

	lease atomic.Pointer[instant] // t0 of the last complete read; nil: invalid
	held  atomic.Pointer[instant] // the same, and it stays

	mu       sync.RWMutex // guards onEffect; held shared while effects are delivered
	onEffect []func(Effect, Record)

	gates gates

	// touched by Run only
	last  int64
	swept time.Duration   // when old leases were dropped last
	seen  map[string]bool // unsealed events delivered already
}

// NewWatch makes the watch of a process. The name helps people who read the
// lease table; the id behind it is new for every start, so that two processes
// with one name never count each other's lease up. The clock must read
// monotonic time (time.Now), because leases are measured with it.
func NewWatch(db *store.DB, log *Log, name string, clock func() time.Time) *Watch {
	w := &Watch{
		db: db, log: log, read: instants(clock), alone: db.Dialect() == store.SQLite,
		id: name + "/" + keyring.NewID("lea_", clock()), slog: slog.New(slog.DiscardHandler),
		seen: map[string]bool{},
	}
	w.gates.still = map[string]still{}
	log.mu.Lock()
	log.watches = append(log.watches[:len(log.watches):len(log.watches)], w)
	log.mu.Unlock()
	return w
}

// LogTo sends what goes wrong in the background to a logger.
func (w *Watch) LogTo(l *slog.Logger) { w.slog = l }

// OnEffect registers a cache. It is called for every effect of every event that
// commits anywhere, at least once, in no particular order, and never blocks.
// Register before Run.
func (w *Watch) OnEffect(f func(Effect, Record)) {
	w.mu.Lock()
	w.onEffect = append(w.onEffect, f)
	w.mu.Unlock()
}

func (w *Watch) deliver(rec Record) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, e := range rec.Effects {
		for _, f := range w.onEffect {
			f(e, rec)
		}
	}
}

// Valid reports whether this process may answer from memory now. False means:
// read the database or refuse.
//
// The wall clock is asked too: a virtual machine that was paused may come back
// with a monotonic clock that stood still, and would trust a lease of yesterday.
func (w *Watch) Valid() bool {
	if w.alone {
		return true
	}
	t0 := w.lease.Load()
	if t0 == nil {
		return false
	}
	now := w.read()
	return now.mono-t0.mono < leaseFor && !parted(*t0, now)
}

// instant is one reading of both clocks.
type instant struct {
	mono time.Duration // since the watch was made
	wall time.Time
}

func instants(clock func() time.Time) func() instant {
	start := clock()
	return func() instant {
		now := clock()
		return instant{now.Sub(start), now.Round(0)}
	}
}

// parted reports whether the two clocks disagree about the time between a and b.
func parted(a, b instant) bool {
	return (b.wall.Sub(a.wall) - (b.mono - a.mono)).Abs() > maxDrift
}

// Run keeps the lease until ctx ends. It returns at once on SQLite's behalf only
// when ctx ends, like everywhere, so that callers need not ask which it is.
func (w *Watch) Run(ctx context.Context) error {
	if w.alone {
		<-ctx.Done()
		return nil
	}
	defer w.end()
	t := time.NewTicker(beatEvery)
	defer t.Stop()
	w.last = -1
	first := true
	for {
		if err := w.poll(ctx, first); err == nil {
			first = false
		} else if w.lease.Store(nil); ctx.Err() == nil {
			// The lease was counted up and nothing was read after it: the next count would
			// tell a waiter of a read that was none.
			w.slog.Warn("the audit tail cannot be read; nothing is answered from memory", "lease", w.id, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// end gives the lease up, so that nobody waits for a process that left.
func (w *Watch) end() {
	w.lease.Store(nil)
	if w.Guest {
		return // it stands still, and has lapsed for everybody after 600 ms
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = w.db.Housekeeping(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(sqlDropLease, w.id)
		return err
	})
}

// poll is one turn. The order matters: the lease is written before the tail is
// read, so a waiter that sees the lease twice as high as when it committed knows
// that a whole read lies between.
func (w *Watch) poll(ctx context.Context, first bool) error {
	t0 := w.read()
	if held := w.lease.Load(); held != nil && parted(*held, t0) {
		w.lease.Store(nil)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := w.db.Housekeeping(ctx, func(tx *store.Tx) error {
		// Not at the start alone: gates come and go while a server runs for months, and drop
		// none of their own.
		if !w.Guest && (first || t0.mono-w.swept >= forgetLate/4) {
			w.swept = t0.mono
			if _, err := tx.Exec(sqlDropLeases, store.Micros(tx.Now.Add(-forgetLate))); err != nil {
				return err
			}
		}
		_, err := tx.Exec(sqlBeat, w.id, store.Micros(tx.Now))
		return err
	}); err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	if first {
		// Caches are empty: only what comes from now on matters. Read after the
		// lease was written, or a revocation between the two would be missed.
		last, err := w.log.Last(ctx, w.db)
		if err != nil {
			return err
		}
		w.last = last
	}
	if err := w.catchUp(ctx); err != nil {
		return err
	}
	w.held.Store(&t0)
	w.lease.Store(&t0)
	return nil
}

// Lost reports for how long Valid has been false; ever is false when it was never true.
// The longer of the two clocks counts: what the machine slept through went by.
func (w *Watch) Lost() (since time.Duration, ever bool) {
	if w.alone {
		return 0, true
	}
	t0 := w.held.Load()
	if t0 == nil {
		return 0, false
	}
	now := w.read()
	return max(0, now.mono-t0.mono-leaseFor, now.wall.Sub(t0.wall)-leaseFor), true
}

// catchUp delivers everything that was committed when it began.
func (w *Watch) catchUp(ctx context.Context) error {
	for {
		var sealed, unsealed []Record
		err := w.db.View(ctx, func(tx *store.Tx) (err error) {
			if sealed, unsealed, err = w.log.tail(tx, w.last, tailLimit); err != nil {
				return err
			}
			return w.gates.observe(tx, w.read)
		})
		if err != nil {
			return err
		}
		for _, rec := range sealed {
			if !w.seen[rec.ID] {
				w.deliver(rec)
			}
			delete(w.seen, rec.ID)
			w.last = rec.Index
		}
		for _, rec := range unsealed {
			if !w.seen[rec.ID] {
				w.deliver(rec)
				w.seen[rec.ID] = true
			}
		}
		if len(sealed) < tailLimit {
			return nil
		}
	}
}
