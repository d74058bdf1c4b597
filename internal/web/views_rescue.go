package web

import "time"

// Freeze is the freeze page of somebody who is signed in: the effect first.
//
//	GET  /freeze
//	POST /freeze  ()
type Freeze struct {
	Base
	Sessions int // that end, this one included
	Devices  int
}

func (*Freeze) page() (string, string) { return "freeze", "" }

// FreezeOut is the same for somebody who is signed out. The answer is the same for every address.
//
//	GET  /freeze
//	POST /freeze/mail  (mail)  renders it with Sent
type FreezeOut struct {
	Base
	Mail    string
	Sent    bool
	BadMail bool // not an address at all
}

func (*FreezeOut) page() (string, string) { return "freeze-out", "" }

// FreezeLink is the link in a mail that can freeze and nothing else. Opening it changes nothing; the button does.
//
//	GET  /freeze/link?t=
//	POST /freeze/link  (t)  renders it with what came of it
type FreezeLink struct {
	Base
	State LinkState
	Token string
	Took  time.Duration // when LinkDone
}

func (*FreezeLink) page() (string, string) { return "freeze-link", "" }

// FreezeLift shows what opens again.
//
//	GET  /freeze/lift
//	POST /freeze/lift  ()  act freeze.lift
type FreezeLift struct {
	Base
	At      time.Time // frozen since
	How     FreezeHow
	Touched bool // the touch for it was given on the page of its own
}

func (*FreezeLift) page() (string, string) { return "freeze-lift", "" }

// LostPhone says what is possible today without the phone, and what each way gives.
//
//	GET /lost-phone
type LostPhone struct{ Base }

func (*LostPhone) page() (string, string) { return "lost-phone", "" }

// Official lists the addresses that are ours.
//
//	GET /official
type Official struct {
	Base
	Hosts    []OfficialHost
	MailFrom []string
	Apps     []OfficialApp
}

func (*Official) page() (string, string) { return "official", "" }

// OfficialHost is one site of ours.
type OfficialHost struct {
	Host, Domain string // Domain: the end of Host that decides
	What         string // operator's words; "" none
}

// OfficialApp is one app of ours, by the id that nobody else can have in its store. A copy
// from elsewhere can carry it too; the page says so.
type OfficialApp struct {
	Phone Text
	ID    string
}

var (
	appAndroid = text("official.app.android")
	appIOS     = text("official.app.ios")
)

// Help is the short help page.
//
//	GET /help
type Help struct{ Base }

func (*Help) page() (string, string) { return "help", "" }

// ErrorPage is a refusal a person can read.
type ErrorPage struct {
	Base
	Status        int
	Code          string // of the problem table
	Title, Detail string // of the problem table, in Base.Lang
	Next          []NextStep
	RetryIn       time.Duration // > 0: says when to try again
	Until         time.Time     // of a hold; zero: none
	Because       string        // likewise
}

func (*ErrorPage) page() (string, string) { return "error", "" }

// NextStep is a way on from an error; the first is the filled button.
type NextStep string

const (
	NextReload NextStep = "reload" // the page's own Path
	NextSignIn NextStep = "signin"
	NextHome   NextStep = "home"
	NextStepUp NextStep = "stepup" // the page's own Path
	NextFreeze NextStep = "freeze"
	NextHelp   NextStep = "help"
)
