package gate

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/rs"
)

// Beside the keys of bots a route may take what people have: the access token of an app
// that they let in (JWT with a proof of its key, RFC 9068 and 9449), or the session of
// their browser. Neither ever moves money out: that takes a confirmation, which a bearer
// of a session or a token alone has not got.

// Takes are the kinds of credentials.
type Takes uint8

// The kinds, as configurations name them.
const (
	TakesKey     Takes = 1 << iota // "key", the only one unless a route says otherwise
	TakesToken                     // "token"
	TakesSession                   // "session"
)

var takesNames = map[string]Takes{"key": TakesKey, "token": TakesToken, "session": TakesSession}

// People decides about what people have.
type People struct {
	Tokens   *rs.Verifier     // nil: no tokens are taken
	Sessions *session.Service // for grants, and for sessions where Browsers says so
	Browsers bool
}

// ProofMemory remembers used proofs for [rs.Config.Replay]: those of changes where all
// gates see them, those of reads in this process. A read that is sent again reads again.
type ProofMemory struct {
	Keys  *apikey.Service
	Reads rs.Replay
}

type changes struct{}

// Spend takes the place of a proof; false when it was taken.
func (m ProofMemory) Spend(ctx context.Context, id [32]byte, until time.Time) (bool, error) {
	if ctx.Value(changes{}) == nil {
		return m.Reads.Spend(ctx, id, until)
	}
	return m.Keys.Once(ctx, [16]byte(id[:16]), until)
}

// credential is what a request shows: one kind, or none. Two at once are none: which of
// them the upstream would have meant, nobody can say.
func credential(h http.Header) Takes {
	_, key := apikey.ProfileOf(h)
	token := false
	for _, v := range h["Authorization"] {
		scheme, _, _ := strings.Cut(v, " ")
		token = token || strings.EqualFold(scheme, "DPoP")
	}
	_, cookie := edge.AccessCookie.Read(&http.Request{Header: h})
	switch {
	case token && (key || apikey.Marked(h)):
		return 0
	case key:
		return TakesKey // what a browser sends along changes nothing: a key that signs there is refused for it
	case token:
		return TakesToken
	case cookie && !apikey.Marked(h):
		return TakesSession
	}
	return 0
}

// person decides about a token or a session.
func (g *Gate) person(ctx context.Context, a *asked, r *route, by Takes) (granted, *refused) {
	now := g.Now()
	var gr granted
	var no *refused
	if g.BotKeys.Shut(now) {
		// As Verify does for keys: tokens and sessions rest on the same root.
		return granted{}, &refused{code: apikey.KeysShut}
	}
	if by == TakesToken {
		gr, no = g.app(ctx, a, r)
	} else {
		gr, no = g.browser(ctx, a, r, now)
	}
	if no != nil {
		return granted{}, no
	}
	exit, code, wait, err := g.BotKeys.Standing(ctx, gr.Key.Account, r.need)
	if err != nil {
		return granted{}, &refused{code: apikey.Unavailable}
	}
	if code != "" {
		return granted{}, &refused{code: code, facts: apikey.Facts{RetryAfter: wait}}
	}
	gr.ExitOnly, gr.At, gr.ID = exit, now, g.BotKeys.NextDecision()
	return gr, nil
}

// speed bounds what one grant or session asks, as each key has a speed of its own: a proof
// takes a place in memory that all share, and one of a change a row in the database.
func (g *Gate) speed(by string) *refused {
	if g.Limiter == nil {
		return nil
	}
	if ok, wait := g.Limiter.Allow(edge.ClassAPI, by); !ok {
		return &refused{code: apikey.RateLimited, facts: apikey.Facts{RetryAfter: wait}}
	}
	return nil
}

// costs reports whether a refused request counts against its address. Whole offices share
// one: a session that has to be renewed, or may not trade, has proved who it is, and must
// not keep the bots of its neighbours out. An app's proof is spent before it is known what
// the app may, so what is refused to an app counts.
func (no *refused) costs(by Takes) bool {
	return no.token != nil || no.code == apikey.AuthFailed || by == TakesToken && no.code == apikey.RateLimited
}

// app decides about an access token.
func (g *Gate) app(ctx context.Context, a *asked, r *route) (granted, *refused) {
	if g.Tokens == nil {
		return granted{}, &refused{code: apikey.AuthFailed}
	}
	need := rs.Need{Scope: []string{r.tokenScope()}, ACR: r.acr, MaxAge: r.maxAge}
	if r.need.Scope&apikey.Trading != 0 {
		if need.ACR == "" {
			need.ACR = rs.Phr
		}
		if need.MaxAge == 0 {
			need.MaxAge = peopleAge
		}
	}
	q := &http.Request{Method: a.method, RequestURI: a.target, Header: a.header, URL: &url.URL{}}
	if mutates(a.method) || r.need.Scope&^apikey.Reading != 0 {
		ctx = context.WithValue(ctx, changes{}, true)
	}
	t, err := g.Tokens.Check(q.WithContext(ctx), need)
	if err != nil {
		return granted{}, &refused{token: err}
	}
	if t.Grant == "" {
		return granted{}, &refused{code: apikey.AuthFailed} // an app by itself acts for nobody
	}
	if no := g.speed("token:" + t.Grant); no != nil {
		return granted{}, no
	}
	// After the token was read and before anything is let in: a grant that ended, or was
	// narrowed, since the token was signed (DESIGN §7).
	grant, err := g.Sessions.GrantNow(ctx, account.ID(t.Subject), session.GrantID(t.Grant))
	switch {
	case errors.Is(err, session.ErrGrantEnded) || err == nil && (grant.Account != account.ID(t.Subject) || !hasWord(grant.Scope, need.Scope[0])):
		return granted{}, &refused{code: apikey.AuthFailed}
	case err != nil:
		return granted{}, &refused{code: apikey.Unavailable}
	}
	gr := granted{by: "token:" + t.Grant}
	gr.Key.Account = account.ID(t.Subject)
	if hasWord(grant.Scope, "read") && t.Has("read") {
		gr.Scopes |= apikey.Reading
	}
	if hasWord(grant.Scope, "trade") && t.Has("trade") {
		gr.Scopes |= apikey.Trading | apikey.TradeCancel
	}
	return gr, nil
}

// browser decides about the session in a cookie.
func (g *Gate) browser(ctx context.Context, a *asked, r *route, now time.Time) (granted, *refused) {
	if !g.Browsers {
		return granted{}, &refused{code: apikey.AuthFailed}
	}
	if (mutates(a.method) || r.need.Scope&^apikey.Reading != 0) && !sameOrigin(a.header, g.Authority) {
		// Another site's page can make a browser send the cookie along. The cookie is Lax, so a
		// plain link sends it: a route that trades by GET is a change as any other.
		return granted{}, &refused{code: apikey.AuthFailed}
	}
	token, _ := edge.AccessCookie.Read(&http.Request{Header: a.header})
	bound, _ := edge.BoundCookie.Read(&http.Request{Header: a.header})
	live, err := g.Sessions.CheckBrowser(ctx, token, bound, a.peer)
	switch {
	case err == nil:
	case errors.Is(err, session.ErrNotSignedIn), errors.Is(err, session.ErrEnded):
		return granted{}, &refused{code: apikey.AuthFailed}
	case errors.Is(err, session.ErrAccessExpired), errors.Is(err, session.ErrProofMissing), errors.Is(err, session.ErrBoundMissing):
		return granted{}, &refused{code: apikey.SessionExpired}
	default:
		return granted{}, &refused{code: apikey.Unavailable}
	}
	if no := g.speed("session:" + string(live.ID)); no != nil {
		return granted{}, no
	}
	acr, age := r.acr, r.maxAge
	if acr == "" && r.need.Scope&apikey.Trading != 0 {
		acr = session.ACRPhr
	}
	if age == 0 {
		age = peopleAge
	}
	if acr != "" && !session.Reaches(live.ACR, acr) || now.Sub(live.AuthTime) > age {
		return granted{}, &refused{code: apikey.StepUp}
	}
	gr := granted{by: "session:" + string(live.ID)}
	gr.Key.Account = live.Account
	gr.Scopes = apikey.Exiting
	if session.Reaches(live.ACR, session.ACRPhr) {
		gr.Scopes |= apikey.Trading
	}
	if r.need.Scope != 0 && !gr.Scopes.Has(r.need.Scope) {
		return granted{}, &refused{code: apikey.ScopeMissing, facts: apikey.Facts{Needed: r.need.Scope}}
	}
	return gr, nil
}

// peopleAge: after so long a person has to have been there again (DESIGN §5).
const peopleAge = 12 * time.Hour

// tokenScope is the scope of a token that a route takes.
func (r *route) tokenScope() string {
	if r.need.Scope == 0 || r.need.Scope&apikey.Reading != 0 {
		return "read"
	}
	return "trade"
}

func hasWord(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if w == word {
			return true
		}
	}
	return false
}

func mutates(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// sameOrigin reports whether a browser says that a page of this very API sent a request.
// A browser says one of the two with each change; who says neither is none, and has no
// use for a cookie.
func sameOrigin(h http.Header, authority string) bool {
	if site := h["Sec-Fetch-Site"]; len(site) > 0 {
		return len(site) == 1 && site[0] == "same-origin"
	}
	origin := h["Origin"]
	return len(origin) == 1 && (origin[0] == "https://"+authority || origin[0] == "http://"+authority && loopback(authority))
}

// loopback reports whether an authority names this machine, where there is no TLS to ask for.
func loopback(authority string) bool {
	u := url.URL{Host: authority}
	host := u.Hostname()
	return host == "localhost" || host == "127.0.0.1" || host == "::1" || strings.HasSuffix(host, ".localhost")
}

// PublicURL is where clients reach a gate of this authority.
func PublicURL(authority string) string {
	if loopback(authority) {
		return "http://" + authority
	}
	return "https://" + authority
}

// keepCookies takes the cookies of Keyward's own out of a request: an upstream is told
// who it is, and has no use for what it could be them with.
func keepCookies(h http.Header) {
	lines := h["Cookie"]
	delete(h, "Cookie")
	for _, line := range lines {
		var keep []string
		for pair := range strings.SplitSeq(line, ";") {
			if pair = strings.Trim(pair, " \t"); pair != "" && !strings.HasPrefix(pair, "__Host-kw_") {
				keep = append(keep, pair)
			}
		}
		if len(keep) > 0 {
			h["Cookie"] = append(h["Cookie"], strings.Join(keep, "; "))
		}
	}
}

// sum is the hash of what came, or of what was signed about it.
func (a *asked) sum(digest [32]byte) [32]byte {
	if a.unseen {
		return digest
	}
	return sha256.Sum256(a.body)
}
