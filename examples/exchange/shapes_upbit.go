package exchange

import (
	"net/http"
	"time"
)

// upbit signs no path, so that its clients find it under one of its own: "/v1/orders"
// is taken by our own shape.
func (b *Bots) upbit(private, public *http.ServeMux) {
	public.HandleFunc("GET /upbit/v1/market/all", always([]object{{"market": upbitMarket, "korean_name": "비트코인", "english_name": "Bitcoin"}}))

	private.HandleFunc("GET /upbit/v1/accounts", always([]object{
		{"currency": "BTC", "balance": "0.42", "locked": "0", "avg_buy_price": "0", "unit_currency": "KRW"},
		{"currency": "KRW", "balance": "1600000", "locked": "0", "avg_buy_price": "0", "unit_currency": "KRW"},
	}))
	private.HandleFunc("GET /upbit/v1/orders/open", b.upbitOpen)
	private.HandleFunc("POST /upbit/v1/orders", b.upbitPlace)
	private.HandleFunc("DELETE /upbit/v1/order", b.upbitCancel)
}

const upbitMarket = "KRW-BTC"

func upbitFailed(w http.ResponseWriter, status int, name, message string) {
	said(w, status, object{"error": object{"name": name, "message": message}})
}

func upbitOrder(o botOrder, state string) object {
	return object{
		"uuid": o.ID, "side": map[string]string{"buy": "bid", "sell": "ask"}[o.Side], "ord_type": "limit", "price": o.Price, "volume": o.Quantity, "remaining_volume": o.Quantity,
		"executed_volume": "0", "reserved_fee": "0", "remaining_fee": "0", "paid_fee": "0", "locked": "0", "trades_count": 0, "market": upbitMarket, "state": state,
		"created_at": o.at.In(seoul).Format(time.RFC3339), "identifier": nothing(o.own),
	}
}

var seoul = time.FixedZone("KST", 9*60*60)

// nothing is null for an empty text.
func nothing(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (b *Bots) upbitPlace(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Market string `json:"market"`
		Side   string `json:"side"`
		Type   string `json:"ord_type"`
		Volume string `json:"volume"`
		Price  string `json:"price"`
		Own    string `json:"identifier"`
	}
	err := jsonBody(r, &in)
	o, ok := limit(inKRW, in.Side, in.Volume, in.Price, in.Own)
	// What is signed is the body alone, or the query alone.
	if err != nil || r.URL.RawQuery != "" || !ok || in.Market != upbitMarket || in.Type != "limit" {
		upbitFailed(w, http.StatusBadRequest, "validation_error", "The order is not one that this exchange takes.")
		return
	}
	said(w, http.StatusCreated, upbitOrder(b.put(accountOf(r), o), "wait"))
}

func (b *Bots) upbitOpen(w http.ResponseWriter, r *http.Request) {
	f, err := form(r.URL.RawQuery)
	if err != nil || f["market"] != "" && f["market"] != upbitMarket {
		upbitFailed(w, http.StatusNotFound, "market_does_not_exist", "Not a market of this exchange.")
		return
	}
	list := []object{}
	for _, o := range b.in(r, inKRW) {
		list = append(list, upbitOrder(o, "wait"))
	}
	answer(w, list)
}

func (b *Bots) upbitCancel(w http.ResponseWriter, r *http.Request) {
	f, err := form(r.URL.RawQuery)
	if err != nil || r.ContentLength != 0 {
		upbitFailed(w, http.StatusBadRequest, "validation_error", "Not an order of this exchange.")
		return
	}
	o, ok := b.out(r, inKRW, f["uuid"])
	if !ok {
		upbitFailed(w, http.StatusNotFound, "order_not_found", "There is no such order.")
		return
	}
	answer(w, upbitOrder(o, "wait"))
}
