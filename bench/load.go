package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A script is what one connection does. It is used by one goroutine.
type script interface {
	// next appends the next request to dst. io.EOF: there is nothing left to
	// send, and the run ends for everybody.
	next(dst []byte) ([]byte, error)
	// see looks at the answer. An error ends the run.
	see(a answer) error
}

// run is what came of one run.
type run struct {
	n    int // answers
	took time.Duration
	late []time.Duration // open loop only: from when a request was due to its answer, sorted
}

func (r run) rate() float64 { return float64(r.n) / r.took.Seconds() }

// quantile of the latencies; q between 0 and 1.
func (r run) quantile(q float64) time.Duration {
	if len(r.late) == 0 {
		return 0
	}
	return r.late[min(int(q*float64(len(r.late))), len(r.late)-1)]
}

// dialAll opens the connections before the clock starts.
func dialAll(addr string, n int) (wires []*wire, err error) {
	defer func() {
		if err != nil {
			hangUp(wires)
		}
	}()
	for range n {
		w, err := dial(addr)
		if err != nil {
			return wires, err
		}
		wires = append(wires, w)
	}
	return wires, nil
}

func hangUp(wires []*wire) {
	for _, w := range wires {
		w.c.Close()
	}
}

// closed runs a closed loop: each connection sends its next request when it has
// seen the last answer. It finds out how much there can be, and says nothing
// about how long anybody waits.
func closed(ctx context.Context, addr string, scripts []script, d time.Duration) (run, error) {
	wires, err := dialAll(addr, len(scripts))
	if err != nil {
		return run{}, err
	}
	defer hangUp(wires)
	var (
		wg    sync.WaitGroup
		count atomic.Int64
		over  atomic.Bool
		errs  = make([]error, len(scripts))
	)
	begin := time.Now()
	for i, s := range scripts {
		wg.Go(func() {
			n := int64(0)
			defer func() { count.Add(n) }()
			var buf []byte
			for !over.Load() && ctx.Err() == nil && time.Since(begin) < d {
				if err := exchange(wires[i], s, &buf); err != nil {
					over.Store(true)
					errs[i] = err
					return
				}
				n++
			}
		})
	}
	wg.Wait()
	r := run{n: int(count.Load()), took: time.Since(begin)}
	return r, firstError(ctx, errs)
}

// open runs an open loop: requests are due at a fixed rate whether or not
// earlier ones were answered, and latency counts from when a request was due. A
// server that stalls is charged for everybody who would have come meanwhile.
func open(ctx context.Context, addr string, scripts []script, rate float64, d time.Duration) (run, error) {
	wires, err := dialAll(addr, len(scripts))
	if err != nil {
		return run{}, err
	}
	defer hangUp(wires)
	var (
		wg    sync.WaitGroup
		turn  atomic.Int64
		total = int64(rate * d.Seconds())
		gap   = float64(time.Second) / rate
		late  = make([][]time.Duration, len(scripts))
		errs  = make([]error, len(scripts))
		begin = time.Now()
	)
	for i, s := range scripts {
		wg.Go(func() {
			var buf []byte
			for ctx.Err() == nil {
				t := turn.Add(1) - 1
				if t >= total {
					return
				}
				due := begin.Add(time.Duration(gap * float64(t)))
				time.Sleep(time.Until(due))
				if errs[i] = exchange(wires[i], s, &buf); errs[i] != nil {
					turn.Store(total)
					return
				}
				late[i] = append(late[i], time.Since(due))
			}
		})
	}
	wg.Wait()
	r := run{took: time.Since(begin), late: slices.Concat(late...)}
	r.n = len(r.late)
	slices.Sort(r.late)
	return r, firstError(ctx, errs)
}

func exchange(w *wire, s script, buf *[]byte) error {
	b, err := s.next((*buf)[:0])
	if err != nil {
		return err
	}
	*buf = b
	a, err := w.do(b)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	return s.see(a)
}

func firstError(ctx context.Context, errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return ctx.Err()
}
