package contain

import (
	"context"
	"strconv"
	"strings"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

// What the exchange's own back end may do to an account it made. Ending goes in
// the safe direction. The one thing that loosens is lifting the exchange's own
// restriction; a freeze is the owner's, and nothing here ends or replaces one.

// EndedByExchange: a back end of the exchange ended the session. Stored, so never renamed.
const EndedByExchange = "exchange"

// ErrFrozen: the owner froze the account, and only their passkey lifts that.
var ErrFrozen = edge.E("account_frozen")

// ErrRestricted: what protects the account stays as it is for now.
var ErrRestricted = edge.E("account_restricted")

// Change is what a back end wants changed; nil leaves a thing as it is.
type Change struct {
	Status *account.Status // Active | Restricted | Closed
	Lang   *string
}

// Change carries a change out in one transaction with one event. Restricting and
// closing end every session in the same transaction and return only when that is
// refused everywhere. What is so already changes nothing and writes nothing, so a
// back end may say it twice.
func (s *Service) Change(ctx context.Context, cause store.Cause, id account.ID, c Change) (account.Account, Effect, error) {
	var acc account.Account
	live, err := s.live(ctx, id)
	if err != nil {
		return acc, Effect{}, err
	}
	e, err := s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		was, err := s.accounts.ByID(tx, id)
		if err != nil {
			return nil, err
		}
		ch := changing{s: s, tx: tx, was: was, live: live}
		if err := ch.status(c.Status); err != nil {
			return nil, err
		}
		if err := ch.lang(c.Lang); err != nil {
			return nil, err
		}
		if acc, err = s.accounts.ByID(tx, id); err != nil || ch.action == "" {
			return nil, err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: ch.action, Account: string(id), Target: string(id),
			Effects: append(ch.effects, audit.Effect{Kind: "account", ID: string(id), Version: acc.Version}),
			Payload: map[string]string{"client": strings.TrimPrefix(cause.Actor, "client:"), "n": strconv.Itoa(len(ch.ended))},
		})
		return ch.ended, err
	})
	return acc, e, err
}

// changing is one change under way.
type changing struct {
	s       *Service
	tx      *store.Tx
	was     account.Account
	action  audit.Action   // of the one event; "" while nothing has changed
	effects []audit.Effect // for the log
	live    []audit.Effect // sessions it may end
	ended   []audit.Effect // those it did, for the count shown: the epoch ended them
}

func (c *changing) status(want *account.Status) error {
	if want == nil || *want == c.was.Status {
		return nil
	}
	why := ""
	switch *want {
	case account.Active, account.Restricted:
		// A restriction in place of a freeze would be a way around the owner's
		// passkey: restrict, then activate.
		if c.was.Status == account.Frozen {
			return ErrFrozen
		}
		c.action = "account.updated"
		if *want == account.Restricted {
			c.action, why = "account.suspended", session.EndedSuspended
		}
	case account.Closed:
		c.action, why = "account.closed", session.EndedClosed
	default:
		return account.ErrInvalid.At("status", "must be active, restricted or closed")
	}
	if _, err := c.s.accounts.SetStatus(c.tx, c.was.ID, *want); err != nil || why == "" {
		return err
	}
	c.ended = c.live
	var err error
	c.effects, err = c.s.sessions.EndAll(c.tx, c.was.ID, why)
	return err
}

func (c *changing) lang(want *string) error {
	if want == nil || *want == c.was.Lang {
		return nil
	}
	if c.action == "" {
		c.action = "account.updated"
	}
	if c.action == "account.closed" {
		return account.ErrInvalid.At("lang", "cannot be changed while the account is closed")
	}
	_, err := c.s.accounts.SetLang(c.tx, c.was.ID, *want)
	return err
}

// EndFor ends one session at the word of a back end (the safe direction).
func (s *Service) EndFor(ctx context.Context, cause store.Cause, acc account.ID, id session.ID) (Effect, error) {
	target, err := s.session(ctx, acc, id)
	if err != nil {
		return Effect{}, err
	}
	if !target.EndedAt.IsZero() {
		return Effect{}, session.ErrUnknown
	}
	return s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		eff, err := s.sessions.End(tx, acc, id, EndedByExchange)
		if err != nil {
			return nil, err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "session.ended", Account: string(acc), Target: string(id), Effects: eff,
			Payload: map[string]string{"agent": target.Agent.String(), "why": EndedByExchange, "client": strings.TrimPrefix(cause.Actor, "client:")},
		})
		return eff, err
	})
}
