package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"time"

	"keyward/internal/account"
	"keyward/internal/session"
	"keyward/internal/store"
)

// TokenAsk is a request to the token endpoint of an app that has proved who it is.
type TokenAsk struct {
	Grant    string // grant_type
	Code     string
	Redirect string
	Verifier string
	Refresh  string
	Scope    string
	Details  string // authorization_details: a part of what was given (RFC 9396 §6)
	JKT, JTI string // of a verified DPoP proof; "" when none came
	Addr     netip.Addr
}

// Tokens is the answer (RFC 6749 §5.1, OIDC Core §3.1.3.3). The strings are secrets.
type Tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"`
	Refresh string `json:"refresh_token,omitempty"`
	Scope   string `json:"scope,omitempty"`
	ID      string `json:"id_token,omitempty"`

	Details json.RawMessage `json:"authorization_details,omitempty"` // RFC 9396 §7
}

// Token answers a token request.
func (s *Service) Token(ctx context.Context, cause store.Cause, c Client, ask TokenAsk) (Tokens, error) {
	if c.Profile == ProfileFAPI && ask.JKT == "" {
		return Tokens{}, &Error{Code: "invalid_dpop_proof", Description: "this app's tokens are bound to a key, and no proof of one came"} // FAPI 2.0 §5.3.2.1-4
	}
	switch ask.Grant {
	case "authorization_code":
		return s.byCode(ctx, cause, c, ask)
	case "refresh_token":
		return s.byRefresh(ctx, cause, c, ask)
	case "client_credentials":
		return s.byClient(ctx, c, ask)
	}
	return Tokens{}, refuse("unsupported_grant_type", "authorization_code, refresh_token or client_credentials")
}

func (s *Service) byCode(ctx context.Context, cause store.Cause, c Client, ask TokenAsk) (Tokens, error) {
	if ask.Code == "" || ask.Redirect == "" || !goodVerifier(ask.Verifier) {
		return Tokens{}, refuse("invalid_request", "code, redirect_uri and code_verifier are needed")
	}
	if ask.JKT != "" {
		// Spent before anything is given: a copied proof is good for nothing (RFC 9449 §11.1).
		if err := s.sessions.SpendProof(ctx, ask.JKT, ask.JTI); err != nil {
			return Tokens{}, proofError(err)
		}
	}
	r, err := s.redeem(ctx, cause, c, ask.Code, ask.Redirect, ask.Verifier, ask.JKT)
	if err != nil {
		return Tokens{}, err
	}
	return s.tokens(ctx, r.Granted, r.Scope, r.nonce, true)
}

// goodVerifier: RFC 7636 §4.1.
func goodVerifier(v string) bool {
	if len(v) < 43 || len(v) > 128 {
		return false
	}
	for i := range len(v) {
		b := v[i]
		if !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '.' || b == '_' || b == '~') {
			return false
		}
	}
	return true
}

func (s *Service) byRefresh(ctx context.Context, cause store.Cause, c Client, ask TokenAsk) (Tokens, error) {
	if ask.Refresh == "" {
		return Tokens{}, refuse("invalid_request", "refresh_token is needed")
	}
	wanted, ok := parseScope(ask.Scope)
	if !ok {
		return Tokens{}, refuse("invalid_scope", "an unknown scope")
	}
	// Looked at before anything turns: an app that is told "not that scope" must still
	// hold a token that is good.
	if len(wanted) > 0 || ask.Details != "" {
		if g, err := s.sessions.GrantOfRefresh(ctx, ask.Refresh, string(c.ID)); err == nil {
			if _, err := s.scopesOf(g, wanted); err != nil {
				return Tokens{}, err
			}
			if _, err := s.detailsOf(g, ask.Details); err != nil {
				return Tokens{}, err
			}
		} else if !errors.Is(err, session.ErrGrantEnded) {
			return Tokens{}, err
		}
	}
	g, err := s.sessions.RotateGrant(ctx, cause, session.Refresh{Presented: ask.Refresh, JKT: ask.JKT, JTI: ask.JTI, Addr: ask.Addr, App: c.Name}, string(c.ID))
	switch {
	case errors.Is(err, session.ErrRefreshSuperseded):
		return Tokens{}, refuse("invalid_grant", "superseded: this token was turned over a moment ago; read your store again")
	case errors.Is(err, session.ErrRefreshWrongKey):
		return Tokens{}, &Error{Code: "invalid_dpop_proof", Description: "another key than the one this token is bound to"}
	case errors.Is(err, session.ErrProofReplayed):
		return Tokens{}, proofError(err)
	case errors.Is(err, session.ErrRefreshInvalid), errors.Is(err, session.ErrRefreshReused):
		return Tokens{}, errGrant
	case err != nil:
		return Tokens{}, err
	}
	good, err := s.scopesOf(g.Grant, wanted)
	if err != nil {
		return Tokens{}, err
	}
	if g.Details, err = s.detailsOf(g.Grant, ask.Details); err != nil {
		return Tokens{}, err
	}
	return s.tokens(ctx, g, joinScope(good), "", slices.Contains(good, "openid"))
}

// scopesOf says what a refresh gives. What needs a fresh verification does not come
// back by itself: an app that asks for it by name learns how to get it, one that just
// renews gets the rest.
func (s *Service) scopesOf(g session.Grant, wanted []string) ([]string, error) {
	given, _ := parseScope(g.Scope)
	if !subset(wanted, given) {
		return nil, refuse("invalid_scope", "more than was given") // RFC 6749 §6
	}
	asked := len(wanted) > 0
	if !asked {
		wanted = given
	}
	good, stale := s.scopesNow(wanted, g.ACR, g.AuthTime, s.db.Now())
	if asked && len(stale) > 0 {
		return nil, stepUp(s.strictest(stale))
	}
	return good, nil
}

// detailsOf says which payments a refresh carries on: those asked for, or all, and
// none once the person's verification is too old for them.
func (s *Service) detailsOf(g session.Grant, asked string) (string, error) {
	if asked != "" {
		wanted, ok := parseDetails(asked)
		given, _ := parseDetails(g.Details)
		if !ok || slices.ContainsFunc(wanted, func(d Detail) bool { return !slices.Contains(given, d) }) {
			return "", refuse("invalid_authorization_details", "more than was given")
		}
		if s.db.Now().Sub(g.AuthTime) > detailAge {
			return "", stepUp(session.ACRPhr, detailAge)
		}
		return joinDetails(wanted), nil
	}
	if s.db.Now().Sub(g.AuthTime) > detailAge {
		return "", nil
	}
	return g.Details, nil
}

// stepUp tells an app what would be enough (RFC 9470 §3).
func stepUp(acr string, age time.Duration) *Error {
	return &Error{Code: "insufficient_user_authentication", Description: "a newer verification of the person is needed for that: send them to authorize", ACR: acr, MaxAge: int64(age.Seconds())}
}

func (s *Service) byClient(ctx context.Context, c Client, ask TokenAsk) (Tokens, error) {
	if c.Public {
		return Tokens{}, refuse("unauthorized_client", "a public client has nothing of its own to show")
	}
	scopes, ok := parseScope(ask.Scope)
	if !ok || !c.may(scopes) || slices.ContainsFunc(scopes, func(x string) bool { return x != "read" && !powers[x].own }) {
		// Everything else is a person's to give.
		return Tokens{}, refuse("invalid_scope", "an app by itself may have read or tail, or nothing")
	}
	if ask.JKT != "" {
		if err := s.sessions.SpendProof(ctx, ask.JKT, ask.JTI); err != nil {
			return Tokens{}, proofError(err)
		}
	}
	token, exp, err := s.mint.AccessOfClient(string(c.ID), c.Audience, joinScope(scopes), ask.JKT, s.life)
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: token, Type: tokenType(ask.JKT), Expires: s.seconds(exp), Scope: joinScope(scopes)}, nil
}

func (s *Service) tokens(ctx context.Context, g session.Granted, scope, nonce string, withID bool) (Tokens, error) {
	access, exp, err := s.mint.AccessOf(g.Grant, scope, s.life)
	if err != nil {
		return Tokens{}, err
	}
	t := Tokens{Access: access, Type: tokenType(g.JKT), Expires: s.seconds(exp), Refresh: g.Refresh, Scope: scope}
	if g.Details != "" {
		t.Details = json.RawMessage(g.Details)
	}
	scopes, _ := parseScope(scope)
	if !withID || !slices.Contains(scopes, "openid") {
		return t, nil
	}
	id := session.IDClaims{
		Subject: string(g.Account), Audience: g.Client, AuthTime: g.AuthTime.Unix(), Nonce: nonce,
		ACR: g.ACR, AMR: g.AMR, SID: string(g.Session), AccessHash: accessHash(access),
	}
	if slices.Contains(scopes, "email") {
		if id.Email, id.EmailVerified, err = s.mail(ctx, g.Account); err != nil {
			return Tokens{}, err
		}
	}
	t.ID, err = s.mint.ID(id, idLife)
	return t, err
}

// mail is the address of an account: the oldest confirmed one.
func (s *Service) mail(ctx context.Context, acc account.ID) (mail string, verified *bool, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		contacts, err := s.accounts.Contacts(tx, acc)
		for _, c := range contacts {
			if c.Verified() {
				yes := true
				mail, verified = c.Value, &yes
				break
			}
		}
		return err
	})
	return mail, verified, err
}

func (s *Service) seconds(exp time.Time) int64 { return int64(exp.Sub(s.db.Now()).Seconds()) }

func tokenType(jkt string) string {
	if jkt != "" {
		return "DPoP"
	}
	return "Bearer"
}

func proofError(err error) error {
	if errors.Is(err, session.ErrProofReplayed) {
		return (&Error{Code: "invalid_dpop_proof", Description: "this proof was used before"}).because(err)
	}
	return err
}
