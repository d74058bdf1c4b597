package exchange

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyward/gatekit"
)

var sharedKey = gatekit.Key{7}

// desk is the API for programs, and a gate that says yes to everything.
type desk struct {
	t    *testing.T
	bots *Bots
	n    int
}

func newDesk(t *testing.T) *desk { return &desk{t: t, bots: NewBots(sharedKey)} }

const formKind, jsonKind = "application/x-www-form-urlencoded", "application/json"

// asks sends what account signed, and is what came back.
func (d *desk) asks(account, method, target, kind, body string) (status int, answer string) {
	d.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	d.n++
	r.Header.Set(gatekit.Header, sharedKey.Sign(gatekit.Decision{ID: "dec_" + strconv.Itoa(d.n), Method: method, Target: target, Body: sha256.Sum256([]byte(body)),
		Account: account, Credential: "key:kwk_1", Scopes: "trade.spot", Issued: time.Now()}))
	w := httptest.NewRecorder()
	d.bots.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// good is an order in each shape.
var good = []struct{ shape, target, kind, body string }{
	{"binance", "/api/v3/order", formKind, "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=30000"},
	{"okx", "/api/v5/trade/order", jsonKind, `{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","sz":"0.001","px":"30000"}`},
	{"okx, in an array", "/api/v5/trade/batch-orders", jsonKind, `[{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","sz":"0.001","px":"30000"}]`},
	{"bybit", "/v5/order/create", jsonKind, `{"category":"spot","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.001","price":"30000"}`},
	{"kraken", "/0/private/AddOrder", formKind, "nonce=1&pair=XBTUSDT&type=buy&ordertype=limit&volume=0.001&price=30000"},
	{"upbit", "/upbit/v1/orders", jsonKind, `{"market":"KRW-BTC","side":"bid","ord_type":"limit","volume":"0.001","price":"30000"}`},
}

func TestAnOrderInEachShapeIsTheCallers(t *testing.T) {
	d := newDesk(t)
	for i, g := range good {
		if status, said := d.asks("acc_mina", "POST", g.target, g.kind, g.body); status >= 300 || d.bots.Open() != i+1 {
			t.Errorf("%s: %d %s", g.shape, status, said)
		}
	}
	var list []botOrder
	_, said := d.asks("acc_mina", "GET", "/v1/orders", "", "")
	if err := json.Unmarshal([]byte(said), &list); err != nil || len(list) != len(good) {
		t.Errorf("one book for all shapes: %s", said)
	}
	if _, said := d.asks("acc_mallory", "GET", "/api/v3/openOrders", "", ""); strings.TrimSpace(said) != "[]" {
		t.Errorf("somebody else's orders: %s", said)
	}
}

func TestWhatTwoReadersCouldReadDifferentlyIsNoOrder(t *testing.T) {
	for _, g := range good {
		for sentence, body := range map[string]string{
			"the amount twice":                   strings.Replace(g.body, "0.001", twice(g.kind, g.body), 1),
			"an amount with an exponent":         strings.Replace(g.body, "0.001", "1e3", 1),
			"an amount below zero":               strings.Replace(g.body, "0.001", "-1", 1),
			"no amount":                          strings.Replace(g.body, "0.001", "0.000", 1),
			"another market":                     strings.NewReplacer("BTCUSDT", "ETHUSDT", "BTC-USDT", "ETH-USDT", "XBTUSDT", "ETHUSDT", "KRW-BTC", "KRW-ETH").Replace(g.body),
			"a side that is none":                strings.NewReplacer("BUY", "HOLD", `"buy"`, `"hold"`, "type=buy", "type=hold", "Buy", "Hold", "bid", "hold").Replace(g.body),
			"a market order":                     strings.NewReplacer("LIMIT", "MARKET", "limit", "market", "Limit", "Market").Replace(g.body),
			"another order behind it":            g.body + g.body,
			"nothing":                            "",
			"a form for an object, or the other": map[string]string{formKind: `{"symbol":"BTCUSDT"}`, jsonKind: "symbol=BTCUSDT"}[g.kind],
		} {
			d := newDesk(t)
			if _, said := d.asks("acc_mina", "POST", g.target, g.kind, body); d.bots.Open() != 0 {
				t.Errorf("%s, %s: %s", g.shape, sentence, said)
			}
		}
	}
}

// twice puts a second amount behind the first, under the same name; in an object in
// other letters, which encoding/json reads as the same.
func twice(kind, body string) string {
	if kind == formKind {
		return "0.001&" + map[bool]string{true: "volume", false: "quantity"}[strings.Contains(body, "volume")] + "=9"
	}
	for _, name := range []string{"sz", "qty", "volume"} {
		if strings.Contains(body, `"`+name+`"`) {
			return `0.001","` + strings.ToUpper(name) + `":"9`
		}
	}
	panic("no amount")
}

func TestCancellingTakesTheOwnerAndTheWholeRequest(t *testing.T) {
	for _, c := range []struct{ shape, place, kind, body, method, target, cancel, cancelKind string }{
		{"binance", good[0].target, good[0].kind, good[0].body, "DELETE", "/api/v3/order?symbol=BTCUSDT&orderId=1", "", ""},
		{"okx", good[1].target, good[1].kind, good[1].body, "POST", "/api/v5/trade/cancel-order", `{"instId":"BTC-USDT","ordId":"1"}`, jsonKind},
		{"bybit", good[3].target, good[3].kind, good[3].body, "POST", "/v5/order/cancel", `{"category":"spot","symbol":"BTCUSDT","orderId":"1"}`, jsonKind},
		{"kraken", good[4].target, good[4].kind, good[4].body, "POST", "/0/private/CancelOrder", "nonce=2&txid=ord_1", formKind},
		{"upbit", good[5].target, good[5].kind, good[5].body, "DELETE", "/upbit/v1/order?uuid=ord_1", "", ""},
	} {
		d := newDesk(t)
		d.asks("acc_mina", "POST", c.place, c.kind, c.body)
		if d.asks("acc_mallory", c.method, c.target, c.cancelKind, c.cancel); d.bots.Open() != 1 {
			t.Errorf("%s: somebody else cancels", c.shape)
		}
		if c.method == "DELETE" {
			if d.asks("acc_mina", c.method, c.target, formKind, "orderId=1&uuid=ord_1"); d.bots.Open() != 1 {
				t.Errorf("%s: a cancellation with two places to read", c.shape)
			}
		}
		if status, said := d.asks("acc_mina", c.method, c.target, c.cancelKind, c.cancel); status != http.StatusOK || d.bots.Open() != 0 {
			t.Errorf("%s: %d %s", c.shape, status, said)
		}
	}
}

func TestABatchAnswersForEachOrder(t *testing.T) {
	d := newDesk(t)
	one := strings.Trim(good[2].body, "[]")
	_, said := d.asks("acc_mina", "POST", "/api/v5/trade/batch-orders", jsonKind, "["+one+","+strings.Replace(one, "0.001", "0", 1)+"]")
	var told struct {
		Code string
		Data []struct{ SCode string }
	}
	if json.Unmarshal([]byte(said), &told) != nil || told.Code != "2" || len(told.Data) != 2 || told.Data[0].SCode != "0" || told.Data[1].SCode == "0" || d.bots.Open() != 1 {
		t.Errorf("%s", said)
	}
	if status, _ := d.asks("acc_mina", "POST", "/api/v5/trade/batch-orders", jsonKind, "["+strings.Repeat(one+",", okxBatch)+one+"]"); status != http.StatusBadRequest || d.bots.Open() != 1 {
		t.Errorf("a batch without an end: %d", status)
	}
}

func TestOnlyWhatEverybodyMayKnowTakesNoDecision(t *testing.T) {
	d := newDesk(t)
	for target, want := range map[string]int{
		"/api/v3/time": 200, "/api/v3/exchangeInfo": 200, "/api/v5/public/instruments?instType=SPOT": 200, "/v5/market/time": 200, "/0/public/AssetPairs": 200, "/upbit/v1/market/all": 200,
		"/api/v3/account": 401, "/api/v3/openOrders": 401, "/api/v5/account/balance": 401, "/v5/account/wallet-balance": 401, "/upbit/v1/accounts": 401, "/v1/balance": 401,
		"/v1/orders": 401, "/": 401, "/upbit/v1/market/all/": 401,
	} {
		w := httptest.NewRecorder()
		d.bots.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if w.Code != want {
			t.Errorf("%s without a decision: %d", target, w.Code)
		}
	}
}
