package gate

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"keyward/internal/apikey"
)

// stamp puts on every answer what a bot can set its clock by.
func stamp(h http.Header, now time.Time) {
	h.Set("X-Server-Time-Ms", strconv.FormatInt(now.UnixMilli(), 10))
}

// refuse tells a client why. Nothing but the code is said before a signature held.
func (g *Gate) refuse(w http.ResponseWriter, a *asked, no *refused, status func(int) int) {
	now := g.Now()
	told := tell(no, a.id, now)
	h := w.Header()
	stamp(h, now)
	h.Set("Content-Type", told.ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Request-Id", a.id)
	if no.facts.Retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((no.facts.Retry+time.Second-1)/time.Second)))
	}
	if s := status(told.Status); s != told.Status || a.unseen {
		h.Set("X-Keyward-Refusal", told.Body) // nginx drops the body of what it asks
	}
	w.WriteHeader(status(told.Status))
	_, _ = w.Write([]byte(told.Body)) // the client is gone: nobody is left to tell
}

func same(status int) int { return status }

// told is a refusal in the words of a profile.
type told struct {
	Status      int
	ContentType string
	Body        string
}

// In the native profile: the code, a sentence, and the facts that help.
func tell(no *refused, id string, now time.Time) told {
	say := sentences[no.code]
	m := map[string]any{"code": no.code, "message": say.text, "request_id": id, "server_ts": now.UnixMilli()}
	f := no.facts
	if !f.RequestAt.IsZero() {
		m["request_ts"], m["skew_ms"], m["window_ms"] = f.RequestAt.UnixMilli(), f.RequestAt.Sub(now).Milliseconds(), f.Window.Milliseconds()
	}
	if f.Seen.IsValid() {
		m["seen_address"] = f.Seen.Unmap().String()
	}
	if no.code == apikey.ScopeMissing {
		m["scope"] = f.Scope.String()
	}
	if f.First != "" {
		m["first_decision"] = f.First
	}
	body, _ := json.Marshal(m)
	return told{say.status, "application/json", string(body)}
}

type sentence struct {
	status int
	text   string
}

var sentences = map[apikey.Code]sentence{
	apikey.AuthFailed:       {http.StatusUnauthorized, "The request is not signed with a key that may be used like this. Its owner can read the cause on the page of the key."},
	apikey.BadRequest:       {http.StatusBadRequest, "The request cannot be read in one way only: check path, query and body."},
	apikey.RouteUnknown:     {http.StatusNotFound, "There is no such route."},
	apikey.IPNotAllowed:     {http.StatusForbidden, "The key may not be used from this address. Its owner can add it."},
	apikey.ScopeMissing:     {http.StatusForbidden, "The key does not have the right that this takes."},
	apikey.KeyExpired:       {http.StatusForbidden, "The key has ended. Make a new one."},
	apikey.KeyNotYet:        {http.StatusForbidden, "The key's time has not come yet."},
	apikey.KeyQuarantined:   {http.StatusForbidden, "The key may have leaked. It can look and cancel; make a new one."},
	apikey.ExitOnly:         {http.StatusForbidden, "The key has expired. For seven days it can look and cancel; renew it."},
	apikey.WithdrawLocked:   {http.StatusForbidden, "Withdrawing with this key is locked. Its owner unlocks it on a second device."},
	apikey.SymbolNotAllowed: {http.StatusForbidden, "The key may not trade this market."},
	apikey.OutsideWindow:    {http.StatusUnauthorized, "The request was signed too long ago or in the future. Set the clock by server_ts."},
	apikey.Replayed:         {http.StatusConflict, "This very request was decided before. Look at the outcome of first_decision; sign anew to repeat it on purpose."},
	apikey.NonceTooLow:      {http.StatusConflict, "The nonce does not grow. Use one key for one program."},
	apikey.RateLimited:      {http.StatusTooManyRequests, "The key is used faster than it may."},
	apikey.KeyInBrowser:     {http.StatusForbidden, "This secret is in a web page, where everybody can read it. Use OAuth with PKCE."},
	apikey.AccountFrozen:    {http.StatusForbidden, "The account is frozen. Its keys can look and cancel."},
	apikey.Starting:         {http.StatusServiceUnavailable, "The gate has just started. Sign anew in a second."},
	apikey.Unavailable:      {http.StatusServiceUnavailable, "This cannot be decided right now. Try again."},
}
