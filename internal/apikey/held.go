package apikey

import (
	"crypto/ed25519"
	"hash/maphash"
	"sync"
)

// held remembers public-key signatures that held. Whether one holds depends on nothing
// but the key, the text and the signature, so the answer stays true; whether the request
// may pass is decided anew each time, after the key was looked up: a key that was revoked
// is not there to be compared with. It pays where the same bytes come again, as tokens
// (JWTs) and reads that are sent a second time do. What changes something comes once and
// is not remembered.
//
// Found by a hash that nobody else can compute and then compared whole: a hash that two
// texts share finds nothing. Two generations, so that it is bounded.
type held struct {
	seed   maphash.Seed
	shards [shards]struct {
		mu       sync.RWMutex // guards the rest
		new, old map[uint64]*heldOne
	}
}

// heldOne is one signature that held: public key, signature, and then the text.
type heldOne struct{ all string }

func (h *held) init() { h.seed = maphash.MakeSeed() }

func (h *held) at(signed []byte) uint64 { return maphash.Bytes(h.seed, signed) }

// holds reports whether this signature over this text was seen to hold under this key.
func (h *held) holds(public, sig, signed []byte) bool {
	if len(public) != ed25519.PublicKeySize || len(sig) != ed25519.SignatureSize {
		return false // or a seam could move: a longer signature and a shorter text are the same bytes
	}
	at := h.at(signed)
	sh := &h.shards[at%shards]
	sh.mu.RLock()
	one := sh.new[at]
	if one == nil {
		one = sh.old[at]
	}
	sh.mu.RUnlock()
	if one == nil || len(one.all) != len(public)+len(sig)+len(signed) {
		return false
	}
	a, b := len(public), len(public)+len(sig)
	return one.all[:a] == string(public) && one.all[a:b] == string(sig) && one.all[b:] == string(signed)
}

// remember keeps one that held.
func (h *held) remember(public, sig, signed []byte) {
	at := h.at(signed)
	all := make([]byte, 0, len(public)+len(sig)+len(signed))
	one := &heldOne{string(append(append(append(all, public...), sig...), signed...))}
	sh := &h.shards[at%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.new == nil || len(sh.new) >= heldEntries/(2*shards) {
		sh.new, sh.old = map[uint64]*heldOne{}, sh.new
	}
	sh.new[at] = one
}

// holds is verifier.holds with a memory for public keys.
func (s *Service) holds(v *verifier, c *Claim, r *Request) bool {
	if v.mac != nil || r.Mutating() || len(c.Signed) > maxHeld {
		return v.holds(c)
	}
	if s.held.holds(v.public, c.Sig, c.Signed) {
		return true
	}
	if !v.holds(c) {
		return false
	}
	s.held.remember(v.public, c.Sig, c.Signed)
	return true
}
