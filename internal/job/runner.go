package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Handler does one job. It may be called again for a job it has already done,
// when the process died before that was written down.
type Handler func(ctx context.Context, payload []byte) error

// Runner takes due jobs and runs them, a few at a time.
type Runner struct {
	db       *store.DB
	handlers map[string]Handler
	log      *slog.Logger
	id       string
	kick     chan struct{}

	// Concurrency is how many jobs run at once; 0 is 4.
	Concurrency int
}

// NewRunner makes the runner of a process. A kind without a handler is left for
// a process that has one, until its tries are used up.
func NewRunner(db *store.DB, log *slog.Logger, handlers map[string]Handler) *Runner {
	return &Runner{db: db, handlers: handlers, log: log, id: keyring.NewID("run_", db.Now()), kick: make(chan struct{}, 1)}
}

// Kick makes the runner look at once. It never blocks; tx.AfterCommit(r.Kick) is
// the usual place.
func (r *Runner) Kick() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, then gives running handlers the time they need to
// notice that their context is done.
func (r *Runner) Run(ctx context.Context) error {
	n := r.Concurrency
	if n <= 0 {
		n = 4
	}
	free := make(chan struct{}, n)
	for range n {
		free <- struct{}{}
	}
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	sweep := time.NewTicker(purgeEvery)
	defer sweep.Stop()
	for {
		for {
			took, err := r.take(ctx, free, &running)
			if err != nil && ctx.Err() == nil {
				r.log.Warn("jobs cannot be taken", "error", err)
			}
			if took == 0 || err != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-r.kick:
		case <-sweep.C:
			if _, err := Purge(ctx, r.db); err != nil && ctx.Err() == nil {
				r.log.Warn("old jobs were not purged", "error", err)
			}
		}
	}
}

// claimed is a job this runner holds.
type claimed struct {
	id, kind, payload string
	tries             int64
	lease             string
}

// take claims as many due jobs as there are free places and starts them.
func (r *Runner) take(ctx context.Context, free chan struct{}, running *sync.WaitGroup) (int, error) {
	places := len(free)
	if places == 0 {
		return 0, nil
	}
	jobs, err := r.claim(ctx, places)
	if err != nil {
		return 0, err
	}
	for _, j := range jobs {
		<-free // only this goroutine takes places, so there are enough
		running.Go(func() {
			defer func() { free <- struct{}{}; r.Kick() }()
			r.run(ctx, j)
		})
	}
	return len(jobs), nil
}

// claim looks first without a transaction: an idle runner takes no lock.
func (r *Runner) claim(ctx context.Context, limit int) (jobs []claimed, err error) {
	var due int64
	err = r.db.Get(ctx, sqlNextDue).Scan(&due)
	if errors.Is(err, store.ErrNoRows) || err == nil && due > store.Micros(r.db.Now()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = r.db.Housekeeping(ctx, func(tx *store.Tx) error {
		jobs = nil
		// One lease per claim: a job claimed twice by one runner is two leases.
		lease := r.id + "/" + keyring.NewID("lea_", tx.Now)
		rows, err := tx.Rows(sqlClaim, lease, store.Micros(tx.Now.Add(leaseFor)), store.Micros(tx.Now), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			j := claimed{lease: lease}
			if err := rows.Scan(&j.id, &j.kind, &j.payload, &j.tries); err != nil {
				return err
			}
			jobs = append(jobs, j)
		}
		return rows.Err()
	})
	return jobs, err
}

// run calls the handler under a lease that is renewed while it works, and writes
// down what became of the job.
func (r *Runner) run(ctx context.Context, j claimed) {
	work, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	var beat sync.WaitGroup
	beat.Go(func() { r.hold(work, cancel, j) })
	err := r.call(work, j)
	cancel()
	beat.Wait()

	// What happened is written even when the runner is told to stop: it is true.
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	if err := r.settle(end, j, err, ctx.Err() != nil); err != nil {
		r.log.Error("the end of a job was not written; it will run again", "job", j.id, "kind", j.kind, "error", err)
	}
}

// hold renews the lease, and ends the handler's context when it is lost: then
// another runner may have the job.
func (r *Runner) hold(ctx context.Context, lost context.CancelFunc, j claimed) {
	t := time.NewTicker(renewAt)
	defer t.Stop()
	silent := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		var n int64
		err := r.db.Housekeeping(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.Exec(sqlRenew, store.Micros(tx.Now.Add(leaseFor)), j.id, j.lease)
			return err
		})
		switch {
		case err == nil && n == 1:
			silent = 0
		case err == nil:
			lost()
			return
		default:
			if silent++; time.Duration(silent+1)*renewAt >= leaseFor {
				lost()
				return
			}
		}
	}
}

func (r *Runner) call(ctx context.Context, j claimed) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("a job handler panicked", "job", j.id, "kind", j.kind, "panic", p, "stack", string(debug.Stack()))
			err = &Failure{Text: "the handler panicked"}
		}
	}()
	h, ok := r.handlers[j.kind]
	if !ok {
		return &Failure{Text: "no handler for this kind"}
	}
	return h(ctx, []byte(j.payload))
}

func (r *Runner) settle(ctx context.Context, j claimed, err error, stopping bool) error {
	var f *Failure
	known := errors.As(err, &f)
	text := ""
	switch {
	case known:
		text = f.Text
	case err != nil:
		text = fmt.Sprintf("failed (%T)", err) // its text may hold an address or worse
	}
	return r.db.Housekeeping(ctx, func(tx *store.Tx) error {
		now := store.Micros(tx.Now)
		var n int64
		var serr error
		switch {
		case err == nil:
			n, serr = tx.Exec(sqlDone, now, j.id, j.lease)
		case known && f.Final, j.tries >= maxTries && !stopping:
			n, serr = tx.Exec(sqlDie, text, now, j.id, j.lease)
		default:
			after := pause(j.tries)
			if stopping {
				after = 0 // we were told to stop; that is no fault of the job
			}
			n, serr = tx.Exec(sqlRetry, store.Micros(tx.Now.Add(after)), text, j.id, j.lease)
		}
		if serr != nil {
			return serr
		}
		if n == 0 {
			r.log.Warn("a job was lost to another runner while it ran", "job", j.id, "kind", j.kind)
		} else if err != nil {
			r.log.Warn("a job failed", "job", j.id, "kind", j.kind, "try", j.tries, "error", err)
		}
		return nil
	})
}

// pause doubles from firstPause to longPause, ±25 %, so that jobs that failed
// together do not come back together.
func pause(tries int64) time.Duration {
	d := longPause
	if tries < 16 {
		d = min(firstPause<<max(tries-1, 0), longPause)
	}
	return d - d/4 + time.Duration(rand.Int64N(int64(d/2)+1))
}

// Purge deletes jobs that ended long ago and returns how many.
func Purge(ctx context.Context, db *store.DB) (n int64, err error) {
	err = db.Housekeeping(ctx, func(tx *store.Tx) error {
		n, err = tx.Exec(sqlPurge, store.Micros(tx.Now.Add(-keepDone)), store.Micros(tx.Now.Add(-keepDead)))
		return err
	})
	return n, err
}
