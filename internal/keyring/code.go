package keyring

import (
	"strings"
	"unicode"
)

const (
	codeDigits = 25 // 125 bits
	joinDigits = 10 // 50 bits
	codeGroup  = 5
)

// RecoveryCode is a new code such as 7K2QD-… of 125 random bits: beyond guessing even with the hash in
// hand, so it is kept as SHA-256 like every secret of ours.
func RecoveryCode() string {
	raw := Random(16)
	return grouped(string(appendBase32(nil, raw, 0, upperDigits)))
}

// NormalizeCode gives a typed code the one form that RecoveryCode writes, which is also the form to hash.
// It forgives what hands and paper do: case, spaces, any dash a keyboard or a word processor makes, the
// letter O for zero, I and L for one. False when the rest is not 25 digits of the alphabet.
func NormalizeCode(typed string) (string, bool) { return normalize(typed, codeDigits) }

// JoinCode is a new code such as 7K2QD-XW4RT that a new device shows for ten minutes. Its 50 random bits are more than the 40
// that SP 800-63B-4 §4.1.2.2 asks for, and few enough to be searched by whoever has a hash of it: it is kept under a MAC.
func JoinCode() string {
	return grouped(string(appendBase32(nil, Random(7), 0, upperDigits))[:joinDigits])
}

// NormalizeJoinCode gives a typed code the one form that JoinCode writes, as NormalizeCode does.
func NormalizeJoinCode(typed string) (string, bool) { return normalize(typed, joinDigits) }

func normalize(typed string, n int) (string, bool) {
	if len(typed) > maxCodeInput {
		return "", false
	}
	digits := make([]byte, 0, codeDigits)
	for _, c := range typed {
		if unicode.IsSpace(c) || unicode.Is(unicode.Pd, c) || c == '−' {
			continue
		}
		if c > unicode.MaxASCII || len(digits) == n {
			return "", false
		}
		d := byte(unicode.ToUpper(c))
		switch d {
		case 'O':
			d = '0'
		case 'I', 'L':
			d = '1'
		}
		if strings.IndexByte(upperDigits, d) < 0 {
			return "", false
		}
		digits = append(digits, d)
	}
	if len(digits) != n {
		return "", false
	}
	return grouped(string(digits)), true
}

func grouped(digits string) string {
	var out strings.Builder
	for i := 0; i < len(digits); i += codeGroup {
		if i > 0 {
			out.WriteByte('-')
		}
		out.WriteString(digits[i : i+codeGroup])
	}
	return out.String()
}
