package exchange

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"keyward/gatekit"
)

// Bots is the exchange's API for programs. It stands behind Keyward's gate and takes
// nothing that does not carry the gate's decision about exactly this request: whose it
// is and what it may do comes from there and from nowhere else. Beside its own shapes it
// speaks, as far as a bot needs that places, lists and cancels, those of five exchanges.
// What these tell everybody, their markets and their clocks, takes no decision.
type Bots struct {
	http.Handler

	mu     sync.Mutex // guards the rest
	orders map[string]botOrder
	last   int

	followers map[*follower]bool // open streams
}

type botOrder struct {
	ID       string `json:"id"`
	Symbol   string `json:"symbol"`
	Side     string `json:"side"`
	Quantity string `json:"quantity"`
	Price    string `json:"price"`

	number  int
	own     string // what its client calls it, "" for nothing
	at      time.Time
	account string
}

// NewBots makes the API under the key that the gate shares with it.
func NewBots(key gatekit.Key) *Bots {
	b := &Bots{orders: map[string]botOrder{}, followers: map[*follower]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/balance", b.balance)
	mux.HandleFunc("GET /v1/orders", b.list)
	mux.HandleFunc("POST /v1/orders", b.place)
	mux.HandleFunc("DELETE /v1/orders/{id}", b.cancel)
	mux.HandleFunc("POST /v1/withdrawals", b.withdraw)
	b.streams(mux)
	verifier := gatekit.NewVerifier(key)
	verifier.RememberFor(100_000) // a decision is good for one call, not for five seconds of them
	everybody := http.NewServeMux()
	for _, shape := range []func(private, public *http.ServeMux){b.binance, b.okx, b.bybit, b.kraken, b.upbit} {
		shape(mux, everybody)
	}
	everybody.Handle("/", verifier.Middleware(mux, 64<<10)) // whatever is not named above
	b.Handler = everybody
	return b
}

func (b *Bots) balance(w http.ResponseWriter, r *http.Request) {
	d, _ := gatekit.FromContext(r.Context())
	answer(w, map[string]string{"account": d.Account, "BTC": "0.42", "USD": "1200.00"})
}

func (b *Bots) list(w http.ResponseWriter, r *http.Request) {
	d, _ := gatekit.FromContext(r.Context())
	answer(w, b.of(d.Account))
}

func (b *Bots) place(w http.ResponseWriter, r *http.Request) {
	d, _ := gatekit.FromContext(r.Context())
	var o botOrder
	in := json.NewDecoder(r.Body)
	in.DisallowUnknownFields()
	if err := in.Decode(&o); err != nil || o.ID != "" || o.Symbol == "" || o.Side != "buy" && o.Side != "sell" {
		http.Error(w, `{"code":"ORDER_INVALID"}`, http.StatusBadRequest)
		return
	}
	answer(w, b.put(d.Account, o))
}

func (b *Bots) cancel(w http.ResponseWriter, r *http.Request) {
	d, _ := gatekit.FromContext(r.Context())
	o, ok := b.drop(d.Account, r.PathValue("id"))
	if !ok {
		http.Error(w, `{"code":"ORDER_UNKNOWN"}`, http.StatusNotFound)
		return
	}
	answer(w, map[string]string{"cancelled": o.ID})
}

func (b *Bots) withdraw(w http.ResponseWriter, r *http.Request) {
	answer(w, map[string]string{"withdrawal": "accepted"})
}
