package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keyward/e2e/e2etest"
	"keyward/e2e/person"
	"keyward/internal/softkey"
)

func TestMain(m *testing.M) { e2etest.Main(m) }

// A stand-in for the suite: it offers addresses as the suite does, and takes what
// comes back. What it asks is one code flow for each of the registered clients.
type standIn struct {
	*httptest.Server
	mu      sync.Mutex // guards the rest
	urls    []string
	visited []string
	came    chan url.Values
}

func newStandIn(t *testing.T) *standIn {
	s := &standIn{came: make(chan url.Values, 8)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/runner/running", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode([]string{"one"}) })
	mux.HandleFunc("GET /api/runner/browser/one", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		json.NewEncoder(w).Encode(map[string]any{"id": "one", "urls": s.urls, "visited": s.visited})
	})
	mux.HandleFunc("POST /api/runner/browser/one/visit", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.visited, s.urls = append(s.visited, r.URL.Query().Get("url")), nil
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /test/a/keyward/callback", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><p>Thank you.`)
		s.came <- r.URL.Query()
	})
	s.Server = httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	return s
}

// offer lets somebody visit an address, and returns what they bring.
func (s *standIn) offer(t *testing.T, address string) url.Values {
	t.Helper()
	s.mu.Lock()
	s.urls = []string{address}
	s.mu.Unlock()
	select {
	case q := <-s.came:
		return q
	case <-time.After(30 * time.Second):
		t.Fatal("nobody brought an answer")
		return nil
	}
}

func TestTheSuitesClientsAreRegisteredAndEachGetsACode(t *testing.T) {
	if _, err := person.Chromium(); err != nil {
		if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skipf("skipped: %v", err)
	}
	suiteHost := newStandIn(t)
	dir := t.TempDir()
	// The file of the repository, with our stand-in in the place of the suite.
	raw, err := os.ReadFile("../../deploy/conformance/clients.json")
	if err != nil {
		t.Fatal(err)
	}
	here := strings.TrimPrefix(suiteHost.URL, "https://")
	source := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(source, bytes.ReplaceAll(raw, []byte("localhost.emobix.co.uk:8443"), []byte(here)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"prepare", "-clients", source, "-out", dir}); err != nil {
		t.Fatal(err)
	}

	s := e2etest.NewKeyward(t)
	registered := s.Run("--json", "client", "import", filepath.Join(dir, "clients.json"))
	if err := os.WriteFile(filepath.Join(dir, "registered.json"), registered, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"plans", "-dir", dir, "-issuer", s.Origin}); err != nil {
		t.Fatal(err)
	}
	if again := s.Run("--json", "client", "import", filepath.Join(dir, "clients.json")); bytes.Contains(again, []byte(`"new"`)) || bytes.Count(again, []byte(`"there"`)) != 4 {
		t.Errorf("a second import: %s", again)
	}
	s.Start()

	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- drive(ctx, suite{base: suiteHost.URL, client: trusting(suiteHost.URL)}, s.Origin, "suite@mail.example")
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the driver: %v", err)
		}
	})

	for _, plan := range []string{"oidcc-basic", "fapi2-security-profile-final"} {
		var p struct {
			Server          struct{ DiscoveryURL string }
			Client, Client2 planClient
		}
		if err := read(dir, plan+".json", &p); err != nil {
			t.Fatal(err)
		}
		for i, c := range []planClient{p.Client, p.Client2} {
			t.Run(fmt.Sprintf("%s, client %d", plan, i+1), func(t *testing.T) {
				redirect := suiteHost.URL + "/test/a/keyward/callback"
				if i == 1 {
					redirect += "?dummy1=lorem&dummy2=ipsum"
				}
				c.flow(t, s.Origin, redirect, suiteHost)
			})
		}
	}
}

// planClient is a client in a configuration of the suite.
type planClient struct {
	ID     string             `json:"client_id"`
	Secret string             `json:"client_secret"`
	Scope  string             `json:"scope"`
	JWKS   jose.JSONWebKeySet `json:"jwks"`
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 B

// flow is one code flow as the plan has it: with a secret, or with a pushed request,
// an assertion and a proof.
func (c planClient) flow(t *testing.T, issuer, redirect string, suite *standIn) {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"client_id": {c.ID}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {c.Scope}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	key := softkey.NewBindingKey()
	address := issuer + "/oauth/authorize?" + q.Encode()
	if c.Secret == "" {
		answer := c.post(t, issuer, "/oauth/par", q, nil)
		uri, _ := answer["request_uri"].(string)
		if uri == "" {
			t.Fatalf("PAR: %v", answer)
		}
		address = issuer + "/oauth/authorize?" + url.Values{"client_id": {c.ID}, "request_uri": {uri}}.Encode()
	}
	came := suite.offer(t, address)
	if came.Get("code") == "" || came.Get("state") != "s" || came.Get("iss") != issuer {
		t.Fatalf("came back with %v", came)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {came.Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
	if c.Secret != "" {
		key = nil
	}
	answer := c.post(t, issuer, "/oauth/token", form, key)
	want := map[bool]string{true: "Bearer", false: "DPoP"}[c.Secret != ""]
	if answer["token_type"] != want || answer["access_token"] == nil || answer["id_token"] == nil || answer["refresh_token"] == nil {
		t.Errorf("tokens: %v", answer)
	}
}

// post sends a form as this client, with a proof where a key is given, and again
// when the server wants its nonce in it.
func (c planClient) post(t *testing.T, issuer, path string, form url.Values, key *softkey.BindingKey) (answer map[string]any) {
	t.Helper()
	nonce := ""
	for range 2 {
		if c.Secret == "" {
			form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			form.Set("client_assertion", c.assertion(t, issuer))
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if c.Secret != "" {
			req.SetBasicAuth(c.ID, c.Secret)
		}
		if key != nil {
			req.Header.Set("DPoP", key.Proof(softkey.DPoP{Method: "POST", URL: issuer + path, Nonce: nonce}, time.Now()))
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		answer = map[string]any{}
		if err := json.Unmarshal(raw, &answer); err != nil {
			t.Fatalf("%s: %s", path, raw)
		}
		if answer["error"] != "use_dpop_nonce" {
			break
		}
		nonce = res.Header.Get("DPoP-Nonce")
	}
	return answer
}

func (c planClient) assertion(t *testing.T, issuer string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: c.JWKS.Keys[0]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims, _ := json.Marshal(map[string]any{"iss": c.ID, "sub": c.ID, "aud": issuer, "jti": fmt.Sprint(now.UnixNano()), "iat": now.Unix(), "exp": now.Unix() + 60})
	jws, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
