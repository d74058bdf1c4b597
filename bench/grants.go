package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"keyward/internal/oauth"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// Refresh tokens of apps, turned at the token endpoint: one app with a secret whose
// tokens are bound to nothing, and one without that proves its key (DPoP).

// apps are the two that everybody let in.
type apps struct {
	secret, public string
	basic          string // Authorization header of the first
}

const formType = "Content-Type: application/x-www-form-urlencoded\r\n"

// register makes them. They are the exchange's own: nobody has to vouch for them.
func (c *core) register(ctx context.Context) (a apps, err error) {
	n := oauth.NewClient{
		Name: "Back end", Owner: "bench", Auth: oauth.AuthSecret, FirstParty: true, Redirects: []string{"https://app.example.net/back"},
		Scopes: []string{"offline_access", "read"},
	}
	cause := store.Cause{Actor: "system:bench"}
	with, secret, err := c.oauth.Register(ctx, cause, n)
	if err != nil {
		return a, err
	}
	n.Name, n.Auth = "Phone", oauth.AuthNone
	without, _, err := c.oauth.Register(ctx, cause, n)
	a.secret, a.public = string(with.ID), string(without.ID)
	a.basic = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(a.secret+":"+secret)) + "\r\n"
	return a, err
}

// renewer turns the refresh tokens of apps.
type renewer struct {
	host   string
	apps   apps
	seats  []*seat
	proofs []string
	now    *seat
	body   []byte
}

func (r *renewer) next(dst []byte) ([]byte, error) {
	r.now = r.seats[rand.IntN(len(r.seats))]
	r.body = append(append(r.body[:0], "grant_type=refresh_token&refresh_token="...), r.now.token...)
	more := formType + r.apps.basic
	if r.now.key != nil {
		if len(r.proofs) == 0 {
			return nil, io.EOF
		}
		r.body = append(append(r.body, "&client_id="...), r.now.app...)
		more, r.proofs = formType+"DPoP: "+r.proofs[0]+"\r\n", r.proofs[1:]
	}
	return request(dst, "POST", tokenPath, r.host, r.now.addr, more, r.body), nil
}

const tokenPath = "/oauth/token"

func (r *renewer) see(a answer) error {
	token := between(a.body, `"refresh_token":"`, '"')
	if a.status != 200 || token == nil {
		return fmt.Errorf("token: %w", a.unexpected())
	}
	r.now.token = string(token)
	return nil
}

// settle loads a population whose sessions let both apps in, and starts the server.
func (b *bench) settle(ctx context.Context, name, url string, p population) (t *town, a apps, err error) {
	t, err = b.populateWith(ctx, name, url, func(c *core) (population, error) {
		a, err = c.register(ctx)
		p.secret, p.public = a.secret, a.public
		return p, err
	})
	return t, a, err
}

// renewing are n scripts of the app with a secret.
func (t *town) renewing(a apps, n int) (scripts []script) {
	for i := range n {
		scripts = append(scripts, &renewer{host: t.host(), apps: a, seats: share(t.unbound, n, i)})
	}
	return scripts
}

// renewingBound is one script for each key, with proofs made beforehand.
func (t *town) renewingBound(a apps, proofs int) ([]script, error) {
	nonce, err := t.tokenNonce(a)
	if err != nil {
		return nil, err
	}
	at := time.Now()
	scripts := make([]script, len(t.keys))
	each(len(t.keys), func(i int) {
		key := t.keys[i]
		r := &renewer{host: t.host(), apps: a, seats: t.bound[key]}
		for range proofs / len(t.keys) {
			r.proofs = append(r.proofs, key.Proof(softkey.DPoP{Method: "POST", URL: t.origin() + tokenPath, Nonce: nonce}, at))
		}
		scripts[i] = r
	})
	return scripts, nil
}

// tokenNonce is brought by the refusal of a proof without one (RFC 9449 §8).
func (t *town) tokenNonce(a apps) (string, error) {
	w, err := dial(t.public)
	if err != nil {
		return "", err
	}
	defer w.c.Close()
	proof := t.keys[0].Proof(softkey.DPoP{Method: "POST", URL: t.origin() + tokenPath}, time.Now())
	got, err := w.do(request(nil, "POST", tokenPath, t.host(), address(0), formType+a.basic+"DPoP: "+proof+"\r\n", []byte("grant_type=client_credentials")))
	if err != nil {
		return "", err
	}
	n := got.header("Dpop-Nonce")
	if n == nil {
		return "", got.unexpected()
	}
	return string(bytes.Clone(n)), nil
}

func (b *bench) grantsSQLite(ctx context.Context) error {
	return b.onSQLite(ctx, "bare-grants", b.grantsOn)
}
func (b *bench) grantsPostgres(ctx context.Context) error { return b.onPostgres(ctx, b.grantsOn) }

// grantsOn measures the figures of a refresh by an app on one database.
func (b *bench) grantsOn(ctx context.Context, on string, bare gauge, of string, least float64, database func() (string, error)) (err error) {
	var keys []*softkey.BindingKey
	for range provers {
		keys = append(keys, softkey.NewBindingKey())
	}
	settled := func(p population) (*town, apps, error) {
		url, err := database()
		if err != nil {
			return nil, apps{}, err
		}
		return b.settle(ctx, "grants-"+slug(on, p.rows), url, p)
	}
	few, inFew, err := settled(population{rows: fewRows, used: fewRows, keys: keys})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, few.stop()) }()
	many, inMany, err := settled(population{rows: b.many, used: min(b.many, 100_000)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, many.stop()) }()
	at := func(name string, t *town, a apps, n int) gauge {
		return gauge{on + " " + name, func(ctx context.Context) (sample, error) { return t.served(ctx, t.renewing(a, n), b.span) }}
	}
	proofs := 4000
	s, err := b.rounds(ctx,
		bare,
		at("app's refresh, 16 connections", few, inFew, 16),
		at("app's refresh, 64 connections", few, inFew, 64),
		gauge{on + " app's refresh with DPoP, 16 connections", func(ctx context.Context) (sample, error) {
			scripts, err := few.renewingBound(inFew, proofs)
			if err != nil {
				return sample{}, err
			}
			s, err := few.served(ctx, scripts, b.span)
			proofs = int(1.5*s.rate*b.span.Seconds()) + 1000 // so that they outlast the next round
			return s, err
		}},
		at("app's refresh, 16 connections, many rows", many, inMany, 16),
	)
	if err != nil {
		return err
	}
	sixteen, sixtyFour, proving, grown := s[1], s[2], s[3], s[4]
	late, err := b.waits(ctx, few.deployment, few.renewing(inFew, 64), sixteen.rate()/2)
	if err != nil {
		return err
	}
	part := "refresh of apps, " + on
	b.add(
		late(against(figure{Part: part, Name: "16 connections, with a secret", Of: of, Least: least, Remark: "answers with a signed access token"}, sixteen, s[0])),
		against(figure{Part: part, Name: "64 connections", Of: of, Least: least}, sixtyFour, s[0]),
		against(figure{Part: part, Name: "16 connections, DPoP", Of: "ours without", Least: 0.6}, proving, sixteen),
		against(figure{Part: part, Name: "16 connections, " + count(b.many) + " grants", Of: "ours at " + count(fewRows), Least: b.grown}, grown, sixteen),
	)
	return nil
}
