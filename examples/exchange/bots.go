package exchange

import (
	"encoding/json"
	"net/http"
	"sort"
	"strconv"
	"sync"

	"keyward/gatekit"
)

// Bots is the exchange's API for programs. It stands behind Keyward's gate and takes
// nothing that does not carry the gate's decision about exactly this request: whose it
// is and what it may do comes from there and from nowhere else.
type Bots struct {
	http.Handler

	mu     sync.Mutex // guards the rest
	orders map[string]botOrder
	last   int
}

type botOrder struct {
	ID       string `json:"id"`
	Symbol   string `json:"symbol"`
	Side     string `json:"side"`
	Quantity string `json:"quantity"`
	Price    string `json:"price"`

	account string
}

// NewBots makes the API under the key that the gate shares with it.
func NewBots(key gatekit.Key) *Bots {
	b := &Bots{orders: map[string]botOrder{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/balance", b.balance)
	mux.HandleFunc("GET /v1/orders", b.list)
	mux.HandleFunc("POST /v1/orders", b.place)
	mux.HandleFunc("DELETE /v1/orders/{id}", b.cancel)
	mux.HandleFunc("POST /v1/withdrawals", b.withdraw)
	verifier := gatekit.NewVerifier(key)
	verifier.RememberFor(100_000) // a decision is good for one call, not for five seconds of them
	b.Handler = verifier.Middleware(mux, 64<<10)
	return b
}

func (b *Bots) balance(w http.ResponseWriter, r *http.Request) {
	d, _ := gatekit.FromContext(r.Context())
	answer(w, map[string]string{"account": d.Account, "BTC": "0.42", "USD": "1200.00"})
}

func (b *Bots) list(w http.ResponseWriter, r *http.Request) {
	d, _ := gatekit.FromContext(r.Context())
	b.mu.Lock()
	defer b.mu.Unlock()
	open := []botOrder{}
	for _, o := range b.orders {
		if o.account == d.Account {
			open = append(open, o)
		}
	}
	sort.Slice(open, func(i, j int) bool { return open[i].ID < open[j].ID })
	answer(w, open)
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
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	o.ID, o.account = "ord_"+strconv.Itoa(b.last), d.Account
	b.orders[o.ID] = o
	answer(w, o)
}

func (b *Bots) cancel(w http.ResponseWriter, r *http.Request) {
	d, _ := gatekit.FromContext(r.Context())
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.orders[r.PathValue("id")]
	if !ok || o.account != d.Account {
		http.Error(w, `{"code":"ORDER_UNKNOWN"}`, http.StatusNotFound)
		return
	}
	delete(b.orders, o.ID)
	answer(w, map[string]string{"cancelled": o.ID})
}

func (b *Bots) withdraw(w http.ResponseWriter, r *http.Request) {
	answer(w, map[string]string{"withdrawal": "accepted"})
}

// Open is how many orders there are, of anybody.
func (b *Bots) Open() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.orders)
}
