package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"keyward/rs"
)

// openAPI makes the API of the exchange. What each of its addresses asks of a token
// stands here and nowhere else.
func (e *Exchange) openAPI() error {
	var err error
	e.tail, err = rs.NewTail(rs.TailConfig{URL: e.cfg.Keyward + "/oauth/tail", HTTPClient: e.party.client, Authorize: (&tailToken{e: e}).authorize, Log: e.cfg.Log})
	if err != nil {
		return err
	}
	v, err := rs.New(rs.Config{
		Issuer: e.cfg.Keyward, Audience: e.cfg.Self, PublicURL: e.cfg.Self, HTTPClient: e.party.client, Tail: e.tail, Log: e.cfg.Log,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /api/balance", v.Require(rs.Need{Scope: []string{"read"}, ACR: rs.Phr}, http.HandlerFunc(balance)))
	mux.Handle("POST /api/addresses", v.Require(rs.Need{Scope: []string{"trade"}, ACR: rs.Phr, MaxAge: 5 * time.Minute}, http.HandlerFunc(added)))
	e.api = mux
	return nil
}

func balance(w http.ResponseWriter, r *http.Request) {
	t, _ := rs.FromContext(r.Context())
	answer(w, map[string]string{"account": t.Subject, "balance": "0.42"})
}

func added(w http.ResponseWriter, r *http.Request) { answer(w, map[string]bool{"added": true}) }

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(body)
}

// resource describes the API to apps that only know its address (RFC 9728 §2).
func (e *Exchange) resource(w http.ResponseWriter, r *http.Request) {
	answer(w, map[string]any{
		"resource": e.cfg.Self, "authorization_servers": []string{e.cfg.Keyward}, "scopes_supported": []string{"read", "trade"},
		"bearer_methods_supported": []string{"header"}, "dpop_signing_alg_values_supported": []string{"ES256", "EdDSA"}, "dpop_bound_access_tokens_required": true,
	})
}

// refused is what our API answered.
type refused struct {
	status    int
	challenge string // WWW-Authenticate
}

func (r *refused) Error() string { return fmt.Sprintf("%d %s", r.status, r.challenge) }

// ask calls our own API as any other app would, for a visitor of our pages.
func (e *Exchange) ask(ctx context.Context, v *visitor, method, path string, into any) error {
	if v.over.Load() {
		return errOver
	}
	access, err := e.token(ctx, v)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, e.cfg.Self+path, nil)
	if err != nil {
		return err
	}
	proof, err := prove(e.bind, method, e.cfg.Self+path, "", access)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "DPoP "+access)
	req.Header.Set("DPoP", proof)
	res := kept{head: http.Header{}, status: http.StatusOK}
	e.api.ServeHTTP(&res, req)
	if res.status != http.StatusOK {
		return &refused{res.status, res.head.Get("WWW-Authenticate")}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(res.body.Bytes(), into)
}

// kept is an answer of our own API that need not leave the house.
type kept struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.head }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }

// errOver: a logout token came for this visitor.
var errOver = errors.New("exchange: signed out at keyward")

// isEnded: Keyward gives no more tokens, or our API takes this one no more.
func isEnded(err error) bool {
	var said *oauthError
	var r *refused
	return errors.Is(err, errOver) || errors.As(err, &said) && said.code == "invalid_grant" ||
		errors.As(err, &r) && r.status == http.StatusUnauthorized && strings.Contains(r.challenge, `error="invalid_token"`)
}

// stepUp is what would be enough (RFC 9470 §3).
type stepUp struct{ acr, maxAge string }

var (
	acrIn = regexp.MustCompile(`acr_values="([^"]*)"`)
	ageIn = regexp.MustCompile(`max_age="?(\d+)`)
)

func stepUpIn(err error) *stepUp {
	var r *refused
	if !errors.As(err, &r) || !strings.Contains(r.challenge, `error="insufficient_user_authentication"`) {
		return nil
	}
	want := &stepUp{acr: "phr", maxAge: "0"}
	if m := acrIn.FindStringSubmatch(r.challenge); m != nil {
		want.acr = m[1]
	}
	if m := ageIn.FindStringSubmatch(r.challenge); m != nil {
		want.maxAge = m[1]
	}
	return want
}

// tailToken is our own access token for the tail, renewed before it runs out.
type tailToken struct {
	e *Exchange

	mu      sync.Mutex // guards what follows
	access  string
	expires time.Time
}

func (t *tailToken) authorize(req *http.Request) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Until(t.expires) < 30*time.Second {
		k, err := t.e.party.find()
		if err != nil {
			return err
		}
		got, err := t.e.party.call(req.Context(), k.Token, url.Values{"grant_type": {"client_credentials"}, "scope": {"tail"}}, nil)
		if err != nil {
			return err
		}
		t.access, t.expires = got.Access, time.Now().Add(time.Duration(got.Expires)*time.Second)
	}
	req.Header.Set("Authorization", "Bearer "+t.access)
	return nil
}
