package edge

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// contentSecurityPolicy has no unsafe-* and no third party. A form of ours may
// end in a redirect back to the exchange, and browsers check form-action along
// redirects, hence the hand-off origins. connect-src is for our own scripts.
func contentSecurityPolicy(formOrigins []string) string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self'",
		"font-src 'none'",
		"connect-src 'self'",
		strings.Join(append([]string{"form-action 'self'"}, formOrigins...), " "),
		"base-uri 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
	}, "; ")
}

// secured sets the headers of every answer. Handlers of unchanging files
// replace Cache-Control; nothing else is theirs to weaken.
func (e *Edge) secured(next http.Handler) http.Handler {
	hsts := "max-age=" + strconv.Itoa(int(hstsAge/time.Second))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", e.csp)
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: that makes browsers send "Origin: null" with our own
		// forms, and the cross-site check of older browsers needs the Origin.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", permissions)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if e.hsts {
			h.Set("Strict-Transport-Security", hsts)
		}
		next.ServeHTTP(w, r)
	})
}

// permissions: the passkey calls for ourselves, nothing for anybody framed,
// and the sensors a security page has no business with switched off.
const permissions = "publickey-credentials-get=(self), publickey-credentials-create=(self), " +
	"camera=(), microphone=(), geolocation=(), payment=(), usb=(), bluetooth=()"
