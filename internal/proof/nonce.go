package proof

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// MAC is a keyed hash; *keyring.MAC is one. Sum frames its parts and must be safe for concurrent use.
type MAC interface {
	Sum(dst []byte, parts ...[]byte) [32]byte
}

// Nonces are server nonces without memory (RFC 9449 §8): the number of a two-minute bucket and a MAC over
// it. Proofs can therefore not be made in stock for later: nobody knows the tag of a bucket to come. All
// servers with the same MAC agree, and a flood of requests stores nothing. Give each purpose (token
// endpoint, resources) a MAC of its own.
type Nonces struct {
	MAC MAC
}

const (
	nonceTag  = 16
	nonceSize = 8 + nonceTag
)

// Mint is the nonce to hand out now, for the DPoP-Nonce header. It is the same for everyone until the
// bucket ends, which RFC 9449 §8 permits: it has to be unpredictable, not unique.
func (n Nonces) Mint(now time.Time) string { return n.of(bucket(now)) }

// Check reports whether nonce was handed out in this bucket or the one before. The next bucket counts too
// in the last seconds of this one, for servers whose clock is ahead of ours.
func (n Nonces) Check(nonce string, now time.Time) bool {
	// Only to find the bucket; that the text is ours, to the letter, is what the comparison says.
	var raw [nonceSize]byte
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceSize) {
		return false
	}
	if _, err := base64.RawURLEncoding.Decode(raw[:], []byte(nonce)); err != nil {
		return false
	}
	claimed := binary.BigEndian.Uint64(raw[:8])
	if claimed < bucket(now)-1 || claimed > bucket(now.Add(nonceAhead)) {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(nonce), []byte(n.of(claimed))) == 1
}

// At is Check with the time filled in, for Want.Nonce.
func (n Nonces) At(now time.Time) func(nonce string) bool {
	return func(nonce string) bool { return n.Check(nonce, now) }
}

func (n Nonces) of(bucket uint64) string {
	var raw [nonceSize]byte
	binary.BigEndian.PutUint64(raw[:8], bucket)
	sum := n.MAC.Sum(nil, []byte("dpop-nonce"), raw[:8])
	copy(raw[8:], sum[:nonceTag])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

func bucket(now time.Time) uint64 {
	return uint64(max(now.UnixMilli(), nonceBucket.Milliseconds()) / nonceBucket.Milliseconds())
}
