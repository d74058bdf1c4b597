package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"keyward/gatekit"
)

// purse is whose money and orders a request is about: an account, or one of its
// sub-accounts. Both come from the gate's decision.
func purse(account, sub string) string {
	if sub == "" {
		return account
	}
	return account + "/" + sub
}

// cents are what a purse holds in dollars. A main account begins with something to play
// with, a sub-account with nothing. b.mu is held.
func (b *Bots) cents(account, sub string) int64 {
	p := purse(account, sub)
	if n, known := b.dollars[p]; known || sub != "" {
		return n
	}
	return 120_000
}

func dollars(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// anAmount is what a transfer may be of: dollars and cents, and no second spelling.
var anAmount = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})(\.[0-9]{2})?$`)

// transfer moves dollars between the purses of one account. The gate has looked at "to":
// it stands there once, and is the main account or a sub-account of the same account, as
// their rules allow. Here it is read the same way, and nobody else's purse has a name.
func (b *Bots) transfer(w http.ResponseWriter, r *http.Request) {
	d, _ := gatekit.FromContext(r.Context())
	var in struct {
		To     string `json:"to"`
		Amount string `json:"amount"`
	}
	read := json.NewDecoder(r.Body)
	read.DisallowUnknownFields()
	if err := read.Decode(&in); err != nil || !anAmount.MatchString(in.Amount) {
		http.Error(w, `{"code":"TRANSFER_INVALID"}`, http.StatusBadRequest)
		return
	}
	whole, rest, _ := strings.Cut(in.Amount, ".")
	cents, err := strconv.ParseInt(whole+(rest + "00")[:2], 10, 64)
	to := in.To
	if to == "main" || to == d.Account {
		to = ""
	}
	if err != nil || cents == 0 || to == d.Sub {
		http.Error(w, `{"code":"TRANSFER_INVALID"}`, http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.cents(d.Account, d.Sub) - cents
	if left < 0 {
		http.Error(w, `{"code":"TRANSFER_TOO_MUCH"}`, http.StatusConflict)
		return
	}
	into := b.cents(d.Account, to) + cents
	b.dollars[purse(d.Account, d.Sub)], b.dollars[purse(d.Account, to)] = left, into
	answer(w, map[string]string{"moved": in.Amount, "left": dollars(left)})
}
