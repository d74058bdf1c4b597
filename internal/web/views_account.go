package web

import (
	"slices"
	"time"
)

// Home is the security home: what needs the person first, what is done below it, and doors to the rest.
//
//	GET  /
//	POST /contacts/verify  ()
//	Links: /passkeys, /passkeys/add, /devices, /keys, /apps, /codes, /codes/new, /activity, /freeze, /lost-phone, /official
type Home struct {
	Base
	Changed       time.Time // the last change to what protects the account
	Passkeys      []Passkey // all live ones
	Devices       int       // with a live session or a passkey
	Sessions      int
	NewestDevice  time.Time // first seen
	Unanswered    []Device  // waiting for "was this you?"
	Waiting       []Asked   // withdrawals that wait for a yes, the oldest first
	CodesLeft     int
	CodesMade     time.Time // zero: none were ever made
	CodesChecked  time.Time // zero: none was typed back
	MailVerified  bool
	BotKeys       int       // API keys in use
	BotKeyNames   string    // what the first few are for
	BotKeySuspect string    // what one is for that may have leaked; "" for none
	BotKeyLeaked  bool      // that one was found outside
	Apps          int       // that may do something for the account
	AppNames      string    // the first few
	AppSuspect    string    // name of one whose token was shown without its key; "" for none
	Suspect       time.Time // a copy of this session's token was tried without its key; zero: no
	Latest        time.Time // the newest event
	Events        int       // of the last seven days
}

func (*Home) page() (string, string) { return "home", "home" }

// Asked is a withdrawal that waits. Where it goes stands on its own page, in full.
type Asked struct{ ID, Sum string }

// Passkeys lists the passkeys.
//
//	GET /passkeys
//	Links: /passkeys/add, /passkeys/add?kind=security-key, /passkeys/{id}/rename, /passkeys/{id}/remove
type Passkeys struct {
	Base
	Keys    []Passkey
	Removed []RemovedPasskey // last 30 days, newest first
}

func (*Passkeys) page() (string, string) { return "passkeys", "passkeys" }

// Passkey is one key as its owner knows it.
type Passkey struct {
	ID       string
	Name     string
	Kind     PasskeyKind
	Grade    Grade
	Maker    string // name of the password manager or key, from the AAGUID; "" is unknown. Never the AAGUID itself
	Created  time.Time
	LastUsed time.Time // zero: never
	LastOn   Agent     // the browser it was last used in
	Here     bool      // enrolled on the device this session is on
	Evidence Evidence
}

// PasskeyKind chooses the icon and the group.
type PasskeyKind string

const (
	OnPhone       PasskeyKind = "phone"
	OnComputer    PasskeyKind = "computer"
	InApp         PasskeyKind = "app"
	OnSecurityKey PasskeyKind = "security-key"
	InManager     PasskeyKind = "manager" // a password manager that carries it to several devices
)

// Grade is device.Grade: what is known about where the key lives.
type Grade string

const (
	Shared  Grade = "synced"
	Claimed Grade = "claimed"
	Proved  Grade = "hardware"
)

// RemovedPasskey opens nothing any more.
type RemovedPasskey struct {
	Name   string
	Kind   PasskeyKind
	Grade  Grade
	At     time.Time
	ByWhom RemovedBy
}

// RemovedBy says who removed a key.
type RemovedBy string

const (
	RemovedByYou    RemovedBy = "you"
	RemovedByDevice RemovedBy = "device" // with its device
	RemovedByUs     RemovedBy = "us"
)

// PasskeyAdd checks the address, then makes one more passkey.
//
//	GET  /passkeys/add?kind=
//	POST /passkeys/add  (name?, kind?)  only without script: render it again with NeedsScript
//	passkey.js: act keys.add, then /passkeys/begin, /passkeys/finish
type PasskeyAdd struct {
	Base
	SecurityKey bool
	Strange     bool // a key added from here would hold withdrawals
	NeedsScript bool
}

func (*PasskeyAdd) page() (string, string) { return "passkey-add", "" }

// PasskeyRename gives a passkey another name.
//
//	GET  /passkeys/{id}/rename
//	POST /passkeys/{id}/rename  (name)
type PasskeyRename struct {
	Base
	Key     Passkey
	BadName bool // empty, or longer than MaxName
}

func (*PasskeyRename) page() (string, string) { return "passkey-rename", "" }

// MaxName is how many characters a name may have.
const MaxName = 60

// Devices lists devices with their sessions.
//
//	GET  /devices
//	POST /devices/{id}/mine      ()  "This was me"
//	POST /sessions/end-others    ()
//	POST /signout                ()
//	Links: /devices/{id}/not-me, /devices/{id}/remove, /sessions/{id}/end
type Devices struct {
	Base
	List  []Device // any order: the page puts what needs an answer first, then this device, then the newest
	Week  []WeekDay
	Ended []Ended // last 30 days, newest first
}

func (*Devices) page() (string, string) { return "devices", "devices" }

// Device is a browser or app somebody signed in from.
type Device struct {
	ID          string
	Name        string // given by the owner; "" shows Agent
	Agent       Agent
	Kind        DeviceKind
	Here        bool     // this very browser
	NeedsAnswer bool     // "was this you?" waits
	Passkeys    []string // names of the passkeys enrolled on it
	OnlyPasskey bool     // and they are the account's only ones
	FirstSeen   time.Time
	LastSeen    time.Time
	Remembered  time.Time // zero: not remembered
	Sessions    []Session // live; newest first
}

// DeviceKind chooses the icon.
type DeviceKind string

const (
	Desktop    DeviceKind = "desktop"
	Phone      DeviceKind = "phone"
	SomeDevice DeviceKind = ""
)

// Session is one sign-in.
type Session struct {
	ID       string
	Here     bool
	Agent    Agent
	How      How
	Bound    time.Time // when its browser bound it to a key of the device; zero is not
	Weak     bool      // a recovery code: may look, cannot change anything
	SignedIn time.Time
	LastSeen time.Time
	Addr     string
	Place    string // approximate; "" is unknown
}

// How somebody signed in.
type How string

const (
	ByPasskey     How = "passkey"
	ByNearby      How = "nearby" // a passkey on a phone held nearby
	BySecurityKey How = "security-key"
	ByCode        How = "code"
	ByUnknown     How = ""
)

// Ended is a device or session that was ended.
type Ended struct {
	Name  string
	Agent Agent
	At    time.Time
	Why   EndWhy
	Took  time.Duration // until it was refused everywhere; 0 is not measured
}

// EndWhy says why a session ended.
type EndWhy string

const (
	EndedSignOut   EndWhy = "sign-out"
	EndedByYou     EndWhy = "you"     // from another device
	EndedNotYou    EndWhy = "not-you" // "this was not me"
	EndedIdle      EndWhy = "idle"
	EndedAge       EndWhy = "age"
	EndedReplaced  EndWhy = "replaced" // signed in again in the same browser
	EndedKey       EndWhy = "key"      // its passkey was removed
	EndedFreeze    EndWhy = "freeze"
	EndedLapsed    EndWhy = "lapsed"    // its device's key was not shown
	EndedContested EndWhy = "contested" // two browsers had a key for it
	EndedReuse     EndWhy = "reuse"     // a spent refresh token came back
	EndedStale     EndWhy = "stale"     // an old copy of the browser profile
	EndedByUs      EndWhy = "us"
)

// WeekDay is one day of the timeline; no marks is "No sign-in".
type WeekDay struct {
	Day   time.Time
	Marks []Mark
}

// Mark is a sign-in on a day.
type Mark struct {
	At  time.Time
	On  Agent
	New bool // first time this device was seen
}

// Week sorts sign-ins into the seven days that end with the one of now, in zone.
func Week(now time.Time, zone *time.Location, marks []Mark) []WeekDay {
	if zone == nil {
		zone = time.UTC
	}
	y, m, d := now.In(zone).Date()
	days := make([]WeekDay, 7)
	for i := range days {
		days[i].Day = time.Date(y, m, d-6+i, 0, 0, 0, 0, zone)
	}
	for _, mark := range marks {
		for i := range days {
			if start := days[i].Day; !mark.At.Before(start) && mark.At.Before(start.AddDate(0, 0, 1)) {
				days[i].Marks = append(days[i].Marks, mark)
			}
		}
	}
	for i := range days {
		slices.SortFunc(days[i].Marks, func(a, b Mark) int { return a.At.Compare(b.At) })
	}
	return days
}

// Impact shows what stops and what does not before something is ended. Nothing has happened yet.
//
//	GET  /sessions/{id}/end      POST the same  ()
//	GET  /devices/{id}/remove    POST the same  (keep*: API keys that go on)  act devices.remove
//	GET  /passkeys/{id}/remove   POST the same  ()  act keys.remove
type Impact struct {
	Base
	Of        ImpactOf
	ID        string
	Name      string
	Here      bool      // it ends the session that is looking
	Sessions  []Session // that end
	Passkeys  []string  // that stop working, by name
	InManager bool      // one of them is in a password manager, where it stays until it is deleted
	KeysLeft  int       // passkeys of the account afterwards
	Bound     bool      // each session needs a key of the device, so a copy of its tokens opens nothing elsewhere
	Apps      []string  // let in from the device, by name: they are disconnected
	BotKeys   []BotKey  // made from the device: they end unless they are kept
	Shared    []SharedKey
	Act       string // device.Act kind the POST needs; "" none
	Grade     Grade  // of a passkey: a shared one should be deleted in its manager too
}

// SharedKey is a passkey that a password manager brought to the device. It stays, and so
// it does in the manager, for whoever opens that.
type SharedKey struct{ ID, Name, Manager string }

// ImpactOf is what is about to end.
type ImpactOf string

const (
	OfSession ImpactOf = "session"
	OfDevice  ImpactOf = "device"
	OfPasskey ImpactOf = "passkey"
)

func (v *Impact) page() (string, string) { return "impact", "" }

// NotMe is "this was not me".
//
//	GET  /devices/{id}/not-me      POST the same  (freeze?)  freeze=yes also freezes
//	GET  /activity/{event}/not-me  POST the same  (freeze?)
type NotMe struct {
	Base
	Action   string    // where it posts to: the page's own path
	Device   *Device   // whose sessions end; nil when it is gone or the event had none
	Sentence string    // of the event it came from, "" when it came from a device
	At       time.Time // of the event
	Addr     string
	Place    string // approximate; "" is unknown
	KeySince bool   // a passkey was added since then: the page asks to look at them first
}

func (*NotMe) page() (string, string) { return "not-me", "" }

// Activity is the log in sentences.
//
//	GET /activity?kind=&before=
//	Links: /activity/{event}/not-me
type Activity struct {
	Base
	Kind    ActivityKind
	Entries []Entry // newest first
	Older   string  // event id for ?before=; "" there is nothing older
}

func (*Activity) page() (string, string) { return "activity", "activity" }

// ActivityKind is a filter.
type ActivityKind string

const (
	AllActivity     ActivityKind = ""
	SignInActivity  ActivityKind = "sign-in"
	KeyActivity     ActivityKind = "keys"
	SessionActivity ActivityKind = "sessions"
	RefusedActivity ActivityKind = "refused"
	StaffActivity   ActivityKind = "staff"
)

// Entry is one event.
type Entry struct {
	ID        string
	At        time.Time
	Sentence  string // audit.Sentence in Base.Lang
	Refused   bool
	New       bool // a new device or key
	Staff     bool
	CanDoubt  bool // offers "Not me"
	Method    How
	HasMethod bool
	Agent     Agent
	Addr      string
	Place     string // approximate; "" is unknown
	RequestID string
}

// ActivityDay is a heading with its entries.
type ActivityDay struct {
	Day     time.Time
	Today   bool
	Entries []Entry
}

// Days groups the entries by day in the page's zone.
func (v *Activity) Days() []ActivityDay {
	var days []ActivityDay
	for _, e := range v.Entries {
		local := v.local(e.At)
		if n := len(days); n == 0 || !sameDay(days[n-1].Day, local) {
			days = append(days, ActivityDay{Day: local, Today: sameDay(local, v.local(v.Now))})
		}
		days[len(days)-1].Entries = append(days[len(days)-1].Entries, e)
	}
	return days
}

func sameDay(a, b time.Time) bool {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}
