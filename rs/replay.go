package rs

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Replay remembers proofs that were used (RFC 9449 §11.1). Spend reports whether id, a hash, is used for the
// first time, and remembers it until then; an error means that it cannot tell, and the request is refused.
// Two servers behind one address must share one, or a proof is good once at each of them.
type Replay interface {
	Spend(ctx context.Context, id [32]byte, until time.Time) (fresh bool, err error)
}

// ErrFull is what a Replay in memory says when it would have to forget a proof that is still good.
var ErrFull = errors.New("rs: more proofs than there is room for")

// NewMemory is the Replay that a Verifier has when Config names none: it remembers what this process has seen.
func NewMemory(now func() time.Time) Replay { return newMemory(maxProofs, now) }

// memory is two generations of proofs: new ones go into the younger, and when that is as old as a proof can
// get, the elder is dropped whole.
type memory struct {
	now func() time.Time
	max int

	mu             sync.Mutex // guards what follows
	younger, elder map[[16]byte]struct{}
	began          time.Time // when younger was begun
	last, forgot   time.Time // the latest until in younger; the latest of all that were dropped
	lastElder      time.Time
}

// generation is longer than any proof is good from the moment of its first use.
const generation = proofAge + proofAhead + 5*time.Second

func newMemory(max int, now func() time.Time) *memory {
	return &memory{now: now, max: max, younger: map[[16]byte]struct{}{}, began: now()}
}

func (m *memory) Spend(_ context.Context, id [32]byte, until time.Time) (bool, error) {
	short := [16]byte(id[:16]) // a chance meeting at 128 bits refuses a proof, no more
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.now(); now.Sub(m.began) >= generation {
		if m.lastElder.After(m.forgot) {
			m.forgot = m.lastElder
		}
		m.elder, m.lastElder = m.younger, m.last
		m.younger, m.began, m.last = map[[16]byte]struct{}{}, now, time.Time{}
	}
	// A clock that was set back would make proofs good again that are no longer remembered.
	if !until.After(m.forgot) {
		return false, nil
	}
	if _, used := m.younger[short]; used {
		return false, nil
	}
	if _, used := m.elder[short]; used {
		return false, nil
	}
	if len(m.younger) >= m.max {
		return false, ErrFull // forgetting one would let it be replayed
	}
	m.younger[short] = struct{}{}
	if until.After(m.last) {
		m.last = until
	}
	return true, nil
}
