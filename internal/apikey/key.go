package apikey

import (
	"log/slog"
	"net/netip"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/edge"
)

// Status is where a key stands by what was done to it. What time does to it is said by
// State.
type Status string

// The statuses. Stored, so never renamed.
const (
	Active      Status = "active"
	Quarantined Status = "quarantined" // may have leaked: look and cancel only
	Revoked     Status = "revoked"
)

// Key is a key without anything secret.
type Key struct {
	ID       ID
	Account  account.ID
	Sub      string // id of the sub-account it belongs to; "" is the account itself
	Purpose  string // in its owner's words, required
	Profile  Profile
	Alg      Alg
	Scopes   Scopes
	Symbols  []string       // that it may trade; empty: all
	Allow    []netip.Prefix // where it may be used from; empty: everywhere
	Deny     []netip.Prefix
	Starts   time.Time
	Expires  time.Time
	Window   time.Duration // cap on how long a request may be under way
	PerMin   int           // requests a minute
	DayCap   DayCap        // how much it may trade a day; zero: as much as it likes
	Partner  string        // who was given it; "" for the owner's own bot
	Made     Made
	Status   Status
	Locked   bool // its right to withdraw waits for a second device
	Version  int64
	UsedAt   time.Time // zero: never
	UsedAddr string
	EndedAt  time.Time
	EndedWhy string // also why it is in quarantine

	Asleep    Sleep     // rights that rest because nobody used the key
	IdleSince time.Time // what that was counted from; zero: it never slept

	browserAt time.Time // it signed in a web page
	clockAt   time.Time // its owner was told that its clock is off
	lockedBy  device.ID // gave the right to withdraw, or changed its places
	wokenAt   time.Time // by its owner; zero: never
	honey     bool      // a trap, see honey.go
}

// LockedBy is the device that cannot unlock it: the one that gave it the right to
// withdraw, or widened it last.
func (k Key) LockedBy() device.ID { return k.lockedBy }

// Made is where a key came from.
type Made struct {
	At     time.Time
	Addr   string
	Agent  string // of the browser, as the device list shows it
	Device device.ID
}

// State is what a key may do at a time.
type State string

// The states.
const (
	Pending  State = "pending" // its time has not come
	Live     State = "active"
	Leaving  State = "exit_only" // expired or quarantined: look and cancel
	Finished State = "ended"
)

// State at a time, by the clock and by what was done.
func (k *Key) State(now time.Time) State {
	switch {
	case k.Status == Revoked || !now.Before(k.Expires.Add(exitLife)):
		return Finished
	case now.Before(k.Starts):
		return Pending
	case k.Status == Quarantined || !now.Before(k.Expires):
		return Leaving
	}
	return Live
}

// By is the session of the owner that asks.
type By struct {
	Account account.ID
	Session string
	Device  device.ID
	Agent   string
	Addr    string
}

// Who is the same for redeeming a touch.
func (b By) Who() device.By {
	return device.By{Session: b.Session, Account: b.Account, Device: b.Device}
}

// NewKey is a key that is asked for.
type NewKey struct {
	Purpose string
	Sub     string
	Profile Profile // "": Native
	Alg     Alg     // "": Ed25519
	Public  []byte  // Ed25519 public key, 32 bytes; its owner keeps the other half
	Scopes  Scopes
	Symbols []string
	Allow   []netip.Prefix
	Deny    []netip.Prefix
	Starts  time.Time // zero: now
	Life    time.Duration
	Window  time.Duration
	PerMin  int
	DayCap  DayCap
	Partner string
	Test    bool
}

// Created is a new key with the secret that is shown once.
type Created struct {
	Key
	Secret     string // "" for Ed25519: it never was here
	Passphrase string // of profiles whose clients send one
}

// String keeps the secret out of logs; the others do the same for %#v, slog and JSON.
func (c Created) String() string               { return "key " + string(c.ID) }
func (c Created) GoString() string             { return c.String() }
func (c Created) LogValue() slog.Value         { return slog.StringValue(c.String()) }
func (c Created) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

var (
	// ErrUnknown: no such key of this account.
	ErrUnknown = edge.E("apikey_unknown")
	// ErrPurpose: a key says what it is for.
	ErrPurpose = edge.E("apikey_purpose")
	// ErrPublic: not a public key that could verify anything.
	ErrPublic = edge.E("apikey_public")
	// ErrScopes: no right, an unknown one, or one that this kind of key never has.
	ErrScopes = edge.E("apikey_scopes")
	// ErrNeedsPlaces: this right is only given to known addresses.
	ErrNeedsPlaces = edge.E("apikey_needs_addresses")
	// ErrWithdrawKey: withdrawing takes Ed25519, addresses, and an account of its own.
	ErrWithdrawKey = edge.E("apikey_withdraw")
	// ErrLife: an end that is past or too far away, or numbers outside of their bounds.
	ErrLife = edge.E("apikey_limits")
	// ErrTooMany: this account has as many keys as it may.
	ErrTooMany = edge.E("apikey_too_many")
	// ErrSecondDevice: the device that made a key cannot unlock it.
	ErrSecondDevice = edge.E("apikey_second_device")
	// ErrChanged: the key was changed, or ended, since it was read.
	ErrChanged = edge.E("apikey_changed")
	// ErrSub: a key belongs to no other than an open, working sub-account of its account.
	ErrSub = edge.E("apikey_sub")
	// ErrDayCap: a cap that is no amount of a currency.
	ErrDayCap = edge.E("apikey_day_cap")
	// ErrTaken: there is a key of this name.
	ErrTaken = edge.E("apikey_taken")
	// ErrLeaked: somebody showed that they have the secret; it never gets its power back.
	ErrLeaked = edge.E("apikey_leaked")
	// ErrHeld: new keys wait until a hold is over.
	ErrHeld = edge.E("apikey_held")
)
