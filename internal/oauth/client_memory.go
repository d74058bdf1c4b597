package oauth

import (
	"sync"

	"keyward/internal/audit"
)

// clientMemory holds apps that are on, because each of their requests begins with
// reading one. As with sessions and grants the lease is asked before the lookup, a
// place is taken before the database is read, and a change takes the place away. Only
// apps that exist get one, so strangers cannot fill it.
type clientMemory struct {
	mu   sync.RWMutex // guards apps
	apps map[string]*Client
}

func (m *clientMemory) get(id string) (Client, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if c := m.apps[id]; c != nil && c.ID != "" {
		return *c, true
	}
	return Client{}, false
}

// through reads an app with its place taken, and keeps it if nothing changed meanwhile.
func (m *clientMemory) through(id string, read func() (Client, error)) (Client, error) {
	place := new(Client)
	m.mu.Lock()
	if m.apps == nil {
		m.apps = map[string]*Client{}
	}
	m.apps[id] = place
	m.mu.Unlock()
	c, err := read()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.apps[id] != place:
	case err != nil:
		delete(m.apps, id)
	default:
		delete(m.apps, id) // id is part of a request
		m.apps[string(c.ID)] = &c
	}
	return c, err
}

// Heard empties it when anything happens to apps: wire it to audit.Watch. What
// operators do belongs to no account and is rare.
func (s *Service) Heard(e audit.Effect, rec audit.Record) {
	if e.Kind != "client" && rec.Account != "" {
		return
	}
	s.clients.mu.Lock()
	s.clients.apps = nil
	s.clients.mu.Unlock()
}
