package exchange

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Streams tell a bot of its own orders. Whose they are is the gate's word on the
// handshake: a login that a client sends later is answered with no and changes nothing,
// and what is sent in a stream places no order.

// follower is an open stream and how it says what happened to an order.
type follower struct {
	*socket
	account string
	say     func(o botOrder, status string) (body any, ok bool)
	clock   bool // says every moment what time it is, so that silence means something
}

const clockEvery = 250 * time.Millisecond

func (b *Bots) streams(private *http.ServeMux) {
	private.HandleFunc("GET /v1/stream", b.stream(nativeStream))
	private.HandleFunc("GET /ws-api/v3", b.stream(binanceStream))
	private.HandleFunc("GET /ws/v5/private", b.stream(okxStream))
	private.HandleFunc("GET /v5/private", b.stream(bybitStream))
}

// stream serves one shape. begin answers what a client asks, and may change how it is
// told; the answer nil says nothing.
func (b *Bots) stream(begin func(f *follower) func(text string) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := &follower{account: accountOf(r)}
		asked := begin(f)
		s, err := open(w, r, func(s *socket) {
			b.mu.Lock()
			f.socket, b.followers[f] = s, true
			b.mu.Unlock()
		})
		defer func() {
			b.mu.Lock()
			delete(b.followers, f)
			b.mu.Unlock()
		}()
		if err != nil {
			if s != nil {
				s.conn.Close()
			}
			return
		}
		defer s.conn.Close()
		gone := make(chan struct{})
		defer close(gone)
		if f.clock {
			go f.tick(gone)
		}
		for {
			text, err := s.next()
			if err != nil {
				return
			}
			b.mu.Lock()
			body := asked(text)
			b.mu.Unlock()
			if body == nil {
				continue
			}
			if list, many := body.([]any); many {
				for _, one := range list {
					if s.say(one) != nil {
						return
					}
				}
				continue
			}
			if s.say(body) != nil {
				return
			}
		}
	}
}

// tick tells the time until the stream is gone.
func (f *follower) tick(gone chan struct{}) {
	t := time.NewTicker(clockEvery)
	defer t.Stop()
	for {
		select {
		case <-gone:
			return
		case <-t.C:
			if f.socket.say(object{"event": "clock", "at": time.Now().UnixMilli()}) != nil {
				return
			}
		}
	}
}

// tell says to all streams of an account what happened to an order.
func (b *Bots) tell(o botOrder, status string) {
	type message struct {
		s    *socket
		body any
	}
	var list []message
	b.mu.Lock()
	for f := range b.followers {
		if f.account == o.account && f.say != nil {
			if body, ok := f.say(o, status); ok {
				list = append(list, message{f.socket, body})
			}
		}
	}
	b.mu.Unlock()
	for _, m := range list {
		_ = m.s.say(m.body) // one that is gone is read to its end where it is served
	}
}

// nativeStream tells of every order from the first moment.
func nativeStream(f *follower) func(string) any {
	f.clock = true
	f.say = func(o botOrder, status string) (any, bool) {
		return object{"event": "order", "status": status, "order": o, "at": time.Now().UnixMilli()}, true
	}
	return func(string) any { return nil }
}

func okxStream(f *follower) func(string) any {
	return func(text string) any {
		if text == "ping" {
			return "pong"
		}
		var in struct {
			Op   string
			Args []object
		}
		if json.Unmarshal([]byte(text), &in) != nil || in.Op != "subscribe" || len(in.Args) != 1 {
			return object{"event": "error", "code": "60012", "msg": "Invalid request", "connId": "demo"}
		}
		arg := in.Args[0]
		yes := object{"event": "subscribe", "arg": arg, "connId": "demo"}
		switch arg["channel"] {
		case "orders":
			f.say = func(o botOrder, status string) (any, bool) {
				state := map[string]string{"open": "live", "cancelled": "canceled"}[status]
				return object{"arg": arg, "data": []object{{
					"instType": "SPOT", "instId": okxSymbol, "ordId": o.num(), "clOrdId": o.own, "side": o.Side, "ordType": "limit", "px": o.Price, "sz": o.Quantity, "tdMode": "cash",
					"accFillSz": "0", "avgPx": "", "fee": "0", "feeCcy": "BTC", "state": state, "cTime": strconv.FormatInt(o.millis(), 10), "uTime": strconv.FormatInt(now(), 10),
				}}}, o.Symbol == inUSDT
			}
		case "account":
			return []any{yes, object{"arg": arg, "data": []object{{"uTime": strconv.FormatInt(now(), 10), "details": []object{
				{"ccy": "BTC", "eq": "0.42", "availBal": "0.42", "frozenBal": "0"}, {"ccy": "USDT", "eq": "1200", "availBal": "1200", "frozenBal": "0"}}}}}}
		}
		return yes
	}
}

func bybitStream(f *follower) func(string) any {
	return func(text string) any {
		var in struct {
			ID   json.RawMessage `json:"req_id"` // a text, or a number
			Op   string
			Args []string
		}
		if json.Unmarshal([]byte(text), &in) != nil {
			return object{"success": false, "ret_msg": "Params Error", "conn_id": "demo"}
		}
		switch in.Op {
		case "ping":
			return object{"req_id": in.ID, "op": "pong", "args": []string{strconv.FormatInt(now(), 10)}, "conn_id": "demo"}
		case "subscribe":
			f.say = func(o botOrder, status string) (any, bool) {
				state := map[string]string{"open": "New", "cancelled": "Cancelled"}[status]
				return object{"id": "demo", "topic": "order", "creationTime": now(), "data": []object{{
					"category": "spot", "symbol": "BTCUSDT", "orderId": o.num(), "orderLinkId": o.own, "side": map[string]string{"buy": "Buy", "sell": "Sell"}[o.Side], "orderType": "Limit",
					"price": o.Price, "qty": o.Quantity, "orderStatus": state, "cumExecQty": "0", "leavesQty": o.Quantity, "avgPrice": "", "cumExecValue": "0",
					"createdTime": strconv.FormatInt(o.millis(), 10), "updatedTime": strconv.FormatInt(now(), 10),
				}}}, o.Symbol == inUSDT
			}
			return object{"success": true, "ret_msg": "", "conn_id": "demo", "req_id": in.ID, "op": "subscribe"}
		}
		return object{"success": false, "ret_msg": "Params Error", "conn_id": "demo", "req_id": in.ID, "op": in.Op}
	}
}

func binanceStream(f *follower) func(string) any {
	return func(text string) any {
		var in struct {
			ID     json.RawMessage
			Method string
		}
		if json.Unmarshal([]byte(text), &in) != nil || in.Method != "userDataStream.subscribe" {
			return object{"id": in.ID, "status": 400, "error": object{"code": -1100, "msg": "Not a request that is known here."}}
		}
		f.say = func(o botOrder, status string) (any, bool) {
			state := map[string]string{"open": "NEW", "cancelled": "CANCELED"}[status]
			return object{"subscriptionId": 0, "event": object{
				"e": "executionReport", "E": now(), "s": "BTCUSDT", "c": o.own, "S": map[string]string{"buy": "BUY", "sell": "SELL"}[o.Side], "o": "LIMIT", "f": "GTC",
				"q": o.Quantity, "p": o.Price, "x": state, "X": state, "i": o.number, "l": "0", "z": "0", "T": o.millis(),
			}}, o.Symbol == inUSDT
		}
		return object{"id": in.ID, "status": 200, "result": object{"subscriptionId": 0}}
	}
}
