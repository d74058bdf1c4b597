package gate

import (
	"net/http"
	"strconv"
	"time"

	"keyward/internal/apikey"
)

// stamp puts on every answer what a bot can set its clock by.
func stamp(h http.Header, now time.Time) {
	h.Set("X-Server-Time-Ms", strconv.FormatInt(now.UnixMilli(), 10))
}

// until says on an answer how long the key is good for, where there is one.
func (gr *granted) until(h http.Header) {
	if gr.Stale > 0 {
		// Nobody vouches for what this was decided by (DESIGN §7); rs says it in the same way.
		h.Set("Keyward-Stale", gr.stale())
	}
	if !gr.public && gr.by == "" {
		h.Set("X-Key-Expires-At", gr.Key.Expires.UTC().Format(http.TimeFormat))
	}
}

func (gr *granted) stale() string { return strconv.FormatInt(max(gr.Stale.Milliseconds(), 1), 10) }

// refuse tells a client why. Nothing but the code is said before a signature held.
func (g *Gate) refuse(w http.ResponseWriter, a *asked, no *refused, status func(int) int) {
	now := g.Now()
	if no.token != nil {
		g.refuseToken(w, a, no.token, status, now)
		return
	}
	no.facts.RequestID, no.facts.ServerAt = a.id, now
	told := apikey.Tell(no.profile, no.code, no.facts)
	h := w.Header()
	stamp(h, now)
	h.Set("Content-Type", told.ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Request-Id", a.id)
	if no.facts.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((no.facts.RetryAfter+time.Second-1)/time.Second)))
	}
	if s := status(told.Status); s != told.Status || a.unseen {
		h.Set("X-Keyward-Refusal", told.Body) // nginx drops the body of what it asks
	}
	w.WriteHeader(status(told.Status))
	_, _ = w.Write([]byte(told.Body)) // the client is gone: nobody is left to tell
}

// refuseToken words a refusal as RFC 6750, 9449 and 9470 have it.
func (g *Gate) refuseToken(w http.ResponseWriter, a *asked, err error, status func(int) int, now time.Time) {
	stamp(w.Header(), now)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Request-Id", a.id)
	g.Tokens.Refuse(&mapped{w, status}, err)
}

// mapped is a writer whose status a front can pass on.
type mapped struct {
	http.ResponseWriter
	status func(int) int
}

func (m *mapped) WriteHeader(status int) { m.ResponseWriter.WriteHeader(m.status(status)) }

func same(status int) int { return status }
