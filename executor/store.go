package executor

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Once remembers which approvals were carried out. Spend says true for an id the first time it is asked and false ever
// after, until at least until has passed; it must say true once among all processes that move money. An error refuses.
type Once interface {
	Spend(ctx context.Context, id string, until, now time.Time) (first bool, err error)
}

// ErrFull: Memory holds as many approvals as it may, none of which has ended yet.
var ErrFull = errors.New("executor: too many approvals at once")

// Memory is Once for one process. A restart forgets: where that matters, or where there are two, put a unique key of a
// database in its place.
type Memory struct {
	mu    sync.Mutex // guards spent
	spent map[string]time.Time
}

// Spend forgets what has ended, and then remembers id.
func (m *Memory) Spend(_ context.Context, id string, until, now time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, spent := m.spent[id]; spent && now.Before(at) {
		return false, nil
	}
	if len(m.spent) >= maxSpent {
		for k, at := range m.spent {
			if !now.Before(at) {
				delete(m.spent, k)
			}
		}
		if len(m.spent) >= maxSpent {
			return false, ErrFull
		}
	}
	if m.spent == nil {
		m.spent = map[string]time.Time{}
	}
	m.spent[id] = until
	return true, nil
}
