package exchange

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// __Host-: no sibling host can plant one (RFC 6265bis §4.1.3.2).
	cookieName = "__Host-exchange_session"

	// startCookie holds "state.verifier.nonce" of a browser that went to sign in. Who
	// has it began here: a code that arrives without it was slipped in or stolen.
	startCookie = "__Host-exchange_start"
	startLife   = 10 * time.Minute // a sign-in, a sign-up perhaps, lies between

	maxVisitors = 1000 // a demo forgets; it never grows without bound
)

// visitor is who a cookie of ours stands for. The tokens stay here.
type visitor struct {
	subject, session string // sub and sid of the ID token

	over atomic.Bool // Keyward said so: they are told, and forgotten

	mu      sync.Mutex // guards what follows; held while it is refreshed, so that one request does it
	access  string
	expires time.Time
	refresh string
	id      string // the ID token, to show when they leave
}

// visitors are the sessions of this exchange.
type visitors struct {
	mu sync.Mutex // guards by
	by map[string]*visitor
}

func (vs *visitors) of(r *http.Request) (id string, v *visitor) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return "", nil
	}
	vs.mu.Lock()
	defer vs.mu.Unlock()
	return c.Value, vs.by[c.Value]
}

// put starts a session, under a new id: one from before the sign-in could be
// somebody else's (session fixation).
func (vs *visitors) put(w http.ResponseWriter, r *http.Request, v *visitor) {
	old, _ := vs.of(r)
	id := random()
	vs.mu.Lock()
	if len(vs.by) >= maxVisitors {
		clear(vs.by)
	}
	delete(vs.by, old)
	vs.by[id] = v
	vs.mu.Unlock()
	setCookie(w, cookieName, id, 0)
}

func (vs *visitors) forget(w http.ResponseWriter, id string) {
	vs.mu.Lock()
	delete(vs.by, id)
	vs.mu.Unlock()
	setCookie(w, cookieName, "", -time.Second)
}

// end ends everybody of a Keyward session, whichever browser they are in.
func (vs *visitors) end(subject, session string) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	for _, v := range vs.by {
		ofSession := session == "" || v.session == session
		ofSubject := subject == "" || v.subject == subject
		if ofSession && ofSubject && session+subject != "" {
			v.over.Store(true)
		}
	}
}

// began finds what the browser that asked with this state was given.
func began(r *http.Request, state string) (verifier, nonce string, ours bool) {
	c, err := r.Cookie(startCookie)
	if err != nil {
		return "", "", false
	}
	kept := strings.Split(c.Value, ".")
	if len(kept) != 3 || kept[0] == "" || subtle.ConstantTimeCompare([]byte(kept[0]), []byte(state)) != 1 {
		return "", "", false
	}
	return kept[1], kept[2], true
}

// random is 256 bits in 43 characters.
func random() string {
	var raw [32]byte
	rand.Read(raw[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// setCookie keeps a value for life; 0 until the browser is closed, less removes it.
// Lax: both are needed on the way back from Keyward, which is another site.
func setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: true})
}
