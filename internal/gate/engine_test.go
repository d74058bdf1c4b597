package gate

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyward/gatekit"
	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

// house is an engine with a socket server of its own beside a gate that it asks.
type house struct {
	t     *testing.T
	w     *signintest.World
	p     *signintest.Person
	door  *httptest.Server
	watch *gatekit.Watch
	stop  func()
}

func newHouse(t *testing.T, w *signintest.World) *house {
	t.Helper()
	h := &house{t: t, w: w, p: w.NewPerson()}
	w.Must(h.p.SignUp())
	g, err := New(Parts{BotKeys: w.BotKeys, Now: w.DB.Now, Logger: slog.New(slog.DiscardHandler), Fresh: w.Watch.Valid}, Settings{
		Authority: signintest.API, Key: testKey, Peers: thisMachine, BodyLimit: 1 << 16,
		Routes: []Route{{Method: "GET", Path: "/v1/stream", Scope: "read.account", Stream: true}, {Method: "GET", Path: "/v1/balance", Scope: "read.account"}},
	})
	w.Must(err)
	w.Watch.OnEffect(g.Heard)
	mux := http.NewServeMux()
	mux.Handle("/gate/stream", g.Ask())
	mux.Handle("/gate/tail", g.Tail())
	h.door = httptest.NewServer(mux)
	t.Cleanup(h.door.Close)
	h.watch, err = gatekit.NewWatch(gatekit.WatchConfig{URL: h.door.URL, Key: testKey})
	w.Must(err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.watch.Run(ctx) }()
	h.stop = func() { stop(); <-done }
	t.Cleanup(h.stop)
	time.Sleep(2100 * time.Millisecond) // a process that has just started takes nothing that was signed before
	return h
}

func (h *house) signed(bot *softkey.Bot) gatekit.Opening {
	return gatekit.Opening{Target: "/v1/stream", Peer: "203.0.113.7", Header: bot.StreamRequest("http://x", "/v1/stream", h.w.DB.Now()).Header}
}

// follows opens a stream and counts what passes in it.
func (h *house) follows(bot *softkey.Bot) (s *gatekit.Stream, passed *atomic.Int64, ended chan string) {
	h.t.Helper()
	a, err := h.watch.Ask(h.t.Context(), h.signed(bot))
	h.w.Must(err)
	if !a.Allowed || a.Decision == "" {
		h.t.Fatalf("%+v", a)
	}
	passed, ended = new(atomic.Int64), make(chan string, 1)
	s = h.watch.Follow(a, func(status int, reason string) { ended <- http.StatusText(0) + reason })
	go func() {
		for s.Pass(func() error { passed.Add(1); return nil }) == nil {
			time.Sleep(100 * time.Microsecond)
		}
	}()
	for end := time.Now().Add(5 * time.Second); passed.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatal("nothing passes")
		}
	}
	return s, passed, ended
}

func TestAnEngineOfItsOwnPassesNothingAfterAnAcknowledgedEnd(t *testing.T) {
	run := func(t *testing.T, w *signintest.World) {
		h := newHouse(t, w)
		bot, key := h.p.Bot(watching)
		other, _ := h.p.Bot(watching)
		var streams []*atomic.Int64
		var ends []chan string
		for range 50 {
			_, passed, ended := h.follows(bot)
			streams, ends = append(streams, passed), append(ends, ended)
		}
		_, beside, besideEnded := h.follows(other)
		began := time.Now()
		e, err := w.Contain.EndBotKey(t.Context(), h.p.Cause(), h.p.Account, key.ID)
		w.Must(err)
		took := time.Since(began)
		before := make([]int64, len(streams))
		for i, s := range streams {
			before[i] = s.Load()
		}
		time.Sleep(300 * time.Millisecond)
		for i, s := range streams {
			if n := s.Load() - before[i]; n != 0 {
				t.Errorf("stream %d: %d messages passed after the end was acknowledged", i, n)
			}
			select {
			case why := <-ends[i]:
				if !strings.Contains(why, "ended") {
					t.Error(why)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("a stream was not ended")
			}
		}
		if e.Gates.Passed < 2 || took > 2*time.Second {
			t.Errorf("%d had passed after %s", e.Gates.Passed, took)
		}
		t.Logf("acknowledged after %s", took)
		n := beside.Load()
		time.Sleep(50 * time.Millisecond)
		if beside.Load() == n || len(besideEnded) != 0 {
			t.Error("another key's stream stands still")
		}
		// An engine that hears nothing holds no lease: nobody waits, and nothing passes.
		h.stop()
		time.Sleep(500 * time.Millisecond)
		n = beside.Load()
		time.Sleep(200 * time.Millisecond)
		if beside.Load() != n {
			t.Error("a stream passes without a lease")
		}
	}
	t.Run("one process on SQLite", func(t *testing.T) { run(t, signintest.New(t, storetest.SQLite(t), nil)) })
	t.Run("two processes on PostgreSQL", func(t *testing.T) {
		here, there := signintest.Two(t)
		_ = there
		run(t, here)
	})
}

func TestWhatEndsAnEnginesStreams(t *testing.T) {
	h := newHouse(t, signintest.New(t, storetest.SQLite(t), nil))
	for _, row := range []struct {
		name string
		edit func(e *apikey.Edit)
		ends bool
	}{
		{"its address is refused", func(e *apikey.Edit) { e.Deny = []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")} }, true},
		{"a right is taken that it was told of", func(e *apikey.Edit) { e.Scopes = apikey.ReadAccount }, true},
		{"its purpose changes", func(e *apikey.Edit) { e.Purpose = "something else" }, false},
	} {
		bot, key := h.p.Bot(watching)
		s, passed, ended := h.follows(bot)
		e := key.Key.Edit()
		row.edit(&e)
		_, err := h.w.BotKeys.Change(t.Context(), h.p.Cause(), h.p.By(), key.ID, key.Version, e)
		h.w.Must(err)
		n := passed.Load()
		time.Sleep(300 * time.Millisecond)
		if (passed.Load() == n) != row.ends || (len(ended) == 1) != row.ends {
			t.Errorf("%s: %d passed, %d ended", row.name, passed.Load()-n, len(ended))
		}
		s.Leave()
	}
	bot, _ := h.p.Bot(watching)
	_, passed, ended := h.follows(bot)
	_, err := h.w.Contain.Freeze(t.Context(), h.p.Cause(), h.p.Account, "here")
	h.w.Must(err)
	n := passed.Load()
	if why := <-ended; !strings.Contains(why, "frozen") || passed.Load() != n {
		t.Errorf("frozen: %s, %d passed", why, passed.Load()-n)
	}
}

func TestLoginsThatAnEngineAsksAbout(t *testing.T) {
	h := newHouse(t, signintest.New(t, storetest.SQLite(t), nil))
	n := watching
	n.Profile, n.Alg = apikey.OKX, apikey.HMACSHA256
	bot, key := h.p.Bot(n)
	ask := func(o gatekit.Opening) gatekit.Asked {
		t.Helper()
		a, err := h.watch.Ask(t.Context(), o)
		h.w.Must(err)
		return a
	}
	login := gatekit.Opening{Target: "/v1/stream", Peer: "203.0.113.7", Message: bot.LoginOKX(key.Passphrase, h.w.DB.Now())}
	if a := ask(login); !a.Allowed || !strings.Contains(a.Answer, `"event":"login"`) {
		t.Errorf("%+v", a)
	}
	if a := ask(login); a.Allowed || a.Code != "REPLAYED" || !strings.Contains(a.Answer, `"60009"`) {
		t.Errorf("a second time: %+v", a)
	}
	time.Sleep(time.Second) // its times are in seconds
	login.Message = bot.LoginOKX(key.Passphrase, h.w.DB.Now())
	far := login
	far.Peer = "198.51.100.1"
	if a := ask(far); a.Allowed || a.Code != "IP_NOT_ALLOWED" || a.Close != closePolicy {
		t.Errorf("from elsewhere: %+v", a)
	}
	page := login
	page.Header = http.Header{"Origin": {"https://evil.example"}}
	if a := ask(page); a.Allowed || a.Code != "KEY_IN_BROWSER" {
		t.Errorf("from a web page: %+v", a)
	}
	if a := ask(gatekit.Opening{Target: "/v1/stream", Peer: "203.0.113.7", Message: "{}"}); a.Allowed || a.Answer == "" {
		t.Errorf("no login: %+v", a)
	}
	native, _ := h.p.Bot(watching)
	both := h.signed(native)
	both.Message = login.Message
	if a := ask(both); a.Allowed {
		t.Error("a signed handshake and a login beside it")
	}
	elsewhere := h.signed(native)
	elsewhere.Target = "/v1/balance"
	if a := ask(elsewhere); a.Allowed {
		t.Error("a route that is no stream")
	}
}

// Whoever reaches the door without the key, or with an old ask, hears nothing; an answer
// that was changed on its way is none.
func TestOnlyTheEngineAndTheGateSpeakToEachOther(t *testing.T) {
	h := newHouse(t, signintest.New(t, storetest.SQLite(t), nil))
	send := func(change func(r *http.Request)) int {
		r, _ := http.NewRequest("GET", h.door.URL+"/gate/tail", nil)
		testKey.SignAsk(r, nil, time.Now())
		change(r)
		res, err := http.DefaultTransport.RoundTrip(r)
		h.w.Must(err)
		res.Body.Close()
		return res.StatusCode
	}
	for name, row := range map[string]struct {
		change func(r *http.Request)
		want   int
	}{
		"the engine":              {func(*http.Request) {}, 200},
		"no tag":                  {func(r *http.Request) { r.Header.Del(gatekit.HeaderAsk) }, 403},
		"another key's tag":       {func(r *http.Request) { gatekit.Key{9}.SignAsk(r, nil, time.Now()) }, 403},
		"an old tag":              {func(r *http.Request) { testKey.SignAsk(r, nil, time.Now().Add(-time.Minute)) }, 403},
		"a tag of another target": {func(r *http.Request) { r.URL.RawQuery = "after=1&lease=x" }, 403},
		"a tag of another method": {func(r *http.Request) { r.Method = "POST" }, 403},
		"two tags":                {func(r *http.Request) { r.Header.Add(gatekit.HeaderAsk, "x") }, 403},
	} {
		if got := send(row.change); got != row.want {
			t.Errorf("%s: %d", name, got)
		}
	}
	to, _ := url.Parse(h.door.URL)
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := r.Clone(r.Context())
		out.RequestURI, out.URL.Scheme, out.URL.Host = "", to.Scheme, to.Host
		res, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			panic(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		for name, v := range res.Header {
			w.Header()[name] = v
		}
		w.WriteHeader(res.StatusCode)
		_, _ = w.Write([]byte(strings.Replace(string(body), `"allowed":false`, `"allowed":true `, 1)))
	}))
	defer liar.Close()
	w, err := gatekit.NewWatch(gatekit.WatchConfig{URL: liar.URL, Key: testKey})
	h.w.Must(err)
	if _, err := w.Ask(t.Context(), gatekit.Opening{Target: "/v1/stream", Peer: "203.0.113.7", Message: "{}"}); !errors.Is(err, gatekit.ErrGate) {
		t.Errorf("a changed answer: %v", err)
	}
}
