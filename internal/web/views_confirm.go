package web

import "time"

// Confirm is a withdrawal that its owner reads in full, and answers.
//
//	GET  /confirm              303 to what waits longest, or to /activity
//	GET  /confirm/{id}
//	POST /confirm/{id}         ()  without script: renders it with NeedsScript
//	POST /confirm/{id}/refuse  ()  303 back
//	POST /confirm/{id}/freeze  ()  freezes, refuses, and signs out: the page of a freeze that is done
//	passkey.js: /confirm/{id}/begin, /confirm/{id}/finish. join.js: GET /confirm/{id}/state
type Confirm struct {
	Base
	ID          string
	State       string // pending, approved, refused, expired, void
	Payment     Payment
	AskedBy     string // a service of the exchange
	From        Agent  // where it was asked from
	FromKnown   bool
	FromHere    bool
	FromPlace   string
	FromAddr    string
	FromSince   time.Time
	First       bool // nothing was ever approved to this address
	FirstAt     time.Time
	HoldUntil   time.Time // zero: past
	Uses        int64
	Until       time.Time
	Left        int      // seconds
	All         int      // seconds it had
	Needs       []string // why not from here; the quickest way first
	Wait        time.Time
	Weak        bool // came in by a code
	Stopped     bool // frozen, restricted or held
	StoppedTill time.Time
	TooNew      time.Time // every passkey that this browser may have is too new, until then
	NeedsScript bool
}

func (*Confirm) page() (string, string) { return "confirm", "" }
