package exchange

import (
	"net/http"
	"strconv"
)

// Clients of okx place every order as an array, even a single one.
func (b *Bots) okx(private, public *http.ServeMux) {
	public.HandleFunc("GET /api/v5/public/time", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, okxSaid(object{"ts": strconv.FormatInt(now(), 10)}))
	})
	public.HandleFunc("GET /api/v5/public/instruments", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("instType") == "SPOT" {
			answer(w, okxSaid(okxMarket))
			return
		}
		answer(w, okxSaid())
	})

	private.HandleFunc("GET /api/v5/asset/currencies", always(okxSaid(
		object{"ccy": "BTC", "chain": "BTC-Bitcoin", "name": "Bitcoin", "canDep": false, "canWd": false, "wdTickSz": "8"},
		object{"ccy": "USDT", "chain": "USDT-TRC20", "name": "Tether", "canDep": false, "canWd": false, "wdTickSz": "6"},
	)))
	private.HandleFunc("GET /api/v5/account/balance", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, okxSaid(object{"uTime": strconv.FormatInt(now(), 10), "details": []object{
			{"ccy": "BTC", "eq": "0.42", "availBal": "0.42", "frozenBal": "0"}, {"ccy": "USDT", "eq": "1200", "availBal": "1200", "frozenBal": "0"},
		}}))
	})
	private.HandleFunc("GET /api/v5/trade/orders-pending", b.okxOpen)
	private.HandleFunc("POST /api/v5/trade/order", b.okxPlace)
	private.HandleFunc("POST /api/v5/trade/batch-orders", b.okxPlaceMany)
	private.HandleFunc("POST /api/v5/trade/cancel-order", b.okxCancel)
}

const (
	okxSymbol = "BTC-USDT"
	okxBatch  = 20 // orders in one request, as okx has it
)

var okxMarket = object{
	"instType": "SPOT", "instId": okxSymbol, "baseCcy": "BTC", "quoteCcy": "USDT", "state": "live", "lotSz": "0.00000001", "minSz": "0.00001", "tickSz": "0.1",
	"lever": "1", "maxLmtSz": "9999999999", "listTime": "1611907686000",
}

// okxSaid is an answer that went well. Every answer is a list.
func okxSaid(list ...object) object {
	if list == nil {
		list = []object{}
	}
	return object{"code": "0", "msg": "", "data": list}
}

// okxAsked is an order, or which one to cancel.
type okxAsked struct {
	Instrument string `json:"instId"`
	Mode       string `json:"tdMode"`
	Side       string `json:"side"`
	Type       string `json:"ordType"`
	Size       string `json:"sz"`
	Price      string `json:"px"`
	Own        string `json:"clOrdId"`
	ID         string `json:"ordId"`
}

func (b *Bots) okxPlace(w http.ResponseWriter, r *http.Request) {
	var one okxAsked
	if jsonBody(r, &one) != nil {
		said(w, http.StatusBadRequest, object{"code": "50002", "msg": "JSON syntax error", "data": []object{}})
		return
	}
	b.okxPut(w, r, []okxAsked{one})
}

func (b *Bots) okxPlaceMany(w http.ResponseWriter, r *http.Request) {
	var list []okxAsked
	if jsonBody(r, &list) != nil || len(list) == 0 || len(list) > okxBatch {
		said(w, http.StatusBadRequest, object{"code": "50002", "msg": "JSON syntax error", "data": []object{}})
		return
	}
	b.okxPut(w, r, list)
}

// okxPut answers for each order alone, as okx does: of a batch some may stand and others not.
func (b *Bots) okxPut(w http.ResponseWriter, r *http.Request, list []okxAsked) {
	out, refused := []object{}, 0
	for _, in := range list {
		o, ok := limit(inUSDT, in.Side, in.Size, in.Price, in.Own)
		if !ok || in.Instrument != okxSymbol || in.Mode != "cash" || in.Type != "limit" {
			out = append(out, object{"ordId": "", "clOrdId": in.Own, "sCode": "51000", "sMsg": "The order is not one that this exchange takes."})
			refused++
			continue
		}
		o = b.put(accountOf(r), o)
		out = append(out, object{"ordId": o.num(), "clOrdId": o.own, "tag": "", "ts": strconv.FormatInt(o.millis(), 10), "sCode": "0", "sMsg": "Order placed"})
	}
	code := "0"
	switch refused {
	case 0:
	case len(list):
		code = "1"
	default:
		code = "2"
	}
	answer(w, object{"code": code, "msg": "", "data": out})
}

func (b *Bots) okxOpen(w http.ResponseWriter, r *http.Request) {
	f, err := form(r.URL.RawQuery)
	if err != nil || f["instId"] != "" && f["instId"] != okxSymbol {
		said(w, http.StatusBadRequest, object{"code": "51001", "msg": "Instrument ID does not exist", "data": []object{}})
		return
	}
	list := []object{}
	for _, o := range b.in(r, inUSDT) {
		list = append(list, object{
			"instType": "SPOT", "instId": okxSymbol, "ordId": o.num(), "clOrdId": o.own, "side": o.Side, "ordType": "limit", "px": o.Price, "sz": o.Quantity, "tdMode": "cash",
			"accFillSz": "0", "avgPx": "", "fee": "0", "feeCcy": "BTC", "state": "live", "cTime": strconv.FormatInt(o.millis(), 10), "uTime": strconv.FormatInt(o.millis(), 10),
		})
	}
	answer(w, okxSaid(list...))
}

func (b *Bots) okxCancel(w http.ResponseWriter, r *http.Request) {
	var in okxAsked
	if jsonBody(r, &in) != nil || in.Instrument != okxSymbol {
		said(w, http.StatusBadRequest, object{"code": "51000", "msg": "Parameter error", "data": []object{}})
		return
	}
	o, ok := b.out(r, inUSDT, mine(in.ID))
	if !ok {
		answer(w, object{"code": "1", "msg": "", "data": []object{{"ordId": in.ID, "clOrdId": "", "sCode": "51400", "sMsg": "The order does not exist."}}})
		return
	}
	answer(w, okxSaid(object{"ordId": o.num(), "clOrdId": o.own, "sCode": "0", "sMsg": ""}))
}
