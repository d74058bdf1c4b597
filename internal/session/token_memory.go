package session

import "sync"

// readTokens remembers access tokens whose signature was good, by their hash: an API
// that introspects shows the same one with each request of its caller. What can change
// (time, keys, grants) is looked at each time.
type readTokens struct {
	mu sync.RWMutex // guards m
	m  map[[32]byte]readToken
}

type readToken struct {
	claims AccessClaims
	kid    string
}

func (r *readTokens) find(hash [32]byte) (AccessClaims, string, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	t, ok := r.m[hash]
	return t.claims, t.kid, ok
}

// maxRead tokens are remembered, about 1 KiB each.
const maxRead = 1 << 14

func (r *readTokens) keep(hash [32]byte, kid string, c AccessClaims) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m == nil {
		r.m = map[[32]byte]readToken{}
	}
	if len(r.m) >= maxRead {
		for h := range r.m { // any one: map order is random enough for an eviction
			delete(r.m, h)
			break
		}
	}
	r.m[hash] = readToken{c, kid}
}
