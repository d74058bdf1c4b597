package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresEngine is a pool of connections to PostgreSQL. Every transaction is
// tried until it commits, fails for a reason of its own, or its time is up.
type postgresEngine struct {
	db    *sql.DB
	log   *slog.Logger
	slots chan struct{} // one per connection in use
	bound int64         // callers inside at once: one per connection and those who may wait
	count atomic.Int64  // callers inside

	mu   sync.RWMutex // held shared while entering, so that close can wait for everybody
	gone bool
	busy sync.WaitGroup
}

const (
	beginUpdate       = `BEGIN ISOLATION LEVEL SERIALIZABLE`
	beginHousekeeping = `BEGIN ISOLATION LEVEL READ COMMITTED`
	beginView         = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	// Between two tries a random time up to a bound that doubles: transactions
	// that collided once would otherwise collide again in step.
	firstPause = 2 * time.Millisecond
	maxPause   = 50 * time.Millisecond
)

func postgresConfig(url string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("store: database URL: %w", err)
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "keyward"
	}
	// A process that is stopped inside a transaction keeps its row locks: that of the
	// sealer would keep every other process from sealing, and from being asked to.
	if cfg.RuntimeParams["idle_in_transaction_session_timeout"] == "" {
		cfg.RuntimeParams["idle_in_transaction_session_timeout"] = "10s"
	}
	return cfg, nil
}

// lockTimeout is far longer than anybody honest holds a row.
const lockTimeout = "5s"

func openPostgres(ctx context.Context, url string, o Options) (*postgresEngine, error) {
	cfg, err := postgresConfig(url)
	if err != nil {
		return nil, err
	}
	if err := checkSchema(ctx, postgresSchema{url, o.Now}); err != nil {
		return nil, err
	}
	// Other logins may write to some of these rows, and hold their locks for as long as they
	// like: whoever took a gate over, for one. A commit is waited for without an end, so the
	// wait for a lock needs one of its own. Migrations wait as long as it takes.
	if cfg.RuntimeParams["lock_timeout"] == "" {
		cfg.RuntimeParams["lock_timeout"] = lockTimeout
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(o.MaxConns)
	db.SetMaxIdleConns(o.MaxConns) // fewer idle than open would dial anew under load
	return &postgresEngine{
		db: db, log: o.Logger, bound: int64(o.MaxConns + o.Queue),
		slots: make(chan struct{}, o.MaxConns),
	}, nil
}

func (e *postgresEngine) close() error {
	e.mu.Lock()
	e.gone = true
	e.mu.Unlock()
	e.busy.Wait()
	return e.db.Close()
}

func (e *postgresEngine) enter() error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.gone {
		return ErrClosed
	}
	if e.count.Add(1) > e.bound {
		e.count.Add(-1)
		return ErrBusy
	}
	e.busy.Add(1)
	return nil
}

func (e *postgresEngine) leave() {
	e.count.Add(-1)
	e.busy.Done()
}

// on runs f on one connection of the pool. It fails only before f has begun.
// When f panics the pool drops the connection, and with it the transaction.
func (e *postgresEngine) on(ctx context.Context, f func(*pgx.Conn)) error {
	wait, cancel := context.WithTimeout(ctx, patience)
	c, err := e.take(wait)
	cancel()
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	default:
		return fmt.Errorf("%w: no connection: %w", ErrBusy, err)
	}
	defer func() {
		c.Close()
		<-e.slots
	}()
	return c.Raw(func(dc any) error {
		f(dc.(*stdlib.Conn).Conn())
		return nil
	})
}

// take waits for a slot, and then finds a connection free. The pool's own queue
// hands connections to random waiters, of whom some wait very long when there
// are many; a channel serves them in order.
func (e *postgresEngine) take(ctx context.Context) (*sql.Conn, error) {
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := e.db.Conn(ctx)
	if err != nil {
		<-e.slots
	}
	return c, err
}

func (e *postgresEngine) get(ctx context.Context, q string, args, dst []any) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	var err error
	if derr := e.on(ctx, func(pc *pgx.Conn) {
		s := &postgresSession{ctx: ctx, pc: pc}
		var c cursor
		if c, err = s.query(q, args); err != nil {
			return
		}
		if c.Next() {
			err = c.Scan(dst...)
		} else if err = c.Err(); err == nil {
			err = ErrNoRows
		}
		if cerr := c.Close(); err == nil {
			err = cerr
		}
	}); derr != nil {
		return derr
	}
	return err
}

func (e *postgresEngine) view(ctx context.Context, tx *Tx, f func(*Tx) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	var err error
	if derr := e.on(ctx, func(pc *pgx.Conn) {
		defer rethrow()
		s := newPostgresSession(ctx, pc, beginView)
		tx.s = s
		err = f(tx)
		if failed := tx.finish(); err == nil {
			err = failed
		}
		s.rollback()
	}); derr != nil {
		return derr
	}
	return err
}

// outcome is what became of one try.
type outcome struct {
	err   error
	after []func() // follow-ups of a commit
	again bool     // nothing was committed, for a reason that may pass

	unknown bool // the connection broke while the COMMIT was on its way
}

// write tries w until it commits, fails for a reason of its own, or its time is
// up. The time is the caller's deadline, or patience without one.
func (e *postgresEngine) write(caller context.Context, w *work) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	until, limited := caller.Deadline()
	if !limited {
		until = time.Now().Add(patience)
	}
	ctx := caller
	if w.audit && !limited { // housekeeping may take its time; only its retries are bounded
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(caller, until)
		defer cancel()
	}
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		o := e.try(ctx, w)
		switch {
		case o.unknown:
			e.log.Error("nobody knows whether a transaction was committed", "error", o.err, "request", w.cause.Request)
			return o.err
		case o.err == nil || !o.again && !errors.Is(o.err, context.DeadlineExceeded):
			follow(o.after)
			return o.err
		case errors.Is(caller.Err(), context.Canceled):
			return caller.Err()
		case !sleep(ctx, rand.N(pause), until):
			return fmt.Errorf("%w: %w", ErrBusy, o.err)
		}
	}
}

// sleep waits for d and reports whether there is time left for another try.
func sleep(ctx context.Context, d time.Duration, until time.Time) bool {
	if time.Now().Add(d).After(until) {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (e *postgresEngine) try(ctx context.Context, w *work) (o outcome) {
	err := e.on(ctx, func(pc *pgx.Conn) {
		defer rethrow()
		o = attempt(ctx, pc, w)
	})
	if err != nil { // no connection
		return outcome{err: err, again: true}
	}
	return o
}

// attempt runs w once on pc.
func attempt(ctx context.Context, pc *pgx.Conn, w *work) outcome {
	begin := beginHousekeeping
	if w.audit {
		begin = beginUpdate
	}
	s := newPostgresSession(ctx, pc, begin)
	tx := w.newTx(ctx, s)
	commit, err := w.verdict(tx, w.f(tx))
	if tx.failed != nil && s.passing(tx.failed) {
		// Whatever f made of the failure of its statement, it did not see the
		// database as it is.
		s.rollback()
		return outcome{err: tx.failed, again: true}
	}
	if !commit {
		s.rollback()
		return outcome{err: err}
	}
	if cerr := s.commit(); cerr != nil {
		again := s.passing(cerr)
		s.rollback()
		return outcome{err: cerr, again: again, unknown: s.unknown}
	}
	return outcome{err: err, after: tx.after}
}
