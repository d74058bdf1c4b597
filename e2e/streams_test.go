package e2e

import (
	"context"
	"crypto/sha1" // RFC 6455 §4.2.2 says so; it keeps no secret
	"encoding/base64"

	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"keyward/gatekit"
	"keyward/internal/softkey"
)

// feed is an API with sockets: it tells everybody the time, as nanoseconds.
type feed struct {
	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
	sent  atomic.Int64
}

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Time{})
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	f.mu.Lock()
	if f.conns == nil {
		f.conns = map[net.Conn]bool{}
	}
	f.conns[conn] = true
	f.mu.Unlock()
	for { // what clients say is read and thrown away
		if _, err := both.ReadByte(); err != nil {
			f.mu.Lock()
			delete(f.conns, conn)
			f.mu.Unlock()
			return
		}
	}
}

// run tells all of them the time, each about every so often.
func (f *feed) run(every time.Duration) (stop func()) {
	done, end := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-end:
				return
			case <-time.After(every):
			}
			f.mu.Lock()
			list := make([]net.Conn, 0, len(f.conns))
			for c := range f.conns {
				list = append(list, c)
			}
			f.mu.Unlock()
			for _, c := range list {
				text := strconv.FormatInt(time.Now().UnixNano(), 10)
				_ = c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
				if _, err := c.Write(append([]byte{0x81, byte(len(text))}, text...)); err == nil {
					f.sent.Add(1)
				}
			}
		}
	}()
	return func() { close(end); <-done }
}

// listener is a bot's stream and what came out of it.
type listener struct {
	s *softkey.Socket

	mu       sync.Mutex // guards the rest
	n        int
	lastSent int64     // of the messages that came, the latest time in one
	lastCame time.Time // when the last one was read
	closed   *softkey.Closed
	over     bool
}

func (l *listener) run() {
	for {
		text, err := l.s.Next()
		l.mu.Lock()
		if err != nil {
			_ = errors.As(err, &l.closed)
			l.over = true
			l.mu.Unlock()
			return
		}
		at, _ := strconv.ParseInt(text, 10, 64)
		l.n, l.lastSent, l.lastCame = l.n+1, max(l.lastSent, at), time.Now()
		l.mu.Unlock()
	}
}

// listen opens n streams of a bot, at both gates in turn.
func (g *gates) listen(bot *softkey.Bot, n int, doors ...*gateProcess) []*listener {
	g.t.Helper()
	out := make([]*listener, n)
	var wg sync.WaitGroup
	places := make(chan struct{}, 32)
	for i := range out {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			s, _, err := softkey.Open(bot.StreamRequest(doors[i%len(doors)].origin, "/v1/stream", time.Now()))
			if err != nil {
				g.t.Error(err)
				return
			}
			out[i] = &listener{s: s}
		})
	}
	wg.Wait()
	if g.t.Failed() {
		g.t.FailNow()
	}
	for _, l := range out {
		g.t.Cleanup(func() { l.s.Close() })
		go l.run()
	}
	soon(g.t, "each stream has heard something", func() bool {
		for _, l := range out {
			l.mu.Lock()
			n := l.n
			l.mu.Unlock()
			if n == 0 {
				return false
			}
		}
		return true
	})
	return out
}

// judge says what passed after a moment, and whether all streams were closed by the gate.
func (g *gates) judge(what string, acknowledged time.Time, list []*listener, wantClose bool) {
	g.t.Helper()
	time.Sleep(time.Second)
	late, read, open, how := 0, 0, 0, map[string]int{}
	for _, l := range list {
		l.mu.Lock()
		if l.lastSent > acknowledged.UnixNano() {
			late++
		}
		// What the gate had handed to the network before may lie in the reader's own buffer.
		if l.lastCame.After(acknowledged.Add(200 * time.Millisecond)) {
			read++
		}
		switch {
		case !l.over:
			open++
		case l.closed == nil:
			how["cut"]++
		default:
			how[l.closed.Error()]++
		}
		l.mu.Unlock()
	}
	if late > 0 || read > 0 || wantClose && open > 0 {
		g.t.Errorf("%s: on %d streams a message of after the answer passed, on %d one was read 200 ms later, %d are open", what, late, read, open)
	}
	g.t.Logf("%s: %d streams, %v", what, len(list), how)
}

// 1 000 streams at two gates under a flow of messages: after an end was acknowledged no
// further message passes, on none of them.
func TestNoMessagePassesAfterAnAcknowledgedEnd(t *testing.T) {
	g := newGates(t)
	owner := g.s.app(1)
	owner.must(owner.signUp())
	stop := g.feed.run(50 * time.Millisecond)
	defer stop()
	d := g.doors

	bot, err := owner.makesBot("listens a thousand times")
	owner.must(err)
	other, err := owner.makesBot("goes on listening")
	owner.must(err)
	beside := g.listen(other, 10, d[0], d[1])
	idle := d[0].memory()
	list := g.listen(bot, 1000, d[0], d[1])
	t.Logf("a gate with 500 streams under way: %s (before: %s)", d[0].memory(), idle)
	began := time.Now()
	owner.must(owner.call("DELETE", "/keys/"+bot.ID, owner.have.Access, owner.bind, nil, nil))
	acknowledged := time.Now()
	g.judge("ended", acknowledged, list, true)
	t.Logf("acknowledged after %s; the feed has sent %d messages", acknowledged.Sub(began).Round(time.Millisecond), g.feed.sent.Load())
	for i, l := range beside {
		l.mu.Lock()
		if l.over || l.lastSent < acknowledged.UnixNano() {
			t.Errorf("stream %d of another key stands still", i)
		}
		l.mu.Unlock()
	}

	// Less right, another place.
	for what, change := range map[string]map[string]any{
		"a right less":      {"version": 1, "scopes": []string{"trade.spot"}},
		"refused from here": {"version": 1, "denied_addresses": []string{"127.0.0.1"}},
	} {
		bot, err := owner.makesBot(what)
		owner.must(err)
		list := g.listen(bot, 40, d[0], d[1])
		owner.must(owner.call("PATCH", "/keys/"+bot.ID, owner.have.Access, owner.bind, change, nil))
		g.judge(what, time.Now(), list, true)
	}

	// A key that runs out, by its own clock.
	bot, err = owner.makesBot("runs out")
	owner.must(err)
	list = g.listen(bot, 10, d[0], d[1])
	ends := time.Now().Add(2 * time.Second)
	owner.must(owner.call("PATCH", "/keys/"+bot.ID, owner.have.Access, owner.bind, map[string]any{"version": 1, "expires_at": ends.UTC().Format(time.RFC3339Nano)}, nil))
	time.Sleep(time.Until(ends.Add(100 * time.Millisecond)))
	g.judge("run out", time.Now(), list, true)

	// A gate that is stopped past its lease passes nothing when it goes on.
	bot, err = owner.makesBot("sleeps")
	owner.must(err)
	list = g.listen(bot, 100, d[1])
	owner.must(d[1].cmd.Process.Signal(syscall.SIGSTOP))
	err = owner.call("DELETE", "/keys/"+bot.ID, owner.have.Access, owner.bind, nil, nil)
	acknowledged = time.Now()
	time.Sleep(300 * time.Millisecond)
	g.doorGoesOn(d[1])
	owner.must(err)
	g.judgeStopped("ended at a gate that was stopped", acknowledged, list)

	// A frozen account: all its keys.
	bot, err = owner.makesBot("freezes")
	owner.must(err)
	list = g.listen(bot, 100, d[0], d[1])
	owner.must(owner.call("POST", "/freeze", owner.have.Access, owner.bind, nil, nil))
	g.judge("frozen", time.Now(), list, true)
}

// memory is what the system says the process holds, where it says so.
func (d *gateProcess) memory() string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		return "not known"
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

func (g *gates) doorGoesOn(d *gateProcess) {
	g.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		g.t.Fatal(err)
	}
}

// judgeStopped counts only what was sent after the answer: what the gate had in hand when
// it was stopped, it had read before.
func (g *gates) judgeStopped(what string, acknowledged time.Time, list []*listener) {
	g.t.Helper()
	soon(g.t, "the streams are closed", func() bool {
		for _, l := range list {
			l.mu.Lock()
			over := l.over
			l.mu.Unlock()
			if !over {
				return false
			}
		}
		return true
	})
	for _, l := range list {
		l.mu.Lock()
		if l.lastSent > acknowledged.UnixNano() {
			g.t.Errorf("%s: a message that was sent %s after the answer passed", what, time.Unix(0, l.lastSent).Sub(acknowledged))
		}
		l.mu.Unlock()
	}
}

// An engine with sockets of its own follows one of the gates: the same promise.
func TestAnEngineBesideAGatePassesNothingAfterAnAcknowledgedEnd(t *testing.T) {
	g := newGates(t)
	owner := g.s.app(1)
	owner.must(owner.signUp())
	watch, err := gatekit.NewWatch(gatekit.WatchConfig{URL: g.doors[0].origin, Key: g.key})
	owner.must(err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); watch.Run(ctx) }()
	defer func() { stop(); <-done }()
	for i := range 5 {
		bot, err := owner.makesBot(fmt.Sprintf("engine %d", i))
		owner.must(err)
		a, err := watch.Ask(t.Context(), gatekit.Opening{Target: "/v1/stream", Peer: "127.0.0.1", Header: bot.StreamRequest(g.doors[0].origin, "/v1/stream", time.Now()).Header})
		owner.must(err)
		if !a.Allowed {
			t.Fatalf("%+v", a)
		}
		var passed atomic.Int64
		ended := make(chan string, 1)
		s := watch.Follow(a, func(_ int, reason string) { ended <- reason })
		go func() {
			for s.Pass(func() error { passed.Add(1); return nil }) == nil {
				time.Sleep(time.Millisecond)
			}
		}()
		soon(t, "messages pass", func() bool { return passed.Load() > 0 })
		began := time.Now()
		owner.must(owner.call("DELETE", "/keys/"+bot.ID, owner.have.Access, owner.bind, nil, nil))
		n := passed.Load()
		t.Logf("acknowledged after %s", time.Since(began).Round(time.Millisecond))
		time.Sleep(200 * time.Millisecond)
		if passed.Load() != n {
			t.Errorf("%d messages passed after the end was acknowledged", passed.Load()-n)
		}
		t.Log(<-ended)
	}
}
