package rs

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// seen is a token whose signature was good, and the key that it was good with.
type seen struct {
	text    string
	hash    [32]byte // SHA-256 of text, for the ath of proofs
	token   *Token
	key     *issuerKey
	cleared *atomic.Uint64 // see Tail.endedSince
}

// tokens remembers verified tokens by their text, so that a token costs one signature check and not one per
// request. What can change later (time, the key's place in the issuer's set, revocation) is looked at again
// on each request.
//
// Found by a hash with a secret seed, which nobody outside can aim at, and then compared whole: SHA-256 of
// a token costs as much as the HMAC of a whole request. So the texts are kept, in memory alone, for as long
// as they are good.
type tokens struct {
	once   sync.Once
	seed   maphash.Seed
	shards [16]struct {
		mu sync.RWMutex // guards m
		m  map[uint64]seen
		_  [64]byte // the locks of two shards must not share a cache line
	}
}

func (c *tokens) place(text string) uint64 {
	c.once.Do(func() { c.seed = maphash.MakeSeed() })
	return maphash.String(c.seed, text)
}

func (c *tokens) find(text string) (seen, bool) {
	h := c.place(text)
	s := &c.shards[h&15]
	s.mu.RLock()
	it, ok := s.m[h]
	s.mu.RUnlock()
	return it, ok && it.text == text
}

func (c *tokens) keep(it seen, now time.Time) {
	h := c.place(it.text)
	s := &c.shards[h&15]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[uint64]seen{}
	}
	// Each newcomer looks at up to eight others, in the map's random order, and takes the place of those that
	// have expired, of any one if it must. So the map stays bounded without a walk through all of it.
	looked := 0
	for other, old := range s.m {
		if looked++; looked > 8 {
			break
		}
		if old.token.timely(now) != nil || len(s.m) >= maxTokens/len(c.shards) {
			delete(s.m, other)
		}
	}
	s.m[h] = it
}
