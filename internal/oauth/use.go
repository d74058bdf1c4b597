package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/session"
	"keyward/internal/store"
)

// accessHash is at_hash (OIDC Core §3.1.3.6): the left half of the token's SHA-256.
func accessHash(token string) string {
	h := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(h[:16])
}

// Use reads an access token of a person that came back to one of our own endpoints,
// as it stands now: an ended session, device, grant or app is seen at once.
func (s *Service) Use(ctx context.Context, token string) (session.AccessClaims, session.Grant, error) {
	c, err := s.mint.Access(token)
	if err != nil || c.Grant == "" {
		return session.AccessClaims{}, session.Grant{}, session.ErrGrantEnded
	}
	var g session.Grant
	err = s.db.View(ctx, func(tx *store.Tx) (err error) {
		g, err = s.sessions.GrantByID(tx, session.GrantID(c.Grant))
		return err
	})
	c.Scope = left(c.Scope, g.Scope)
	return c, g, err
}

// left is what a token may still do: what its owner took from the grant since is gone
// here at once.
func left(token, grant string) string {
	if token == grant {
		return token
	}
	given := strings.Fields(grant)
	return joinScope(slices.DeleteFunc(strings.Fields(token), func(x string) bool { return !slices.Contains(given, x) }))
}

// UserInfo is what an app may know of the person (OIDC Core §5.3.2).
type UserInfo struct {
	Subject       string `json:"sub"`
	Email         string `json:"email,omitempty"`
	EmailVerified *bool  `json:"email_verified,omitempty"`
}

// UserInfo answers for the account of a token.
func (s *Service) UserInfo(ctx context.Context, c session.AccessClaims) (u UserInfo, err error) {
	scopes := strings.Fields(c.Scope)
	if !slices.Contains(scopes, "openid") {
		return u, &Error{Code: "insufficient_scope", Description: "openid is needed", Status: 403}
	}
	u.Subject = c.Subject
	if slices.Contains(scopes, "email") {
		u.Email, u.EmailVerified, err = s.mail(ctx, account.ID(c.Subject))
	}
	return u, err
}

// Introspection is RFC 7662 §2.2. An inactive token says nothing else.
type Introspection struct {
	Active bool `json:"active"`
	*session.AccessClaims
	TokenType string `json:"token_type,omitempty"`
}

// Introspect tells an app about a token that was given to itself, and the exchange's
// own back ends about those made for their audience (RFC 7662 §4: or whoever has
// credentials could read what other apps hold). Anything else, another's or none, is
// inactive in the same words.
func (s *Service) Introspect(ctx context.Context, c Client, token string) (Introspection, error) {
	claims, err := s.mint.Access(token)
	if err != nil || c.Public || claims.ClientID != string(c.ID) && !(c.FirstParty && claims.Audience == c.Audience) {
		return Introspection{}, nil
	}
	if claims.Grant != "" {
		g, err := s.sessions.GrantNow(ctx, account.ID(claims.Subject), session.GrantID(claims.Grant))
		if err != nil {
			if errors.Is(err, session.ErrGrantEnded) {
				return Introspection{}, nil
			}
			return Introspection{}, err
		}
		claims.Scope = left(claims.Scope, g.Scope)
		// What the token's own verification of its owner is too old or too weak for, by now
		// or since an operator asked for more, is not said to be given.
		if scopes, _ := parseScope(claims.Scope); slices.ContainsFunc(scopes, s.tires) {
			good, _ := s.scopesNow(scopes, claims.ACR, time.Unix(claims.AuthTime, 0), s.db.Now())
			claims.Scope = joinScope(good)
		}
	}
	// Whoever the token was given to may have been switched off since.
	if _, err := s.Client(ctx, claims.ClientID); err != nil {
		if errors.Is(err, ErrNoClient) {
			return Introspection{}, nil
		}
		return Introspection{}, err
	}
	in := Introspection{Active: true, AccessClaims: &claims, TokenType: "Bearer"}
	if claims.Confirm != nil {
		in.TokenType = "DPoP"
	}
	return in, nil
}

// SignedIntrospection is the same answer, signed for its reader: it can be shown to
// somebody who was not there (RFC 9701).
func (s *Service) SignedIntrospection(c Client, in Introspection) (string, error) {
	return s.mint.Introspection(string(c.ID), in)
}

// Revoke ends the grant behind a token of this app (RFC 7009 §2.1), whichever of its
// tokens came. What is not this app's, or nothing, is no error.
func (s *Service) Revoke(ctx context.Context, cause store.Cause, c Client, token string) error {
	id, acc := session.GrantID(""), account.ID("")
	if claims, err := s.mint.Access(token); err == nil {
		if claims.ClientID == string(c.ID) {
			if claims.Grant == "" {
				// An app's own: nothing stands behind it that could end, and "revoked" would
				// not be true (RFC 7009 §2.2.1).
				return refuse("unsupported_token_type", "an app's own access token lasts until it runs out")
			}
			id, acc = session.GrantID(claims.Grant), account.ID(claims.Subject)
		}
	} else if g, err := s.sessions.GrantOfRefresh(ctx, token, string(c.ID)); err == nil {
		id, acc = g.ID, g.Account
	} else if !errors.Is(err, session.ErrGrantEnded) {
		return err
	}
	if id == "" {
		return nil
	}
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		effects, err := s.sessions.EndGrant(tx, acc, id, session.EndedGrant)
		if err != nil {
			return err
		}
		tx.Cause.Actor = "client:" + string(c.ID)
		_, err = s.log.Append(tx, audit.Event{
			Action: "grant.ended", Account: string(acc), Target: string(id), Effects: effects, Payload: map[string]string{"client": c.Name, "by": "app"},
		})
		return err
	})
	if errors.Is(err, session.ErrGrantEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.told(ctx)
}
