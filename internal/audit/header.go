package audit

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/mod/sumdb/tlog"
)

// headerVersion is the format of the header. A new field means a new version;
// verifiers keep reading the old ones.
const headerVersion = 1

// header is the part of an event that is proved for ever. It names ids, never
// people. Its CBOR is an array in the order of the fields, so the order is the
// format.
type header struct {
	_       struct{} `cbor:",toarray"`
	V       uint64
	ID      string
	At      int64 // microseconds
	Action  string
	Actor   string
	Account string
	Target  string
	Request string
	Shown   bool   // hiding an event from its owner is an edit like any other
	Effects []byte // SHA-256 of the stored text
}

// RFC 8949 §4.2.1: one encoding per header, so a second one with the same
// meaning cannot pass for it.
var canonical = func() cbor.EncMode {
	m, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // constant options
	}
	return m
}()

// encode is the header without its index, which on PostgreSQL is not known when
// the event is written.
func (r *row) encode() ([]byte, error) {
	effects := sha256.Sum256([]byte(r.effects))
	return canonical.Marshal(header{
		V: headerVersion, ID: r.id, At: r.at, Action: r.action, Actor: r.actor, Account: r.account,
		Target: r.target, Request: r.request, Shown: r.shown, Effects: effects[:],
	})
}

// leaf hashes the header [index, encode()] and the hash of the payload.
// tlog.RecordHash puts the 0x00 in front that keeps leaves apart from nodes
// (RFC 6962 §2.1).
func (r *row) leaf(n int64) (tlog.Hash, error) {
	h, err := r.encode()
	if err != nil {
		return tlog.Hash{}, err
	}
	b := make([]byte, 0, 10+len(h)+sha256.Size)
	b = append(b, 0x82) // array of two
	b = appendUint(b, uint64(n))
	b = append(b, h...)
	b = append(b, r.payloadHash...)
	return tlog.RecordHash(b), nil
}

// appendUint appends an unsigned integer in the shortest form of CBOR major type 0.
func appendUint(b []byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, byte(n))
	case n < 1<<8:
		return append(b, 24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, 26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 27), n)
}

// hashPayload commits to the payload. The salt keeps a dictionary of names and
// addresses from being tried against the hash after an erasure.
func hashPayload(salt []byte, payload string) []byte {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(payload))
	return h.Sum(nil)
}
