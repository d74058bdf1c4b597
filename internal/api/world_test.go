package api_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/api"
	"keyward/internal/apikey"
	"keyward/internal/attest"
	"keyward/internal/audit"
	"keyward/internal/config"
	"keyward/internal/confirm"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/oauth"
	"keyward/internal/place"
	"keyward/internal/place/placetest"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// The tests speak HTTP to the whole server: real database, real signatures, our
// own clock.

const (
	public = "https://id.example.com"
	rpID   = "example.com"
	origin = public
)

// world is one deployment.
type world struct {
	t        testing.TB
	clock    *clock
	db       *store.DB
	ring     *keyring.Ring
	log      *audit.Log
	accounts *account.Service
	signin   *signin.Service
	botKeys  *apikey.Service
	contain  *contain.Service
	oauth    *oauth.Service
	sessions *session.Service
	handler  http.Handler
	url      string
	logged   *syncBuffer
	doc      *document
}

// clock runs with the real one and can be moved on.
type clock struct {
	mu    sync.Mutex // guards ahead
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

type option func(*edge.Options, *signin.Parts)

func closedSignUp(_ *edge.Options, p *signin.Parts) { p.SelfSignUp = false }

func realLimits(o *edge.Options, _ *signin.Parts) { o.RateFactor = 1 }

func newWorld(t testing.TB, options ...option) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{}}
	w.db = storetest.Open(t, storetest.WithNow(w.clock.now))
	w.serve(options...)
	return w
}

func (w *world) serve(options ...option) {
	t := w.t
	t.Helper()
	w.ring = keyringtest.Open(t, keyringtest.KEK(t), w.db, w.clock.now)
	w.log = audit.New(w.ring)
	w.accounts = account.New(w.log, w.ring)
	devices, err := device.New(device.Config{
		RPID: rpID, RPName: "Example", Origins: []string{origin}, Now: w.clock.now, AndroidRoots: []*x509.Certificate{phoneMaker.Root}, AppleRoot: phoneMaker.Root,
		Apps: device.Apps{Android: []attest.App{{Package: phonePackage}}, IOS: []string{phoneAppID}},
	}, w.ring, w.log)
	ok(t, err)
	watch := audit.NewWatch(w.db, w.log, "test", w.clock.now)
	watch.OfflineFor = 5 * time.Minute
	w.sessions = session.New(w.db, w.ring, w.log, session.DefaultLifetimes(), watch.Valid, session.Metrics{})
	watch.OnEffect(w.sessions.Heard)
	none, err := attest.ParseRevoked([]byte(`{"entries":{}}`))
	ok(t, err)
	devices.UseLists(device.Lists{Revoked: none})
	parts := signin.Parts{DB: w.db, Ring: w.ring, Log: w.log, Accounts: w.accounts, Devices: devices, Sessions: w.sessions, SelfSignUp: true}

	w.logged = &syncBuffer{}
	logger := slog.New(slog.NewJSONHandler(w.logged, nil))
	eo := edge.Options{Now: w.clock.now, Logger: logger, PublicURL: public, RateFactor: 1000, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
	for _, o := range options {
		o(&eo, &parts)
	}
	w.signin = signin.New(parts)
	w.botKeys = apikey.New(apikey.Parts{DB: w.db, Ring: w.ring, Log: w.log, Accounts: w.accounts, Devices: devices, Fresh: watch.Valid})
	watch.OnEffect(w.botKeys.Heard)
	w.contain = contain.New(w.db, w.log, w.accounts, devices, w.sessions, w.botKeys, watch)
	w.oauth = oauth.New(oauth.Parts{
		DB: w.db, Log: w.log, Accounts: w.accounts, Sessions: w.sessions, SignIn: w.signin,
		Mint: session.NewMint(w.ring, public, w.clock.now), Access: 5 * time.Minute,
	})
	money, err := confirm.New(confirm.Parts{
		DB: w.db, Ring: w.ring, Log: w.log, Accounts: w.accounts, Devices: devices, Sessions: w.sessions, Mint: session.NewMint(w.ring, public, w.clock.now),
	}, confirm.Settings{})
	ok(t, err)
	e, err := edge.New(eo)
	ok(t, err)

	places, err := place.Open(placetest.Write(t, placetest.Records{
		"192.0.2.0/24":    placetest.Named("Seoul", "서울", "South Korea", "대한민국"),
		"203.0.113.0/24":  placetest.Named("Busan", "부산", "South Korea", "대한민국"),
		"198.51.100.0/24": placetest.Named("Lyon", "리옹", "France", "프랑스"),
	}))
	ok(t, err)

	mux := http.NewServeMux()
	api.New(api.Parts{
		DB: w.db, Ring: w.ring, Log: w.log, Accounts: w.accounts, Devices: devices, Sessions: w.sessions, SignIn: w.signin, Contain: w.contain,
		OAuth: w.oauth, BotKeys: w.botKeys, Confirm: money, Limiter: e.Limiter, Places: places, Logger: logger,
	}, api.Settings{PublicURL: public, Backends: backends()}).Routes(mux, e)
	w.handler = e.Handler(edge.Routes(mux))
	srv := httptest.NewServer(w.handler)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	w.doc = w.readDocument()
}

// in makes a subtest the one that fails.
func (w *world) in(t *testing.T) {
	was := w.t
	w.t, w.doc.t = t, t
	t.Cleanup(func() { w.t, w.doc.t = was, was })
}

// backends have one power each, and one has them all.
func backends() []config.Backend {
	b := func(id string, may ...string) config.Backend {
		sum := sha256.Sum256([]byte("secret of " + id))
		c := config.Backend{ID: id, SecretSHA256: hex.EncodeToString(sum[:]), May: may}
		return c
	}
	return []config.Backend{
		b("exchange", config.MayProvision, config.MayIntrospect, config.MayEnd),
		b("registrar", config.MayProvision),
		b("gate", config.MayIntrospect),
		b("watchman", config.MayEnd),
		b("treasury", config.MayConfirm),
	}
}

// request is one call, described.
type request struct {
	method, path string
	body         any // nil: none; string: as it is; else JSON
	header       http.Header
}

// response is what came back.
type response struct {
	t      testing.TB
	req    request
	status int
	header http.Header
	body   []byte
}

func (w *world) do(q request) *response {
	w.t.Helper()
	var body io.Reader
	switch b := q.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		ok(w.t, err)
		body = bytes.NewReader(raw)
	}
	r, err := http.NewRequest(q.method, w.url+q.path, body)
	ok(w.t, err)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range q.header {
		r.Header[k] = v
	}
	res, err := http.DefaultClient.Do(r)
	ok(w.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	ok(w.t, err)
	out := &response{t: w.t, req: q, status: res.StatusCode, header: res.Header, body: raw}
	w.doc.holds(out)
	return out
}

// want checks the status and reads the body.
func (r *response) want(status int, into ...any) *response {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s %s: status %d instead of %d: %s", r.req.method, r.req.path, r.status, status, r.body)
	}
	for _, v := range into {
		if err := json.Unmarshal(r.body, v); err != nil {
			r.t.Fatalf("%s %s: %v in %s", r.req.method, r.req.path, err, r.body)
		}
	}
	return r
}

// problem is a refusal as clients read it.
type problem struct {
	Type, Title, Code, Detail, Docs, URL string
	Status                               int
	RequestID                            string `json:"request_id"`
	Purpose                              *api.Purpose
	Needs                                []string
	Errors                               []api.FieldError
}

func (r *response) refused(status int, code string) problem {
	r.t.Helper()
	var p problem
	r.want(status, &p)
	if p.Code != code || p.Status != status || p.RequestID == "" || p.Type == "" || p.Title == "" || p.Detail == "" {
		r.t.Fatalf("%s %s: not the problem %s: %s", r.req.method, r.req.path, code, r.body)
	}
	if ct := r.header.Get("Content-Type"); ct != "application/problem+json" {
		r.t.Errorf("%s %s: a problem of type %q", r.req.method, r.req.path, ct)
	}
	return p
}

// app is an app of an account holder: a binding key, passkeys, and the tokens it holds.
type app struct {
	w       *world
	key     *softkey.BindingKey
	browser *softkey.Browser
	addr    string
	nonce   string
	tokens  api.Tokens
}

func (w *world) app() *app {
	return &app{w: w, key: softkey.NewBindingKey(), browser: &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{}}, addr: "192.0.2.7"}
}

// another app of the same person, with the same passkeys.
func (a *app) another(addr string) *app {
	return &app{w: a.w, key: softkey.NewBindingKey(), browser: a.browser, addr: addr}
}

func (a *app) header() http.Header {
	return http.Header{"X-Forwarded-For": {a.addr}, "User-Agent": {"okhttp/4.12 (Android)"}}
}

// proof for the next call.
func (a *app) proof(method, path, token string) string {
	path, _, _ = strings.Cut(path, "?")
	return a.key.Proof(softkey.DPoP{Method: method, URL: public + path, Token: token, Nonce: a.nonce}, a.w.clock.now())
}

// send makes a call with proof and, when signed in, token; it takes a fresh
// nonce along as a real client does.
func (a *app) send(method, path string, body any) *response {
	a.w.t.Helper()
	for range 2 {
		h := a.header()
		if a.tokens.AccessToken != "" {
			h.Set("Authorization", "DPoP "+a.tokens.AccessToken)
		}
		h["Dpop"] = []string{a.proof(method, path, a.tokens.AccessToken)}
		r := a.w.do(request{method, path, body, h})
		a.nonce = r.header.Get("Dpop-Nonce")
		if r.status != http.StatusUnauthorized || !bytes.Contains(r.body, []byte("use_dpop_nonce")) {
			return r
		}
	}
	a.w.t.Fatalf("%s %s: asks for a nonce again and again", method, path)
	return nil
}

func (a *app) get(path string, into any) *app {
	a.w.t.Helper()
	a.send("GET", path, nil).want(200, into)
	return a
}

// signUp makes an account and signs this app in.
func (a *app) signUp(mail string) *app {
	t := a.w.t
	t.Helper()
	var begun api.SignUp
	a.send("POST", "/api/v1/sign-up", map[string]string{"mail": mail, "lang": "en"}).want(200, &begun)
	cred, err := a.browser.Create(begun.Options)
	ok(t, err)
	a.send("POST", "/api/v1/sign-up/finish", map[string]any{"ticket": begun.Ticket, "credential": json.RawMessage(cred)}).want(201, &a.tokens)
	return a
}

// signIn signs in with the passkey.
func (a *app) signIn() *app {
	t := a.w.t
	t.Helper()
	a.tokens = api.Tokens{}
	a.finishSignIn(map[string]any{}).want(200, &a.tokens)
	return a
}

func (a *app) finishSignIn(body map[string]any, tricks ...softkey.Trick) *response {
	t := a.w.t
	t.Helper()
	var o api.Options
	a.send("POST", "/api/v1/sign-in", nil).want(200, &o)
	cred, err := a.browser.Get(o.Options, tricks...)
	ok(t, err)
	body["credential"] = json.RawMessage(cred)
	return a.send("POST", "/api/v1/sign-in/finish", body)
}

// touch steps up for an act and takes the new tokens.
func (a *app) touch(act, object string) *app {
	t := a.w.t
	t.Helper()
	var o api.Options
	a.send("POST", "/api/v1/step-up", map[string]string{"act": act, "object": object}).want(200, &o)
	cred, err := a.browser.Get(o.Options)
	ok(t, err)
	a.send("POST", "/api/v1/step-up/finish", map[string]any{"act": act, "object": object, "credential": json.RawMessage(cred)}).want(200, &a.tokens)
	return a
}

// refresh turns the refresh token over.
func (a *app) refresh() *response {
	a.w.t.Helper()
	r := a.present(a.tokens.RefreshToken)
	if r.status == 200 {
		r.want(200, &a.tokens)
	}
	return r
}

func (a *app) present(refresh string) *response {
	a.w.t.Helper()
	held := a.tokens
	a.tokens.AccessToken = "" // the refresh is made with proof and refresh token only
	r := a.send("POST", "/api/v1/session/refresh", map[string]string{"refresh_token": refresh})
	a.tokens = held
	return r
}

// backend makes a call of a back end.
func (w *world) backend(id, method, path string, body any, key string) *response {
	w.t.Helper()
	h := http.Header{"X-Forwarded-For": {"198.51.100.20"}}
	h.Set("Authorization", basic(id, "secret of "+id))
	if key != "" {
		h.Set("Idempotency-Key", key)
	}
	return w.do(request{method, path, body, h})
}

func basic(id, secret string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(id, secret)
	return r.Header.Get("Authorization")
}

// actions of an account, oldest first, without the turns of refresh tokens.
func (w *world) actions(acc string) []string {
	w.t.Helper()
	recs, err := w.log.ForAccount(w.t.Context(), w.db, acc, "", 200)
	ok(w.t, err)
	var out []string
	for _, r := range slices.Backward(recs) {
		if r.Action != "session.refreshed" {
			out = append(out, string(r.Action))
		}
	}
	return out
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v instead of %v", what, got, want)
	}
}

type syncBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// signinFromBrowser is what the pages would say of a browser without a key.
func signinFromBrowser() signin.From {
	return signin.From{Agent: device.Agent("Firefox/130.0 (X11; Linux)"), Addr: netip.MustParseAddr("192.0.2.7"), Kind: session.Web}
}
