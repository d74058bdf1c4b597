package proof_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/proof"
	"keyward/internal/proof/prooftest"
)

var _ proof.MAC = (*keyring.MAC)(nil)

func TestANonceIsGoodForTwoToFourMinutes(t *testing.T) {
	nonces := proof.Nonces{MAC: keyringtest.NewTestRing(t).MAC("nonce")}
	rapid.Check(t, func(t *rapid.T) {
		minted := now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "minted")))
		nonce := nonces.Mint(minted)
		age := time.Duration(rapid.Int64Range(0, int64(10*time.Minute)).Draw(t, "age"))
		ok := nonces.Check(nonce, minted.Add(age))
		if age < 2*time.Minute && !ok {
			t.Fatalf("refused after %v", age)
		}
		if age >= 4*time.Minute && ok {
			t.Fatalf("accepted after %v", age)
		}
		behind := time.Duration(rapid.Int64Range(0, int64(9*time.Second)).Draw(t, "behind"))
		if !nonces.Check(nonce, minted.Add(-behind)) {
			t.Fatalf("refused by a server whose clock is %v behind", behind)
		}
	})
}

func TestNoncesOfOthersAreRefused(t *testing.T) {
	ring := keyringtest.NewTestRing(t)
	nonces := proof.Nonces{MAC: ring.MAC("nonce")}
	nonce := nonces.Mint(now)
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(f func(b []byte)) string {
		b := append([]byte(nil), raw...)
		f(b)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	for _, c := range []struct{ name, nonce string }{
		{"none", ""},
		{"a word", "nonce"},
		{"of another purpose", proof.Nonces{MAC: ring.MAC("resource nonce")}.Mint(now)},
		{"of another server", proof.Nonces{MAC: keyringtest.NewTestRing(t).MAC("nonce")}.Mint(now)},
		{"for a bucket to come, so that proofs could be made in stock", nonces.Mint(now.Add(5 * time.Minute))},
		{"the bucket moved on, the tag kept", edit(func(b []byte) { b[7]++ })},
		{"a bit of the tag flipped", edit(func(b []byte) { b[20] ^= 1 })},
		{"cut", nonce[:len(nonce)-1]},
		{"padded", nonce + "="},
		{"a line end inside", nonce[:8] + "\n" + nonce[9:]},
		{"larger than any bucket", edit(func(b []byte) { copy(b, "\xff\xff\xff\xff\xff\xff\xff\xff") })},
		{"a long one", strings.Repeat("A", 1<<16)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if nonces.Check(c.nonce, now) {
				t.Error("accepted")
			}
		})
	}
	if strings.ContainsAny(nonce, " \"\\,") {
		t.Errorf("%q is not a nonce by RFC 9449 §8.1", nonce)
	}
}

func TestANonceServesAProof(t *testing.T) {
	nonces := proof.Nonces{MAC: keyringtest.NewTestRing(t).MAC("nonce")}
	k := prooftest.NewKey()
	want := proof.Want{Method: "POST", URL: here, Nonce: nonces.At(now)}
	nonce := nonces.Mint(now.Add(-time.Minute))
	got, err := proof.VerifyDPoP(k.Proof("POST", here, now, prooftest.Nonce(nonce)), want, now)
	if err != nil || got.Nonce != nonce {
		t.Errorf("gave %+v, %v", got, err)
	}
}
