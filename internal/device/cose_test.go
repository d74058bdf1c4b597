package device

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

func TestPublicKeysThatAreRefused(t *testing.T) {
	const ours = "ours"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	x, y := bytes.Clone(point[1:33]), bytes.Clone(point[33:])
	off := bytes.Clone(y)
	off[31] ^= 1
	wide := func(b []byte) []byte { return append(bytes.Clone(b), b[:16]...) }
	modulus := func(bits int) []byte { return bytes.Repeat([]byte{0xff}, bits/8) }
	for _, tc := range []struct {
		name string
		key  map[int]any
		why  string // "ours" when it is taken
	}{
		{"ES256", map[int]any{1: 2, 3: -7, -1: 1, -2: x, -3: y}, ours},
		{"Ed25519", map[int]any{1: 1, 3: -8, -1: 6, -2: x}, ours},
		{"RS256", map[int]any{1: 3, 3: -257, -1: modulus(2048), -2: []byte{1, 0, 1}}, ours},

		{"a point that is not on the curve", map[int]any{1: 2, 3: -7, -1: 1, -2: x, -3: off}, "not on curve"},
		{"the point at infinity", map[int]any{1: 2, 3: -7, -1: 1, -2: make([]byte, 32), -3: make([]byte, 32)}, "not on curve"},
		{"half a point", map[int]any{1: 2, 3: -7, -1: 1, -2: x}, "coordinate"},
		{"ES256 on another curve", map[int]any{1: 2, 3: -7, -1: 2, -2: wide(x), -3: wide(y)}, "P-256"},
		{"ES384", map[int]any{1: 2, 3: -35, -1: 2, -2: wide(x), -3: wide(y)}, "on curve"},
		{"secp256k1", map[int]any{1: 2, 3: -47, -1: 8, -2: x, -3: y}, "on curve"},
		{"an Edwards key that is short", map[int]any{1: 1, 3: -8, -1: 6, -2: x[:31]}, "length 31"},
		{"a key agreement key", map[int]any{1: 1, 3: -8, -1: 4, -2: x}, "X25519"},
		{"RSA of 1024 bits", map[int]any{1: 3, 3: -257, -1: modulus(1024), -2: []byte{1, 0, 1}}, "1024 bits"},
		{"RSA of 8192 bits", map[int]any{1: 3, 3: -257, -1: modulus(8192), -2: []byte{1, 0, 1}}, "8192 bits"},
		{"RSA of 4096 bits, the largest", map[int]any{1: 3, 3: -257, -1: modulus(4096), -2: []byte{1, 0, 1}}, ours},
		{"RSA of 4104 bits", map[int]any{1: 3, 3: -257, -1: modulus(4104), -2: []byte{1, 0, 1}}, "4104 bits"},
		{"RSA with the exponent 3", map[int]any{1: 3, 3: -257, -1: modulus(2048), -2: []byte{3}}, ours},
		{"RSA with the exponent 1", map[int]any{1: 3, 3: -257, -1: modulus(2048), -2: []byte{1}}, "exponent"},
		{"RSA with an exponent past 65537", map[int]any{1: 3, 3: -257, -1: modulus(2048), -2: []byte{1, 0, 3}}, "exponent"},
		{"RSA with an exponent of 31 bits", map[int]any{1: 3, 3: -257, -1: modulus(2048), -2: []byte{0x7f, 0xff, 0xff, 0xff}}, "exponent"},
		{"RSA with an exponent that overflows", map[int]any{1: 3, 3: -257, -1: modulus(2048), -2: bytes.Repeat([]byte{1}, 9)}, "exponent"},
		{"RSA with an even exponent", map[int]any{1: 3, 3: -257, -1: modulus(2048), -2: []byte{4}}, "exponent"},
		{"RSA without a modulus", map[int]any{1: 3, 3: -257, -1: []byte{}, -2: []byte{1, 0, 1}}, "modulus"},
		{"RSA with SHA-1", map[int]any{1: 3, 3: -65535, -1: modulus(2048), -2: []byte{1, 0, 1}}, "algorithm -65535"},
		{"the private key with it", map[int]any{1: 2, 3: -7, -1: 1, -2: x, -3: y, -4: x}, "parameter -4"},
		{"a key id with it", map[int]any{1: 2, 2: x, 3: -7, -1: 1, -2: x, -3: y}, "parameter 2"},
		{"no algorithm", map[int]any{1: 2, -1: 1, -2: x, -3: y}, "lgorithm"},
		{"nothing", map[int]any{}, "Key Type"},
	} {
		raw, err := cbor.Marshal(tc.key)
		if err != nil {
			t.Fatal(err)
		}
		alg, err := checkKey(raw)
		switch {
		case (tc.why == ours) != (err == nil):
			t.Errorf("%s: algorithm %d, %v", tc.name, alg, err)
		case err != nil && !strings.Contains(err.Error(), tc.why):
			t.Errorf("%s: refused because %v, want %q", tc.name, err, tc.why)
		}
	}
}
