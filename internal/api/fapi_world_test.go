package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keyward/internal/api"
	"keyward/internal/edge"
	"keyward/internal/oauth"
	"keyward/internal/proof/prooftest"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

const (
	fapiBack     = "https://app.example.net/back"
	fapiVerifier = "a-verifier-that-the-app-kept-for-the-browser-it-began-with"
)

// fapi is a deployment with one app of the profile (private_key_jwt, DPoP, PAR) and one person, over the real endpoints.
type fapi struct {
	*signintest.World
	oauth  *oauth.Service
	server http.Handler
	app    oauth.Client
	key    *ecdsa.PrivateKey // of its assertions
	bind   *prooftest.Key    // of its tokens
	person *signintest.Person
	nonce  string
}

func newFAPI(w *signintest.World) *fapi {
	w.T.Helper()
	f := &fapi{World: w, bind: prooftest.NewKey()}
	f.oauth = oauth.New(oauth.Parts{DB: w.DB, Log: w.Log, Accounts: w.Accounts, Sessions: w.Sessions, SignIn: w.SignIn,
		Mint: session.NewMint(w.Ring, signintest.Origin, w.DB.Now), Access: 5 * time.Minute})
	e, err := edge.New(edge.Options{Now: w.DB.Now, Logger: slog.New(slog.DiscardHandler), PublicURL: signintest.Origin, RateFactor: 10_000})
	w.Must(err)
	s := api.New(api.Parts{DB: w.DB, Ring: w.Ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices, Sessions: w.Sessions, SignIn: w.SignIn,
		Contain: w.Contain, Limiter: e.Limiter, Logger: slog.New(slog.DiscardHandler)}, api.Settings{PublicURL: signintest.Origin})
	mux := http.NewServeMux()
	api.NewOAuth(s, f.oauth).Routes(mux, e)
	f.server = e.Handler(edge.Routes(mux))
	f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.Must(err)
	f.app = f.register(f.key)
	f.person = w.Person()
	// A first proof without a nonce brings the nonce (RFC 9449 §8).
	f.nonce = f.post("/oauth/token", f.form("grant_type", "client_credentials"), f.proof("/oauth/token")).Header().Get("DPoP-Nonce")
	return f
}

// register makes an app that proves itself with key.
func (f *fapi) register(key *ecdsa.PrivateKey) oauth.Client {
	f.T.Helper()
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	f.Must(err)
	c, _, err := f.oauth.Register(context.Background(), store.Cause{Actor: "operator:test"}, oauth.NewClient{Name: "Trading Desk", Owner: "dev@app.example.net",
		Auth: oauth.AuthKey, Profile: oauth.ProfileFAPI, JWKS: jwks, FirstParty: true, Redirects: []string{fapiBack}, Scopes: []string{"openid", "offline_access", "read"}})
	f.Must(err)
	return c
}

// claims are those of a good assertion; pairs of name and value change them, nil takes one away.
func (f *fapi) claims(change ...any) map[string]any {
	now := f.DB.Now()
	m := map[string]any{"iss": string(f.app.ID), "sub": string(f.app.ID), "aud": signintest.Origin, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": rand.Text()}
	for i := 0; i < len(change); i += 2 {
		if m[change[i].(string)] = change[i+1]; change[i+1] == nil {
			delete(m, change[i].(string))
		}
	}
	return m
}

func (f *fapi) sign(alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	f.T.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	f.Must(err)
	payload, err := json.Marshal(claims)
	f.Must(err)
	signed, err := signer.Sign(payload)
	f.Must(err)
	text, err := signed.CompactSerialize()
	f.Must(err)
	return text
}

func (f *fapi) assertion(change ...any) string { return f.sign(jose.ES256, f.key, f.claims(change...)) }

// form is a body with a good assertion; "" takes a field away.
func (f *fapi) form(pairs ...string) url.Values {
	v := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {f.assertion()}}
	for i := 0; i < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

// request is the body of a good PAR request, and redemption that of a code.
func (f *fapi) request(pairs ...string) url.Values {
	sum := sha256.Sum256([]byte(fapiVerifier))
	return f.form(append([]string{"response_type", "code", "redirect_uri", fapiBack, "scope", "openid offline_access read", "state", "st-1",
		"code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method", "S256"}, pairs...)...)
}

func (f *fapi) redemption(code string, pairs ...string) url.Values {
	return f.form(append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", fapiBack, "code_verifier", fapiVerifier}, pairs...)...)
}

// proof is a good proof for a POST to path.
func (f *fapi) proof(path string, options ...prooftest.Option) string {
	if f.nonce != "" {
		options = append([]prooftest.Option{prooftest.Nonce(f.nonce)}, options...)
	}
	return f.bind.Proof("POST", signintest.Origin+path, f.DB.Now(), options...)
}

func (f *fapi) send(method, path, contentType, body string, head http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, signintest.Origin+path, strings.NewReader(body))
	maps.Copy(r.Header, head)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	f.server.ServeHTTP(w, r)
	return w
}

func (f *fapi) post(path string, form url.Values, proofs ...string) *httptest.ResponseRecorder {
	return f.raw(path, form.Encode(), proofs...)
}

func (f *fapi) raw(path, body string, proofs ...string) *httptest.ResponseRecorder {
	head := http.Header{}
	if len(proofs) > 0 {
		head["Dpop"] = proofs
	}
	return f.send("POST", path, "application/x-www-form-urlencoded", body, head)
}

// push hands a good request in, and is the request_uri.
func (f *fapi) push(pairs ...string) string {
	f.T.Helper()
	var got struct {
		URI string `json:"request_uri"`
	}
	w := f.post("/oauth/par", f.request(pairs...), f.proof("/oauth/par"))
	if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code != 201 || err != nil {
		f.T.Fatalf("PAR: %d %s", w.Code, w.Body)
	}
	return got.URI
}

// allow goes from the request_uri, which the browser brings, to the code that it takes back.
func (f *fapi) allow(uri string, c oauth.Client) (string, error) {
	ctx := context.Background()
	handle, _, err := f.oauth.Pushed(ctx, url.Values{"request_uri": {uri}, "client_id": {string(c.ID)}})
	if err != nil {
		return "", err
	}
	a, err := f.oauth.Kept(ctx, handle)
	if err != nil {
		return "", err
	}
	to, err := f.oauth.Authorize(ctx, f.person.Session(), a, nil, f.person.From())
	if err != nil {
		return "", err
	}
	u, err := url.Parse(to)
	return u.Query().Get("code"), err
}

// code is a fresh one, bound to the app's key.
func (f *fapi) code(pairs ...string) string {
	f.T.Helper()
	code, err := f.allow(f.push(pairs...), f.app)
	f.Must(err)
	return code
}

// tokens is the whole way.
func (f *fapi) tokens() oauth.Tokens {
	f.T.Helper()
	var t oauth.Tokens
	w := f.post("/oauth/token", f.redemption(f.code()), f.proof("/oauth/token"))
	if err := json.Unmarshal(w.Body.Bytes(), &t); w.Code != 200 || err != nil || t.Type != "DPoP" {
		f.T.Fatalf("token: %d %s", w.Code, w.Body)
	}
	return t
}

// grants is how many apps hold something of the person, read from the database.
func (f *fapi) grants() int {
	f.T.Helper()
	list, err := f.oauth.Connected(context.Background(), f.person.Account)
	f.Must(err)
	return len(list)
}

// refusal checks an answer: the word of the standard, and nothing of what was sent.
func refusal(t *testing.T, w *httptest.ResponseRecorder, status int, code string, sent ...string) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != status || got["error"] != code {
		t.Fatalf("%d %s, want %d %s", w.Code, w.Body, status, code)
	}
	for name := range got {
		if name != "error" && name != "error_description" {
			t.Errorf("the refusal says %s too: %s", name, w.Body)
		}
	}
	for _, s := range sent {
		if len(s) > 6 && strings.Contains(w.Body.String()+w.Header().Get("WWW-Authenticate"), s) {
			t.Errorf("the refusal repeats %q: %s", s, w.Body)
		}
	}
	if cc := w.Header().Get("Cache-Control"); cc != "no-store" {
		t.Errorf("Cache-Control is %q (RFC 6749 §5.2)", cc)
	}
}
