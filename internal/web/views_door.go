package web

import (
	"time"

	"keyward/internal/lang"
)

// SignIn is the door.
//
//	GET  /signin?to=&note=
//	POST /signin           (mail?, remember?, to)  only without script: render SignIn with Note NoteNeedsScript
//	POST /demo/signin      (to, remember?)         only when DemoPasskey: the demo persona's software passkey
//	Links: /signin/code?to=, /lost-phone, /freeze, /official
//	passkey.js: /signin/begin, /signin/finish
type SignIn struct {
	Base
	To          string        // local path to go to afterwards; "" is /
	Note        SignInNote    // one quiet line above the form
	SessionFor  time.Duration // how long a sign-in lasts without "remember"
	RememberFor time.Duration // and with it
	DemoPasskey bool
}

func (*SignIn) page() (string, string) { return "signin", "" }

// SignInNote says why somebody stands at the door (again).
type SignInNote string

const (
	NoteSignedOut   SignInNote = "signed-out"
	NoteRetired     SignInNote = "retired"      // this device was retired, on itself, after a change to another one
	NoteEnded       SignInNote = "ended"        // the session ended: sign in, and you are back where you were
	NoteNeedsScript SignInNote = "needs-script" // the form was sent without script
	NoteWelcome     SignInNote = "welcome"      // the account exists already: after sign-up with a known mail link
)

// SignInCode is the way in with a recovery code.
//
//	GET  /signin/code?to=
//	POST /signin/code  (mail, code, to)  bind.js sends it with a DPoP header and Accept: application/json instead; see static/README.md
type SignInCode struct {
	Base
	To      string
	Mail    string        // what was typed, given back
	Failed  bool          // mail and code do not fit; never says which
	RetryIn time.Duration // > 0: too many tries, not before then
}

func (*SignInCode) page() (string, string) { return "signin-code", "" }

// SignUp is step 1: the mail address.
//
//	GET  /signup
//	POST /signup  (mail)  renders SignUpPasskey; with a bad address SignUp with BadMail. A known address looks the same as a new one
type SignUp struct {
	Base
	Mail    string
	BadMail bool
}

func (*SignUp) page() (string, string) { return "signup", "" }

// SignUpPasskey is step 2: the address of this site, then the passkey.
//
//	POST /signup/passkey  (mail)  only without script: render it again with NeedsScript
//	passkey.js: /signup/begin, /signup/finish, which leads to /codes/new?step=3
type SignUpPasskey struct {
	Base
	Mail        string
	NeedsScript bool
}

func (*SignUpPasskey) page() (string, string) { return "signup-passkey", "" }

// CodesNew says what recovery codes are before they are made.
//
//	GET  /codes/new?step=
//	POST /codes/new  (step?)  needs act codes.new (not at step 3, right after sign-up); renders CodesShown
type CodesNew struct {
	Base
	Wizard  bool // step 3 of sign-up
	Left    int  // codes that stop working when new ones are made
	Total   int  // how many will be made
	Touched bool // the touch for it was given on the page of its own
}

func (*CodesNew) page() (string, string) { return "codes-new", "" }

// CodesShown shows them, once: it is the answer to POST /codes/new and cannot be loaded again.
//
//	POST /codes/confirm  (code, step?)  right: 303 / with a receipt; wrong: render CodesConfirm with Failed
type CodesShown struct {
	Base
	Wizard bool
	Codes  []string // as shown: XXXXX-XXXXX-XXXXX-XXXXX-XXXXX
	Made   time.Time
}

func (*CodesShown) page() (string, string) { return "codes-shown", "" }

// CodesConfirm asks for one code back when the codes themselves are no longer on screen.
//
//	GET  /codes/confirm?step=
//	POST /codes/confirm  (code, step?)
type CodesConfirm struct {
	Base
	Wizard bool
	Failed bool
}

func (*CodesConfirm) page() (string, string) { return "codes-confirm", "" }

// Codes is the state of the recovery codes. Checking one does not use it up.
//
//	GET  /codes
//	POST /codes/check  (code)  renders Codes with Checked
//	Links: /codes/new
type Codes struct {
	Base
	Left, Total int
	Made        time.Time // zero: there are none
	Confirmed   time.Time // zero: never typed back
	LastUsed    time.Time
	Checked     CodeCheck
}

func (*Codes) page() (string, string) { return "codes", "codes" }

// CodeCheck is what came of typing a code back.
type CodeCheck string

const (
	CheckedRight CodeCheck = "right"
	CheckedUsed  CodeCheck = "used"
	CheckedWrong CodeCheck = "wrong"
)

// StepUp asks for a touch for one named act.
//
//	GET  /stepup?act=&object=&to=
//	POST /stepup  (act, object, to)  only without script: render it again with NeedsScript
//	passkey.js: /stepup/begin, /stepup/finish
type StepUp struct {
	Base
	Act, Object string // device.Act
	Name        string // of the object, as its owner calls it
	Addr        string // of a new device that would be let in
	To          string // where the act goes on
	Cancel      string // where "Cancel" leads; "" is /
	Lasts       time.Duration
	Asked       Agent     // this browser
	SignedIn    time.Time // when this session began
	NeedsScript bool
	DemoPasskey bool // POST /demo/touch (act, object, to): the demo persona's software passkey

	With   []string  // the passkeys that may, where not every one that this browser may have does
	NewTil time.Time // another one is too new until then
	Hard   bool      // the exchange asks for one that cannot leave its device
	None   bool      // none of them may, so no button
	OnApp  []string  // may too, in the app on a phone
}

func (*StepUp) page() (string, string) { return "stepup", "" }

// Renew is the quiet page between an expired access cookie and the page somebody asked for.
//
//	GET  /session/renew?to=
//	renew.js: /session/state, POST /session/renew. Without script: a link to /signin?to=
type Renew struct {
	Base
	To string
}

func (*Renew) page() (string, string) { return "renew", "" }

// Touch is where a session waits whose browser did not show the key of its device.
//
//	GET  /session/touch?to=
//	passkey.js: /signin/begin, POST /session/touch. Without script: a link to /signin?to=
type Touch struct {
	Base
	To string
}

func (*Touch) page() (string, string) { return "session-touch", "" }

// Leave asks whether to sign out here, because an app says so, and says that it is done.
//
//	GET  /oauth/logout?…        (also POST, from other sites)
//	POST /oauth/logout/confirm  (client_id, post_logout_redirect_uri, state)
type Leave struct {
	Base
	App    string // "" when nobody said who asks
	Client string
	To     string // where it goes on afterwards; "" for nowhere
	State  string
	Done   bool
}

func (*Leave) page() (string, string) { return "leave", "" }

// VerifyMail is the link of the mail that asks whether an address is read. Opening it changes nothing, because mail
// scanners open links; the button does.
//
//	GET  /mail/verify?t=
//	POST /mail/verify       (t)  renders it with what came of it
//	POST /contacts/verify  ()   signed in: sends the mail again, 303 / with a receipt
type VerifyMail struct {
	Base
	State LinkState
	Token string
	Mail  string // shown only when State is LinkAsk or LinkDone

	MadeAt time.Time // when LinkAsk: the account that would get the address
	MadeOn Agent     // zero: the exchange made it
}

func (*VerifyMail) page() (string, string) { return "verify-mail", "" }

// LinkState is the state of a link from a mail.
type LinkState string

const (
	LinkAsk     LinkState = "ask"
	LinkDone    LinkState = "done"
	LinkUsed    LinkState = "used"
	LinkExpired LinkState = "expired" // also: unknown
)

// Agent is a browser and its system in words; "" is unknown.
type Agent struct{ Browser, System string }

// In writes it in a language: "Chrome on Windows 11".
func (a Agent) In(code string) string {
	switch {
	case a.Browser != "" && a.System != "":
		return lang.T(code, "agent.both", "browser", a.Browser, "system", a.System)
	case a.Browser != "":
		return a.Browser
	case a.System != "":
		return lang.T(code, "agent.system", "system", a.System)
	}
	return lang.T(code, "agent.unknown")
}
