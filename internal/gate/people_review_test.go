package gate

import (
	"net/http"
	"testing"

	"keyward/internal/edge"
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
