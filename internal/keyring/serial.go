package keyring

import (
	"encoding/binary"
	"sync/atomic"
)

// Serial gives numbers that nobody else gives: half chosen at random for this process,
// half counted. They are names and no secrets: who has one knows the next.
type Serial struct {
	half [8]byte
	n    atomic.Uint64
}

// NewSerial begins a row of numbers.
func NewSerial() *Serial { return &Serial{half: [8]byte(Random(8))} }

// Next is a number that was not given before.
func (s *Serial) Next() (id [16]byte) {
	copy(id[:8], s.half[:])
	binary.BigEndian.PutUint64(id[8:], s.n.Add(1))
	return id
}
