package rs

import (
	"bytes"
	"encoding/asn1"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// encoding/asn1 writes the same signature, whatever zeros and high bits R and S begin with.
func TestSignaturesTurnIntoASN1(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sig [64]byte
		for _, half := range [][]byte{sig[:32], sig[32:]} {
			skip := rapid.IntRange(0, 32).Draw(t, "leading zeros")
			copy(half[skip:], rapid.SliceOfN(rapid.Byte(), 32-skip, 32-skip).Draw(t, "number"))
		}
		want, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])})
		if err != nil {
			t.Fatal(err)
		}
		if got := asn1Signature(nil, sig); !bytes.Equal(got, want) {
			t.Fatalf("%x turns into %x, want %x", sig, got, want)
		}
	})
}
