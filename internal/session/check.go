package session

import (
	"context"
	"net/netip"
	"time"

	"keyward/internal/store"
)

// Live is a session that was good when the check began. It is shared between
// requests: treat it as read-only.
type Live struct {
	Session
	Expires time.Time // of the access token that was presented
	Since   time.Time // when it was handed out: a bound session's key spoke then
}

// Check answers the question every request asks. Errors: ErrNotSignedIn (no or
// foreign token), ErrAccessExpired (refresh and try again), ErrEnded,
// ErrProofMissing (a bound session seen from a new network: prove the key, which
// a renew does; a copied cookie cannot).
//
// proved says the caller verified a DPoP proof of thumbprint jkt for this very
// token on this very request (RFC 9449 §7); "" when none came.
func (s *Service) Check(ctx context.Context, presented string, addr netip.Addr, proved string) (Live, error) {
	return s.check(ctx, presented, "", addr, proved)
}

// CheckBrowser does so for a request with cookies. bound is the bound cookie, "" for
// none; a session that its browser bound to a device key is refused without a live one
// (ErrBoundMissing), by Check always.
func (s *Service) CheckBrowser(ctx context.Context, access, bound string, addr netip.Addr) (Live, error) {
	return s.check(ctx, access, bound, addr, "")
}

func (s *Service) check(ctx context.Context, presented, bound string, addr netip.Addr, proved string) (Live, error) {
	if presented == "" {
		return Live{}, ErrNotSignedIn
	}
	t, ok := parseAccess(s.access, presented)
	if !ok {
		return Live{}, ErrNotSignedIn
	}
	now := s.db.Now()
	exp := store.Time(t.exp)
	if !now.Before(exp) {
		return Live{}, ErrAccessExpired
	}
	ses, err := s.lookup(ctx, t, now)
	if err != nil {
		return Live{}, err
	}
	// The family in the token must be the one the session runs on now: a step-up
	// starts a new family, and every older secret is dead from then on (ASVS 7.2.4).
	if ses.Family != t.family || !ses.EndedAt.IsZero() || !now.Before(ses.AbsExp) {
		return Live{}, ErrEnded
	}
	if ses.JKT != "" && proved != ses.JKT {
		if proved != "" || ses.Kind == API {
			return Live{}, ErrProofMissing
		}
		// A browser cannot sign every request. It signs the refresh, and the access
		// cookie carries the network it was given out to: elsewhere it is worth
		// nothing until the key speaks again. The owner who changed networks passes
		// through a silent renew; a thief with the cookie alone does not.
		if t.net != s.network(addr) {
			return Live{}, ErrProofMissing
		}
	}
	since := exp.Add(-s.life.Access)
	if !s.bears(ses, bound, addr, now, since) {
		return Live{}, ErrBoundMissing
	}
	return Live{Session: *ses, Expires: exp, Since: since}, nil
}

// lookup finds the session in memory while the process may trust it, in the
// database otherwise. The result must not be changed.
func (s *Service) lookup(ctx context.Context, t accessToken, now time.Time) (*Session, error) {
	id := ID(t.session)
	if !s.cache.trusted() {
		return s.read(ctx, id, now)
	}
	// Another family than the token's is bad news: the token may be the older one,
	// or the owner stepped up at another process a moment ago. The row knows.
	if ses, ok := s.cache.get(id, now); ok && ses.Family == t.family {
		return ses, nil
	}
	slot := s.cache.reserve(id)
	ses, err := s.read(ctx, id, now)
	if err != nil {
		slot.drop()
		return nil, err
	}
	slot.fill(ses, now)
	return ses, nil
}

func (s *Service) read(ctx context.Context, id ID, now time.Time) (*Session, error) {
	var r row
	var epoch int64
	if err := s.db.Get(ctx, sqlForCheck, string(id)).Scan(append(r.dest(), &epoch)...); err != nil {
		if err == store.ErrNoRows {
			return nil, ErrEnded
		}
		return nil, err
	}
	ses, err := r.session()
	if err != nil {
		return nil, err
	}
	if ses.epoch != epoch && ses.EndedAt.IsZero() {
		ses.EndedAt, ses.EndedWhy = now, EndedAll
	}
	return &ses, nil
}
