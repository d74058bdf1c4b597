package api_test

import (
	"net/http"
	"testing"

	"keyward/internal/api"
)

// The limits of edge, where the API decides what counts.
func TestLimits(t *testing.T) {
	w := newWorld(t, realLimits)

	t.Run("guessing a back end's secret is slowed down, and the back end itself is not", func(t *testing.T) {
		w.in(t)
		guess := func() *response {
			return w.do(request{"GET", "/api/v1/accounts?external_id=x", nil, http.Header{"Authorization": {basic("exchange", "guess")}, "X-Forwarded-For": {"198.51.100.20"}}})
		}
		for range 30 {
			guess().refused(401, "client_unauthenticated")
		}
		r := guess()
		r.refused(429, "rate_limited")
		equal(t, "when to come again", r.header.Get("Retry-After") != "", true)
		for range 100 {
			w.backend("exchange", "GET", "/api/v1/accounts?external_id=x", nil, "").refused(404, "account_unknown")
		}
	})

	t.Run("recovery codes are tried five times from one address, and a stranger cannot use up the owner's tries", func(t *testing.T) {
		w.in(t)
		try := func(addr, mail string) *response {
			a := w.app()
			a.addr = addr
			return a.send("POST", "/api/v1/sign-in/code", map[string]string{"mail": mail, "code": "00000-00000-00000-00000-00000"})
		}
		for i := range 5 {
			try("203.0.113.1", "alice@example.org").refused(401, "code_not_accepted")
			try("203.0.113."+string(rune('2'+i)), "alice@example.org").refused(401, "code_not_accepted") // and from many places
		}
		for _, mail := range []string{"alice@example.org", "bob@example.org"} {
			try("203.0.113.1", mail).refused(429, "rate_limited")
		}
		try("198.51.100.4", "alice@example.org").refused(401, "code_not_accepted") // the owner, at home
	})

	t.Run("sign-ups from one address are ten in ten minutes", func(t *testing.T) {
		w.in(t)
		begin := func() *response {
			return w.do(request{"POST", "/api/v1/sign-up", map[string]string{"mail": "a@example.org"}, http.Header{"X-Forwarded-For": {"203.0.113.77"}}})
		}
		for range 10 {
			begin().want(200)
		}
		begin().refused(429, "rate_limited")
	})

	t.Run("one account's calls are counted wherever they come from", func(t *testing.T) {
		w.in(t)
		a := w.app().signUp("busy@example.org")
		var last *response
		for i := range 700 {
			a.addr = "192.0." + string(rune('0'+i%10)) + ".7"
			if last = a.send("GET", "/api/v1/session", nil); last.status != 200 {
				break
			}
		}
		last.refused(429, "rate_limited")
		var me api.WhoAmI
		w.app().signUp("quiet@example.org").get("/api/v1/session", &me)
	})
}
