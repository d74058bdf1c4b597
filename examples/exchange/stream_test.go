package exchange

import (
	"bufio"
	"crypto/sha256"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyward/gatekit"
)

// ear is a client at the other end of a stream.
type ear struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// listens opens a stream as a gate would for an account; account "" as anybody.
func (d *desk) listens(at *httptest.Server, target, account string) *ear {
	d.t.Helper()
	conn, err := net.Dial("tcp", at.Listener.Addr().String())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	head := "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if account != "" {
		d.n++
		head += gatekit.Header + ": " + sharedKey.Sign(gatekit.Decision{ID: "dec_" + strconv.Itoa(d.n), Method: "GET", Target: target, Body: sha256.Sum256(nil),
			Account: account, Credential: "key:kwk_1", Scopes: "read.orders", Issued: time.Now()}) + "\r\n"
	}
	_, _ = conn.Write([]byte(head + "\r\n"))
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	e := &ear{d.t, conn, bufio.NewReader(conn)}
	for line := "x"; strings.TrimSpace(line) != ""; {
		if line, err = e.in.ReadString('\n'); err != nil {
			d.t.Fatal(err)
		}
		if strings.HasPrefix(line, "HTTP/1.1 401") {
			return nil
		}
		// The example of RFC 6455 §1.3.
		if strings.HasPrefix(line, "Sec-WebSocket-Accept") && !strings.Contains(line, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
			d.t.Error(line)
		}
	}
	return e
}

func (e *ear) says(text string) {
	b := append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
	if len(text) > 125 {
		b = append([]byte{0x81, 0x80 | 126, byte(len(text) >> 8), byte(len(text)), 0, 0, 0, 0}, text...)
	}
	_, _ = e.conn.Write(b)
}

// hears is the next message that is not about the time.
func (e *ear) hears() string {
	e.t.Helper()
	for {
		s := socket{conn: e.conn, in: e.in}
		text, err := s.unmasked()
		if err != nil {
			e.t.Fatal(err)
		}
		if !strings.Contains(text, `"event":"clock"`) {
			return text
		}
	}
}

// unmasked reads what a server sends: the same frames without a mask.
func (s *socket) unmasked() (string, error) {
	head := make([]byte, 2)
	if _, err := s.in.Read(head[:1]); err != nil {
		return "", err
	}
	if _, err := s.in.Read(head[1:]); err != nil {
		return "", err
	}
	size := int(head[1])
	if size == 126 {
		a, _ := s.in.ReadByte()
		b, err := s.in.ReadByte()
		if err != nil {
			return "", err
		}
		size = int(a)<<8 | int(b)
	}
	text := make([]byte, size)
	for i := range text {
		var err error
		if text[i], err = s.in.ReadByte(); err != nil {
			return "", err
		}
	}
	return string(text), nil
}

func TestAStreamTellsItsAccountAlone(t *testing.T) {
	d := newDesk(t)
	at := httptest.NewServer(d.bots)
	defer at.Close()
	mina, other := d.listens(at, "/v1/stream", "acc_mina"), d.listens(at, "/v1/stream", "acc_other")
	okx := d.listens(at, "/ws/v5/private", "acc_mina")
	okx.says(`{"op":"subscribe","args":[{"channel":"orders","instType":"ANY"}]}`)
	if said := okx.hears(); !strings.Contains(said, `"event":"subscribe"`) {
		t.Error(said)
	}
	d.asks("acc_mina", "POST", good[1].target, good[1].kind, good[1].body)
	d.asks("acc_other", "POST", "/v1/orders", jsonKind, `{"symbol":"BTC-USD","side":"sell","quantity":"7","price":"900"}`)
	if said := mina.hears(); !strings.Contains(said, `"status":"open"`) || !strings.Contains(said, `"quantity":"0.001"`) {
		t.Error(said)
	}
	if said := okx.hears(); !strings.Contains(said, `"state":"live"`) {
		t.Error(said)
	}
	if said := other.hears(); !strings.Contains(said, `"quantity":"7"`) {
		t.Errorf("the other account reads %s", said)
	}
}

// Whose a stream is was decided when it began: a login, good or not, changes nothing.
func TestALoginInAStreamChangesNothing(t *testing.T) {
	d := newDesk(t)
	at := httptest.NewServer(d.bots)
	defer at.Close()
	for target, login := range map[string]string{
		"/ws/v5/private": `{"op":"login","args":[{"apiKey":"kwk_other","passphrase":"p","timestamp":"1538054050","sign":"x"}]}`,
		"/v5/private":    `{"op":"auth","args":["kwk_other",1662350400000,"x"]}`,
		"/ws-api/v3":     `{"id":1,"method":"session.logon","params":{"apiKey":"kwk_other"}}`,
	} {
		e := d.listens(at, target, "acc_mina")
		e.says(login)
		if said := e.hears(); strings.Contains(said, `"code":"0"`) || strings.Contains(said, `"success":true`) || strings.Contains(said, `"status":200`) {
			t.Errorf("%s: %s", target, said)
		}
	}
}

func TestNoStreamWithoutADecision(t *testing.T) {
	d := newDesk(t)
	at := httptest.NewServer(d.bots)
	defer at.Close()
	for _, target := range []string{"/v1/stream", "/ws/v5/private", "/v5/private", "/ws-api/v3"} {
		if d.listens(at, target, "") != nil {
			t.Errorf("%s opened for anybody", target)
		}
	}
}
