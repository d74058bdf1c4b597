package session

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/proof"
	"keyward/internal/store"
)

// Device Bound Session Credentials (docs/decisions/0034): the browser binds a session to
// a key of its device, and shows that key every few minutes. What it gets for it is the
// bound cookie. From then on neither access nor refresh token of the session is worth
// anything without one that lives, and only the device key gets a new one.
//
// Nothing is stored for a cookie or a challenge: both carry their own MAC. A challenge is
// spent like a DPoP proof (spend.go), so of any number of answers one counts.

var (
	// ErrBoundMissing: the session is bound to a device key, and no live bound cookie
	// came along. The browser shows its key and tries again, or a touch begins anew.
	ErrBoundMissing = edge.E("bound_missing")
	// ErrBoundChallenge: nothing was proved yet, or with a challenge that is not open.
	// The answer carries one that is.
	ErrBoundChallenge = edge.E("bound_challenge")
	// ErrBoundRefused: no key is bound or shown like this.
	ErrBoundRefused = edge.E("bound_refused")
)

// Offer invites a browser to bind a session: what goes into the header
// Secure-Session-Registration. Both are good once, for a few minutes and for this
// session.
type Offer struct{ Challenge, Authorization string }

// Offer makes the invitation for a session that has just begun.
func (s *Service) Offer(id ID) Offer {
	exp := s.db.Now().Add(offerLife)
	return Offer{
		Challenge:     s.challenge(useRegister, id, exp),
		Authorization: "kwd_" + string(id) + "." + s.sealed(useAuthorize, id, exp, nil),
	}
}

// Shown is what a browser gets for its key.
type Shown struct {
	Session ID
	Cookie  string        // secret: it goes into the answer and nowhere else
	Life    time.Duration // of the cookie in the browser
	Next    string        // the challenge to sign the next time
	Over    bool          // the session has ended, or is not this browser's any more: nothing else is set
}

// String keeps the cookie out of logs, as with Issued.
func (o Shown) String() string               { return "a bound cookie for " + string(o.Session) }
func (o Shown) GoString() string             { return o.String() }
func (o Shown) LogValue() slog.Value         { return slog.StringValue(o.String()) }
func (o Shown) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// BindDevice binds a session to the key of a registration. access is the cookie that
// came along: whoever got hold of the invitation alone (a log of headers, a hostile
// script) binds nothing. A session is bound once: another key in its life ends it (contest), or a thief
// with the cookies could put one of theirs in the owner's place.
func (s *Service) BindDevice(ctx context.Context, cause store.Cause, access string, p proof.DeviceProof, addr netip.Addr) (Shown, error) {
	out, err := s.bindDevice(ctx, cause, access, p, addr)
	s.meterDevice("bound", out, err)
	return out, err
}

func (s *Service) bindDevice(ctx context.Context, cause store.Cause, access string, p proof.DeviceProof, addr netip.Addr) (Shown, error) {
	now := s.db.Now()
	rest, ok := strings.CutPrefix(p.Authorization, "kwd_")
	name, seal, ok2 := strings.Cut(rest, ".")
	id := ID(name)
	if !ok || !ok2 || !keyring.ValidID("ses_", name) || !s.opens(useAuthorize, id, seal, 0, now) ||
		!s.opens(useRegister, id, p.Challenge, challengeRandom, now) {
		return Shown{}, ErrBoundRefused
	}
	t, ok := parseAccess(s.access, access)
	if !ok || t.session != name || !now.Before(store.Time(t.exp)) {
		return Shown{}, ErrBoundRefused
	}
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var r row
		var epoch, version int64
		if err := tx.Row(sqlForCheck, name).Scan(append(r.dest(), &epoch)...); err != nil {
			return gone(err, ErrBoundRefused)
		}
		// Whoever kept the offer and the first cookie, out of a log or a proxy, would otherwise
		// bind the session with a key of their own: after a step-up with a token that is dead,
		// and from anywhere.
		if t.family != r.s.Family || r.s.JKT != "" && t.net != s.network(addr) {
			return ErrBoundRefused
		}
		if r.s.DeviceJKT != "" {
			return s.contest(tx, r.s, r.agent, p.JKT)
		}
		if err := s.spendChallenge(tx, p.Challenge, offerLife); err != nil {
			return ErrBoundRefused.Because(err)
		}
		err := tx.Row(sqlBindDevice, store.Micros(tx.Now), string(r.s.Account), name, p.JKT, p.JWK).Scan(&version)
		if err != nil {
			return gone(err, ErrBoundRefused)
		}
		s.changed(tx, id)
		tx.Cause.Actor = "account:" + string(r.s.Account) // as with a refresh: who was just let in acts for the account
		_, err = s.log.Append(tx, audit.Event{
			Action: "session.bound", Account: string(r.s.Account), Target: name,
			Effects: []audit.Effect{{Kind: "session", ID: name, Version: version}},
			Payload: map[string]string{"agent": device.AgentOfWords(r.agent).String()},
		})
		return err
	})
	if err != nil {
		return Shown{}, err
	}
	return s.shown(id, p.JKT, addr), nil
}

// contest answers a second key for a session that has one. Whoever sends it holds the
// offer of the sign-in and the session's own cookie, from its network: so does the browser
// that signed in, and nobody else should. Which of the two that is cannot be told; one is a
// thief, who may have been first. The session ends for both, before either has done much,
// and the owner is told.
func (s *Service) contest(tx *store.Tx, ses Session, agent, jkt string) error {
	if jkt == ses.DeviceJKT {
		return ErrBoundRefused // the same browser once more: its answer was lost
	}
	effects, err := s.End(tx, ses.Account, ses.ID, EndedContested)
	if errors.Is(err, ErrUnknown) {
		return ErrBoundRefused
	}
	if err != nil {
		return err
	}
	if _, err := s.log.Append(tx, audit.Event{
		Action: "session.contested", Account: string(ses.Account), Target: string(ses.ID), Effects: effects,
		Payload: map[string]string{"agent": device.AgentOfWords(agent).String()},
	}); err != nil {
		return err
	}
	return store.CommitWith(ErrBoundRefused)
}

// Show is a browser that shows its key.
type Show struct {
	Session ID
	JWT     string // "" when it asks for a challenge first
	URL     string // of the request, as the browser sees it
	Refresh string // the refresh cookie that came along, "" for none
	Addr    netip.Addr
}

// String keeps the refresh token out of logs.
func (w Show) String() string               { return "a device key for " + string(w.Session) }
func (w Show) GoString() string             { return w.String() }
func (w Show) LogValue() slog.Value         { return slog.StringValue(w.String()) }
func (w Show) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// ShowDevice gives a new bound cookie to whoever holds the device key. Without a proof,
// or with a challenge that is not open, it is ErrBoundChallenge, for any session there
// may be: strangers learn nothing. Shown.Next is set then too.
//
// It writes nothing but the spent challenge, and no event: the owner's browser does this
// every eight minutes.
func (s *Service) ShowDevice(ctx context.Context, cause store.Cause, w Show) (Shown, error) {
	out, err := s.showDevice(ctx, cause, w)
	s.meterDevice("shown", out, err)
	return out, err
}

func (s *Service) showDevice(ctx context.Context, cause store.Cause, w Show) (Shown, error) {
	if !keyring.ValidID("ses_", string(w.Session)) {
		return Shown{}, ErrBoundRefused
	}
	now := s.db.Now()
	if w.JWT == "" {
		return s.ask(w.Session, now), ErrBoundChallenge
	}
	j, err := proof.ReadDeviceProof(w.JWT, proof.DeviceWant{URL: w.URL, Session: string(w.Session)})
	if err != nil {
		return Shown{}, ErrBoundRefused.Because(err)
	}
	if !s.opens(useShow, w.Session, j.Challenge, challengeRandom, now) { // before any row is read
		return s.ask(w.Session, now), ErrBoundChallenge
	}
	var ses Session
	var key string
	var f family // of the refresh cookie
	err = s.db.View(ctx, func(tx *store.Tx) (err error) {
		if ses, key, err = s.boundRow(tx, w.Session); err != nil {
			return err
		}
		f = family{}
		if t, ok := s.parseRefresh(w.Refresh); ok {
			f.id = t.family
			if err = s.forRefresh(tx, &f); err == store.ErrNoRows {
				f, err = family{}, nil
			}
		}
		return err
	})
	if err != nil {
		return Shown{}, gone(err, ErrBoundRefused)
	}
	if key == "" {
		return Shown{}, ErrBoundRefused
	}
	err = j.SignedBy(key)
	switch {
	case errors.Is(err, proof.ErrDeviceSignature) && f.id != "" && f.ses.ID == ses.ID && f.live(now):
		// Somebody holds the session's own refresh token and a key that is not its
		// device's: a copy. As with any wrong key nothing ends, and the owner is told
		// once (DESIGN §6.5). Without the token it is only noise about a known id.
		s.count(s.met.Mismatch)
		if f.ses.SuspectAt.IsZero() {
			if err := s.suspect(context.WithoutCancel(ctx), cause, &f); err != nil {
				return Shown{}, err
			}
		}
		return Shown{}, ErrBoundRefused.Because(err)
	case err != nil:
		return Shown{}, ErrBoundRefused.Because(err)
	}
	// The key is the right one, so it may hear exactly where it stands. A browser in
	// which another session has begun since would write this one's cookie over it.
	if !ses.EndedAt.IsZero() || f.id != "" && f.ses.ID != ses.ID {
		return Shown{Session: w.Session, Over: true}, nil
	}
	err = s.db.Housekeeping(ctx, func(tx *store.Tx) error { return s.spendChallenge(tx, j.Challenge, challengeLife) })
	if errors.Is(err, ErrProofReplayed) {
		return s.ask(w.Session, now), ErrBoundChallenge.Because(err)
	}
	if err != nil {
		return Shown{}, err
	}
	return s.shown(w.Session, ses.DeviceJKT, w.Addr), nil
}

// ask hands out a challenge, for any name a session could have: whether there is such a
// one is not looked up, and so cannot be heard.
func (s *Service) ask(id ID, now time.Time) Shown {
	return Shown{Session: id, Next: s.challenge(useShow, id, now.Add(challengeLife))}
}

func (s *Service) shown(id ID, jkt string, addr netip.Addr) Shown {
	now := s.db.Now()
	t := boundToken{session: string(id), jkt: jkt, exp: store.Micros(now.Add(boundLife + boundLate)), net: s.network(addr)}
	return Shown{Session: id, Cookie: encodeBound(s.bound, t), Life: boundLife, Next: s.challenge(useShow, id, now.Add(challengeLife))}
}

// boundRow reads a session with its device key and whatever ended it first.
func (s *Service) boundRow(tx *store.Tx, id ID) (Session, string, error) {
	var key string
	if err := tx.Row(sqlDeviceKey, string(id)).Scan(&key); err != nil {
		return Session{}, "", err
	}
	ses, err := standing(tx.Row(sqlByIDAlone, string(id)), tx.Now)
	return ses, key, err
}

func gone(err error, refusal *edge.Error) error {
	if err == store.ErrNoRows {
		return refusal
	}
	return err
}

// vouches says which session and key a bound cookie stands for; "" when it is not ours,
// or over, or was given out to another network. The last is what makes a copied jar
// worthless at once and not after ten minutes; an owner who changed networks shows the
// key again without noticing.
func (s *Service) vouches(cookie string, addr netip.Addr, now time.Time) (id ID, jkt string) {
	t, ok := parseBound(s.bound, cookie)
	if !ok || !now.Before(store.Time(t.exp)) || t.net != s.network(addr) {
		return "", ""
	}
	return ID(t.session), t.jkt
}

// BoundLives reports whether a bound cookie would be accepted from this address now, for
// the session of the refresh token beside it. Where that cannot be read it may.
func (s *Service) BoundLives(ctx context.Context, cookie, refresh string, addr netip.Addr) bool {
	id, jkt := s.vouches(cookie, addr, s.db.Now())
	if id == "" {
		return false
	}
	ses, err := s.Presented(ctx, refresh)
	if err != nil {
		return !errors.Is(err, ErrRefreshInvalid)
	}
	return ses.ID == id && ses.DeviceJKT == jkt
}

// bears reports whether a request with this bound cookie may speak for the session. For
// ten seconds after the binding it may without: what the browser had sent before it
// knew of its cookie is still on the way then. minted is when the access token that came
// along was handed out: one that is younger than the binding was not on its way, and a
// copy that refreshes within those seconds gets nothing that opens a page.
func (s *Service) bears(ses *Session, cookie string, addr netip.Addr, now, minted time.Time) bool {
	if ses.DeviceJKT == "" || now.Before(ses.BoundAt.Add(bindGrace)) && !minted.After(ses.BoundAt) {
		return true
	}
	id, jkt := s.vouches(cookie, addr, now)
	return id == ses.ID && jkt == ses.DeviceJKT
}

// lapse marks once that a session's tokens came without its device key, and tells the
// owner: it may be their browser that signed too often, or a copy of everything else
// that the browser keeps. Nothing ends; the refusal alone is what protects.
func (s *Service) lapse(ctx context.Context, cause store.Cause, f *family, r Refresh) error {
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var version int64
		err := tx.Row(sqlMarkLapsed, store.Micros(tx.Now), string(f.ses.Account), string(f.ses.ID), f.id).Scan(&version)
		if err == store.ErrNoRows {
			return nil // somebody else marked it, or the tokens are dead by now
		}
		if err != nil {
			return err
		}
		s.changed(tx, f.ses.ID)
		payload := map[string]string{"agent": f.ses.Agent.String()}
		if r.Skipped != "" {
			payload["skipped"] = r.Skipped
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "session.lapsed", Account: string(f.ses.Account), Target: string(f.ses.ID),
			Effects: []audit.Effect{{Kind: "session", ID: string(f.ses.ID), Version: version}},
			Payload: payload,
		})
		return err
	})
}

// Presented is the session that a refresh token belongs to, while it stands. It turns
// nothing over and proves nothing: whoever shows a token has a copy of it.
func (s *Service) Presented(ctx context.Context, refresh string) (Session, error) {
	t, ok := s.parseRefresh(refresh)
	if !ok {
		return Session{}, ErrRefreshInvalid
	}
	f := family{id: t.family}
	if err := s.db.View(ctx, func(tx *store.Tx) error { return s.forRefresh(tx, &f) }); err != nil {
		return Session{}, gone(err, ErrRefreshInvalid)
	}
	if !f.live(s.db.Now()) {
		return Session{}, ErrRefreshInvalid
	}
	return f.ses, nil
}

// spendChallenge uses a challenge up, in the transaction that acts on it.
func (s *Service) spendChallenge(tx *store.Tx, challenge string, life time.Duration) error {
	h := keyring.Hash("bound\x00" + challenge)
	n, err := tx.Exec(sqlJTI, h[:], store.Micros(tx.Now.Add(life+proofWindow)))
	if err == nil && n == 0 {
		err = ErrProofReplayed
	}
	return err
}

// meterDevice counts one answer to a browser that speaks DBSC.
func (s *Service) meterDevice(good string, out Shown, err error) {
	switch {
	case err == nil && out.Over:
		s.countDevice("ended")
	case err == nil:
		s.countDevice(good)
	case errors.Is(err, ErrBoundChallenge):
		s.countDevice("asked")
	case errors.Is(err, ErrBoundRefused):
		s.countDevice("refused")
	}
}

func (s *Service) countDevice(what string) {
	if s.met.Device != nil {
		s.met.Device(what)
	}
}
