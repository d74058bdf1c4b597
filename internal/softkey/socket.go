package softkey

import (
	"bufio"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Socket is a bot's end of a stream (RFC 6455): as much of a client as a bot needs that
// wants to be told things.
type Socket struct {
	net.Conn
	in *bufio.Reader

	mu sync.Mutex // guards writes
}

// Closed is how the other end closed a stream.
type Closed struct {
	Status int
	Reason string
}

func (c *Closed) Error() string { return fmt.Sprintf("closed: %d %s", c.Status, c.Reason) }

// Open opens a stream at a request's address with its headers. The answer is there when
// the server said anything else than yes.
func Open(r *http.Request) (*Socket, *http.Response, error) { return OpenTLS(r, nil) }

// OpenTLS does so where the address is https, with what the bot trusts; nil: what the
// system does.
func OpenTLS(r *http.Request, trust *tls.Config) (*Socket, *http.Response, error) {
	conn, err := net.DialTimeout("tcp", r.URL.Host, 10*time.Second)
	if err != nil {
		return nil, nil, err
	}
	if r.URL.Scheme == "https" {
		if trust == nil {
			trust = new(tls.Config)
		}
		trust = trust.Clone()
		trust.ServerName, trust.NextProtos = r.URL.Hostname(), []string{"http/1.1"}
		conn = tls.Client(conn, trust)
	}
	s := &Socket{Conn: conn, in: bufio.NewReader(conn)}
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	out := r.Clone(r.Context())
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": base64.StdEncoding.EncodeToString(key)} {
		if _, said := out.Header[http.CanonicalHeaderKey(name)]; !said {
			out.Header.Set(name, value)
		}
	}
	if err := out.Write(conn); err != nil {
		conn.Close()
		return nil, nil, err
	}
	res, err := http.ReadResponse(s.in, out)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		conn.Close()
		res.Body = io.NopCloser(strings.NewReader(string(body)))
		return nil, res, fmt.Errorf("softkey: %s: %s", res.Status, body)
	}
	return s, res, nil
}

// Say sends one text message.
func (s *Socket) Say(text string) error { return s.frame(0x1, []byte(text)) }

// Leave sends a close.
func (s *Socket) Leave(status uint16) error {
	return s.frame(0x8, binary.BigEndian.AppendUint16(nil, status))
}

func (s *Socket) frame(op byte, payload []byte) error {
	var mask [4]byte
	_, _ = rand.Read(mask[:])
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.Write(b)
	return err
}

// Next is the next message, in however many frames. Pings are answered. The error of an
// orderly end is a *Closed.
func (s *Socket) Next() (string, error) {
	var text []byte
	for {
		var head [2]byte
		if _, err := io.ReadFull(s.in, head[:]); err != nil {
			return "", err
		}
		size := uint64(head[1] & 0x7f)
		switch size {
		case 126:
			var n [2]byte
			if _, err := io.ReadFull(s.in, n[:]); err != nil {
				return "", err
			}
			size = uint64(binary.BigEndian.Uint16(n[:]))
		case 127:
			var n [8]byte
			if _, err := io.ReadFull(s.in, n[:]); err != nil {
				return "", err
			}
			size = binary.BigEndian.Uint64(n[:])
		}
		if size > 64<<20 {
			return "", fmt.Errorf("softkey: a frame of %d bytes", size)
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(s.in, b); err != nil {
			return "", err
		}
		switch op := head[0] & 0x0f; op {
		case 0x8:
			c := &Closed{Status: 1005}
			if len(b) >= 2 {
				c.Status, c.Reason = int(binary.BigEndian.Uint16(b)), string(b[2:])
				_ = s.frame(0x8, b[:2])
			}
			return "", c
		case 0x9:
			_ = s.frame(0xa, b)
		case 0xa:
		default:
			if text = append(text, b...); head[0]&0x80 != 0 {
				return string(text), nil
			}
		}
	}
}

// StreamRequest is a handshake signed in the native profile; target is path and query.
func (b *Bot) StreamRequest(origin, target string, now time.Time) *http.Request {
	u, err := url.Parse(origin + target)
	if err != nil {
		panic(err) // made by whoever calls
	}
	r := &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	b.Sign(r, nil, now)
	return r
}

// LoginBinance, LoginOKX and LoginBybit are first messages as clients of those exchanges
// send them, under the bot's secret.
func (b *Bot) LoginBinance(now time.Time) string {
	text := "apiKey=" + b.ID + "&timestamp=" + strconv.FormatInt(now.UnixMilli(), 10)
	return fmt.Sprintf(`{"id":1,"method":"session.logon","params":{"apiKey":%q,"timestamp":%d,"signature":%q}}`, b.ID, now.UnixMilli(), b.raw(text, hex.EncodeToString))
}

func (b *Bot) LoginOKX(passphrase string, now time.Time) string {
	at := strconv.FormatInt(now.Unix(), 10)
	return fmt.Sprintf(`{"op":"login","args":[{"apiKey":%q,"passphrase":%q,"timestamp":%q,"sign":%q}]}`, b.ID, passphrase, at,
		b.raw(at+"GET/users/self/verify", base64.StdEncoding.EncodeToString))
}

func (b *Bot) LoginBybit(now time.Time) string {
	ends := strconv.FormatInt(now.Add(5*time.Second).UnixMilli(), 10)
	return fmt.Sprintf(`{"op":"auth","args":[%q,%s,%q]}`, b.ID, ends, b.raw("GET/realtime"+ends, hex.EncodeToString))
}

// raw signs a text as it stands: with the Ed25519 key where the bot has one, spelled in
// base64, and else with the secret.
func (b *Bot) raw(text string, spell func([]byte) string) string {
	if b.Private != nil {
		return base64.StdEncoding.EncodeToString(ed25519.Sign(b.Private, []byte(text)))
	}
	m := hmac.New(sha256.New, []byte(b.Secret))
	m.Write([]byte(text))
	return spell(m.Sum(nil))
}
