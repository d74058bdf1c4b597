package rs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tailServer answers polls with what a test has put there.
type tailServer struct {
	*httptest.Server
	mu     sync.Mutex // guards what follows
	status int
	answer string
	asked  []url.Values
}

func newTailServer(t *testing.T) *tailServer {
	s := &tailServer{status: 200, answer: `{"n":1,"kind":"now","id":"l_1"}`}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer rs" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.asked = append(s.asked, r.URL.Query())
		w.WriteHeader(s.status)
		fmt.Fprint(w, s.answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *tailServer) set(status int, lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.answer = status, strings.Join(lines, "\n")
}

func (s *tailServer) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1].Encode()
}

// twoClocks are those of a machine; asleep moves the wall's alone.
type twoClocks struct {
	wall time.Time
	mono time.Duration
}

func (c *twoClocks) pass(d time.Duration)   { c.wall, c.mono = c.wall.Add(d), c.mono+d }
func (c *twoClocks) asleep(d time.Duration) { c.wall = c.wall.Add(d) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newTestTail(t *testing.T, s *tailServer) (*Tail, *twoClocks) {
	t.Helper()
	tail, err := NewTail(TailConfig{URL: s.URL + "/oauth/tail", Authorize: func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer rs")
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := &twoClocks{wall: noon}
	tail.clock = func() (time.Time, time.Duration) { return c.wall, c.mono }
	return tail, c
}

func (t *Tail) holds() bool { _, e := t.valid(0); return e == nil }

func TestTheLease(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(*twoClocks)
		held bool
	}{
		{"at once", func(c *twoClocks) {}, true},
		{"after 400 ms", func(c *twoClocks) { c.pass(400 * time.Millisecond) }, true},
		{"after 401 ms", func(c *twoClocks) { c.pass(401 * time.Millisecond) }, false},
		{"the machine slept for five minutes, and the monotonic clock with it", func(c *twoClocks) { c.asleep(5 * time.Minute) }, false},
		{"it slept for 200 ms", func(c *twoClocks) { c.asleep(200 * time.Millisecond) }, true},
		{"it slept for 201 ms", func(c *twoClocks) { c.asleep(201 * time.Millisecond) }, false},
		{"the wall clock was set back", func(c *twoClocks) { c.asleep(-time.Minute) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newTailServer(t)
			tail, clocks := newTestTail(t, s)
			if tail.holds() {
				t.Fatal("a lease before the first poll")
			}
			if err := tail.poll(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.then(clocks)
			if tail.holds() != c.held {
				t.Errorf("held: %v, want %v", !c.held, c.held)
			}
			if err := tail.poll(t.Context()); err != nil || !tail.holds() {
				t.Errorf("after the next poll: %v, held %v", err, tail.holds())
			}
		})
	}
}

// Grace is measured by the clock that went further: what the machine slept through counts.
func TestGrace(t *testing.T) {
	for _, c := range []struct {
		name  string
		then  func(*twoClocks)
		stale time.Duration
		ok    bool
	}{
		{"with a lease", func(c *twoClocks) {}, 0, true},
		{"a second without", func(c *twoClocks) { c.pass(1400 * time.Millisecond) }, time.Second, true},
		{"as long as the grace", func(c *twoClocks) { c.pass(60400 * time.Millisecond) }, time.Minute, true},
		{"longer", func(c *twoClocks) { c.pass(60401 * time.Millisecond) }, 0, false},
		{"asleep for longer", func(c *twoClocks) { c.pass(time.Second); c.asleep(2 * time.Minute) }, 0, false},
		{"asleep for a while", func(c *twoClocks) { c.pass(time.Second); c.asleep(2400 * time.Millisecond) }, 3 * time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tail, clocks := newTestTail(t, newTailServer(t))
			if err := tail.poll(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.then(clocks)
			if stale, e := tail.valid(time.Minute); stale != c.stale || (e == nil) != c.ok {
				t.Errorf("%v, %v", stale, e)
			}
		})
	}
}

// The lease counts from before the question: what was revoked while the answer was on its way is not in it.
func TestTheLeaseCountsFromBeforeTheQuestion(t *testing.T) {
	s := newTailServer(t)
	tail, clocks := newTestTail(t, s)
	tail.conf.Authorize = func(r *http.Request) error { // after the clocks were read
		r.Header.Set("Authorization", "Bearer rs")
		clocks.pass(401 * time.Millisecond)
		return nil
	}
	if err := tail.poll(t.Context()); err != nil || tail.holds() {
		t.Errorf("%v, held %v", err, tail.holds())
	}
}

func TestEnds(t *testing.T) {
	s := newTailServer(t)
	tail, _ := newTestTail(t, s)
	at := noon.Unix()
	line := func(n int, kind, id string, before int64) string {
		return fmt.Sprintf(`{"n":%d,"kind":"%s","id":"%s","before":%d,"version":3}`, n, kind, id, before)
	}
	s.set(200, line(1, "session", "ses_1", at), line(2, "grant", "grt_1", at), line(3, "client", "app_1", at),
		line(0, "account", "acc_1", at), line(0, "account", "acc_1", at-60), `{"n":3,"kind":"now","id":"l_1"}`)
	if err := tail.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, after := noon.Add(-time.Minute), noon.Add(time.Second)
	for _, c := range []struct {
		name string
		tok  Token
		want bool
	}{
		{"somebody else's", Token{SID: "ses_2", Grant: "grt_2", ClientID: "app_2", Subject: "acc_2", Issued: before}, false},
		{"of the session", Token{SID: "ses_1", Issued: before}, true},
		{"of the grant", Token{Grant: "grt_1", Issued: before}, true},
		{"of the client", Token{ClientID: "app_1", Issued: before}, true},
		{"of the account", Token{Subject: "acc_1", Issued: before}, true},
		{"of the account, issued in that second", Token{Subject: "acc_1", Issued: noon}, true},
		{"of the account, issued a second later", Token{Subject: "acc_1", Issued: after}, false},
		{"a session with the name of the account", Token{SID: "acc_1", Issued: before}, false},
		{"of no session", Token{Subject: "acc_2", Issued: before}, false},
	} {
		if got := tail.ended(&c.tok); got != c.want {
			t.Errorf("%s: ended %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTheLatestEndCountsWhateverTheOrder(t *testing.T) {
	s := newTailServer(t)
	tail, _ := newTestTail(t, s)
	at := noon.Unix()
	for _, before := range []int64{at - 60, at, at - 60} {
		s.set(200, fmt.Sprintf(`{"n":2,"kind":"account","id":"acc_1","before":%d}`, before), `{"n":2,"kind":"now","id":"l_1"}`)
		if err := tail.poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !tail.ended(&Token{Subject: "acc_1", Issued: noon}) {
		t.Error("an older end took a later one back")
	}
}

func TestAnswersThatCountForNothing(t *testing.T) {
	const now = `{"n":5,"kind":"now","id":"l_1"}`
	for _, c := range []struct {
		name   string
		status int
		lines  []string
	}{
		{"no answer", 500, nil},
		{"not for us", 403, []string{now}},
		{"cut before its end", 200, []string{`{"n":6,"kind":"session","id":"ses_1","before":1}`}},
		{"cut in a line", 200, []string{`{"n":6,"kind":"session","id":"s`}},
		{"empty", 200, nil},
		{"something behind the end", 200, []string{now, `{"n":6,"kind":"session","id":"ses_1","before":1}`}},
		{"an end without its time", 200, []string{`{"n":6,"kind":"session","id":"ses_1"}`, now}},
		{"an end of nobody", 200, []string{`{"n":6,"kind":"session","id":"","before":1}`, now}},
		{"a kind that this version does not know", 200, []string{`{"n":6,"kind":"device","id":"dev_1","before":1}`, now}},
		{"a name twice", 200, []string{`{"n":6,"kind":"session","kind":"grant","id":"ses_1","before":1}`, now}},
		{"a negative time", 200, []string{`{"n":6,"kind":"session","id":"ses_1","before":-1}`, now}},
		{"another history", 200, []string{`{"n":4,"kind":"now","id":"l_1"}`}},
		{"our place is unknown", 410, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newTailServer(t)
			tail, clocks := newTestTail(t, s)
			s.set(200, now)
			if err := tail.poll(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s.last() != "" {
				t.Errorf("the first question is %q", s.last())
			}
			clocks.pass(300 * time.Millisecond)
			s.set(c.status, c.lines...)
			if err := tail.poll(t.Context()); err == nil {
				t.Error("it was taken")
			}
			if s.last() != "after=5&lease=l_1" {
				t.Errorf("the second question is %q", s.last())
			}
			if !tail.holds() {
				t.Error("a bad answer took the lease away before its time")
			}
			clocks.pass(200 * time.Millisecond)
			if tail.holds() {
				t.Error("a bad answer made the lease longer")
			}
			s.set(200, now)
			err := tail.poll(t.Context())
			if anew := c.status == 410 || c.name == "another history"; err != nil || anew != (s.last() == "") {
				t.Errorf("then: %v, asked %q", err, s.last())
			}
		})
	}
}

func TestEndsThatHaveNoRoomEndEverybodysOlderTokens(t *testing.T) {
	s := newTailServer(t)
	tail, _ := newTestTail(t, s)
	at := noon.Unix()
	for i := range maxEnded {
		tail.end(object{"session", fmt.Sprint(i)}, at, noon)
	}
	young := &Token{SID: "x", Issued: noon.Add(time.Second)}
	old := &Token{SID: "x", Issued: noon}
	if tail.ended(old) || len(tail.ends) != maxEnded {
		t.Fatal("too early")
	}
	tail.end(object{"session", "one more"}, at-5, noon)
	if !tail.ended(old) || tail.ended(young) || len(tail.ends) != 0 {
		t.Errorf("old %v, young %v, %d left", tail.ended(old), tail.ended(young), len(tail.ends))
	}
	// Ends from long ago make room instead.
	for i := range maxEnded {
		tail.end(object{"session", fmt.Sprint(i)}, at, noon)
	}
	tail.end(object{"session", "later"}, at+7200, noon.Add(2*time.Hour))
	if len(tail.ends) != 1 || tail.ended(young) {
		t.Errorf("%d left, young %v", len(tail.ends), tail.ended(young))
	}
}

// Run against a real server and the real clock: a token is refused once its end was told.
func TestRun(t *testing.T) {
	s := newTailServer(t)
	tail, err := NewTail(TailConfig{URL: s.URL + "/oauth/tail", Authorize: func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer rs")
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { tail.Run(ctx); close(ended) }()
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not within ten seconds: %s", what)
			}
		}
	}
	until("a lease", tail.holds)
	tok := &Token{SID: "ses_1", Issued: time.Now().Add(-time.Minute)}
	if tail.ended(tok) {
		t.Error("ended too early")
	}
	s.set(200, fmt.Sprintf(`{"n":2,"kind":"session","id":"ses_1","before":%d}`, time.Now().Unix()), `{"n":2,"kind":"now","id":"l_1"}`)
	until("the end", func() bool { return tail.ended(tok) })
	s.set(500)
	until("the lease lapses", func() bool { return !tail.holds() })
	if _, e := tail.valid(maxGrace); e != nil {
		t.Errorf("within its grace: %v", e)
	}
	s.set(200, `{"n":2,"kind":"now","id":"l_1"}`)
	until("the lease is back", tail.holds)
	if !tail.ended(tok) {
		t.Error("what has ended was forgotten")
	}
	stop()
	<-ended
}

func TestATailWithoutTrustIsRefused(t *testing.T) {
	for _, u := range []string{"", "http://login.example.com/oauth/tail", "/oauth/tail", "https://login.example.com/oauth/tail?x"} {
		if _, err := NewTail(TailConfig{URL: u}); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
	tail, err := NewTail(TailConfig{URL: "https://login.example.com/oauth/tail", Authorize: func(*http.Request) error { return errors.New("no secret") }})
	if err != nil {
		t.Fatal(err)
	}
	if err := tail.poll(t.Context()); err == nil || err.Error() != "no secret" {
		t.Error(err)
	}
}

// A token that was found standing is not looked for again until there is news; and
// news of anybody is enough, also of one that is told again with a later time.
func TestARememberedTokenIsLookedForWhenThereIsNews(t *testing.T) {
	tail, err := NewTail(TailConfig{URL: "https://id.example.com/oauth/tail"})
	if err != nil {
		t.Fatal(err)
	}
	tok := &Token{Subject: "acc_1", SID: "ses_1", Grant: "grt_1", ClientID: "app_1", Issued: noon}
	var cleared atomic.Uint64
	for _, step := range []struct {
		name  string
		o     object
		at    time.Duration
		ended bool
	}{
		{"an end of somebody else", object{"session", "ses_2"}, 0, false},
		{"its account ended before it was issued", object{"account", "acc_1"}, -time.Second, false},
		{"the same once more", object{"account", "acc_1"}, -time.Second, false},
		{"its account ended again, after it was issued", object{"account", "acc_1"}, time.Second, true},
		{"and an earlier end does not bring it back", object{"account", "acc_1"}, -time.Second, true},
	} {
		if tail.endedSince(tok, &cleared) && !step.ended {
			t.Fatalf("%s: it was over before", step.name)
		}
		tail.end(step.o, noon.Add(step.at).Unix(), noon)
		for range 2 {
			if got := tail.endedSince(tok, &cleared); got != step.ended {
				t.Errorf("%s: ended %v", step.name, got)
			}
		}
	}
}

// A restore ends all tokens there are, those that are remembered above all.
func TestAnEndOfAllBitesRememberedTokens(t *testing.T) {
	s := newTailServer(t)
	before := noon.Add(time.Second).Unix()
	s.set(200, fmt.Sprintf(`{"n":2,"kind":"all","id":"all","before":%d}`, before), `{"n":2,"kind":"now","id":"l_1"}`)
	tail, err := NewTail(TailConfig{URL: s.URL, Authorize: func(r *http.Request) error { r.Header.Set("Authorization", "Bearer rs"); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	tok := &Token{Subject: "acc_1", SID: "ses_1", Grant: "grt_1", ClientID: "app_1", Issued: noon}
	var cleared atomic.Uint64
	if tail.endedSince(tok, &cleared) {
		t.Fatal("it was over before")
	}
	if err := tail.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !tail.endedSince(tok, &cleared) {
		t.Error("a remembered token outlives the end of all")
	}
	if late := (&Token{Subject: "acc_1", Issued: noon.Add(2 * time.Second)}); tail.endedSince(late, new(atomic.Uint64)) {
		t.Error("a token of afterwards is refused")
	}
}
