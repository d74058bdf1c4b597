package apikey

import (
	"hash/crc32"
	"math/big"
	"strings"

	"keyward/internal/keyring"
)

// ID is the public name of a key: "kwk_live_…", "kwk_test_…" in the sandbox, or the id
// that an imported key has always had.
type ID string

// Tokens are a prefix, base62 of random bytes, and six digits of base62 that hold the
// CRC-32 of all before them: a scanner of leaked text knows one when it sees it, and a
// made-up one costs no lookup. The underscores let a double click select all of it.
const (
	liveID, testID         = "kwk_live_", "kwk_test_"
	liveSecret, testSecret = "kws_live_", "kws_test_"

	idDigits     = 22 // 16 bytes
	secretDigits = 43 // 32 bytes
	crcDigits    = 6
)

func newID(test bool) ID {
	if test {
		return ID(token(testID, keyring.Random(16), idDigits))
	}
	return ID(token(liveID, keyring.Random(16), idDigits))
}

func newSecret(test bool) string {
	if test {
		return token(testSecret, keyring.Random(32), secretDigits)
	}
	return token(liveSecret, keyring.Random(32), secretDigits)
}

func token(prefix string, raw []byte, digits int) string {
	body := prefix + digits62(new(big.Int).SetBytes(raw), digits)
	return body + digits62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), crcDigits)
}

func digits62(n *big.Int, digits int) string {
	s := n.Text(62) // 0-9 a-z A-Z
	var b strings.Builder
	for range digits - len(s) {
		b.WriteByte('0')
	}
	for _, c := range []byte(s) {
		switch { // to 0-9 A-Z a-z, which is the order of ASCII
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// wellFormed reports whether a token of ours is spelled right, which says nothing about
// whether there is such a key.
func wellFormed(s, prefix string, digits int) bool {
	if len(s) != len(prefix)+digits+crcDigits || s[:len(prefix)] != prefix {
		return false
	}
	at := len(s) - crcDigits
	var crc uint64
	for i := len(prefix); i < len(s); i++ {
		v := value62(s[i])
		if v < 0 {
			return false
		}
		if i >= at {
			crc = crc*62 + uint64(v)
		}
	}
	sum := ^uint32(0) // by the table: for thirty bytes, without a copy of the text
	for i := range at {
		sum = crc32.IEEETable[byte(sum)^s[i]] ^ sum>>8
	}
	return crc == uint64(^sum)
}

func value62(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 36
	}
	return -1
}

// ourID reports whether s is an id that we made.
func ourID(s string) bool {
	return wellFormed(s, liveID, idDigits) || wellFormed(s, testID, idDigits)
}

// IsSecret reports whether s is a secret of ours: what a leak scanner looks for.
func IsSecret(s string) bool {
	return wellFormed(s, liveSecret, secretDigits) || wellFormed(s, testSecret, secretDigits)
}
