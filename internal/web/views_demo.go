package web

import "time"

// Stage is the demo in two columns: the owner, and a thief who has copied everything from the owner's browser.
//
//	GET  /demo
//	POST /demo/owner/{act}  ()  acts in StageOwner.Acts; 303 /demo
//	POST /demo/try/{id}     ()  303 /demo#turn-{n}
//	POST /demo/reset        ()
//	Links: /demo/mail, /, /activity
type Stage struct {
	Base
	Owner StageOwner
	Tries []StageTry
	Turns []StageTurn // newest first
}

func (*Stage) page() (string, string) { return "stage", "" }

// StageOwner is the left column.
type StageOwner struct {
	SignedIn bool
	Mail     string
	Agent    Agent
	Token    int           // how often the session's token was turned over
	Turned   time.Duration // ago
	Noticed  []StageNotice // newest first
	Acts     []OwnerAct
}

// StageNotice is what the owner was told.
type StageNotice struct {
	Sentence string // audit.Sentence
	At       time.Time
	Needs    bool
}

// OwnerAct is a button of the owner.
type OwnerAct string

const (
	OwnerSignIn OwnerAct = "sign-in" // with the demo passkey
	OwnerRenew  OwnerAct = "renew"   // turn the token over, so that the thief's copy is a spent one
	OwnerBot    OwnerAct = "bot"     // make a key for a bot that trades
	OwnerEnd    OwnerAct = "end"     // sign out everywhere
)

// StageTry is a button of the thief.
type StageTry struct {
	ID    TryID
	State TryState
	Ready bool // false: it needs another one first (or the owner signed in), and its label says so
}

// TryID names a try; its words are in the catalog.
type TryID string

const (
	TryCopy    TryID = "copy"    // copy both cookies
	TrySession TryID = "session" // use the copied session elsewhere
	TryRenew   TryID = "renew"   // refresh with the copied token, without the browser's key
	TryReplay  TryID = "replay"  // replay a spent refresh token
	TryOrder   TryID = "order"   // send an order of the owner's bot again
	TryKey     TryID = "key"     // trade with the bot's key from somewhere else
	TryAddress TryID = "address" // change the address of a withdrawal that was approved
	TryStepUp  TryID = "step-up" // add a passkey from the copied session
)

// TryState is what came of it.
type TryState string

const (
	TryNot     TryState = ""
	TryCopied  TryState = "copied"
	TryRefused TryState = "refused"
	TryWorked  TryState = "worked" // said as plainly as a refusal
)

// StageTurn is one try: request, answer, log sentence, how long it took, and what the owner sees.
type StageTurn struct {
	N        int
	ID       TryID
	Took     time.Duration
	Request  []Span
	Answer   []Span
	Sentence string // audit.Sentence; "" nothing was written
	Owner    OwnerSees
}

// Span is a piece of a raw request or answer.
type Span struct {
	Text string
	Mark Marking
}

// Marking makes a piece bold.
type Marking string

const (
	Plain  Marking = ""
	Strong Marking = "yes"
	Wrong  Marking = "no"
)

// OwnerSees is what a try changed for the owner.
type OwnerSees string

const (
	SeesNothing OwnerSees = "nothing" // nothing changed
	SeesNoted   OwnerSees = "noted"   // noted under Activity
	SeesTold    OwnerSees = "told"    // told by mail and here; the session stays
	SeesEnded   OwnerSees = "ended"   // the session was ended to be safe
)

// MailList is the demo's mail catcher.
//
//	GET /demo/mail
type MailList struct {
	Base
	Mails []Mail // newest first
}

func (*MailList) page() (string, string) { return "mail-list", "" }

// MailMessage is one caught mail.
//
//	GET /demo/mail/{id}
//	Links: /demo/mail/{id}/html (when HasHTML; the handler serves it with a policy of its own)
type MailMessage struct {
	Base
	Mail
	From    string
	Text    string // the text part; addresses of this host in it become links
	HasHTML bool
	Origin  string // "http://localhost:7480"
}

func (*MailMessage) page() (string, string) { return "mail", "" }

// Mail is a caught mail in the list.
type Mail struct {
	ID, To, Subject string
	At              time.Time
}
