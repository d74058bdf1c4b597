package edge

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
}

// rig is an edge around some routes, with its log in a buffer.
type rig struct {
	*Edge
	clock *clock
	log   *bytes.Buffer
	mux   *http.ServeMux
}

func newRig(t *testing.T, edit ...func(*Options)) *rig {
	t.Helper()
	g := &rig{clock: newClock(), log: new(bytes.Buffer), mux: http.NewServeMux()}
	o := Options{
		Now: g.clock.Now, PublicURL: "https://id.example.com", Proxies: proxyNet,
		Logger: slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range edit {
		f(&o)
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	g.Edge = e
	return g
}

func (g *rig) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.Handler(Routes(g.mux)).ServeHTTP(w, r)
	return w
}

// request builds one as a program of ours would send it, directly.
func request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = "203.0.113.9:5000"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("Content-Type = %q, body %s", got, w.Body)
	}
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	if m["status"] != float64(w.Code) {
		t.Errorf("the body says %v, the status line %d", m["status"], w.Code)
	}
	return m
}

func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, code string) map[string]any {
	t.Helper()
	p := problemOf(t, w)
	if w.Code != status || p["code"] != code {
		t.Fatalf("got %d %v, want %d %s: %s", w.Code, p["code"], status, code, w.Body)
	}
	return p
}

func TestOptionsThatWouldHaveToBeGuessedAreRefused(t *testing.T) {
	now := newClock().Now
	for _, tc := range []struct {
		name string
		o    Options
	}{
		{"no clock", Options{PublicURL: "https://id.example.com"}},
		{"no public URL", Options{Now: now}},
		{"a public URL without scheme", Options{Now: now, PublicURL: "id.example.com"}},
		{"a public URL of another kind", Options{Now: now, PublicURL: "ftp://id.example.com"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := New(tc.o); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestEveryBoundOfTheServerIsSet(t *testing.T) {
	s := newRig(t).Server(http.NotFoundHandler())
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= handleTimeout || s.IdleTimeout <= 0 || s.MaxHeaderBytes != headerLimit {
		t.Errorf("a bound is missing or too short: %+v", s)
	}
}
