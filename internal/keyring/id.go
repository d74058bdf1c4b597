package keyring

import (
	"crypto/rand"
	"strings"
	"time"
)

// Crockford's base 32, lower case for ids and upper case for codes that people read: no I, L, O, U.
const (
	lowerDigits = "0123456789abcdefghjkmnpqrstvwxyz"
	upperDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// idDigits is 128 bits in fives: 48 of time, 80 of chance, and two leading zero bits.
const idDigits = 26

// NewID is a new id such as acc_01j9… that sorts by its time to the millisecond. The 80 random bits make it
// unique across processes without asking; it is a name and not a secret. The prefix may be given with its
// underscore or without.
func NewID(prefix string, now time.Time) string {
	prefix = strings.TrimSuffix(prefix, "_")
	var raw [16]byte
	ms := uint64(max(now.UnixMilli(), 0))
	for i := range 6 {
		raw[i] = byte(ms >> (40 - 8*i))
	}
	rand.Read(raw[6:])

	out := make([]byte, 0, len(prefix)+1+idDigits)
	out = append(out, prefix...)
	out = append(out, '_')
	return string(appendBase32(out, raw[:], 2, lowerDigits))
}

// ValidID reports whether s is an id of this kind, exactly as NewID writes them: other spellings of the
// same bits are refused, so that an id has one text everywhere (keys of caches, log searches, signatures).
func ValidID(prefix, s string) bool {
	prefix = strings.TrimSuffix(prefix, "_")
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != 1+idDigits || digits[0] != '_' {
		return false
	}
	digits = digits[1:]
	if digits[0] > '7' {
		return false // would be more than 128 bits
	}
	for i := range len(digits) {
		if strings.IndexByte(lowerDigits, digits[i]) < 0 {
			return false
		}
	}
	return true
}

// appendBase32 writes pad zero bits and then raw, five bits a digit, as many digits as are full.
func appendBase32(dst, raw []byte, pad int, digits string) []byte {
	acc, bits := uint(0), pad
	for _, b := range raw {
		acc = acc<<8 | uint(b)
		bits += 8
		for bits >= 5 {
			bits -= 5
			dst = append(dst, digits[acc>>bits&31])
		}
		acc &= 1<<bits - 1
	}
	return dst
}
