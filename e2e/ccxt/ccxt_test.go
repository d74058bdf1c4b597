package ccxt

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
)

// venue is an exchange as ccxt knows it, and what ccxt throws there. The classes were
// seen, not chosen; docs/ccxt.md tells them to people.
type venue struct {
	profile apikey.Profile
	alg     apikey.Alg
	under   string // path of the base address
	symbol  string // of ccxt
	market  string // the same, as the exchange calls it
	clock   bool   // has a time to ask for

	secret, slow, address, other, again string // class; "" for none
	word                                string // in the answer to a request that came before
}

var venues = []venue{
	{profile: apikey.Binance, alg: apikey.HMACSHA256, symbol: "BTC/USDT", market: "BTCUSDT", clock: true,
		secret: "AuthenticationError", slow: "InvalidNonce", address: "AuthenticationError", other: "BadSymbol", again: "InvalidOrder", word: `"code":-2010`},
	{profile: apikey.OKX, alg: apikey.HMACSHA256, symbol: "BTC/USDT", market: "BTC-USDT", clock: true,
		secret: "AuthenticationError", slow: "InvalidNonce", address: "PermissionDenied", other: "BadSymbol", again: "InvalidOrder", word: `"code":"51016"`},
	{profile: apikey.Bybit, alg: apikey.HMACSHA256, symbol: "BTC/USDT", market: "BTCUSDT", clock: true,
		secret: "AuthenticationError", slow: "InvalidNonce", address: "PermissionDenied", other: "PermissionDenied", again: "BadRequest", word: `"retCode":10014`},
	{profile: apikey.Kraken, alg: apikey.HMACSHA512, symbol: "BTC/USDT", market: "XBTUSDT", clock: true,
		secret: "AuthenticationError", slow: "InvalidNonce", address: "PermissionDenied", other: "PermissionDenied", again: "BadRequest", word: `"EGeneral:Invalid arguments"`},
	{profile: apikey.Upbit, alg: apikey.HMACSHA256, under: "/upbit", symbol: "BTC/KRW", market: "KRW-BTC",
		secret: "AuthenticationError", slow: "", address: "ExchangeError", other: "PermissionDenied", again: "ExchangeError", word: `"nonce_used"`},
}

// version of ccxt that all of this was seen with.
const version = "4.5.84"

// thrown is what ccxt made of an answer.
type thrown struct {
	Class string
	Again bool // it sends such things again
	Text  string
}

type listed struct {
	ID, Symbol, Side, Type, Status string
	Price, Amount                  float64
}

// each tells a story at every exchange, side by side.
func each(t *testing.T, story func(t *testing.T, e venue, p plan)) {
	t.Parallel() // ccxt paces itself: most of the time is waiting
	node(t)
	y := newYard(t)
	t.Run("as", func(t *testing.T) {
		for _, e := range venues {
			p := y.plan(e)
			t.Run(string(e.profile), func(t *testing.T) { t.Parallel(); story(t, e, p) })
		}
	})
	if n := y.bots.Open(); n != 0 && !t.Failed() {
		t.Errorf("%d orders are open that nobody knows of", n)
	}
}

func TestCCXTPlacesListsAndCancels(t *testing.T) {
	each(t, func(t *testing.T, e venue, p plan) {
		var said struct {
			Version       string
			Time          int64
			BTC           float64
			Placed        string
			Before, After []listed
		}
		runScript(t, "trade.mjs", p, &said)
		if said.Version != version {
			t.Fatalf("this is ccxt %s", said.Version)
		}
		if off := time.Since(time.UnixMilli(said.Time)); e.clock && (off < 0 || off > time.Minute) {
			t.Errorf("fetchTime is off by %v", off)
		}
		want := listed{ID: said.Placed, Symbol: e.symbol, Side: "buy", Type: "limit", Status: "open", Price: 30000, Amount: 0.001}
		if said.Placed == "" || len(said.Before) != 1 || said.Before[0] != want {
			t.Errorf("placed %s, and the list is %+v", said.Placed, said.Before)
		}
		if len(said.After) != 0 {
			t.Errorf("cancelled, and the list is %+v", said.After)
		}
		if math.Abs(said.BTC-0.42) > 1e-9 {
			t.Errorf("the balance is %v BTC", said.BTC)
		}
	})
}

func TestCCXTPlacesABatchAtOKX(t *testing.T) {
	t.Parallel()
	node(t)
	y := newYard(t)
	okx := venues[slices.IndexFunc(venues, func(e venue) bool { return e.profile == apikey.OKX })]
	var said struct {
		IDs           []string
		Before, After []listed
	}
	runScript(t, "batch.mjs", y.plan(okx), &said)
	if len(said.IDs) != 2 || len(said.Before) != 2 || said.Before[0].Amount+said.Before[1].Amount != 0.003 || len(said.After) != 0 {
		t.Errorf("%+v", said)
	}
}

func TestWhatCCXTThrowsWhenRefused(t *testing.T) {
	each(t, func(t *testing.T, e venue, p plan) {
		var said struct{ Secret, Clock, Address, Market thrown }
		runScript(t, "refused.mjs", p, &said)
		for _, row := range []struct {
			sentence string
			got      thrown
			class    string
		}{
			{"the secret of another key", said.Secret, e.secret},
			{"a clock that is a minute slow", said.Clock, e.slow},
			{"a key for another address", said.Address, e.address},
			{"a key for another market", said.Market, e.other},
		} {
			if row.got.Class != row.class {
				t.Errorf("%s: %s, not %q: %s", row.sentence, row.got.Class, row.class, row.got.Text)
			}
			t.Logf("%s: %s (again: %v)", row.sentence, row.got.Class, row.got.Again)
		}
		if said.Secret.Again || said.Address.Again || said.Market.Again {
			t.Error("a bot would go on with a key that does not work")
		}
	})
}

func TestCCXTDoesNotSendAgainWhatCameBefore(t *testing.T) {
	each(t, func(t *testing.T, e venue, p plan) {
		var said struct {
			Status       int
			Body, Placed string
			Taken        thrown
			Open         []string
		}
		runScript(t, "again.mjs", p, &said)
		if !json.Valid([]byte(said.Body)) || !strings.Contains(said.Body, e.word) {
			t.Errorf("the same bytes: %d %s", said.Status, said.Body)
		}
		// One that a bot takes for a moment's trouble is signed anew, and the order stands twice.
		if said.Taken.Class != e.again || said.Taken.Again {
			t.Errorf("ccxt makes of it: %s, again: %v", said.Taken.Class, said.Taken.Again)
		}
		if len(said.Open) != 1 || said.Open[0] != said.Placed {
			t.Errorf("placed %s once, and open are %v", said.Placed, said.Open)
		}
		t.Logf("%d %s", said.Status, said.Body)
	})
}
