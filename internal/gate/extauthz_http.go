package gate

import (
	"io"
	"net/http"
	"strings"

	"keyward/internal/apikey"
	"keyward/internal/edge"
)

// EnvoyPath is where Envoy's HTTP service asks (path_prefix): what follows is the target
// that the client sent.
const EnvoyPath = "/gate/ext"

// EnvoyHTTP answers Envoy's external authorization over HTTP: it sends method, target
// and the headers that it was told to send, and goes by the status.
func (g *Gate) EnvoyHTTP() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := asked{method: r.Method, header: r.Header, unseen: !g.BodyFromPeers, id: requestID(g)}
		if !g.mayAsk(w, r, &a) {
			return
		}
		var ok bool
		// Not r.URL, which is decoded: what was signed is what arrived.
		if a.target, ok = strings.CutPrefix(r.RequestURI, EnvoyPath); !ok || len(r.Header["Upgrade"]) > 0 {
			g.refuse(w, &a, &refused{code: apikey.BadRequest}, never2xx)
			return
		}
		a.peer = edge.ClientAddr(r, g.Peers)
		if g.BodyFromPeers {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.BodyLimit))
			if err != nil || !whole(r.Header, len(body)) {
				g.refuse(w, &a, &refused{code: apikey.BadRequest}, never2xx)
				return
			}
			a.body = body
		}
		w.Header().Set("X-Envoy-Auth-Headers-To-Remove", removeForAll)
		g.pass(w, r, &a, never2xx)
	})
}

// removeForAll is what Envoy takes out before it sets what we allowed it to set.
var removeForAll = strings.Join(alike, ",")

// never2xx is for fronts that go by the status: 2xx lets in. Some profiles refuse with
// 200, as their exchanges do.
func never2xx(status int) int {
	if status < 400 {
		return http.StatusForbidden
	}
	return status
}
