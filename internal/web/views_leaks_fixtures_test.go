package web

import "keyward/internal/apikey"

// leakFixtures are the pages of keys that were found outside, or that nobody uses.
var leakFixtures = []fixture{
	{"botkey-leaked", func(c string) View {
		k := gridBot
		k.State, k.Suspected, k.Signs, k.Locked, k.Refused, k.RefusedN = KeyLeaving, true, false, true, nil, 0
		k.Leaked = &BotKeyLeak{At: at(12, 9, 30), Say: text("botkey.found.github"), Where: "github.com/somebody/trading-bot/blob/9fceb02d0ae598e95dc970b74767f19372d61af8/config/production.env"}
		return &BotKeyPage{Base: in(c, "/keys/"+k.ID), Key: k}
	}},
	{"botkey-leaked-report", func(c string) View {
		k := gridBot
		k.State, k.Suspected, k.Refused, k.RefusedN, k.Locked = KeyLeaving, true, nil, 0, false
		k.Leaked = &BotKeyLeak{At: at(12, 9, 30), Say: text("botkey.found.nowhere")}
		return &BotKeyPage{Base: in(c, "/keys/"+k.ID), Key: k}
	}},
	{"botkey-asleep", func(c string) View {
		k := gridBot
		k.Refused, k.RefusedN, k.Locked = nil, 0, true
		k.Rights = rightsOf(apikey.ReadAccount | apikey.TradeSpot | apikey.TransferInternal | apikey.Withdraw)
		k.Asleep, k.IdleSince = rightsOf(apikey.TransferInternal|apikey.Withdraw), at(1, 9, 0)
		return &BotKeyPage{Base: in(c, "/keys/"+k.ID), Key: k, Form: gridForm}
	}},
	{"botkeys-leaked", func(c string) View {
		k, sleeping := gridBot, taxExport
		k.State, k.Suspected, k.Refused, k.RefusedN = KeyLeaving, true, nil, 0
		k.Leaked = &BotKeyLeak{At: at(12, 9, 30), Say: text("botkey.found.report"), Where: "pastebin.example"}
		sleeping.Asleep, sleeping.IdleSince = rightsOf(apikey.TransferInternal), at(1, 9, 0)
		return &BotKeys{Base: in(c, "/keys"), Keys: []BotKey{k, sleeping}}
	}},
	{"botkey-stepup-wake", func(c string) View {
		return &StepUp{Base: in(c, "/stepup?act=botkeys.wake"), Act: "botkeys.wake", Object: gridBot.ID, Name: gridBot.Purpose, To: "/keys/" + gridBot.ID, Cancel: "/keys/" + gridBot.ID, Lasts: 300e9, Asked: chrome, SignedIn: at(12, 14, 2)}
	}},
}
