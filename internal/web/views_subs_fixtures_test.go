package web

import (
	"time"

	"keyward/internal/apikey"
)

var (
	maker = SubView{ID: "sub_01kjma0fme6q2q8fz06e4bbdjf", Version: 2, Name: "Market maker", Status: "active", Transfers: "to_main", MaxKeys: 2, PerMin: 3000, Keys: 1, Used: at(12, 14, 5), Made: at(1, 9, 0)}
	arb   = SubView{ID: "sub_01kjma0fmesnnkevxrr02r06b3", Version: 5, Name: "Arbitrage between the Korean and the European books, quarter three", Status: "frozen", Transfers: "both", Made: at(2, 9, 0), Thaw: "sub_x~y"}
	moved = SubView{ID: "sub_01kjma0fmee1wgr7azvbwyyc03", Version: 3, Name: "Old experiment", Status: "emptying", Transfers: "none", Keys: 2, Made: at(3, 9, 0), Thaw: "sub_x~z"}
	shut  = SubView{ID: "sub_01kjma2a9sk6n529g2byjhvmj4", Version: 3, Name: "First try", Status: "closed", Transfers: "none", Made: at(1, 9, 0), Closed: at(4, 9, 0)}
)

// tradingRights are the most that a key of a sub-account has: it never withdraws.
var tradingRights = rightsOf(apikey.ReadAccount | apikey.ReadOrders | apikey.TradeSpot | apikey.TradeCancel)

// subFixtures are the pages of sub-accounts.
var subFixtures = []fixture{
	{"subs", func(c string) View {
		return &Subs{Base: with(in(c, "/subaccounts"), func(b *Base) {
			b.Receipt = &Receipt{Did: DidFreezeSub, Name: arb.Name, At: b.Now, Took: 180 * time.Millisecond}
		}), Open: []SubView{maker, arb, moved}, Closed: []SubView{shut}}
	}},
	{"subs-none", func(c string) View { return &Subs{Base: in(c, "/subaccounts")} }},
	{"sub-new", func(c string) View {
		return &SubNew{Base: in(c, "/subaccounts/new"), Form: SubFields{Transfers: "none"}}
	}},
	{"sub-new-refused", func(c string) View {
		return &SubNew{Base: in(c, "/subaccounts/new"), Form: SubFields{Name: "Market maker", Transfers: "both"}, Refused: refusedIn(c, "sub_too_many", ""), Blocked: true}
	}},
	{"sub", func(c string) View {
		k := gridBot
		k.Sub, k.SubID, k.Locked, k.Rights = maker.Name, maker.ID, false, tradingRights
		return &SubPage{Base: in(c, maker.Path()), Sub: maker, Form: SubFields{Name: maker.Name, Transfers: maker.Transfers, MaxKeys: "2", PerMin: "3000"}, Keys: []BotKey{k}}
	}},
	{"sub-frozen", func(c string) View {
		return &SubPage{Base: in(c, arb.Path()), Sub: arb, Form: SubFields{Name: arb.Name, Transfers: arb.Transfers}, Refused: refusedIn(c, "sub_changed", "")}
	}},
	{"sub-closed", func(c string) View { return &SubPage{Base: in(c, shut.Path()), Sub: shut} }},
	{"sub-close", func(c string) View {
		return &SubClose{Base: in(c, maker.Path()+"/close"), Sub: maker, Keys: []BotKey{gridBot, taxExport}}
	}},
	{"sub-stepup", func(c string) View {
		return &StepUp{Base: in(c, "/stepup?act=subs.change"), Act: "subs.change", Object: arb.Thaw, Name: arb.Name, To: arb.Path(), Cancel: arb.Path(), Lasts: 5 * time.Minute, Asked: chrome, SignedIn: at(12, 14, 2)}
	}},
	{"botkey-capped", func(c string) View {
		k, f := gridBot, gridForm
		k.Sub, k.SubID, k.DayCap, k.DayCapIn, k.Spent, k.Refused, k.RefusedN = maker.Name, maker.ID, "2500.5", "USD", "1200", nil, 0
		k.Locked, k.Rights = false, tradingRights
		f.Cap, f.CapIn, f.Scopes = "2500.5", "USD", []string{"read.account", "read.orders", "trade.spot", "trade.cancel"}
		return &BotKeyPage{Base: in(c, "/keys/"+k.ID), Key: k, Form: f, From: "2026-03-01", To: "2026-03-11", Asked: true, Changes: []BotKeyChange{
			{At: at(11, 9, 0), Says: "You took power from the API key for “Grid trading, BTC and ETH”, or renamed it.", Addr: "203.0.113.9", Place: "Seoul, South Korea"},
			{At: at(1, 9, 0), Says: "You made an API key for “Grid trading, BTC and ETH” on Chrome, Windows 11.", Addr: "203.0.113.9"},
		}}
	}},
	{"botkeys-hygiene", func(c string) View {
		idle, unasked, open := gridBot, gridBot, gridBot
		idle.ID, idle.Purpose, idle.Used, idle.Refused, idle.RefusedN = "kwk_live_idle", "Sleeper", at(12, 14, 5).Add(-40*24*time.Hour), nil, 0
		unasked.ID, unasked.Purpose, unasked.Unasked, unasked.Refused, unasked.RefusedN = "kwk_live_unasked", "Asks for much", 2, nil, 0
		open.ID, open.Purpose, open.Locked, open.Refused, open.RefusedN = "kwk_live_unlocked", "Payout bot", false, nil, 0
		return &BotKeys{Base: in(c, "/keys"), Keys: []BotKey{idle, unasked, open}}
	}},
	{"botkey-new-sub", func(c string) View {
		f := newForm
		f.Sub, f.Cap, f.CapIn = maker.ID, "2500", "USD"
		return &BotKeyNew{Base: in(c, "/keys/new"), Form: f, Subs: []SubView{maker, arb}}
	}},
}
