package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"keyward/executor"
	"keyward/internal/confirm"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// What a person waits for after a touch: a step-up, and a withdrawal on its way from the
// back end's question to the service that sends it. One after the other, on SQLite: this is
// how long it takes and not how many there may be. What the passkey and the person do in
// between is no part of it.

const (
	touched   = 300 // times a round
	moneyApp  = "treasury"
	moneySum  = "0.25"
	moneyTo   = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
	moneyRest = 48 * time.Hour // the address has been known for so long

	// payers: people who pay in turn. What somebody paid in the last day is summed up at each
	// approval, and nobody pays thousands of times a day.
	payers = 64
)

// owner is a person with a session, in process.
type owner struct {
	*core
	browser *softkey.Browser
	ses     session.Session
	money   *confirm.Service
	sends   *executor.Verifier
}

// waits collects how long each step took.
type waits map[string][]time.Duration

func (w waits) took(name string, f func() error) error {
	begin := time.Now()
	err := f()
	w[name] = append(w[name], time.Since(begin))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (w waits) quantile(name string, q float64) time.Duration {
	slices.Sort(w[name])
	return run{late: w[name]}.quantile(q)
}

// touches measures both beside the signatures and commits that are in them, in the same
// round.
func (b *bench) touches(ctx context.Context) (err error) {
	bare, shut, err := bareSQLite(ctx, b.path("bare-touch"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut()) }()
	d, err := b.deploy(ctx, "touch", "")
	if err != nil {
		return err
	}
	c, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.db.Close()) }()
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(c.ring.JWKS()) }))
	defer keys.Close()
	var people [payers]*owner
	for i := range people {
		if people[i], err = c.owner(ctx, i, d.origin(), keys.URL); err != nil {
			return err
		}
	}
	n := 0
	next := func() *owner { n++; return people[n%payers] }
	one, err := signatures()
	if err != nil {
		return err
	}
	w := waits{}
	journey := func(name string, f func(context.Context, waits) error, steps ...string) gauge {
		return gauge{name, func(ctx context.Context) (sample, error) {
			round := waits{}
			for range touched {
				if err := f(ctx, round); err != nil {
					return sample{}, err
				}
			}
			took := time.Duration(0)
			for _, s := range steps {
				for _, x := range round[s] {
					took += x
				}
				w[s] = append(w[s], round[s]...)
			}
			return sample{rate: touched / took.Seconds()}, nil
		}}
	}
	steps := []string{"withdrawal asked for", "its approval", "its proof signed", "verified by executor"}
	s, err := b.rounds(ctx, one, bare, journey("step-up", func(ctx context.Context, w waits) error { return next().stepsUp(ctx, w) }, "step-up"),
		journey("withdrawal", func(ctx context.Context, w waits) error { return next().pays(ctx, w) }, steps...))
	if err != nil {
		return err
	}
	limit := func(verifies, commits float64) (out series) {
		for i := range s[0] {
			out = append(out, sample{rate: 1 / (verifies/s[0][i].rate + commits/s[1][i].rate)})
		}
		return out
	}
	const part = "after a touch, SQLite"
	latency := func(name string) figure {
		return figure{Part: part, Name: name, P50: millis(w.quantile(name, 0.5)), P99: millis(w.quantile(name, 0.99))}
	}
	up := against(figure{Part: part, Name: "step-up", Of: "a signature, a commit", Least: 0.4, Remark: "the touch verified and kept, new secrets, one event"}, s[2], limit(1, 1))
	up.P50, up.P99 = millis(w.quantile("step-up", 0.5)), millis(w.quantile("step-up", 0.99))
	b.add(up, against(figure{Part: part, Name: "withdrawal, all of it", Of: "4 signatures, 2 commits", Least: 0.4, Remark: "asked, approved, proof signed, verified by executor"}, s[3], limit(4, 2)))
	for _, name := range steps {
		b.add(latency(name))
	}
	return nil
}

// signatures is one ECDSA verification after the other, as an authenticator signs.
func signatures() (gauge, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), nil)
	if err != nil {
		return gauge{}, err
	}
	digest := sha256.Sum256([]byte("an assertion"))
	sig, err := ecdsa.SignASN1(nil, key, digest[:])
	if err != nil {
		return gauge{}, err
	}
	return gauge{"bare ECDSA verify, one at a time", func(context.Context) (sample, error) {
		begin, n := time.Now(), 0
		for ; time.Since(begin) < time.Second/4; n++ {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], sig) {
				return sample{}, errors.New("it does not verify")
			}
		}
		return sample{rate: float64(n) / time.Since(begin).Seconds()}, nil
	}}, nil
}

func (c *core) owner(ctx context.Context, i int, origin, jwks string) (*owner, error) {
	o := &owner{core: c, browser: &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{}}}
	options, ticket, err := c.signin.BeginSignUp(ctx, fmt.Sprintf("owner%d@example.com", i), "en")
	if err != nil {
		return nil, err
	}
	credential, err := o.browser.Create(options)
	if err != nil {
		return nil, err
	}
	in, err := c.signin.FinishSignUp(ctx, store.Cause{Actor: "anonymous"}, ticket, credential, signin.From{Agent: device.Agent("Chrome"), Kind: session.Web})
	if err != nil {
		return nil, err
	}
	if err := c.db.View(ctx, func(tx *store.Tx) (err error) {
		o.ses, err = c.sessions.ByID(tx, in.Account, in.Session)
		return err
	}); err != nil {
		return nil, err
	}
	o.money, err = confirm.New(confirm.Parts{
		DB: c.db, Ring: c.ring, Log: c.log, Accounts: c.accounts, Devices: c.devices, Sessions: c.sessions, Mint: session.NewMint(c.ring, origin, c.db.Now),
	}, confirm.Settings{Limits: map[string]confirm.Limit{"BTC": {Small: big.NewRat(1_000_000, 1)}}})
	if err != nil {
		return nil, err
	}
	o.sends, err = executor.New(executor.Config{Issuer: origin, Audience: moneyApp, RPID: "localhost", Origins: []string{origin}, JWKSURL: jwks, Now: c.db.Now})
	if err != nil {
		return nil, err
	}
	// The first time an address is asked for it is new, and no passkey is enough for a day.
	first, err := o.money.Create(ctx, o.backEnd(), o.ask())
	if err != nil {
		return nil, err
	}
	if err := o.money.Refuse(ctx, o.cause(), o.ses, first.ID); err != nil { // which makes it wait anew
		return nil, err
	}
	return o, c.housekeep(ctx, "UPDATE confirm_address SET first_at = first_at - $1, hold_until = hold_until - $1 WHERE account = $2", moneyRest.Microseconds(), string(o.ses.Account))
}

func (o *owner) cause() store.Cause   { return store.Cause{Actor: "account:" + string(o.ses.Account)} }
func (o *owner) backEnd() store.Cause { return store.Cause{Actor: "client:" + moneyApp} }

func (o *owner) ask() confirm.Ask {
	return confirm.Ask{Client: moneyApp, Session: o.ses.ID, Withdrawal: executor.Withdrawal{
		Account: string(o.ses.Account), Asset: "BTC", Network: "bitcoin", Amount: moneySum, MaxFee: "0.0001", Address: moneyTo,
	}}
}

func (o *owner) stepsUp(ctx context.Context, w waits) error {
	act := device.Act{Kind: device.ActCodesNew}
	options, err := o.signin.BeginStepUp(ctx, o.ses, act)
	if err != nil {
		return err
	}
	answer, err := o.browser.Get(options)
	if err != nil {
		return err
	}
	return w.took("step-up", func() error {
		_, err := o.signin.FinishStepUp(ctx, o.cause(), o.ses, act, answer, signin.From{Agent: o.ses.Agent, Kind: session.Web})
		return err
	})
}

func (o *owner) pays(ctx context.Context, w waits) (err error) {
	var i confirm.Intent
	if err := w.took("withdrawal asked for", func() error { i, err = o.money.Create(ctx, o.backEnd(), o.ask()); return err }); err != nil {
		return err
	}
	by := confirm.By{Session: o.ses, Proved: true}
	options, err := o.money.Begin(ctx, by, i.ID)
	if err != nil {
		return err
	}
	answer, err := o.browser.Get(options)
	if err != nil {
		return err
	}
	if err := w.took("its approval", func() error { _, err := o.money.Approve(ctx, o.cause(), by, i.ID, answer); return err }); err != nil {
		return err
	}
	var a confirm.Answer
	if err := w.took("its proof signed", func() error { a, err = o.money.Answer(ctx, moneyApp, i.ID); return err }); err != nil {
		return err
	}
	return w.took("verified by executor", func() error {
		_, err := o.sends.Verify(ctx, a.Proof, i.Withdrawal, time.Now())
		return err
	})
}
