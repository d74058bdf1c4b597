package rs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/proof/prooftest"
	"keyward/rs"
)

const api = "https://api.example.com"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is what tests turn.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(now.UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) pass(d time.Duration) { c.ns.Add(int64(d)) }

// issuer is Keyward as a resource server sees it: metadata, keys, and tokens that it signed.
type issuer struct {
	*httptest.Server
	clock *clock
	key   *ecdsa.PrivateKey

	mu       sync.Mutex // guards what follows
	keys     string     // the JWK set
	metadata string
	broken   bool // answers 500
	fetches  int  // of the JWK set
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	is := &issuer{key: key, clock: newClock()}
	is.keys = `{"keys":[` + jwk(&key.PublicKey, "k1") + `]}`
	is.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		is.mu.Lock()
		defer is.mu.Unlock()
		switch {
		case is.broken:
			http.Error(w, "away", http.StatusInternalServerError)
		case r.URL.Path == "/.well-known/oauth-authorization-server":
			w.Write([]byte(is.metadata))
		case r.URL.Path == "/oauth/jwks":
			is.fetches++
			w.Write([]byte(is.keys))
		default:
			http.NotFound(w, r)
		}
	}))
	is.metadata = `{"issuer":"` + is.URL + `","jwks_uri":"` + is.URL + `/oauth/jwks"}`
	t.Cleanup(is.Close)
	return is
}

func (is *issuer) set(change func()) {
	is.mu.Lock()
	defer is.mu.Unlock()
	change()
}

func (is *issuer) fetched() int {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.fetches
}

// jwk is a public key as the issuer publishes it.
func jwk(k *ecdsa.PublicKey, kid string) string {
	point, err := k.Bytes()
	if err != nil {
		panic(err)
	}
	return `{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"` + kid + `","x":"` + b64(point[1:33]) + `","y":"` + b64(point[33:]) + `"}`
}

func b64[T string | []byte](b T) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }

// sign makes a compact ES256 JWS of whatever texts.
func sign(key *ecdsa.PrivateKey, head, body string) string {
	text := b64(head) + "." + b64(body)
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return text + "." + b64(sig[:])
}

const goodHead = `{"typ":"at+jwt","alg":"ES256","kid":"k1"}`

type claims map[string]any

// claims are those of a good token that is bound to no key; changes replace members, nil takes one away.
func (is *issuer) claims(changes claims) string {
	at := is.clock.now()
	c := claims{"iss": is.URL, "aud": api, "sub": "acc_1", "client_id": "app", "jti": "t1", "iat": at.Unix() - 10, "exp": at.Unix() + 290,
		"scope": "read trade", "acr": "phr", "amr": []string{"pop", "user"}, "auth_time": at.Unix() - 60, "sid": "ses_1", "grant_id": "grt_1"}
	for name, v := range changes {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (is *issuer) token(changes claims) string { return sign(is.key, goodHead, is.claims(changes)) }

// bound is a good token that is bound to k.
func (is *issuer) bound(k *prooftest.Key) string {
	return is.token(claims{"cnf": claims{"jkt": k.JKT()}})
}

// verifier accepts the issuer's tokens, bearer ones too.
func (is *issuer) verifier(t testing.TB, changes ...func(*rs.Config)) *rs.Verifier {
	t.Helper()
	c := rs.Config{Issuer: is.URL, Audience: api, PublicURL: api, AcceptBearer: true, Now: is.clock.now}
	for _, change := range changes {
		change(&c)
	}
	v, err := rs.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// bearer and dpop are requests for /orders.
func bearer(token string) *http.Request {
	r := httptest.NewRequest("GET", "/orders?side=buy", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func dpop(token, proof string) *http.Request {
	r := httptest.NewRequest("GET", "/orders?side=buy", nil)
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", proof)
	return r
}

// prove is a good proof for such a request.
func (is *issuer) prove(k *prooftest.Key, token string, options ...prooftest.Option) string {
	return k.Proof("GET", api+"/orders", is.clock.now(), append([]prooftest.Option{prooftest.Token(token)}, options...)...)
}

// why is the code and the text of a refusal, "" when there was none.
func why(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *rs.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *rs.Error", err)
	}
	return strings.TrimPrefix(e.Code+": "+e.Text, ": ")
}
