package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
)

// What apps and services ask without a person: a token of their own, and whether a
// token they were shown is good. Beside an empty handler that gets the same bytes.

const introspectPath = "/oauth/introspect"

// asker sends requests that were made beforehand and looks for a word in the answer.
type asker struct {
	requests [][]byte
	want     []byte
}

func (a *asker) next([]byte) ([]byte, error) { return a.requests[rand.IntN(len(a.requests))], nil }

func (a *asker) see(got answer) error {
	if got.status >= 300 || !bytes.HasPrefix(got.body, a.want) {
		return fmt.Errorf("asked: %w", got.unexpected())
	}
	return nil
}

// asking deals requests out to connections.
func asking(want string, requests [][]byte) (scripts []script) {
	for i := range checkConns {
		a := &asker{want: []byte(want)}
		for k := i; k < len(requests); k += checkConns {
			a.requests = append(a.requests, requests[k])
		}
		scripts = append(scripts, a)
	}
	return scripts
}

func (b *bench) tokens(ctx context.Context) (err error) {
	empty, err := b.deploy(ctx, "empty", "")
	if err != nil {
		return err
	}
	child, open, _, err := b.startChecks(empty.dir)
	if err != nil {
		return err
	}
	defer child.stop()
	t, a, err := b.settle(ctx, "tokens", "", population{rows: checked, used: checked})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()

	// Each request from an address of its own, as everywhere: limits are not the figure.
	own := func() (all [][]byte) {
		for i := range checked {
			all = append(all, request(nil, "POST", tokenPath, t.host(), address(i), formType+a.basic, []byte("grant_type=client_credentials&scope=read")))
		}
		return all
	}
	shown := func() (all [][]byte, err error) {
		w, err := dial(t.public)
		if err != nil {
			return nil, err
		}
		defer w.c.Close()
		for i, s := range t.unbound {
			r := &renewer{host: t.host(), apps: a, seats: []*seat{s}}
			q, _ := r.next(nil)
			got, err := w.do(q)
			if err == nil {
				err = r.see(got)
			}
			if err != nil {
				return nil, err
			}
			body := url.Values{"token": {string(between(got.body, `"access_token":"`, '"'))}}.Encode()
			all = append(all, request(nil, "POST", introspectPath, t.host(), address(i), formType+a.basic, []byte(body)))
		}
		return all, t.server.settle(ctx)
	}
	// New tokens for each round: the first time each is shown is part of the figure.
	look := func(ctx context.Context, at *deployment, want string) (sample, error) {
		all, err := shown()
		if err != nil {
			return sample{}, err
		}
		return at.served(ctx, asking(want, all), b.span)
	}
	nobody := &deployment{public: open.Empty, server: child}
	s, err := b.rounds(ctx,
		gauge{"empty handler", func(ctx context.Context) (sample, error) { return look(ctx, nobody, "") }},
		gauge{"client credentials", func(ctx context.Context) (sample, error) {
			return t.served(ctx, asking(`{"access_token":"`, own()), b.span)
		}},
		gauge{"introspection", func(ctx context.Context) (sample, error) {
			return look(ctx, t.deployment, `{"active":true`)
		}},
	)
	if err != nil {
		return err
	}
	const part = "apps without a person, SQLite"
	late, err := b.waits(ctx, t.deployment, asking(`{"access_token":"`, own()), s[1].rate()/2)
	if err != nil {
		return err
	}
	all, err := shown()
	if err != nil {
		return err
	}
	later, err := b.waits(ctx, t.deployment, asking(`{"active":true`, all), s[2].rate()/2)
	if err != nil {
		return err
	}
	b.add(
		figure{Part: part, Name: "empty net/http handler", Ours: s[0].rate(), Unit: "/s", CPU: s[0].cpu(), Remark: "the limit; the same requests"},
		late(against(figure{Part: part, Name: "client credentials", Of: "empty handler", Least: 0.1, Remark: "random secret by SHA-256; one ES256 signature"}, s[1], s[0])),
		later(against(figure{Part: part, Name: "introspection", Of: "empty handler", Least: 0.3, Remark: count(checked) + " tokens, new ones in each round"}, s[2], s[0])),
	)
	return nil
}
