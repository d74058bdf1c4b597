package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"sync"
)

// MAC is HMAC-SHA256 (RFC 2104) under one key, made to be used often: keyed states are kept and reused, so
// the key is hashed in once per state and not once per sum. Safe for concurrent use; no allocations once
// warm.
type MAC struct {
	redacted
	states sync.Pool // of *macState
}

// macState is one keyed hash with its scratch. Parts are copied here first: passed on to the hash directly
// they would escape, and every caller's stack buffer would move to the heap.
type macState struct {
	hash    hash.Hash
	scratch []byte
	sum     [sha256.Size]byte
}

// maxScratch is the largest scratch that goes back to the pool; one large message must not be kept for ever.
const maxScratch = 64 << 10

func newMAC(key []byte) *MAC {
	m := new(MAC)
	m.states.New = func() any { return &macState{hash: hmac.New(sha256.New, key)} }
	return m
}

// Sum is the MAC over parts. Each part goes in with its length in front, so ("ab", "c") and ("a", "bc")
// differ: no attacker can move bytes from one field into its neighbour.
//
// dst is nil, or an empty slice whose capacity receives a copy of the sum. A dst with bytes in it panics:
// it is a part put in the wrong place, which would then not be protected.
func (m *MAC) Sum(dst []byte, parts ...[]byte) [32]byte {
	if len(dst) != 0 {
		panic("keyring: MAC.Sum: the first argument takes the sum; it is not a part")
	}
	s := m.states.Get().(*macState)
	s.scratch = s.scratch[:0]
	for _, p := range parts {
		s.scratch = binary.BigEndian.AppendUint32(s.scratch, uint32(len(p)))
		s.scratch = append(s.scratch, p...)
	}
	sum := s.over(s.scratch)
	if cap(s.scratch) > maxScratch {
		s.scratch = nil
	}
	m.states.Put(s)
	if cap(dst) >= len(sum) {
		copy(dst[:len(sum)], sum[:])
	}
	return sum
}

// over is plain HMAC-SHA256 of message.
func (s *macState) over(message []byte) [32]byte {
	s.hash.Reset()
	s.hash.Write(message)
	s.hash.Sum(s.sum[:0])
	return s.sum
}

// Equal reports in constant time whether tag is the MAC over parts. A truncated tag of at least 128 bits is
// compared over its length; shorter or longer ones are never equal.
func (m *MAC) Equal(tag []byte, parts ...[]byte) bool {
	if len(tag) < minTag || len(tag) > sha256.Size {
		return false
	}
	sum := m.Sum(nil, parts...)
	return subtle.ConstantTimeCompare(tag, sum[:len(tag)]) == 1
}
