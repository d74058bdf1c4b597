package gate

import (
	"net"
	"testing"
	"time"

	"keyward/internal/softkey"
)

// A message of 200 bytes through the gate, upstream to client, on one stream.
func BenchmarkAMessageThroughAStream(b *testing.B) {
	y, e := streamYard(b)
	bot, _ := y.p.Bot(watching)
	s, _, err := softkey.Open(y.handshake(bot, "/v1/stream"))
	y.w.Must(err)
	defer s.Close()
	e.mu.Lock()
	up := e.conns[0]
	e.mu.Unlock()
	one := message(make([]byte, 200))
	b.ReportAllocs()
	b.SetBytes(int64(len(one)))
	b.ResetTimer()
	go func(conn net.Conn) {
		_ = conn.SetWriteDeadline(time.Time{})
		for range b.N {
			if _, err := conn.Write(one); err != nil {
				return
			}
		}
	}(up)
	for range b.N {
		if _, err := s.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
