package edge

import (
	"context"
	"sync"
	"time"
)

// patience is context.WithTimeout for handlers that mostly wait for nothing. The
// timer, and the entry in the parent, are made when somebody first waits: an
// answer from memory does without, and that is a fifth of what the rim costs. The
// time runs from then; what a handler computes before it waits could not be
// interrupted anyway.
type patience struct {
	context.Context // the parent
	limit           time.Duration

	mu     sync.Mutex      // guards the rest
	begun  context.Context // nil until somebody waits
	cancel context.CancelFunc
}

func (p *patience) begin() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun == nil {
		p.begun, p.cancel = context.WithTimeout(p.Context, p.limit)
	}
	return p.begun
}

// current is what stands for p now, without beginning to wait.
func (p *patience) current() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun == nil {
		return p.Context
	}
	return p.begun
}

func (p *patience) Deadline() (time.Time, bool) { return p.begin().Deadline() }
func (p *patience) Done() <-chan struct{}       { return p.begin().Done() }
func (p *patience) Err() error                  { return p.current().Err() }
func (p *patience) Value(key any) any           { return p.current().Value(key) }

// end lets go of the timer when the answer is out.
func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		p.cancel()
	}
}
