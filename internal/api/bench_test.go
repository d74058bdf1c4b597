package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// What a call costs inside the process, without the network: the checks of a
// proof and its one durable row for an account holder, one read for a back end.

func BenchmarkAccountHolder(b *testing.B) {
	w := newWorld(b)
	a := w.app().signUp("alice@example.org")
	a.send("GET", "/api/v1/session", nil).want(200)
	for b.Loop() {
		b.StopTimer()
		a.nonce = a.w.do(request{method: "POST", path: "/api/v1/sign-in"}).header.Get("Dpop-Nonce")
		r := httptest.NewRequest("GET", "/api/v1/session", nil)
		r.Header.Set("Authorization", "DPoP "+a.tokens.AccessToken)
		r.Header["Dpop"] = []string{a.proof("GET", "/api/v1/session", a.tokens.AccessToken)}
		b.StartTimer()
		measure(b, w, r)
	}
}

func BenchmarkBackEndAsksAboutASession(b *testing.B) {
	w := newWorld(b)
	a := w.app().signUp("alice@example.org")
	r := httptest.NewRequest("GET", "/api/v1/accounts/"+a.tokens.Account+"/sessions/"+a.tokens.Session, nil)
	r.Header.Set("Authorization", basic("gate", "secret of gate"))
	for b.Loop() {
		measure(b, w, r)
	}
}

func measure(b *testing.B, w *world, r *http.Request) {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		b.Fatal(rec.Code, rec.Body)
	}
}
