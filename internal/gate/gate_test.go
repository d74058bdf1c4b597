package gate

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/gatekit"
	"keyward/internal/apikey"
	"keyward/internal/edge"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

var testRoutes = []Route{
	{Method: "GET", Path: "/v1/balance", Scope: "read.account"},
	{Method: "GET", Path: "/v1/orders/{id}", Scope: "read.orders"},
	{Method: "POST", Path: "/v1/orders", Scope: "trade.spot", Symbol: "body:symbol"},
	{Method: "DELETE", Path: "/v1/orders/{id}", Scope: "trade.cancel"},
	{Method: "POST", Path: "/v1/batch", Scope: "trade.spot"},
}

var testKey = gatekit.Key{1, 2, 3}

// yard is a gate with an upstream behind it that echoes what it saw.
type yard struct {
	t        testing.TB
	w        *signintest.World
	p        *signintest.Person
	gate     *Gate
	proxy    *httptest.Server
	check    *httptest.Server
	seen     *http.Request // by the upstream, last
	seenBody string
	calls    int
}

var thisMachine = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

func newYard(t testing.TB) *yard {
	t.Helper()
	clock := signintest.NewClock()
	y := &yard{t: t, w: signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock)}
	y.p = y.w.NewPerson()
	y.w.Must(y.p.SignUp())
	y.w.Clock.Sleep(time.Minute)
	verifier := gatekit.NewVerifier(testKey)
	verifier.Now = y.w.DB.Now
	upstream := httptest.NewServer(verifier.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		y.seen, y.seenBody, y.calls = r.Clone(r.Context()), string(body), y.calls+1
		w.Header().Set("X-Keyward-Decision", r.Header.Get("X-Keyward-Decision")) // a careless echo
		w.WriteHeader(http.StatusCreated)
	}), 1<<20))
	t.Cleanup(upstream.Close)
	to, _ := url.Parse(upstream.URL)
	var err error
	y.gate, err = New(Parts{BotKeys: y.w.BotKeys, Limiter: edge.NewLimiter(y.w.DB.Now, 1), Now: y.w.DB.Now, Logger: slog.New(slog.DiscardHandler)}, Settings{
		Authority: signintest.API, Upstream: to, Key: testKey, Peers: thisMachine, Proxies: thisMachine, Routes: testRoutes, BodyLimit: 1 << 16,
	})
	y.w.Must(err)
	y.proxy, y.check = httptest.NewServer(y.gate.Proxy()), httptest.NewServer(y.gate.Check())
	t.Cleanup(y.proxy.Close)
	t.Cleanup(y.check.Close)
	return y
}

var trading = apikey.NewKey{Scopes: apikey.ReadAccount | apikey.TradeSpot | apikey.TradeCancel, Symbols: []string{"BTC-USD"},
	Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}}

const order = `{"symbol":"BTC-USD","side":"buy","quantity":"0.1","price":"100"}`

// signed is a request of a bot that comes from its own address.
func (y *yard) signed(bot *softkey.Bot, method, target, body string) *http.Request {
	y.t.Helper()
	r, err := http.NewRequest(method, y.proxy.URL+target, strings.NewReader(body))
	y.w.Must(err)
	bot.Sign(r, []byte(body), y.w.DB.Now())
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	return r
}

// does sends a request and says what came back: status and code.
func (y *yard) does(r *http.Request) (*http.Response, string) {
	y.t.Helper()
	res, err := http.DefaultTransport.RoundTrip(r)
	y.w.Must(err)
	defer res.Body.Close()
	var told struct{ Code string }
	body, _ := io.ReadAll(res.Body)
	_ = json.Unmarshal(body, &told)
	return res, told.Code
}

func TestAnOrderThroughTheProxy(t *testing.T) {
	y := newYard(t)
	bot, key := y.p.Bot(trading)
	res, code := y.does(y.signed(bot, "POST", "/v1/orders", order))
	if res.StatusCode != http.StatusCreated || y.seenBody != order || y.seen.Header.Get("X-Keyward-Account") != string(y.p.Account) || y.seen.Header.Get("X-Keyward-Key") != "key:"+string(key.ID) {
		t.Fatalf("%d %s; the upstream saw %q %v", res.StatusCode, code, y.seenBody, y.seen)
	}
	if res.Header.Get("X-Keyward-Decision") != "" || res.Header.Get("X-Server-Time-Ms") == "" || res.Header.Get("X-Key-Expires-At") == "" {
		t.Errorf("the client got %v", res.Header)
	}
	r := y.signed(bot, "POST", "/v1/orders", order)
	y.does(r.Clone(t.Context()))
	r.Body = io.NopCloser(strings.NewReader(order))
	if res, code := y.does(r); res.StatusCode != http.StatusConflict || code != "REPLAYED" {
		t.Errorf("the same order again: %d %s", res.StatusCode, code)
	}
	if y.calls != 2 {
		t.Errorf("the upstream was called %d times", y.calls)
	}
}

func TestWhatTheGateRefuses(t *testing.T) {
	y := newYard(t)
	bot, _ := y.p.Bot(trading)
	late := *bot
	late.Skew = -time.Minute
	for _, row := range []struct {
		name string
		r    *http.Request
		want string
	}{
		{"no signature at all", bare(y, "GET", "/v1/balance"), "AUTH_FAILED"},
		{"a route that is not there", y.signed(bot, "GET", "/v1/secrets", ""), "ROUTE_UNKNOWN"},
		{"a method that is not there", y.signed(bot, "PUT", "/v1/orders", order), "ROUTE_UNKNOWN"},
		{"a right that is not there", y.signed(bot, "GET", "/v1/orders/7", ""), "SCOPE_MISSING"},
		{"a market that it may not trade", y.signed(bot, "POST", "/v1/orders", strings.Replace(order, "BTC", "DOGE", 1)), "SYMBOL_NOT_ALLOWED"},
		{"no market", y.signed(bot, "POST", "/v1/orders", `{"side":"buy"}`), "BAD_REQUEST"},
		{"two markets", y.signed(bot, "POST", "/v1/orders", `{"symbol":"BTC-USD","symbol":"DOGE-USD"}`), "BAD_REQUEST"},
		{"a stale clock", y.signed(&late, "POST", "/v1/orders", order), "TIMESTAMP_OUTSIDE_WINDOW"},
		{"a page in a browser", set(y.signed(bot, "POST", "/v1/orders", order), "Origin", "https://evil.example"), "KEY_IN_BROWSER"},
		{"a foreign address", set(y.signed(bot, "GET", "/v1/balance", ""), "X-Forwarded-For", "198.51.100.9"), "IP_NOT_ALLOWED"},
		{"an address that a stranger wrote in front", set(y.signed(bot, "GET", "/v1/balance", ""), "X-Forwarded-For", "203.0.113.7, 198.51.100.9"), "IP_NOT_ALLOWED"},
		{"a path with a dot segment", y.signed(bot, "GET", "/v1/x/../balance", ""), "BAD_REQUEST"},
		{"a path spelled otherwise", y.signed(bot, "GET", "/v1/%62alance", ""), "BAD_REQUEST"},
		{"a path with a slash more", y.signed(bot, "GET", "/v1//balance", ""), "BAD_REQUEST"},
	} {
		t.Run(row.name, func(t *testing.T) {
			y.t = t
			if res, code := y.does(row.r); code != row.want || res.Header.Get("X-Server-Time-Ms") == "" {
				t.Errorf("%d %s, want %s", res.StatusCode, code, row.want)
			}
		})
	}
	if y.calls != 0 {
		t.Errorf("the upstream was called %d times", y.calls)
	}
}

func bare(y *yard, method, target string) *http.Request {
	r, err := http.NewRequest(method, y.proxy.URL+target, nil)
	y.w.Must(err)
	return r
}

func set(r *http.Request, name string, values ...string) *http.Request {
	r.Header[name] = values
	return r
}

func TestNobodySpeaksInOurName(t *testing.T) {
	y := newYard(t)
	bot, _ := y.p.Bot(trading)
	spoken := map[string][]string{
		"X-Keyward-Account": {"victim", "victim"}, "X_Keyward_Account": {"victim"}, "x-keyward_account": {"victim"}, "X-KEYWARD-SCOPES": {"withdraw"},
		"X-Keyward-Decision": {"kwd1.e30.AA"}, "X-Forwarded-Uri": {"/v1/withdrawals"}, "X-Original-Uri": {"/v1/withdrawals"},
	}
	r := y.signed(bot, "GET", "/v1/balance", "")
	for name, v := range spoken {
		r.Header[name] = v
	}
	if res, code := y.does(r); res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", res.StatusCode, code)
	}
	for name, values := range y.seen.Header {
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "victim") }) {
			t.Errorf("the upstream was told %s: %v", name, values)
		}
	}
	if got := y.seen.Header["X-Keyward-Account"]; len(got) != 1 || got[0] != string(y.p.Account) {
		t.Errorf("the account is %v", got)
	}
	if y.seen.URL.Path != "/v1/balance" {
		t.Errorf("the upstream was asked for %s", y.seen.URL)
	}

	// Beside another front the client's headers go past us: such a request does not pass.
	for name, v := range spoken {
		if !ours(name) {
			continue
		}
		ask := y.ask(bot, "GET", "/v1/balance", "", originalMethod, originalTarget)
		ask.Header[name] = v
		if res, _ := y.does(ask); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
}

// ask is what a front asks about a signed request.
func (y *yard) ask(bot *softkey.Bot, method, target, body, methodIn, targetIn string) *http.Request {
	signed := y.signed(bot, method, target, body)
	r, err := http.NewRequest("GET", y.check.URL+"/gate/check", nil)
	y.w.Must(err)
	r.Header = signed.Header
	r.Header.Set(methodIn, method)
	r.Header.Set(targetIn, target)
	return r
}

func TestAFrontThatAsks(t *testing.T) {
	y := newYard(t)
	n := trading
	n.Symbols = nil // the front keeps the body: nobody could say what a batch trades
	bot, _ := y.p.Bot(n)
	res, _ := y.does(y.ask(bot, "GET", "/v1/balance?x=1", "", originalMethod, originalTarget))
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	verifier := gatekit.NewVerifier(testKey)
	token := res.Header.Get(gatekit.Header)
	d, err := verifier.Check(token, "GET", "/v1/balance?x=1", nil, y.w.DB.Now())
	if err != nil || d.Account != string(y.p.Account) {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := verifier.Check(token, "GET", "/v1/balance?x=1", []byte("smuggled"), y.w.DB.Now()); err == nil {
		t.Error("a body that nobody signed passes")
	}

	// The body stays with the front; what was signed about it goes on.
	res, _ = y.does(y.ask(bot, "POST", "/v1/batch", order, forwardMethod, forwardTarget))
	token = res.Header.Get(gatekit.Header)
	if _, err := verifier.Check(token, "POST", "/v1/batch", []byte(order), y.w.DB.Now()); res.StatusCode != http.StatusOK || err != nil {
		t.Errorf("%d, %v", res.StatusCode, err)
	}
	if _, err := verifier.Check(token, "POST", "/v1/batch", []byte(strings.Replace(order, "0.1", "9.9", 1)), y.w.DB.Now()); err == nil {
		t.Error("a changed body passes")
	}

	for _, row := range []struct {
		name string
		r    *http.Request
		want int
	}{
		{"nginx is told 401 or 403", y.ask(bot, "GET", "/v1/none", "", originalMethod, originalTarget), 403},
		{"others are told exactly", y.ask(bot, "GET", "/v1/none", "", forwardMethod, forwardTarget), 404},
		{"nothing says what was asked", y.signed(bot, "GET", "/v1/balance", ""), 403},
		{"two fronts speak", set(y.ask(bot, "GET", "/v1/balance", "", forwardMethod, forwardTarget), originalTarget, "/v1/balance"), 403},
		{"the target twice", set(y.ask(bot, "GET", "/v1/balance", "", originalMethod, originalTarget), originalTarget, "/v1/balance", "/v1/withdrawals"), 403},
	} {
		if row.name == "nothing says what was asked" {
			row.r.URL, _ = url.Parse(y.check.URL + "/gate/check")
		}
		if res, code := y.does(row.r); res.StatusCode != row.want {
			t.Errorf("%s: %d %s, want %d", row.name, res.StatusCode, code, row.want)
		}
	}
	y.gate.Peers = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	if res, _ := y.does(y.ask(bot, "GET", "/v1/balance", "", originalMethod, originalTarget)); res.StatusCode != http.StatusForbidden {
		t.Errorf("a front that is not configured: %d", res.StatusCode)
	}
}

func TestAKeyLearnsWhatItIsSeenAs(t *testing.T) {
	y := newYard(t)
	bot, key := y.p.Bot(trading)
	res, err := http.DefaultTransport.RoundTrip(y.signed(bot, "GET", whoami, ""))
	y.w.Must(err)
	defer res.Body.Close()
	var said struct {
		Key  apikey.ID `json:"key"`
		Seen string    `json:"seen_address"`
		Days int       `json:"days_left"`
	}
	y.w.Must(json.NewDecoder(res.Body).Decode(&said))
	if said.Key != key.ID || said.Seen != "203.0.113.7" || said.Days != 89 || y.calls != 0 {
		t.Errorf("%+v, and the upstream was called %d times", said, y.calls)
	}
	if res, _ := y.does(bare(y, "GET", clock)); res.StatusCode != http.StatusOK || res.Header.Get("X-Server-Time-Ms") == "" {
		t.Errorf("the time: %d", res.StatusCode)
	}
	if _, code := y.does(bare(y, "GET", whoami)); code != "AUTH_FAILED" {
		t.Errorf("a stranger is told %s", code)
	}
}

func TestABodyIsReadWholeOrNotAtAll(t *testing.T) {
	y := newYard(t)
	bot, _ := y.p.Bot(trading)
	if res, _ := y.does(y.signed(bot, "POST", "/v1/batch", strings.Repeat("x", 1<<16+1))); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", res.StatusCode)
	}
	// Length and chunks at once: two servers would see two requests (RFC 9112 §6.3).
	c, err := net.Dial("tcp", strings.TrimPrefix(y.proxy.URL, "http://"))
	y.w.Must(err)
	defer c.Close()
	_, _ = io.WriteString(c, "POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/balance HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	answer, _ := io.ReadAll(c)
	if strings.Contains(string(answer), "201") || y.calls != 0 {
		t.Errorf("smuggled: %q", answer)
	}
}

func TestPathsThatTwoProgramsCouldReadDifferently(t *testing.T) {
	for path, want := range map[string]bool{
		"/v1/orders": true, "/v1/orders/BTC-USD": true, "/v1/caf%C3%A9": true, "/": true, "/v1/orders/": true,
		"": false, "v1": false, "//v1": false, "/v1/./x": false, "/v1/../x": false, "/v1/%2e%2e/x": false, "/v1/%2E%2E/x": false, "/v1%2Forders": false, "/v1/%41": false,
		"/v1/caf%c3%a9": false, "/v1;x=1/orders": false, `/v1\orders`: false, "/v1/%": false, "/v1/%00": false, "/v1/é": false, "/v1/%5Cx": false,
	} {
		if canonical(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}

func TestRoutesAreMatchedAsTheyWereSent(t *testing.T) {
	rs, err := parseRoutes([]Route{{Method: "GET", Path: "/v1/orders/{id}", Scope: "read.orders"}, {Method: "GET", Path: "/v1/files/{rest...}", Scope: "read.history"}, {Method: "GET", Path: "/v1/orders", Scope: "read.orders"}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/v1/orders": true, "/v1/orders/7": true, "/v1/orders/": false, "/v1/orders/7/x": false, "/v1/files/a/b/c": true, "/v1/files/": false, "/v1/files": false, "/v1": false,
	} {
		if _, ok := rs.find("GET", path); ok != want {
			t.Errorf("%s: %v", path, ok)
		}
	}
	for _, bad := range []Route{{Method: "GET", Path: "/v1/../x", Scope: "read.orders"}, {Method: "TRACE", Path: "/v1", Scope: "read.orders"}, {Method: "GET", Path: "/v1", Scope: "read.everything"}, {Method: "GET", Path: "/{rest...}/x", Scope: "read.orders"}, {Method: "GET", Path: "/v1", Scope: "read.orders", Symbol: "cookie:x"}} {
		if ParseRoute(bad) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
