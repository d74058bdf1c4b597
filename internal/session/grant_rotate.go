package session

import (
	"context"
	"errors"
	"time"

	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// chain is what a refresh of a grant decides on.
type chain struct {
	Grant
	link
	idleExp time.Time
	usable  bool
}

// RotateGrant turns the refresh token of an app over, by the same rules as Rotate
// (DESIGN §6). The client has proved who it is; client is its id. What is refused
// here ends the grant at most, never the session it was given in: the owner's own
// browser has done nothing wrong.
//
// For an app that proves itself and its key with each request the token stays the
// same (FAPI 2.0 §5.3.2.1-9): a lost answer must not cost a grant, and turning
// would protect nothing.
func (s *Service) RotateGrant(ctx context.Context, cause store.Cause, r Refresh, client string) (g Granted, err error) {
	t, ok := s.parseRefresh(r.Presented)
	if !ok {
		return Granted{}, ErrRefreshInvalid
	}
	hash := keyring.Hash(r.Presented)
	err = s.flight.pass(ctx, hash, func() error {
		g, err = s.rotateGrant(ctx, cause, t, hash, r, client)
		return err
	})
	if err != nil {
		return Granted{}, err
	}
	return g, nil
}

func (s *Service) rotateGrant(ctx context.Context, cause store.Cause, t refreshToken, hash [32]byte, r Refresh, client string) (Granted, error) {
	next, ok := s.childOf(t, s.ring.CurrentRefreshKID())
	if !ok {
		return Granted{}, keyring.ErrNoKey
	}
	mac, ok := s.ring.RefreshKey(next.kid)
	if !ok {
		return Granted{}, keyring.ErrNoKey
	}
	child := encodeRefresh(mac, next)
	var g Granted
	var c chain
	err := s.db.Update(ctx, cause, func(tx *store.Tx) (err error) {
		c = chain{}
		if g, err = s.turnGrant(tx, t, next.kid, child, hash, r, client); err != store.ErrNoRows {
			return err
		}
		if err = s.forGrantRefresh(tx, t.family, &c); err != nil {
			if err == store.ErrNoRows {
				return ErrRefreshInvalid
			}
			return err
		}
		g, err = s.decideGrant(tx, &c, t, hash, r, client)
		return err
	})
	switch {
	case errors.Is(err, store.ErrUnique):
		err = ErrProofReplayed.Because(err)
	case err == nil && g.Retry && r.JTI != "":
		err = s.SpendProof(ctx, r.JKT, r.JTI)
	case errors.Is(err, ErrRefreshWrongKey) && c.SuspectAt.IsZero(): // one event is enough, a flood is not
		if mark := s.suspectGrant(context.WithoutCancel(ctx), cause, c.Grant, r.App); mark != nil {
			err = mark
		}
	case errors.Is(err, ErrRefreshReused):
		// As in follow: decided first, carried out in a transaction of its own, and
		// committed before the caller hears of it.
		if end := s.endReplayedGrant(context.WithoutCancel(ctx), cause, c.Grant, r); end != nil {
			err = end
		}
	}
	s.meter(Issued{Retry: g.Retry}, err)
	return g, err
}

func (s *Service) turnGrant(tx *store.Tx, t refreshToken, kid uint32, child string, hash [32]byte, r Refresh, client string) (Granted, error) {
	childHash := keyring.Hash(child)
	var gen, idle int64
	var text string
	g := Grant{Client: client, Family: t.family}
	err := tx.Row(sqlTurnGrant, int64(kid), childHash[:], store.Micros(tx.Now), store.Micros(tx.Now.Add(grantIdle)),
		t.family, hash[:], r.JKT, client, store.Micros(tx.Now.Add(s.life.Idle))).Scan((*string)(&g.ID), (*string)(&g.Account), &gen, &idle, &text)
	if err != nil {
		return Granted{}, err
	}
	if err := g.fromText(text); err != nil {
		return Granted{}, err
	}
	if r.JTI != "" {
		jti := jtiHash(r.JKT, r.JTI)
		if err := tx.Later(sqlJTIOrFail, jti[:], store.Micros(tx.Now.Add(proofWindow))); err != nil {
			return Granted{}, err
		}
	}
	tx.Cause.Actor = "client:" + client
	_, err = s.log.Append(tx, audit.Event{
		Action: "grant.refreshed", Account: string(g.Account), Target: string(g.ID),
		Effects: []audit.Effect{{Kind: "family", ID: t.family, Version: gen}},
	})
	return Granted{Grant: g, Refresh: child, RefreshExp: store.Time(idle)}, err
}

func (s *Service) decideGrant(tx *store.Tx, c *chain, t refreshToken, hash [32]byte, r Refresh, client string) (Granted, error) {
	// Another client's token is nobody's: RFC 6749 §5.2, and no word about whose.
	if c.Client != client || !c.usable || !tx.Now.Before(c.idleExp) || !tx.Now.Before(c.AbsExp) {
		return Granted{}, ErrRefreshInvalid
	}
	c.link.jkt = c.JKT
	if c.Keeps && keyring.Equal(hash[:], c.curHash) && (c.JKT == "" || r.JKT == c.JKT) {
		if r.JTI != "" {
			if err := s.Spend(tx, r.JKT, r.JTI); err != nil {
				return Granted{}, err
			}
		}
		if tx.Now.Sub(c.prevAt) >= seenEvery {
			if err := tx.Later(sqlUsedGrant, store.Micros(tx.Now), t.family); err != nil {
				return Granted{}, err
			}
		}
		tx.Cause.Actor = "client:" + client
		_, err := s.log.Append(tx, audit.Event{
			Action: "grant.refreshed", Account: string(c.Account), Target: string(c.ID),
			Effects: []audit.Effect{{Kind: "family", ID: t.family, Version: c.gen}},
		})
		return Granted{Grant: c.Grant, Refresh: r.Presented, RefreshExp: c.idleExp}, err
	}
	child, err := s.judge(tx.Now, c.link, t, hash, r.JKT)
	return Granted{Grant: c.Grant, Refresh: child, RefreshExp: c.idleExp, Retry: true}, err
}

func (s *Service) forGrantRefresh(tx *store.Tx, family string, c *chain) error {
	var kid, prevAt, idle int64
	var err error
	c.Grant, err = scanGrant(tx.Row(sqlForGrantRefresh, family), &c.gen, &kid, &c.curHash, &c.prevHash, &prevAt, &idle, &c.usable)
	c.curKID, c.prevAt, c.idleExp = uint32(kid), timeOrZero(prevAt), store.Time(idle)
	return err
}

// endReplayedGrant ends a grant whose refresh token was replayed.
func (s *Service) endReplayedGrant(ctx context.Context, cause store.Cause, g Grant, r Refresh) error {
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		effects, err := s.EndGrant(tx, g.Account, g.ID, EndedReuse)
		if errors.Is(err, ErrGrantEnded) {
			return nil // another replay was quicker
		}
		if err != nil {
			return err
		}
		if g.JKT != "" {
			if err := s.Spend(tx, r.JKT, r.JTI); err != nil {
				return err
			}
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "grant.reuse", Account: string(g.Account), Target: string(g.ID), Effects: effects,
			Payload: map[string]string{"client": r.App},
		})
		return err
	})
}

// suspectGrant marks a grant whose token was shown without its key, once (rule 5).
func (s *Service) suspectGrant(ctx context.Context, cause store.Cause, g Grant, app string) error {
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var version int64
		err := tx.Row(sqlSuspectGrant, store.Micros(tx.Now), string(g.ID)).Scan(&version)
		if err == store.ErrNoRows {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "grant.suspect", Account: string(g.Account), Target: string(g.ID),
			Effects: []audit.Effect{{Kind: "grant", ID: string(g.ID), Version: version}},
			Payload: map[string]string{"client": app},
		})
		return err
	})
}
