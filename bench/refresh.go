package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"keyward/internal/softkey"
)

// refresher turns refresh tokens over as a page does: POST /session/renew with the
// cookie, which answers with the next one.
type refresher struct {
	host   string
	origin string
	seats  []*seat
	proofs []string // one each, made beforehand; none for unbound seats
	now    *seat
}

func (r *refresher) next(dst []byte) ([]byte, error) {
	r.now = r.seats[rand.IntN(len(r.seats))]
	if r.now.key != nil && len(r.proofs) == 0 {
		return nil, io.EOF
	}
	return r.ask(dst), nil
}

// ask is the request of whoever it is now.
func (r *refresher) ask(dst []byte) []byte {
	more := "Origin: " + r.origin + "\r\nCookie: __Host-kw_rt=" + r.now.token + "\r\n"
	if r.now.key != nil {
		more += "DPoP: " + r.proofs[0] + "\r\n"
		r.proofs = r.proofs[1:]
	}
	return request(dst, "POST", "/session/renew", r.host, r.now.addr, more, nil)
}

func (r *refresher) see(a answer) error {
	token := a.cookie("__Host-kw_rt")
	if a.status != 200 || token == nil {
		return fmt.Errorf("refresh: %w", a.unexpected())
	}
	r.now.token = string(token)
	return nil
}

// town is a deployment with people in it.
type town struct {
	*deployment
	unbound []*seat
	bound   map[*softkey.BindingKey][]*seat
	keys    []*softkey.BindingKey
}

// populate loads people into a fresh deployment and starts its server.
func (b *bench) populate(ctx context.Context, name, url string, p population) (*town, error) {
	return b.populateWith(ctx, name, url, func(*core) (population, error) { return p, nil })
}

// populateWith asks whom to load when the deployment is open.
func (b *bench) populateWith(ctx context.Context, name, url string, whom func(*core) (population, error)) (*town, error) {
	begin := time.Now()
	d, err := b.deploy(ctx, name, url)
	if err != nil {
		return nil, err
	}
	c, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	p, err := whom(c)
	var seats []*seat
	if err == nil {
		seats, err = c.load(ctx, d.url, p)
	}
	if err2 := c.db.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return nil, err
	}
	t := &town{deployment: d, keys: p.keys, bound: map[*softkey.BindingKey][]*seat{}}
	for _, s := range seats {
		if s.key == nil {
			t.unbound = append(t.unbound, s)
		} else {
			t.bound[s.key] = append(t.bound[s.key], s)
		}
	}
	b.say("  %s: %d sessions loaded in %s", name, p.rows, time.Since(begin).Round(100*time.Millisecond))
	_, err = d.start(ctx)
	return t, err
}

// share deals seats out to n connections, so that no two turn the same token.
func share(seats []*seat, n, i int) (mine []*seat) {
	for k := i; k < len(seats); k += n {
		mine = append(mine, seats[k])
	}
	return mine
}

// plain are n scripts of people whose sessions are not bound.
func (t *town) plain(n int) (scripts []script) {
	for i := range n {
		scripts = append(scripts, &refresher{host: t.host(), origin: t.origin(), seats: share(t.unbound, n, i)})
	}
	return scripts
}

// proving is one script for each binding key. The proofs are made beforehand:
// signing them costs a browser, not us.
func (t *town) proving(proofs int) ([]script, error) {
	nonce, err := t.nonce()
	if err != nil {
		return nil, err
	}
	at := time.Now()
	scripts := make([]script, len(t.keys))
	each(len(t.keys), func(i int) {
		key := t.keys[i]
		r := &refresher{host: t.host(), origin: t.origin(), seats: t.bound[key]}
		for range proofs / len(t.keys) {
			r.proofs = append(r.proofs, key.Proof(softkey.DPoP{Method: "POST", URL: t.origin() + "/session/renew", Nonce: nonce}, at))
		}
		scripts[i] = r
	})
	return scripts, nil
}

// nonce asks for a fresh one (RFC 9449 §8).
func (t *town) nonce() (string, error) {
	w, err := dial(t.public)
	if err != nil {
		return "", err
	}
	defer w.c.Close()
	a, err := w.do(request(nil, "GET", "/session/state", t.host(), address(0), "", nil))
	if err != nil {
		return "", err
	}
	n := a.header("Dpop-Nonce")
	if n == nil {
		return "", a.unexpected()
	}
	return string(n), nil
}

// served measures a closed loop against a server, with its CPU, and waits until
// the server has finished what it does behind the answers.
func (d *deployment) served(ctx context.Context, scripts []script, for_ time.Duration) (sample, error) {
	before, err := cpuTime(d.server.pid())
	if err != nil {
		return sample{}, err
	}
	r, err := closed(ctx, d.public, scripts, for_)
	if err != nil {
		return sample{}, fmt.Errorf("%w%s", err, d.lastWords())
	}
	if err := d.server.settle(ctx); err != nil {
		return sample{}, err
	}
	after, err := cpuTime(d.server.pid())
	if err != nil || r.n == 0 {
		return sample{}, fmt.Errorf("no answers: %w", err)
	}
	return sample{rate: r.rate(), cpu: (after - before) / time.Duration(r.n)}, nil
}

func (d *deployment) lastWords() string {
	if err := d.server.ended(); err != nil {
		return "; " + err.Error()
	}
	return ""
}
