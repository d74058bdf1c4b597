package session

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const cacheShards = 64

// cache holds sessions this process looked up. Three things keep it honest:
//
// fresh() says whether the process heard the audit tail lately (DESIGN §7);
// without it nothing is taken out of here and nothing put in. A process that has
// just started hears only what comes after its first look at the log, so a session
// read before that could have ended without anybody telling us.
//
// A reader takes its place here *before* it reads the database. A change removes
// that place, so what was read before the change is filled into an entry nobody
// finds any more: never a stale live one.
//
// Only good news is believed: a check that would refuse by what stands here asks
// the database first, because a change may be heard here later than the client
// that caused it comes by.
type cache struct {
	fresh  func() bool
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

type cacheShard struct {
	mu      sync.RWMutex // guards entries
	entries map[ID]*entry
}

type entry struct {
	dead    atomic.Bool
	ses     atomic.Pointer[Session] // nil while its reader is at the database
	seen    atomic.Int64            // unix seconds of the last check
	flushed atomic.Int64            // what the database knows of it
}

func (c *cache) init(fresh func() bool) {
	c.fresh = fresh
	c.seed = maphash.MakeSeed()
	for i := range c.shards {
		c.shards[i].entries = map[ID]*entry{}
	}
}

func (c *cache) shard(id ID) *cacheShard {
	return &c.shards[c.hash(string(id))]
}

func (c *cache) hash(id string) uint64 { return maphash.String(c.seed, id) % cacheShards }

// trusted tells whether this process may answer from memory now. It is asked after
// the request arrived and before the lookup (DESIGN §7).
func (c *cache) trusted() bool { return c.fresh == nil || c.fresh() }

func (c *cache) get(id ID, now time.Time) (*Session, bool) {
	sh := c.shard(id)
	sh.mu.RLock()
	e := sh.entries[id]
	sh.mu.RUnlock()
	if e == nil || e.dead.Load() {
		return nil, false
	}
	ses := e.ses.Load()
	if ses == nil {
		return nil, false
	}
	if sec := now.Unix(); e.seen.Load() < sec {
		e.seen.Store(sec)
	}
	return ses, true
}

// slot is a place taken in the cache before the database is read.
type slot struct {
	c  *cache
	id ID
	e  *entry
}

func (c *cache) reserve(id ID) slot {
	id = ID(strings.Clone(string(id))) // it is part of a token, which is part of a request's headers
	e := &entry{}
	sh := c.shard(id)
	sh.mu.Lock()
	if old := sh.entries[id]; old != nil {
		// Keep what the old entry knew of last use; it may not be flushed yet.
		e.seen.Store(old.seen.Load())
		e.flushed.Store(old.flushed.Load())
	} else if len(sh.entries) >= cacheEntries/cacheShards {
		for k := range sh.entries { // any one: map order is random enough for an eviction
			delete(sh.entries, k)
			break
		}
	}
	sh.entries[id] = e
	sh.mu.Unlock()
	return slot{c, id, e}
}

// fill publishes what was read, unless a change took the place away meanwhile.
func (sl slot) fill(ses *Session, now time.Time) {
	if !ses.EndedAt.IsZero() {
		sl.drop()
		return
	}
	sl.e.seen.Store(max(now.Unix(), sl.e.seen.Load()))
	sl.e.ses.Store(ses)
}

func (sl slot) drop() {
	sh := sl.c.shard(sl.id)
	sh.mu.Lock()
	if sh.entries[sl.id] == sl.e {
		delete(sh.entries, sl.id)
	}
	sh.mu.Unlock()
	sl.e.dead.Store(true)
}

// forget makes the next check of this session read the database.
func (c *cache) forget(id ID) {
	sh := c.shard(id)
	sh.mu.Lock()
	e := sh.entries[id]
	if e != nil {
		e.dead.Store(true)
		delete(sh.entries, id)
	}
	sh.mu.Unlock()
}

// forgetAccount does so for every session of the account, by looking at all of
// them: ending everything is rare and a look costs nanoseconds. Places reserved
// but not filled are dropped too: their read may be older than the change.
func (c *cache) forgetAccount(acc string) {
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		for id, e := range sh.entries {
			ses := e.ses.Load()
			if ses == nil || string(ses.Account) == acc {
				e.dead.Store(true)
				delete(sh.entries, id)
			}
		}
		sh.mu.Unlock()
	}
}

// forgetAll empties the memory: after a lapse nobody knows what was missed.
func (c *cache) forgetAll() {
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		for _, e := range sh.entries {
			e.dead.Store(true)
		}
		sh.entries = map[ID]*entry{}
		sh.mu.Unlock()
	}
}

func (c *cache) seenAt(id ID) (time.Time, bool) {
	sh := c.shard(id)
	sh.mu.RLock()
	e := sh.entries[id]
	sh.mu.RUnlock()
	if e == nil || e.seen.Load() == 0 {
		return time.Time{}, false
	}
	return time.Unix(e.seen.Load(), 0).UTC(), true
}

// use is a last use that the database does not know yet.
type use struct {
	id  ID
	sec int64
	e   *entry
}

// unflushed lists them in the order of their ids, so that two processes never
// wait for each other's rows.
func (c *cache) unflushed() (uses []use) {
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.RLock()
		for id, e := range sh.entries {
			if sec := e.seen.Load(); sec > e.flushed.Load() {
				uses = append(uses, use{id, sec, e})
			}
		}
		sh.mu.RUnlock()
	}
	slices.SortFunc(uses, func(a, b use) int { return strings.Compare(string(a.id), string(b.id)) })
	return uses
}
