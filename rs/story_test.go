package rs_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"keyward/rs"
)

func TestARememberedTokenAllocatesNothing(t *testing.T) {
	is := newIssuer(t)
	v, r := is.verifier(t), bearer(is.token(nil))
	need := rs.Need{Scope: []string{"trade"}, ACR: rs.Phr, MaxAge: 5 * time.Minute}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := v.Check(r, need); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A token is accepted and remembered; its session ends, and it is refused; the tail is lost, and what must
// close closes while what may go on is marked.
func TestAnEndBitesThroughTheTail(t *testing.T) {
	is := newIssuer(t)
	var lines atomic.Value
	lines.Store(`{"n":1,"kind":"now","id":"l_1"}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, lines.Load()) }))
	t.Cleanup(server.Close)
	tail, err := rs.NewTail(rs.TailConfig{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	v := is.verifier(t, func(c *rs.Config) { c.Tail = tail })
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	withdraw, cancel := v.Require(rs.Need{}, ok), v.Require(rs.Need{Grace: time.Minute}, ok)
	ask := func(h http.Handler, token string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, bearer(token))
		return w
	}
	until := func(what string, h http.Handler, token string, code int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ask(h, token).Code != code; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: still %d, want %d", what, ask(h, token).Code, code)
			}
		}
	}
	token, other := is.token(nil), is.token(claims{"sid": "ses_2"})

	if w := ask(cancel, token); w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("WWW-Authenticate") != "" {
		t.Fatalf("before the first lease: %d %v", w.Code, w.Header())
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { tail.Run(ctx); close(ended) }()
	until("the first lease", withdraw, token, 200)

	lines.Store(`{"n":0,"kind":"session","id":"ses_1","before":` + strconv.FormatInt(now.Unix(), 10) + "}\n" + `{"n":1,"kind":"now","id":"l_1"}`)
	until("the session has ended", withdraw, token, 401)
	until("another session", withdraw, other, 200)

	stop()
	<-ended
	until("the lease has lapsed", withdraw, other, 503)
	w := ask(cancel, other)
	if ms, err := strconv.Atoi(w.Header().Get("Keyward-Stale")); w.Code != 200 || err != nil || ms < 1 || v.Stale() == 0 {
		t.Errorf("within its grace: %d, stale %q, counted %d", w.Code, w.Header().Get("Keyward-Stale"), v.Stale())
	}
	if w := ask(cancel, token); w.Code != 401 {
		t.Errorf("what is known to have ended, within grace: %d", w.Code)
	}
}
