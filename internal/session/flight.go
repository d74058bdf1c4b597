package session

import (
	"context"
	"sync"
)

// flight lets identical refreshes that are under way at the same moment through
// one at a time until one of them has turned the token; the others then find a
// row that nobody is writing, and all pass at once. It remembers nothing
// afterwards and lends no answer: the database decides each of them.
type flight struct {
	mu    sync.Mutex // guards turns
	turns map[[32]byte]*attempt
}

// attempt is one caller that went first.
type attempt struct {
	done   chan struct{}
	turned bool // written before done is closed
}

func (f *flight) init() { f.turns = map[[32]byte]*attempt{} }

// pass runs fn. A caller whose forerunner failed, perhaps because its own client
// went away, tries to go first itself: one broken connection must not fail
// another's refresh.
func (f *flight) pass(ctx context.Context, token [32]byte, fn func() error) error {
	for {
		f.mu.Lock()
		first := f.turns[token]
		if first == nil {
			first = &attempt{done: make(chan struct{})}
			f.turns[token] = first
			f.mu.Unlock()
			return f.lead(token, first, fn)
		}
		f.mu.Unlock()
		select {
		case <-first.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if first.turned {
			return fn()
		}
	}
}

func (f *flight) lead(token [32]byte, a *attempt, fn func() error) error {
	defer func() { // also when fn panics
		f.mu.Lock()
		delete(f.turns, token)
		f.mu.Unlock()
		close(a.done)
	}()
	err := fn()
	a.turned = err == nil
	return err
}
