package web

// The views: one struct per page. A handler fills the struct, Render does the rest. Views carry facts (names, times, counts,
// states), never sentences: the words are in internal/lang, so that a page is said the same way everywhere and in both
// languages. The one exception is a sentence another package owns (audit.Sentence).
//
// Above each struct stand the page's address and its forms as "METHOD path (field, field?)"; a ? marks a field that may be
// missing. All POSTs answer 303 to a page, or render a page with what is wrong. What the modules call is in static/README.md.
//
// Forms of every page (layout.html):
//
//	POST /look     (lang | theme, to)  sets a cookie for a year, 303 to the local path in to; needs no session
//	POST /signout  ()                  ends this session, 303 /signin?note=signed-out
//	GET  /freeze   link in the header, signed in and out

import (
	"time"
)

// A View is one page with its facts.
type View interface {
	// page names the template file and the entry of the navigation that is lit ("" for pages outside it).
	page() (file, nav string)
	base() *Base
}

// Theme is what the person chose; System follows the device.
type Theme string

const (
	System Theme = "system"
	Light  Theme = "light"
	Dark   Theme = "dark"
)

// Next is the theme the footer's button leads to.
func (t Theme) Next() Theme {
	switch t {
	case Light:
		return Dark
	case Dark:
		return System
	}
	return Light
}

// Base is what every page needs. Handlers fill it once per request.
type Base struct {
	Lang      string         // lang.EN or lang.KO
	Theme     Theme          // "" is System
	Product   string         // the name beside the mark
	Host      string         // exactly what the address bar must show: "login.exchange.example", "localhost:7480"
	Domain    string         // the end of Host that decides, shown bold; "" is all of Host
	Path      string         // local path and query that answers GET: where /look returns to
	RequestID string         // as edge shows it: 8F3K-21
	Now       time.Time      // the request's time, never time.Now
	Zone      *time.Location // the reader's zone, from the cookie kw_zone that page.js leaves. nil is unknown: UTC is written, and the browser puts in its own
	Demo      bool           // says "Demo, not real" in the header
	Who       *Who           // nil is signed out
	Receipt   *Receipt       // proof of the act that was just done, above the page
	Signals   *Signals       // for the browser's passkey list; nil sends nothing
}

func (b *Base) base() *Base { return b }

// Who is signed in.
type Who struct {
	Mail        string
	AccessUntil time.Time // end of the access cookie; forms.js renews before a submit when it is near
	Weak        bool      // signed in with a recovery code: may look, end and freeze; each page says so
	Frozen      *Frozen   // nil is not frozen
}

// Frozen is a freeze that stands.
type Frozen struct {
	At  time.Time
	How FreezeHow
}

// FreezeHow says who froze.
type FreezeHow string

const (
	FrozenHere   FreezeHow = "here"   // from a session
	FrozenByMail FreezeHow = "mail"   // with the link in a mail
	FrozenByUs   FreezeHow = "system" // by a rule or an operator
)

// Signals tells the browser which passkeys still open this account (WebAuthn L3 §5.1.10). Credentials must be the complete
// list: the browser hides every passkey of this account that is not in it, so a partial list would hide keys that work.
type Signals struct {
	RPID        string
	UserHandle  string   // base64url
	Credentials []string // base64url, all of them
	Name        string   // user.name, the mail address
	DisplayName string
}

// Receipt is what was done, when, and how fast it held everywhere.
type Receipt struct {
	Did          Did
	Name         string // of the thing it was done to, "" when there is none
	Count        int    // sessions ended, codes made
	Keys         int    // API keys that ended with a device
	Added        int    // passkeys that were added from it and went too
	At           time.Time
	Took         time.Duration // until every gate refused; 0 is not measured
	OfflineUntil time.Time     // a gate that could not be reached refuses by itself from then on; zero: all were reached
	TokensUntil  time.Time     // a token that is out already is taken until then by whoever does not ask us; zero: there is none
}

// Did is the act of a receipt.
type Did string

const (
	DidEndSession     Did = "end-session"     // Name
	DidEndOthers      Did = "end-others"      // Count
	DidRemoveDevice   Did = "remove-device"   // Name, Count, Keys, Added
	DidRetireDevice   Did = "retire-device"   // Name
	DidRefuseJoin     Did = "refuse-join"     // Name
	DidAnswerMine     Did = "answer-mine"     // Name
	DidAnswerNotMine  Did = "answer-not-mine" // Name, Count
	DidAddPasskey     Did = "add-passkey"     // Name
	DidRenamePasskey  Did = "rename-passkey"  // Name
	DidRemovePasskey  Did = "remove-passkey"  // Name, Count (sessions it ended)
	DidConfirmCodes   Did = "confirm-codes"   // Count (codes there are)
	DidFreeze         Did = "freeze"          // Count
	DidLiftFreeze     Did = "lift-freeze"
	DidEndApp         Did = "end-app"          // Name
	DidNarrowApp      Did = "narrow-app"       // Name
	DidChangeBotKey   Did = "change-botkey"    // Name
	DidAddBotKeyPlace Did = "add-botkey-place" // Name
	DidUnlockBotKey   Did = "unlock-botkey"    // Name
	DidReleaseBotKey  Did = "release-botkey"   // Name
	DidWakeBotKey     Did = "wake-botkey"      // Name
	DidRetireBotKey   Did = "retire-botkey"    // Name
	DidKeepBotKey     Did = "keep-botkey"      // Name
	DidUndoBotKey     Did = "undo-botkey"      // Name
	DidEndBotKey      Did = "end-botkey"       // Name
	DidMakeSub        Did = "make-sub"         // Name
	DidChangeSub      Did = "change-sub"       // Name
	DidFreezeSub      Did = "freeze-sub"       // Name
	DidEmptySub       Did = "empty-sub"        // Name
	DidThawSub        Did = "thaw-sub"         // Name
	DidCloseSub       Did = "close-sub"        // Name
	DidSendVerifyMail Did = "send-verify"      // Name (the address)
)
