package web

import "time"

// BotKeyRotate replaces what signs for a key: the form for it, or, while one version
// replaces another, how far that has come.
//
//	GET  /keys/{id}/rotate
//	POST /keys/{id}/rotate (version, why, public?, hours, days, skip?)  act botkeys.rotate for exactly that; answers with BotKeyRotated
//	POST /keys/{id}/retire (force?)  303 the same with a receipt
//	POST /keys/{id}/keep   (until)   act botkeys.keep
//	POST /keys/{id}/undo   ()        act botkeys.undo
//	Links: /keys/{id}/rehearse
type BotKeyRotate struct {
	Base
	Key     BotKey
	Form    BotKeyTurn
	Refused *KeyRefused
	Blocked bool // frozen or held: new power has to wait

	First    bool // it was never replaced: a rehearsal is asked for
	Stage    Text // of the rehearsal
	Passed   bool // it was done, and nothing broke
	Asked    *BotKeyAsked
	Moving   bool // one version replaces another
	New, Old BotKeyVersion
	By       Text // who asked for it
	Latest   time.Time
	Blockers []BotKeyFinding

	KeepUntil  time.Time // zero: it cannot be kept longer
	KeepMicros int64
	KeepObject string
	UndoObject string
}

func (*BotKeyRotate) page() (string, string) { return "botkey-rotate", "botkeys" }

// Moved is the share of the last hour's calls that the new version signed, in percent.
func (v *BotKeyRotate) Moved() int {
	all := v.New.Calls + v.Old.Calls
	if all == 0 {
		return 0
	}
	return int(v.New.Calls * 100 / all)
}

// BotKeyVersion is one of the two.
type BotKeyVersion struct {
	N       int64
	Name    string
	Made    time.Time
	Calls   int64 // let in within the last hour
	Refused int64
	Used    time.Time // zero: never, since there are two
	Addr    string
	Place   string
}

// BotKeyFinding is something that would stop, or did in a rehearsal.
type BotKeyFinding struct {
	Say  Text
	Why  *Text // of calls that were refused
	Addr string
	N    int64
	At   time.Time
}

// BotKeyAsked is what a partner announced.
type BotKeyAsked struct {
	Partner, What, Why string
	At                 time.Time
}

// BotKeyTurn is what was typed about a rotation.
type BotKeyTurn struct {
	Why    string // cadence, leak or update
	Public string
	Hours  string
	Days   string
	Skip   bool
}

// BotKeyRotated is the answer to a rotation. The secret of a shared one is here and
// nowhere else.
type BotKeyRotated struct {
	Base
	Key        BotKey
	N          int64
	Name       string // what requests carry from now on
	Renamed    bool   // that is another id than before
	OldEnds    time.Time
	Secret     string
	Passphrase string
}

func (*BotKeyRotated) page() (string, string) { return "botkey-rotated", "" }

// BotKeyRehearse shows what a rotation of a test key of the same shape showed, and makes
// such a key.
//
//	GET  /keys/{id}/rehearse
//	POST /keys/{id}/rehearse (public?)  act botkeys.add for exactly that test key; answers with BotKeyMade
type BotKeyRehearse struct {
	Base
	Key      BotKey
	Twin     BotKey // the test key; its ID is "" without one
	Stage    Text
	Passed   bool
	Findings []BotKeyFinding
	Public   string
	Refused  *KeyRefused
}

func (*BotKeyRehearse) page() (string, string) { return "botkey-rehearse", "botkeys" }
