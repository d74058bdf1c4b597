package proof_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"keyward/internal/proof"
	"keyward/internal/proof/prooftest"
)

// The overhead over the bare signature check is what DESIGN §11 limits. Run all with -count and compare
// medians: BenchmarkES256/bare is the floor, BenchmarkES256/go-jose what a library's parser costs.

func BenchmarkES256(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		message := make([]byte, 450)
		digest := sha256.Sum256(message)
		sig, err := ecdsa.SignASN1(rand.Reader, k, digest[:])
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			digest := sha256.Sum256(message)
			if !ecdsa.VerifyASN1(&k.PublicKey, digest[:], sig) {
				b.Fatal("does not verify")
			}
		}
	})
	b.Run("proof", func(b *testing.B) { benchProof(b, prooftest.NewKey()) })
	b.Run("go-jose", func(b *testing.B) {
		header := prooftest.NewKey().Proof("POST", here, now, prooftest.Token(token))
		b.ReportAllocs()
		for b.Loop() {
			jws, err := jose.ParseSignedCompact(header, []jose.SignatureAlgorithm{jose.ES256})
			if err != nil {
				b.Fatal(err)
			}
			key := jws.Signatures[0].Header.JSONWebKey
			if _, err := jws.Verify(key); err != nil {
				b.Fatal(err)
			}
			if _, err := key.Thumbprint(crypto.SHA256); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEdDSA(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		message := make([]byte, 450)
		sig := ed25519.Sign(private, message)
		for b.Loop() {
			if !ed25519.Verify(public, message, sig) {
				b.Fatal("does not verify")
			}
		}
	})
	b.Run("proof", func(b *testing.B) { benchProof(b, prooftest.NewEd25519Key()) })
}

func benchProof(b *testing.B, k *prooftest.Key) {
	header := k.Proof("POST", here, now, prooftest.Token(token))
	want := proof.Want{Method: "POST", URL: here, AccessToken: token, JKT: k.JKT()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := proof.VerifyDPoP(header, want, now); err != nil {
			b.Fatal(err)
		}
	}
}

// What junk costs us before it is refused.
func BenchmarkRefusedBeforeTheSignature(b *testing.B) {
	header := prooftest.NewKey().Proof("GET", here, now)
	want := proof.Want{Method: "POST", URL: here}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := proof.VerifyDPoP(header, want, now); err == nil {
			b.Fatal("accepted")
		}
	}
}
