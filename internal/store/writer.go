package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// writer is the one goroutine that changes a SQLite database.
//
// It commits in groups without a timer: it takes whatever waits in the queue,
// runs each function in a savepoint, commits once and answers all. While it
// waits for the disk the next group gathers, so a lone caller pays nothing for
// it and a crowd shares one fdatasync.
type writer struct {
	path string
	log  *slog.Logger
	cp   *checkpointer

	queue chan *request
	ended chan struct{}

	mu   sync.RWMutex // held shared while enqueuing, so that close can close the queue
	gone bool         // guarded by mu

	db    *sql.DB     // the rest is touched by the writer goroutine only
	c     *sqliteConn // nil when a broken connection could not be replaced yet
	batch []*request  // the group in hand; an answered request leaves it
}

// maxBatch bounds one group, so that the first of a crowd does not wait for all
// of it: 256 functions of 35 µs are 9 ms.
const maxBatch = 256

// request is one function in the queue.
type request struct {
	*work
	ctx    context.Context // handed to the function; never cancelled
	state  atomic.Int32    // waiting, then taken or withdrawn
	answer chan answer     // holds one, so that the writer never waits

	ran   bool     // the reply is final; this and the rest: writer goroutine only
	reply answer   // what the caller will get
	after []func() // follow-ups of a commit
}

const (
	waiting int32 = iota
	taken
	withdrawn
)

// answer is what became of a request. A panic and a runtime.Goexit of the
// function happen again in the goroutine of the caller.
type answer struct {
	err    error
	panic  *Panic
	goexit bool
}

func openWriter(ctx context.Context, path string, cp *checkpointer, o Options) (*writer, error) {
	w := &writer{
		path: path, log: o.Logger, cp: cp,
		queue: make(chan *request, o.Queue),
		ended: make(chan struct{}),
	}
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	go w.run()
	return w, nil
}

func (w *writer) connect(ctx context.Context) error {
	db, err := openFile(w.path, writing)
	if err != nil {
		return err
	}
	c, err := newConn(ctx, db)
	if err != nil {
		db.Close()
		return err
	}
	w.db, w.c = db, c
	return nil
}

// do enqueues one function and waits for its answer. The context decides
// whether the function starts; once it has started it runs to its end, because
// it shares its transaction with others and its variables with the caller.
func (w *writer) do(ctx context.Context, job *work) error {
	r := &request{work: job, ctx: context.WithoutCancel(ctx), answer: make(chan answer, 1)}
	if err := w.enqueue(r); err != nil {
		return err
	}
	var late <-chan time.Time
	if _, limited := ctx.Deadline(); !limited {
		t := time.NewTimer(patience)
		defer t.Stop()
		late = t.C
	}
	select {
	case a := <-r.answer:
		return a.give()
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, withdrawn) {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("%w: not begun in time: %w", ErrBusy, ctx.Err())
			}
			return ctx.Err()
		}
	case <-late:
		if r.state.CompareAndSwap(waiting, withdrawn) {
			return fmt.Errorf("%w: not begun within %s", ErrBusy, patience)
		}
	}
	a := <-r.answer
	return a.give()
}

// give lets happen to the caller what happened to its function.
func (a answer) give() error {
	if a.panic != nil {
		panic(a.panic)
	}
	if a.goexit {
		runtime.Goexit()
	}
	return a.err
}

func (w *writer) enqueue(r *request) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.gone {
		return ErrClosed
	}
	select {
	case w.queue <- r:
		return nil
	default:
		return ErrBusy
	}
}

// close lets the goroutine finish what was accepted.
func (w *writer) close() error {
	w.mu.Lock()
	w.gone = true
	close(w.queue)
	w.mu.Unlock()
	<-w.ended
	return w.disconnect()
}

func (w *writer) disconnect() error {
	if w.c == nil {
		return nil
	}
	err := errors.Join(w.c.close(), w.db.Close())
	w.c, w.db = nil, nil
	return err
}

// run is the goroutine. A runtime.Goexit inside a function, which is how
// testing's FailNow leaves, ends it; a new one carries on with the batch.
func (w *writer) run() {
	finished := false
	defer func() {
		if !finished {
			go w.run()
		}
	}()
	if len(w.batch) > 0 {
		w.rollback()
		w.oneByOne()
	}
	for r := range w.queue {
		w.gather(r)
		switch {
		case len(w.batch) == 1:
			w.oneByOne()
		case len(w.batch) > 1:
			w.together()
		}
		w.cp.tend(w)
	}
	finished = true
	close(w.ended)
}

// gather takes what waits, without waiting for more.
func (w *writer) gather(r *request) {
	w.batch = w.batch[:0]
	for {
		if r.state.CompareAndSwap(waiting, taken) {
			w.batch = append(w.batch, r)
		}
		if len(w.batch) == maxBatch {
			return
		}
		select {
		case next, ok := <-w.queue:
			if !ok {
				return
			}
			r = next
		default:
			return
		}
	}
}
