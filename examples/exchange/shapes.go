package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"keyward/gatekit"
)

// The shapes are those of exchanges that bots know. Each reads exactly the bytes that
// were signed, as what they say they are, and reads them once: an order that stands
// twice in a request, or that a second reader would find elsewhere, is refused. All of
// them share one book, and all of them take the account from the decision.

// The markets, as the book has them. Each shape has its own word for its one.
const (
	inUSDT = "BTC-USDT"
	inKRW  = "BTC-KRW"
)

// sides are the words of the shapes for the two sides.
var sides = map[string]string{"buy": "buy", "sell": "sell", "BUY": "buy", "SELL": "sell", "Buy": "buy", "Sell": "sell", "bid": "buy", "ask": "sell"}

// limit reads what every shape says of a limit order; own is what the client calls it.
func limit(symbol, side, quantity, price, own string) (o botOrder, ok bool) {
	o = botOrder{Symbol: symbol, Side: sides[side], Quantity: quantity, Price: price, own: own}
	return o, o.Side != "" && positive(quantity) && positive(price) && len(own) <= 64
}

// in are the open orders of the caller on one market.
func (b *Bots) in(r *http.Request, market string) []botOrder {
	out := []botOrder{}
	for _, o := range b.of(accountOf(r)) {
		if o.Symbol == market {
			out = append(out, o)
		}
	}
	return out
}

// out takes one of them out of the book.
func (b *Bots) out(r *http.Request, market, id string) (botOrder, bool) {
	for _, o := range b.in(r, market) {
		if o.ID == id {
			return b.drop(o.account, id)
		}
	}
	return botOrder{}, false
}

// accountOf is whom a request acts for, by the gate's word.
func accountOf(r *http.Request) string {
	d, _ := gatekit.FromContext(r.Context())
	return purse(d.Account, d.Sub)
}

// mine are the names by number that the exchanges with numbers for ids use.
func mine(number string) string { return "ord_" + number }

func (o botOrder) num() string { return strconv.Itoa(o.number) }

func (o botOrder) millis() int64 { return o.at.UnixMilli() }

// form reads a form in which no name stands twice: which of two an exchange takes, and
// which of two somebody in front of it looked at, is not for a sender to choose.
func form(text string) (map[string]string, error) {
	q, err := url.ParseQuery(text)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(q))
	for name, values := range q {
		if len(values) != 1 {
			return nil, errors.New("a name stands twice")
		}
		out[name] = values[0]
	}
	return out, nil
}

// formBody is the form in the body of a request.
func formBody(r *http.Request) (map[string]string, error) {
	b, err := io.ReadAll(r.Body) // bounded by the middleware
	if err != nil {
		return nil, err
	}
	return form(string(b))
}

// jsonBody reads one JSON value, and nothing behind it, into out. Names that out does
// not have are left to the clients: they send what tells us nothing.
func jsonBody(r *http.Request, out any) error {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if err := once(json.NewDecoder(bytes.NewReader(b))); err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

var errTwice = errors.New("a name stands twice, or something behind the value")

// once walks through one value and finds no name twice, whatever its case: Go would
// take "Sz" for "sz", and the last of two (RFC 8259 §4 leaves it open).
func once(d *json.Decoder) error {
	if err := value(d); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errTwice
	}
	return nil
}

func value(d *json.Decoder) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('['):
		for d.More() {
			if err := value(d); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return err
			}
			text, _ := name.(string)
			folded := strings.ToLower(strings.ToUpper(text)) // of all that look alike to encoding/json, one
			if seen[folded] {
				return errTwice
			}
			seen[folded] = true
			if err := value(d); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token() // its end
	return err
}

// now is the exchange's clock in milliseconds.
func now() int64 { return time.Now().UnixMilli() }

// object is a JSON object that is written once and never read here.
type object = map[string]any

// said answers with a status and a body in the words of a shape.
func said(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody is left to tell
}

// always answers everybody with the same.
func always(body any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, body) }
}
