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
	if !gr.public {
		h.Set("X-Key-Expires-At", gr.Key.Expires.UTC().Format(http.TimeFormat))
	}
}

func (gr *granted) stale() string { return strconv.FormatInt(max(gr.Stale.Milliseconds(), 1), 10) }

// refuse tells a client why. Nothing but the code is said before a signature held.
func (g *Gate) refuse(w http.ResponseWriter, a *asked, no *refused, status func(int) int) {
	now := g.Now()
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

func same(status int) int { return status }
