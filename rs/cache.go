package rs

import (
	"sync"
	"sync/atomic"
	"time"
)

// seen is a token whose signature was good, and the key that it was good with.
type seen struct {
	token   *Token
	key     *issuerKey
	cleared *atomic.Uint64 // see Tail.endedSince
}

// tokens remembers verified tokens by the SHA-256 of their text, so that a token costs one signature check
// and not one per request. What can change later (time, the key's place in the issuer's set, revocation) is
// looked at again on each request.
type tokens struct {
	shards [16]struct {
		mu sync.RWMutex // guards m
		m  map[[32]byte]seen
		_  [64]byte // the locks of two shards must not share a cache line
	}
}

func (c *tokens) find(hash [32]byte) (seen, bool) {
	s := &c.shards[hash[0]&15]
	s.mu.RLock()
	defer s.mu.RUnlock()
	it, ok := s.m[hash]
	return it, ok
}

func (c *tokens) keep(hash [32]byte, it seen, now time.Time) {
	s := &c.shards[hash[0]&15]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[[32]byte]seen{}
	}
	// Each newcomer looks at up to eight others, in the map's random order, and takes the place of those that
	// have expired, of any one if it must. So the map stays bounded without a walk through all of it.
	looked := 0
	for h, old := range s.m {
		if looked++; looked > 8 {
			break
		}
		if old.token.timely(now) != nil || len(s.m) >= maxTokens/len(c.shards) {
			delete(s.m, h)
		}
	}
	s.m[hash] = it
}
