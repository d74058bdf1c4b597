package gate

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/gatekit"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/softkey"
)

// engine is an upstream with sockets: it trusts the decision on the handshake and nothing
// that is said afterwards.
type engine struct {
	opened atomic.Int64
	heard  chan string // what clients said

	mu    sync.Mutex // guards the rest
	conns []net.Conn
	last  *http.Request
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	e.mu.Lock()
	e.conns, e.last = append(e.conns, conn), r
	e.mu.Unlock()
	e.opened.Add(1)
	_ = conn.SetDeadline(time.Time{})
	_, _ = conn.Write(switched(r.Header.Get("Sec-WebSocket-Key"), r.Header.Get("Sec-WebSocket-Protocol"), http.Header{}))
	for {
		text, _, err := firstMessage(both.Reader, conn)
		if err != nil {
			conn.Close()
			return
		}
		select {
		case e.heard <- text:
		default:
		}
	}
}

// tell says something to every client.
func (e *engine) tell(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = c.Write(message([]byte(text)))
	}
}

func streamYard(t testing.TB) (*yard, *engine) {
	y := newYard(t)
	e := &engine{heard: make(chan string, 64)}
	verifier := gatekit.NewVerifier(testKey)
	verifier.Now = y.w.DB.Now
	guarded := verifier.Middleware(e, 0)
	y.behind(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/ticks" {
			e.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
	rs, err := parseRoutes(append([]Route{{Method: "GET", Path: "/v1/stream", Scope: "read.account", Stream: true}, {Method: "GET", Path: "/v1/ticks", Scope: Public, Stream: true}}, testRoutes...))
	y.w.Must(err)
	y.gate.routes = rs
	y.w.Watch.OnEffect(y.gate.Heard)
	t.Cleanup(y.gate.EndStreams)
	return y, e
}

var watching = apikey.NewKey{Scopes: apikey.ReadAccount | apikey.ReadOrders, Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}}

func (y *yard) handshake(bot *softkey.Bot, target string) *http.Request {
	r := bot.StreamRequest(y.proxy.URL, target, y.w.DB.Now())
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	return r
}

func (y *yard) open(bot *softkey.Bot) *softkey.Socket {
	y.t.Helper()
	s, _, err := softkey.Open(y.handshake(bot, "/v1/stream"))
	y.w.Must(err)
	y.t.Cleanup(func() { s.Close() })
	return s
}

// hears waits for a message.
func hears(t *testing.T, s *softkey.Socket, want string) {
	t.Helper()
	_ = s.SetReadDeadline(time.Now().Add(5 * time.Second))
	if got, err := s.Next(); err != nil || got != want {
		t.Fatalf("%q %v, want %q", got, err, want)
	}
}

// closes waits for the close and says how it was.
func closes(t *testing.T, s *softkey.Socket) *softkey.Closed {
	t.Helper()
	_ = s.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		text, err := s.Next()
		if c := new(softkey.Closed); errors.As(err, &c) {
			return c
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%q passed", text)
	}
}

func TestAStreamThatWasSignedPassesBothWays(t *testing.T) {
	y, e := streamYard(t)
	bot, key := y.p.Bot(watching)
	s := y.open(bot)
	e.tell("fill 1")
	hears(t, s, "fill 1")
	y.w.Must(s.Say("subscribe"))
	if got := <-e.heard; got != "subscribe" {
		t.Errorf("the engine heard %q", got)
	}
	long := strings.Repeat("x", 100_000)
	y.w.Must(s.Say(long[:7000]))
	if got := <-e.heard; len(got) != 7000 {
		t.Errorf("the engine heard %d bytes", len(got))
	}
	e.mu.Lock()
	d, ok := gatekit.FromContext(e.last.Context())
	e.mu.Unlock()
	if !ok || d.Account != string(y.p.Account) || d.Credential != "key:"+string(key.ID) || d.Target != "/v1/stream" || e.last.Header.Get("Sec-Websocket-Extensions") != "" {
		t.Errorf("%+v", d)
	}
	// The same handshake opens nothing a second time, though it is a read.
	r := y.handshake(bot, "/v1/stream")
	first, _, err := softkey.Open(r)
	y.w.Must(err)
	first.Close()
	if _, res, err := softkey.Open(r); err == nil || res.StatusCode != http.StatusConflict {
		t.Errorf("a handshake twice: %v", err)
	}
}

func TestAKeyThatMayTradeMayNotDoSoInAStream(t *testing.T) {
	y, e := streamYard(t)
	bot, _ := y.p.Bot(trading)
	y.open(bot)
	e.mu.Lock()
	defer e.mu.Unlock()
	if d, _ := gatekit.FromContext(e.last.Context()); d.Scopes != "read.account" {
		t.Errorf("the engine was told %q", d.Scopes)
	}
}

func TestALoginOfEachShapeOpensAStream(t *testing.T) {
	for _, row := range []struct {
		profile apikey.Profile
		alg     apikey.Alg
		login   func(b *softkey.Bot, pass string, now time.Time) string
		yes, no string
	}{
		{apikey.Binance, "", func(b *softkey.Bot, _ string, now time.Time) string { return b.LoginBinance(now) }, `"status":200`, `"status":401,"error":{"code":-1022`},
		{apikey.Binance, apikey.HMACSHA256, func(b *softkey.Bot, _ string, now time.Time) string { return b.LoginBinance(now) }, `"id":1,"status":200`, `"id":1,"status":401`},
		{apikey.OKX, apikey.HMACSHA256, func(b *softkey.Bot, pass string, now time.Time) string { return b.LoginOKX(pass, now) }, `{"event":"login","code":"0"`, `{"event":"error","code":"60009"`},
		{apikey.Bybit, apikey.HMACSHA256, func(b *softkey.Bot, _ string, now time.Time) string { return b.LoginBybit(now) }, `{"success":true`, `"retCode":10004`},
	} {
		t.Run(string(row.profile)+string(row.alg), func(t *testing.T) {
			y, e := streamYard(t)
			n := watching
			n.Profile, n.Alg = row.profile, row.alg
			bot, key := y.p.Bot(n)
			open := func(login string) *softkey.Socket {
				r := &http.Request{Method: "GET", URL: y.handshake(bot, "/v1/stream").URL, Header: http.Header{"X-Forwarded-For": {"203.0.113.7"}}}
				s, _, err := softkey.Open(r)
				y.w.Must(err)
				t.Cleanup(func() { s.Close() })
				if e.opened.Load() != 0 {
					t.Error("the upstream was asked before the login")
				}
				y.w.Must(s.Say(login))
				return s
			}
			good := row.login(bot, key.Passphrase, y.w.DB.Now())
			forged := *bot
			if forged.Private != nil {
				forged.Private = softkey.NewBot("x").Private
			} else {
				forged.Secret += "x"
			}
			for name, login := range map[string]string{
				"another's signature":      row.login(&forged, key.Passphrase, y.w.DB.Now()),
				"a key that nobody has":    row.login(&softkey.Bot{ID: "kwk_live_x", Private: bot.Private, Secret: bot.Secret}, key.Passphrase, y.w.DB.Now()),
				"a member too many":        good[:len(good)-1] + `,"x":1}`,
				"a key's name twice":       strings.Replace(good, `{`, `{"op":"login",`, 1),
				"no JSON":                  "login",
				"an hour old":              row.login(bot, key.Passphrase, y.w.DB.Now().Add(-time.Hour)),
				"signed for next week":     row.login(bot, key.Passphrase, y.w.DB.Now().Add(7*24*time.Hour)),
				"more than a login can be": good + strings.Repeat(" ", 20_000),
			} {
				s := open(login)
				_ = s.SetReadDeadline(time.Now().Add(5 * time.Second))
				text, err := s.Next()
				if strings.Contains(text, row.yes) || e.opened.Load() != 0 {
					t.Errorf("%s: %s", name, text)
				}
				if name == "another's signature" && !strings.Contains(text, row.no) {
					t.Errorf("%s: %s", name, text)
				}
				if err == nil {
					if c := closes(t, s); c.Status != closePolicy {
						t.Errorf("%s: %v", name, c)
					}
				}
			}
			if row.profile == apikey.OKX {
				s := open(row.login(bot, "wrong", y.w.DB.Now()))
				if text, _ := s.Next(); !strings.Contains(text, row.no) {
					t.Errorf("a wrong passphrase: %s", text)
				}
			}
			// What was tried before cost its address; the bot waits as it would.
			y.w.Clock.Sleep(time.Minute)
			good = row.login(bot, key.Passphrase, y.w.DB.Now())
			s := open(good)
			if text, err := s.Next(); err != nil || !strings.Contains(text, row.yes) {
				t.Fatalf("%s %v", text, err)
			}
			e.tell("fill")
			hears(t, s, "fill")
			e.opened.Store(0)
			again := open(good)
			if text, _ := again.Next(); strings.Contains(text, row.yes) || e.opened.Load() != 0 {
				t.Errorf("a login twice: %s", text)
			}
		})
	}
}

// A profile that signs by headers opens a stream with its handshake, as clients of upbit do.
func TestAHandshakeWithATokenOpensAStream(t *testing.T) {
	y, e := streamYard(t)
	n := watching
	n.Profile, n.Alg = apikey.Upbit, apikey.HMACSHA256
	bot, key := y.p.Bot(n)
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(`{"access_key":"`+bot.ID+`","nonce":"5d7b6f0e-1c5f-4f0e-9a7e-2f4b1c9d8e7f"}`))
	m := hmac.New(sha256.New, []byte(key.Secret))
	m.Write([]byte(text))
	r := &http.Request{Method: "GET", URL: y.handshake(softkey.NewBot("x"), "/v1/stream").URL, Header: http.Header{"X-Forwarded-For": {"203.0.113.7"},
		"Authorization": {"Bearer " + text + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))}}}
	s, _, err := softkey.Open(r)
	y.w.Must(err)
	t.Cleanup(func() { s.Close() })
	e.tell("fill")
	hears(t, s, "fill")
	if _, res, err := softkey.Open(r); err == nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token twice: %v", err)
	}
}

func TestWhatChangesAKeyEndsItsStreams(t *testing.T) {
	y, e := streamYard(t)
	for _, row := range []struct {
		name string
		do   func(k apikey.Created)
		ends bool
	}{
		{"it is revoked", func(k apikey.Created) {
			_, err := y.w.Contain.EndBotKey(t.Context(), y.p.Cause(), y.p.Account, k.ID)
			y.w.Must(err)
		}, true},
		{"it loses a right that the stream was told of", func(k apikey.Created) {
			e := k.Edit()
			e.Scopes = apikey.ReadAccount
			_, err := y.w.BotKeys.Change(t.Context(), y.p.Cause(), y.p.By(), k.ID, k.Version, e)
			y.w.Must(err)
		}, true},
		{"its address changes", func(k apikey.Created) {
			e := k.Edit()
			e.Deny = []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}
			_, err := y.w.BotKeys.Change(t.Context(), y.p.Cause(), y.p.By(), k.ID, k.Version, e)
			y.w.Must(err)
		}, true},
		{"its purpose changes", func(k apikey.Created) {
			e := k.Edit()
			e.Purpose = "another purpose"
			_, err := y.w.BotKeys.Change(t.Context(), y.p.Cause(), y.p.By(), k.ID, k.Version, e)
			y.w.Must(err)
		}, false},
	} {
		bot, key := y.p.Bot(watching)
		s := y.open(bot)
		e.tell("before")
		hears(t, s, "before")
		other, _ := y.p.Bot(watching)
		beside := y.open(other)
		row.do(key)
		e.tell("after")
		hears(t, beside, "after")
		if !row.ends {
			hears(t, s, "after")
			continue
		}
		if c := closes(t, s); c.Status != closePolicy || c.Reason == "" {
			t.Errorf("%s: %v", row.name, c)
		}
	}
}

func TestAFreezeEndsStreamsAndALoginAfterItLooksOnly(t *testing.T) {
	y, e := streamYard(t)
	bot, _ := y.p.Bot(watching)
	s := y.open(bot)
	_, err := y.w.Contain.Freeze(t.Context(), y.p.Cause(), y.p.Account, "here")
	y.w.Must(err)
	e.tell("after")
	if c := closes(t, s); c.Status != closePolicy || !strings.Contains(c.Reason, "frozen") {
		t.Error(c)
	}
	y.w.Clock.Sleep(time.Second)
	s = y.open(bot)
	e.mu.Lock()
	d, _ := gatekit.FromContext(e.last.Context())
	e.mu.Unlock()
	if !d.ExitOnly {
		t.Error("the engine was not told that the account is frozen")
	}
	e.tell("balance")
	hears(t, s, "balance")
}

// The clock of the test jumps past the end of the key; the next look at it ends the stream.
func TestAnExpiredKeyEndsItsStreams(t *testing.T) {
	y, e := streamYard(t)
	n := watching
	n.Life = time.Hour
	bot, _ := y.p.Bot(n)
	s := y.open(bot)
	e.tell("before")
	hears(t, s, "before")
	y.w.Clock.Sleep(2 * time.Hour)
	y.gate.streams.mu.Lock()
	for s := range y.gate.streams.open {
		s.hold() // the timer would
	}
	y.gate.streams.mu.Unlock()
	if c := closes(t, s); c.Status != closePolicy {
		t.Error(c)
	}
}

func TestAGateOutOfTouchPassesNothing(t *testing.T) {
	y, e := streamYard(t)
	var deaf atomic.Bool
	y.gate.Fresh = func() bool { return !deaf.Load() }
	bot, _ := y.p.Bot(watching)
	s := y.open(bot)
	ticks, _, err := softkey.Open(&http.Request{Method: "GET", URL: y.handshake(bot, "/v1/ticks").URL, Header: http.Header{}})
	y.w.Must(err)
	e.tell("1")
	hears(t, s, "1")
	hears(t, ticks, "1")
	deaf.Store(true)
	e.tell("2")
	hears(t, ticks, "2") // nobody's: nothing can end it
	_ = s.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if text, err := s.Next(); err == nil {
		t.Fatalf("%q passed", text)
	}
	deaf.Store(false)
	hears(t, s, "2") // it was held, not lost
	deaf.Store(true)
	e.tell("3")
	if c := closes(t, s); c.Status != closeLater {
		t.Error(c)
	}
	e.tell("4")
	hears(t, ticks, "3")
	hears(t, ticks, "4")
}

func TestASlowReaderHoldsNobodyUp(t *testing.T) {
	y, e := streamYard(t)
	slow, slowKey := y.p.Bot(watching)
	quick, _ := y.p.Bot(watching)
	stuck := y.open(slow)
	s := y.open(quick)
	e.mu.Lock()
	first := e.conns[0]
	e.mu.Unlock()
	stop := make(chan struct{})
	var filling sync.WaitGroup
	filling.Go(func() { // until its buffers are full
		b := message([]byte(strings.Repeat("x", 60_000)))
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = first.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := first.Write(b); err != nil {
				return
			}
		}
	})
	filling.Wait()
	close(stop)
	began := time.Now()
	_, err := y.w.Contain.EndBotKey(t.Context(), y.p.Cause(), y.p.Account, slowKey.ID)
	y.w.Must(err)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a revocation waited %s for a reader that does not read", took)
	}
	e.mu.Lock()
	_, _ = e.conns[1].Write(message([]byte("fill")))
	e.mu.Unlock()
	hears(t, s, "fill")
	// What had not left is dropped with it.
	_ = stuck.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		if _, err := stuck.Next(); err != nil {
			break
		}
	}
}

// A database that was set back: every stream is judged again, and what stands goes on.
func TestWhatIsAboutEverybodyHoldsAllAndEndsNone(t *testing.T) {
	y, e := streamYard(t)
	bot, _ := y.p.Bot(watching)
	s := y.open(bot)
	for _, kind := range []string{"everyone", "apikeys"} {
		y.gate.Heard(audit.Effect{Kind: kind, ID: "*"}, audit.Record{})
		e.tell(kind)
		hears(t, s, kind)
	}
}

// The key ends while the upstream takes its time: what it says first must not pass.
func TestAKeyThatEndsWhileItsStreamOpens(t *testing.T) {
	y, _ := streamYard(t)
	asked, goOn := make(chan struct{}), make(chan struct{})
	y.behind(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-goOn
		conn, _, _ := http.NewResponseController(w).Hijack()
		_, _ = conn.Write(append(switched(r.Header.Get("Sec-WebSocket-Key"), "", http.Header{}), message([]byte("fill"))...))
		time.Sleep(time.Second)
		conn.Close()
	})
	bot, key := y.p.Bot(watching)
	go func() {
		<-asked
		if _, err := y.w.Contain.EndBotKey(context.Background(), y.p.Cause(), y.p.Account, key.ID); err != nil {
			t.Error(err)
		}
		close(goOn)
	}()
	if c := closes(t, y.open(bot)); c.Status != closePolicy {
		t.Error(c)
	}
}

func TestAClientThatDoesNotAnswerIsLetGo(t *testing.T) {
	y, _ := streamYard(t)
	bot, _ := y.p.Bot(watching)
	s := y.open(bot)
	y.gate.streams.mu.Lock()
	var here *stream
	for here = range y.gate.streams.open {
	}
	y.gate.streams.mu.Unlock()
	// It answers a ping, as long as it reads.
	here.silent.Store(pingAfter - 1)
	read := make(chan *softkey.Closed, 1)
	go func() {
		_, err := s.Next()
		c := new(softkey.Closed)
		_ = errors.As(err, &c)
		read <- c
	}()
	time.Sleep(1500 * time.Millisecond)
	if n := here.silent.Load(); n >= pingAfter {
		t.Errorf("silent for %d ticks after a ping that it answered", n)
	}
	here.silent.Store(silentFor - 1)
	if c := <-read; c.Status != closeGone {
		t.Error(c)
	}
}

func TestTheBoundsOfStreams(t *testing.T) {
	y, _ := streamYard(t)
	y.gate.streams.Bounds = Bounds{Streams: 3, PerKey: 2}
	bot, _ := y.p.Bot(watching)
	y.open(bot)
	y.open(bot)
	if _, res, err := softkey.Open(y.handshake(bot, "/v1/stream")); err == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third stream of one key: %v", err)
	}
	other, _ := y.p.Bot(watching)
	last := y.open(other)
	third, _ := y.p.Bot(watching)
	if _, res, err := softkey.Open(y.handshake(third, "/v1/stream")); err == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a fourth stream: %v", err)
	}
	y.w.Must(last.Leave(1000))
	if c := closes(t, last); c.Status == closePolicy {
		t.Error(c)
	}
	for end := time.Now().Add(5 * time.Second); y.gate.Streams() > 2 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	y.open(third)
}

func TestAStoppingGateSaysSo(t *testing.T) {
	y, _ := streamYard(t)
	bot, _ := y.p.Bot(watching)
	s := y.open(bot)
	done := make(chan struct{})
	go func() { defer close(done); y.gate.EndStreams() }()
	if c := closes(t, s); c.Status != closeRestart {
		t.Error(c)
	}
	<-done
	if _, _, err := softkey.Open(y.handshake(bot, "/v1/stream")); err == nil {
		t.Error("a stream began at a gate that stops")
	}
}

// status sends a request with these lines as they stand and reads the first of the answer.
func (y *yard) status(r *http.Request, lines ...string) string {
	y.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(y.proxy.URL, "http://"))
	y.w.Must(err)
	defer c.Close()
	text := r.Method + " " + r.URL.RequestURI() + " HTTP/1.1\r\nHost: x\r\n"
	for name := range r.Header {
		text += name + ": " + r.Header.Get(name) + "\r\n"
	}
	_, err = io.WriteString(c, text+strings.Join(append(lines, "", ""), "\r\n"))
	y.w.Must(err)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	status, err := bufio.NewReader(c).ReadString('\n')
	y.w.Must(err)
	return status
}

func TestHandshakesThatAreNone(t *testing.T) {
	y, e := streamYard(t)
	bot, _ := y.p.Bot(watching)
	const key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
	const version = "Sec-WebSocket-Version: 13"
	for _, row := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"no upgrade at all", nil, "400"},
		{"h2c", []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"}, "400"},
		{"h2c and a socket", []string{"Connection: Upgrade", "Upgrade: websocket, h2c", key, version}, "400"},
		{"two upgrades", []string{"Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c", key, version}, "400"},
		{"settings of h2c beside a socket", []string{"Connection: Upgrade", "Upgrade: websocket", "HTTP2-Settings: AAMAAABkAAQAAP__", key, version}, "400"},
		{"a connection that drops what was signed", []string{"Connection: Upgrade, Signature", "Upgrade: websocket", key, version}, "400"},
		{"a connection that names no upgrade", []string{"Connection: keep-alive", "Upgrade: websocket", key, version}, "400"},
		{"a body by length", []string{"Connection: Upgrade", "Upgrade: websocket", key, version, "Content-Length: 5"}, "400"},
		{"a body in pieces", []string{"Connection: Upgrade", "Upgrade: websocket", key, version, "Transfer-Encoding: chunked"}, "400"},
		{"an old version", []string{"Connection: Upgrade", "Upgrade: websocket", key, "Sec-WebSocket-Version: 8"}, "426"},
		{"no key", []string{"Connection: Upgrade", "Upgrade: websocket", version}, "400"},
		{"a short key", []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAA", version}, "400"},
		{"two keys", []string{"Connection: Upgrade", "Upgrade: websocket", key, key, version}, "400"},
		{"a decision of one's own", []string{"Connection: Upgrade", "Upgrade: websocket", key, version, "X-Keyward-Decision: kwd1.x.y"}, "101"},
	} {
		status := y.status(y.handshake(bot, "/v1/stream"), row.lines...)
		if !strings.Contains(status, " "+row.want) {
			t.Errorf("%s: %s", row.name, status)
		}
		if n := e.opened.Load(); n != 0 && row.want != "101" {
			t.Fatalf("%s: the upstream was asked", row.name)
		}
		y.w.Clock.Sleep(time.Minute)
	}
	// A socket where no stream is: the wish is taken out, and it is the request it is.
	if status := y.status(y.signed(bot, "GET", "/v1/balance", ""), "Connection: Upgrade", "Upgrade: websocket", key, version); strings.Contains(status, "101") {
		t.Errorf("a socket at a route that is none: %s", status)
	}
	// A front that only asks gets no stream.
	r := y.signed(bot, "GET", "/v1/stream", "")
	r.URL.Host = strings.TrimPrefix(y.check.URL, "http://")
	r.Header.Set("X-Original-Method", "GET")
	r.Header.Set("X-Original-Uri", "/v1/stream")
	if res, code := y.does(r); res.StatusCode == 200 {
		t.Errorf("a front may open a stream: %s", code)
	}
	// Requests of another method go their way, and there is none.
	r = y.signed(bot, "POST", "/v1/stream", "")
	if res, code := y.does(r); code != "ROUTE_UNKNOWN" {
		t.Errorf("%d %s", res.StatusCode, code)
	}
}

func TestFramesThatAreNone(t *testing.T) {
	y, _ := streamYard(t)
	for _, row := range []struct {
		name string
		b    []byte
	}{
		{"not masked", message([]byte("x"))},
		{"a reserved bit: compressed, though nobody agreed to it", []byte{0xc1, 0x80, 0, 0, 0, 0}},
		{"an opcode that is none", []byte{0x83, 0x80, 0, 0, 0, 0}},
		{"a ping in pieces", []byte{0x09, 0x80, 0, 0, 0, 0}},
		{"a ping that is too long", []byte{0x89, 0xfe, 0, 126, 0, 0, 0, 0}},
		{"the rest of no message", []byte{0x80, 0x80, 0, 0, 0, 0}},
		{"a length in a longer spelling", []byte{0x81, 0xfe, 0, 5, 0, 0, 0, 0}},
		{"a length in the longest spelling", []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}},
		{"a negative length", []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"a message inside of a message", []byte{0x01, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0}},
		{"a close of one byte", []byte{0x88, 0x81, 0, 0, 0, 0, 0}},
	} {
		bot, _ := y.p.Bot(watching)
		s := y.open(bot)
		_, err := s.Write(row.b)
		y.w.Must(err)
		if c := closes(t, s); c.Status != closeProtocol {
			t.Errorf("%s: %v", row.name, c)
		}
		y.w.Clock.Sleep(time.Minute)
	}
}

// A message in pieces, with a ping between them, arrives as it was sent.
func TestPiecesAndPings(t *testing.T) {
	y, e := streamYard(t)
	bot, _ := y.p.Bot(watching)
	s := y.open(bot)
	b := append([]byte{0x01, 0x82, 0, 0, 0, 0}, "he"...)
	b = append(b, control(opPing, []byte("?"), &[4]byte{1, 2, 3, 4})...)
	b = append(append(b, 0x80, 0x83, 0, 0, 0, 0), "llo"...)
	for i := range b { // a byte at a time
		_, err := s.Write(b[i : i+1])
		y.w.Must(err)
	}
	if got := <-e.heard; got != "hello" {
		t.Errorf("%q", got)
	}
}

func TestAnUpstreamThatOpensNothing(t *testing.T) {
	for name, answer := range map[string]string{
		"says no":                        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"answers another's key":          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
		"speaks what nobody offered":     "PROTOCOL",
		"squeezes what nobody agreed to": "EXTENSION",
		"is no server":                   "hello\r\n\r\n",
	} {
		y, _ := streamYard(t)
		y.behind(func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			defer conn.Close()
			switch answer {
			case "PROTOCOL":
				_, _ = conn.Write(switched(r.Header.Get("Sec-WebSocket-Key"), "other", http.Header{}))
			case "EXTENSION":
				_, _ = conn.Write(switched(r.Header.Get("Sec-WebSocket-Key"), "", http.Header{"Sec-WebSocket-Extensions": {"permessage-deflate"}}))
			default:
				_, _ = io.WriteString(conn, answer)
			}
		})
		bot, _ := y.p.Bot(watching)
		if _, res, err := softkey.Open(y.handshake(bot, "/v1/stream")); err == nil || res.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(message([]byte("x")), false)
	f.Add(control(opPing, []byte("?"), &[4]byte{1, 2, 3, 4}), true)
	f.Add([]byte{0x81, 0xfe, 0, 126, 0, 0, 0, 0}, true)
	f.Fuzz(func(t *testing.T, b []byte, masked bool) {
		rules := frames{masked: masked}
		in := bufio.NewReader(strings.NewReader(string(b)))
		for {
			fr, raw, err := rules.head(in, nil)
			if err != nil {
				return
			}
			if len(raw) > maxHead || fr.control() && (fr.size > maxControl || !fr.fin) || fr.size >= 1<<63 {
				t.Fatalf("%+v of %x", fr, raw)
			}
			if _, err := io.CopyN(io.Discard, in, int64(fr.size)); err != nil {
				return
			}
		}
	})
}

func FuzzFirstMessage(f *testing.F) {
	f.Add([]byte{0x81, 0x82, 0, 0, 0, 0, 'h', 'i'})
	f.Add([]byte{0x01, 0x80, 0, 0, 0, 0, 0x89, 0x80, 0, 0, 0, 0, 0x80, 0x80, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		text, _, err := firstMessage(bufio.NewReader(strings.NewReader(string(b))), io.Discard)
		if err == nil && len(text) > maxFirst {
			t.Fatalf("%d bytes", len(text))
		}
	})
}
