package rs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/rs"
)

const (
	noKeys  = "temporarily_unavailable: the issuer's keys cannot be read"
	unknown = "invalid_token: signed with a key that the issuer does not publish"
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func headOf(kid string) string { return `{"typ":"at+jwt","alg":"ES256","kid":"` + kid + `"}` }

func TestAFloodOfUnknownKeysIsNoFloodOfFetches(t *testing.T) {
	is := newIssuer(t)
	v := is.verifier(t)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			_, err := v.Check(bearer(sign(is.key, headOf(fmt.Sprint("made-up-", i)), is.claims(nil))), rs.Need{})
			if why(t, err) != unknown {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := is.fetched(); n != 1 {
		t.Errorf("%d fetches", n)
	}
	if _, err := v.Check(bearer(is.token(nil)), rs.Need{}); err != nil {
		t.Errorf("a good token after the flood: %v", err)
	}
	is.clock.pass(5 * time.Second)
	for i := range 50 {
		v.Check(bearer(sign(is.key, headOf(fmt.Sprint("later-", i)), is.claims(nil))), rs.Need{})
	}
	if n := is.fetched(); n != 2 {
		t.Errorf("%d fetches after five seconds, want one more", n)
	}
}

func TestANewKeyIsFoundByItsName(t *testing.T) {
	is := newIssuer(t)
	v := is.verifier(t)
	if _, err := v.Check(bearer(is.token(nil)), rs.Need{}); err != nil {
		t.Fatal(err)
	}
	next := newKey(t)
	is.set(func() {
		is.keys = `{"keys":[` + jwk(&is.key.PublicKey, "k1") + `,` + jwk(&next.PublicKey, "k2") + `]}`
	})
	is.clock.pass(5 * time.Second)
	if _, err := v.Check(bearer(sign(next, headOf("k2"), is.claims(nil))), rs.Need{}); err != nil {
		t.Error(err)
	}
}

func TestAWithdrawnKeyTakesItsRememberedTokensAlong(t *testing.T) {
	is := newIssuer(t)
	v, token := is.verifier(t), is.token(nil)
	check := func() string { _, err := v.Check(bearer(token), rs.Need{}); return why(t, err) }
	if got := check(); got != "" {
		t.Fatal(got)
	}
	// Another key under the old name is another key.
	is.set(func() { is.keys = `{"keys":[` + jwk(&newKey(t).PublicKey, "k1") + `]}` })
	is.clock.pass(5 * time.Second)
	v.Check(bearer(sign(is.key, headOf("k0"), is.claims(nil))), rs.Need{}) // brings the new set
	if got := check(); got != "invalid_token: the signature does not verify" {
		t.Errorf("%q", got)
	}
	next := newKey(t)
	is.set(func() { is.keys = `{"keys":[` + jwk(&next.PublicKey, "k2") + `]}` })
	is.clock.pass(5 * time.Second)
	v.Check(bearer(sign(next, headOf("k2"), is.claims(nil))), rs.Need{})
	if got := check(); got != unknown {
		t.Errorf("%q, want %q", got, unknown)
	}
}

func TestWhileTheIssuerIsAway(t *testing.T) {
	is := newIssuer(t)
	v := is.verifier(t)
	check := func() string { _, err := v.Check(bearer(is.token(nil)), rs.Need{}); return why(t, err) }
	is.set(func() { is.broken = true })
	if got := check(); got != noKeys {
		t.Errorf("before the first keys: %q", got)
	}
	is.set(func() { is.broken = false })
	if got := check(); got != noKeys {
		t.Errorf("a second later, and nobody asks again that soon: %q", got)
	}
	is.clock.pass(5 * time.Second)
	if got := check(); got != "" {
		t.Fatalf("the issuer is back: %q", got)
	}
	is.set(func() { is.broken = true })
	for range 11 {
		is.clock.pass(5 * time.Minute)
		if got := check(); got != "" {
			t.Fatalf("with the last good keys: %q", got)
		}
	}
	if _, err := v.Check(bearer(sign(is.key, headOf("k2"), is.claims(nil))), rs.Need{}); why(t, err) != noKeys {
		t.Errorf("a key that may be new: %v", err) // not a 401: the token may be good
	}
	is.clock.pass(5*time.Minute + time.Second)
	if got := check(); got != noKeys {
		t.Errorf("after an hour: %q", got)
	}
}

func TestOldKeysAreFetchedAgainBesideTheTraffic(t *testing.T) {
	is := newIssuer(t)
	v := is.verifier(t)
	for want := 1; want <= 3; want++ {
		if _, err := v.Check(bearer(is.token(nil)), rs.Need{}); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(5 * time.Second); is.fetched() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d fetches, want %d", is.fetched(), want)
			}
			v.Check(bearer(is.token(nil)), rs.Need{}) // the one before may not quite have ended when the clock was turned
		}
		is.clock.pass(5*time.Minute + time.Second)
	}
}

func TestARequestThatIsGivenUpWaitsNoLonger(t *testing.T) {
	is := newIssuer(t)
	block := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(block) })
	v := is.verifier(t, func(c *rs.Config) { c.JWKSURL = slow.URL })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := v.Check(bearer(is.token(nil)).WithContext(ctx), rs.Need{}); why(t, err) != noKeys {
		t.Error(err)
	}
}

// What a set may hold: each row is a whole JWK set, and what then becomes of a token by k1.
func TestKeySets(t *testing.T) {
	is := newIssuer(t)
	good := jwk(&is.key.PublicKey, "k1")
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatal(old)
		}
		return `{"keys":[` + strings.Replace(good, old, new, 1) + `,` + jwk(&newKey(t).PublicKey, "k9") + `]}`
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, _ := p384.PublicKey.Bytes()
	for _, c := range []struct{ name, set, want string }{
		{"the key alone", `{"keys":[` + good + `]}`, ""},
		{"the key between strangers", `{"keys":[{"kty":"RSA","use":"sig","kid":"r1","n":"AAAA","e":"AQAB"},7,"x",null,` + good + `,{"kty":"oct","k":"AAAA","kid":"k1"}]}`, ""},
		{"members that are not known", `{"x":[1],"keys":[` + strings.Replace(good, `{`, `{"x5t":"AAAA",`, 1) + `]}`, ""},
		{"key_ops says verify", change(`"use"`, `"key_ops":["verify"],"use"`), ""},
		{"no alg", change(`"alg":"ES256",`, ``), ""},
		{"with its private part", change(`"kid"`, `"d":"`+strings.Repeat("A", 43)+`","kid"`), unknown},
		{"for encryption", change(`"use":"sig"`, `"use":"enc"`), unknown},
		{"without a use", change(`"use":"sig",`, ``), unknown},
		{"key_ops says sign", change(`"use"`, `"key_ops":["sign"],"use"`), unknown},
		{"for another algorithm", change(`"ES256"`, `"ES384"`), unknown},
		{"without a name", change(`"kid":"k1",`, ``), unknown},
		{"of another kind", change(`"kty":"EC"`, `"kty":"OKP"`), unknown},
		{"a point that is not on the curve", change(`"y":"`, `"y":"A`), unknown},
		{"P-384 under the name of P-256", `{"keys":[{"kty":"EC","crv":"P-256","use":"sig","kid":"k1","x":"` + b64(point[1:49]) + `","y":"` + b64(point[49:]) + `"},` + jwk(&newKey(t).PublicKey, "k9") + `]}`, unknown},
		{"a name twice in one key", change(`"kid"`, `"kid":"k9","kid"`), noKeys},
		{"two keys with one name", `{"keys":[` + good + `,` + jwk(&newKey(t).PublicKey, "k1") + `]}`, noKeys},
		{"keys twice", `{"keys":[],"keys":[` + good + `]}`, noKeys},
		{"no keys", `{"keys":[]}`, noKeys},
		{"an object instead of a list", `{"keys":` + good + `}`, noKeys},
		{"a key instead of a set", good, noKeys},
		{"a page", `<html>`, noKeys},
		{"nothing", ``, noKeys},
		{"more than 64 KiB", `{"keys":[` + good + `]}` + strings.Repeat(" ", 64<<10), noKeys},
	} {
		t.Run(c.name, func(t *testing.T) {
			is.set(func() { is.keys = c.set })
			if _, err := is.verifier(t).Check(bearer(is.token(nil)), rs.Need{}); why(t, err) != c.want {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	is := newIssuer(t)
	elsewhere := httptest.NewServer(http.RedirectHandler(is.URL+"/oauth/jwks", http.StatusFound))
	t.Cleanup(elsewhere.Close)
	good := is.metadata
	for _, c := range []struct{ name, metadata, want string }{
		{"good", good, ""},
		{"of another issuer (RFC 8414 §3.3)", strings.Replace(good, `"issuer":"`, `"issuer":"https://evil.example/`, 1), noKeys},
		{"without keys", `{"issuer":"` + is.URL + `"}`, noKeys},
		{"keys over plain http", `{"issuer":"` + is.URL + `","jwks_uri":"http://evil.example/jwks"}`, noKeys},
		{"keys that are only a redirect away", `{"issuer":"` + is.URL + `","jwks_uri":"` + elsewhere.URL + `"}`, noKeys},
		{"issuer twice", `{"issuer":"x",` + good[1:], noKeys},
		{"no JSON", `x`, noKeys},
	} {
		t.Run(c.name, func(t *testing.T) {
			is.set(func() { is.metadata = c.metadata })
			if _, err := is.verifier(t).Check(bearer(is.token(nil)), rs.Need{}); why(t, err) != c.want {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	// The same, where the other address would answer with good keys.
	everywhere := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		r.URL.Host = strings.TrimPrefix(is.URL, "http://")
		return http.DefaultTransport.RoundTrip(r)
	})}
	for uri, want := range map[string]string{is.URL + "/oauth/jwks": "", "http://evil.example/oauth/jwks": noKeys, "//evil.example/oauth/jwks": noKeys} {
		is.set(func() { is.metadata = `{"issuer":"` + is.URL + `","jwks_uri":"` + uri + `"}` })
		v := is.verifier(t, func(c *rs.Config) { c.HTTPClient = everywhere })
		if _, err := v.Check(bearer(is.token(nil)), rs.Need{}); why(t, err) != want {
			t.Errorf("keys at %s: %v, want %q", uri, err, want)
		}
	}
	is.set(func() { is.metadata = "not needed" })
	v := is.verifier(t, func(c *rs.Config) { c.JWKSURL = is.URL + "/oauth/jwks" })
	if _, err := v.Check(bearer(is.token(nil)), rs.Need{}); err != nil {
		t.Errorf("with a configured address: %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// New keys fetched under old names are the old keys, so what was verified with them need not be verified again.
func TestFetchingTheSameKeysForgetsNoToken(t *testing.T) {
	is := newIssuer(t)
	v, token := is.verifier(t), is.token(nil)
	before, err := v.Check(bearer(token), rs.Need{})
	if err != nil {
		t.Fatal(err)
	}
	is.clock.pass(5 * time.Second)
	v.Check(bearer(sign(is.key, headOf("k2"), is.claims(nil))), rs.Need{})
	if after, err := v.Check(bearer(token), rs.Need{}); after != before || is.fetched() != 2 {
		t.Errorf("after %d fetches it is read anew (%v)", is.fetched(), err)
	}
}
