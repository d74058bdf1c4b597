package apikey

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Service is the one owner of apikey_* tables.
type Service struct {
	db       *store.DB
	ring     *keyring.Ring // nil at a gate of its own
	safe     *keyring.Safe // of the secrets
	reader   bool
	grace    time.Duration
	lost     func() (since time.Duration, ever bool)
	stales   atomic.Int64
	unsaid   atomic.Int64 // of those, not in the log yet
	log      *audit.Log
	accounts *account.Service
	devices  *device.Service
	fresh    func() bool // nil: nobody else writes
	gates    func(context.Context) error

	started time.Time
	dummy   keyring.KeyedKey // what an unknown key is checked with
	keys    keyCache
	held    held
	gone    cache[ID, struct{}] // ids that are no key, or no key any more
	people  cache[account.ID, standing]
	names   cache[ID, ID] // ids of later versions, to the keys they belong to
	meter   meter
	speeds  paces           // of keys
	sums    paces           // of an account or sub-account, all its keys together
	serial  *keyring.Serial // of decisions
	replays *replays
	claims  *claims
	shared  bool // other processes let requests in as well
	tally   tally
	traps   traps
	slept   atomic.Int64 // when Dormancy ran last

	firsts                 atomic.Int64 // that are being written
	tellBrowser, tellClock atomic.Int64 // how much more gates may say of keys (sighting.go)
}

// Parts are what the service works with.
type Parts struct {
	DB       *store.DB
	Ring     *keyring.Ring // nil at a gate of its own, which has a Safe
	Safe     *keyring.Safe // nil: that of the Ring
	Log      *audit.Log
	Accounts *account.Service
	Devices  *device.Service
	Fresh    func() bool                             // whether this process may answer from memory (DESIGN §7)
	Lost     func() (since time.Duration, ever bool) // for how long it may not, and whether it ever could
	Grace    time.Duration                           // how long looking and cancelling go on then without a database; 0: not at all
	Gates    func(context.Context) error             // waits until a change is refused everywhere; nil: nobody to wait for
	Logger   *slog.Logger                            // hears of traps; nil: nobody does
	Trapped  func(proved bool)                       // counts each use of a honeytoken; nil: nobody does
}

// New wires the service.
func New(p Parts) *Service {
	s := &Service{db: p.DB, ring: p.Ring, safe: p.Safe, reader: p.Ring == nil, grace: min(p.Grace, MaxGrace), lost: p.Lost, log: p.Log, accounts: p.Accounts, devices: p.Devices, fresh: p.Fresh, gates: p.Gates,
		started: p.DB.Now(), dummy: mac256.Key(string(keyring.Random(32))), replays: newReplays(replayEntries), serial: keyring.NewSerial()}
	if s.safe == nil && p.Ring != nil {
		s.safe = p.Ring.Safe()
	}
	s.keys.init(memoryEntries)
	s.held.init()
	s.people.init(memoryEntries)
	s.speeds.init(memoryEntries)
	s.sums.init(memoryEntries)
	s.gone.init(goneEntries)
	s.traps.logger, s.traps.counted = p.Logger, p.Trapped
	s.traps.bell = make(chan struct{}, 1)
	s.names.init(memoryEntries)
	s.claims, s.shared = &claims{db: p.DB}, p.DB.Dialect() == store.PostgreSQL
	return s
}

// Acts that need the owner's touch.
const (
	ActAdd    = device.ActBotKeyAdd
	ActChange = device.ActBotKeyChange
	ActUnlock = device.ActBotKeyUnlock
	ActFree   = device.ActBotKeyRelease
	ActWake   = device.ActBotKeyWake
)

// Act is what the touch for a new key is bound to: all that it could do. A touch that
// was given for a reading key makes no trading one.
func (n NewKey) Act() device.Act {
	starts := "" // at once
	if !n.Starts.IsZero() {
		starts = strconv.FormatInt(store.Micros(n.Starts), 10)
	}
	act := device.Act{Kind: ActAdd, Object: digestOf(n.Purpose, n.Sub, string(n.Profile), string(n.Alg), string(n.Public), n.Scopes.String(), strings.Join(n.Symbols, " "),
		joinPlaces(n.Allow), joinPlaces(n.Deny), n.Life.String(), starts, n.Window.String(), strconv.Itoa(n.PerMin), n.Partner, strconv.FormatBool(n.Test), n.DayCap.String())}
	if n.Scopes&^Reading == 0 {
		return act.Looking()
	}
	return act
}

// For is an act on a key as a touch for it has to be asked: an operator may demand a better
// key of its owner for some of the rights that the act gives or keeps alive.
func (s *Service) For(act device.Act, scopes Scopes) device.Act {
	return s.devices.ForScopes(act, scopes.Names()...)
}

// need redeems the touch for an act on a key that has, or gets, these rights.
func (s *Service) need(tx *store.Tx, by By, act device.Act, scopes Scopes) (device.Proof, error) {
	return s.devices.Need(tx, by.Who(), s.For(act, scopes))
}

// mayBeNamed reports whether a name fits into a decision: visible ASCII, not too long.
// Another one would make a key whose every request is refused.
func mayBeNamed(name string) bool {
	return name != "" && len(name) <= 124 && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// digestOf is the whole hash: half of it would let whoever makes both halves of a pair
// show one key and get another after 2^64 tries.
func digestOf(parts ...string) string {
	var b []byte
	for _, part := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
	}
	sum := keyring.Hash(string(b))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Checked is n with its defaults, or why there can be no such key.
func (n NewKey) Checked() (NewKey, error) {
	n.Purpose, n.Partner = strings.TrimSpace(n.Purpose), strings.TrimSpace(n.Partner)
	if n.Profile == "" {
		n.Profile = Native
	}
	if n.Alg == "" && len(signsWith[n.Profile]) > 0 {
		n.Alg = signsWith[n.Profile][0]
	}
	if n.Life == 0 {
		n.Life = defaultLife
	}
	if n.Window == 0 {
		n.Window = defaultWindow
	}
	if n.PerMin == 0 {
		n.PerMin = defaultPerMinute
	}
	switch {
	case utf8.RuneCountInString(n.Purpose) < minPurpose || len(n.Purpose) > maxPurpose || !plain(n.Purpose) || len(n.Partner) > maxPurpose || !plain(n.Partner):
		return n, ErrPurpose
	case n.Sub != "" && !mayBeNamed(n.Sub):
		return n, ErrUnknown
	case !n.Profile.signs(n.Alg):
		return n, ErrPublic
	case n.Alg == Ed25519 && (len(n.Public) != ed25519.PublicKeySize || weak(n.Public)), n.Alg != Ed25519 && len(n.Public) != 0:
		return n, ErrPublic
	case n.Life < time.Hour || n.Life > maxLife, n.Window < ahead || n.Window > maxWindow, n.PerMin < 1 || n.PerMin > maxPerMinute:
		return n, ErrLife
	}
	if !n.DayCap.ok() {
		return n, ErrDayCap
	}
	if n.Profile.Unsigned() && n.Scopes&^Reading != 0 {
		return n, ErrScopes // what such a client asks for in a body is not signed
	}
	if (n.Profile == Upbit || n.Profile == Bithumb) && len(n.Allow) == 0 {
		return n, ErrNeedsPlaces // its requests say no time, so a place has to be said
	}
	return n, allowed(n.Alg, n.Scopes, n.Symbols, n.Allow, n.Deny, n.Sub, n.Partner)
}

// allowed holds the rules of least power, for new keys and for changed ones alike.
func allowed(alg Alg, scopes Scopes, symbols []string, allow, deny []netip.Prefix, sub, partner string) error {
	switch {
	case scopes == 0 || scopes&^all != 0:
		return ErrScopes
	case len(symbols) > maxSymbols || slices.ContainsFunc(symbols, func(s string) bool { return !isSymbol(s) }):
		return ErrScopes
	case len(allow) > maxPlaces || len(deny) > maxPlaces:
		return ErrPlace
	case scopes&Withdraw != 0 && (alg != Ed25519 || len(allow) == 0 || sub != "" || partner != ""):
		// The secret of a MAC is known to two; and what is lent to a partner or to a bot
		// of a sub-account must never be able to empty the account.
		return ErrWithdrawKey
	case scopes&(Trading|Money) != 0 && len(allow) == 0:
		return ErrNeedsPlaces
	}
	return nil
}

// weak reports a public key of small order: with such a one there are signatures that
// hold for any message (RFC 8032 §8.3 leaves the check to whoever needs it).
func weak(public []byte) bool {
	for _, w := range weakKeys {
		if string(w[:31]) == string(public[:31]) && w[31]&0x7f == public[31]&0x7f {
			return true
		}
	}
	return false
}

// Add makes a key. It needs a touch for exactly this key.
func (s *Service) Add(ctx context.Context, cause store.Cause, by By, n NewKey) (Created, error) {
	n, err := n.Checked()
	if err != nil {
		return Created{}, err
	}
	var out Created
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		proof, err := s.need(tx, by, n.Act(), n.Scopes)
		if err != nil {
			return err
		}
		out, err = s.add(tx, by, n, proof)
		return err
	})
	return out, err
}

// add is the widening act itself: it cannot be called without a Proof.
func (s *Service) add(tx *store.Tx, by By, n NewKey, proof device.Proof) (Created, error) {
	if !proof.For(tx, by.Account, n.Act()) {
		return Created{}, device.StepUp(n.Act())
	}
	if err := s.MayWiden(tx, by.Account); err != nil {
		return Created{}, err
	}
	// A device that is being removed makes no key that outlives it: both transactions meet
	// in this row. The touch was given on a device that is gone, so it counts for nothing.
	if _, err := s.devices.Device(tx, by.Account, by.Device); errors.Is(err, device.ErrUnknown) {
		return Created{}, device.StepUp(s.For(n.Act(), n.Scopes))
	} else if err != nil {
		return Created{}, err
	}
	if err := s.subTakes(tx, by.Account, n.Sub); err != nil {
		return Created{}, err
	}
	c := Created{Key: n.key(tx.Now, by, idFor(n.Profile, n.Test))}
	if n.Alg != Ed25519 {
		c.Secret = secretFor(n.Profile, n.Test)
		if n.Profile.Passphrase() {
			c.Passphrase = passphrase()
		}
	}
	if err := s.insert(tx, c.Key, n.Public, boxed(c.Secret, c.Passphrase)); err != nil {
		return Created{}, err
	}
	_, err := s.log.Append(tx, audit.Event{
		Action: "apikey.added", Account: string(c.Account), Target: string(c.ID), Effects: effect(c.ID, 1),
		Payload: map[string]string{"purpose": c.Purpose, "scopes": c.Scopes.String(), "from": joinPlaces(c.Allow), "agent": c.Made.Agent},
	})
	return c, err
}

// key is what a checked request for one becomes.
func (n NewKey) key(now time.Time, by By, id ID) Key {
	starts := n.Starts
	if starts.Before(now) {
		starts = now
	}
	return Key{
		ID: id, Account: by.Account, Sub: n.Sub, Purpose: n.Purpose, Profile: n.Profile, Alg: n.Alg, Scopes: n.Scopes, Symbols: n.Symbols,
		Allow: n.Allow, Deny: n.Deny, Starts: starts, Expires: starts.Add(n.Life), Window: n.Window, PerMin: n.PerMin, DayCap: n.DayCap, Partner: n.Partner,
		Made: Made{At: now, Addr: by.Addr, Agent: by.Agent, Device: by.Device}, Status: Active, Locked: n.Scopes&Withdraw != 0, Version: 1, lockedBy: by.Device,
	}
}

// insert writes a key and its first version, the secret sealed for that row.
func (s *Service) insert(tx *store.Tx, k Key, pub, box []byte) error {
	if k.Expires.After(tx.Now.Add(maxLife)) {
		return ErrLife // one that begins late ends no later: what sleeps for years nobody remembers
	}
	var public, sealed any = pub, nil
	if k.Alg != Ed25519 {
		b, err := s.safe.Seal(box, "apikey_version", versionRow(k.ID, 1), "sealed")
		if err != nil {
			return err
		}
		public, sealed = nil, b
	}
	most, err := s.subKeys(tx, k.Account, k.Sub)
	if err != nil {
		return err
	}
	rows, err := tx.Exec(sqlInsert, string(k.ID), string(k.Account), k.Sub, k.Purpose, string(k.Profile), string(k.Alg), k.Scopes.String(), strings.Join(k.Symbols, " "),
		joinPlaces(k.Allow), joinPlaces(k.Deny), store.Micros(k.Starts), store.Micros(k.Expires), k.Window.Milliseconds(), k.PerMin, k.Partner,
		store.Micros(tx.Now), k.Made.Addr, k.Made.Agent, string(k.Made.Device), k.Locked, store.Micros(tx.Now), maxKeys, k.DayCap.Most, k.DayCap.Currency, most)
	if err != nil {
		return err
	}
	if rows == 0 {
		return ErrTooMany
	}
	if err := tx.Later(sqlInsertVersion, string(k.ID), 1, public, sealed, store.Micros(tx.Now)); err != nil {
		return err
	}
	return s.noteLookup(tx, k.ID, 1, k.Alg, pub, box)
}

// MayWiden refuses new power while the account is frozen, restricted, or held: ErrHeld.
// For keys, and for the sub-accounts that they belong to.
func (s *Service) MayWiden(tx *store.Tx, acc account.ID) error {
	a, err := s.accounts.ByID(tx, acc)
	if err != nil {
		return err
	}
	_, held, err := s.accounts.Held(tx, acc, account.HoldKeys)
	if err != nil {
		return err
	}
	if a.Status != account.Active || held {
		return ErrHeld
	}
	return nil
}

// List lists the keys of an account, the newest first, ended ones too.
func (s *Service) List(tx *store.Tx, acc account.ID) ([]Key, error) {
	return s.page(tx, sqlList, string(acc))
}

// MadeFrom lists the keys that a device made and that may still do something, newest first.
func (s *Service) MadeFrom(tx *store.Tx, acc account.ID, dev device.ID) ([]Key, error) {
	keys, err := s.page(tx, sqlMadeFrom, string(acc), string(dev))
	return slices.DeleteFunc(keys, func(k Key) bool { return k.State(tx.Now) == Finished }), err
}

// ByID reads a key of an account. ErrUnknown when it is not theirs.
func (s *Service) ByID(tx *store.Tx, acc account.ID, id ID) (Key, error) {
	k, err := scanKey(tx.Row(sqlOwn, string(acc), string(id)))
	if err == store.ErrNoRows {
		return Key{}, ErrUnknown
	}
	return k, err
}

// Revoke ends a key for good. It goes in the safe direction and needs no touch. Rows
// only: the caller appends the event with the effects returned.
func (s *Service) Revoke(tx *store.Tx, acc account.ID, id ID, why string) ([]audit.Effect, error) {
	var version int64
	err := tx.Row(sqlRevoke, string(acc), string(id), store.Micros(tx.Now), why).Scan(&version)
	if err == store.ErrNoRows {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	return effect(id, version), tx.Later(sqlDropSecrets, string(id), store.Micros(tx.Now))
}

// Erase ends an account's keys and takes out what is personal and what is secret. Requests
// are refused at once, because the account is closed in the same transaction.
func (s *Service) Erase(tx *store.Tx, acc account.ID) error {
	if err := tx.Later(sqlEraseUse, string(acc)); err != nil {
		return err
	}
	if err := tx.Later(sqlEraseSpent, string(acc)); err != nil {
		return err
	}
	if err := tx.Later(sqlEraseMeter, string(acc)); err != nil {
		return err
	}
	if err := tx.Later(sqlEraseSecrets, string(acc)); err != nil {
		return err
	}
	return tx.Later(sqlEraseKeys, string(acc), store.Micros(tx.Now))
}

func effect(id ID, version int64) []audit.Effect {
	return []audit.Effect{{Kind: "apikey", ID: string(id), Version: version}}
}

func versionRow(id ID, n int64) string { return string(id) + "/" + strconv.FormatInt(n, 10) }
