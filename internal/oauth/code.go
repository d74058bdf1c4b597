package oauth

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/store"
)

// Authorize makes a one-time code for an ask of a signed-in person who agreed, where
// agreeing was needed, and returns the address that brings it to the app.
//
// A cookie alone never gets one: a copied access cookie lives five minutes, a grant
// for weeks. A bound session proves its key with this very request; an unbound one,
// and one whose last touch is too old for what is asked, needs a touch for this app.
// A *Refusal goes back to the app.
//
// chosen are the scopes that were left ticked; nil is all of them. Payments are not
// for picking: they are agreed to as they stand, or not at all.
func (s *Service) Authorize(ctx context.Context, ses session.Session, a Ask, chosen []string, f signin.From) (string, error) {
	refusal := func(code, why string) error {
		return &Refusal{code, why, a.Redirect, a.State}
	}
	if a.Subject != "" && a.Subject != string(ses.Account) {
		return "", refusal("login_required", "somebody else is signed in")
	}
	if chosen != nil {
		given, ok := pick(a.Scopes, chosen)
		if !ok {
			return "", ErrChosen
		}
		if len(given) == 0 && len(a.Details) == 0 {
			return "", refusal("access_denied", "the person gave nothing")
		}
		a.Scopes = given
	}
	code := "kwc_" + keyring.Secret()
	h := keyring.Hash(code)
	err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		if err := s.signin.Usable(tx, ses.Account); err != nil {
			return err
		}
		now, err := s.sessions.ByID(tx, ses.Account, ses.ID) // as it is now, not as a cache saw it
		switch {
		case err != nil:
			return err
		case !now.EndedAt.IsZero():
			return session.ErrEnded
		case !session.Reaches(now.ACR, session.ACRPhr):
			return signin.ErrPower // what a recovery code let in gives nothing away (DESIGN §5)
		case now.JKT != "" && f.JKT != now.JKT:
			return session.ErrProofMissing
		}
		// A key that is too new, or not good enough, gives an app no more by a sign-in than by
		// a touch: a session that it opened needs a touch by another one.
		act := s.actOf(a)
		may := s.signin.MayGive(tx, now, act)
		if now.JKT == "" || may != nil || s.stale(a, now, tx.Now) {
			if err := s.signin.Touched(tx, now, act); err != nil {
				if a.Silent && errors.Is(err, device.ErrStepUp) {
					return refusal("login_required", "the person has to be asked")
				}
				return err
			}
			if now, err = s.sessions.ByID(tx, ses.Account, ses.ID); err != nil {
				return err
			}
			if err := s.signin.MayGive(tx, now, act); err != nil {
				return err
			}
			if a.ACR != "" && !session.Reaches(now.ACR, a.ACR) {
				return refusal("unmet_authentication_requirements", "this person has no such key") // OIDC Core Unmet Authentication Requirements 1.0
			}
		}
		if now.JKT != "" {
			if err := s.sessions.Spend(tx, f.JKT, f.JTI); err != nil {
				return err
			}
		}
		// One request, one code: of two presses, or two tabs, one makes it (RFC 9126 §4).
		n, err := tx.Exec(sqlTakeAsk, a.handle[:], store.Micros(tx.Now))
		if err != nil {
			return err
		}
		if n != 1 {
			return ErrAsk
		}
		_, err = tx.Exec(sqlInsertCode, h[:], string(a.Client.ID), string(ses.Account), string(ses.ID), a.Redirect, a.Challenge[:],
			joinScope(a.Scopes), a.Nonce, a.JKT, store.Micros(tx.Now.Add(codeLife)), joinDetails(a.Details))
		return err
	})
	if err != nil {
		return "", err
	}
	return s.Answer(a.Redirect, a.State, url.Values{"code": {code}}), nil
}

// actOf is what the touch for an ask is bound to: the app, whether it gets more than a
// look, and whether a scope of it takes a better key.
func (s *Service) actOf(a Ask) device.Act {
	act := device.Act{Kind: device.ActApp, Object: string(a.Client.ID)}
	if len(a.Details) == 0 && !slices.ContainsFunc(a.Scopes, func(x string) bool { return !powers[x].open }) {
		act = act.Looking()
	}
	return s.signin.ForScopes(act, a.Scopes...)
}

// redeemed is what a code was spent for.
type redeemed struct {
	session.Granted
	nonce string
}

// redeem spends a code (RFC 6749 §4.1.3). A second use ends what the first one gave
// (§4.1.2, RFC 9700 §4.5): one of the two was a thief, and we cannot tell which.
func (s *Service) redeem(ctx context.Context, cause store.Cause, c Client, code, redirect, verifier, jkt string) (redeemed, error) {
	h, challenge := keyring.Hash(code), keyring.Hash(verifier)
	var r redeemed
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		r = redeemed{}
		var acc, ses, scope, details string
		err := tx.Row(sqlSpendCode, store.Micros(tx.Now), h[:], string(c.ID), redirect, challenge[:], jkt).Scan(&acc, &ses, &scope, &r.nonce, &details)
		if err == store.ErrNoRows {
			return errGrant
		}
		if err != nil {
			return err
		}
		owner, err := s.accounts.ByID(tx, account.ID(acc))
		if err != nil {
			return err
		}
		// Whatever ended it while the code was on its way: nobody comes in by it.
		if owner.Status != account.Active {
			return errGrant
		}
		scopes, _ := parseScope(scope)
		offline := subset([]string{"offline_access"}, scopes)
		var effects []audit.Effect
		r.Granted, effects, err = s.sessions.Give(tx, session.NewGrant{
			Session: session.Session{ID: session.ID(ses), Account: owner.ID}, Client: string(c.ID), Scope: scope, Details: details, Audience: c.Audience,
			JKT: jkt, Refresh: true, Offline: offline, Keeps: !c.Public && jkt != "", Life: c.Life,
		})
		if errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrUnknown) {
			return errGrant
		}
		if err != nil {
			return err
		}
		if err := tx.Later(sqlCodeGave, string(r.ID), h[:]); err != nil {
			return err
		}
		tx.Cause.Actor = "client:" + string(c.ID)
		_, err = s.log.Append(tx, audit.Event{
			Action: "grant.given", Account: acc, Target: string(r.ID), Effects: effects,
			Payload: map[string]string{"client": c.Name, "scope": scope, "agent": r.Agent.String(), "party": party(c)},
		})
		return err
	})
	if err == errGrant {
		if end := s.endReplayed(context.WithoutCancel(ctx), cause, c, h); end != nil {
			return redeemed{}, end
		}
	}
	return r, err
}

// endReplayed ends the grant of a code that was spent before, if that is why it was
// refused, and commits that before the caller hears of it.
func (s *Service) endReplayed(ctx context.Context, cause store.Cause, c Client, h [32]byte) error {
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var acc, grant string
		err := tx.Row(sqlSpentCode, h[:], string(c.ID)).Scan(&acc, &grant)
		if err == store.ErrNoRows {
			return nil
		}
		if err != nil {
			return err
		}
		effects, err := s.sessions.EndGrant(tx, account.ID(acc), session.GrantID(grant), session.EndedCodeUsed)
		if errors.Is(err, session.ErrGrantEnded) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "grant.code_replayed", Account: acc, Target: grant, Effects: effects, Payload: map[string]string{"client": c.Name},
		})
		return err
	})
}

// party tells the exchange's own apps from all others.
func party(c Client) string {
	if c.FirstParty {
		return "own"
	}
	return "third"
}
