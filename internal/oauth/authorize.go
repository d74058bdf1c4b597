package oauth

import (
	"context"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/session"
	"keyward/internal/store"
)

// Ask is an authorization request that was read and found in order.
type Ask struct {
	Client    Client
	Redirect  string
	State     string
	Scopes    []string
	Details   []Detail // RFC 9396
	Challenge [32]byte
	Nonce     string
	JKT       string // dpop_jkt: the code is good with this key only (RFC 9449 §10)
	Login     bool   // prompt=login: the person proves presence again
	Consent   bool   // prompt=consent
	Silent    bool   // prompt=none: no page may ask anything
	MaxAge    time.Duration
	HasMaxAge bool
	ACR       string // the least the app asks for; "" for none
	Hint      string // login_hint, unverified
	Locales   []string
	Subject   string // of an id_token_hint of ours: this account or nobody

	handle [32]byte // of the kept request
}

// Refusal is an error that goes back to the app, at an address that is proved to be
// the app's.
type Refusal struct {
	Code, Description string
	Redirect, State   string
}

func (r *Refusal) Error() string { return "oauth: " + r.Code + ": " + r.Description }

// ReadAsk reads an authorization request (RFC 6749 §4.1.1, OIDC Core §3.1.2.1). An
// error that is no *Refusal is for the person's eyes: the app, or the address to
// come back to, is not known, and nobody is sent there.
func (s *Service) ReadAsk(ctx context.Context, q url.Values) (Ask, error) {
	var a Ask
	// RFC 6749 §3.1: a parameter must not come twice. Two readers of one request that
	// pick different ones are how a request is smuggled past a check.
	if len(q["client_id"]) > 1 || len(q["redirect_uri"]) > 1 {
		return a, ErrRedirect
	}
	c, err := s.Client(ctx, q.Get("client_id"))
	if err != nil {
		return a, err
	}
	a.Client, a.Redirect, a.State = c, q.Get("redirect_uri"), q.Get("state")
	if !c.redirect(a.Redirect) {
		return a, ErrRedirect
	}
	refusal := func(code, why string) (Ask, error) {
		return a, &Refusal{code, why, a.Redirect, a.State}
	}
	if len(a.State) > maxState {
		a.State = ""
		return refusal("invalid_request", "state is too long")
	}
	for name, values := range q {
		most := maxParam
		if name == "authorization_details" {
			most = maxDetail
		}
		if len(values) > 1 || len(values[0]) > most {
			return refusal("invalid_request", "a parameter came twice or is too long")
		}
	}
	if q.Has("request") {
		return refusal("request_not_supported", "signed requests are not taken here")
	}
	if q.Has("request_uri") {
		return refusal("request_uri_not_supported", "addresses of requests are not taken here")
	}
	if q.Get("response_type") != "code" {
		// No implicit and no hybrid flow: a token in an address is in every log (RFC
		// 9700 §2.1.2).
		return refusal("unsupported_response_type", "only response_type=code exists here")
	}
	if m := q.Get("response_mode"); m != "" && m != "query" {
		return refusal("invalid_request", "only response_mode=query exists here")
	}
	var ok bool
	if q.Get("code_challenge_method") != "S256" {
		return refusal("invalid_request", "code_challenge_method must be S256")
	}
	if a.Challenge, ok = parseChallenge(q.Get("code_challenge")); !ok {
		return refusal("invalid_request", "code_challenge is not the base64url of a SHA-256")
	}
	if a.Details, ok = parseDetails(q.Get("authorization_details")); !ok || !c.detailsMay(a.Details) {
		return refusal("invalid_authorization_details", "of a type or with a member that this app may not use, or not in its form") // RFC 9396 §5
	}
	if a.Scopes, ok = parseScope(q.Get("scope")); !ok || len(a.Scopes) == 0 && len(a.Details) == 0 {
		return refusal("invalid_scope", "an unknown scope, or none")
	}
	if !c.may(a.Scopes) || slices.ContainsFunc(a.Scopes, func(s string) bool { return powers[s].own }) {
		return refusal("invalid_scope", "this app may not ask for that")
	}
	if a.Nonce = q.Get("nonce"); len(a.Nonce) > maxNonce {
		return refusal("invalid_request", "nonce is too long")
	}
	if a.JKT = q.Get("dpop_jkt"); a.JKT != "" {
		if _, ok := parseChallenge(a.JKT); !ok { // a thumbprint has the same form
			return refusal("invalid_request", "dpop_jkt is not a thumbprint")
		}
	}
	prompts := strings.Fields(q.Get("prompt"))
	for _, p := range prompts {
		switch p {
		case "login", "select_account": // there is one account in a browser: choosing another is signing in anew
			a.Login = true
		case "consent":
			a.Consent = true
		case "none":
			a.Silent = true
		default:
			return refusal("invalid_request", "an unknown prompt")
		}
	}
	if a.Silent && len(prompts) > 1 {
		return refusal("invalid_request", "prompt=none stands alone")
	}
	if v := q.Get("max_age"); v != "" {
		n, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			return refusal("invalid_request", "max_age is not a number of seconds")
		}
		a.MaxAge, a.HasMaxAge = time.Duration(n)*time.Second, true
	}
	for _, acr := range strings.Fields(q.Get("acr_values")) {
		// Voluntary and in order of preference (OIDC Core §3.1.2.1); we keep the least
		// that we know, and say in the token what was reached.
		if session.Reaches(session.ACRPhrh, acr) && (a.ACR == "" || session.Reaches(a.ACR, acr)) {
			a.ACR = acr
		}
	}
	if v := q.Get("id_token_hint"); v != "" {
		id, err := s.mint.ReadID(v)
		if err != nil || id.Audience != string(c.ID) {
			return refusal("invalid_request", "id_token_hint is no ID token of ours")
		}
		a.Subject = id.Subject
	}
	a.Hint, a.Locales = q.Get("login_hint"), strings.Fields(q.Get("ui_locales"))
	return a, nil
}

// Direct reads and keeps a request that came through the browser, and returns its
// handle.
func (s *Service) Direct(ctx context.Context, q url.Values) (handle string, err error) {
	a, err := s.ReadAsk(ctx, q)
	if err != nil {
		return "", err
	}
	if a.Client.Profile == ProfileFAPI {
		// FAPI 2.0 §5.3.2.2-3: what passed through a page could have been changed there.
		return "", &Refusal{"invalid_request", "this app has to push its requests", a.Redirect, a.State}
	}
	return s.Keep(ctx, a, q)
}

// parseChallenge reads a code challenge (RFC 7636 §4.2; S256 is the only method,
// "plain" would put the verifier where the code is). One spelling only: the
// decoder by itself skips line breaks.
func parseChallenge(s string) (c [32]byte, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(s) != 43 {
		return c, false
	}
	return [32]byte(b), true
}

// Consents reports whether the person has to agree: the exchange's own apps need no
// consent, unless they ask for it, or come back to an address that any program on the
// same machine could have taken (RFC 8252 §8.6: no request of a native app without a
// person who sees it). A payment is always read by its owner.
func (a Ask) Consents() bool {
	return !a.Client.FirstParty || a.Consent || len(a.Details) > 0 || !strings.HasPrefix(a.Redirect, "https://") && !namedLoopback(a.Redirect)
}

// stale reports whether the session's last user verification is too old, or too
// weak, for what is asked.
func (s *Service) stale(a Ask, ses session.Session, now time.Time) bool {
	if a.Login || a.HasMaxAge && now.Sub(ses.AuthTime) > a.MaxAge {
		return true
	}
	if a.ACR != "" && !session.Reaches(ses.ACR, a.ACR) {
		return true
	}
	if len(a.Details) > 0 && now.Sub(ses.AuthTime) > detailAge {
		return true
	}
	_, old := s.scopesNow(a.Scopes, ses.ACR, ses.AuthTime, now)
	return len(old) > 0
}

// ExpectsOther reports whether the app hinted at another account than the one that is
// signed in (OIDC Core §3.1.2.1 login_hint): by mail address, the exchange's own id, or
// ours. It is the person who is told, never the app: with prompt=none a hint changes
// nothing, or a page could ask us whose browser it is in, one guess at a time.
func (s *Service) ExpectsOther(ctx context.Context, a Ask, acc account.ID) (other bool, err error) {
	if a.Hint == "" || a.Silent || a.Hint == string(acc) {
		return false, nil
	}
	hint := strings.TrimPrefix(a.Hint, "mailto:")
	if mail, err := account.NormalizeMail(hint); err == nil {
		hint = mail
	}
	err = s.db.View(ctx, func(tx *store.Tx) error {
		who, err := s.accounts.ByID(tx, acc)
		if err != nil {
			return err
		}
		contacts, err := s.accounts.Contacts(tx, acc)
		other = hint != who.ExternalID && !slices.ContainsFunc(contacts, func(c account.Contact) bool { return c.Verified() && strings.EqualFold(c.Value, hint) })
		return err
	})
	return other, err
}

// Answer is the address that brings a refusal back to the app, with who we are (RFC
// 9207): a mix-up of servers shows.
func (s *Service) Answer(redirect, state string, more url.Values) string {
	u, err := url.Parse(redirect)
	if err != nil {
		return redirect
	}
	q := u.Query()
	for name, values := range more {
		q[name] = slices.Clone(values)
	}
	if state != "" {
		q.Set("state", state)
	}
	q.Set("iss", s.mint.Issuer())
	u.RawQuery = q.Encode()
	return u.String()
}

// Back is the address of a refusal.
func (s *Service) Back(r *Refusal) string {
	return s.Answer(r.Redirect, r.State, url.Values{"error": {r.Code}, "error_description": {r.Description}})
}
