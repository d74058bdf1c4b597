package keyring_test

import (
	"encoding/base64"
	"encoding/hex"
	"testing"

	"keyward/internal/keyring"
)

func TestSecretsAre256BitsOfText(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		s := keyring.Secret()
		raw, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil || len(raw) != 32 || len(s) != 43 {
			t.Fatalf("secret of %d characters, %d bytes, %v", len(s), len(raw), err)
		}
		seen[s] = true
	}
	if len(seen) != 1000 {
		t.Error("a secret came twice")
	}
	if len(keyring.Random(0)) != 0 || len(keyring.Random(7)) != 7 {
		t.Error("Random gives another number of bytes")
	}
}

// FIPS 180-4, the one-block example.
func TestHashIsSHA256(t *testing.T) {
	sum := keyring.Hash("abc")
	if got := hex.EncodeToString(sum[:]); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("hash of abc is %s", got)
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b string
		want bool
	}{
		{"the same", "secret", "secret", true},
		{"one letter off", "secret", "secreT", false},
		{"a prefix", "secret", "secre", false},
		{"both empty", "", "", true},
		{"one empty", "secret", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if keyring.Equal([]byte(c.a), []byte(c.b)) != c.want {
				t.Error("wrong answer")
			}
		})
	}
}
