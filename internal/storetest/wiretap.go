package storetest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Wiretap sits between a test and PostgreSQL. It hands every byte on and notes
// how often the client waits for the server, and what it runs.
type Wiretap struct {
	URL string // open this instead of the database's own address

	mu    sync.Mutex // guards the rest
	trips int
	ran   []string
}

// Tap puts a wiretap in front of a database.
func Tap(t testing.TB, address string) *Wiretap {
	t.Helper()
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	network, to := "tcp", net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port))
	if strings.HasPrefix(cfg.Host, "/") {
		network, to = "unix", fmt.Sprintf("%s/.s.PGSQL.%d", cfg.Host, cfg.Port)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	u := url.URL{Scheme: "postgres", User: url.UserPassword(cfg.User, cfg.Password), Host: l.Addr().String(), Path: "/" + cfg.Database, RawQuery: "sslmode=disable"}
	w := &Wiretap{URL: u.String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.DialTimeout(network, to, 5*time.Second)
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

// Forget begins a new count.
func (w *Wiretap) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trips, w.ran = 0, nil
}

// Trips is how often the client has waited for an answer.
func (w *Wiretap) Trips() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trips
}

// Ran lists the statements that were run, in order, without their arguments.
func (w *Wiretap) Ran() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ran
}

// listen copies the client's messages. The first one greets and has no type byte.
func (w *Wiretap) listen(server io.Writer, client io.Reader) {
	for head := 0; ; head = 1 {
		start := make([]byte, head+4)
		if _, err := io.ReadFull(client, start); err != nil {
			return
		}
		rest := make([]byte, binary.BigEndian.Uint32(start[head:])-4)
		if _, err := io.ReadFull(client, rest); err != nil {
			return
		}
		if head == 1 {
			w.note(start[0], rest)
		}
		if _, err := server.Write(append(start, rest...)); err != nil {
			return
		}
	}
}

func (w *Wiretap) note(kind byte, body []byte) {
	text := func(b []byte) string { s, _, _ := bytes.Cut(b, []byte{0}); return string(s) }
	w.mu.Lock()
	defer w.mu.Unlock()
	switch kind {
	case 'S': // Sync
		w.trips++
	case 'Q': // a simple Query; the driver asks a connection that was idle for a second whether it is there
		if q := text(body); q != "-- ping" {
			w.trips++
			w.ran = append(w.ran, q)
		}
	case 'B': // Bind: the portal, and the prepared statement, which store names by its text
		_, statement, _ := bytes.Cut(body, []byte{0})
		w.ran = append(w.ran, text(statement))
	}
}
