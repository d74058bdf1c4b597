package exchange

import (
	"net/http"
	"strconv"
)

// Clients of bybit ask what kind of account a key belongs to before they trade.
func (b *Bots) bybit(private, public *http.ServeMux) {
	public.HandleFunc("GET /v5/market/time", func(w http.ResponseWriter, _ *http.Request) {
		at := now()
		answer(w, bybitSaid(object{"timeSecond": strconv.FormatInt(at/1000, 10), "timeNano": strconv.FormatInt(at, 10) + "000000"}))
	})
	public.HandleFunc("GET /v5/market/instruments-info", func(w http.ResponseWriter, r *http.Request) {
		kind, list := r.URL.Query().Get("category"), []object{}
		if kind == "spot" {
			list = append(list, bybitMarket)
		}
		answer(w, bybitSaid(object{"category": kind, "list": list}))
	})

	private.HandleFunc("GET /v5/asset/coin/query-info", bybitAlways(object{"rows": []object{
		{"name": "BTC", "coin": "BTC", "remainAmount": "0", "chains": []object{}}, {"name": "USDT", "coin": "USDT", "remainAmount": "0", "chains": []object{}},
	}}))
	private.HandleFunc("GET /v5/user/query-api", bybitAlways(object{"readOnly": 0, "unified": 0, "uta": 1}))
	private.HandleFunc("GET /v5/account/info", bybitAlways(object{"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 6}))
	private.HandleFunc("GET /v5/account/wallet-balance", bybitAlways(object{"list": []object{{"accountType": "UNIFIED", "coin": []object{
		{"coin": "BTC", "walletBalance": "0.42", "locked": "0"}, {"coin": "USDT", "walletBalance": "1200", "locked": "0"},
	}}}}))
	private.HandleFunc("GET /v5/order/realtime", b.bybitOpen)
	private.HandleFunc("POST /v5/order/create", b.bybitPlace)
	private.HandleFunc("POST /v5/order/cancel", b.bybitCancel)
}

const bybitSymbol = "BTCUSDT"

var bybitMarket = object{
	"symbol": bybitSymbol, "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading", "marginTrading": "none",
	"lotSizeFilter": object{"basePrecision": "0.000001", "quotePrecision": "0.00000001", "minOrderQty": "0.000011", "maxOrderQty": "83", "minOrderAmt": "5", "maxOrderAmt": "8000000"},
	"priceFilter":   object{"tickSize": "0.01"},
}

func bybitSaid(result any) object {
	return object{"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": object{}, "time": now()}
}

// bybitAlways answers with the same result, and the time of the moment.
func bybitAlways(result object) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, bybitSaid(result)) }
}

// bybitFailed: clients read the code of an answer with status 200 and of no other.
func bybitFailed(w http.ResponseWriter, code int, message string) {
	answer(w, object{"retCode": code, "retMsg": message, "result": object{}, "retExtInfo": object{}, "time": now()})
}

// bybitAsked is an order, or which one to cancel.
type bybitAsked struct {
	Category string `json:"category"`
	Symbol   string `json:"symbol"`
	Side     string `json:"side"`
	Type     string `json:"orderType"`
	Quantity string `json:"qty"`
	Price    string `json:"price"`
	Own      string `json:"orderLinkId"`
	ID       string `json:"orderId"`
}

func (b *Bots) bybitPlace(w http.ResponseWriter, r *http.Request) {
	var in bybitAsked
	err := jsonBody(r, &in)
	o, ok := limit(inUSDT, in.Side, in.Quantity, in.Price, in.Own)
	if err != nil || !ok || in.Category != "spot" || in.Symbol != bybitSymbol || in.Type != "Limit" {
		bybitFailed(w, 10001, "The order is not one that this exchange takes.")
		return
	}
	o = b.put(accountOf(r), o)
	answer(w, bybitSaid(object{"orderId": o.num(), "orderLinkId": o.own}))
}

func (b *Bots) bybitOpen(w http.ResponseWriter, r *http.Request) {
	f, err := form(r.URL.RawQuery)
	if err != nil || f["category"] != "spot" || f["symbol"] != "" && f["symbol"] != bybitSymbol {
		bybitFailed(w, 10001, "Not a market of this exchange.")
		return
	}
	list := []object{}
	for _, o := range b.in(r, inUSDT) {
		list = append(list, object{
			"orderId": o.num(), "orderLinkId": o.own, "symbol": bybitSymbol, "side": map[string]string{"buy": "Buy", "sell": "Sell"}[o.Side], "orderType": "Limit", "price": o.Price,
			"qty": o.Quantity, "leavesQty": o.Quantity, "cumExecQty": "0", "cumExecValue": "0", "orderStatus": "New", "timeInForce": "GTC",
			"createdTime": strconv.FormatInt(o.millis(), 10), "updatedTime": strconv.FormatInt(o.millis(), 10),
		})
	}
	answer(w, bybitSaid(object{"category": "spot", "nextPageCursor": "", "list": list}))
}

func (b *Bots) bybitCancel(w http.ResponseWriter, r *http.Request) {
	var in bybitAsked
	if jsonBody(r, &in) != nil || in.Category != "spot" || in.Symbol != bybitSymbol {
		bybitFailed(w, 10001, "Not an order of this exchange.")
		return
	}
	o, ok := b.out(r, inUSDT, mine(in.ID))
	if !ok {
		bybitFailed(w, 170213, "Order does not exist.")
		return
	}
	answer(w, bybitSaid(object{"orderId": o.num(), "orderLinkId": o.own}))
}
