package gate

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"keyward/internal/apikey"
	"keyward/internal/session"
)

// Route says what one kind of request takes.
type Route struct {
	Method string
	Path   string        // "/v1/orders/{id}": a segment in braces is any one; "{rest...}" at the end is all that follows
	Scope  string        // one right of a key, or Public
	Takes  []string      // of key, token, session; empty: key alone
	ACR    string        // that a token or session has to reach; "" for what its scope asks by itself
	MaxAge time.Duration // since its person was last there; 0: as its scope asks
	Symbol string        // where the market stands: "query:symbol", "form:symbol" (a form in the body), "body:symbol" (a member of a JSON object) or "each:symbol" (of each object of a JSON array, alike in all); "" for none
	Stream bool          // a WebSocket is opened here
}

// Public is the scope of a route that takes no key: what an exchange tells everybody,
// such as its markets and its clock. Nothing is checked there and nothing is decided, so
// the upstream is told nothing: no decision, no account. Nothing is counted either: how
// much everybody may ask is for the upstream, or a front, to bound.
const Public = "public"

type route struct {
	method   string
	segments []string
	rest     bool
	public   bool // need says nothing
	takes    Takes
	acr      string
	maxAge   time.Duration
	stream   bool
	need     apikey.Need
	symbol   place
}

// place is where a request names its market.
type place struct {
	in   string
	name string // "" for none
}

const (
	inQuery = "query"
	inForm  = "form"
	inBody  = "body"
	inEach  = "each"
)

// body reports whether the market stands in the body, which fronts that ask keep.
func (p place) body() bool { return p.name != "" && p.in != inQuery }

// routes in the order they were written: the first that matches decides.
type routes []route

var errRoute = errors.New("gate: route")

func parseRoutes(list []Route) (out routes, err error) {
	for _, r := range list {
		p, err := parseRoute(r)
		if err != nil {
			return nil, fmt.Errorf("%w %s %s: %w", errRoute, r.Method, r.Path, err)
		}
		for j := range out {
			if out[j].hides(&p) {
				return nil, fmt.Errorf("%w %s %s: never reached, because %s stands before it", errRoute, r.Method, r.Path, list[j].Path)
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// ParseRoute reports what is wrong with a route, nil when it can be used.
func ParseRoute(r Route) error {
	_, err := parseRoute(r)
	return err
}

func parseRoute(r Route) (out route, err error) {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return out, errors.New("the method is GET, POST, PUT, PATCH or DELETE")
	}
	if !canonical(strings.NewReplacer("{", "", "}", "", "...", "").Replace(r.Path)) {
		return out, errors.New("the path is not one a client could send")
	}
	scope, ok := apikey.ScopeByName(r.Scope)
	switch {
	case r.Scope == Public:
		// A change that nobody signed is never let through by a slip in a list of routes.
		if r.Method != http.MethodGet || r.Symbol != "" {
			return out, errors.New("a public route is a GET without a symbol")
		}
	case !ok:
		return out, errors.New("the scope is no right of a key and not public")
	}
	if r.Stream && (r.Method != http.MethodGet || r.Symbol != "" || r.Scope != Public && !apikey.Reading.Has(scope)) {
		// Nobody signs what is sent in a stream, message by message: who takes a bot's
		// connection over would trade with it.
		return out, errors.New("a stream is a GET for reading or public, without a symbol")
	}
	out = route{method: r.Method, segments: strings.Split(r.Path[1:], "/"), public: r.Scope == Public, stream: r.Stream}
	if out.takes, err = takesOf(r, scope); err != nil {
		return out, err
	}
	out.acr, out.maxAge = r.ACR, r.MaxAge
	if !out.public {
		out.need = apikey.Need{Scope: scope, Class: classOf(scope)}
	}
	for i, s := range out.segments {
		open, shut := strings.HasPrefix(s, "{"), strings.HasSuffix(s, "}")
		switch {
		case open != shut, strings.ContainsAny(strings.Trim(s, "{}"), "{}"):
			return out, errors.New("a brace is open or stands inside a segment")
		case open && strings.HasSuffix(s, "...}"):
			if i != len(out.segments)-1 {
				return out, errors.New("{rest...} stands at the end")
			}
			out.rest = true
		case open:
			out.segments[i] = "{}"
		}
	}
	if out.rest {
		out.segments = out.segments[:len(out.segments)-1]
	}
	if r.Symbol != "" {
		where, name, _ := strings.Cut(r.Symbol, ":")
		if name == "" || where != inQuery && where != inForm && where != inBody && where != inEach {
			return out, errors.New("symbol is query:NAME, form:NAME, body:NAME or each:NAME")
		}
		out.symbol = place{where, name}
	}
	return out, nil
}

func takesOf(r Route, scope apikey.Scopes) (out Takes, err error) {
	for _, name := range r.Takes {
		one, ok := takesNames[name]
		if !ok || out&one != 0 {
			return 0, errors.New("takes is a list of key, token, session")
		}
		out |= one
	}
	people := out&(TakesToken|TakesSession) != 0
	switch {
	case r.Scope == Public && (out != 0 || r.ACR != "" || r.MaxAge != 0):
		return 0, errors.New("a public route takes nothing")
	case people && scope&^(apikey.Reading|apikey.Trading|apikey.TradeCancel) != 0:
		// What leaves the account takes a confirmation, which neither has with it.
		return 0, errors.New("tokens and sessions look and trade; this scope is for keys alone")
	case !people && (r.ACR != "" || r.MaxAge != 0):
		return 0, errors.New("acr and max_age are about people; the route takes keys alone")
	case people && r.Stream:
		return 0, errors.New("a stream takes keys alone")
	case r.ACR != "" && !session.Reaches(session.ACRPhrh, r.ACR):
		return 0, errors.New("acr is phr or phrh, or urn:keyward:fallback or urn:keyward:legacy")
	case scope&apikey.Trading != 0 && (r.ACR != "" && !session.Reaches(r.ACR, session.ACRPhr) || r.MaxAge > peopleAge):
		// They ask for more. One line in a list of routes must not let a session of a
		// recovery code trade, or one of last month.
		return 0, errors.New("trading takes phr or phrh, and a touch within 12h: acr and max_age ask for more, not for less")
	case r.MaxAge < 0 || r.MaxAge > 0 && r.MaxAge < time.Second:
		return 0, errors.New("max_age is a second or more")
	}
	if out == 0 && r.Scope != Public {
		out = TakesKey
	}
	return out, nil
}

func classOf(s apikey.Scopes) apikey.Class {
	switch {
	case s&apikey.Reading != 0:
		return apikey.ClassRead
	case s&apikey.TradeCancel != 0:
		return apikey.ClassCancel
	case s&apikey.Trading != 0:
		return apikey.ClassTrade
	case s&apikey.TransferInternal != 0:
		return apikey.ClassTransfer
	case s&apikey.Withdraw != 0:
		return apikey.ClassWithdraw
	}
	return apikey.ClassKey
}

// find is the first route that matches. A path is matched as it was sent: there is no
// second spelling that a route could miss and an upstream could take.
func (rs routes) find(method, path string) (*route, bool) {
	for i := range rs {
		if r := &rs[i]; r.method == method && r.matches(path[1:]) {
			return r, true
		}
	}
	return nil, false
}

func (r *route) matches(path string) bool {
	for i, want := range r.segments {
		segment, rest, more := strings.Cut(path, "/")
		last := i == len(r.segments)-1
		if want != segment && (want != "{}" || segment == "") || last && more && !r.rest || !last && !more {
			return false
		}
		path = rest
	}
	return !r.rest || path != ""
}

// hides reports whether r takes every request that later is for. A withdrawal behind
// "POST /v1/{rest...}" would need no more than the right of that.
func (r *route) hides(later *route) bool {
	if r.method != later.method || !r.rest && (later.rest || len(r.segments) != len(later.segments)) {
		return false
	}
	n := len(later.segments)
	if later.rest {
		n++ // at least one segment more
	}
	if len(r.segments) > len(later.segments) || r.rest && len(r.segments) >= n {
		return false
	}
	for i, s := range r.segments {
		if s != "{}" && s != later.segments[i] {
			return false
		}
	}
	return true
}

// canonical refuses paths that two programs could read as different places: dot
// segments, doubled slashes, percent forms of what needs none, of the percent sign itself
// (who decodes twice reads another path), and of what is no UTF-8. Whoever signs such
// a path wants a route to see one thing and the upstream another.
func canonical(path string) bool {
	if path == "" || path[0] != '/' || len(path) > 2048 {
		return false
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '/' && i+1 < len(path) && path[i+1] == '/':
			return false
		case c == '%':
			if i+2 >= len(path) {
				return false
			}
			v, ok := unhex(path[i+1], path[i+2])
			// Upper case only, and nothing that is safe as it stands (RFC 3986 §6.2.2).
			if !ok || v < 0x20 || v == 0x7f || plainInPath(v) || v == '/' || v == '\\' || v == '.' || v == '%' {
				return false
			}
			i += 2
		case !plainInPath(c) && c != '/':
			return false
		}
	}
	// No UTF-8: lenient decoders read "%C0%AE" as a dot (RFC 3629 §10).
	if plain, err := url.PathUnescape(path); err != nil || !utf8.ValidString(plain) {
		return false
	}
	return !slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." })
}

// plainInPath: unreserved, and the delimiters that exchanges use in paths. No
// semicolon: some servers cut a segment there.
func plainInPath(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~:@$+,=", c) >= 0
}

func unhex(a, b byte) (byte, bool) {
	digit := func(c byte) (byte, bool) {
		switch {
		case c >= '0' && c <= '9':
			return c - '0', true
		case c >= 'A' && c <= 'F':
			return c - 'A' + 10, true
		}
		return 0, false
	}
	hi, ok1 := digit(a)
	lo, ok2 := digit(b)
	return hi<<4 | lo, ok1 && ok2
}
