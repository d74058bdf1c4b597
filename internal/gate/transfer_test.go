package gate

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
)

var moneyRoutes = []Route{
	{Method: "POST", Path: "/v1/orders", Scope: "trade.spot", Symbol: "body:symbol", Notional: "body:quantity*price", Currency: "*-USD *-BTC"},
	{Method: "POST", Path: "/v1/market", Scope: "trade.spot", Notional: "form:quoteOrderQty", Currency: "USD"},
	{Method: "POST", Path: "/v1/batch", Scope: "trade.spot"},
	{Method: "POST", Path: "/v1/transfers", Scope: "transfer.internal", To: "body:to"},
	{Method: "POST", Path: "/v1/moves", Scope: "transfer.internal", To: "query:to"},
	{Method: "POST", Path: "/v1/forms", Scope: "transfer.internal", To: "form:to"},
	{Method: "POST", Path: "/v1/anywhere", Scope: "transfer.internal"},
}

// bank is a yard whose upstream moves money.
func bank(t *testing.T) *yard {
	t.Helper()
	y := newYard(t)
	g, err := New(Parts{BotKeys: y.w.BotKeys, Now: y.w.DB.Now, Logger: slog.New(slog.DiscardHandler)}, Settings{
		Authority: signintest.API, Upstream: y.gate.Upstream, Key: testKey, Peers: thisMachine, Proxies: thisMachine, BodyLimit: 1 << 16, Routes: moneyRoutes,
	})
	y.w.Must(err)
	y.gate, y.proxy, y.check = g, httptest.NewServer(g.Proxy()), httptest.NewServer(g.Check())
	t.Cleanup(y.proxy.Close)
	t.Cleanup(y.check.Close)
	return y
}

func TestATransferGoesWhereItWasReadToGo(t *testing.T) {
	y := bank(t)
	sub := y.p.Sub(account.SubForm{Name: "Maker", Transfers: account.TransferBoth})
	n := trading
	n.Scopes |= apikey.TransferInternal
	main, _ := y.p.Bot(n)
	n.Sub = string(sub.ID)
	bot, _ := y.p.Bot(n)
	const json, form = "application/json", "application/x-www-form-urlencoded"
	for _, row := range []struct {
		sentence, kind, target, body, want string
	}{
		{"home, in an object", json, "/v1/transfers", `{"to":"main","amount":"5"}`, ""},
		{"home, in the query", "", "/v1/moves?to=main", "", ""},
		{"home, in a form", form, "/v1/forms", "to=main&amount=5", ""},
		{"to another account", json, "/v1/transfers", `{"to":"acc_01kjma0fme6q2q8fz06e4bbdjf"}`, "TRANSFER_NOT_ALLOWED"},
		{"to nobody", json, "/v1/transfers", `{"amount":"5"}`, "BAD_REQUEST"},
		{"to an empty name", json, "/v1/transfers", `{"to":""}`, "BAD_REQUEST"},
		{"to a list", json, "/v1/transfers", `{"to":["main"]}`, "BAD_REQUEST"},
		{"to two in one object", json, "/v1/transfers", `{"to":"main","to":"acc_x"}`, "BAD_REQUEST"},
		{"to two in one object, once in other letters", json, "/v1/transfers", `{"to":"main","To":"acc_x"}`, "BAD_REQUEST"},
		{"to one in the body and one in the query", json, "/v1/transfers?to=acc_x", `{"to":"main"}`, "BAD_REQUEST"},
		{"to one in the body and a list in the query", json, "/v1/transfers?to[]=acc_x", `{"to":"main"}`, "BAD_REQUEST"},
		{"to one in the query and one in an object", json, "/v1/moves?to=main", `{"to":"acc_x"}`, "BAD_REQUEST"},
		{"to one in the query and one in a form", form, "/v1/moves?to=main", "to=acc_x", "BAD_REQUEST"},
		{"to two in the query", "", "/v1/moves?to=main&to=acc_x", "", "BAD_REQUEST"},
		{"to two in a form, once percent-encoded", form, "/v1/forms", "to=main&%74o=acc_x", "BAD_REQUEST"},
		{"an object that says it is a form", form, "/v1/transfers", `{"to":"main"}`, "BAD_REQUEST"},
		{"by a route that names no place", json, "/v1/anywhere", `{"to":"main"}`, "TRANSFER_NOT_ALLOWED"},
	} {
		if _, got := y.does(y.typed(bot, row.target, row.kind, row.body)); got != row.want {
			t.Errorf("%s: %q, want %q", row.sentence, got, row.want)
		}
	}
	if _, got := y.does(y.typed(main, "/v1/transfers", json, `{"to":"`+string(sub.ID)+`"}`)); got != "" {
		t.Errorf("the main account into its own: %q", got)
	}
	if y.seen.Header.Get("X-Keyward-Sub") != "" {
		t.Error("the main account is a sub-account")
	}
	if _, got := y.does(y.typed(main, "/v1/anywhere", json, `{}`)); got != "TRANSFER_NOT_ALLOWED" {
		t.Errorf("the main account by a route that names no place: %q", got)
	}
}

func TestAnOrderIsCountedAsItIsWritten(t *testing.T) {
	y := bank(t)
	n := trading
	n.Symbols = nil
	free, _ := y.p.Bot(n)
	var err error
	n.DayCap, err = apikey.ParseDayCap("100", "USD")
	y.w.Must(err)
	bot, _ := y.p.Bot(n)
	const json, form = "application/json", "application/x-www-form-urlencoded"
	order := func(rest string) string { return `{"symbol":"BTC-USD",` + rest + `}` }
	for _, row := range []struct {
		sentence, kind, target, body, want string
	}{
		{"a quantity and a price", json, "/v1/orders", order(`"quantity":"0.1","price":"100"`), ""},
		{"numbers that are no texts", json, "/v1/orders", order(`"quantity":0.1,"price":100`), ""},
		{"more than is left", json, "/v1/orders", order(`"quantity":"0.81","price":"100"`), "DAY_CAP_REACHED"},
		{"without a price", json, "/v1/orders", order(`"quantity":"0.1"`), "DAY_CAP_UNREAD"},
		{"a price of nothing", json, "/v1/orders", order(`"quantity":"0.1","price":null`), "DAY_CAP_UNREAD"},
		{"minus one", json, "/v1/orders", order(`"quantity":"-1","price":"1"`), "DAY_CAP_UNREAD"},
		{"with an exponent, as a number", json, "/v1/orders", order(`"quantity":1e-9,"price":1`), "DAY_CAP_UNREAD"},
		{"with an exponent, as a text", json, "/v1/orders", order(`"quantity":"1e999","price":"1"`), "DAY_CAP_UNREAD"},
		{"not a number", json, "/v1/orders", order(`"quantity":"NaN","price":"1"`), "DAY_CAP_UNREAD"},
		{"in sixteens", json, "/v1/orders", order(`"quantity":"0x1","price":"1"`), "DAY_CAP_UNREAD"},
		{"forty digits", json, "/v1/orders", order(`"quantity":"` + strings.Repeat("1", 40) + `","price":"1"`), "DAY_CAP_UNREAD"},
		{"two quantities", json, "/v1/orders", order(`"quantity":"0.01","quantity":"99","price":"1"`), "BAD_REQUEST"}, // the market is not read from such an object
		{"a second quantity in other letters", json, "/v1/orders", order(`"quantity":"0.01","Quantity":"99","price":"1"`), "DAY_CAP_UNREAD"},
		{"a second quantity in the query", json, "/v1/orders?quantity=99", order(`"quantity":"0.01","price":"1"`), "DAY_CAP_UNREAD"},
		{"a market of another currency", json, "/v1/orders", `{"symbol":"ETH-BTC","quantity":"1","price":"0.05"}`, "DAY_CAP_UNREAD"},
		{"a market of no currency that is listed", json, "/v1/orders", `{"symbol":"BTC-KRW","quantity":"1","price":"1"}`, "DAY_CAP_UNREAD"},
		{"a market that is a currency alone", json, "/v1/orders", `{"symbol":"-USD","quantity":"1","price":"1"}`, "DAY_CAP_UNREAD"},
		{"a form", form, "/v1/market", "quoteOrderQty=1.5", ""},
		{"a form, twice", form, "/v1/market", "quoteOrderQty=1.5&quoteOrderQty=99", "DAY_CAP_UNREAD"},
		{"a route that names no place", json, "/v1/batch", `[]`, "DAY_CAP_UNREAD"},
	} {
		if _, got := y.does(y.typed(bot, row.target, row.kind, row.body)); got != row.want {
			t.Errorf("%s: %q, want %q", row.sentence, got, row.want)
		}
	}
	for _, body := range []string{order(`"quantity":"0.1"`), order(`"quantity":"1e3","price":"1"`)} {
		if _, got := y.does(y.typed(free, "/v1/orders", json, body)); got != "" {
			t.Errorf("a key without a cap: %q", got)
		}
	}
}

// A front that asks keeps the body: what stands there nobody has read.
func TestWhatStandsInABodyIsReadByNobodyWhoIsAsked(t *testing.T) {
	y := bank(t)
	n := trading
	n.Scopes |= apikey.TransferInternal
	bot, _ := y.p.Bot(n)
	r := y.typed(bot, "/v1/transfers", "application/json", `{"to":"main"}`)
	ask, err := http.NewRequest("GET", y.check.URL+"/gate/check", nil)
	y.w.Must(err)
	ask.Header = r.Header.Clone()
	ask.Header.Set("X-Original-Method", "POST")
	ask.Header.Set("X-Original-Uri", "/v1/transfers")
	res, err := http.DefaultTransport.RoundTrip(ask)
	y.w.Must(err)
	defer res.Body.Close()
	said, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusForbidden || !strings.Contains(string(said), "BAD_REQUEST") {
		t.Errorf("%d %s", res.StatusCode, said)
	}
}

func TestRoutesOfMoneyThatSayTooLittle(t *testing.T) {
	for sentence, r := range map[string]Route{
		"a destination on a route of orders":         {Method: "POST", Path: "/v1/orders", Scope: "trade.spot", To: "body:to"},
		"a destination nowhere":                      {Method: "POST", Path: "/v1/t", Scope: "transfer.internal", To: "header:to"},
		"a destination without a name":               {Method: "POST", Path: "/v1/t", Scope: "transfer.internal", To: "body:"},
		"a destination in each of a list":            {Method: "POST", Path: "/v1/t", Scope: "transfer.internal", To: "each:to"},
		"an amount without a currency":               {Method: "POST", Path: "/v1/o", Scope: "trade.spot", Notional: "body:q"},
		"a currency without an amount":               {Method: "POST", Path: "/v1/o", Scope: "trade.spot", Currency: "USD"},
		"an amount on a route that reads":            {Method: "GET", Path: "/v1/o", Scope: "read.orders", Notional: "query:q", Currency: "USD"},
		"an amount in each of a list":                {Method: "POST", Path: "/v1/o", Scope: "trade.spot", Notional: "each:q", Currency: "USD"},
		"three numbers":                              {Method: "POST", Path: "/v1/o", Scope: "trade.spot", Notional: "body:a*b*c", Currency: "USD"},
		"a number times itself":                      {Method: "POST", Path: "/v1/o", Scope: "trade.spot", Notional: "body:a*a", Currency: "USD"},
		"one currency for all markets":               {Method: "POST", Path: "/v1/o", Scope: "trade.spot", Symbol: "body:s", Notional: "body:a", Currency: "USD"},
		"a market's currency where none is named":    {Method: "POST", Path: "/v1/o", Scope: "trade.spot", Notional: "body:a", Currency: "*-USD"},
		"two currencies where no market is named":    {Method: "POST", Path: "/v1/o", Scope: "trade.spot", Notional: "body:a", Currency: "USD EUR"},
		"letters on both sides of the star":          {Method: "POST", Path: "/v1/o", Scope: "trade.spot", Symbol: "body:s", Notional: "body:a", Currency: "A*-USD"},
		"a currency in small letters":                {Method: "POST", Path: "/v1/o", Scope: "trade.spot", Symbol: "body:s", Notional: "body:a", Currency: "*-usd"},
		"a star alone":                               {Method: "POST", Path: "/v1/o", Scope: "trade.spot", Symbol: "body:s", Notional: "body:a", Currency: "*"},
		"a public route with a destination":          {Method: "GET", Path: "/v1/o", Scope: Public, To: "query:to"},
		"a public route that says how much it costs": {Method: "GET", Path: "/v1/o", Scope: Public, Notional: "query:q", Currency: "USD"},
	} {
		if ParseRoute(r) == nil {
			t.Errorf("%s: %+v is taken", sentence, r)
		}
	}
	long := notional{currencies: []quoted{{after: "USD", star: true, currency: "USD"}, {after: "BUSD", star: true, currency: "BUSD"}}}
	if got := long.currencyOf("BTCBUSD"); got != "BUSD" {
		t.Errorf("BTCBUSD is traded in %q", got)
	}
	if got := long.currencyOf("BTCUSD"); got != "USD" {
		t.Errorf("BTCUSD is traded in %q", got)
	}
}

// Whatever is read as an amount is in the body once, as a number or the text of one.
func FuzzNumberMember(f *testing.F) {
	for _, s := range []string{`{"q":1}`, `{"q":"1"}`, `{"q":1,"q":2}`, `{"Q":1,"q":2}`, `{"q":1e9}`, `{"q":[1]}`, `{"q":{"q":1}}`, `{"a":{"q":2},"q":1}`, `{"q":1}x`, `[{"q":1}]`, `{"\u0071":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		text, ok := numberMember(body, "q")
		if a, counted := apikey.Trades("USD", text); ok && counted && a.Micros <= 0 {
			t.Fatalf("%s is counted as %d", body, a.Micros)
		}
		if ok && text == "" {
			t.Fatalf("%s: an empty number", body)
		}
	})
}
