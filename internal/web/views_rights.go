package web

import "keyward/internal/apikey"

// Right is something a key may do, in a verb, with what it would mean in the hands of a thief.
type Right struct {
	Scope string
	Name  Text
	Leak  Text
	Money bool // can lose money
	Place bool // only given to known addresses
}

// rights in the order in which people weigh them.
var rights = []Right{
	{Scope: "read.market", Name: text("right.read.market"), Leak: text("right.read.market.leak")},
	{Scope: "read.account", Name: text("right.read.account"), Leak: text("right.read.account.leak")},
	{Scope: "read.orders", Name: text("right.read.orders"), Leak: text("right.read.orders.leak")},
	{Scope: "read.history", Name: text("right.read.history"), Leak: text("right.read.history.leak")},
	{Scope: "trade.cancel", Name: text("right.trade.cancel"), Leak: text("right.trade.cancel.leak")},
	{Scope: "trade.spot", Name: text("right.trade.spot"), Leak: text("right.trade.spot.leak"), Money: true, Place: true},
	{Scope: "trade.margin", Name: text("right.trade.margin"), Leak: text("right.trade.margin.leak"), Money: true, Place: true},
	{Scope: "trade.futures", Name: text("right.trade.futures"), Leak: text("right.trade.futures.leak"), Money: true, Place: true},
	{Scope: "transfer.internal", Name: text("right.transfer.internal"), Leak: text("right.transfer.internal.leak"), Money: true, Place: true},
	{Scope: "withdraw", Name: text("right.withdraw"), Leak: text("right.withdraw.leak"), Money: true, Place: true},
	{Scope: "key.rotate_self", Name: text("right.key.rotate_self"), Leak: text("right.key.rotate_self.leak")},
}

// rightsOf lists what a key may do.
func rightsOf(s apikey.Scopes) (out []Right) {
	for _, r := range rights {
		if one, ok := apikey.ScopeByName(r.Scope); ok && s.Has(one) {
			out = append(out, r)
		}
	}
	return out
}

// refusals say to the owner why a call was turned away.
var refusals = map[apikey.Code]Text{
	apikey.AuthFailed:       text("refused.signature"),
	apikey.BadRequest:       text("refused.form"),
	apikey.RouteUnknown:     text("refused.route"),
	apikey.IPNotAllowed:     text("refused.address"),
	apikey.ScopeMissing:     text("refused.right"),
	apikey.KeyExpired:       text("refused.expired"),
	apikey.KeyNotYet:        text("refused.not-yet"),
	apikey.KeyQuarantined:   text("refused.suspected"),
	apikey.ExitOnly:         text("refused.exit-only"),
	apikey.RightAsleep:      text("refused.asleep"),
	apikey.WithdrawLocked:   text("refused.locked"),
	apikey.SymbolNotAllowed: text("refused.symbol"),
	apikey.OutsideWindow:    text("refused.clock"),
	apikey.Replayed:         text("refused.replayed"),
	apikey.NonceTooLow:      text("refused.replayed"),
	apikey.RateLimited:      text("refused.speed"),
	apikey.KeyInBrowser:     text("refused.browser"),
	apikey.AccountFrozen:    text("refused.frozen"),
	apikey.SubFrozen:        text("refused.sub-frozen"),
	apikey.SubEmptying:      text("refused.sub-emptying"),
	apikey.TransferRefused:  text("refused.transfer"),
	apikey.DayCapReached:    text("refused.day-cap"),
	apikey.DayCapUnread:     text("refused.day-unread"),
}

// refusalOf is the reason of a code; what is our own fault has no words of its own.
func refusalOf(c apikey.Code) Text {
	if words, ok := refusals[c]; ok {
		return words
	}
	return text("refused.us")
}

var calls = map[apikey.Class]Text{
	apikey.ClassRead:     text("call.read"),
	apikey.ClassTrade:    text("call.trade"),
	apikey.ClassCancel:   text("call.cancel"),
	apikey.ClassTransfer: text("call.transfer"),
	apikey.ClassWithdraw: text("call.withdraw"),
	apikey.ClassKey:      text("call.key"),
}

func callOf(c apikey.Class) Text {
	if words, ok := calls[c]; ok {
		return words
	}
	return text("call.other")
}
