package web

import (
	"time"

	"keyward/internal/apikey"
	"keyward/internal/edge"
)

var (
	gridBot = BotKey{ID: "kwk_live_3Hf9QxT2mVb7LpR8sWc1Zd0a1B2c", Version: 3, Purpose: "Grid trading, BTC and ETH", State: KeyWorks, Locked: true, Signs: true,
		Rights:  rightsOf(apikey.ReadAccount | apikey.ReadOrders | apikey.TradeSpot | apikey.TradeCancel | apikey.Withdraw),
		Symbols: []string{"BTC-KRW", "ETH-KRW"}, Allow: []string{"203.0.113.7", "2001:db8:40::/64"}, Deny: []string{"2001:db8:40::66"},
		Starts: at(1, 9, 0), Expires: at(1, 9, 0).Add(52 * 24 * time.Hour), Stops: at(1, 9, 0).Add(59 * 24 * time.Hour), PerMin: 1200, Signing: 2, Moving: at(12, 9, 30),
		Made: at(1, 9, 0), MadeOn: "Chrome on Windows 11", MadeAddr: "203.0.113.9", MadeHere: true, Used: at(12, 14, 5), UsedAddr: "203.0.113.7", UsedPlace: "Seoul, South Korea", RefusedN: 13,
		Refused: []BotKeyRefusal{
			{At: at(12, 13, 47), Why: refusalOf(apikey.IPNotAllowed), Code: "IP_NOT_ALLOWED", Call: callOf(apikey.ClassRead), Addr: "198.51.100.9", Place: "Lyon, France", N: 2, CanAdd: true},
			{At: at(12, 10, 2), Why: refusalOf(apikey.OutsideWindow), Code: "TIMESTAMP_OUTSIDE_WINDOW", Call: callOf(apikey.ClassTrade), Addr: "203.0.113.7", N: 10},
			{At: at(11, 3, 20), Why: refusalOf(apikey.AuthFailed), Code: "AUTH_FAILED", Call: callOf(apikey.ClassRead), N: 1},
		}}
	taxExport = BotKey{ID: "kwk_live_9Zk2LmN4pQr6StU8vWx0Yz3d4E5f", Version: 1, Signing: 1, Asked: &BotKeyAsked{Partner: "Wintersonnenwende", What: "9.0", At: at(11, 9, 0)}, Purpose: "Yearly tax export", State: KeyWorks, Sub: "Books", Partner: "Wintersonnenwende Buchhaltungs- und Vermögensverwaltungsgesellschaft",
		Rights: rightsOf(apikey.ReadAccount | apikey.ReadHistory), Expires: at(20, 9, 0), Stops: at(27, 9, 0), PerMin: 60, Made: at(2, 8, 0), MadeOn: "MacBook"}
	laterBot = BotKey{ID: "kwk_test_7Bc4DeF6gHj8KlM0nPq2Rs5g6H7i", Version: 1, Purpose: "Arbitrage, April", State: KeyNotYet, Signs: true, Rights: rightsOf(apikey.ReadMarket), Allow: []string{"192.0.2.40"},
		Starts: at(31, 9, 0), Expires: at(31, 9, 0).Add(30 * 24 * time.Hour), PerMin: 600, Made: at(12, 9, 0), MadeOn: "Chrome on Windows 11", MadeAddr: "203.0.113.9"}
	lapsedBot = BotKey{ID: "kwk_live_1Xy3ZaB5cDe7FgH9jKl1Mn8j9K0l", Version: 2, Purpose: "Old market maker", State: KeyLeaving, Signs: true, Rights: rightsOf(apikey.ReadOrders | apikey.TradeSpot | apikey.TradeCancel),
		Allow: []string{"192.0.2.41"}, Expires: at(10, 9, 0), Stops: at(17, 9, 0), PerMin: 1200, Made: time.Date(2025, 12, 10, 9, 0, 0, 0, seoul), MadeOn: "Chrome on Windows 11", MadeAddr: "203.0.113.9", Used: at(12, 13, 59), UsedAddr: "192.0.2.41"}
	endedBot = BotKey{ID: "kwk_live_5Qr7StU9vWx1YzA3bCd5Ef1m2N3o", Purpose: "First try", State: KeyEnded, Signs: true, Rights: rightsOf(apikey.ReadMarket), Expires: at(28, 9, 0), Stops: at(30, 9, 0), PerMin: 1200,
		Made: at(1, 8, 0), MadeOn: "Chrome on Windows 11", EndedAt: at(3, 12, 0)}

	gridForm = BotKeyForm{Purpose: gridBot.Purpose, Scopes: []string{"read.account", "read.orders", "trade.spot", "trade.cancel", "withdraw"}, Places: "203.0.113.7\n2001:db8:40::/64", Deny: "2001:db8:40::66",
		Symbols: "BTC-KRW ETH-KRW", Until: "2026-04-22", PerMin: "1200"}
	newForm = BotKeyForm{Where: "server", Scopes: []string{"read.account", "read.orders"}, Days: "90", Kind: "ed25519"}

	// The words of the problem table, in the language of the page.
	refusedIn = func(c, code, at string) *KeyRefused {
		for _, x := range edge.Codes(c) {
			if x.Code == code {
				return &KeyRefused{Code: code, Title: x.Title, Detail: x.Detail, At: at}
			}
		}
		panic(code)
	}
)

// botKeyFixtures are the pages of API keys.
var botKeyFixtures = []fixture{
	{"botkeys", func(c string) View {
		return &BotKeys{Base: with(in(c, "/keys"), func(b *Base) {
			b.Receipt = &Receipt{Did: DidEndBotKey, Name: endedBot.Purpose, At: b.Now, Took: 210 * time.Millisecond}
		}), Keys: []BotKey{gridBot, taxExport, laterBot, lapsedBot}, Ended: []BotKey{endedBot, {ID: "kwk_live_2", Purpose: "Gone by itself", State: KeyEnded, Stops: at(2, 9, 0)}}}
	}},
	{"botkeys-none", func(c string) View {
		return &BotKeys{Base: with(in(c, "/keys"), func(b *Base) { b.Who.Weak = true })}
	}},
	{"botkey", func(c string) View {
		clock, address := refusalOf(apikey.OutsideWindow), refusalOf(apikey.IPNotAllowed)
		return &BotKeyPage{Base: in(c, "/keys/"+gridBot.ID), Key: gridBot, Form: gridForm, More: 40, Story: []BotKeyLine{
			{At: at(12, 14, 5), Addr: "203.0.113.7", Place: "Seoul, South Korea", Call: callOf(apikey.ClassRead), N: 58},
			{At: at(12, 14, 5), Addr: "203.0.113.7", Call: callOf(apikey.ClassTrade), N: 4},
			{At: at(12, 13, 47), Addr: "198.51.100.9", Place: "Lyon, France", Call: callOf(apikey.ClassRead), Why: &address, Code: "IP_NOT_ALLOWED", N: 2},
			{At: at(12, 10, 2), Call: callOf(apikey.ClassCancel), Why: &clock, Code: "TIMESTAMP_OUTSIDE_WINDOW", N: 1},
		}}
	}},
	{"botkey-refused", func(c string) View {
		k, f := gridBot, gridForm
		k.MadeHere, k.Refused, k.RefusedN, f.Places = false, nil, 0, "10.0.0.0/8"
		return &BotKeyPage{Base: in(c, "/keys/"+k.ID), Key: k, Form: f, Refused: refusedIn(c, "apikey_address", "10.0.0.0/8")}
	}},
	{"botkey-suspected", func(c string) View {
		k := lapsedBot
		k.ID, k.Expires, k.Stops, k.Suspected, k.InBrowser, k.Signs, k.Profile = "organizations/3f2504e0-4f89-11d3-9a0c-0305e82c3301/apiKeys/6ba7b810-9dad-11d1-80b4-00c04fd430c8", at(28, 9, 0), at(30, 9, 0), true, true, false, "Coinbase Exchange"
		k.Brought, k.MadeOn, k.MadeAddr = true, "", ""
		return &BotKeyPage{Base: in(c, "/keys/x"), Key: k}
	}},
	{"botkey-ended", func(c string) View {
		return &BotKeyPage{Base: in(c, "/keys/"+endedBot.ID), Key: endedBot}
	}},
	{"botkey-new", func(c string) View {
		return &BotKeyNew{Base: in(c, "/keys/new"), Form: newForm, Seen: "203.0.113.9"}
	}},
	{"botkey-new-refused", func(c string) View {
		f := newForm
		f.Purpose, f.Kind, f.Scopes = "Grid trading, BTC and ETH", "hmac-sha256", []string{"read.account", "trade.spot"}
		return &BotKeyNew{Base: in(c, "/keys/new"), Form: f, Refused: refusedIn(c, "apikey_needs_addresses", ""), Seen: "2001:db8:40:71::9"}
	}},
	{"botkey-new-private", func(c string) View {
		return &BotKeyNew{Base: in(c, "/keys/new"), Form: newForm, Refused: &KeyRefused{Code: "apikey_public", Private: true}, Blocked: true}
	}},
	{"botkey-new-page", func(c string) View {
		f := newForm
		f.Where = "page"
		return &BotKeyNew{Base: in(c, "/keys/new"), Form: f, InPage: true, Seen: "203.0.113.9"}
	}},
	{"botkey-made", func(c string) View {
		return &BotKeyMade{Base: in(c, "/"), Key: gridBot}
	}},
	{"botkey-made-secret", func(c string) View {
		k := taxExport
		k.Partner = ""
		return &BotKeyMade{Base: in(c, "/"), Key: k, Secret: "kws_live_0123456789abcdefghijABCDEFGHIJ0123456789abcABCDEF", Passphrase: "3f9c0a5d7e1b2c48"}
	}},
	{"botkey-stepup", func(c string) View {
		return &StepUp{Base: in(c, "/stepup?act=botkeys.change"), Act: "botkeys.change", Object: gridBot.ID, Name: gridBot.Purpose, To: "/keys/" + gridBot.ID, Cancel: "/keys/" + gridBot.ID, Lasts: 5 * time.Minute, Asked: chrome, SignedIn: at(12, 14, 2)}
	}},
	{"botkey-rotate", func(c string) View {
		return &BotKeyRotate{Base: in(c, "/keys/"+gridBot.ID+"/rotate"), Key: gridBot, Form: BotKeyTurn{Why: "cadence", Hours: "24", Days: "90"}, First: true, Stage: text("rehearse.none"),
			Asked: &BotKeyAsked{Partner: "Gridmaster", What: "2.1", Why: "New servers, and the old ones are switched off on Friday.", At: at(11, 9, 0)}}
	}},
	{"botkey-rotate-refused", func(c string) View {
		return &BotKeyRotate{Base: in(c, "/keys/x/rotate"), Key: taxExport, Form: BotKeyTurn{Why: "update", Hours: "48", Days: "90"}, First: true, Stage: text("rehearse.running"), Refused: refusedIn(c, "apikey_unrehearsed", ""), Blocked: true}
	}},
	{"botkey-rotate-moving", func(c string) View {
		k, why := gridBot, refusalOf(apikey.IPNotAllowed)
		k.Signing, k.Moving = 2, at(12, 9, 30)
		return &BotKeyRotate{Base: in(c, "/keys/"+k.ID+"/rotate"), Key: k, Form: BotKeyTurn{Why: "cadence", Hours: "24", Days: "90"}, Moving: true, By: text("rotate.by.owner"), Latest: at(13, 9, 30),
			New: BotKeyVersion{N: 2, Name: k.ID, Made: at(12, 9, 30), Calls: 1045, Refused: 3, Used: at(12, 14, 7), Addr: "203.0.113.7", Place: "Seoul, South Korea"},
			Old: BotKeyVersion{N: 1, Name: k.ID, Made: at(1, 9, 0), Calls: 214, Used: at(12, 14, 6), Addr: "203.0.113.7", Place: "Seoul, South Korea"},
			Blockers: []BotKeyFinding{{Say: text("rotate.what.old-used"), Addr: "203.0.113.7", N: 214, At: at(12, 14, 6)},
				{Say: text("rotate.what.new-refused"), Why: &why, Addr: "198.51.100.9", N: 3, At: at(12, 13, 47)}},
			KeepUntil: at(20, 9, 30), KeepMicros: 1773966600000000, KeepObject: k.ID + "~keep", UndoObject: k.ID + "~undo"}
	}},
	{"botkey-rotate-quiet", func(c string) View {
		k := taxExport
		k.Signing, k.Moving = 2, at(12, 9, 30)
		return &BotKeyRotate{Base: in(c, "/keys/"+k.ID+"/rotate"), Key: k, Moving: true, By: text("rotate.by.self"), Latest: at(13, 9, 30),
			New: BotKeyVersion{N: 2, Name: k.ID, Made: at(12, 9, 30), Calls: 60, Used: at(12, 14, 7), Addr: "203.0.113.7"}, Old: BotKeyVersion{N: 1, Name: k.ID, Made: at(2, 8, 0)}, UndoObject: k.ID + "~undo"}
	}},
	{"botkey-rotated", func(c string) View {
		return &BotKeyRotated{Base: in(c, "/"), Key: gridBot, N: 2, Name: gridBot.ID, OldEnds: at(13, 14, 7)}
	}},
	{"botkey-rotated-leaked", func(c string) View {
		k := taxExport
		k.ID = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
		return &BotKeyRotated{Base: in(c, "/"), Key: k, N: 3, Name: taxExport.ID, Renamed: true, Secret: "kws_live_0123456789abcdefghijABCDEFGHIJ0123456789abcABCDEF", Passphrase: "3f9c0a5d7e1b2c48"}
	}},
	{"botkey-rehearse", func(c string) View {
		clock := refusalOf(apikey.OutsideWindow)
		return &BotKeyRehearse{Base: in(c, "/keys/"+gridBot.ID+"/rehearse"), Key: gridBot, Twin: laterBot, Stage: text("rehearse.broke"), Findings: []BotKeyFinding{
			{Say: text("rotate.what.failed-after"), Addr: "192.0.2.40", N: 12, At: at(12, 13, 50)},
			{Say: text("rotate.what.new-refused"), Why: &clock, Addr: "203.0.113.7", N: 2, At: at(12, 13, 20)}, {Say: text("rotate.what.old-unused")}}}
	}},
	{"botkey-rehearse-passed", func(c string) View {
		return &BotKeyRehearse{Base: in(c, "/keys/"+taxExport.ID+"/rehearse"), Key: taxExport, Twin: laterBot, Stage: text("rehearse.passed"), Passed: true}
	}},
	{"botkey-end", func(c string) View { return &BotKeyEnd{Base: in(c, "/keys"), Key: gridBot} }},
}
