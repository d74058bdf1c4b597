package gatekit

import (
	"strings"
	"sync"
)

// memory knows which decisions were used and have not expired. It is bounded, and full it refuses.
type memory struct {
	mu     sync.Mutex // guards all below
	known  map[string]struct{}
	ring   []spent // in the order of their use
	head   int     // the oldest
	forgot int64   // the latest expiry among the forgotten, ms
}

type spent struct {
	id      string
	expires int64 // ms
}

func newMemory(n int) *memory {
	return &memory{known: map[string]struct{}{}, ring: make([]spent, max(n, 0))}
}

// spend remembers id until expires. Entries leave in the order of their use: one that expires later than the next
// keeps it in for a second more at most, which costs room and lets nothing in.
func (m *memory) spend(id string, expires, now int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := len(m.known); n > 0 && m.ring[m.head].expires <= now; n-- {
		m.forgot = max(m.forgot, m.ring[m.head].expires)
		delete(m.known, m.ring[m.head].id)
		m.ring[m.head] = spent{}
		m.head = (m.head + 1) % len(m.ring)
	}
	_, used := m.known[id]
	switch {
	case used:
		return ErrUsed
	case expires <= m.forgot:
		// Only after the clock was set back: it may be among what was forgotten.
		return ErrExpired
	case len(m.known) == len(m.ring):
		return ErrFull
	}
	id = strings.Clone(id) // the text it was cut from is the whole payload
	m.ring[(m.head+len(m.known))%len(m.ring)] = spent{id, expires}
	m.known[id] = struct{}{}
	return nil
}
