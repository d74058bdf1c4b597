package apikey

import (
	"math/bits"
	"strings"
)

// Scopes is a set of rights, one bit each. None of them includes another.
type Scopes uint32

// The rights of a key.
const (
	ReadMarket Scopes = 1 << iota
	ReadAccount
	ReadOrders
	ReadHistory
	TradeSpot
	TradeMargin
	TradeFutures
	TradeCancel
	TransferInternal
	Withdraw
	RotateSelf
)

// In the order of the bits. Stored and sent, so never renamed.
var scopeNames = [...]string{"read.market", "read.account", "read.orders", "read.history", "trade.spot", "trade.margin", "trade.futures", "trade.cancel",
	"transfer.internal", "withdraw", "key.rotate_self"}

const (
	// Reading changes nothing.
	Reading = ReadMarket | ReadAccount | ReadOrders | ReadHistory

	// Exiting is what is left to a key that is to trade no more: look and cancel, so
	// that nobody sits on open orders they cannot reach.
	Exiting = Reading | TradeCancel

	// Trading moves money inside the exchange. Keys that could only trade were enough
	// for the large thefts of 2018 and 2022, so it wants known addresses.
	Trading = TradeSpot | TradeMargin | TradeFutures

	// Money leaves an account by these.
	Money = TransferInternal | Withdraw

	all = Scopes(1<<len(scopeNames)) - 1
)

// ParseScopes reads names separated by spaces. Unknown and repeated ones are refused:
// a right that is misspelled must not quietly be missing.
func ParseScopes(text string) (s Scopes, ok bool) {
	for _, name := range strings.Fields(text) {
		one, known := ScopeByName(name)
		if !known || s&one != 0 {
			return 0, false
		}
		s |= one
	}
	return s, true
}

// ScopeByName is one right.
func ScopeByName(name string) (Scopes, bool) {
	for i, n := range scopeNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// Names lists the rights of a set.
func (s Scopes) Names() []string {
	out := make([]string, 0, bits.OnesCount32(uint32(s)))
	for i, n := range scopeNames {
		if s&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return out
}

func (s Scopes) String() string { return strings.Join(s.Names(), " ") }

// Has reports whether every right of need is there.
func (s Scopes) Has(need Scopes) bool { return need != 0 && s&need == need }
