package keyring

import (
	"crypto/hmac"
	"crypto/subtle"
	"hash"
	"sync"
)

// Keyed is a plain HMAC (RFC 2104) under a key that somebody else made, such as the
// secret of a bot. Unlike [MAC] it is over exactly the message, because that is what the
// other side computes. Keyed states are kept, so that the key is hashed in once per
// state. Safe for concurrent use; no allocations once warm.
type Keyed struct {
	redacted
	size   int
	states sync.Pool // of *keyedState
}

type keyedState struct {
	hash hash.Hash
	sum  []byte
}

// NewKeyed makes the HMAC of a hash under a key.
func NewKeyed(of func() hash.Hash, key []byte) *Keyed {
	k := &Keyed{size: of().Size()}
	k.states.New = func() any { return &keyedState{hash: hmac.New(of, key), sum: make([]byte, 0, k.size)} }
	return k
}

// Equal reports in constant time whether tag is the whole MAC over message.
func (k *Keyed) Equal(tag, message []byte) bool {
	s := k.states.Get().(*keyedState)
	s.hash.Reset()
	s.hash.Write(message)
	s.sum = s.hash.Sum(s.sum[:0])
	same := len(tag) == k.size && subtle.ConstantTimeCompare(tag, s.sum) == 1
	k.states.Put(s)
	return same
}
