package gate

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"keyward/internal/apikey"
)

// upgrade opens a stream where the route is one; false: the request is no such thing and
// goes its usual way, without its wish for another protocol.
//
// Two ways lead in. A handshake that shows a signature is decided before the upstream
// sees anything. One that shows none is answered, and then the first message has to be a
// login; the upstream is asked once that holds. Either way it gets the decision on its own
// handshake and need not read, nor believe, any login.
func (g *Gate) upgrade(w http.ResponseWriter, r *http.Request, a *asked) bool {
	path, _, _ := strings.Cut(a.target, "?")
	if !wantsSocket(r) || !canonical(path) {
		return false
	}
	rt, ok := g.routes.find(a.method, path)
	if !ok || !rt.stream {
		return false
	}
	a.stream = true
	if status := badSocket(r); status != 0 {
		w.Header().Set("Connection", "close")
		w.Header().Set("Sec-WebSocket-Version", "13")
		g.refuse(w, a, &refused{code: apikey.BadRequest}, func(int) int { return status })
		return true
	}
	if !rt.public && !signs(r.Header) {
		g.byLogin(w, r, a)
		return true
	}
	gr, no := g.decide(r.Context(), a)
	if no != nil {
		g.refuse(w, a, no, same)
		return true
	}
	s := g.newStream(a, &gr)
	if !g.streams.add(s) {
		g.refuse(w, a, &refused{code: apikey.RateLimited, profile: gr.Key.Profile, facts: apikey.Facts{RetryAfter: time.Second}}, same)
		return true
	}
	defer g.streams.remove(s)
	offered := strings.Join(r.Header["Sec-Websocket-Protocol"], ",")
	up, upIn, protocol, err := g.dial(r.Context(), r, &gr, a.id, offered)
	if err != nil {
		g.Logger.WarnContext(r.Context(), "the upstream opened no socket", "cause", err)
		stamp(w.Header(), g.Now())
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	conn, in, err := hijack(w)
	if err != nil {
		reset(up)
		return true
	}
	head := http.Header{"X-Request-Id": {a.id}}
	stamp(head, g.Now())
	gr.until(head)
	if err := first(conn, switched(r.Header.Get("Sec-Websocket-Key"), protocol, head)); err != nil {
		reset(conn)
		reset(up)
		return true
	}
	s.open(conn, up)
	s.run(in, upIn)
	return true
}

func (g *Gate) newStream(a *asked, gr *granted) *stream {
	s := &stream{g: g, peer: a.peer, done: make(chan struct{}), said: make(chan struct{})}
	if !gr.public {
		s.decision = &gr.Decision
		s.held.Store(true) // until it was judged in its place on the list: what changed since the decision is heard there, or seen now
	}
	return s
}

// open gives a stream its ends, and has it judged.
func (s *stream) open(client, upstream net.Conn) {
	s.client.init(client, false)
	s.upstream.init(upstream, true)
	s.mu.Lock()
	s.ready = true
	over := s.ending.Load()
	s.mu.Unlock()
	if over != nil { // the gate stopped, or a key ended, between the answer and this
		s.part(over.status, over.reason)
	}
	s.hold()
}

// first writes what comes before the stream begins: nothing can end it yet, so no close
// gets in front of it.
func first(conn net.Conn, b []byte) error {
	late := time.AfterFunc(farewell, func() { conn.Close() })
	defer late.Stop()
	_, err := conn.Write(b)
	return err
}

func hijack(w http.ResponseWriter) (net.Conn, *bufio.Reader, error) {
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	// The server's bounds on a request are none for a stream.
	return conn, both.Reader, conn.SetDeadline(time.Time{})
}

// byLogin opens a stream whose first message says whose it is.
func (g *Gate) byLogin(w http.ResponseWriter, r *http.Request, a *asked) {
	if _, no := g.route(a); no != nil {
		g.refuse(w, a, no, same)
		return
	}
	back, ok := g.streams.wait(a.peer)
	if !ok {
		g.refuse(w, a, &refused{code: apikey.RateLimited, facts: apikey.Facts{RetryAfter: loginPatience}}, same)
		return
	}
	conn, in, err := hijack(w)
	if err != nil {
		back()
		return
	}
	// The subprotocol is the upstream's to choose, and it is not asked yet: none is chosen.
	head := http.Header{"X-Request-Id": {a.id}}
	stamp(head, g.Now())
	late := time.AfterFunc(loginPatience, func() { conn.Close() })
	text, status, err := "", uint16(0), error(nil)
	if _, err = conn.Write(switched(r.Header.Get("Sec-Websocket-Key"), "", head)); err == nil {
		text, status, err = firstMessage(in, conn)
	}
	onTime := late.Stop()
	back()
	if err != nil || !onTime {
		if status != 0 {
			_, _ = conn.Write(control(opClose, closing(status, "a login is awaited here, one short message"), nil))
		}
		conn.Close()
		return
	}
	farewellTo := func(answer []byte, status uint16, reason string) {
		late := time.AfterFunc(farewell, func() { conn.Close() })
		_, err := conn.Write(append(message(answer), control(opClose, closing(status, reason), nil)...))
		if err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(in, 64<<10)) // its own close
		}
		late.Stop()
		conn.Close()
	}
	login, ok := apikey.ReadLogin([]byte(text))
	if !ok {
		g.charge(a)
		told := apikey.Tell(apikey.Native, apikey.BadRequest, apikey.Facts{RequestID: a.id, ServerAt: g.Now()})
		farewellTo([]byte(told.Body), closePolicy, "not a login that is known here")
		return
	}
	a.login = login
	refuse := func(no *refused) {
		no.facts.RequestID, no.facts.ServerAt = a.id, g.Now()
		status := uint16(closePolicy)
		if no.code == apikey.Unavailable || no.code == apikey.Starting || no.code == apikey.RateLimited {
			status = closeLater
		}
		farewellTo(login.Refusal(no.code, no.facts), status, "the login was refused")
	}
	gr, no := g.decide(r.Context(), a)
	if no != nil {
		refuse(no)
		return
	}
	s := g.newStream(a, &gr)
	if !g.streams.add(s) {
		refuse(&refused{code: apikey.RateLimited, facts: apikey.Facts{RetryAfter: time.Second}})
		return
	}
	defer g.streams.remove(s)
	up, upIn, _, err := g.dial(r.Context(), r, &gr, a.id, "")
	if err != nil {
		g.Logger.WarnContext(r.Context(), "the upstream opened no socket", "cause", err)
		refuse(&refused{code: apikey.Unavailable})
		return
	}
	if err := first(conn, message(login.Welcome(&gr.Decision))); err != nil {
		reset(conn)
		reset(up)
		return
	}
	s.open(conn, up)
	s.run(in, upIn)
}

// maxFirst bounds a first message and all control frames before it: nothing is proved.
const maxFirst = 8 << 10

// firstMessage reads one text message, in however many frames. It answers pings, as
// clients send them while they wait. status is what to close with, 0 where nobody is left
// to hear it.
func firstMessage(in *bufio.Reader, out io.Writer) (text string, status uint16, err error) {
	rules := frames{masked: true}
	var body []byte
	for read := 0; ; {
		f, _, err := rules.head(in, nil)
		switch {
		case errors.Is(err, errFrame):
			return "", closeProtocol, err
		case err != nil:
			return "", 0, err
		}
		if read += int(min(f.size, maxFirst)) + maxHead; read > maxFirst || f.op == opBinary {
			return "", closePolicy, errFrame
		}
		b := make([]byte, f.size)
		if _, err := io.ReadFull(in, b); err != nil {
			return "", 0, err
		}
		unmask(b, f.mask, 0)
		switch f.op {
		case opClose:
			return "", closeGone, io.EOF
		case opPing:
			if _, err := out.Write(control(opPong, b, nil)); err != nil {
				return "", 0, err
			}
		case opPong:
		default:
			if body = append(body, b...); f.fin {
				return string(body), 0, nil
			}
		}
	}
}
