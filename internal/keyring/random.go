package keyring

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// Random is n random bytes. crypto/rand.Read crashes the program rather than return weak ones, so there is
// no error to forget.
func Random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// Secret is 256 random bits as base64url without padding, 43 characters.
func Secret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Hash is how a secret of ours is looked up: SHA-256 of its text. A slow hash would add nothing, because
// what we mint has 125 bits or more and cannot be guessed; it is not for things that people choose.
func Hash(s string) [32]byte { return sha256.Sum256([]byte(s)) }

// Equal compares in constant time. Lengths are not hidden: those of our tags and hashes are public.
func Equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
