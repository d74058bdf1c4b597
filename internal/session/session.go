package session

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// ID names a session: "ses_…".
type ID string

// Kind tells which door a session came in by.
type Kind string

const (
	Web Kind = "web" // cookies in a browser
	API Kind = "api" // tokens in an app, DPoP-bound
)

// Why a session ended. Stored, so never renamed.
const (
	EndedByOwner   = "owner"    // from this or another device
	EndedSignOut   = "sign_out" // on itself
	EndedNotMe     = "not_me"
	EndedReplaced  = "replaced"  // signed in again on the same device
	EndedLapsed    = "lapsed"    // its device's key was not shown, and a touch began another
	EndedContested = "contested" // two browsers had its first cookie and each a key for it
	EndedReuse     = "reuse"     // a spent token was replayed
	EndedSnapshot  = "snapshot"  // a restored copy presented an old token
	EndedCrowded   = "crowded"   // more than an account may have; the oldest ended
	EndedFreeze    = "freeze"
	EndedAll       = "ended_all"
	EndedDevice    = "device_removed"
	EndedKey       = "key_removed"
	EndedIdle      = "idle"     // not stored: computed from the family
	EndedAbsolute  = "absolute" // not stored: computed
	EndedClosed    = "closed"
	EndedSuspended = "suspended"
	EndedRestored  = "restored" // the database was behind its anchor
)

// Session is one sign-in on one device. Times are UTC.
type Session struct {
	ID        ID
	Account   account.ID
	Device    device.ID
	Kind      Kind
	Family    string
	ACR       string
	AMR       []string
	AuthTime  time.Time // when the owner last proved presence with user verification or a code
	Key       device.KeyID
	JKT       string // RFC 7638 thumbprint of the binding key; "" when unbound
	Remember  bool
	CreatedAt time.Time
	LastSeen  time.Time
	IdleExp   time.Time
	AbsExp    time.Time
	Addr      string
	Agent     device.UserAgent
	SuspectAt time.Time // a copy of its token was presented without its key
	VouchedAt time.Time // the owner said "this was me"
	EndedAt   time.Time // zero while live
	EndedWhy  string
	ReachMS   int64 // ms until every gate refused it; -1 not measured
	Version   int64

	DeviceJKT string    // thumbprint of the device key that the browser bound it to (DBSC); "" when it did not
	BoundAt   time.Time // when it did
	LapsedAt  time.Time // its tokens came without that key, and the owner was told

	epoch int64
}

// By is the session as it redeems a touch.
func (s Session) By() device.By {
	return device.By{Session: string(s.ID), Account: s.Account, Device: s.Device}
}

// Proved is the key by which its requests are proved, "" in a browser, where a proof may be
// left out: there a copied cookie beside a touch that somebody was talked into would be
// enough. The touch of a phone counts beside it alone.
func (s Session) Proved() string {
	if s.Kind != API {
		return ""
	}
	return s.JKT
}

// Issued is what a sign-in, step-up or refresh hands out. The strings are
// secrets: they go into the answer and nowhere else.
type Issued struct {
	Session    ID
	Account    account.ID
	Access     string
	AccessExp  time.Time
	Refresh    string
	RefreshExp time.Time // when the refresh token dies if nothing happens
	Bound      bool
	Remember   bool
	Gen        int64
	Retry      bool // the same child again: nothing was written
}

// String keeps tokens out of logs even when somebody prints the struct; the
// methods after it do the same for %#v, for slog and for JSON.
func (i Issued) String() string               { return "issued for " + string(i.Session) }
func (i Issued) GoString() string             { return i.String() }
func (i Issued) LogValue() slog.Value         { return slog.StringValue(i.String()) }
func (i Issued) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

var (
	// ErrNotSignedIn: no token, or one we never made.
	ErrNotSignedIn = edge.E("not_signed_in")
	// ErrAccessExpired: ours, but its minutes are over; refresh.
	ErrAccessExpired = edge.E("access_expired")
	// ErrEnded: the session is over.
	ErrEnded = edge.E("session_ended")
	// ErrProofMissing: a bound session is used from another network without its key.
	ErrProofMissing = edge.E("proof_missing")
	// ErrProofReplayed: this DPoP proof was used before (RFC 9449 §11.1).
	ErrProofReplayed = edge.E("proof_replayed")
	// ErrUnknown: no such session of this account.
	ErrUnknown = edge.E("session_unknown")
	// ErrUnbound: "remember this device" needs a bound key (MISSION B8), and so
	// does every session of an app.
	ErrUnbound = edge.E("proof_missing")
	// ErrWeak: a session opened by a recovery code stays what it is.
	ErrWeak = edge.E("insufficient_power")

	ErrRefreshInvalid    = edge.E("refresh_invalid")
	ErrRefreshSuperseded = edge.E("refresh_superseded")
	ErrRefreshReused     = edge.E("refresh_reused")
	ErrRefreshWrongKey   = edge.E("refresh_wrong_key")
)

// Service is the one owner of session_* tables and of every token.
type Service struct {
	db     *store.DB
	ring   *keyring.Ring
	log    *audit.Log
	life   Lifetimes
	access *keyring.MAC
	netMAC *keyring.MAC

	bound   *keyring.MAC // bound cookies
	sealMAC *keyring.MAC // what a device key signs, and who may register one

	cache  cache
	grants grantMemory
	flight flight
	met    Metrics
}

// Metrics are the counters DESIGN §6 names. Each func must not block; nil funcs
// are not called.
type Metrics struct {
	Retry, Superseded, Mismatch func()
	Device                      func(what string)  // bound | shown | asked | ended | refused | missing
	Reuse                       func(class string) // unbound | snapshot
}

// New wires the service. fresh reports whether the process may answer from
// memory right now (audit.Watch.Valid); nil means it always may, which is right
// for the one process on SQLite, whose cache is told in the same commit.
func New(db *store.DB, ring *keyring.Ring, log *audit.Log, life Lifetimes, fresh func() bool, met Metrics) *Service {
	s := &Service{db: db, ring: ring, log: log, life: life, access: ring.MAC("session/access"), netMAC: ring.MAC("session/network"),
		bound: ring.MAC("session/bound"), sealMAC: ring.MAC("session/bound-challenge"), met: met}
	s.cache.init(fresh)
	s.flight.init()
	return s
}

// NewReader is the service of a process that has no root and only asks whether grants
// stand (GrantNow): a gate.
func NewReader(db *store.DB, fresh func() bool) *Service {
	s := &Service{db: db}
	s.cache.init(fresh)
	return s
}

// Begin says how somebody signed in. Exactly one of Proof and Code is set.
type Begin struct {
	Account  account.ID
	Device   device.ID
	Kind     Kind
	Proof    *device.Proof // a passkey touch
	Code     bool          // a recovery code: fallback powers only
	JKT      string
	Remember bool
	Addr     netip.Addr
	Agent    device.UserAgent
	Instead  ID // a session that this one replaces as well, wherever it is; one of another account stays
}

// Start writes a session with its first family and hands out the first tokens.
// Rows only: the caller appends the event, with the effects returned. An older
// session of the same account on the same device is replaced, not added
// (ux.md A3.4), so one browser is one line in the list.
func (s *Service) Start(tx *store.Tx, b Begin) (Issued, []audit.Effect, error) {
	if b.JKT == "" && (b.Remember || b.Kind == API) {
		return Issued{}, nil, ErrUnbound
	}
	acr, amr, at, key := ACRFallback, []string{"otp"}, tx.Now, device.KeyID("")
	switch {
	case b.Proof != nil && !b.Code:
		// A touch for another act, another account or an earlier transaction opens
		// nothing.
		if !b.Proof.For(tx, b.Account, device.Act{Kind: device.ActSignIn}) {
			return Issued{}, nil, ErrNotSignedIn
		}
		acr, amr, at, key = proofLevel(*b.Proof)
	case b.Proof == nil && b.Code:
	default:
		return Issued{}, nil, ErrNotSignedIn
	}
	effects, err := s.replace(tx, b)
	if err != nil {
		return Issued{}, nil, err
	}
	life := s.life.Absolute
	if b.Remember {
		life = s.life.Remember
	}
	var epoch int64
	var live int
	if err := tx.Row(sqlBeforeStart, string(b.Account), store.Micros(tx.Now)).Scan(&epoch, &live); err != nil {
		return Issued{}, nil, err
	}
	if live >= maxLive {
		crowded, err := s.endWhere(tx, sqlEndOldest, b.Account, EndedCrowded, maxLive-1)
		if err != nil {
			return Issued{}, nil, err
		}
		effects = append(effects, crowded...)
	}
	ses := Session{
		ID: ID(keyring.NewID("ses_", tx.Now)), Account: b.Account, Device: b.Device, Kind: b.Kind,
		ACR: acr, AMR: amr, AuthTime: at, Key: key, JKT: b.JKT, Remember: b.Remember,
		CreatedAt: tx.Now, LastSeen: tx.Now, AbsExp: tx.Now.Add(life), Agent: b.Agent, Version: 1, epoch: epoch,
	}
	if b.Addr.IsValid() {
		ses.Addr = b.Addr.Unmap().String()
	}
	iss, err := s.newFamily(tx, &ses, b.Addr)
	if err != nil {
		return Issued{}, nil, err
	}
	amrJSON, _ := json.Marshal(ses.AMR)
	if err := tx.Later(sqlInsertSession, string(ses.ID), string(ses.Account), string(ses.Device), string(ses.Kind), ses.Family,
		ses.ACR, string(amrJSON), store.Micros(ses.AuthTime), string(ses.Key), ses.JKT, ses.Remember,
		store.Micros(ses.CreatedAt), store.Micros(ses.LastSeen), store.Micros(ses.AbsExp), ses.Addr, ses.Agent.Words(), ses.epoch); err != nil {
		return Issued{}, nil, err
	}
	return iss, append(effects, audit.Effect{Kind: "session", ID: string(ses.ID), Version: 1}), nil
}

// replace ends what the new session takes the place of: those of the same browser, and
// the one that it begins instead of. One that had lapsed ends with what apps were given in
// it, whether its owner came by the touch page or signed in anew: a copy of everything but
// the device's key may have given it to them.
func (s *Service) replace(tx *store.Tx, b Begin) ([]audit.Effect, error) {
	rows, err := tx.Rows(sqlReplace, store.Micros(tx.Now), string(b.Account), EndedReplaced, EndedLapsed, string(b.Device), string(b.Kind), string(b.Instead))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var effects []audit.Effect
	var lapsed []string
	for rows.Next() {
		e, why := audit.Effect{Kind: "session"}, ""
		if err := rows.Scan(&e.ID, &e.Version, &why); err != nil {
			return nil, err
		}
		if effects = append(effects, e); why == EndedLapsed {
			lapsed = append(lapsed, e.ID)
		}
		s.changed(tx, ID(e.ID))
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, id := range lapsed {
		if effects, err = s.andGrants(tx, effects, sqlEndGrantsIn, b.Account, EndedLapsed, id); err != nil {
			return nil, err
		}
	}
	return effects, nil
}

// proofLevel translates a touch into the words of RFC 8176 and our ACR ladder.
func proofLevel(p device.Proof) (acr string, amr []string, at time.Time, key device.KeyID) {
	acr = ACRPhr
	amr = []string{"swk", "user"}
	if p.Grade() == device.Hardware {
		acr = ACRPhrh
		amr = []string{"hwk", "user"}
	}
	return acr, amr, p.At(), p.Key()
}

// newFamily starts a chain of refresh tokens for ses and mints its first pair.
func (s *Service) newFamily(tx *store.Tx, ses *Session, addr netip.Addr) (Issued, error) {
	kid := s.ring.CurrentRefreshKID()
	mac, ok := s.ring.RefreshKey(kid)
	if !ok {
		return Issued{}, keyring.ErrNoKey
	}
	t := refreshToken{kid: kid, family: keyring.NewID("fam_", tx.Now), gen: 1, secret: [secretLen]byte(keyring.Random(secretLen))}
	ses.Family = t.family
	ses.IdleExp = s.idle(tx.Now, ses.AbsExp, ses.Remember)
	refresh := encodeRefresh(mac, t)
	hash := keyring.Hash(refresh)
	if err := tx.Later(sqlInsertFamily, t.family, string(ses.ID), string(ses.Account), ses.Remember, int64(kid), hash[:],
		store.Micros(ses.IdleExp), store.Micros(ses.AbsExp), ses.JKT, ses.epoch); err != nil {
		return Issued{}, err
	}
	return s.issue(tx.Now, ses, refresh, 1, addr), nil
}

// idle is when a family dies without use. A remembered device is bound and
// explicit, so only its absolute end counts (MISSION B8).
func (s *Service) idle(now, abs time.Time, remember bool) time.Time {
	if remember {
		return abs
	}
	if t := now.Add(s.life.Idle); t.Before(abs) {
		return t
	}
	return abs
}

func (s *Service) issue(now time.Time, ses *Session, refresh string, gen int64, addr netip.Addr) Issued {
	exp := now.Add(s.life.Access)
	if ses.IdleExp.Before(exp) {
		exp = ses.IdleExp // never later than AbsExp: what its family cannot do, its access token cannot
	}
	a := accessToken{session: string(ses.ID), family: ses.Family, exp: store.Micros(exp)}
	if ses.JKT != "" {
		a.net = s.network(addr)
	}
	return Issued{
		Session: ses.ID, Account: ses.Account, Access: encodeAccess(s.access, a), AccessExp: exp,
		Refresh: refresh, RefreshExp: ses.IdleExp, Bound: ses.JKT != "", Remember: ses.Remember, Gen: gen,
	}
}
