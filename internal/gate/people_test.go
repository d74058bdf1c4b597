package gate

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/rs"
)

const issuer = "https://login.example.com"

var peopleRoutes = []Route{
	{Method: "GET", Path: "/v1/balance", Scope: "read.account", Takes: []string{"key", "token", "session"}},
	{Method: "POST", Path: "/v1/orders", Scope: "trade.spot", Takes: []string{"key", "token", "session"}},
	{Method: "GET", Path: "/v1/history", Scope: "read.history", Takes: []string{"token", "session"}, ACR: session.ACRPhrh},
	{Method: "GET", Path: "/v1/lately", Scope: "read.history", Takes: []string{"token", "session"}, MaxAge: time.Hour},
	{Method: "GET", Path: "/v1/keys-only", Scope: "read.account"},
}

type keysOf struct{ ring *keyring.Ring }

func (k keysOf) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := json.Marshal(k.ring.JWKS())
	return &http.Response{StatusCode: 200, Status: "200 OK", Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(b)), Request: r}, err
}

// letsPeopleIn makes the gate of a yard one that takes tokens and sessions too.
func (y *yard) letsPeopleIn() *session.Mint {
	y.t.Helper()
	y.w.Watch.OnEffect(y.w.Sessions.Heard)
	url := PublicURL(signintest.API)
	v, err := rs.New(rs.Config{Issuer: issuer, Audience: url, PublicURL: url, JWKSURL: "https://keys.invalid/", HTTPClient: &http.Client{Transport: keysOf{y.w.Ring}},
		Now: y.w.DB.Now, Replay: ProofMemory{Keys: y.w.BotKeys, Reads: rs.NewMemory(y.w.DB.Now)}})
	y.w.Must(err)
	s := y.gate.Settings
	s.Routes = peopleRoutes
	y.gate, err = New(Parts{BotKeys: y.w.BotKeys, Limiter: edge.NewLimiter(y.w.DB.Now, 1), Now: y.w.DB.Now, Logger: slog.New(slog.DiscardHandler),
		People: People{Tokens: v, Sessions: y.w.Sessions, Browsers: true}}, s)
	y.w.Must(err)
	y.proxy, y.check = httptest.NewServer(y.gate.Proxy()), httptest.NewServer(y.gate.Check())
	y.t.Cleanup(y.proxy.Close)
	y.t.Cleanup(y.check.Close)
	return session.NewMint(y.w.Ring, issuer, y.w.DB.Now)
}

// app is one that its owner let in.
type app struct {
	y     *yard
	key   *softkey.BindingKey
	token string
	grant session.GrantID
}

func (y *yard) app(mint *session.Mint, scope string) *app {
	y.t.Helper()
	a := &app{y: y, key: softkey.NewBindingKey()}
	var given session.Granted
	y.w.Must(y.w.DB.Update(y.t.Context(), y.p.Cause(), func(tx *store.Tx) error {
		var effects []audit.Effect
		var err error
		given, effects, err = y.w.Sessions.Give(tx, session.NewGrant{Session: y.p.Session(), Client: "app_1", Scope: scope, Audience: PublicURL(signintest.API),
			JKT: a.key.Thumbprint(), Refresh: true, Life: 24 * time.Hour})
		if err != nil {
			return err
		}
		_, err = y.w.Log.Append(tx, audit.Event{Action: "grant.given", Account: string(y.p.Account), Target: string(given.ID), Effects: effects})
		return err
	}))
	token, _, err := mint.AccessOf(given.Grant, scope, 5*time.Minute)
	y.w.Must(err)
	a.token, a.grant = token, given.ID
	return a
}

// asks is a request with a fresh proof for it.
func (a *app) asks(method, path, body string) *http.Request {
	r, err := http.NewRequest(method, a.y.proxy.URL+path, strings.NewReader(body))
	a.y.w.Must(err)
	r.Header.Set("Authorization", "DPoP "+a.token)
	r.Header.Set("DPoP", a.key.Proof(softkey.DPoP{Method: method, URL: PublicURL(signintest.API) + path, Token: a.token}, a.y.w.DB.Now()))
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	return r
}

func (y *yard) want(what string, r *http.Request, status int, said string) {
	y.t.Helper()
	res, code := y.does(r)
	if code == "" {
		code = res.Header.Get("WWW-Authenticate")
	}
	if res.StatusCode != status || !strings.Contains(code, said) {
		y.t.Errorf("%s: %d %q, want %d %q", what, res.StatusCode, code, status, said)
	}
}

func TestAnAppComesThroughTheGateWithItsTokenAndItsKey(t *testing.T) {
	y := newYard(t)
	mint := y.letsPeopleIn()
	a := y.app(mint, "read trade")
	y.want("a read", a.asks("GET", "/v1/balance", ""), 201, "")
	if h := y.seen.Header; h.Get("X-Keyward-Account") != string(y.p.Account) || h.Get("X-Keyward-Key") != "token:"+string(a.grant) || strings.Contains(h.Get("X-Keyward-Scopes"), "withdraw") {
		t.Errorf("the upstream was told %v", h)
	}
	y.want("an order", a.asks("POST", "/v1/orders", order), 201, "")
	if y.seenBody != order {
		t.Errorf("the upstream saw %q", y.seenBody)
	}
	again := a.asks("POST", "/v1/orders", order)
	y.want("once", again.Clone(t.Context()), 201, "")
	again.Body = io.NopCloser(strings.NewReader(order))
	y.want("the same order again", again, 401, "invalid_dpop_proof")

	bearer := a.asks("GET", "/v1/balance", "")
	bearer.Header.Set("Authorization", "Bearer "+a.token)
	bearer.Header.Del("DPoP")
	y.want("without its key", bearer, 401, "AUTH_FAILED")
	thief := &app{y: y, key: softkey.NewBindingKey(), token: a.token}
	y.want("with another key", thief.asks("GET", "/v1/balance", ""), 401, "invalid_token")
	moved := a.asks("GET", "/v1/balance", "")
	moved.URL.Path = "/v1/lately"
	y.want("a proof for another path", moved, 401, "invalid_dpop_proof")
	y.want("where a touch of the hardware kind is asked for", a.asks("GET", "/v1/history", ""), 401, "insufficient_user_authentication")
	y.want("where keys alone are taken", a.asks("GET", "/v1/keys-only", ""), 401, "AUTH_FAILED")
	both := a.asks("GET", "/v1/balance", "")
	both.Header.Set("X-Mbx-Apikey", "k")
	y.want("with a key beside it", both, 401, "AUTH_FAILED")
	looks := y.app(mint, "read")
	y.want("an order of an app that may look", looks.asks("POST", "/v1/orders", order), 403, "insufficient_scope")

	y.w.Clock.Sleep(2 * time.Hour)
	y.p.In()
	a = y.app(mint, "read trade")
	y.want("lately", a.asks("GET", "/v1/lately", ""), 201, "")

	// Its owner takes it back: refused from the answer on, though the token is good for
	// minutes.
	y.w.Must(y.w.DB.Update(t.Context(), y.p.Cause(), func(tx *store.Tx) error {
		effects, err := y.w.Sessions.EndGrant(tx, y.p.Account, a.grant, "owner")
		if err != nil {
			return err
		}
		_, err = y.w.Log.Append(tx, audit.Event{Action: "grant.ended", Account: string(y.p.Account), Target: string(a.grant), Effects: effects})
		return err
	}))
	y.want("taken back", a.asks("GET", "/v1/balance", ""), 401, "AUTH_FAILED")
}

func TestAFrontThatAsksForAnApp(t *testing.T) {
	y := newYard(t)
	a := y.app(y.letsPeopleIn(), "read trade")
	ask := func(r *http.Request) *http.Request {
		q, err := http.NewRequest("GET", y.check.URL+"/gate/check", nil)
		y.w.Must(err)
		q.Header = r.Header.Clone()
		q.Header.Set("X-Original-Method", r.Method)
		q.Header.Set("X-Original-Uri", r.URL.RequestURI())
		return q
	}
	y.want("a read", ask(a.asks("GET", "/v1/balance", "")), 200, "")
	// What an order says is signed by nobody, and the front keeps it.
	y.want("an order", ask(a.asks("POST", "/v1/orders", order)), 403, "BAD_REQUEST")
	bad := a.asks("GET", "/v1/balance", "")
	bad.Header.Set("DPoP", "x")
	y.want("without a proof", ask(bad), 401, "invalid_dpop_proof")
}

func TestABrowserComesThroughTheGateWithItsSession(t *testing.T) {
	y := newYard(t)
	y.letsPeopleIn()
	asks := func(method, path, body string, header ...string) *http.Request {
		r, err := http.NewRequest(method, y.proxy.URL+path, strings.NewReader(body))
		y.w.Must(err)
		r.Header.Set("Cookie", "theme=dark; __Host-kw_at="+y.p.Iss.Access+"; __Host-kw_rt=kwr_secret; other=1")
		r.Header.Set("X-Forwarded-For", signintest.Home.String())
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	y.want("a read", asks("GET", "/v1/balance", ""), 201, "")
	if h := y.seen.Header; h.Get("X-Keyward-Key") != "session:"+string(y.p.Session().ID) || h.Get("Cookie") != "theme=dark; other=1" {
		t.Errorf("the upstream was told %v", h)
	}
	y.want("an order of a page of the API's own", asks("POST", "/v1/orders", order, "Sec-Fetch-Site", "same-origin"), 201, "")
	y.want("the same, by Origin", asks("POST", "/v1/orders", order, "Origin", "https://"+signintest.API), 201, "")
	for what, header := range map[string][]string{
		"of another site's page":           {"Sec-Fetch-Site", "cross-site", "Origin", "https://" + signintest.API},
		"of a sister site's page":          {"Sec-Fetch-Site", "same-site"},
		"of somebody who says nothing":     {},
		"of another origin":                {"Origin", "https://evil.example"},
		"of an origin that only begins so": {"Origin", "https://" + signintest.API + ".evil.example"},
		"of a page without an origin":      {"Origin", "null"},
	} {
		y.want("an order "+what, asks("POST", "/v1/orders", order, header...), 401, "AUTH_FAILED")
	}
	y.want("where more is asked for", asks("GET", "/v1/history", ""), 403, "STEP_UP_REQUIRED")
	y.want("where keys alone are taken", asks("GET", "/v1/keys-only", ""), 401, "AUTH_FAILED")
	forged := asks("GET", "/v1/balance", "")
	forged.Header.Set("Cookie", "__Host-kw_at=kwa_ses_1.fam_2.AAAA.BBBB")
	y.want("a cookie of somebody's making", forged, 401, "AUTH_FAILED")
	y.w.Clock.Sleep(6 * time.Minute)
	y.want("after its minutes", asks("GET", "/v1/balance", ""), 401, "SESSION_EXPIRED")
	y.p.In()
	_, err := y.w.Contain.Freeze(t.Context(), y.p.Cause(), y.p.Account, "page")
	y.w.Must(err)
	y.want("after a freeze, which ends sessions", asks("GET", "/v1/balance", ""), 401, "AUTH_FAILED")
}

func TestRoutesForPeople(t *testing.T) {
	for what, r := range map[string]Route{
		"a withdrawal with a token":     {Method: "POST", Path: "/v1/withdrawals", Scope: "withdraw", Takes: []string{"key", "token"}},
		"a transfer with a session":     {Method: "POST", Path: "/v1/transfers", Scope: "transfer.internal", Takes: []string{"session"}},
		"a public route with a session": {Method: "GET", Path: "/v1/time2", Scope: "public", Takes: []string{"session"}},
		"a kind nobody knows":           {Method: "GET", Path: "/v1/a", Scope: "read.account", Takes: []string{"cookie"}},
		"a kind twice":                  {Method: "GET", Path: "/v1/a", Scope: "read.account", Takes: []string{"key", "key"}},
		"a grade of keys":               {Method: "GET", Path: "/v1/a", Scope: "read.account", ACR: session.ACRPhr},
		"a grade nobody reaches":        {Method: "GET", Path: "/v1/a", Scope: "read.account", Takes: []string{"token"}, ACR: "gold"},
		"less than a second":            {Method: "GET", Path: "/v1/a", Scope: "read.account", Takes: []string{"token"}, MaxAge: time.Millisecond},
	} {
		if ParseRoute(r) == nil {
			t.Errorf("%s is taken", what)
		}
	}
	if err := ParseRoute(Route{Method: "GET", Path: "/v1/a", Scope: "read.account"}); err != nil {
		t.Error(err)
	}
}
