package session

import (
	"context"
	"errors"
	"sync"
)

type flightKey struct {
	hash [32]byte
	jkt  string
}

type call struct {
	done chan struct{}
	iss  Issued
	err  error
}

// flight joins identical refreshes that are under way at the same moment. It
// remembers nothing afterwards: a later retry is decided by the database.
type flight struct {
	mu    sync.Mutex // guards calls
	calls map[flightKey]*call
}

func (f *flight) init() { f.calls = map[flightKey]*call{} }

// do runs fn for the first caller of key and lends its answer to the others.
// A follower whose leader was cancelled runs by itself: one client's broken
// connection must not fail another's refresh.
func (f *flight) do(ctx context.Context, key flightKey, fn func() (Issued, error)) (iss Issued, err error, leader bool) {
	f.mu.Lock()
	if c, ok := f.calls[key]; ok {
		f.mu.Unlock()
		select {
		case <-c.done:
		case <-ctx.Done():
			return Issued{}, ctx.Err(), false
		}
		if errors.Is(c.err, context.Canceled) || errors.Is(c.err, context.DeadlineExceeded) {
			iss, err = fn()
			return iss, err, true
		}
		return c.iss, c.err, false
	}
	c := &call{done: make(chan struct{}), err: errors.New("session: refresh panicked")}
	f.calls[key] = c
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.calls, key)
		f.mu.Unlock()
		close(c.done)
	}()
	c.iss, c.err = fn()
	return c.iss, c.err, true
}
