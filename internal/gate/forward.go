package gate

import (
	"net/http"
	"slices"
	"strings"

	"keyward/internal/apikey"
	"keyward/internal/edge"
)

// Where fronts write what they were asked: nginx as configured by our page, Caddy and
// Traefik by themselves.
const (
	originalMethod, originalTarget = "X-Original-Method", "X-Original-Uri"
	forwardMethod, forwardTarget   = "X-Forwarded-Method", "X-Forwarded-Uri"
)

// headerCookie is what of the client's cookies a front may hand on.
const headerCookie = "X-Keyward-Cookie"

// Check answers a front that asks whether a request may pass (forward-auth): 200 with
// the headers that go to the upstream, or a refusal. The body stays with the front, so
// what is checked is the digest that was signed; the decision token carries it on, and
// the upstream compares.
func (g *Gate) Check() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := asked{header: r.Header, unseen: true, id: requestID(g)}
		if !g.mayAsk(w, r, &a) {
			return
		}
		a.peer = edge.ClientAddr(r, g.Peers)
		status := never2xx
		var ok bool
		if a.method, a.target, ok = said(r.Header, originalMethod, originalTarget); ok {
			status = nginx
		} else if a.method, a.target, ok = said(r.Header, forwardMethod, forwardTarget); !ok {
			g.refuse(w, &a, &refused{code: apikey.BadRequest}, nginx)
			return
		}
		g.pass(w, r, &a, status)
	})
}

// mayAsk refuses everybody who is no configured front: anybody else could put words into
// a client's mouth.
func (g *Gate) mayAsk(w http.ResponseWriter, r *http.Request, a *asked) bool {
	front := peerOf(r)
	if g.isPeer(front) {
		return true
	}
	g.Logger.WarnContext(r.Context(), "a front that is not configured asked", "addr", front)
	g.refuse(w, a, &refused{code: apikey.AuthFailed}, func(int) int { return http.StatusForbidden })
	return false
}

// pass answers a front that asked about a request.
func (g *Gate) pass(w http.ResponseWriter, r *http.Request, a *asked, status func(int) int) {
	if claims(r.Header) || misleads(r.Header) {
		// A front passes the client's headers on to the upstream, past us. Whoever sends
		// one in our name, or one that names another method or path, wants it to arrive.
		g.refuse(w, a, &refused{code: apikey.BadRequest}, status)
		return
	}
	gr, no := g.decide(r.Context(), a)
	if no != nil {
		g.refuse(w, a, no, status)
		return
	}
	gr.told(w.Header(), a.id)
	// The front hands the client's cookies on, and takes these in their place.
	cookies := http.Header{"Cookie": slices.Clone(a.header["Cookie"])}
	if keepCookies(cookies); len(cookies["Cookie"]) > 0 {
		w.Header().Set(headerCookie, strings.Join(cookies["Cookie"], "; "))
	}
	stamp(w.Header(), g.Now())
	gr.until(w.Header())
	w.WriteHeader(http.StatusOK)
}

// said reads method and target from one pair of headers; a second pair beside it is
// somebody's try to be read twice.
func said(h http.Header, method, target string) (string, string, bool) {
	other := [2]string{originalMethod, originalTarget}
	if method == originalMethod {
		other = [2]string{forwardMethod, forwardTarget}
	}
	if len(h[method]) != 1 || len(h[target]) != 1 || method == forwardMethod && (len(h[other[0]]) > 0 || len(h[other[1]]) > 0) {
		return "", "", false
	}
	return h[method][0], h[target][0], true
}

// nginx knows 2xx, 401 and 403; anything else becomes its own 500.
func nginx(status int) int {
	if status == http.StatusUnauthorized {
		return status
	}
	return http.StatusForbidden
}
