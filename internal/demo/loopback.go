package demo

import (
	"net/http"
	"net/netip"
	"strings"

	"keyward/internal/edge"
)

// Loopback is this machine. The demo's server believes X-Forwarded-For from it,
// so that the stage's thief can speak from another address.
func Loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// here keeps the demo's pages on this machine: they sign people in without asking
// and show mails with links that act. Host is compared because a stranger's page
// whose name is made to point at 127.0.0.1 (DNS rebinding) reaches us from
// loopback as well, but under its own name.
func here(origin string, h http.HandlerFunc) http.HandlerFunc {
	_, host, _ := strings.Cut(origin, "://")
	return func(w http.ResponseWriter, r *http.Request) {
		if !edge.CauseFrom(r.Context()).Addr.IsLoopback() || r.Host != host {
			edge.Fail(w, r, edge.E("not_found"))
			return
		}
		h(w, r)
	}
}
