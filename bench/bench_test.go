package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"keyward/internal/oauth"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// TestPopulationIsWhatSessionsAre loads people as rows and lets the real services
// judge them: each seat's token turns, bound ones with their key only, and the
// access token that comes back opens the session.
func TestPopulationIsWhatSessionsAre(t *testing.T) {
	b := &bench{dir: t.TempDir()}
	d, err := b.deploy(t.Context(), "town", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.db.Close()
	seats, err := c.load(t.Context(), d.url, population{rows: 120, used: 40, keys: []*softkey.BindingKey{softkey.NewBindingKey(), softkey.NewBindingKey()}})
	if err != nil {
		t.Fatal(err)
	}
	if len(seats) != 40 {
		t.Fatalf("%d seats for 40 people", len(seats))
	}
	var rows int
	if err := c.db.Get(t.Context(), "SELECT count(*) FROM session_family").Scan(&rows); err != nil || rows != 120 {
		t.Fatalf("%d families, %v", rows, err)
	}
	tickets, err := c.admit(t.Context(), seats)
	if err != nil {
		t.Fatalf("a seat's token does not turn: %v", err)
	}
	for i, x := range tickets {
		proved := ""
		if seats[i].key != nil {
			proved = seats[i].key.Thumbprint()
		}
		if _, err := c.sessions.Check(t.Context(), x.Token, netip.MustParseAddr(x.Addr), proved); err != nil {
			t.Errorf("seat %d: %v", i, err)
		}
	}
}

// TestGrantsAreWhatAppsHold does so for the tokens of apps: each turns for its own app,
// with its key where it has one, and for nobody else.
func TestGrantsAreWhatAppsHold(t *testing.T) {
	b := &bench{dir: t.TempDir()}
	d, err := b.deploy(t.Context(), "grants", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.db.Close()
	a, err := c.register(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := population{rows: 120, used: 40, keys: []*softkey.BindingKey{softkey.NewBindingKey()}, secret: a.secret, public: a.public}
	seats, err := c.load(t.Context(), d.url, p)
	if err != nil || len(seats) != 40 {
		t.Fatalf("%d seats, %v", len(seats), err)
	}
	for i, s := range seats {
		ask := oauth.TokenAsk{Grant: "refresh_token", Refresh: s.token}
		if s.key != nil {
			ask.JKT, ask.JTI = s.key.Thumbprint(), s.family
		}
		other := map[string]string{a.secret: a.public, a.public: a.secret}[s.app]
		for _, app := range []string{other, s.app} {
			who, err := c.oauth.Client(t.Context(), app)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.oauth.Token(t.Context(), store.Cause{Actor: "anonymous"}, who, ask); (err == nil) != (app == s.app) {
				t.Errorf("seat %d, by its own app: %v: %v", i, app == s.app, err)
			}
		}
	}
}

func TestBareAssertionVerifies(t *testing.T) {
	if _, err := bareAssertion(); err != nil {
		t.Error(err)
	}
}

func TestEventsFitTheLog(t *testing.T) {
	b := &bench{dir: t.TempDir()}
	h, err := b.history(t.Context(), "audit", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.fill(t.Context(), 1000, t.Logf); err != nil {
		t.Fatal(err)
	}
	n, err := h.bytes(t.Context())
	if err != nil || n < 1000*200 {
		t.Errorf("a thousand events take %d bytes, %v", n, err)
	}
	if err := h.db.Close(); err != nil {
		t.Error(err)
	}
}

// pupil says the same thing until its patience ends.
type pupil struct {
	left int
	path string
	want int
}

func (p *pupil) next(dst []byte) ([]byte, error) {
	if p.left--; p.left < 0 {
		return nil, io.EOF
	}
	return request(dst, "POST", p.path, "localhost", address(7), "X-More: yes\r\n", []byte(`{"n":1}`)), nil
}

var errWrong = errors.New("wrong answer")

func (p *pupil) see(a answer) error {
	if a.status != p.want || a.status == 200 && (string(a.cookie("__Host-kw_rt")) != "kwr_1" || len(a.body) != 9000 || string(a.header("X-Seen")) != `{"n":1}`) {
		return errWrong
	}
	return nil
}

// TestWire lets the small client talk to the standard library's server.
func TestWire(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Forwarded-For") != "10.0.7.7" || r.Header.Get("X-More") != "yes" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if r.URL.Path == "/empty" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("X-Seen", string(body))
		w.Header().Set("Content-Length", "9000") // more than one read
		http.SetCookie(w, &http.Cookie{Name: "kw_lang", Value: "en"})
		http.SetCookie(w, &http.Cookie{Name: "__Host-kw_rt", Value: "kwr_1", Path: "/"})
		w.Write([]byte(strings.Repeat("x", 9000)))
	}))
	defer server.Close()
	addr := server.Listener.Addr().String()
	for _, tc := range []struct {
		name, path string
		status     int
		want       error
	}{
		{"an answer with a body and two cookies", "/body", 200, nil},
		{"an answer without a body", "/empty", 204, nil},
		{"an answer nobody expected", "/empty", 200, errWrong},
	} {
		t.Run(tc.name, func(t *testing.T) {
			scripts := []script{&pupil{20, tc.path, tc.status}, &pupil{50, tc.path, tc.status}}
			r, err := closed(t.Context(), addr, scripts, 10*time.Second)
			if !errors.Is(err, tc.want) {
				t.Fatalf("closed loop: %v", err)
			}
			if tc.want == nil && r.n < 20 {
				t.Errorf("%d answers, and the first to run out had 20", r.n)
			}
			if tc.want != nil {
				return
			}
			if r, err = open(t.Context(), addr, []script{&pupil{1000, tc.path, tc.status}, &pupil{1000, tc.path, tc.status}}, 500, 100*time.Millisecond); err != nil || r.n != 50 {
				t.Errorf("open loop at 500/s for 100 ms: %d answers, %v", r.n, err)
			}
			if r.quantile(0.5) > r.quantile(0.99) {
				t.Error("the median is above the 99th percentile")
			}
		})
	}
}

// TestAStallIsCharged: latency of an open loop counts from when a request was due.
func TestAStallIsCharged(t *testing.T) {
	first := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			time.Sleep(100 * time.Millisecond)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	r, err := open(t.Context(), server.Listener.Addr().String(), []script{&pupil{100, "/", 204}}, 100, 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	// Ten requests fell due during the stall; a loop that waits for each answer
	// would have seen one slow one of twenty.
	if q := r.quantile(0.66); q < 5*time.Millisecond {
		t.Errorf("two thirds of the requests waited less than %s: the stall was not charged", q)
	}
}

func TestReport(t *testing.T) {
	limit := series{{rate: 100}, {rate: 1000}, {rate: 100}}
	ours := series{{rate: 60}, {rate: 400}, {rate: 50}}
	f := against(figure{Part: "p", Name: "half", Of: "limit", Least: 0.5}, ours, limit)
	if f.Ratio != 0.5 { // not 60/100, the ratio of the medians
		t.Errorf("ratio %v", f.Ratio)
	}
	r := report{Figures: []figure{
		f,
		against(figure{Part: "p", Name: "more than half", Least: 0.6}, ours, limit),
		{Part: "size", Name: "light", Ours: 39.9, Unit: "MB", AtMost: 40},
		{Part: "size", Name: "heavy", Ours: 40.1, Unit: "MB", AtMost: 40},
		{Part: "loss", Name: "none", Unit: "tokens", Zero: true},
		{Part: "loss", Name: "one", Ours: 1, Unit: "tokens", Zero: true},
		{Part: "loss", Name: "no bar", Ours: 12345, Unit: "/s"},
	}}
	var names []string
	for _, m := range r.misses() {
		names = append(names, m.Name)
	}
	if got := strings.Join(names, ", "); got != "more than half, heavy, one" {
		t.Errorf("misses: %s", got)
	}
	var text strings.Builder
	r.text(&text)
	for _, line := range []string{"12 345 /s", "p, more than half: 0.50, bar ≥ 0.60", "size, heavy: 40.1 MB, bar ≤ 40.0 MB", "loss, one: 1 tokens, bar 0"} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("the table lacks %q:\n%s", line, text.String())
		}
	}
}

func TestChoose(t *testing.T) {
	some, err := choose(parts, "audit,check")
	if err != nil || len(some) != 2 || some[0].name != "audit" {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := choose(parts, "chekc"); err == nil {
		t.Error("a misspelt part is not refused")
	}
}

// TestBareSQLite: the limit does the work it says.
func TestBareSQLite(t *testing.T) {
	g, shut, err := bareSQLite(context.Background(), t.TempDir()+"/bare")
	if err != nil {
		t.Fatal(err)
	}
	defer shut()
	if s, err := g.measure(t.Context()); err != nil || s.rate < 1 {
		t.Errorf("%v commits a second, %v", s.rate, err)
	}
}
