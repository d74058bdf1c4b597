package edge

import (
	"net/http"
	"strings"
	"time"
)

// Cookie is one of ours: name and attributes are fixed here, so no caller can
// set a weaker one. Those with the __Host- prefix cannot be planted by a
// sibling subdomain or over http (RFC 6265bis §4.1.3.2).
type Cookie struct {
	name     string
	sameSite http.SameSite
	script   bool // may be read by our pages' scripts
}

// Lax, not Strict, where the first request of a visit comes by a link from the
// exchange: with Strict a signed-in person would arrive as a stranger. Writes
// are protected by sameSite in the chain. The device cookie is only read when
// a form of ours is sent, so it can be Strict.
var (
	AccessCookie   = Cookie{name: "__Host-kw_at", sameSite: http.SameSiteLaxMode}
	RefreshCookie  = Cookie{name: "__Host-kw_rt", sameSite: http.SameSiteLaxMode}
	BoundCookie    = Cookie{name: "__Host-kw_bc", sameSite: http.SameSiteLaxMode} // shows that the device's key spoke (DBSC)
	DeviceCookie   = Cookie{name: "__Host-kw_device", sameSite: http.SameSiteStrictMode}
	OperatorCookie = Cookie{name: "__Host-kw_op", sameSite: http.SameSiteStrictMode} // of the operators' listener alone
	LangCookie     = Cookie{name: "kw_lang", sameSite: http.SameSiteLaxMode, script: true}
	ThemeCookie    = Cookie{name: "kw_theme", sameSite: http.SameSiteLaxMode, script: true}
)

// Name as it stands in the Cookie header.
func (c Cookie) Name() string { return c.name }

// Set keeps the value in the browser for life; zero means until the browser is
// closed. Secure always: browsers treat http://localhost as secure.
func (c Cookie) Set(w http.ResponseWriter, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name, Value: value, Path: "/",
		MaxAge: int(life / time.Second), Secure: true, HttpOnly: !c.script, SameSite: c.sameSite,
	})
}

// Clear removes the cookie from the browser. Losers of a refresh race must not
// call it (DESIGN §6.7): they would delete the winner's.
func (c Cookie) Clear(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name, Path: "/", MaxAge: -1, Secure: true, HttpOnly: !c.script, SameSite: c.sameSite,
	})
}

// Attributes as a browser that binds a session to a key has to know them: it takes the
// cookie for missing when one of them differs (DBSC, session credentials).
func (c Cookie) Attributes() string {
	site := "Lax"
	if c.sameSite == http.SameSiteStrictMode {
		site = "Strict"
	}
	return "Path=/; Secure; HttpOnly; SameSite=" + site
}

// Read finds the value. A cookie that is there twice with different values is
// treated as absent: one of them was planted, and picking would be guessing.
func (c Cookie) Read(r *http.Request) (string, bool) { return readCookie(r.Header["Cookie"], c.name) }

func readCookie(lines []string, name string) (value string, found bool) {
	for _, line := range lines {
		for line != "" {
			pair := line
			if i := strings.IndexByte(line, ';'); i >= 0 {
				pair, line = line[:i], line[i+1:]
			} else {
				line = ""
			}
			n, v, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			if !ok || n != name {
				continue
			}
			if found && v != value || !plainValue(v) {
				return "", false
			}
			value, found = v, true
		}
	}
	return value, found
}

// plainValue: all our cookies are made of these; a quoted or exotic value did
// not come from us.
func plainValue(v string) bool {
	if v == "" || len(v) > 1024 {
		return false
	}
	for _, c := range []byte(v) {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
		case c == '.' || c == '_' || c == '-' || c == '~':
		default:
			return false
		}
	}
	return true
}
