package exchange

import (
	"net/http"
	"strings"
	"time"
)

// Clients of kraken send every private request as a POST, with a nonce in the body.
func (b *Bots) kraken(private, public *http.ServeMux) {
	public.HandleFunc("GET /0/public/Time", func(w http.ResponseWriter, _ *http.Request) {
		at := time.Now()
		answer(w, krakenSaid(object{"unixtime": at.Unix(), "rfc1123": at.UTC().Format(time.RFC1123)}))
	})
	public.HandleFunc("GET /0/public/Assets", always(krakenSaid(object{
		"XXBT": object{"aclass": "currency", "altname": "XBT", "decimals": 10, "display_decimals": 5, "status": "enabled"},
		"USDT": object{"aclass": "currency", "altname": "USDT", "decimals": 8, "display_decimals": 4, "status": "enabled"},
	})))
	public.HandleFunc("GET /0/public/AssetPairs", always(krakenSaid(object{krakenPair: object{
		"altname": krakenPair, "wsname": "XBT/USDT", "aclass_base": "currency", "base": "XXBT", "aclass_quote": "currency", "quote": "USDT", "pair_decimals": 1, "lot_decimals": 8,
		"fees": [][]float64{{0, 0.4}}, "fees_maker": [][]float64{{0, 0.25}}, "ordermin": "0.00005", "costmin": "0.5", "status": "online", "leverage_buy": []int{},
	}})))

	private.HandleFunc("POST /0/private/BalanceEx", always(krakenSaid(object{
		"XXBT": object{"balance": "0.4200000000", "hold_trade": "0.0000000000"}, "USDT": object{"balance": "1200.00000000", "hold_trade": "0.00000000"},
	})))
	private.HandleFunc("POST /0/private/OpenOrders", b.krakenOpen)
	private.HandleFunc("POST /0/private/AddOrder", b.krakenPlace)
	private.HandleFunc("POST /0/private/CancelOrder", b.krakenCancel)
}

const krakenPair = "XBTUSDT"

func krakenSaid(result any) object { return object{"error": []string{}, "result": result} }

// krakenFailed: the word stands in a list, with status 200.
func krakenFailed(w http.ResponseWriter, word string) { answer(w, object{"error": []string{word}}) }

// krakenForm reads the form in a body. What says that it is something else is not read
// as a form: the type is not signed, and a front may have read the body by it.
func krakenForm(r *http.Request) (map[string]string, bool) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	f, err := formBody(r)
	return f, err == nil && strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded")
}

func krakenLine(o botOrder) string {
	return o.Side + " " + o.Quantity + " " + krakenPair + " @ limit " + o.Price
}

func (b *Bots) krakenPlace(w http.ResponseWriter, r *http.Request) {
	f, isForm := krakenForm(r)
	o, ok := limit(inUSDT, f["type"], f["volume"], f["price"], f["cl_ord_id"])
	if !isForm || !ok || f["pair"] != krakenPair || f["ordertype"] != "limit" {
		krakenFailed(w, "EGeneral:Invalid arguments")
		return
	}
	o = b.put(accountOf(r), o)
	answer(w, krakenSaid(object{"descr": object{"order": krakenLine(o)}, "txid": []string{o.ID}}))
}

func (b *Bots) krakenOpen(w http.ResponseWriter, r *http.Request) {
	if _, isForm := krakenForm(r); !isForm {
		krakenFailed(w, "EGeneral:Invalid arguments")
		return
	}
	open := object{}
	for _, o := range b.in(r, inUSDT) {
		open[o.ID] = object{
			"status": "open", "opentm": float64(o.millis()) / 1000, "vol": o.Quantity, "vol_exec": "0.00000000", "cost": "0.00000", "fee": "0.00000", "price": "0.00000", "oflags": "fciq",
			"descr": object{"pair": krakenPair, "type": o.Side, "ordertype": "limit", "price": o.Price, "price2": "0", "leverage": "none", "order": krakenLine(o)},
		}
	}
	answer(w, krakenSaid(object{"open": open}))
}

func (b *Bots) krakenCancel(w http.ResponseWriter, r *http.Request) {
	f, isForm := krakenForm(r)
	if !isForm {
		krakenFailed(w, "EGeneral:Invalid arguments")
		return
	}
	if _, ok := b.out(r, inUSDT, f["txid"]); !ok {
		krakenFailed(w, "EOrder:Unknown order")
		return
	}
	answer(w, krakenSaid(object{"count": 1}))
}
