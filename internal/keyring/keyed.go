package keyring

import (
	"crypto/subtle"
	"hash"
	"sync"
)

// Keyed is plain HMAC (RFC 2104) with one hash, under keys that somebody else made, such
// as the secrets of bots. Unlike [MAC] it is over exactly the message, because that is
// what the other side computes.
//
// A state of crypto/hmac for each key would weigh more than all that is known of the key,
// and what a pool holds is gone with the next collection: a million keys would be keyed
// again and again. So states are shared, and a key is hashed in each time: two blocks
// more of the same hash. Safe for concurrent use; no allocations once warm.
type Keyed struct {
	of          func() hash.Hash
	size, block int
	states      sync.Pool // of *keyedState
}

// KeyedKey is a key of such a MAC.
type KeyedKey struct {
	redacted
	key string
}

// Reveal is the key itself, for keeping it in a smaller form; Key takes it again.
func (k KeyedKey) Reveal() string { return k.key }

type keyedState struct {
	hash hash.Hash
	pad  []byte // the key, padded
	sum  []byte
}

// NewKeyed makes the HMAC of a hash.
func NewKeyed(of func() hash.Hash) *Keyed {
	h := of()
	k := &Keyed{of: of, size: h.Size(), block: h.BlockSize()}
	k.states.New = func() any {
		return &keyedState{hash: of(), pad: make([]byte, k.block), sum: make([]byte, 0, k.size)}
	}
	return k
}

// Key is a key as this hash takes it: one longer than a block is hashed first (RFC 2104
// §2).
func (k *Keyed) Key(key string) KeyedKey {
	if len(key) > k.block {
		h := k.of()
		h.Write([]byte(key))
		key = string(h.Sum(nil))
	}
	return KeyedKey{key: key}
}

// Equal reports in constant time whether tag is the whole MAC over message.
func (k *Keyed) Equal(key KeyedKey, tag, message []byte) bool {
	s := k.states.Get().(*keyedState)
	defer k.states.Put(s)
	s.begin(key.key, inner)
	s.hash.Write(message)
	s.sum = s.hash.Sum(s.sum[:0])
	s.begin(key.key, outer)
	s.hash.Write(s.sum)
	s.sum = s.hash.Sum(s.sum[:0])
	same := len(tag) == k.size && subtle.ConstantTimeCompare(tag, s.sum) == 1
	clear(s.pad) // the next one may be for another key
	return same
}

// begin starts a hash with the key, filled up with zeros to a block and XORed with a pad.
func (s *keyedState) begin(key string, pad *[maxBlock]byte) {
	n := copy(s.pad, key)
	clear(s.pad[n:])
	subtle.XORBytes(s.pad, s.pad, pad[:len(s.pad)])
	s.hash.Reset()
	s.hash.Write(s.pad)
}

// maxBlock is the longest block of a hash in use: that of SHA-384 and SHA-512.
const maxBlock = 128

var inner, outer = repeated(0x36), repeated(0x5c)

func repeated(b byte) *[maxBlock]byte {
	var all [maxBlock]byte
	for i := range all {
		all[i] = b
	}
	return &all
}
