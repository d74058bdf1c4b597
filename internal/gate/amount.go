package gate

import (
	"encoding/json"
	"errors"
	"strings"

	"keyward/internal/apikey"
)

// notional says how much an order of a route trades: one number, or two that are
// multiplied, in one place, and in which currency that is.
type notional struct {
	in         string
	names      []string
	currencies []quoted
}

// quoted is one of the currencies a route trades in. With a star it is that of the
// markets whose symbol looks so: "*-USD" are BTC-USD and ETH-USD.
type quoted struct {
	before, after string // of the star
	star          bool
	currency      string
}

var errNotional = errors.New(`notional is query:NAME, form:NAME, body:NAME, or two names with a "*" between them, and stands on a route that trades, with currency beside it`)

// parseNotional reads "body:quantity*price" and "*-USD *-EUR".
func parseNotional(r Route, trades bool) (n notional, err error) {
	if r.Notional == "" {
		if r.Currency != "" {
			return n, errors.New("currency stands beside notional")
		}
		return n, nil
	}
	where, names, _ := strings.Cut(r.Notional, ":")
	n.in, n.names = where, strings.Split(names, "*")
	if where != inQuery && where != inForm && where != inBody || !trades || len(n.names) > 2 || len(n.names) == 2 && n.names[0] == n.names[1] {
		return n, errNotional
	}
	for _, name := range n.names {
		if name == "" {
			return n, errNotional
		}
	}
	for _, pattern := range strings.Fields(r.Currency) {
		q := quoted{}
		q.before, q.after, q.star = strings.Cut(pattern, "*")
		q.currency = strings.Trim(q.before+q.after, "-_/.:")
		// A star on one side only: with letters on both nobody could say which of them
		// are the currency.
		if !apikey.IsCurrency(q.currency) || q.star && q.before != "" && q.after != "" || !q.star && q.currency != pattern {
			return n, errors.New(`currency is a name in capital letters, or markets with a star, as "*-USD *-EUR" or "KRW-*"`)
		}
		// An amount in bitcoin counted as one in dollars would be a cap for nobody: where
		// the route knows the market, the market says the currency.
		if q.star != (r.Symbol != "") {
			return n, errors.New(`currency has a star where the route names a symbol, as "*-USD", and none where it names none`)
		}
		n.currencies = append(n.currencies, q)
	}
	if len(n.currencies) == 0 || r.Symbol == "" && len(n.currencies) > 1 {
		return n, errors.New("currency says in what notional is: one name, or markets with a star")
	}
	return n, nil
}

// currencyOf is what a market is traded in, by the longest pattern that fits, so that "*USD" does
// not take what "*BUSD" names; "" when none fits.
func (n *notional) currencyOf(symbol string) string {
	best, long := "", -1
	for _, q := range n.currencies {
		size := len(q.before) + len(q.after)
		if !q.star {
			return q.currency
		}
		if len(symbol) > size && strings.HasPrefix(symbol, q.before) && strings.HasSuffix(symbol, q.after) && size > long {
			best, long = q.currency, size
		}
	}
	return best
}

// amount is how much a request trades. It is asked only for keys with a cap; false is
// what such a key is refused for: two places that could be read, or none, or a number
// that two readers could take for two.
func (n *notional) amount(r *apikey.Request, symbol string) (apikey.Amount, bool) {
	currency := n.currencyOf(symbol)
	a := asked{header: r.Header, body: r.Body, unseen: r.Unseen}
	if currency == "" || r.Unseen && n.in != inQuery {
		return apikey.Amount{}, false
	}
	numbers := make([]string, 0, 2)
	for _, name := range n.names {
		at := place{n.in, name}
		text, ok := numberAt(at, r.Query, r.Body)
		if !ok || !alone(at, r.Query, &a) {
			return apikey.Amount{}, false
		}
		numbers = append(numbers, text)
	}
	return apikey.Trades(currency, numbers...)
}

func numberAt(at place, query string, body []byte) (string, bool) {
	if at.in == inBody {
		return numberMember(body, at.name)
	}
	return symbolOf(at, query, body)
}

// numberMember is a member of a JSON object that is a number, or a text of one; as it was
// written. Whether it is a good one is decided by who counts it.
func numberMember(body []byte, name string) (value string, ok bool) {
	raw := rawMember(body, name)
	switch {
	case raw == nil:
		return "", false
	case raw[0] != '"':
		value = string(raw)
	case json.Unmarshal(raw, &value) != nil:
		return "", false
	}
	return value, value != ""
}
