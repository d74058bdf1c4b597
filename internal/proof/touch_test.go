package proof_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"keyward/internal/proof"
)

const (
	touchHead = `{"alg":"ES256","typ":"kw-touch+jwt","kid":"k"}`
	touchBody = `{"aud":"example.com","session":"s","challenge":"c","act":"keys.remove","object":"key_1"}`
)

func statement(t testing.TB, key *ecdsa.PrivateKey, head, body string) string {
	t.Helper()
	e := base64.RawURLEncoding.EncodeToString
	text := e([]byte(head)) + "." + e([]byte(body))
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return text + "." + e(sig[:])
}

func TestATouchStatementSaysWhatWasShown(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := proof.ParseTouch(statement(t, key, touchHead, touchBody))
	if err != nil {
		t.Fatal(err)
	}
	if s.Key != "k" || s.Session != "s" || s.Audience != "example.com" || s.Challenge != "c" || s.Act != "keys.remove" || s.Object != "key_1" {
		t.Errorf("read %+v", s)
	}
	if err := s.SignedBy(&key.PublicKey); err != nil {
		t.Error(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*ecdsa.PublicKey{"another key": &other.PublicKey, "a key of another curve": &wide.PublicKey, "no key": nil} {
		if s.SignedBy(k) == nil {
			t.Errorf("verified by %s", name)
		}
	}
}

func TestTouchStatementsThatAreNone(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := statement(t, key, touchHead, touchBody)
	for name, text := range map[string]string{
		"a proof for a request":     statement(t, key, strings.Replace(touchHead, "kw-touch+jwt", "dpop+jwt", 1), touchBody),
		"without a type":            statement(t, key, `{"alg":"ES256","kid":"k"}`, touchBody),
		"without a key id":          statement(t, key, `{"alg":"ES256","typ":"kw-touch+jwt"}`, touchBody),
		"no algorithm":              statement(t, key, strings.Replace(touchHead, "ES256", "none", 1), touchBody),
		"another algorithm":         statement(t, key, strings.Replace(touchHead, "ES256", "HS256", 1), touchBody),
		"a key from elsewhere":      statement(t, key, `{"alg":"ES256","typ":"kw-touch+jwt","kid":"k","jku":"https://evil.example"}`, touchBody),
		"a certificate on the side": statement(t, key, `{"alg":"ES256","typ":"kw-touch+jwt","kid":"k","x5c":[]}`, touchBody),
		"a nonce on the side":       statement(t, key, `{"alg":"ES256","typ":"kw-touch+jwt","kid":"k","nonce":"n"}`, touchBody),
		"a type that is said twice": statement(t, key, `{"alg":"ES256","typ":"dpop+jwt","typ":"kw-touch+jwt","kid":"k"}`, touchBody),
		"a key id that is a number": statement(t, key, `{"alg":"ES256","typ":"kw-touch+jwt","kid":1}`, touchBody),
		"what a session key signs":  statement(t, key, strings.Replace(touchHead, "kw-touch+jwt", "kw-session+jwt", 1), touchBody),
		"a line break":              strings.Replace(good, ".", "\n.", 1),
		"claims that are nothing":   statement(t, key, touchHead, `null`),
		"a critical extension":      statement(t, key, `{"alg":"ES256","typ":"kw-touch+jwt","kid":"k","crit":["b64"],"b64":false}`, touchBody),
		"an act that is said twice": statement(t, key, touchHead, `{"act":"sign-in","act":"keys.remove"}`),
		"claims that are a list":    statement(t, key, touchHead, `[]`),
		"no compact form":           `{"payload":"e30","protected":"e30","signature":""}`,
		"two parts":                 good[:strings.LastIndex(good, ".")],
		"too long":                  good + strings.Repeat("A", 2048),
		"nothing":                   "",
	} {
		if s, err := proof.ParseTouch(text); err == nil {
			t.Errorf("%s is read as %+v", name, s)
		}
	}
	// The case of a name counts: what is spelled otherwise is not there.
	if s, err := proof.ParseTouch(statement(t, key, touchHead, `{"ACT":"sign-in"}`)); err != nil || s.Act != "" {
		t.Errorf("%+v %v", s, err)
	}
}

func TestASessionKeySaysWhichTouchKeyItGoesWith(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const head = `{"alg":"ES256","typ":"kw-session+jwt","kid":"s"}`
	s, err := proof.ParseBeside(statement(t, key, head, `{"aud":"example.com","challenge":"c","touch":"k"}`))
	if err != nil {
		t.Fatal(err)
	}
	if s.Key != "s" || s.Touch != "k" || s.Audience != "example.com" || s.Challenge != "c" {
		t.Errorf("read %+v", s)
	}
	if err := s.SignedBy(&key.PublicKey); err != nil {
		t.Error(err)
	}
	if _, err := proof.ParseBeside(statement(t, key, touchHead, touchBody)); err == nil {
		t.Error("a touch passes for it")
	}
}

func FuzzTouch(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(statement(f, key, touchHead, touchBody))
	f.Add(statement(f, key, `{"alg":"ES256","typ":"kw-touch+jwt","kid":"k","crit":["b64"],"b64":false}`, touchBody))
	f.Add("a.b.c")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if b, err := proof.ParseBeside(text); err == nil && b.Key == "" {
			t.Fatalf("without a key id: %q", text)
		}
		s, err := proof.ParseTouch(text)
		if err != nil {
			return
		}
		if s.Key == "" {
			t.Fatalf("without a key id: %q", text)
		}
		if s.SignedBy(&key.PublicKey) == nil && !strings.HasPrefix(text, "ey") {
			t.Fatalf("signed: %q", text)
		}
	})
}
