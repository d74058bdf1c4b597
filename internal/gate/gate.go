package gate

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"keyward/gatekit"
	"keyward/internal/apikey"
	"keyward/internal/edge"
)

// Parts are what a gate works with.
type Parts struct {
	BotKeys *apikey.Service
	Limiter *edge.Limiter // of what proves nothing; nil: none
	Now     func() time.Time
	Logger  *slog.Logger
	People              // what people have, where routes take that
	Fresh   func() bool // whether this process hears what ends (audit.Watch); nil: nobody else ends anything
}

// Settings are how a gate stands.
type Settings struct {
	Authority string         // public name of the API, as clients sign it
	Upstream  *url.URL       // nil: only forward-auth
	Key       gatekit.Key    // shared with the upstream
	Peers     []netip.Prefix // fronts that may ask, and whose word on addresses counts
	Proxies   []netip.Prefix // in front of the proxy
	Routes    []Route
	BodyLimit int64
	Profiles  []apikey.Profile // that requests may be signed in; none: all

	BodyFromPeers bool // the fronts that ask (Envoy) hand the body over

	Transport http.RoundTripper // to the upstream; nil: the usual one
	Bounds    Bounds            // of streams
}

// Gate lets requests through, or not.
type Gate struct {
	Parts
	Settings
	routes  routes
	signer  *gatekit.Signer
	streams streams
}

// New checks the settings and makes a gate.
func New(p Parts, s Settings) (*Gate, error) {
	rs, err := parseRoutes(s.Routes)
	if err != nil {
		return nil, err
	}
	if s.Authority == "" || s.Authority != strings.ToLower(s.Authority) || s.Key == (gatekit.Key{}) || s.BodyLimit <= 0 {
		return nil, errors.New("gate: it takes a name in small letters, a key and a limit for bodies")
	}
	g := &Gate{Parts: p, Settings: s, routes: rs, signer: gatekit.NewSigner(s.Key)}
	g.streams.init(s.Bounds)
	return g, nil
}

// asked is a request as its front saw it.
type asked struct {
	method string
	target string // path and query, byte for byte
	header http.Header
	body   []byte
	unseen bool // the front kept the body; what was signed about it is all there is
	peer   netip.Addr
	id     string // of the request, for its owner and for us

	stream bool          // it opens a stream
	login  *apikey.Login // that its first message is; nil: its headers are signed
}

// granted is what the upstream is told; nothing when public.
type granted struct {
	apikey.Decision
	token  string
	public bool
	by     string // of a person's credential, whose Key has an account and nothing else
}

// refused is what the client is told.
type refused struct {
	code    apikey.Code
	facts   apikey.Facts
	key     apikey.ID // of a proved one
	profile apikey.Profile
	token   error // why the token of an app was not taken; the rest is empty then
}

// route is what can be told of a request before its body is read and any key looked up.
// Whoever sent too much that proved nothing waits here: guesses cost neither memory for
// bodies nor reads of the database.
func (g *Gate) route(a *asked) (*route, *refused) {
	path, query, _ := strings.Cut(a.target, "?")
	if !canonical(path) || strings.ContainsAny(query, "#\r\n\x00 ") {
		return nil, &refused{code: apikey.BadRequest}
	}
	r, ok := g.routes.find(a.method, path)
	if a.method == http.MethodGet && a.target == whoami {
		r, ok = &aboutItself, true
	}
	if !ok {
		return nil, &refused{code: apikey.RouteUnknown}
	}
	if r.stream != a.stream {
		// A front that only asks would carry the stream itself, and nobody could end it.
		return nil, &refused{code: apikey.BadRequest}
	}
	if r.public {
		return r, nil
	}
	by := credential(a.header)
	if a.stream {
		by = TakesKey // in its handshake, or in its first message; a cookie beside it opens nothing
	}
	if by == 0 || r.takes&by == 0 {
		return nil, &refused{code: apikey.AuthFailed}
	}
	unsaid := a.stream && a.login == nil && !signs(a.header) // its first message will say it
	if by == TakesKey && len(g.Profiles) > 0 && !unsaid && !slices.Contains(g.Profiles, a.profile()) {
		return nil, &refused{code: apikey.AuthFailed}
	}
	if g.Limiter != nil {
		if wait := g.Limiter.WaitAddr(edge.ClassGate, a.peer); wait > 0 {
			return nil, &refused{code: apikey.RateLimited, facts: apikey.Facts{RetryAfter: wait}}
		}
	}
	return r, nil
}

// decide is the one place where a request is let in.
func (g *Gate) decide(ctx context.Context, a *asked) (granted, *refused) {
	r, no := g.route(a)
	if no != nil {
		return granted{}, no
	}
	path, query, _ := strings.Cut(a.target, "?")
	if r.public {
		if len(a.body) > 0 {
			return granted{}, &refused{code: apikey.BadRequest} // nobody signed it, and a GET has no use for it
		}
		return granted{public: true}, nil
	}
	need := r.need
	if r.symbol.name != "" {
		if r.symbol.body() && a.unseen {
			return granted{}, &refused{code: apikey.BadRequest} // refused at the start, too: New's caller says so
		}
		// Read before anything is proved, told only after: a request without a market
		// that a route needs is refused whoever sends it.
		var ok bool
		if need.Symbol, ok = symbolOf(r.symbol, query, a.body); !ok || !alone(r.symbol, query, a) {
			return granted{}, &refused{code: apikey.BadRequest}
		}
	}
	if by := credential(a.header); by != TakesKey && !a.stream {
		gr, no := g.person(ctx, a, r, by)
		if no != nil {
			if g.Limiter != nil && no.costs(by) {
				g.Limiter.AllowAddr(edge.ClassGate, a.peer)
			}
			return granted{}, no
		}
		// Nobody signed the body, so a front that keeps it cannot say what it was.
		if a.unseen && mutates(a.method) {
			return granted{}, &refused{code: apikey.BadRequest}
		}
		return g.seal(a, gr, a.sum(sha256.Sum256(nil)))
	}
	q := apikey.Request{Method: a.method, Authority: g.Authority, Path: path, Query: query, Header: a.header, Body: a.body, Unseen: a.unseen, Peer: a.peer}
	var d apikey.Decision
	var refusal *apikey.Refusal
	if need.Stream = a.stream; a.login != nil {
		d, refusal = g.BotKeys.VerifyLogin(ctx, &q, a.login, need)
	} else {
		d, refusal = g.BotKeys.Verify(ctx, &q, need)
	}
	if refusal != nil {
		if !refusal.Proved {
			g.charge(a)
		}
		return granted{}, &refused{code: refusal.Code, facts: refusal.Facts, key: refusal.Key, profile: refusal.Profile}
	}
	if a.stream {
		// What is sent in a stream is signed by nobody, so nothing in it may move money: the
		// upstream reads here that it may not.
		d.Scopes &= apikey.Reading
	}
	return g.seal(a, granted{Decision: d}, a.sum(q.Digest))
}

// seal makes the decision one that an upstream can check.
func (g *Gate) seal(a *asked, gr granted, sum [32]byte) (granted, *refused) {
	token := g.signer.Append(nil, gatekit.Decision{
		ID: gr.ID.String(), Method: a.method, Target: a.target, Body: sum, Account: string(gr.Key.Account), Sub: gr.Key.Sub, Credential: gr.credential(),
		Scopes: gr.Scopes.String(), ExitOnly: gr.ExitOnly, Issued: gr.At.Truncate(time.Millisecond),
	})
	if len(token) == 0 {
		return granted{}, &refused{code: apikey.Unavailable} // a decision that cannot be said is none
	}
	gr.token = string(token)
	return gr, nil
}

// credential is what let a request in, as upstreams are told.
func (gr *granted) credential() string {
	if gr.by != "" {
		return gr.by
	}
	return "key:" + string(gr.Key.ID)
}

// signs reports whether a request shows the marks of a key.
func signs(h http.Header) bool {
	_, ok := apikey.ProfileOf(h)
	return ok
}

// profile is the one that a request, or the login of a stream, is made in; "" when it
// shows none, or more than one.
func (a *asked) profile() apikey.Profile {
	if a.login != nil {
		return a.login.Profile()
	}
	p, _ := apikey.ProfileOf(a.header)
	return p
}

// charge makes what proved nothing cost its address; route looks at the bill.
func (g *Gate) charge(a *asked) {
	if g.Limiter != nil {
		g.Limiter.AllowAddr(edge.ClassGate, a.peer)
	}
}

// told writes what the upstream may believe into headers, and nothing else that looks
// like it. The headers beside the token are for people who read logs.
func (gr *granted) told(h http.Header, id string) {
	if gr.public {
		return // nothing was proved, so there is nothing to believe
	}
	h.Set(gatekit.Header, gr.token)
	h.Set(gatekit.HeaderAccount, string(gr.Key.Account))
	if gr.Key.Sub != "" {
		h.Set(gatekit.HeaderSub, gr.Key.Sub)
	}
	h.Set(gatekit.HeaderKey, gr.credential())
	h.Set(gatekit.HeaderScopes, gr.Scopes.String())
	if gr.Stale > 0 {
		h.Set(gatekit.HeaderStale, gr.stale())
	}
	h.Set(gatekit.HeaderRequestID, id)
}

// ours reports whether a header's name speaks in our name, however it is spelled:
// servers turn underscores and case into the same variable (CGI, WSGI), so
// "X_Keyward_Account" would reach the upstream as ours.
func ours(name string) bool {
	if len(name) < len("x-keyward-") {
		return false
	}
	for i, want := range []byte("x-keyward-") {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c == '_' {
			c = '-'
		}
		if c != want {
			return false
		}
	}
	return true
}

// strip removes what a client said in our name.
func strip(h http.Header) {
	for name := range h {
		if ours(name) {
			delete(h, name)
		}
	}
}

// claims reports whether a client said anything in our name.
func claims(h http.Header) bool {
	for name := range h {
		if ours(name) {
			return true
		}
	}
	return false
}

func peerOf(r *http.Request) netip.Addr { return edge.ClientAddr(r, nil) }
