package web

import (
	"fmt"
	"slices"
	"time"

	"keyward/internal/edge"
	"keyward/internal/lang"
)

// fixture is one page with the facts of one imagined account.
type fixture struct {
	name string
	view func(code string) View
}

var seoul = time.FixedZone("KST", 9*60*60)

// at is a moment of March 2026 in Seoul; the pages' own time is the 12th, 14:07:31.
func at(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, seoul) }

func out(code, path string) Base {
	return Base{Lang: code, Product: "Keyward", Host: "login.exchange.example", Domain: "exchange.example", Path: path,
		RequestID: "8F3K-21", Now: time.Date(2026, 3, 12, 14, 7, 31, 0, seoul), Zone: seoul}
}

func in(code, path string) Base {
	b := out(code, path)
	b.Who = &Who{Mail: "owner@mail.example", AccessUntil: b.Now.Add(4 * time.Minute)}
	return b
}

func with(b Base, change func(*Base)) Base { change(&b); return b }

var (
	chrome  = Agent{"Chrome", "Windows 11"}
	firefox = Agent{"Firefox", "Linux"}
	galaxy  = Passkey{ID: "key_01jp5b0a3v8qk2m9x7c4d6e1fz", Name: "Galaxy S26", Kind: OnPhone, Grade: Proved, Created: at(3, 10, 12), LastUsed: at(12, 14, 2), LastOn: chrome, Evidence: Evidence{Where: "phone", Says: "google.strongbox"}}
	shared  = Passkey{ID: "key_01jp7f3m0q9w8e7r6t5y4u3i2o", Name: "MacBook", Kind: InManager, Grade: Shared, Maker: "iCloud Keychain", Created: at(9, 8, 12), LastUsed: at(11, 21, 40), LastOn: Agent{"Safari", "macOS"}, Here: true}
	claimed = Passkey{ID: "key_01jp8h2n4s6d8f0g2h4j6k8l0z", Name: "Work PC", Kind: OnComputer, Grade: Claimed, Created: time.Date(2025, 11, 2, 9, 0, 0, 0, seoul), LastOn: chrome, Evidence: Evidence{Where: "claimed", Faults: []string{"unknown_root"}}}
	stick   = Passkey{ID: "key_01jp9k5p7t9v1x3z5b7d9f1h3j", Name: "파란 키, 서랍", Kind: OnSecurityKey, Grade: Proved, Maker: "YubiKey 5", Created: at(10, 19, 5), Evidence: Evidence{Where: "key", Says: "maker", Model: "YubiKey 5 Series with NFC", Checked: 1}}

	stranger = Device{ID: "dev_01jp2c4e6g8j0m2p4r6t8w0y2a", Agent: firefox, NeedsAnswer: true, FirstSeen: at(7, 3, 20), LastSeen: at(7, 3, 44),
		Sessions: []Session{{ID: "ses_01jp2c4e6g8j0m2p4r6t8w0y2b", Agent: firefox, How: ByCode, Weak: true, SignedIn: at(7, 3, 20), LastSeen: at(7, 3, 44), Addr: "198.51.100.9", Place: "Lyon, France"}}}
	here = Device{ID: "dev_01jp5b0a3v8qk2m9x7c4d6e1f1", Agent: chrome, Kind: Desktop, Here: true, FirstSeen: at(1, 9, 0), LastSeen: at(12, 14, 7), Remembered: time.Date(2026, 4, 11, 14, 2, 0, 0, seoul),
		Sessions: []Session{{ID: "ses_01jp5b0a3v8qk2m9x7c4d6e1f2", Here: true, Bound: at(12, 14, 2), Agent: chrome, How: ByNearby, SignedIn: at(12, 14, 2), LastSeen: at(12, 14, 7), Addr: "203.0.113.7"}}}
	phone = Device{ID: "dev_01jp5b0a3v8qk2m9x7c4d6e1f3", Name: "Galaxy S26", Agent: Agent{"Samsung Internet", "Android 16"}, Kind: Phone, FirstSeen: at(3, 10, 0), LastSeen: at(12, 12, 3), Passkeys: []string{"Galaxy S26"}, OnlyPasskey: true,
		Sessions: []Session{
			{ID: "ses_01jp5b0a3v8qk2m9x7c4d6e1f4", Agent: Agent{"Samsung Internet", "Android 16"}, How: ByPasskey, SignedIn: at(9, 20, 11), LastSeen: at(12, 12, 3), Addr: "2001:db8:40::7"},
			{ID: "ses_01jp5b0a3v8qk2m9x7c4d6e1f5", Agent: Agent{"Chrome", "Android 16"}, How: ByPasskey, SignedIn: at(3, 10, 12), LastSeen: at(10, 8, 30), Addr: "203.0.113.7"}}}
	resting = Device{ID: "dev_01jp5b0a3v8qk2m9x7c4d6e1f6", Agent: Agent{"Safari", "macOS"}, Kind: Desktop, FirstSeen: at(2, 8, 0), LastSeen: at(9, 8, 30), Passkeys: []string{"MacBook", "Work PC"}}

	week = []Mark{{At: at(7, 3, 20), On: firefox, New: true}, {At: at(9, 20, 11), On: Agent{"Samsung Internet", "Android 16"}}, {At: at(12, 14, 2), On: chrome}}

	codes = []string{"7KQ2M-XW4RT-9B3NC-0HZ6Y-VD8PE", "4TJ9F-N2G6A-WC7XK-5RM1S-B0QHY", "Z8V3D-6PK4E-H1WNT-J7Y2C-X9MAG", "0BQ5R-S8F2H-KX6JD-3VN9W-T4CPE", "M2Y7G-C5TZ1-9QDR8-WA4KX-6HJNV",
		"F6N0K-8XJ3P-V2MGB-T9CWE-5QZRD", "R1H4S-D7W9Y-N0KQC-8FXT2-M6BJA", "3GZ8E-Q4VB6-J5RPX-C1SNH-K7W0T", "9CXM5-T2HKF-6YD0N-B8QGZ-R3VJW", "H7A2W-5KEN9-Z4CSR-X0TMV-1DPBQ"}

	longPayment = Payment{Amount: "1204.000000000000000001", Asset: "USDT", Network: "ethereum-mainnet", MaxFee: "3.5", Memo: "Invoice 2026-03/118, thank you",
		Address: "addr1qx2fxv2umyhttkxyxp8x0dlpdt3k6cwng5pxj3jhsydzer3n0d3vllmyqwsx5wktcd8cc3sq835lu7drv2xwl"}
	portfolio = AppGrant{ID: "grt_01jp5b0a3v8qk2m9x7c4d6e901", Client: "app_1", App: "Portfolio View", Domain: "portfolio-view.example", Purpose: "To show all your holdings in one place.",
		Powers: inOrder([]string{"email", "offline_access", "openid", "read", "trade"}), Given: at(9, 21, 10), Used: at(12, 14, 2), Ends: at(9, 21, 10).Add(90 * 24 * time.Hour), Offline: true, On: "MacBook", Suspect: at(12, 13, 47)}
	taxHelper   = AppGrant{ID: "grt_01jp5b0a3v8qk2m9x7c4d6e902", Client: "app_2", App: "Tax helper", Powers: inOrder([]string{"openid", "read"}), Given: time.Date(2025, 12, 30, 8, 0, 0, 0, seoul), Used: at(1, 7, 30), Ends: at(30, 8, 0), Offline: true, On: "Safari on macOS"}
	exchangeApp = AppGrant{ID: "grt_01jp5b0a3v8qk2m9x7c4d6e903", Client: "app_3", App: "Example Exchange", Ours: true, Powers: inOrder([]string{"email", "openid", "read", "trade"}), Given: at(12, 14, 2), Used: at(12, 14, 5), Ends: at(13, 14, 2), On: "Chrome on Windows 11"}
	bookkeeper  = AppGrant{ID: "grt_01jp5b0a3v8qk2m9x7c4d6e904", Client: "app_4", App: "Wintersonnenwende Buchhaltungs- und Vermögensverwaltungsgesellschaft", Domain: "pay.wintersonnenwende-buchhaltung.example", Purpose: "Pays your suppliers, as an accountant would: each payment is asked for by itself and shown to you in full before anything is paid out.",
		Powers: []string{"openid"}, Payments: []Payment{longPayment}, Given: at(11, 10, 0), Used: at(11, 10, 0), Ends: at(11, 10, 0).Add(30 * 24 * time.Hour), On: "Firefox on Linux"}

	entries = []Entry{
		{ID: "evt_01jp5b0a3v8qk2m9x7c4d6e201", At: at(12, 14, 2), Sentence: "You signed in with a passkey.", Method: ByNearby, HasMethod: true, Agent: chrome, Addr: "203.0.113.7", RequestID: "8F3K-21", CanDoubt: true},
		{ID: "evt_01jp5b0a3v8qk2m9x7c4d6e202", At: at(12, 13, 47), Sentence: "A copied refresh token was presented without the key of this browser. Nothing was issued.", Refused: true, Agent: firefox, Addr: "198.51.100.9", Place: "Lyon, France", RequestID: "7XC2-09", CanDoubt: true},
		{ID: "evt_01jp5b0a3v8qk2m9x7c4d6e203", At: at(9, 10, 41), Sentence: "A support agent viewed your devices. Reason: your question in case 1182.", Staff: true, RequestID: "6KE1-40"},
		{ID: "evt_01jp5b0a3v8qk2m9x7c4d6e204", At: at(9, 8, 12), Sentence: "You removed the passkey “MacBook password manager”.", Agent: chrome, Addr: "203.0.113.7", RequestID: "6KD8-71", CanDoubt: true},
		{ID: "evt_01jp5b0a3v8qk2m9x7c4d6e205", At: at(7, 3, 20), Sentence: "A recovery code was used on a new device: Firefox on Linux.", New: true, Method: ByCode, HasMethod: true, Agent: firefox, Addr: "198.51.100.9", RequestID: "5JX3-18", CanDoubt: true},
	}
)

var fixtures = slices.Concat(botKeyFixtures, subFixtures, leakFixtures, joinFixtures, confirmFixtures, []fixture{
	{"session-touch", func(c string) View { return &Touch{Base: out(c, "/session/touch"), To: "/devices"} }},
	{"signin", func(c string) View {
		return &SignIn{Base: out(c, "/signin"), SessionFor: 12 * time.Hour, RememberFor: 30 * 24 * time.Hour}
	}},
	{"signin-demo", func(c string) View {
		return &SignIn{Base: with(out(c, "/signin"), func(b *Base) { b.Demo, b.Host, b.Domain = true, "localhost:7480", "" }), Note: NoteSignedOut, To: "/devices?x=1", DemoPasskey: true, SessionFor: 12 * time.Hour, RememberFor: 30 * 24 * time.Hour}
	}},
	{"signin-retired", func(c string) View {
		return &SignIn{Base: out(c, "/signin?note=retired"), Note: NoteRetired, SessionFor: 24 * time.Hour, RememberFor: 30 * 24 * time.Hour}
	}},
	{"signin-ended", func(c string) View {
		return &SignIn{Base: out(c, "/signin"), Note: NoteEnded, To: "/passkeys", SessionFor: 12 * time.Hour, RememberFor: 30 * 24 * time.Hour}
	}},
	{"signin-noscript", func(c string) View {
		return &SignIn{Base: out(c, "/signin"), Note: NoteNeedsScript, SessionFor: 12 * time.Hour, RememberFor: 30 * 24 * time.Hour}
	}},
	{"signin-code", func(c string) View { return &SignInCode{Base: out(c, "/signin/code")} }},
	{"signin-code-failed", func(c string) View {
		return &SignInCode{Base: out(c, "/signin/code"), Mail: "owner@mail.example", Failed: true}
	}},
	{"signin-code-wait", func(c string) View { return &SignInCode{Base: out(c, "/signin/code"), RetryIn: 4 * time.Minute} }},
	{"signup", func(c string) View { return &SignUp{Base: out(c, "/signup")} }},
	{"signup-bad", func(c string) View { return &SignUp{Base: out(c, "/signup"), Mail: "owner@", BadMail: true} }},
	{"signup-passkey", func(c string) View { return &SignUpPasskey{Base: out(c, "/signup"), Mail: "owner@mail.example"} }},
	{"codes-new", func(c string) View { return &CodesNew{Base: in(c, "/codes/new"), Left: 3, Total: 10} }},
	{"codes-new-signup", func(c string) View { return &CodesNew{Base: in(c, "/codes/new?step=3"), Wizard: true, Total: 10} }},
	{"codes-shown", func(c string) View {
		return &CodesShown{Base: in(c, "/codes"), Wizard: true, Codes: codes, Made: at(12, 14, 7)}
	}},
	{"codes-confirm", func(c string) View { return &CodesConfirm{Base: in(c, "/codes/confirm"), Wizard: true, Failed: true} }},
	{"codes", func(c string) View {
		return &Codes{Base: in(c, "/codes"), Left: 8, Total: 10, Made: at(3, 10, 20), Confirmed: at(4, 9, 0), LastUsed: at(7, 3, 20), Checked: CheckedRight}
	}},
	{"codes-few", func(c string) View {
		return &Codes{Base: in(c, "/codes"), Left: 1, Total: 10, Made: at(3, 10, 20), Checked: CheckedUsed}
	}},
	{"codes-none", func(c string) View { return &Codes{Base: in(c, "/codes"), Total: 10} }},
	{"home", func(c string) View {
		return &Home{Base: in(c, "/"), Changed: at(9, 8, 12), Passkeys: []Passkey{galaxy}, Devices: 3, Sessions: 4, NewestDevice: at(7, 3, 20), CodesLeft: 8, CodesMade: at(3, 10, 20), CodesChecked: at(4, 9, 0), MailVerified: true, BotKeys: 4, BotKeyNames: "Grid trading, BTC and ETH, Yearly tax export, Arbitrage, April", Apps: 2, AppNames: "Portfolio View, Tax helper", Latest: at(12, 14, 2), Events: 12}
	}},
	{"home-good", func(c string) View {
		return &Home{Base: in(c, "/"), Changed: at(9, 8, 12), Passkeys: []Passkey{galaxy, stick}, Devices: 1, Sessions: 1, CodesLeft: 10, CodesMade: at(3, 10, 20), CodesChecked: at(4, 9, 0), MailVerified: true}
	}},
	{"home-asked", func(c string) View {
		return &Home{Base: in(c, "/"), Changed: at(9, 8, 12), Passkeys: []Passkey{galaxy, stick}, Devices: 2, Sessions: 2, CodesLeft: 10, CodesMade: at(3, 10, 20), CodesChecked: at(4, 9, 0), MailVerified: true, Waiting: []Asked{{ID: "int_01jp5b0a3v8qk2m9x7c4d6e1f8", Sum: "0.25 BTC"}}}
	}},
	{"home-new", func(c string) View {
		return &Home{Base: in(c, "/"), Passkeys: []Passkey{galaxy}, Devices: 2, Sessions: 2, Unanswered: []Device{stranger}, Apps: 1, AppNames: "Portfolio View", BotKeys: 1, BotKeyNames: "Old market maker", BotKeySuspect: "Old market maker", AppSuspect: "Portfolio View", Events: 1}
	}},
	{"home-frozen", func(c string) View {
		return &Home{Base: with(in(c, "/"), func(b *Base) { b.Who.Frozen = &Frozen{At: at(12, 13, 50), How: FrozenByMail} }), Changed: at(12, 13, 50), Passkeys: []Passkey{galaxy, shared}, Devices: 1, Sessions: 1, CodesLeft: 2, CodesMade: at(3, 10, 20), MailVerified: true, Events: 4}
	}},
	{"passkeys-one", func(c string) View {
		return &Passkeys{Base: in(c, "/passkeys"), Keys: []Passkey{galaxy}, Removed: []RemovedPasskey{{Name: "MacBook password manager", Kind: InManager, Grade: Shared, At: at(9, 8, 12), ByWhom: RemovedByYou}}}
	}},
	{"passkeys", func(c string) View {
		return &Passkeys{Base: with(in(c, "/passkeys"), func(b *Base) {
			b.Receipt = &Receipt{Did: DidAddPasskey, Name: stick.Name, At: b.Now}
			b.Signals = &Signals{RPID: "exchange.example", UserHandle: "7Jk0", Credentials: []string{"AQID", "BAUG"}, Name: "owner@mail.example", DisplayName: "owner@mail.example"}
		}), Keys: []Passkey{galaxy, shared, claimed, stick}}
	}},
	{"passkey-add", func(c string) View { return &PasskeyAdd{Base: in(c, "/passkeys/add")} }},
	{"passkey-add-stick", func(c string) View {
		return &PasskeyAdd{Base: in(c, "/passkeys/add?kind=security-key"), SecurityKey: true, NeedsScript: true, Strange: true}
	}},
	{"passkey-rename", func(c string) View { return &PasskeyRename{Base: in(c, "/passkeys"), Key: galaxy, BadName: true} }},
	{"passkey-remove", func(c string) View {
		return &Impact{Base: in(c, "/passkeys"), Of: OfPasskey, ID: shared.ID, Name: shared.Name, Passkeys: []string{shared.Name}, KeysLeft: 2, Act: "keys.remove", Grade: Shared, Sessions: phone.Sessions[:1]}
	}},
	{"devices", func(c string) View {
		return &Devices{Base: in(c, "/devices"), List: []Device{phone, here, stranger}, Week: Week(out(c, "").Now, seoul, week),
			Ended: []Ended{{Name: "Safari on MacBook", At: at(3, 14, 3), Why: EndedByYou, Took: 800 * time.Millisecond}, {Agent: chrome, At: at(1, 9, 0), Why: EndedIdle}}}
	}},
	{"devices-after", func(c string) View {
		return &Devices{Base: with(in(c, "/devices"), func(b *Base) {
			b.Receipt = &Receipt{Did: DidEndOthers, Count: 3, At: b.Now, Took: 812 * time.Millisecond, OfflineUntil: b.Now.Add(time.Second)}
		}), List: []Device{here, resting}, Week: Week(out(c, "").Now, seoul, week[2:])}
	}},
	{"device-remove", func(c string) View {
		return &Impact{Base: in(c, "/devices"), Of: OfDevice, ID: phone.ID, Name: phone.Name, Sessions: phone.Sessions, Passkeys: []string{"Galaxy S26"}, KeysLeft: 0, Act: "devices.remove"}
	}},
	{"device-remove-all", func(c string) View {
		return &Impact{Base: in(c, "/devices"), Of: OfDevice, ID: stranger.ID, Name: "Work laptop", Sessions: stranger.Sessions, Bound: true, Passkeys: []string{"Work laptop"}, InManager: true, KeysLeft: 1, Act: "devices.remove",
			Apps: []string{"Chart House"}, Shared: []SharedKey{{ID: shared.ID, Name: shared.Name, Manager: "Google Password Manager"}, {ID: "key_9", Name: "Other"}},
			BotKeys: []BotKey{{ID: "kwk_live_1", Purpose: "Grid bot on my VPS", State: "active"}, {ID: "kwk_live_2", Purpose: "Tax report", State: "exit_only"}}}
	}},
	{"devices-after-lost", func(c string) View {
		return &Devices{Base: with(in(c, "/devices"), func(b *Base) {
			b.Receipt = &Receipt{Did: DidRemoveDevice, Name: "Work laptop", Count: 1, Keys: 2, At: b.Now, Took: 640 * time.Millisecond}
		}), List: []Device{here}, Week: Week(out(c, "").Now, seoul, week[2:])}
	}},
	{"device-remove-ok", func(c string) View {
		return &Impact{Base: in(c, "/devices"), Of: OfDevice, ID: stranger.ID, Name: stranger.Agent.In(c), Sessions: stranger.Sessions, KeysLeft: 1}
	}},
	{"session-end", func(c string) View {
		return &Impact{Base: in(c, "/devices"), Of: OfSession, ID: here.Sessions[0].ID, Name: chrome.In(c), Here: true, Sessions: here.Sessions, KeysLeft: 1}
	}},
	{"not-me", func(c string) View {
		return &NotMe{Base: in(c, "/devices"), Action: "/devices/" + stranger.ID + "/not-me", Device: &stranger, At: at(7, 3, 20), Addr: "198.51.100.9", Place: "Lyon, France"}
	}},
	{"not-me-event", func(c string) View {
		return &NotMe{Base: in(c, "/activity"), Action: "/activity/evt_1/not-me", Sentence: entries[4].Sentence, At: at(7, 3, 20), Addr: "198.51.100.9", KeySince: true}
	}},
	{"activity", func(c string) View {
		return &Activity{Base: in(c, "/activity"), Entries: entries, Older: "evt_01jp5b0a3v8qk2m9x7c4d6e205"}
	}},
	{"activity-none", func(c string) View {
		return &Activity{Base: with(in(c, "/activity?kind=staff"), func(b *Base) { b.Who.Weak = true }), Kind: StaffActivity}
	}},
	{"stepup", func(c string) View {
		return &StepUp{Base: in(c, "/stepup?act=keys.remove"), Act: "keys.remove", Object: shared.ID, Name: shared.Name, To: "/passkeys/" + shared.ID + "/remove", Cancel: "/passkeys", Lasts: 5 * time.Minute, Asked: chrome, SignedIn: at(12, 14, 2)}
	}},
	{"stepup-narrow", func(c string) View {
		return &StepUp{Base: in(c, "/stepup?act=codes.new"), Act: "codes.new", Lasts: 5 * time.Minute, Asked: chrome, SignedIn: at(12, 14, 2), With: []string{"YubiKey 5", "MacBook"}, NewTil: at(13, 9, 41), Hard: true}
	}},
	{"stepup-new", func(c string) View {
		return &StepUp{Base: in(c, "/stepup?act=freeze.lift"), Act: "freeze.lift", Lasts: 5 * time.Minute, Asked: chrome, SignedIn: at(12, 14, 2), None: true, NewTil: at(13, 9, 41), OnApp: []string{"Galaxy S26"}}
	}},
	{"stepup-hard", func(c string) View {
		return &StepUp{Base: in(c, "/stepup?act=botkeys.unlock"), Act: "botkeys.unlock", Object: "kwk_1", Name: "Grid trading, BTC and ETH", Lasts: 5 * time.Minute, Asked: chrome, SignedIn: at(12, 14, 2), None: true, Hard: true}
	}},
	{"error-too-new", func(c string) View {
		return &ErrorPage{Base: in(c, "/codes/new"), Status: 403, Code: "key_too_new", Title: "This passkey is too new for that", Detail: "For a day after it was added, a passkey has no power over what is older than it.", Until: at(13, 9, 41), Next: []NextStep{NextHome, NextHelp}}
	}},
	{"renew", func(c string) View { return &Renew{Base: out(c, "/session/renew?to=%2Fdevices"), To: "/devices"} }},
	{"leave", func(c string) View {
		return &Leave{Base: in(c, "/oauth/logout?client_id=app_1"), App: "Portfolio View", Client: "app_1", To: "https://app.example.net/bye", State: "st-1"}
	}},
	{"leave-done", func(c string) View {
		return &Leave{Base: out(c, "/oauth/logout/confirm"), App: "Portfolio View", To: "https://app.example.net/bye", Done: true}
	}},
	{"authorize", func(c string) View {
		return &Authorize{Base: in(c, "/oauth/authorize?ask=kwq_1"), Ask: "kwq_1", Auto: true, App: "Example Exchange", Site: "www.exchange.example", Redirect: "https://www.exchange.example/enter"}
	}},
	{"authorize-ask", func(c string) View {
		return &Authorize{Base: in(c, "/oauth/authorize?ask=kwq_2"), Ask: "kwq_2", App: "Portfolio View", Domain: "portfolio-view.example", Site: "app.portfolio-view.example",
			Purpose: "To show all your holdings in one place, and to rebalance them once a month.", Offline: true,
			Redirect: "https://app.portfolio-view.example/back", Powers: inOrder([]string{"email", "offline_access", "openid", "read", "trade"}), Until: at(12, 14, 2).Add(90 * 24 * time.Hour), Deny: "https://app.portfolio-view.example/back?error=access_denied"}
	}},
	{"authorize-other", func(c string) View {
		return &Authorize{Base: in(c, "/oauth/authorize?ask=kwq_6"), Ask: "kwq_6", Other: true, App: "Example Exchange", Ours: true, Site: "www.exchange.example", Redirect: "https://www.exchange.example/enter",
			Powers: inOrder([]string{"openid", "read"}), Until: at(12, 14, 2).Add(30 * 24 * time.Hour), Deny: "https://www.exchange.example/enter?error=access_denied"}
	}},
	{"authorize-unchecked", func(c string) View {
		return &Authorize{Base: in(c, "/oauth/authorize?ask=kwq_3"), Ask: "kwq_3", App: "Tax helper", Site: "127.0.0.1:4711",
			Redirect: "http://127.0.0.1:4711/back", Powers: inOrder([]string{"openid", "read"}), Until: at(12, 14, 2).Add(90 * 24 * time.Hour), Deny: "http://127.0.0.1:4711/back?error=access_denied"}
	}},
	{"authorize-ours", func(c string) View {
		return &Authorize{Base: in(c, "/oauth/authorize?ask=kwq_4"), Ask: "kwq_4", App: "Example Exchange", Ours: true, Site: "example.exchange.app", Offline: true,
			Redirect: "example.exchange.app:/back", Powers: inOrder([]string{"contacts", "devices", "keys", "offline_access", "openid", "read", "trade"}), Until: at(12, 14, 2).Add(90 * 24 * time.Hour), Deny: "example.exchange.app:/back?error=access_denied"}
	}},
	{"authorize-pay", func(c string) View {
		return &Authorize{Base: in(c, "/oauth/authorize?ask=kwq_5"), Ask: "kwq_5", App: "Wintersonnenwende Buchhaltungs- und Vermögensverwaltungsgesellschaft", Domain: "pay.wintersonnenwende-buchhaltung.example", Site: "pay.wintersonnenwende-buchhaltung.example",
			Purpose: "Pays your suppliers.", Payments: []Payment{longPayment}, Powers: inOrder([]string{"openid", "read"}),
			Redirect: "https://pay.wintersonnenwende-buchhaltung.example/back", Until: at(12, 14, 2).Add(90 * 24 * time.Hour), Deny: "https://pay.wintersonnenwende-buchhaltung.example/back?error=access_denied"}
	}},
	{"authorize-pay-only", func(c string) View {
		return &Authorize{Base: in(c, "/oauth/authorize?ask=kwq_6"), Ask: "kwq_6", App: "Bill Pay", Domain: "bill-pay.example", Site: "bill-pay.example",
			Payments: []Payment{{Amount: "0.25", Asset: "BTC", Network: "bitcoin", Address: "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}},
			Redirect: "https://bill-pay.example/back", Until: at(12, 14, 2).Add(90 * 24 * time.Hour), Deny: "https://bill-pay.example/back?error=access_denied"}
	}},
	{"apps", func(c string) View {
		return &Apps{Base: with(in(c, "/apps"), func(b *Base) {
			b.Receipt = &Receipt{Did: DidEndApp, Name: "Price Alerts", At: b.Now, Took: 410 * time.Millisecond, TokensUntil: b.Now.Add(5 * time.Minute)}
		}), Grants: []AppGrant{portfolio, exchangeApp, taxHelper}}
	}},
	{"apps-many", func(c string) View {
		v := &Apps{Base: in(c, "/apps"), Grants: []AppGrant{bookkeeper}}
		for i := range 4 {
			g := portfolio
			g.ID, g.Given, g.Used = fmt.Sprintf("grt_01jp5b0a3v8qk2m9x7c4d6e9%02d", i), at(10-i, 9, 0), at(12, 9+i, 0)
			g.Suspect = time.Time{}
			v.Grants = append(v.Grants, g)
		}
		return v
	}},
	{"apps-none", func(c string) View { return &Apps{Base: in(c, "/apps")} }},
	{"app-end", func(c string) View {
		return &AppEnd{Base: in(c, "/apps/"+portfolio.ID+"/end"), Grant: portfolio, Others: 2, Access: 5 * time.Minute}
	}},
	{"app-end-long", func(c string) View {
		return &AppEnd{Base: in(c, "/apps/"+bookkeeper.ID+"/end"), Grant: bookkeeper, Access: 5 * time.Minute}
	}},
	{"app-narrow", func(c string) View {
		return &AppNarrow{Base: in(c, "/apps/"+portfolio.ID+"/narrow"), Grant: portfolio, Access: 5 * time.Minute}
	}},
	{"verify-ask", func(c string) View {
		return &VerifyMail{Base: out(c, "/"), State: LinkAsk, Token: "cnt_01.abc", Mail: "owner@mail.example", MadeAt: at(12, 14, 2), MadeOn: chrome}
	}},
	{"verify-done", func(c string) View {
		return &VerifyMail{Base: out(c, "/"), State: LinkDone, Mail: "owner@mail.example"}
	}},
	{"verify-used", func(c string) View { return &VerifyMail{Base: out(c, "/"), State: LinkUsed} }},
	{"verify-expired", func(c string) View { return &VerifyMail{Base: out(c, "/"), State: LinkExpired} }},
	{"freeze", func(c string) View { return &Freeze{Base: in(c, "/freeze"), Sessions: 4, Devices: 3} }},
	{"freeze-out", func(c string) View { return &FreezeOut{Base: out(c, "/freeze")} }},
	{"freeze-sent", func(c string) View {
		return &FreezeOut{Base: out(c, "/freeze"), Mail: "owner@mail.example", Sent: true}
	}},
	{"freeze-link", func(c string) View { return &FreezeLink{Base: out(c, "/"), State: LinkAsk, Token: "frz.abc"} }},
	{"freeze-link-done", func(c string) View {
		return &FreezeLink{Base: out(c, "/"), State: LinkDone, Took: 640 * time.Millisecond}
	}},
	{"freeze-link-used", func(c string) View { return &FreezeLink{Base: out(c, "/"), State: LinkUsed} }},
	{"freeze-lift", func(c string) View {
		return &FreezeLift{Base: in(c, "/freeze/lift"), At: at(12, 13, 50), How: FrozenHere}
	}},
	{"lost-phone", func(c string) View { return &LostPhone{Base: out(c, "/lost-phone")} }},
	{"official", func(c string) View {
		return &Official{Base: out(c, "/official"), Hosts: []OfficialHost{{Host: "login.exchange.example", Domain: "exchange.example"}, {Host: "www.exchange.example", Domain: "exchange.example", What: "Trading"}, {Host: "exchange.example"}},
			MailFrom: []string{"security@exchange.example"}, Apps: []OfficialApp{{appAndroid, "example.exchange.app"}, {appIOS, "example.exchange.app"}}}
	}},
	{"help", func(c string) View { return &Help{Base: out(c, "/help")} }},
	{"errors", func(c string) View {
		return &Errors{Base: out(c, "/docs/errors"), Chapters: chaptersOf([]edge.Code{
			{Code: "session_ended", Anchor: "sessions", Status: 401, Title: "This session has ended", Detail: "It was ended or ran out. Sign in again to go on."},
			{Code: "session_unknown", Anchor: "sessions", Status: 404, Title: "There is no such session", Detail: "It may have ended long ago."},
			{Code: "last_key", Anchor: "keys", Status: 409, Title: "This is the last way in", Detail: "Add another passkey first."},
		})}
	}},
	{"error", func(c string) View {
		title, detail := "Another tab was faster", "This page was opened before you signed in again in another tab. Nothing was changed and nothing was lost."
		if c == lang.KO {
			title, detail = "다른 탭에서 먼저 처리했어요", "다른 탭에서 다시 로그인하기 전에 열린 페이지예요. 바뀌거나 사라진 것은 없어요."
		}
		return &ErrorPage{Base: in(c, "/devices"), Status: 409, Code: "superseded", Title: title, Detail: detail, Next: []NextStep{NextReload, NextHome}}
	}},
	{"error-busy", func(c string) View {
		return &ErrorPage{Base: out(c, "/devices"), Status: 503, Code: "busy", Title: "Too much at once", Detail: "The server has more to do than it can. Nothing was changed.", Next: []NextStep{NextReload, NextFreeze, NextHelp}, RetryIn: 2 * time.Second}
	}},
	{"error-held", func(c string) View {
		return &ErrorPage{Base: out(c, "/passkeys/add"), Status: 403, Code: "held", Title: "This has to wait", Detail: "A waiting time protects this account.", Next: []NextStep{NextHome, NextHelp},
			Because: "All recovery codes were used", Until: at(14, 9, 0)}
	}},
	{"stage", func(c string) View { return stageFixture(c) }},
	{"stage-empty", func(c string) View {
		return &Stage{Base: demo(c, "/demo"), Owner: StageOwner{Acts: []OwnerAct{OwnerSignIn}}, Tries: []StageTry{{ID: TryCopy}, {ID: TrySession}, {ID: TryRenew}, {ID: TryReplay}, {ID: TryStepUp}, {ID: TryOrder}, {ID: TryKey}}}
	}},
	{"mail-list", func(c string) View {
		return &MailList{Base: demo(c, "/demo/mail"), Mails: []Mail{{ID: "2", To: "owner@mail.example", Subject: "A new device signed in", At: at(12, 14, 2)}, {ID: "1", To: "owner@mail.example", Subject: "Confirm your mail address", At: at(12, 13, 58)}}}
	}},
	{"mail", func(c string) View {
		return &MailMessage{Base: demo(c, "/demo/mail/1"), Mail: Mail{ID: "1", To: "owner@mail.example", Subject: "Confirm your mail address", At: at(12, 13, 58)}, From: "security@localhost", Origin: "http://localhost:7480", HasHTML: true,
			Text: "Is this your mail address?\n\nConfirm it here:\nhttp://localhost:7480/mail/verify?t=cnt_01jp5b0a3v8qk2m9x7c4d6e1f1.Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4\n\nThe link only confirms. It signs nobody in.\nNot ours: http://evil.example/"}
	}},
})

func demo(code, path string) Base {
	return with(out(code, path), func(b *Base) { b.Demo, b.Host, b.Domain, b.RequestID = true, "localhost:7480", "", "D3M0-11" })
}

func stageFixture(c string) View {
	said := map[bool][2]string{
		false: {"A copied refresh token was presented without the key of this browser. Nothing was issued.", "A session cookie was used from 198.51.100.9 without its device key, and was refused."},
		true:  {"이 브라우저의 키 없이 복사한 갱신 토큰이 제시됐어요. 아무것도 발급하지 않았어요.", "198.51.100.9에서 기기 키 없이 세션 쿠키를 사용하려 해 거부했어요."},
	}[c == lang.KO]
	return &Stage{Base: demo(c, "/demo"),
		Owner: StageOwner{SignedIn: true, Mail: "owner@mail.example", Agent: chrome, Token: 8, Turned: 41 * time.Second, Acts: []OwnerAct{OwnerRenew, OwnerBot, OwnerEnd},
			Noticed: []StageNotice{{Sentence: said[0], At: at(12, 14, 3), Needs: true}}},
		Tries: []StageTry{{ID: TryCopy, State: TryCopied, Ready: true}, {ID: TrySession, State: TryRefused, Ready: true}, {ID: TryRenew, State: TryRefused, Ready: true}, {ID: TryReplay, Ready: true}, {ID: TryStepUp}, {ID: TryOrder, Ready: true}, {ID: TryKey}},
		Turns: []StageTurn{
			{N: 2, ID: TryRenew, Took: 1800 * time.Microsecond, Sentence: said[0], Owner: SeesTold,
				Request: []Span{{"POST", Strong}, {" /session/renew\nCookie: __Host-kw_rt=kwr_k2.fam_7d….", Plain}, {"6", Wrong}, {"…\nDPoP: none", Plain}},
				Answer:  []Span{{"401", Wrong}, {" proof_missing\nThis session is bound to a key\nthat never left the owner’s device.", Plain}}},
			{N: 1, ID: TrySession, Took: 900 * time.Microsecond, Sentence: said[1], Owner: SeesNoted,
				Request: []Span{{"GET", Strong}, {" /devices\nCookie: __Host-kw_at=…\nFrom: 198.51.100.9", Plain}},
				Answer:  []Span{{"401", Wrong}, {" proof_missing", Plain}}},
		}}
}
