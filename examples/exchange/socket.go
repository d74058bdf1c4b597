package exchange

import (
	"bufio"
	"crypto/sha1" // RFC 6455 §4.2.2 says so; it keeps no secret
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// socket is the server's end of a WebSocket (RFC 6455), as much of it as telling a client
// things takes. An exchange of any size takes a library for it.
type socket struct {
	conn net.Conn
	in   *bufio.Reader

	mu sync.Mutex // guards writes
}

var errNotOurs = errors.New("exchange: not a message that is read here")

// open answers a handshake. listed is done before the client reads the answer: what
// happens from then on is told.
func open(w http.ResponseWriter, r *http.Request, listed func(*socket)) (*socket, error) {
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_ = conn.SetDeadline(time.Time{})
	s := &socket{conn: conn, in: both.Reader}
	s.mu.Lock() // nothing is said before the answer
	defer s.mu.Unlock()
	listed(s)
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	return s, err
}

// say sends one message. Who does not read is not waited for.
func (s *socket) say(body any) error {
	b, err := json.Marshal(body)
	if text, plain := body.(string); plain {
		b, err = []byte(text), nil
	}
	if err != nil || len(b) > 1<<15 {
		return errNotOurs
	}
	return s.frame(0x1, b)
}

func (s *socket) frame(op byte, b []byte) error {
	head := []byte{0x80 | op, byte(len(b))}
	if len(b) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{0x80 | op, 126}, uint16(len(b)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, err := s.conn.Write(append(head, b...))
	return err
}

// next is the next short message in one frame; longer ones nobody sends here.
func (s *socket) next() (string, error) {
	for {
		var head [8]byte
		if _, err := io.ReadFull(s.in, head[:2]); err != nil {
			return "", err
		}
		size := int(head[1] & 0x7f)
		if size == 126 {
			if _, err := io.ReadFull(s.in, head[2:4]); err != nil {
				return "", err
			}
			size = int(binary.BigEndian.Uint16(head[2:4]))
		} else if size == 127 {
			return "", errNotOurs
		}
		if head[0]&0x80 == 0 || head[1]&0x80 == 0 {
			return "", errNotOurs
		}
		if _, err := io.ReadFull(s.in, head[4:8]); err != nil {
			return "", err
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(s.in, b); err != nil {
			return "", err
		}
		for i := range b {
			b[i] ^= head[4+i%4]
		}
		switch head[0] & 0x0f {
		case 0x1:
			return string(b), nil
		case 0x8:
			_ = s.frame(0x8, b)
			return "", io.EOF
		case 0x9:
			if err := s.frame(0xa, b); err != nil {
				return "", err
			}
		}
	}
}
