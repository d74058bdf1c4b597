package apikey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"keyward/internal/account"
	"keyward/internal/store"
)

// Need is what a request has to be allowed to do, as the gate's routes say.
type Need struct {
	Scope  Scopes // one right; 0: none, as for a key that asks about itself
	Class  Class
	Symbol string // "" when the route names none
	Stream bool   // it opens a stream: taken once, though it is a read

	To string // where a transfer goes, as the request names it; "" when the route names no place

	// Amount reads how much an order trades, false when nobody can be sure. nil: the route
	// names no place. It is asked for keys with a cap only, so that the others pay nothing.
	Amount func(r *Request, symbol string) (Amount, bool)
}

// exits reports whether a key that is to trade no more may still do this.
func (n Need) exits() bool { return n.Scope == 0 || Exiting.Has(n.Scope) }

// Decision is a request that is let in.
type Decision struct {
	ID        DecisionID
	Key       Key   // as far as decisions need it: without purpose, places and where it came from
	Version   int64 // of the key, that signed
	Scopes    Scopes
	ExitOnly  bool
	At        time.Time
	Skew      time.Duration // the client's clock minus ours; positive: ahead
	NotAfter  time.Time     // the upstream may look at it again just before it acts
	Remaining int           // days left of the key
	Stale     time.Duration // nobody vouched for what was remembered, for so long; 0: it was vouched for
}

// Refusal is a request that is not let in. Until Proved, Code is AuthFailed and says
// nothing else: no oracle about keys, lists or states (section E6).
type Refusal struct {
	Code    Code
	Proved  bool
	Key     ID      // of a proved one
	Profile Profile // that the request was made in; Native where it shows none
	Facts
}

func (r *Refusal) Error() string { return "apikey: " + string(r.Code) }

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// Verify decides about one request. The order is the point of it: form, lookup, place
// where it saves work, signature; only then what the key may do, each with its exact
// cause; then replay, last of all but speed, so that nothing refused takes a place.
func (s *Service) Verify(ctx context.Context, r *Request, need Need) (Decision, *Refusal) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	profile, ok := profileOf(r)
	if !ok {
		return Decision{}, &Refusal{Code: AuthFailed, Profile: Native}
	}
	unproved := func(code Code) (Decision, *Refusal) { return Decision{}, &Refusal{Code: code, Profile: profile} }
	if r.Unseen && profile != Native {
		// The others sign the body itself, so it holds for an empty one or not at all; and
		// one that signs none may only read, for which there is no body.
		r.Digest = emptyDigest
	}
	c, ok := read(profile, r, *buf)
	if cap(c.Signed) > cap(*buf) && cap(c.Signed) < 64<<10 {
		*buf = c.Signed[:0]
	}
	if !ok {
		return unproved(AuthFailed)
	}
	return s.judge(ctx, r, &c, need)
}

// judge decides about what a request, or the login of a stream, says of itself.
func (s *Service) judge(ctx context.Context, r *Request, c *Claim, need Need) (Decision, *Refusal) {
	now, profile := s.db.Now(), c.Profile
	unproved := func(code Code) (Decision, *Refusal) { return Decision{}, &Refusal{Code: code, Profile: profile} }
	if !s.safe.Usable(now) {
		// The key that wraps the root was out of reach for too long, or was switched off: nothing that it
		// opened decides any more. Said to everybody alike, so it tells nothing about a key.
		return unproved(KeysShut)
	}
	k, stale, err := s.lookup(ctx, profile, ID(c.Key), need)
	if err != nil {
		return unproved(Unavailable)
	}
	defer release(k)
	if k == nil || c.Alg != "" && k.Alg != c.Alg || k.Profile != profile {
		mac256.Equal(s.dummy, c.Sig, c.Signed) // an unknown key takes as long as a known one
		if k != nil && k.honey {
			s.trapped(k, r.Peer, false, now)
		}
		return unproved(AuthFailed)
	}
	here := within(r.Peer, k.Allow, k.Deny)
	if !here && k.Alg == Ed25519 && k.probe(now) > 0 {
		// 40 µs for whoever knows a key's name is a way to keep us busy.
		s.count(k, r.Peer, need.Class, AuthFailed, false, now)
		return unproved(AuthFailed)
	}
	v := s.signer(k, c, r, now)
	if k.honey {
		// To whoever sends it, it is a key that there is not: told later than this, or
		// otherwise, they would know that they were seen.
		s.trapped(k, r.Peer, v >= 0, now)
		v = -1
	}
	if v < 0 {
		s.count(k, r.Peer, need.Class, AuthFailed, false, now)
		return unproved(AuthFailed)
	}
	d := Decision{Key: k.decided(), Version: k.versions[v].n, Scopes: k.Scopes &^ k.Asleep.Rights(), At: now, Remaining: int(k.Expires.Sub(now) / (24 * time.Hour)), Stale: stale}
	window := k.Window
	if c.Window > 0 {
		window = min(window, c.Window)
	}
	if !c.Ends.IsZero() {
		c.At = c.Ends.Add(-window)
	}
	if !c.At.IsZero() {
		d.Skew, d.NotAfter = c.At.Sub(now), c.At.Add(window)
	}
	code, facts := s.proved(ctx, k, c, r, need, here, &d)
	s.count(k, r.Peer, need.Class, code, true, now)
	if k.replacing(now) {
		s.meter.count(s.keys.at(k.ID), k, d.Version, r.Peer, code, now)
	}
	if code == KeyInBrowser {
		s.exposed(ctx, k, r.Peer, now)
	}
	if code != "" {
		facts.RequestAt, facts.ServerAt, facts.Window, facts.Seen = c.At, now, window, r.Peer.Unmap()
		return Decision{}, &Refusal{Code: code, Proved: true, Key: k.ID, Profile: profile, Facts: facts}
	}
	if stale > 0 {
		s.noteStale()
	}
	if !c.At.IsZero() {
		s.watchClock(k, d.Skew, window, r.Peer, now)
	}
	if k.first() {
		s.firstUse(k, r.Peer, now)
	}
	return d, nil
}

// proved decides about a request whose signature holds: the owner of the key may know
// the exact cause.
func (s *Service) proved(ctx context.Context, k *opened, c *Claim, r *Request, need Need, here bool, d *Decision) (code Code, f Facts) {
	now := d.At
	if !here {
		return IPNotAllowed, f
	}
	if !c.At.IsZero() && (now.After(d.NotAfter) || !c.At.Before(now.Add(ahead))) {
		return OutsideWindow, f
	}
	// After the window: the mark is not signed, and a request out of an old log with one
	// put on it must not end what the key may do.
	if !need.Stream && inBrowser(r) || need.Stream && pageOf(r) {
		return KeyInBrowser, f
	}
	st, err := s.standingAt(ctx, k.Account, d.Stale)
	if err != nil {
		return Unavailable, f
	}
	f.Needed = need.Scope
	status := st.status
	switch state := k.State(now); {
	case state == Finished:
		return KeyExpired, f
	case state == Pending:
		return KeyNotYet, f
	case status == account.Closed:
		return AccountFrozen, f
	case status != account.Active:
		d.ExitOnly = true
		if !need.exits() {
			return AccountFrozen, f
		}
	case k.Status == Quarantined:
		d.ExitOnly = true
		if !need.exits() {
			return KeyQuarantined, f
		}
	case state == Leaving:
		d.ExitOnly = true
		if !need.exits() {
			return ExitOnly, f
		}
	}
	if need.Scope != 0 && !k.Scopes.Has(need.Scope) {
		return ScopeMissing, f
	}
	if k.Asleep.Rights().Has(need.Scope) {
		f.Unused = k.IdleSince
		return RightAsleep, f
	}
	if c.Profile.Unsigned() && !Reading.Has(need.Scope) {
		return ScopeMissing, f // what a body asks for is not signed: anybody on the way could name the amount
	}
	if code := st.inside(&k.Key, need, d); code != "" {
		return code, f
	}
	if wait := st.holds(need.Scope, now); wait > 0 {
		f.RetryAfter = wait
		return AccountFrozen, f
	}
	if need.Scope == Withdraw && k.Locked {
		return WithdrawLocked, f
	}
	// A route that names no market names none on the list either: what such an order
	// trades, nobody here can say.
	if len(k.Symbols) > 0 && need.Scope&Trading != 0 && !slices.Contains(k.Symbols, need.Symbol) {
		return SymbolNotAllowed, f
	}
	var amount Amount
	if k.DayCap.Most != 0 && need.Scope&Trading != 0 {
		if need.Amount != nil {
			own := *r // what is handed to a function moves to the heap; not for every request
			amount, _ = need.Amount(&own, need.Symbol)
		}
		if !k.DayCap.counts(amount) {
			return DayCapUnread, f
		}
	}
	if wait := max(k.take(now), st.take(k.Sub, now)); wait > 0 {
		f.RetryAfter = wait
		return RateLimited, f
	}
	id := s.serial.Next()
	if d.Stale > 0 && (c.Counter != 0 || c.At.IsZero()) && r.Mutating() {
		return Unavailable, f // only the database knows whether it came before
	}
	if c.Counter != 0 && d.Stale == 0 {
		if code := s.grows(ctx, nonceOwner(k.ID, d.Version), c, k.Alg, id, now, &f); code != "" {
			return code, f
		}
	} else if r.Mutating() || need.Stream || need.Scope&^Reading != 0 || c.Profile.Unrouted() { // some exchanges trade by GET
		if code := s.once(ctx, c, k.Alg, id, now, d.Stale, &f); code != "" && !(code == Replayed && c.readsAgain(r, need)) {
			return code, f
		}
	}
	if amount.Micros > 0 {
		if code := s.spend(ctx, &k.Key, amount, now); code != "" {
			return code, f
		}
	}
	d.ID = id
	return "", f
}

// readsAgain reports whether a request whose bytes were here before may pass as a read.
// Where neither method nor path is signed, two reads without parameters that are signed
// in one millisecond are the same bytes: clients of binance send such pairs when they
// start. The read still takes its place, so that it cannot come back as a change, and
// one that says no time stays single.
func (c *Claim) readsAgain(r *Request, need Need) bool {
	return !r.Mutating() && !need.Stream && !c.At.IsZero() && (need.Scope == 0 || Reading.Has(need.Scope))
}

// once lets a request in a first time and never again.
//
// While nobody answers at the database (stale) only what closes gets here, and this
// process remembers for itself: a cancel that another gate let in before may be let in
// once more.
func (s *Service) once(ctx context.Context, c *Claim, alg Alg, decision [16]byte, now time.Time, stale time.Duration, f *Facts) Code {
	id := c.replayID(alg)
	life := replayLife
	if c.At.IsZero() {
		life = timelessLife // it says no time, so it could come again as long as we remember
	}
	if (s.shared || c.At.IsZero()) && stale == 0 {
		first, taken := s.replays.seen(id)
		if !taken { // a repeat at the same gate costs the database nothing
			var err error
			if first, taken, err = s.claims.claim(ctx, id, decision, now.Add(life)); err != nil {
				return Unavailable // nobody knows: fail closed
			}
			if taken {
				s.replays.claim(id, first, now, now)
			} else {
				s.replays.claim(id, decision, now, now)
			}
		}
		if taken {
			f.First = DecisionID(first).String()
			return Replayed
		}
		return ""
	}
	// A process that has just started and remembers alone cannot know what was let in
	// before: what could have been is refused until it is too old to be (the fence).
	if !c.At.After(s.started.Add(ahead)) {
		f.RetryAfter = ahead
		return Starting
	}
	first, taken, ok := s.replays.claim(id, decision, c.At, now)
	switch {
	case taken:
		f.First = DecisionID(first).String()
		return Replayed
	case !ok:
		return Unavailable
	}
	return ""
}

// grows takes a nonce that has to grow: one conditional statement, so that of two equal
// ones one is taken, by whichever gate. What this gate remembers to have let in is told
// that it came before and not that its nonce is low: of the latter a bot makes a new
// request, and an order stands twice. Where nobody remembers, the nonce keeps it out.
func (s *Service) grows(ctx context.Context, key ID, c *Claim, alg Alg, decision [16]byte, now time.Time, f *Facts) Code {
	if c.Counter > math.MaxInt64 {
		return NonceTooLow
	}
	var rows int64
	counter := int64(c.Counter) // not c itself, which would move to the heap for every request
	// A gate that was taken over may hold the row of a nonce for ever: its bot is refused
	// then, and must not hold a connection that all others need.
	ctx, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	err := s.db.Housekeeping(ctx, func(tx *store.Tx) (err error) {
		rows, err = tx.Exec(sqlGrow, string(key), counter)
		return err
	})
	request := c.replayID(alg)
	switch {
	case err != nil:
		return Unavailable
	case rows == 0:
		if first, taken := s.replays.seen(request); taken {
			f.First = DecisionID(first).String()
			return Replayed
		}
		return NonceTooLow
	}
	s.replays.claim(request, decision, now, now) // no room is no harm: the nonce has grown
	return ""
}

// mayBeID reports whether something can be the id of a key: ours have a checksum, those
// of other exchanges only a length.
func mayBeID(p Profile, id string) bool {
	if p == Native || strings.HasPrefix(id, "kwk_") {
		return ourID(id)
	}
	return id != "" && len(id) <= 128
}

// replayID names a request. For a MAC it is the MAC, which is valid and so cannot be
// another for the same request; for a signature it is who signed and what, because some
// signatures have a second spelling. Who: the profile of binance signs no name of a key,
// and with a key of one's own one could take the place of what another account sends.
func (c *Claim) replayID(alg Alg) (id [16]byte) {
	if alg == Ed25519 || alg == ES256 {
		h := sha256.New()
		h.Write([]byte(c.Key))
		h.Write([]byte{0}) // stands in no id
		h.Write(c.Signed)
		return [16]byte(h.Sum(nil))
	}
	return [16]byte(c.Sig[:16])
}

// DecisionID names a decision.
type DecisionID [16]byte

// String is the name as it travels: "dec_…".
func (id DecisionID) String() string {
	out := make([]byte, 0, len("dec_")+32)
	return string(hex.AppendEncode(append(out, "dec_"...), id[:]))
}

// inBrowser reports marks that only a browser sets. Sec-Fetch-Mode alone is none: server
// side JavaScript sends it too.
func inBrowser(r *Request) bool {
	return len(r.Header["Origin"]) > 0 || len(r.Header["Sec-Fetch-Site"]) > 0 || len(r.Header["Sec-Fetch-Dest"]) > 0
}
