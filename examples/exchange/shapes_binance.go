package exchange

import (
	"net/http"
	"strings"
)

// Clients of binance load currencies and margin pairs with their key, and ask two more
// hosts for markets that we do not have.
func (b *Bots) binance(private, public *http.ServeMux) {
	public.HandleFunc("GET /api/v3/time", func(w http.ResponseWriter, _ *http.Request) { answer(w, object{"serverTime": now()}) })
	public.HandleFunc("GET /api/v3/exchangeInfo", always(object{"timezone": "UTC", "symbols": []object{binanceMarket}}))
	none := always(object{"timezone": "UTC", "symbols": []object{}})
	public.HandleFunc("GET /fapi/v1/exchangeInfo", none)
	public.HandleFunc("GET /dapi/v1/exchangeInfo", none)

	private.HandleFunc("GET /sapi/v1/capital/config/getall", always([]object{
		{"coin": "BTC", "name": "Bitcoin", "trading": true, "networkList": []object{}}, {"coin": "USDT", "name": "TetherUS", "trading": true, "networkList": []object{}},
	}))
	private.HandleFunc("GET /sapi/v1/margin/allPairs", always([]object{}))
	private.HandleFunc("GET /sapi/v1/margin/isolated/allPairs", always([]object{}))
	private.HandleFunc("GET /api/v3/account", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, object{"accountType": "SPOT", "updateTime": now(), "balances": []object{
			{"asset": "BTC", "free": "0.42000000", "locked": "0.00000000"}, {"asset": "USDT", "free": "1200.00000000", "locked": "0.00000000"},
		}})
	})
	private.HandleFunc("GET /api/v3/openOrders", b.binanceOpen)
	private.HandleFunc("POST /api/v3/order", b.binancePlace)
	private.HandleFunc("DELETE /api/v3/order", b.binanceCancel)
}

const binanceSymbol = "BTCUSDT"

var binanceMarket = object{
	"symbol": binanceSymbol, "status": "TRADING", "baseAsset": "BTC", "baseAssetPrecision": 8, "quoteAsset": "USDT", "quotePrecision": 8,
	"orderTypes": []string{"LIMIT"}, "isSpotTradingAllowed": true, "isMarginTradingAllowed": false, "permissions": []string{"SPOT"},
	"filters": []object{
		{"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
		{"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.00000", "stepSize": "0.00001"},
	},
}

func binanceOrder(o botOrder, status string) object {
	return object{
		"symbol": binanceSymbol, "orderId": o.number, "clientOrderId": o.own, "price": o.Price, "origQty": o.Quantity, "executedQty": "0.00000000", "cummulativeQuoteQty": "0.00000000",
		"status": status, "timeInForce": "GTC", "type": "LIMIT", "side": strings.ToUpper(o.Side), "time": o.millis(), "updateTime": o.millis(), "transactTime": o.millis(),
	}
}

func binanceFailed(w http.ResponseWriter, code int, message string) {
	said(w, http.StatusBadRequest, object{"code": code, "msg": message})
}

// binancePlace: an order is a form, in the body or in the query. In both at once it
// could be two, so it is none.
func (b *Bots) binancePlace(w http.ResponseWriter, r *http.Request) {
	f, err := formBody(r)
	o, ok := limit(inUSDT, f["side"], f["quantity"], f["price"], f["newClientOrderId"])
	if err != nil || r.URL.RawQuery != "" || f["symbol"] != binanceSymbol || f["type"] != "LIMIT" || f["timeInForce"] != "GTC" || !ok {
		binanceFailed(w, -1013, "The order is not one that this exchange takes.")
		return
	}
	answer(w, binanceOrder(b.put(accountOf(r), o), "NEW"))
}

func (b *Bots) binanceOpen(w http.ResponseWriter, r *http.Request) {
	f, err := form(r.URL.RawQuery)
	if err != nil || f["symbol"] != "" && f["symbol"] != binanceSymbol {
		binanceFailed(w, -1121, "Invalid symbol.")
		return
	}
	list := []object{}
	for _, o := range b.in(r, inUSDT) {
		list = append(list, binanceOrder(o, "NEW"))
	}
	answer(w, list)
}

func (b *Bots) binanceCancel(w http.ResponseWriter, r *http.Request) {
	f, err := form(r.URL.RawQuery)
	if err != nil || r.ContentLength != 0 || f["symbol"] != binanceSymbol {
		binanceFailed(w, -1121, "Invalid symbol.")
		return
	}
	o, ok := b.out(r, inUSDT, mine(f["orderId"]))
	if !ok {
		binanceFailed(w, -2011, "Unknown order sent.")
		return
	}
	answer(w, binanceOrder(o, "CANCELED"))
}
