package gate

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
)

// with makes the gate of a yard one with other routes. letsPeopleIn comes first.
func (y *yard) with(routes ...Route) {
	y.t.Helper()
	s := y.gate.Settings
	s.Routes = routes
	g, err := New(y.gate.Parts, s)
	y.w.Must(err)
	y.gate = g
	y.proxy.Config.Handler, y.check.Config.Handler = g.Proxy(), g.Check()
}

// page is a request of a browser that is signed in.
func (y *yard) page(method, url string, header ...string) *http.Request {
	y.t.Helper()
	r, err := http.NewRequest(method, url, nil)
	y.w.Must(err)
	r.Header.Set("Cookie", "theme=dark; "+edge.AccessCookie.Name()+"="+y.p.Iss.Access+"; __Host-kw_rt=kwr_secret")
	r.Header.Set("X-Forwarded-For", signintest.Home.String())
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// Some exchanges trade by GET. The session's cookie is Lax, so a link on any page brings it
// along: the method says nothing about what a request changes.
func TestALinkOnAnotherSitesPagePlacesNoOrder(t *testing.T) {
	y := newYard(t)
	y.letsPeopleIn()
	y.with(Route{Method: "GET", Path: "/v1/buy", Scope: "trade.spot", Takes: []string{"session"}},
		Route{Method: "GET", Path: "/v1/drop", Scope: "trade.cancel", Takes: []string{"session"}})
	for _, path := range []string{"/v1/buy?symbol=BTC-USD&quantity=9", "/v1/drop?id=7"} {
		link := y.page("GET", y.proxy.URL+path, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
		y.want("a link: "+path, link, 401, "AUTH_FAILED")
		y.want("of an old browser: "+path, y.page("GET", y.proxy.URL+path), 401, "AUTH_FAILED")
		y.want("of the API's own page: "+path, y.page("GET", y.proxy.URL+path, "Sec-Fetch-Site", "same-origin"), 201, "")
		asked := y.page("GET", y.check.URL+"/gate/check", "X-Original-Method", "GET", "X-Original-Uri", path, "Sec-Fetch-Site", "cross-site")
		y.want("a link, by a front that asks: "+path, asked, 401, "AUTH_FAILED")
	}
}

// Each key has a speed of its own; a grant and a session have one too. Without it one app
// could fill the memory of proofs that all apps share, and the table of claims.
func TestOneAppAndOneSessionAskSoMuchAndNoMore(t *testing.T) {
	y := newYard(t)
	a := y.app(y.letsPeopleIn(), "read trade")
	run := func(what string, r func() *http.Request) {
		let, last := 0, ""
		for range 1000 {
			res, code := y.does(r())
			if last = code; res.StatusCode != http.StatusCreated {
				break
			}
			let++
		}
		if let < 100 || let > 900 || last != "RATE_LIMITED" {
			t.Errorf("%s: let in %d times, then %q", what, let, last)
		}
	}
	run("an app", func() *http.Request { return a.asks("GET", "/v1/balance", "") })
	run("a session", func() *http.Request { return y.page("GET", y.proxy.URL+"/v1/balance") })
}

// Bots and people of one office share an address. What proves who it is and may not do
// something costs its neighbours nothing.
func TestASessionThatIsRefusedKeepsNoNeighbourOut(t *testing.T) {
	y := newYard(t)
	y.letsPeopleIn()
	y.with(Route{Method: "GET", Path: "/v1/balance", Scope: "read.account", Takes: []string{"key", "session"}},
		Route{Method: "GET", Path: "/v1/history", Scope: "read.history", Takes: []string{"session"}, ACR: "phrh"})
	n := trading
	n.Allow = []netip.Prefix{netip.PrefixFrom(signintest.Home, 32)}
	bot, _ := y.p.Bot(n)
	for range 350 {
		y.want("where more is asked for", y.page("GET", y.proxy.URL+"/v1/history"), 403, "STEP_UP_REQUIRED")
	}
	r := y.signed(bot, "GET", "/v1/balance", "")
	r.Header.Set("X-Forwarded-For", signintest.Home.String())
	y.want("the bot beside it", r, 201, "")
}

// A front passes on what the client sent, past the gate. The cookies of Keyward's own are not
// for the upstream: with them it could be the person, not only hear of them.
func TestAFrontIsToldTheCookiesThatMayGoOn(t *testing.T) {
	y := newYard(t)
	y.letsPeopleIn()
	res, _ := y.does(y.page("GET", y.check.URL+"/gate/check", "X-Original-Method", "GET", "X-Original-Uri", "/v1/balance"))
	if got := res.Header.Get("X-Keyward-Cookie"); res.StatusCode != 200 || got != "theme=dark" {
		t.Errorf("%d %q", res.StatusCode, got)
	}
	// And with the configuration that we ship, the upstream of a real nginx sees no others.
	front := runNginx(t, nginxPath(t), strings.TrimPrefix(y.check.URL, "http://"), y.gate.Upstream.Host)
	n := trading
	n.Allow, _ = apikey.ParsePlaces("127.0.0.1") // where nginx sees us
	bot, _ := y.p.Bot(n)
	for sent, want := range map[string][]string{
		"theme=dark; " + edge.AccessCookie.Name() + "=a; __Host-kw_rt=kwr_secret": {"theme=dark"},
		edge.AccessCookie.Name() + "=a":                                           nil,
		"a=1; b=2":                                                                {"a=1; b=2"},
	} {
		r := y.signed(bot, "GET", "/v1/balance", "")
		r.URL.Host = front
		r.Header.Set("Cookie", sent)
		y.want("a read", r, 201, "")
		if got := y.seen.Header["Cookie"]; !slices.Equal(got, want) {
			t.Errorf("sent %q, the upstream saw %q", sent, got)
		}
	}
}

func TestNoRouteLetsLessThanAPasskeyTrade(t *testing.T) {
	for what, r := range map[string]Route{
		"with a recovery code":      {ACR: session.ACRFallback},
		"with a password of before": {ACR: session.ACRLegacy},
		"with a touch of last week": {MaxAge: 7 * 24 * time.Hour},
	} {
		r.Method, r.Path, r.Scope, r.Takes = "POST", "/v1/orders", "trade.spot", []string{"token", "session"}
		if ParseRoute(r) == nil {
			t.Errorf("trading %s is taken", what)
		}
		if r.Scope = "read.account"; ParseRoute(r) != nil {
			t.Errorf("looking %s: %v", what, ParseRoute(r))
		}
	}
}
