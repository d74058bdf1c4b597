package apikey

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A stream is a socket that stays open: one check at its beginning lets through what
// comes hours later. So its beginning is taken once, whoever reads along, and what was
// found then is asked again whenever the key or its account changes (Stands).
//
// There are two ways in. The handshake is signed, in any profile that signs by headers:
// that is the native way, and Verify decides about it with Need.Stream. Or the first
// message is a login, as clients of three exchanges send it: ReadLogin and VerifyLogin.

// maxLogin bounds a login. The longest of the three is a third of it.
const maxLogin = 4 << 10

// Login is a first message that says who opens a stream. Nothing in it is proved yet.
type Login struct {
	claim Claim
	id    []byte // what the client calls its message, as it stood there; nil: nothing
}

// Profile is the one whose shape the message has.
func (l *Login) Profile() Profile { return l.claim.Profile }

// ReadLogin reads a login as binance (session.logon), okx (op login) or bybit (op auth)
// have it, from the raw bytes of the message. A login that says more than is read here
// is none: what nobody checks, somebody else may go by.
func ReadLogin(message []byte) (*Login, bool) {
	if len(message) > maxLogin {
		return nil, false
	}
	list, ok := object(message)
	if !ok {
		return nil, false
	}
	l := new(Login)
	if method, there := text(list, "method"); there && method == "session.logon" {
		return l, l.readBinance(list)
	}
	switch op, _ := text(list, "op"); op {
	case "login":
		return l, l.readOKX(list)
	case "auth":
		return l, l.readBybit(list)
	}
	return nil, false
}

// VerifyLogin decides about a login. r is the handshake before it, which nobody signed:
// it says where the client is and which route it wants.
func (s *Service) VerifyLogin(ctx context.Context, r *Request, l *Login, need Need) (Decision, *Refusal) {
	need.Stream = true
	if !mayBeID(l.claim.Profile, l.claim.Key) {
		return Decision{}, &Refusal{Code: AuthFailed, Profile: l.claim.Profile}
	}
	c := l.claim
	return s.judge(ctx, r, &c, need)
}

// Stands asks again what was found when a stream was opened. code is empty while all of
// it still holds: the version of the key that signed, the address, the rights to read
// that the engine was told, and whether the account may do no more than look and cancel.
// A right that came back counts, so that a change that takes nothing away ends nothing.
// Until is when it will stop holding by the clock alone.
//
// Whoever asks because this process has heard of a change may be answered from memory,
// which has forgotten what changed before they heard. Whoever reads the log by another
// way may know more than this process does: for them remembered is false, and the
// database is read. An answer out of a memory that is behind would let the stream go on
// after its end was acknowledged.
func (s *Service) Stands(ctx context.Context, d *Decision, peer netip.Addr, remembered bool) (until time.Time, code Code) {
	now := s.db.Now()
	find, standing := s.find, s.standing
	if !remembered {
		find, standing = s.open, s.stand
	}
	k, err := find(ctx, d.Key.ID)
	if err != nil {
		return until, Unavailable
	}
	if k == nil || k.Status == Revoked || !slices.ContainsFunc(k.versions, func(v verifier) bool { return v.n == d.Version }) {
		return until, KeyExpired // it was ended, or the secret that opened the stream was
	}
	st, err := standing(ctx, k.Account)
	if err != nil {
		return until, Unavailable
	}
	state, exits := k.State(now), false
	switch {
	case state == Finished:
		return until, KeyExpired
	case state == Pending:
		return until, KeyNotYet
	case !within(peer, k.Allow, k.Deny):
		return until, IPNotAllowed
	case !k.Scopes.Has(d.Scopes & Reading):
		return until, ScopeMissing
	}
	if code = AccountFrozen; !st.active() {
		exits = true
	} else if code = KeyQuarantined; k.Status == Quarantined {
		exits = true
	} else if code = ExitOnly; state == Leaving {
		exits = true
	}
	// The engine was told that the account may trade; when that changes its word is out of
	// date. A frozen account may open another stream, which says what it is.
	if exits != d.ExitOnly || st.closed() {
		return until, code
	}
	until = k.Expires
	if state == Leaving {
		until = k.Expires.Add(exitLife)
	}
	return until, ""
}

// pageOf reports whether the handshake of a stream comes from a web page. Fetch metadata
// only a browser sends. An Origin also programs send: one client that many bots use
// writes the name that it connects to, which no foreign page can.
func pageOf(r *Request) bool {
	if len(r.Header["Sec-Fetch-Site"]) > 0 || len(r.Header["Sec-Fetch-Dest"]) > 0 {
		return true
	}
	for _, origin := range r.Header["Origin"] {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Authority) {
			return true
		}
	}
	return false
}
