package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"

	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// The session check: what every request of a signed-in person costs before
// anything happens. One child of this program serves three doors, so that they
// share everything but the handler: an empty one, one that finds the session in
// memory, and one that may not trust its memory and reads the row each time.

const (
	checked     = 1000 // sessions
	checkConns  = 16
	checkedPath = "/check"
)

// doors are the addresses of the child.
type doors struct{ Empty, Hit, Miss string }

// ticket is an access token with the address it was given out to.
type ticket struct{ Token, Addr string }

// serveChecks is the child: it opens the deployment in dir, signs its people in
// and serves until it is told to stop.
func serveChecks(ctx context.Context, dir string) error {
	d := &deployment{dir: dir, url: "sqlite:" + filepath.Join(dir, "keyward.db"), public: "localhost:7480"}
	c, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer c.db.Close()
	seats, err := c.load(ctx, d.url, population{rows: checked, used: checked, keys: []*softkey.BindingKey{softkey.NewBindingKey()}})
	if err != nil {
		return err
	}
	tickets, err := c.admit(ctx, seats)
	if err != nil {
		return err
	}
	forgetful := session.New(c.db, c.ring, c.log, session.DefaultLifetimes(), func() bool { return false }, session.Metrics{})
	log, err := os.Create(filepath.Join(dir, "access.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	rim, err := edge.New(edge.Options{
		Now: c.db.Now, Logger: slog.New(edge.Redact(slog.NewTextHandler(log, nil))), PublicURL: d.origin(), Metrics: edge.NewMetrics(),
		Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, RateFactor: 1e6,
	})
	if err != nil {
		return err
	}
	var open doors
	for _, x := range []struct {
		addr *string
		h    http.Handler
	}{
		{&open.Empty, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })},
		{&open.Hit, guarded(rim, c.sessions)},
		{&open.Miss, guarded(rim, forgetful)},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		*x.addr = l.Addr().String()
		go rim.Server(x.h).Serve(l)
	}
	out := bufio.NewWriter(os.Stdout)
	if err := errors.Join(json.NewEncoder(out).Encode(open), json.NewEncoder(out).Encode(tickets), out.Flush()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// guarded is the whole way of a request to a handler that only wants to know who
// is there.
func guarded(rim *edge.Edge, sessions *session.Service) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+checkedPath, rim.Limit(edge.ClassPage, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := edge.AccessCookie.Read(r)
		if _, err := sessions.Check(r.Context(), token, edge.CauseFrom(r.Context()).Addr, ""); err != nil {
			edge.Fail(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})))
	return rim.Handler(edge.Routes(mux))
}

// admit gets an access token for each seat, by the refresh that hands them out.
func (c *core) admit(ctx context.Context, seats []*seat) (tickets []ticket, err error) {
	for _, s := range seats {
		addr := netip.MustParseAddr(s.addr)
		r := session.Refresh{Presented: s.token, Addr: addr}
		if s.key != nil {
			r.JKT, r.JTI = s.key.Thumbprint(), "first-"+s.family
		}
		iss, err := c.sessions.Rotate(ctx, store.Cause{Actor: "anonymous", Addr: addr}, r)
		if err != nil {
			return nil, err
		}
		tickets = append(tickets, ticket{iss.Access, s.addr})
	}
	return tickets, nil
}

// checker asks with one of its tickets.
type checker struct{ requests [][]byte }

func (c *checker) next([]byte) ([]byte, error) { return c.requests[rand.IntN(len(c.requests))], nil }

func (c *checker) see(a answer) error {
	if a.status != http.StatusNoContent {
		return fmt.Errorf("check: %w", a.unexpected())
	}
	return nil
}

func checkers(host string, tickets []ticket) (scripts []script) {
	for i := range checkConns {
		c := &checker{}
		for k := i; k < len(tickets); k += checkConns {
			more := "Cookie: __Host-kw_at=" + tickets[k].Token + "; __Host-kw_device=nobody-reads-this-one-here-but-it-is-sent-along\r\n"
			c.requests = append(c.requests, request(nil, "GET", checkedPath, host, tickets[k].Addr, more, nil))
		}
		scripts = append(scripts, c)
	}
	return scripts
}

func (b *bench) check(ctx context.Context) (err error) {
	d, err := b.deploy(ctx, "check", "")
	if err != nil {
		return err
	}
	child, open, tickets, err := b.startChecks(d.dir)
	if err != nil {
		return err
	}
	defer child.stop()
	door := func(name, addr string) gauge {
		at := &deployment{public: addr, server: child}
		return gauge{name, func(ctx context.Context) (sample, error) { return at.served(ctx, checkers(at.host(), tickets), b.span) }}
	}
	s, err := b.rounds(ctx, door("empty handler", open.Empty), door("check, in memory", open.Hit), door("check, from the row", open.Miss))
	if err != nil {
		return err
	}
	b.add(figure{Part: "session check", Name: "empty net/http handler", Ours: s[0].rate(), Unit: "/s", CPU: s[0].cpu(), Remark: "the limit"})
	for i, f := range []figure{
		{Part: "session check", Name: "session in memory", Of: "empty handler", Least: 0.5},
		{Part: "session check", Name: "session read from SQLite each time", Of: "empty handler", Least: 0.2},
	} {
		at := &deployment{public: []string{open.Hit, open.Miss}[i], server: child}
		late, err := b.waits(ctx, at, checkers(at.host(), tickets), s[i+1].rate()/2)
		if err != nil {
			return err
		}
		b.add(late(against(f, s[i+1], s[0])))
	}
	return nil
}

// startChecks starts the child and hears where its doors are.
func (b *bench) startChecks(dir string) (*process, doors, []ticket, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, doors{}, nil, err
	}
	child, said, err := launch(filepath.Join(dir, "log"), self, "-serve-checks", dir)
	if err != nil {
		return nil, doors{}, nil, err
	}
	var open doors
	var tickets []ticket
	from := json.NewDecoder(said)
	if err := errors.Join(from.Decode(&open), from.Decode(&tickets)); err != nil {
		child.stop()
		return nil, open, nil, fmt.Errorf("the child that serves checks: %w: %s", err, tail(child.log))
	}
	return child, open, tickets, nil
}
