package main

import (
	"context"
	"errors"
)

// Forward-auth and ext_authz: what a front waits for before each request of a bot.

func (b *bench) gate(ctx context.Context) error {
	if err := b.gateInProcess(ctx); err != nil {
		return err
	}
	if err := b.gateOn(ctx, "SQLite", ""); err != nil {
		return err
	}
	return b.gateKeys(ctx, 10_000)
}

// gatePostgres is the same where several gates share what was let in.
func (b *bench) gatePostgres(ctx context.Context) error {
	c, err := b.postgres(ctx)
	if err != nil {
		return err
	}
	url, err := c.database(ctx)
	if err != nil {
		return err
	}
	return b.gateOn(ctx, "PostgreSQL", url)
}

func (b *bench) gateOn(ctx context.Context, on, url string) (err error) {
	d, err := b.deploy(ctx, "gate-"+slug(on, gateBots), url)
	if err != nil {
		return err
	}
	child, doors, bots, err := b.startGate(d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, child.stop()) }()
	at := func(addr string) *deployment { return &deployment{public: addr, server: child} }
	reads := func(name, addr string) gauge {
		return gauge{name, func(ctx context.Context) (sample, error) {
			return at(addr).served(ctx, questions(bots, gateBots, false), b.span)
		}}
	}
	orders := func(name, addr string) gauge {
		return gauge{name, func(ctx context.Context) (sample, error) {
			return at(addr).served(ctx, questions(bots, int(60_000*b.span.Seconds()), true), b.span)
		}}
	}
	part := "gate, " + on
	if on != "SQLite" {
		s, err := b.rounds(ctx, orders("empty handler", doors.Empty), orders("forward-auth, orders", doors.Check))
		if err != nil {
			return err
		}
		b.add(figure{Part: part, Name: "empty net/http handler", Ours: s[0].rate(), Unit: "/s", CPU: s[0].cpu(), Remark: "the limit; the same requests"},
			against(figure{Part: part, Name: "forward-auth, orders", Of: "empty handler", Remark: "each claimed in the database, many in one statement and one durable commit; no bar"}, s[1], s[0]))
		return nil
	}
	s, err := b.rounds(ctx, reads("empty handler", doors.Empty), reads("forward-auth, reads", doors.Check), orders("empty handler, orders", doors.Empty), orders("forward-auth, orders", doors.Check))
	if err != nil {
		return err
	}
	rpc := func(name, addr string) gauge {
		return gauge{name, func(ctx context.Context) (sample, error) { return b.asked(ctx, child, addr, checks(bots, gateBots)) }}
	}
	r, err := b.rounds(ctx, rpc("empty Check", doors.EmptyRPC), rpc("ext_authz, reads", doors.RPC))
	if err != nil {
		return err
	}
	late, err := b.waits(ctx, at(doors.Check), questions(bots, gateBots, false), s[1].rate()/2)
	if err != nil {
		return err
	}
	b.add(figure{Part: part, Name: "empty net/http handler", Ours: s[0].rate(), Unit: "/s", CPU: s[0].cpu(), Remark: "the limit; the same requests"},
		late(against(figure{Part: part, Name: "forward-auth, reads", Of: "empty handler", Least: 0.5, Remark: "HMAC, window, address, right, speed, decision token"}, s[1], s[0])),
		against(figure{Part: part, Name: "forward-auth, orders", Of: "empty handler", Least: 0.5, Remark: "and none of them twice"}, s[3], s[2]),
		figure{Part: part, Name: "empty Check over gRPC", Ours: r[0].rate(), Unit: "/s", CPU: r[0].cpu(), Remark: "the limit: grpc with Envoy's own messages"},
		against(figure{Part: part, Name: "ext_authz over gRPC, reads", Of: "empty Check", Least: 0.5}, r[1], r[0]))
	return nil
}
