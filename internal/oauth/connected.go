package oauth

import (
	"context"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Connected is an app with something of an account in its hands.
type Connected struct {
	session.Held
	Name, Domain, Purpose string
	FirstParty            bool
	Scopes                []string
	Payments              []Detail
}

// Connected lists what apps hold of an account, newest first.
func (s *Service) Connected(ctx context.Context, acc account.ID) (out []Connected, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		out = nil
		grants, err := s.sessions.Grants(tx, acc)
		if err != nil {
			return err
		}
		apps := map[string]Client{}
		for _, g := range grants {
			c, known := apps[g.Client]
			if !known {
				var secret []byte
				if c, err = scanClient(tx.Row(sqlClient, g.Client), &secret); err != nil {
					return err
				}
				apps[g.Client] = c
			}
			if !c.Off {
				held := Connected{Held: g, Name: c.Name, Domain: c.Domain, Purpose: c.Purpose, FirstParty: c.FirstParty}
				held.Scopes, _ = parseScope(g.Scope)
				held.Payments, _ = parseDetails(g.Details)
				out = append(out, held)
			}
		}
		return nil
	})
	return out, err
}

// Held finds one of them. session.ErrGrantEnded when it is over or not theirs.
func (s *Service) Held(ctx context.Context, acc account.ID, id session.GrantID) (Connected, error) {
	all, err := s.Connected(ctx, acc)
	if err != nil {
		return Connected{}, err
	}
	for _, c := range all {
		if c.ID == id {
			return c, nil
		}
	}
	return Connected{}, session.ErrGrantEnded
}

// Narrow leaves an app only these rights. It goes in the safe direction, so it asks
// for no touch. That it knows the person at all (openid) is not for taking away: that
// is what ending it does. It returns until when a token that is out already may still
// carry what was taken, where nobody asks us.
func (s *Service) Narrow(ctx context.Context, cause store.Cause, c Connected, keep []string) (until time.Time, err error) {
	given, ok := pick(c.Scopes, keep)
	if !ok {
		return until, session.ErrWider
	}
	if len(given) == len(c.Scopes) {
		return until, nil // nothing was taken
	}
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		_, effects, err := s.sessions.NarrowGrant(tx, c.Account, c.ID, given)
		if err != nil {
			return err
		}
		until = tx.Now.Add(s.life)
		_, err = s.log.Append(tx, audit.Event{
			Action: "grant.narrowed", Account: string(c.Account), Target: string(c.ID), Effects: effects,
			Payload: map[string]string{"client": c.Name, "scope": joinScope(given)},
		})
		return err
	})
	if err != nil {
		return until, err
	}
	return until, s.told(ctx)
}

// Untickable reports whether a right can be given without this one.
func Untickable(scope string) bool { return scope != "openid" }

// AccessLife is how long an access token lasts that nobody asks us about.
func (s *Service) AccessLife() time.Duration { return s.life }
