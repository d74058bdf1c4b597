package session

import (
	"context"
	"errors"
	"fmt"
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
}

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
	state             string
	ses               Session
	accountEpoch      int64
}

// live reports whether the family may still be used at all.
func (f *family) live(now time.Time) bool {
	return f.state == "live" && f.ses.EndedAt.IsZero() && f.ses.epoch == f.accountEpoch && f.epoch == f.accountEpoch &&
		now.Before(f.idleExp) && now.Before(f.absExp)
}

// Rotate turns a refresh token over (DESIGN §6). Errors: ErrRefreshInvalid
// (never ours, or over), ErrRefreshSuperseded (a late tab: re-read your store),
// ErrRefreshReused (replayed: the family is dead and that is committed),
// ErrRefreshWrongKey (nothing changed but a mark), ErrProofReplayed.
func (s *Service) Rotate(ctx context.Context, cause store.Cause, r Refresh) (Issued, error) {
	t, ok := s.parseRefresh(r.Presented)
	if !ok {
		return Issued{}, ErrRefreshInvalid
	}
	// Identical tokens that arrive together become one transaction: 64 clients on
	// one row lose most of their tries under SERIALIZABLE otherwise. A follower
	// brings its own proof, so its jti is still spent on its own.
	hash := keyring.Hash(r.Presented)
	iss, err, leader := s.flight.do(ctx, flightKey{hash, r.JKT}, func() (Issued, error) { return s.rotate(ctx, cause, t, hash, r) })
	if leader || err != nil {
		return iss, err
	}
	if err := s.db.Housekeeping(ctx, func(tx *store.Tx) error { return s.spendJTI(tx, r) }); err != nil {
		return Issued{}, err
	}
	iss.Retry = true
	s.count(s.met.Retry)
	return iss, nil
}

func (s *Service) rotate(ctx context.Context, cause store.Cause, t refreshToken, hash [32]byte, r Refresh) (iss Issued, err error) {
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		f := family{id: t.family}
		if err := s.forRefresh(tx, &f); err != nil {
			if err == store.ErrNoRows {
				return ErrRefreshInvalid // ours by its tag, but the row is gone: an erased or restored database
			}
			return err
		}
		iss, err = s.decide(tx, &f, t, hash, r)
		return err
	})
	s.meter(iss, err) // here and not inside: the function above may run twice
	if err != nil {
		return Issued{}, err
	}
	return iss, nil
}

// decide applies the numbered rules of DESIGN §6 inside the transaction.
func (s *Service) decide(tx *store.Tx, f *family, t refreshToken, hash [32]byte, r Refresh) (Issued, error) {
	if !f.live(tx.Now) {
		return Issued{}, ErrRefreshInvalid
	}
	bound := f.jkt != ""
	// Rule 5, before anything else: a valid tag with a wrong or missing key is a
	// leaked token. Rotate nothing, so that a thief cannot sign the owner out.
	if bound && r.JKT != f.jkt {
		return Issued{}, s.suspect(tx, f)
	}
	if bound {
		if err := s.spendJTI(tx, r); err != nil {
			return Issued{}, err
		}
	}
	switch {
	case keyring.Equal(hash[:], f.curHash): // rule 2
		return s.turn(tx, f, t, r)

	case len(f.prevHash) > 0 && keyring.Equal(hash[:], f.prevHash) && (bound || tx.Now.Sub(f.prevAt) <= unboundRetry): // rule 3
		// The same child again. For a bound family the bound is that the child
		// itself was not presented yet: once it is, this hash is no longer prev.
		iss, err := s.child(tx.Now, f, t, f.curKID, r)
		iss.Retry = true
		return iss, err

	case t.gen > f.gen || t.gen == f.gen:
		// A tag of ours for a generation the row has not reached: the database is
		// older than the token (a restore). Refuse; nothing here proves theft.
		return Issued{}, ErrRefreshInvalid

	case bound && tx.Now.Sub(f.prevAt) <= supersededFor: // rule 4, late tab
		return Issued{}, ErrRefreshSuperseded

	case bound: // rule 4, restored snapshot: this session alone ends
		return Issued{}, s.endForReplay(tx, f, "session.superseded_late", EndedSnapshot, errSnapshot)

	default: // rule 6: RFC 9700 §4.14.2
		return Issued{}, s.endForReplay(tx, f, "session.reuse", EndedReuse, ErrRefreshReused)
	}
}

// turn mints the child of the current token (rule 2).
func (s *Service) turn(tx *store.Tx, f *family, t refreshToken, r Refresh) (Issued, error) {
	kid := s.ring.CurrentRefreshKID()
	f.idleExp = s.idle(tx.Now, f.absExp, f.ses.Remember)
	iss, err := s.child(tx.Now, f, t, kid, r)
	if err != nil {
		return Issued{}, err
	}
	next := keyring.Hash(iss.Refresh)
	n, err := tx.Exec(sqlRotate, int64(kid), next[:], store.Micros(tx.Now), store.Micros(f.idleExp), t.family, f.curHash, t.gen)
	if err != nil {
		return Issued{}, err
	}
	if n == 0 {
		// Serializable isolation makes this unreachable; if it ever is reached,
		// the loser must not revoke anything.
		return Issued{}, ErrRefreshSuperseded
	}
	_, err = s.log.Append(tx, audit.Event{
		Action: "session.refreshed", Account: string(f.ses.Account), Target: string(f.ses.ID),
		Effects: []audit.Effect{{Kind: "family", ID: t.family, Version: t.gen + 1}},
	})
	return iss, err
}

// child derives the token after t and the access token that goes with it.
func (s *Service) child(now time.Time, f *family, t refreshToken, kid uint32, r Refresh) (Issued, error) {
	mac, ok := s.ring.RefreshKey(kid)
	if !ok {
		return Issued{}, ErrRefreshInvalid // the key of that time was retired
	}
	c := refreshToken{kid: kid, family: t.family, gen: t.gen + 1}
	c.secret = childSecret(mac, t.family, c.gen, t.secret[:])
	ses := f.ses
	ses.Family, ses.IdleExp, ses.AbsExp = t.family, f.idleExp, f.absExp
	return s.issue(now, &ses, encodeRefresh(mac, c), c.gen, r.Addr), nil
}

// suspect marks the session once and tells the owner (rule 5). The mark must
// stick although the caller gets an error.
func (s *Service) suspect(tx *store.Tx, f *family) error {
	var version int64
	err := tx.Row(sqlMarkSuspect, store.Micros(tx.Now), string(f.ses.ID)).Scan(&version)
	if err == store.ErrNoRows {
		return ErrRefreshWrongKey // marked before: one notice is enough, a flood is not
	}
	if err != nil {
		return err
	}
	s.changed(tx, f.ses.ID)
	if _, err := s.log.Append(tx, audit.Event{
		Action: "session.suspect", Account: string(f.ses.Account), Target: string(f.ses.ID),
		Effects: []audit.Effect{{Kind: "session", ID: string(f.ses.ID), Version: version}},
		Payload: map[string]string{"agent": f.ses.Agent.String()},
	}); err != nil {
		return err
	}
	return store.CommitWith(ErrRefreshWrongKey)
}

// endForReplay ends the family, and the session whose own tokens it holds, and
// commits although the caller gets an error (RFC 9700 §4.14.2: the family must
// die even so; a rollback here would leave the thief's copy alive).
func (s *Service) endForReplay(tx *store.Tx, f *family, action audit.Action, why string, refusal error) error {
	if _, err := tx.Exec(sqlEndFamily, f.id); err != nil {
		return err
	}
	effects := []audit.Effect{{Kind: "family", ID: f.id, Version: f.gen}}
	if f.id == f.ses.Family {
		ended, err := s.endWhere(tx, sqlEndOne, why, string(f.ses.Account), string(f.ses.ID))
		if err != nil {
			return err
		}
		effects = append(effects, ended...)
	}
	if _, err := s.log.Append(tx, audit.Event{
		Action: action, Account: string(f.ses.Account), Target: string(f.ses.ID), Effects: effects,
		Payload: map[string]string{"agent": f.ses.Agent.String()},
	}); err != nil {
		return err
	}
	return store.CommitWith(refusal)
}

// errSnapshot looks like any reuse to the caller; only the meter tells them apart.
var errSnapshot = fmt.Errorf("restored copy: %w", ErrRefreshReused)

// spendJTI refuses a proof seen before, across processes (RFC 9449 §11.1).
func (s *Service) spendJTI(tx *store.Tx, r Refresh) error {
	if r.JKT == "" {
		return nil
	}
	id := keyring.Hash(r.JKT + "|" + r.JTI)
	n, err := tx.Exec(sqlJTI, id[:], store.Micros(tx.Now.Add(proofWindow)))
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrProofReplayed
	}
	return nil
}

// SpendProof remembers a proof that was used outside a refresh.
func (s *Service) SpendProof(ctx context.Context, jkt, jti string) error {
	return s.db.Housekeeping(ctx, func(tx *store.Tx) error { return s.spendJTI(tx, Refresh{JKT: jkt, JTI: jti}) })
}

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
	case errors.Is(err, ErrRefreshReused) && s.met.Reuse != nil:
		class := "unbound"
		if errors.Is(err, errSnapshot) {
			class = "snapshot"
		}
		s.met.Reuse(class)
	}
}
