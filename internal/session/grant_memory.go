package session

import (
	"context"
	"strings"
	"sync"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/store"
)

// grantMemory holds grants this process looked up, so that introspection need not
// read the same row for each request of an API. It is honest for the same three
// reasons as the cache of sessions: the lease is asked before the lookup, a place is
// taken before the database is read, and a change takes the place away.
//
// It is kept by account and not by grant. A grant stands and falls with its session,
// its account's epoch and its app, and to follow each of them would be a second,
// cleverer copy of what the statement usable says. So whatever the log tells of an
// account empties what is known of its grants; only the turning of refresh tokens,
// which is nearly all that happens and ends nothing, does not.
type grantMemory struct {
	shards [cacheShards]struct {
		mu     sync.RWMutex // guards people and, inside, their grants
		people map[account.ID]map[GrantID]Grant
	}
}

// maxRemembered: grants of one account. It has few; who shows more tokens than that
// reads the database.
const maxRemembered = 32

// GrantNow is GrantByID outside a transaction, from memory where that may be trusted:
// an end that was acknowledged is seen (DESIGN §7). Do not change what it returns.
func (s *Service) GrantNow(ctx context.Context, acc account.ID, id GrantID) (g Grant, err error) {
	read := func() error {
		return s.db.View(ctx, func(tx *store.Tx) (err error) { g, err = s.GrantByID(tx, id); return err })
	}
	if s.cache.fresh == nil || !s.cache.fresh() { // nil: nobody would tell us of changes
		return g, read()
	}
	sh := &s.grants.shards[s.cache.hash(string(acc))]
	sh.mu.RLock()
	g, known := sh.people[acc][id]
	sh.mu.RUnlock()
	if known && s.db.Now().Before(g.AbsExp) {
		return g, nil
	}
	sh.mu.Lock()
	place := sh.people[acc]
	if place == nil || len(place) >= maxRemembered {
		if sh.people == nil {
			sh.people = map[account.ID]map[GrantID]Grant{}
		}
		if len(sh.people) >= cacheEntries/cacheShards {
			for k := range sh.people { // any one: map order is random enough for an eviction
				delete(sh.people, k)
				break
			}
		}
		place = map[GrantID]Grant{}
		sh.people[account.ID(strings.Clone(string(acc)))] = place // it is part of a token
	}
	sh.mu.Unlock()
	if err := read(); err != nil {
		return Grant{}, err
	}
	if g.Account == acc {
		sh.mu.Lock()
		place[g.ID] = g // nobody finds it any more if a change took the place away
		sh.mu.Unlock()
	}
	return g, nil
}

// heard empties what an event may have changed.
func (m *grantMemory) heard(c *cache, e audit.Effect, rec audit.Record) {
	switch {
	case e.Kind == "family":
	case rec.Account == "" || e.Kind == "client" || e.Kind == "grants" || e.Kind == everyoneKind:
		for i := range m.shards {
			m.shards[i].mu.Lock()
			m.shards[i].people = nil
			m.shards[i].mu.Unlock()
		}
	default:
		sh := &m.shards[c.hash(rec.Account)]
		sh.mu.Lock()
		delete(sh.people, account.ID(rec.Account))
		sh.mu.Unlock()
	}
}
