package rs

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// Nonces hand out and check the server's nonce of RFC 9449 §9. Both must be safe for concurrent use.
type Nonces interface {
	Mint(now time.Time) string
	Check(nonce string, now time.Time) bool
}

const (
	nonceBucket = 2 * time.Minute
	nonceTag    = 16
)

type macNonces struct{ secret []byte }

// NewNonces are nonces without memory: the number of a two-minute bucket and a MAC over it, good for two to
// four minutes. Servers with the same secret, of 32 random bytes or more, agree.
func NewNonces(secret []byte) (Nonces, error) {
	if len(secret) < 32 {
		return nil, errors.New("rs: the secret of nonces must have 32 bytes or more")
	}
	return macNonces{append([]byte(nil), secret...)}, nil
}

func (n macNonces) Mint(now time.Time) string { return n.of(bucket(now)) }

func (n macNonces) Check(nonce string, now time.Time) bool {
	var raw [8 + nonceTag]byte
	if !decodeInto(raw[:], nonce) {
		return false
	}
	// The next bucket counts in the last seconds of this one, for servers whose clock is ahead of ours.
	claimed := binary.BigEndian.Uint64(raw[:8])
	if claimed < bucket(now)-1 || claimed > bucket(now.Add(proofAhead)) {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(nonce), []byte(n.of(claimed))) == 1
}

func (n macNonces) of(bucket uint64) string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, 8+sha256.Size), bucket)
	m := hmac.New(sha256.New, n.secret)
	m.Write([]byte("rs-dpop-nonce"))
	m.Write(raw)
	return base64.RawURLEncoding.EncodeToString(m.Sum(raw)[:8+nonceTag])
}

func bucket(now time.Time) uint64 {
	return uint64(max(now.UnixMilli(), nonceBucket.Milliseconds()) / nonceBucket.Milliseconds())
}
