package attest

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"keyward/internal/softkey"
)

const appID = "TEAM123456.com.example.app"

func rsaKey(bits, e int) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	return &rsa.PublicKey{N: n.Sub(n, big.NewInt(1)), E: e}
}

func TestAppAttestStory(t *testing.T) {
	apple := softkey.NewMaker()
	production := AppAttestPolicy{Root: apple.Root, AppIDs: []string{appID}}
	development := production
	development.Environment = Development
	data := sha256.Sum256([]byte("challenge and thumbprints"))
	for _, tc := range []struct {
		name   string
		app    string
		made   [16]byte
		policy AppAttestPolicy
		at     time.Time
		why    string
	}{
		{"a production key", appID, softkey.AppleProduction, production, noon, ""},
		{"a development key where development is wanted", appID, softkey.AppleDevelopment, development, noon, ""},
		{"a development key in production", appID, softkey.AppleDevelopment, production, noon, "another environment"},
		{"a production key in development", appID, softkey.AppleProduction, development, noon, "another environment"},
		{"another app's key", "TEAM123456.com.example.fake", softkey.AppleProduction, production, noon, "another app's"},
		{"four days later", appID, softkey.AppleProduction, production, noon.AddDate(0, 0, 4), "certificate 0"},
		{"Apple's own root", appID, softkey.AppleProduction, AppAttestPolicy{Root: AppleRoot(), AppIDs: []string{appID}}, noon, ErrNoRoot.Error()},
	} {
		p := softkey.NewIPhone()
		key, err := VerifyAppAttest(apple.AppAttest(p, tc.app, tc.made, data, noon), p.ID, data, tc.policy, tc.at)
		if (err == nil) != (tc.why == "") || err != nil && !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.why)
		}
		if err == nil && (!key.Key.Equal(p.Public()) || key.AppID != appID) {
			t.Errorf("%s: %+v", tc.name, key)
		}
	}

	p, last := softkey.NewIPhone(), uint32(0)
	var first []byte
	for i := range 3 {
		a := p.Assert(appID, data)
		if i == 0 {
			first = a
		}
		n, err := VerifyAppAssertion(a, p.Public(), data, last, production)
		if err != nil || n != uint32(i+1) {
			t.Fatal(n, err)
		}
		last = n
	}
	if _, err := VerifyAppAssertion(first, p.Public(), data, last, production); !errors.Is(err, ErrCounter) {
		t.Errorf("an old assertion: %v", err)
	}
	if _, err := VerifyAppAssertion(first, softkey.NewIPhone().Public(), data, 0, production); err == nil {
		t.Error("holds under another key")
	}
}

func TestAppAttestLimits(t *testing.T) {
	for name, b := range map[string][]byte{
		"an object past 32 KiB": make([]byte, maxAppAttest+1),
		"a map without an end":  {0xbf, 0xff},
		"a name twice":          {0xa2, 0x63, 'f', 'm', 't', 0x60, 0x63, 'f', 'm', 't', 0x60},
		"a name nobody knows":   {0xa1, 0x61, 'x', 0x60},
		"another letter case":   {0xa1, 0x63, 'F', 'm', 't', 0x60},
		"five levels":           {0xa1, 0x67, 'a', 't', 't', 'S', 't', 'm', 't', 0x81, 0x81, 0x81, 0x81, 0x80},
		"nothing":               {},
	} {
		if _, err := VerifyAppAttest(b, [32]byte{}, [32]byte{}, AppAttestPolicy{Root: AppleRoot()}, noon); err == nil {
			t.Errorf("%s: reads", name)
		}
	}
	if _, err := VerifyAppAssertion(make([]byte, maxAssertion+1), nil, [32]byte{}, 0, AppAttestPolicy{}); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Error(err)
	}
	if _, err := appleNonce(&x509.Certificate{}); err == nil {
		t.Error("a certificate without a nonce has one")
	}
}
