package gate

import (
	"encoding/json"
	"io"
	"net/http"

	"keyward/internal/apikey"
)

// What the gate answers without an upstream.
const (
	clock  = "/v1/time"
	whoami = "/v1/whoami"
)

var aboutItself = route{method: http.MethodGet, takes: TakesKey, need: apikey.Need{Class: apikey.ClassRead}}

// itself answers what needs no key: the time, so that a bot with a wrong clock can
// sign at all.
func (g *Gate) itself(w http.ResponseWriter, r *http.Request, a *asked) bool {
	if r.Method != http.MethodGet || a.target != clock {
		return false
	}
	stamp(w.Header(), g.Now())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, `{"server_ts":`+w.Header().Get("X-Server-Time-Ms")+"}\n")
	return true
}

// introduce tells a bot what its key is seen as: the address, above all, which is what
// most people have to find out.
func (g *Gate) introduce(w http.ResponseWriter, a *asked, gr granted) {
	now := g.Now()
	stamp(w.Header(), now)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Request-Id", a.id)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client is gone: nobody is left to tell
		"key": gr.Key.ID, "account": gr.Key.Account, "sub_account": gr.Key.Sub, "seen_address": a.peer.Unmap().String(), "scopes": gr.Scopes.Names(), "exit_only": gr.ExitOnly,
		"withdraw_locked": gr.Key.Locked, "expires_at": gr.Key.Expires.UTC(), "version": gr.Version, "days_left": gr.Remaining, "server_ts": now.UnixMilli(), "skew_ms": gr.Skew.Milliseconds(),
	})
}
