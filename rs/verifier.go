package rs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Config says whose tokens are accepted, and where. Issuer, Audience and PublicURL are needed.
type Config struct {
	// Issuer is Keyward's own address, exactly as it stands in the tokens.
	Issuer string
	// Audience is the name of this API, as it stands in the tokens.
	Audience string
	// PublicURL is where clients reach "/" of this server. It is configured and not taken from the request:
	// the Host of a request is what its sender likes, and a proof for another site must not serve here.
	PublicURL string

	// JWKSURL is where the issuer's keys are; by default what the issuer's metadata say (RFC 8414).
	JWKSURL string
	// HTTPClient fetches them; by default one with a timeout. Redirects are never followed.
	HTTPClient *http.Client
	// AcceptBearer lets tokens in that are bound to no key. A token that is bound is never taken as a bearer token.
	AcceptBearer bool
	// Replay remembers used proofs; by default in the memory of this process.
	Replay Replay
	// Nonces, when set, are demanded in proofs; see NewNonces.
	Nonces Nonces
	// Tail, when set, makes revocation take effect at once; its Run has to be running.
	Tail *Tail
	// Now is the clock, time.Now by default.
	Now func() time.Time
	// Log hears when keys cannot be fetched; nothing by default.
	Log *slog.Logger
}

// Verifier decides on requests. It is safe for concurrent use and needs no closing.
type Verifier struct {
	conf  Config
	base  string // PublicURL without its last slash
	keys  keys
	known tokens
	stale atomic.Uint64
}

// New checks the configuration. Nothing is fetched before the first request, so that a server starts while
// its issuer is away.
func New(c Config) (*Verifier, error) {
	for name, address := range map[string]string{"Issuer": c.Issuer, "PublicURL": c.PublicURL, "JWKSURL": c.JWKSURL} {
		if address == "" && name == "JWKSURL" {
			continue
		}
		if err := trustworthy(address); err != nil {
			return nil, fmt.Errorf("rs: %s %q: %w", name, address, err)
		}
		if strings.ContainsRune(address, '?') && name != "JWKSURL" {
			return nil, fmt.Errorf("rs: %s %q has a query", name, address)
		}
	}
	if !quotable(c.Audience) {
		return nil, fmt.Errorf("rs: Audience %q: want some printable text without quotes", c.Audience)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Replay == nil {
		c.Replay = newMemory(maxProofs, c.Now)
	}
	v := &Verifier{conf: c, base: strings.TrimSuffix(c.PublicURL, "/")}
	v.keys.issuer, v.keys.url, v.keys.client, v.keys.now, v.keys.log = c.Issuer, c.JWKSURL, still(c.HTTPClient), c.Now, c.Log
	return v, nil
}

// still is a client that follows no redirect.
func still(c *http.Client) *http.Client {
	if c == nil {
		c = &http.Client{Timeout: fetchTime}
	}
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Need is what an endpoint asks of a token. The zero Need is any good token.
type Need struct {
	Scope  []string      // all of them
	ACR    string        // at least; see Legacy, Fallback, Phr, Phrh
	MaxAge time.Duration // since the person last proved who they are; 0 asks nothing

	// Grace lets a token in for so long, at most a minute, although the Tail has lost its lease; revocations
	// of that time are not seen. It is for what only looks, cancels or reduces. 0: closed at once (DESIGN §7).
	Grace time.Duration
}

func (n Need) check() error {
	for _, s := range n.Scope {
		if !quotable(s) || strings.ContainsRune(s, ' ') {
			return fmt.Errorf("rs: scope %q in a Need: want one word without quotes", s)
		}
	}
	if n.ACR != "" && !quotable(n.ACR) {
		return fmt.Errorf("rs: ACR %q in a Need: want printable text without quotes", n.ACR)
	}
	if n.MaxAge < 0 || n.MaxAge > 0 && n.MaxAge < time.Second || n.Grace < 0 || n.Grace > maxGrace {
		return fmt.Errorf("rs: a Need with MaxAge %v and Grace %v: want a second or more, and at most %v", n.MaxAge, n.Grace, maxGrace)
	}
	return nil
}

func quotable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return s != ""
}

// Check decides whether a request may come in: a good token, its key, and what need asks for. The error is an
// *Error; Refuse answers with it. A proof is spent by the first Check that sees it, so check once per request.
func (v *Verifier) Check(r *http.Request, need Need) (*Token, error) {
	if err := need.check(); err != nil {
		return nil, away("not judged").because(err)
	}
	t, _, e := v.check(r, need)
	if e != nil {
		return nil, e
	}
	return t, nil
}

func (v *Verifier) check(r *http.Request, need Need) (t *Token, stale time.Duration, e *Error) {
	text, bound, e := v.presented(r.Header)
	if e != nil {
		return nil, 0, e
	}
	now := v.conf.Now()
	it, e := v.token(r.Context(), text, now)
	if e != nil {
		return nil, 0, e
	}
	t = it.token
	if v.conf.Tail != nil {
		// After what may have waited for the issuer's keys, and before the look at what ended: a lease that
		// ends while we look does not vouch for what was found (DESIGN §7).
		if stale, e = v.conf.Tail.valid(need.Grace); e != nil {
			return nil, 0, e
		}
		if v.conf.Tail.endedSince(t, it.cleared) {
			return nil, 0, errTokenEnded
		}
	}
	switch {
	case t.JKT != "" && !bound:
		return nil, 0, errAsBearer // RFC 9449 §7.2: else a thief of the token needs no key
	case t.JKT == "" && bound:
		return nil, 0, errNotBound
	case bound:
		if e := v.confirm(r, t, it.hash, now); e != nil {
			return nil, 0, e
		}
	}
	if e := need.of(t, now); e != nil {
		return nil, 0, e
	}
	return t, stale, nil
}

// presented is the token of the request, and whether its scheme is DPoP. Tokens in forms and queries, which
// end up in logs, are not looked for (RFC 9700 §4.3.2).
func (v *Verifier) presented(h http.Header) (text string, bound bool, e *Error) {
	fields := h["Authorization"]
	if len(fields) == 0 {
		return "", false, errNothing
	}
	if len(fields) > 1 {
		return "", false, errManyTokens
	}
	scheme, text, _ := strings.Cut(fields[0], " ")
	bound = strings.EqualFold(scheme, "DPoP")
	if !bound && !strings.EqualFold(scheme, "Bearer") {
		return "", false, errNothing
	}
	if text == "" {
		return "", false, errScheme
	}
	if !bound && !v.conf.AcceptBearer {
		return "", false, errNoBearer
	}
	if len(text) > maxToken {
		return "", false, errTokenSize // before it is hashed
	}
	return text, bound, nil
}

// token is the good token that text is, remembered or read.
func (v *Verifier) token(ctx context.Context, text string, now time.Time) (seen, *Error) {
	if it, ok := v.known.find(text); ok && v.keys.published(it.key, now) {
		return it, it.token.timely(now)
	}
	if strings.ContainsAny(text, " ,\t\"") {
		return seen{}, errScheme // a list, or parameters: not a token at all
	}
	jws, e := open(text, accessToken)
	if e != nil {
		return seen{}, e
	}
	t, e := v.readClaims(jws.body, now)
	if e != nil {
		return seen{}, e
	}
	key, e := v.keys.find(ctx, jws.kid)
	if e != nil {
		return seen{}, e
	}
	if !jws.by(key) {
		return seen{}, errTokenSig
	}
	text = strings.Clone(text) // it is part of a header
	it := seen{text, sha256.Sum256([]byte(text)), t, key, new(atomic.Uint64)}
	v.known.keep(it, now)
	return it, nil
}

// confirm verifies the proof of the token's key for this very request, and spends it.
func (v *Verifier) confirm(r *http.Request, t *Token, hash [32]byte, now time.Time) *Error {
	text, err := ProofHeader(r.Header)
	if err != nil {
		return err.(*Error)
	}
	var ath [43]byte
	base64.RawURLEncoding.Encode(ath[:], hash[:])
	need := ProofNeed{Method: r.Method, URL: v.base, JKT: t.JKT, MaxAge: proofAge, MaxAhead: proofAhead}
	if v.conf.Nonces != nil {
		need.Nonce = func(nonce string) bool { return v.conf.Nonces.Check(nonce, now) }
	}
	p, e := readProof(text, wanted{ProofNeed: need, path: path(r), ath: ath[:], now: now})
	if e != nil {
		return e
	}
	// jti is from outside: hashed, it has a bounded size, and nobody chooses where it goes.
	id := sha256.Sum256([]byte(p.JKT + "." + p.JTI))
	fresh, err := v.conf.Replay.Spend(r.Context(), id, p.Until)
	switch {
	case errors.Is(err, ErrFull):
		return errReplayFull
	case err != nil:
		return errReplay.because(err)
	case !fresh:
		return errProofReplay
	}
	return nil
}

// path is what the client wrote in the request line; a handler behind http.StripPrefix sees less in r.URL.
func path(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return bare(r.RequestURI)
	}
	return r.URL.EscapedPath()
}

// of checks what goes beyond a good token. Scope first: a touch gives nobody a scope.
func (n Need) of(t *Token, now time.Time) *Error {
	for _, s := range n.Scope {
		if !t.Has(s) {
			return &Error{Status: http.StatusForbidden, Code: lowScope, Text: "the token has not the scope for this",
				scope: strings.Join(n.Scope, " ")}
		}
	}
	if n.ACR != "" && !reaches(t.ACR, n.ACR) ||
		n.MaxAge > 0 && now.Sub(t.AuthTime) > n.MaxAge { // without auth_time that is for ever
		return &Error{Status: http.StatusUnauthorized, Code: lowAuth, Text: "a stronger or more recent sign-in is needed",
			scope: strings.Join(n.Scope, " "), acr: n.ACR, maxAge: n.MaxAge}
	}
	return nil
}

// Require lets requests through to h that Check lets in, and answers the others. A Need that no token can
// satisfy or no header can carry is a mistake in the program, so it panics.
func (v *Verifier) Require(need Need, h http.Handler) http.Handler {
	if err := need.check(); err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, stale, e := v.check(r, need)
		if e != nil {
			v.Refuse(w, e)
			return
		}
		if stale > 0 {
			v.stale.Add(1)
			w.Header().Set("Keyward-Stale", strconv.FormatInt(max(stale.Milliseconds(), 1), 10))
		}
		if v.conf.Nonces != nil {
			w.Header().Set("DPoP-Nonce", v.conf.Nonces.Mint(v.conf.Now())) // RFC 9449 §8.2: so that it never runs out
		}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), inContext{}, t)))
	})
}

// Stale is how many requests were let through within their Grace, without a lease.
func (v *Verifier) Stale() uint64 { return v.stale.Load() }

type inContext struct{}

// FromContext is the token that Require let in.
func FromContext(ctx context.Context) (*Token, bool) {
	t, ok := ctx.Value(inContext{}).(*Token)
	return t, ok
}
