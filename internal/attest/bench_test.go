package attest

import (
	"crypto/sha256"
	"testing"

	"keyward/internal/softkey"
)

// What one registration costs, by kind. All keys here are P-256; a chain under
// Google's RSA root costs one RSA verification more and no larger one.
func BenchmarkAndroid(b *testing.B) {
	chain := maker.Android(newKey(b).Public(), good())
	for b.Loop() {
		if v, err := VerifyAndroid(chain, policy, noon); err != nil || !v.Hardware() {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppAttest(b *testing.B) {
	apple, p, data := softkey.NewMaker(), softkey.NewIPhone(), sha256.Sum256([]byte("data"))
	object := apple.AppAttest(p, appID, softkey.AppleProduction, data, noon)
	policy := AppAttestPolicy{Root: apple.Root, AppIDs: []string{appID}}
	for b.Loop() {
		if _, err := VerifyAppAttest(object, p.ID, data, policy, noon); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppAssertion(b *testing.B) {
	p, data := softkey.NewIPhone(), sha256.Sum256([]byte("data"))
	assertion, policy := p.Assert(appID, data), AppAttestPolicy{AppIDs: []string{appID}}
	for b.Loop() {
		if _, err := VerifyAppAssertion(assertion, p.Public(), data, 0, policy); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeyDescription(b *testing.B) {
	der := good().DER()
	for b.Loop() {
		if _, err := ParseKeyDescription(der); err != nil {
			b.Fatal(err)
		}
	}
}
