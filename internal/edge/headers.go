package edge

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// contentSecurityPolicy has no unsafe-* and no third party. No form of ours ends on
// another site, not by a redirect either: browsers check form-action along them.
// connect-src is for our own scripts.
func contentSecurityPolicy() string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self'",
		"font-src 'none'",
		"connect-src 'self'",
		"form-action 'self'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
	}, "; ")
}

// secured sets the headers of every answer. Handlers of unchanging files
// replace Cache-Control; nothing else is theirs to weaken. The values are made
// once and shared: Set and Add never write into a slice that is full.
func (e *Edge) secured(next http.Handler) http.Handler {
	csp, sniff, coop, corp := one(e.csp), one("nosniff"), one("same-origin"), one("same-origin")
	// Not no-referrer: that makes browsers send "Origin: null" with our own
	// forms, and the cross-site check of older browsers needs the Origin.
	referrer, policy, store := one("same-origin"), one(permissions), one("no-store")
	hsts := one("max-age=" + strconv.Itoa(int(hstsAge/time.Second)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Content-Security-Policy"] = csp
		h["X-Content-Type-Options"] = sniff
		h["Referrer-Policy"] = referrer
		h["Permissions-Policy"] = policy
		h["Cross-Origin-Opener-Policy"] = coop
		h["Cross-Origin-Resource-Policy"] = corp
		h["Cache-Control"] = store
		if e.hsts {
			h["Strict-Transport-Security"] = hsts
		}
		next.ServeHTTP(w, r)
	})
}

func one(v string) []string { return []string{v} }

// permissions: the passkey calls for ourselves, nothing for anybody framed,
// and the sensors a security page has no business with switched off.
const permissions = "publickey-credentials-get=(self), publickey-credentials-create=(self), " +
	"camera=(), microphone=(), geolocation=(), payment=(), usb=(), bluetooth=()"
