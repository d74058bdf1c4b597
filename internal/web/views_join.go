package web

import "time"

// Join is a new device that wants in: the code it shows, what became of it, and the passkey it may make.
//
//	GET  /new
//	POST /new  ()  a code: 303 /new, which shows it until it is over. passkey.js sends it with a proof of this browser's key
//	passkey.js: /new/begin, /new/finish. join.js: GET /new/state
type Join struct {
	Base
	State string // "" (not begun), shown, claimed, admitted, over
	Code  string // when shown; "" when this browser has lost it
	Until time.Time
	For   string // when admitted: whose account
}

func (*Join) page() (string, string) { return "join", "" }

// NewDevice is how the owner lets one in: scan first, the code second.
//
//	GET  /devices/add
//	POST /devices/add  (code)  303 /joins/{id}; or renders it with Bad or RetryIn
//	passkey.js: act keys.add, then /passkeys/begin, /passkeys/finish
type NewDevice struct {
	Base
	Address string        // what is typed on the new device: login.exchange.example/new
	Bad     bool          // the code opened nothing
	RetryIn time.Duration // > 0: too many tries
	Open    string        // a join that waits for an answer already, "" for none
	Strange bool          // a key added from here would hold withdrawals
}

func (*NewDevice) page() (string, string) { return "newdevice", "devices" }

// JoinAnswer shows a new device beside the one that is asked, and takes the answer.
//
//	GET  /joins/{id}
//	POST /joins/{id}/admit   ()  needs act devices.admit; 303 back
//	POST /joins/{id}/refuse  ()  303 /devices with a receipt
//	join.js: GET /joins/{id}/state
type JoinAnswer struct {
	Base
	ID        string
	State     string // claimed, admitted, used, refused, expired
	New, Own  Side
	Network   string // same, other
	Far       bool   // in different countries, as far as the place file knows both
	Until     time.Time
	Gets      time.Duration // how long it would have for its passkey
	Touched   bool
	Elsewhere bool // it was typed on another session, which alone can say yes
}

// Side is one of the two that are compared.
type Side struct {
	Agent Agent
	Place string // "" unknown
	Addr  string
}

func (*JoinAnswer) page() (string, string) { return "join-answer", "" }

// ChangePhone is what moves, what does not, and three steps.
//
//	GET  /devices/change?old=
//	POST /devices/{id}/retire  ()  needs act devices.remove; 303 /devices with a receipt
type ChangePhone struct {
	Base
	Devices  []Device // to choose from, when Old is not chosen
	Old      *Device
	Moves    []string
	Stays    []string
	Sessions []Session
	Apps     int
	BotKeys  []string
	New      []NewPasskey
	Tested   bool
	Touched  bool

	Until time.Time // this session's passkey is too new to retire it before then
	With  []string  // the passkeys that may now
}

// NewPasskey may be that of the new device.
type NewPasskey struct {
	Name   string
	On     Agent
	Here   bool // on the device that asks
	Tested bool
}

func (*ChangePhone) page() (string, string) { return "change", "devices" }
