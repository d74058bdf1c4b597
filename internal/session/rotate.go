package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Refresh is a refresh token presented, with the binding proof already verified.
type Refresh struct {
	Presented string
	JKT       string // thumbprint of the key that signed the proof; "" when none came
	JTI       string // the proof's jti; used once
	Addr      netip.Addr
	Bound     string // the bound cookie that came along; "" when none did
	Skipped   string // why the browser says that it did not show its key; a word for the log
	App       string // of a grant: the name its owner knows the app by, for the log
}

// String keeps the token out of logs, as with Issued.
func (r Refresh) String() string               { return "a refresh token" }
func (r Refresh) GoString() string             { return r.String() }
func (r Refresh) LogValue() slog.Value         { return slog.StringValue(r.String()) }
func (r Refresh) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// family is the row a refresh decides on.
type family struct {
	id                string
	gen               int64
	curKID            uint32
	curHash, prevHash []byte
	prevAt            time.Time
	idleExp, absExp   time.Time
	jkt               string
	epoch             int64
	ses               Session
	accountEpoch      int64
}

// live reports whether the family may still be used at all.
func (f *family) live(now time.Time) bool {
	return f.ses.Family == f.id && f.ses.EndedAt.IsZero() && f.ses.epoch == f.accountEpoch && f.epoch == f.accountEpoch &&
		now.Before(f.idleExp) && now.Before(f.absExp)
}

// Rotate turns a refresh token over (DESIGN §6). Errors: ErrRefreshInvalid
// (never ours, or over), ErrBoundMissing (the browser has to show its device key
// first; nothing changed but a mark), ErrRefreshSuperseded (a late tab: re-read your store),
// ErrRefreshReused (replayed: the family is dead and that is committed),
// ErrRefreshWrongKey (nothing changed but a mark), ErrProofReplayed.
func (s *Service) Rotate(ctx context.Context, cause store.Cause, r Refresh) (iss Issued, err error) {
	t, ok := s.parseRefresh(r.Presented)
	if !ok {
		return Issued{}, ErrRefreshInvalid
	}
	// Identical tokens that arrive together go through one first and then the
	// rest: 64 clients on one row lose most of their tries under SERIALIZABLE
	// otherwise. Nothing is lent: each is decided by the database, with its own
	// proof, so an answer never outlives a revocation.
	hash := keyring.Hash(r.Presented)
	err = s.flight.pass(ctx, hash, func() error {
		iss, err = s.rotate(ctx, cause, t, hash, r)
		return err
	})
	if err != nil {
		return Issued{}, err
	}
	return iss, nil
}

func (s *Service) rotate(ctx context.Context, cause store.Cause, t refreshToken, hash [32]byte, r Refresh) (Issued, error) {
	// Made before the transaction: it depends on the token alone, and on SQLite
	// everybody waits for what happens inside.
	next, ok := s.childOf(t, s.ring.CurrentRefreshKID())
	if !ok {
		return Issued{}, keyring.ErrNoKey
	}
	var iss Issued
	var f family
	err := s.db.Update(ctx, cause, func(tx *store.Tx) (err error) {
		iss, err = s.turn(tx, t, next, hash, r)
		if err != store.ErrNoRows {
			return err
		}
		f = family{id: t.family}
		if err = s.forRefresh(tx, &f); err != nil {
			if err == store.ErrNoRows {
				return ErrRefreshInvalid // ours by its tag, but the row is gone: an erased or restored database
			}
			return err
		}
		iss, err = s.decide(tx, &f, t, hash, r)
		return err
	})
	switch {
	case errors.Is(err, store.ErrUnique):
		err = ErrProofReplayed.Because(err)
	case err == nil && iss.Retry && iss.Bound:
		// A retry changes nothing, so it carries no event; its proof is used up on
		// the side, before anything is handed out.
		err = s.SpendProof(ctx, r.JKT, r.JTI)
	default:
		err = s.follow(ctx, cause, &f, r, err)
	}
	s.meter(iss, err) // here and not inside: the function above may run twice
	return iss, err
}

// follow does what a refusal calls for, in a transaction of its own, and returns
// what the caller is told. A refusal of these kinds never turns into its opposite:
// a generation that was passed is passed for good. So nothing is lost by deciding
// first, and the second transaction reads nothing that a refresh writes (see live
// in sql.go): whoever refreshes in a loop cannot hold it up. A client that leaves
// cannot either.
func (s *Service) follow(ctx context.Context, cause store.Cause, f *family, r Refresh, refusal error) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	switch {
	case errors.Is(refusal, ErrRefreshWrongKey) && f.ses.SuspectAt.IsZero(): // one notice is enough, a flood is not
		err = s.suspect(ctx, cause, f)
	case errors.Is(refusal, ErrBoundMissing) && f.ses.LapsedAt.IsZero():
		err = s.lapse(ctx, cause, f, r)
	case errors.Is(refusal, errSnapshot):
		err = s.endForReplay(ctx, cause, f, r, "session.superseded_late", EndedSnapshot)
	case errors.Is(refusal, ErrRefreshReused):
		err = s.endForReplay(ctx, cause, f, r, "session.reuse", EndedReuse)
	}
	if err != nil {
		return err
	}
	return refusal
}

// turn is rule 2 in one statement; store.ErrNoRows when any of its conditions
// does not hold. On PostgreSQL it is two trips: this statement, and the proof's
// jti and the event on their way with the COMMIT.
func (s *Service) turn(tx *store.Tx, t, next refreshToken, hash [32]byte, r Refresh) (Issued, error) {
	mac, ok := s.ring.RefreshKey(next.kid)
	if !ok {
		return Issued{}, keyring.ErrNoKey
	}
	child := encodeRefresh(mac, next)
	childHash := keyring.Hash(child)
	var ses Session
	var gen, idle, abs int64
	shown, device := s.vouches(r.Bound, r.Addr, tx.Now)
	err := tx.Row(sqlTurn, int64(next.kid), childHash[:], store.Micros(tx.Now), store.Micros(tx.Now.Add(s.life.Idle)),
		t.family, hash[:], r.JKT, store.Micros(tx.Now.Add(-bindGrace)), string(shown), device).Scan((*string)(&ses.ID), (*string)(&ses.Account), &gen, &idle, &abs, &ses.JKT, &ses.Remember)
	if err != nil {
		return Issued{}, err
	}
	ses.Family, ses.IdleExp, ses.AbsExp = t.family, store.Time(idle), store.Time(abs)
	if ses.JKT != "" {
		id := jtiHash(r.JKT, r.JTI)
		if err := tx.Later(sqlJTIOrFail, id[:], store.Micros(tx.Now.Add(proofWindow))); err != nil {
			return Issued{}, err
		}
	}
	tx.Cause.Actor = "account:" + string(ses.Account) // whoever holds token and key acts for the account
	_, err = s.log.Append(tx, audit.Event{
		Action: "session.refreshed", Account: string(ses.Account), Target: string(ses.ID),
		Effects: []audit.Effect{{Kind: "family", ID: t.family, Version: gen}},
	})
	return s.issue(tx.Now, &ses, child, gen, r.Addr), err
}

// decide applies the other rules of DESIGN §6, inside the same transaction. It
// writes nothing; what a refusal calls for comes after it (follow).
func (s *Service) decide(tx *store.Tx, f *family, t refreshToken, hash [32]byte, r Refresh) (Issued, error) {
	if !f.live(tx.Now) {
		return Issued{}, ErrRefreshInvalid
	}
	// A wrong key is a wrong key before it is anything else; judge says so.
	if (f.jkt == "" || f.jkt == r.JKT) && !s.bears(&f.ses, r.Bound, r.Addr, tx.Now, time.Time{}) {
		return Issued{}, ErrBoundMissing
	}
	link := link{f.gen, f.curKID, f.curHash, f.prevHash, f.prevAt, f.jkt}
	child, err := s.judge(tx.Now, link, t, hash, r.JKT)
	if err != nil {
		return Issued{}, err
	}
	ses := f.ses
	ses.Family, ses.IdleExp, ses.AbsExp, ses.JKT = t.family, f.idleExp, f.absExp, f.jkt
	iss := s.issue(tx.Now, &ses, child, f.gen, r.Addr)
	iss.Retry = true
	return iss, nil
}

// link is where a chain of refresh tokens stands, a session's or a grant's.
type link struct {
	gen               int64
	curKID            uint32
	curHash, prevHash []byte
	prevAt            time.Time
	jkt               string
}

// judge is rules 3 to 6 of DESIGN §6, the only place that holds them: what a token
// is worth that a turn did not take. A retry gets its child again, and no row is
// written; anything else is a refusal.
func (s *Service) judge(now time.Time, l link, t refreshToken, hash [32]byte, jkt string) (child string, err error) {
	bound := l.jkt != ""
	// Rule 5, before anything else: a valid tag with a wrong or missing key is a
	// leaked token. Rotate nothing, so that a thief cannot sign the owner out.
	if bound && jkt != l.jkt {
		return "", ErrRefreshWrongKey
	}
	since := now.Sub(l.prevAt)
	switch {
	case keyring.Equal(hash[:], l.curHash):
		// The turn a moment ago would have found this row: serializable isolation
		// makes it unreachable. If it ever is reached, nothing may be revoked.
		return "", ErrRefreshSuperseded

	case len(l.prevHash) > 0 && keyring.Equal(hash[:], l.prevHash) && (bound || since <= unboundRetry): // rule 3
		return s.again(l, t)

	case t.gen >= l.gen:
		// A tag of ours for a generation the row has not reached: the database is
		// older than the token (a restore). Refuse; nothing here proves theft.
		return "", ErrRefreshInvalid

	case bound && since <= supersededFor: // rule 4, late tab
		return "", ErrRefreshSuperseded

	case bound: // rule 4, restored snapshot: this session, or grant, alone ends
		return "", errSnapshot

	default: // rule 6: RFC 9700 §4.14.2
		return "", ErrRefreshReused
	}
}

// again computes the same child for a retry (rule 3). For a bound chain the bound is
// that the child itself was not presented yet: once it is, this hash is no longer
// prev.
func (s *Service) again(l link, t refreshToken) (string, error) {
	c, ok := s.childOf(t, l.curKID)
	mac, ok2 := s.ring.RefreshKey(l.curKID)
	if !ok || !ok2 {
		return "", ErrRefreshInvalid // the key of that time was withdrawn
	}
	child := encodeRefresh(mac, c)
	if h := keyring.Hash(child); !keyring.Equal(h[:], l.curHash) {
		return "", ErrRefreshInvalid // a row that was not made by turning this token
	}
	return child, nil
}

// childOf derives the token after t under the key kid.
func (s *Service) childOf(t refreshToken, kid uint32) (refreshToken, bool) {
	mac, ok := s.ring.RefreshKey(kid)
	if !ok {
		return refreshToken{}, false
	}
	c := refreshToken{kid: kid, family: t.family, gen: t.gen + 1}
	c.secret = childSecret(mac, c.family, c.gen, t.secret[:])
	return c, true
}

// suspect marks the session once and tells the owner (rule 5).
func (s *Service) suspect(ctx context.Context, cause store.Cause, f *family) error {
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var version int64
		err := tx.Row(sqlMarkSuspect, store.Micros(tx.Now), string(f.ses.Account), string(f.ses.ID), f.id).Scan(&version)
		if err == store.ErrNoRows {
			return nil // somebody else marked it, or the tokens are dead by now
		}
		if err != nil {
			return err
		}
		s.changed(tx, f.ses.ID)
		_, err = s.log.Append(tx, audit.Event{
			Action: "session.suspect", Account: string(f.ses.Account), Target: string(f.ses.ID),
			Effects: []audit.Effect{{Kind: "session", ID: string(f.ses.ID), Version: version}},
			Payload: map[string]string{"agent": f.ses.Agent.String()},
		})
		return err
	})
}

// endForReplay ends the session, and with it the family: a family lives by its
// session (RFC 9700 §4.14.2). It is
// committed before the caller hears of the refusal: an error that rolled it back
// would leave the thief's copy alive.
func (s *Service) endForReplay(ctx context.Context, cause store.Cause, f *family, r Refresh, action audit.Action, why string) error {
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		effects, err := s.endWhere(tx, sqlEndReplayed, f.ses.Account, why, string(f.ses.ID), f.id)
		if err != nil || len(effects) == 0 {
			return err // nothing left to end: another replay was quicker, or a touch
		}
		// A proof that was used before ends nothing: a thief who copied one old
		// request, token and proof, must not sign the owner out with it.
		if f.jkt != "" {
			if err := s.Spend(tx, r.JKT, r.JTI); err != nil {
				return err
			}
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: action, Account: string(f.ses.Account), Target: string(f.ses.ID),
			Effects: effects,
			Payload: map[string]string{"agent": f.ses.Agent.String()},
		})
		return err
	})
}

// errSnapshot looks like any reuse to the caller; only the meter tells them apart.
var errSnapshot = fmt.Errorf("restored copy: %w", ErrRefreshReused)

func (s *Service) count(f func()) {
	if f != nil {
		f()
	}
}

// meter counts what DESIGN §6 names, once per answer.
func (s *Service) meter(iss Issued, err error) {
	switch {
	case err == nil && iss.Retry:
		s.count(s.met.Retry)
	case errors.Is(err, ErrRefreshSuperseded):
		s.count(s.met.Superseded)
	case errors.Is(err, ErrRefreshWrongKey):
		s.count(s.met.Mismatch)
	case errors.Is(err, ErrBoundMissing):
		s.countDevice("missing")
	case errors.Is(err, ErrRefreshReused) && s.met.Reuse != nil:
		class := "unbound"
		if errors.Is(err, errSnapshot) {
			class = "snapshot"
		}
		s.met.Reuse(class)
	}
}
