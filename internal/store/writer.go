package store

import (
	"context"
	"database/sql"
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
	db   *sql.DB
	c    *sqliteConn // touched by the writer goroutine only
	log  *slog.Logger
	wait time.Duration

	queue     chan *request
	committed chan struct{} // wakes the checkpointer; closed by the goroutine at its end
	ended     chan struct{}

	mu   sync.RWMutex // held shared while enqueuing, so that close can close the queue
	gone bool

	batch   []*request // touched by the writer goroutine only: the group in hand
	commits int        // since the checkpointer was last woken
}

// maxBatch bounds one group, so that the first of a crowd does not wait for all
// of it: 256 functions of 35 µs are 9 ms.
const maxBatch = 256

// request is one function in the queue.
type request struct {
	*work
	ctx    context.Context // handed to the function; never cancelled
	state  atomic.Int32    // waiting, then taken or withdrawn
	answer chan answer
	ran    bool // has its answer; touched by the writer goroutine only
	reply  answer
	after  []func()
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

// A Panic is the value with which Update panics when its function did: the
// function ran on another goroutine, and its stack would be lost otherwise.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

func openWriter(ctx context.Context, path string, o Options) (*writer, error) {
	db, err := openFile(path, false)
	if err != nil {
		return nil, err
	}
	c, err := newConn(ctx, db)
	if err != nil {
		db.Close()
		return nil, err
	}
	w := &writer{
		db: db, c: c, log: o.Logger, wait: patience,
		queue:     make(chan *request, o.Queue),
		committed: make(chan struct{}, 1),
		ended:     make(chan struct{}),
	}
	go w.run()
	return w, nil
}

// do enqueues one function and waits for its answer. The context decides
// whether the function starts; once it has started it runs to its end, because
// it shares its transaction with others and its variables with the caller.
func (w *writer) do(ctx context.Context, job *work) error {
	r := &request{work: job, ctx: context.WithoutCancel(ctx), answer: make(chan answer, 1)}
	if err := w.enqueue(r); err != nil {
		return err
	}
	patience := time.NewTimer(w.wait)
	defer patience.Stop()
	var a answer
	select {
	case a = <-r.answer:
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, withdrawn) {
			return ctx.Err()
		}
		a = <-r.answer
	case <-patience.C:
		if r.state.CompareAndSwap(waiting, withdrawn) {
			return fmt.Errorf("%w: not begun within %s", ErrBusy, w.wait)
		}
		a = <-r.answer
	}
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
	if err := w.c.close(); err != nil {
		w.db.Close()
		return err
	}
	return w.db.Close()
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
		if len(w.batch) == 1 {
			w.oneByOne()
		} else if len(w.batch) > 1 {
			w.together()
		}
	}
	close(w.committed)
	close(w.ended)
	finished = true
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
