package session

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// Round trips decide how many refreshes a second PostgreSQL gives, so they are
// counted, by somebody who sits on the wire.
func TestTripsToPostgreSQL(t *testing.T) {
	wire := tap(t, storetest.PostgresURL(t))
	db, err := store.Open(t.Context(), store.Options{URL: wire.url, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := newWorld(t, db, nil)
	p := w.person()
	one, two, weak := p.signIn(bound), p.signIn(bound, elsewhere), p.signIn(elsewhere)
	var old Issued
	for _, row := range []struct {
		name string
		want int64
		f    func(t *testing.T) error
	}{
		{"a turn: the statement that decides, then the proof and the event with the commit", 2, func(*testing.T) error { old = one.iss; return one.refresh() }},
		{"a turn without a key is no more", 2, func(*testing.T) error { return weak.refresh() }},
		{"a retry reads once more, and spends its proof on the side", 5, func(*testing.T) error { _, err := one.present(old.Refresh, one.jkt); return err }},
		{"a check that is not in memory", 1, func(*testing.T) error { w.s.cache.forget(two.iss.Session); return two.check() }},
		{"a check from memory", 0, func(*testing.T) error { return two.check() }},
		{"a forged token", 0, func(t *testing.T) error {
			_, err := one.present(strings.ToUpper(one.iss.Refresh), one.jkt)
			w.refused(err, ErrRefreshInvalid)
			return nil
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for range 2 { // the first prepares the statements
				wire.trips.Store(0)
				if err := row.f(t); err != nil {
					t.Fatal(err)
				}
			}
			if n := wire.trips.Load(); n != row.want {
				t.Errorf("%d trips, want %d", n, row.want)
			}
		})
	}
}

// wiretap hands bytes to and fro and counts how often the client waits.
type wiretap struct {
	url   string
	trips atomic.Int64
}

func tap(t *testing.T, url string) *wiretap {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	network, addr := "tcp", net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port))
	if strings.HasPrefix(cfg.Host, "/") {
		network, addr = "unix", fmt.Sprintf("%s/.s.PGSQL.%d", cfg.Host, cfg.Port)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := &wiretap{url: fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", cfg.User, cfg.Password, l.Addr(), cfg.Database)}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.DialTimeout(network, addr, 5*time.Second)
			if err != nil {
				client.Close()
				continue
			}
			go func() { defer client.Close(); _, _ = io.Copy(client, server) }()
			go func() { defer server.Close(); w.listen(server, bufio.NewReader(client)) }()
		}
	}()
	return w
}

// listen copies the client's messages and counts each Sync and simple Query. The
// first message, which greets, has no type byte.
func (w *wiretap) listen(server io.Writer, client *bufio.Reader) {
	for head := 0; ; head = 1 {
		start, err := client.Peek(head + 4)
		if err != nil {
			return
		}
		if head == 1 && (start[0] == 'S' || start[0] == 'Q' && !ping(client)) {
			w.trips.Add(1)
		}
		if _, err := io.CopyN(server, client, int64(head)+int64(binary.BigEndian.Uint32(start[head:]))); err != nil {
			return
		}
	}
}

// ping reports whether the next message is the driver asking if a connection that
// was idle for a second is still there.
func ping(client *bufio.Reader) bool {
	m, err := client.Peek(12)
	return err == nil && string(m[5:]) == "-- ping"
}
