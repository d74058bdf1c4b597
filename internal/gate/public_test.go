package gate

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"keyward/internal/signin/signintest"
)

// openYard is a yard with a way that takes no key. Its upstream counts on no decision:
// it stands where an exchange answers everybody.
func openYard(t *testing.T) (y *yard, seen func() *http.Request) {
	t.Helper()
	y = newYard(t)
	var last *http.Request
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { last = r.Clone(r.Context()) }))
	t.Cleanup(upstream.Close)
	to, _ := url.Parse(upstream.URL)
	g, err := New(Parts{BotKeys: y.w.BotKeys, Now: y.w.DB.Now, Logger: slog.New(slog.DiscardHandler)}, Settings{
		Authority: signintest.API, Upstream: to, Key: testKey, Peers: thisMachine, Proxies: thisMachine, BodyLimit: 1 << 16,
		Routes: append([]Route{{Method: "GET", Path: "/v1/markets", Scope: Public}}, testRoutes...),
	})
	y.w.Must(err)
	y.gate, y.proxy, y.check = g, httptest.NewServer(g.Proxy()), httptest.NewServer(g.Check())
	t.Cleanup(y.proxy.Close)
	t.Cleanup(y.check.Close)
	return y, func() *http.Request { r := last; last = nil; return r }
}

func TestAPublicRouteTakesNoKeyAndTellsNothing(t *testing.T) {
	y, seen := openYard(t)
	r, _ := http.NewRequest("GET", y.proxy.URL+"/v1/markets?all=1", nil)
	// Without a decision these are the only words in our name that could arrive.
	for _, name := range []string{"X-Keyward-Decision", "X-Keyward-Account", "X_Keyward_Account", "X-Keyward-Anything"} {
		r.Header[name] = []string{"acc_mallory"}
	}
	res, code := y.does(r)
	up := seen()
	if res.StatusCode != http.StatusOK || up == nil || up.RequestURI != "/v1/markets?all=1" {
		t.Fatalf("%d %s; the upstream saw %v", res.StatusCode, code, up)
	}
	for name := range up.Header {
		if ours(name) {
			t.Errorf("the upstream is told %s by a client", name)
		}
	}
	if res.Header.Get("X-Key-Expires-At") != "" || res.Header.Get("X-Server-Time-Ms") == "" {
		t.Errorf("said of a key that there is not, or no time: %v", res.Header)
	}
}

func TestWhatIsPublicOpensNothingElse(t *testing.T) {
	y, seen := openYard(t)
	for sentence, r := range map[string]*http.Request{
		"another method":                  request(t, "POST", y.proxy.URL+"/v1/markets", ""),
		"another path":                    request(t, "GET", y.proxy.URL+"/v1/balance", ""),
		"a path that goes on":             request(t, "GET", y.proxy.URL+"/v1/markets/x", ""),
		"a path that could be read twice": request(t, "GET", y.proxy.URL+"/v1/markets/../balance", ""),
		"a body that nobody signed":       request(t, "GET", y.proxy.URL+"/v1/markets", "{}"),
	} {
		if res, _ := y.does(r); res.StatusCode < 400 || seen() != nil {
			t.Errorf("%s: %d", sentence, res.StatusCode)
		}
	}
}

func TestAFrontMayPassWhatIsPublic(t *testing.T) {
	y, _ := openYard(t)
	ask := func(also ...string) *http.Response {
		r := request(t, "GET", y.check.URL, "")
		r.Header.Set("X-Original-Method", "GET")
		r.Header.Set("X-Original-Uri", "/v1/markets")
		for _, name := range also {
			r.Header.Set(name, "acc_mallory")
		}
		res, _ := y.does(r)
		return res
	}
	res := ask()
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Keyward-Decision") != "" || res.Header.Get("X-Keyward-Account") != "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if res := ask("X-Keyward-Account"); res.StatusCode == http.StatusOK {
		t.Error("a front passes on what a client says in our name")
	}
}

func TestOnlyAReadCanBePublic(t *testing.T) {
	for _, bad := range []Route{
		{Method: "POST", Path: "/v1/orders", Scope: Public}, {Method: "DELETE", Path: "/v1/orders/{id}", Scope: Public},
		{Method: "GET", Path: "/v1/markets", Scope: Public, Symbol: "query:symbol"}, {Method: "GET", Path: "/v1/markets", Scope: "Public"}, {Method: "GET", Path: "/v1/markets"},
	} {
		if ParseRoute(bad) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func request(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, target, b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
