package web

import (
	"net/url"
	"slices"
	"time"
)

// BotKeys lists what programs may do with keys of their own. Nothing of a key is folded away.
//
//	GET  /keys
//	POST /keys/{id}/place  (addr, version)  act botkeys.change; 303 /keys with a receipt
//	Links: /keys/new, /keys/{id}, /keys/{id}/end
type BotKeys struct {
	Base
	Keys  []BotKey // in use, newest first
	Ended []BotKey // newest first
}

func (*BotKeys) page() (string, string) { return "botkeys", "botkeys" }

// BotKey is a key as its owner knows it. Nothing secret is in it.
type BotKey struct {
	ID        string
	Object    string // of the touch for unlocking, waking and releasing it; "": its id
	Version   int64
	Purpose   string // in its owner's words
	Sub       string // sub-account, as its owner calls it; "" is the account itself
	SubID     string
	DayCap    string // how much it may trade a day, "" for as much as it likes
	DayCapIn  string
	Spent     string // of that, today; "" where nobody looked
	Unasked   int    // rights that no call needed for as long as stories are kept
	Partner   string // who was given it; "" for the owner's own
	State     BotKeyState
	Suspected bool        // may have leaked, so it may only look and cancel
	InBrowser bool        // because it signed in a web page
	Leaked    *BotKeyLeak // because somebody showed that they have its secret
	Replaced  bool        // that secret opens nothing any more
	Asleep    []Right     // that rest because nobody used it
	IdleSince time.Time   // what that was counted from
	Locked    bool        // its right to withdraw waits for another device
	Profile   string      // how its client signs; "" is our own way
	Signs     bool        // with a pair whose private half never was here; else both sides know a secret
	Rights    []Right
	Symbols   []string // that it may trade; none: all
	Allow     []string // where it works; none: everywhere
	Deny      []string
	Starts    time.Time
	Expires   time.Time
	Stops     time.Time // until then it may still look and cancel
	PerMin    int       // requests a minute
	Made      time.Time
	MadeOn    string // the device, as its owner calls it; "" is unknown
	MadeAddr  string
	MadeHere  bool      // on the device that looks: it cannot unlock what it made
	Brought   bool      // by the exchange, from where it was before; nobody made it here
	Used      time.Time // zero: never
	UsedAddr  string
	UsedPlace string // approximate; "" is unknown
	Refused   []BotKeyRefusal
	RefusedN  int64 // calls, of the last seven days
	EndedAt   time.Time

	Signing int64        // the version that signs
	Name    string       // what its requests carry, when that is another id than its own
	Moving  time.Time    // since then it replaces the one before; zero: it does not
	Asked   *BotKeyAsked // by a partner, to be replaced
}

// BotKeyState is what a key may do now.
type BotKeyState string

const (
	KeyWorks   BotKeyState = "active"
	KeyNotYet  BotKeyState = "pending"
	KeyLeaving BotKeyState = "exit_only" // look and cancel, nothing else
	KeyEnded   BotKeyState = "ended"
)

// BotKeyRefusal is a reason for which calls were turned away at an address.
type BotKeyRefusal struct {
	At     time.Time // the newest
	Why    Text
	Code   string // what the bot was told, or would have been after its signature held
	Call   Text   // what kind of call
	Addr   string // "" when there were too many to name
	Place  string // approximate; "" is unknown
	N      int64
	CanAdd bool   // the address can be added to those it works from
	Object string // of the touch for that
}

// Path is the page of the key. Ids that came from other exchanges may hold anything, a slash among it.
func (k BotKey) Path() string { return "/keys/" + url.PathEscape(k.ID) }

// Days is how many days the key has left, the begun one counted.
func (k BotKey) Days(now time.Time) int {
	return int(max(k.Expires.Sub(now), 0)+24*time.Hour-1) / int(24*time.Hour)
}

// Over says whether its time has run out: from then on it looks and cancels, and then ends.
func (k BotKey) Over(now time.Time) bool { return !now.Before(k.Expires) }

// Open says whether whoever copies the key can use it from any place.
func (k BotKey) Open() bool { return len(k.Allow) == 0 }

// May says whether the key has a right.
func (k BotKey) May(scope string) bool {
	return slices.ContainsFunc(k.Rights, func(r Right) bool { return r.Scope == scope })
}

// Hint is one thing about a key that its owner can make better.
type Hint struct {
	Key BotKey
	Say Text
}

const (
	// A key that was made this long ago and never used is one that nobody would miss.
	unusedAfter = 24 * time.Hour
	idleAfter   = 30 * 24 * time.Hour
	endsSoon    = 14 * 24 * time.Hour
)

// Hygiene lists what could be better, what matters most first.
func (v *BotKeys) Hygiene() (hints []Hint) {
	for _, k := range v.Keys {
		switch {
		case k.Leaked != nil:
			hints = append(hints, Hint{k, text("botkeys.hint.leaked")})
		case k.Suspected:
			hints = append(hints, Hint{k, text("botkeys.hint.suspected")})
		}
	}
	for _, k := range v.Keys {
		if k.State == KeyWorks && k.Open() {
			hints = append(hints, Hint{k, text("botkeys.hint.open")})
		}
	}
	for _, k := range v.Keys {
		if k.State == KeyWorks && k.Expires.Sub(v.Now) < endsSoon {
			hints = append(hints, Hint{k, text("botkeys.hint.soon", "n", k.Days(v.Now))})
		}
	}
	for _, k := range v.Keys {
		if k.State == KeyWorks && len(k.Asleep) > 0 {
			hints = append(hints, Hint{k, text("botkeys.hint.asleep")})
		}
	}
	for _, k := range v.Keys {
		if k.State == KeyWorks && k.Used.IsZero() && v.Now.Sub(k.Made) > unusedAfter {
			hints = append(hints, Hint{k, text("botkeys.hint.unused")})
		}
	}
	for _, k := range v.Keys {
		switch idle := v.Now.Sub(k.Used); {
		case k.State != KeyWorks:
		case !k.Used.IsZero() && idle >= idleAfter:
			hints = append(hints, Hint{k, text("botkeys.hint.idle", "n", int(idle/(24*time.Hour)))})
		case k.Unasked > 0:
			hints = append(hints, Hint{k, text("botkeys.hint.unasked", "n", k.Unasked)})
		}
	}
	for _, k := range v.Keys {
		if k.State == KeyWorks && k.May("withdraw") && !k.Locked {
			hints = append(hints, Hint{k, text("botkeys.hint.withdraw")})
		}
	}
	return hints
}

// BotKeyPage is one key: all that is known of it, what it did lately, and the form that changes it.
//
//	GET  /keys/{id}         (from, to?)
//	POST /keys/{id}         (version, purpose, scope…, places?, deny?, symbols?, until, per_min)  303 the same with a receipt; act botkeys.change when it widens
//	POST /keys/{id}/release ()  act botkeys.release; for one that may have leaked
//	POST /keys/{id}/wake    ()  act botkeys.wake; gives rights back that rest
//	POST /keys/{id}/unlock  ()  act botkeys.unlock, on another device than the one that gave the right, known for a day
//	Links: /keys/{id}/end, /keys/{id}/story (a signed file)
type BotKeyPage struct {
	Base
	Key     BotKey
	Form    BotKeyForm
	Refused *KeyRefused    // why the change was not made
	Changes []BotKeyChange // who made and changed it, the newest first
	Story   []BotKeyLine
	More    int    // lines that are not shown
	From    string // days of the window, 2006-01-02 in the page's zone
	To      string
	Asked   bool // for it; else the last seven days
}

func (*BotKeyPage) page() (string, string) { return "botkey", "botkeys" }

// CanChange says whether the form has any use: what may have leaked or has ended only ever ends.
func (v *BotKeyPage) CanChange() bool { return v.Key.State != KeyEnded && !v.Key.Suspected }

// BotKeyLine is what a key did in one minute from one address.
type BotKeyLine struct {
	At    time.Time
	Addr  string // "" when there were too many to name
	Place string // approximate; "" is unknown
	Call  Text
	Why   *Text // nil: let in
	Code  string
	N     int64
}

// BotKeyChange is one act that made or changed a key.
type BotKeyChange struct {
	At    time.Time
	Says  string
	Addr  string
	Place string // approximate; "" is unknown
}

// BotKeyForm is what was typed about a key.
type BotKeyForm struct {
	Where   string // server, own or page
	Purpose string
	Scopes  []string
	Places  string
	Deny    string
	Symbols string
	Days    string
	Until   string // a day in the page's zone, 2006-01-02
	PerMin  string
	Kind    string // ed25519 or hmac-sha256
	Profile string // how the client of a shared secret signs; "" is our own way
	Public  string
	Sub     string // id; "" is the main account
	Cap     string // for a day
	CapIn   string // its currency
}

// Has says whether the box of a right is ticked.
func (f BotKeyForm) Has(scope string) bool { return slices.Contains(f.Scopes, scope) }

// KeyRefused is why a form did not do what it should. Title and Detail come from the problem table.
type KeyRefused struct {
	Code, Title, Detail string
	At                  string // the part of the form, as it was typed; "" when the code says it all
	Private             bool   // somebody sent the half that nobody may have
}

// BotKeyNew makes a key.
//
//	GET  /keys/new
//	POST /keys/new  (where, purpose, scope…, places?, symbols?, days, kind, public?, profile?)  act botkeys.add for exactly this key; answers with BotKeyMade
type BotKeyNew struct {
	Base
	Form    BotKeyForm
	Refused *KeyRefused
	Seen    string // the address this browser came from, offered and never filled in
	InPage  bool   // it was to run in a web page or an app: no key was made
	Blocked bool   // frozen or held: new power has to wait
	Subs    []SubView
}

func (*BotKeyNew) page() (string, string) { return "botkey-new", "botkeys" }

// Client is a way of signing that a bot may have been written for.
type Client struct{ ID, Name string }

// Clients lists those that sign with a shared secret.
func (*BotKeyNew) Clients() []Client { return clients }

// clients are the names under which exchanges are known, which is the same in every language.
var clients = []Client{
	{"binance", "Binance"}, {"bithumb", "Bithumb"}, {"bitget", "Bitget"}, {"bybit", "Bybit"}, {"coinbase-exchange", "Coinbase Exchange"}, {"deribit", "Deribit"},
	{"gemini", "Gemini"}, {"kraken", "Kraken"}, {"okx", "OKX"}, {"upbit", "Upbit"},
}

// clientOf is what people call a profile.
func clientOf(profile string) string {
	for _, c := range clients {
		if c.ID == profile {
			return c.Name
		}
	}
	return profile
}

// Rights lists all there are, for the boxes.
func (*BotKeyNew) Rights() []Right { return rights }

// Rights lists those that the key could have, for the boxes: one of a sub-account or a
// partner never withdraws.
func (p *BotKeyPage) Rights() []Right {
	if p.Key.Sub == "" && p.Key.Partner == "" {
		return rights
	}
	return slices.DeleteFunc(slices.Clone(rights), func(r Right) bool { return r.Scope == "withdraw" })
}

// BotKeyMade is the answer to a key that was made. The secret of a shared one is here and nowhere else.
//
//	botkeys.js: GET /keys/{id}/used until the first good call
type BotKeyMade struct {
	Base
	Key    BotKey
	Secret string // "" when the owner keeps the private half

	Passphrase string // a second secret that some clients send along; "" for the others
}

func (*BotKeyMade) page() (string, string) { return "botkey-made", "" }

// BotKeyEnd shows what stops with a key. Nothing has happened yet.
//
//	GET  /keys/{id}/end
//	POST /keys/{id}/end  ()  303 /keys with a receipt
type BotKeyEnd struct {
	Base
	Key BotKey
}

func (*BotKeyEnd) page() (string, string) { return "botkey-end", "" }
