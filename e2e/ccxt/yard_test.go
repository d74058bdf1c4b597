package ccxt

import (
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"keyward/examples/exchange"
	"keyward/gatekit"
	"keyward/internal/apikey"
	"keyward/internal/demo"
	"keyward/internal/gate"
	"keyward/internal/signin/signintest"
	"keyward/internal/storetest"
)

// yard is the demo exchange behind a gate with the routes of the demo, in real time.
type yard struct {
	bots *exchange.Bots
	gate string // its address
	w    *signintest.World
}

func newYard(t *testing.T) *yard {
	t.Helper()
	w := signintest.New(t, storetest.SQLite(t), nil)
	y := &yard{w: w}
	key := gatekit.Key{1, 2, 3}
	y.bots = exchange.NewBots(key)
	upstream := httptest.NewServer(y.bots)
	t.Cleanup(upstream.Close)
	to, err := url.Parse(upstream.URL)
	w.Must(err)
	var routes []gate.Route
	for _, r := range append(demo.BotRoutes(), demo.ShapeRoutes()...) {
		routes = append(routes, gate.Route(r))
	}
	g, err := gate.New(gate.Parts{BotKeys: w.BotKeys, Now: w.DB.Now, Logger: slog.New(slog.DiscardHandler)}, gate.Settings{
		Authority: signintest.API, Upstream: to, Key: key, Routes: routes, BodyLimit: 1 << 16,
	})
	w.Must(err)
	w.Watch.OnEffect(g.Heard)
	t.Cleanup(g.EndStreams)
	proxy := httptest.NewServer(g.Proxy())
	t.Cleanup(proxy.Close)
	y.gate = proxy.URL
	time.Sleep(1100 * time.Millisecond) // the fence: a gate that has just started takes what was signed since
	return y
}

// plan is what a script is told.
type plan struct {
	Exchange string      `json:"exchange"`
	Base     string      `json:"base"`
	Symbol   string      `json:"symbol"`
	Good     credentials `json:"good"`
	Foreign  credentials `json:"foreign"` // of a key that is for another address
	Limited  credentials `json:"limited"` // of a key that is for another market

	owner *signintest.Person
}

type credentials struct {
	Key        string `json:"key"`
	Secret     string `json:"secret"`
	Passphrase string `json:"passphrase"`
}

// plan makes the keys for one exchange, in an account of its own: all shapes share one
// book, and an account sees all of its orders.
func (y *yard) plan(e venue) plan {
	p := y.w.NewPerson()
	y.w.Must(p.SignUp())
	made := func(from string, markets ...string) credentials {
		_, c := p.Bot(apikey.NewKey{Profile: e.profile, Alg: e.alg, Scopes: apikey.ReadAccount | apikey.ReadOrders | apikey.TradeSpot | apikey.TradeCancel,
			Allow: []netip.Prefix{netip.MustParsePrefix(from)}, Symbols: markets})
		return credentials{string(c.ID), c.Secret, c.Passphrase}
	}
	const here = "127.0.0.1/32"
	return plan{owner: p, Exchange: string(e.profile), Base: y.gate + e.under, Symbol: e.symbol, Good: made(here, e.market), Foreign: made("203.0.113.7/32"), Limited: made(here, "ETHUSDT")}
}
