package exchange

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// put takes an order into the book. Nothing is ever filled: there is nobody to trade with.
func (b *Bots) put(account string, o botOrder) botOrder {
	b.mu.Lock()
	b.last++
	o.number, o.at, o.account = b.last, time.Now(), account
	o.ID = "ord_" + strconv.Itoa(b.last)
	b.orders[o.ID] = o
	b.mu.Unlock()
	b.tell(o, "open")
	return o
}

// of are the open orders of one account, the oldest first.
func (b *Bots) of(account string) []botOrder {
	b.mu.Lock()
	defer b.mu.Unlock()
	open := []botOrder{}
	for _, o := range b.orders {
		if o.account == account {
			open = append(open, o)
		}
	}
	slices.SortFunc(open, func(x, y botOrder) int { return x.number - y.number })
	return open
}

// drop takes an order out, if it is this account's: an id alone opens nobody's order.
func (b *Bots) drop(account, id string) (botOrder, bool) {
	b.mu.Lock()
	o, ok := b.orders[id]
	if !ok || o.account != account {
		b.mu.Unlock()
		return botOrder{}, false
	}
	delete(b.orders, id)
	b.mu.Unlock()
	b.tell(o, "cancelled")
	return o, true
}

// Open is how many orders there are, of anybody.
func (b *Bots) Open() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.orders)
}

// positive reports whether s is a number above zero, in plain digits: "1e9", "+1" and
// "NaN" are spellings that two programs read differently.
func positive(s string) bool {
	whole, part, dot := strings.Cut(s, ".")
	digits := func(s string) bool {
		return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	}
	return len(s) <= 32 && digits(whole) && (!dot || digits(part)) && strings.Trim(s, "0.") != ""
}
