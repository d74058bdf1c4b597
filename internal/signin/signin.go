package signin

import (
	"net/netip"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/store"
)

var (
	// ErrNotAccepted is the one answer before proof: unknown key, bad signature,
	// closed account, another account's challenge all look like it (ASVS 6.3.8).
	ErrNotAccepted = edge.E("passkey_not_accepted")
	// ErrCodeNotAccepted is the same for recovery codes.
	ErrCodeNotAccepted = edge.E("code_not_accepted")
	// ErrCodeUsed: the owner's own code, used before.
	ErrCodeUsed = ErrCodeNotAccepted.At("code", "was used before")
	// ErrPower: this sign-in is too weak for the act, and a touch by itself cannot
	// change that (a recovery code never adds a key).
	ErrPower = edge.E("insufficient_power")
	// ErrClosed: self sign-up is switched off.
	ErrClosed = edge.E("sign_up_closed")
	// ErrFrozen: the owner froze the account; only a passkey gets in, to lift it.
	ErrFrozen = edge.E("account_frozen")
	// ErrRestricted: what protects the account stays as it is for now.
	ErrRestricted = edge.E("account_restricted")
	// ErrHeld: this power is on hold until a moment, for a reason; both are said.
	ErrHeld = edge.E("held")
	// ErrAccountClosed: said only after a good signature.
	ErrAccountClosed = edge.E("account_closed")
	// ErrJoinCode is the one answer to a code of a new device that opens nothing:
	// never shown, too old, typed before, here or on another account.
	ErrJoinCode = edge.E("join_code_not_accepted")
	// ErrJoinOpen: the account has a new device waiting already.
	ErrJoinOpen = edge.E("join_open")
	// ErrJoinUnknown: the account has no such join; another account's looks the same.
	ErrJoinUnknown = edge.E("join_unknown")
	// ErrJoinWaiting: nobody has said yes yet.
	ErrJoinWaiting = edge.E("join_waiting")
	// ErrJoinGone: refused, used, too old, or never there.
	ErrJoinGone = edge.E("join_gone")
	// ErrExpired: the ticket, challenge or link is too old.
	ErrExpired = edge.E("challenge_expired")
)

// Service joins account, device and session in one transaction per flow.
type Service struct {
	db         *store.DB
	ring       *keyring.Ring
	log        *audit.Log
	accounts   *account.Service
	devices    *device.Service
	sessions   *session.Service
	selfSignUp bool
	joinCodes  *keyring.MAC
}

// Parts are what signin joins. All are required.
type Parts struct {
	DB         *store.DB
	Ring       *keyring.Ring
	Log        *audit.Log
	Accounts   *account.Service
	Devices    *device.Service
	Sessions   *session.Service
	SelfSignUp bool
}

// New wires the flows.
func New(p Parts) *Service {
	return &Service{p.DB, p.Ring, p.Log, p.Accounts, p.Devices, p.Sessions, p.SelfSignUp, p.Ring.MAC("signin/join-code")}
}

// From says which browser or app speaks: what the edge and the cookies know.
type From struct {
	Cookie   string // value of the device cookie, "" on a first visit
	Agent    device.UserAgent
	Addr     netip.Addr
	JKT, JTI string // verified binding proof; "" when none came
	Kind     session.Kind
	Remember bool
	Known    func(jkt string) string // the cookie of an app that has this session key; nil in a browser

	Instead session.Session // the one that came without its device's key; this sign-in ends it
}

// proved is the key by which the request itself was proved. At the pages a proof may be
// left out, so that a copied cookie beside a touch that somebody was talked into would be
// enough; the touch of a phone counts at the door for apps alone.
func (f From) proved() string {
	if f.Kind != session.API {
		return ""
	}
	return f.JKT
}

// Entered is a finished sign-up or sign-in.
type Entered struct {
	session.Issued
	Device       device.Device
	DeviceCookie string // set when the browser got a new one
	NewDevice    bool
}

// withCookie gives a first visit its device cookie. Made before the transaction,
// which may run twice.
func (f From) withCookie() (From, string) {
	if device.ValidCookie(f.Cookie) {
		return f, ""
	}
	f.Cookie = device.NewCookie()
	return f, f.Cookie
}

// enter recognises the device and starts the session, inside the flow's
// transaction. It returns the effects for the one event.
func (s *Service) enter(tx *store.Tx, acc account.ID, f From, proof *device.Proof) (Entered, []audit.Effect, error) {
	dev, isNew, err := s.devices.Meet(tx, acc, f.Cookie, f.Agent)
	if err != nil {
		return Entered{}, nil, err
	}
	iss, effects, err := s.sessions.Start(tx, session.Begin{
		Account: acc, Device: dev.ID, Kind: f.Kind, Proof: proof, Code: proof == nil,
		JKT: f.JKT, Remember: f.Remember, Addr: f.Addr, Agent: f.Agent, Instead: f.Instead.ID,
	})
	if err != nil {
		return Entered{}, nil, err
	}
	if isNew {
		effects = append(effects, audit.Effect{Kind: "device", ID: string(dev.ID), Version: 1})
	}
	return Entered{Issued: iss, Device: dev, NewDevice: isNew}, effects, nil
}

// seen is the erasable part of a sign-in's event: what the owner recognises.
func seen(f From, method string, isNew bool) map[string]string {
	p := map[string]string{"agent": f.Agent.String(), "method": method}
	if isNew {
		p["new_device"] = "yes"
	}
	if f.Remember {
		p["remember"] = "yes"
	}
	return p
}
