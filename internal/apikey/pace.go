package apikey

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// paces say where keys, sub-accounts and accounts stand in their requests a minute. They
// outlive what was read of those: while the log is not heard every request reads anew, and
// would find the pace of somebody who rested.
type paces struct {
	most   int // of a shard
	seed   maphash.Seed
	shards [shards]struct {
		mu sync.RWMutex // guards m
		// By a hash of the name, which takes half the room of the name. The seed is this
		// process's own, so nobody can look for a name that shares another's pace.
		m map[uint64]*atomic.Int64
	}
}

func (p *paces) init(most int) {
	p.most, p.seed = most/shards, maphash.MakeSeed()
	for i := range p.shards {
		p.shards[i].m = map[uint64]*atomic.Int64{}
	}
}

// of is the pace under a name.
func (p *paces) of(name string) *atomic.Int64 {
	k := maphash.String(p.seed, name)
	sh := &p.shards[k%shards]
	sh.mu.RLock()
	tat := sh.m[k]
	sh.mu.RUnlock()
	if tat != nil {
		return tat
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if tat := sh.m[k]; tat != nil {
		return tat
	}
	if len(sh.m) >= p.most {
		for other := range sh.m { // any one: map order is random enough for an eviction
			delete(sh.m, other)
			break
		}
	}
	tat = new(atomic.Int64)
	sh.m[k] = tat
	return tat
}
