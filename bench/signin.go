package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/go-webauthn/webauthn/protocol"

	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// A sign-in with a passkey: an assertion is verified and a session is durable. The
// person comes back in a browser that is known, where their last session is
// replaced by the new one.

const members = 512

// member is a person with a passkey.
type member struct {
	browser *softkey.Browser
	cookie  string // of the device
	addr    string
	key     *softkey.BindingKey
}

// enlist signs people up, in process: there is nothing to measure about it.
func (c *core) enlist(ctx context.Context, origin string) (all []*member, err error) {
	for i := range members {
		m := &member{browser: &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{}}, addr: address(i), key: softkey.NewBindingKey()}
		options, ticket, err := c.signin.BeginSignUp(ctx, fmt.Sprintf("member%d@example.com", i), "en")
		if err != nil {
			return nil, err
		}
		credential, err := m.browser.Create(options)
		if err != nil {
			return nil, err
		}
		in, err := c.signin.FinishSignUp(ctx, store.Cause{Actor: "anonymous"}, ticket, credential, signin.From{Agent: device.Agent("Chrome"), Kind: session.Web})
		if err != nil {
			return nil, err
		}
		m.cookie = in.DeviceCookie
		all = append(all, m)
	}
	return all, nil
}

// signer sends answers that were signed beforehand.
type signer struct{ requests [][]byte }

func (s *signer) next([]byte) ([]byte, error) {
	if len(s.requests) == 0 {
		return nil, io.EOF
	}
	r := s.requests[0]
	s.requests = s.requests[1:]
	return r, nil
}

func (s *signer) see(a answer) error {
	if a.status != 200 || a.cookie("__Host-kw_rt") == nil {
		return fmt.Errorf("sign-in: %w", a.unexpected())
	}
	return nil
}

// touches prepares n sign-ins for each connection: the challenge is asked for and
// the passkey signs. Both cost the person and not the figure.
func (t *guild) touches(conns, n int, bound bool) ([]script, error) {
	nonce, err := t.nonce()
	if err != nil {
		return nil, err
	}
	scripts, errs := make([]script, conns), make([]error, conns)
	each(conns, func(i int) {
		w, err := dial(t.public)
		if err != nil {
			errs[i] = err
			return
		}
		defer w.c.Close()
		s := &signer{}
		for k := range n {
			r, err := t.touch(w, t.members[(i+k*conns)%len(t.members)], nonce, bound)
			if err != nil {
				errs[i] = err
				return
			}
			s.requests = append(s.requests, r)
		}
		scripts[i] = s
	})
	return scripts, errors.Join(errs...)
}

const jsonType = "Content-Type: application/json\r\n"

func (t *guild) touch(w *wire, m *member, nonce string, bound bool) ([]byte, error) {
	origin := "Origin: " + t.origin() + "\r\n"
	a, err := w.do(request(nil, "POST", "/signin/begin", t.host(), m.addr, origin+jsonType, []byte("{}")))
	if err != nil {
		return nil, err
	}
	var begun struct{ Options json.RawMessage }
	if err := json.Unmarshal(a.body, &begun); err != nil || a.status != 200 {
		return nil, fmt.Errorf("begin: %w", a.unexpected())
	}
	credential, err := m.browser.Get(begun.Options)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"credential": json.RawMessage(credential), "remember": false, "to": "/"})
	if err != nil {
		return nil, err
	}
	more := origin + jsonType + "Cookie: __Host-kw_device=" + m.cookie + "\r\n"
	if bound {
		more += "DPoP: " + m.key.Proof(softkey.DPoP{Method: "POST", URL: t.origin() + "/signin/finish", Nonce: nonce}, time.Now()) + "\r\n"
	}
	return request(nil, "POST", "/signin/finish", t.host(), m.addr, more, body), nil
}

// guild is a deployment with members.
type guild struct {
	*town
	members []*member
}

func (b *bench) signIn(ctx context.Context) (err error) {
	bare, shut, err := bareSQLite(ctx, b.path("bare-signin"))
	if err != nil {
		return err
	}
	defer shut()
	d, err := b.deploy(ctx, "signin", "")
	if err != nil {
		return err
	}
	c, err := d.open(ctx)
	if err != nil {
		return err
	}
	g := &guild{town: &town{deployment: d}}
	g.members, err = c.enlist(ctx, d.origin())
	if err = errors.Join(err, c.db.Close()); err != nil {
		return err
	}
	if _, err := d.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	verify, err := bareAssertion()
	if err != nil {
		return err
	}
	const conns = 16
	enter := func(name string, bound bool) gauge {
		each := 200
		return gauge{name, func(ctx context.Context) (sample, error) {
			scripts, err := g.touches(conns, each, bound)
			if err != nil {
				return sample{}, err
			}
			if err := d.server.settle(ctx); err != nil {
				return sample{}, err
			}
			s, err := d.served(ctx, scripts, b.span)
			each = int(1.5*s.rate*b.span.Seconds())/conns + 50
			return s, err
		}}
	}
	s, err := b.rounds(ctx, verify, bare, enter("sign-in", false), enter("sign-in that binds", true))
	if err != nil {
		return err
	}
	// What both allow together when one person's work is a signature and a commit.
	var limit series
	for i := range s[0] {
		limit = append(limit, sample{rate: 1 / (1/s[0][i].rate + 1/s[1][i].rate)})
	}
	const part = "passkey sign-in, SQLite"
	b.add(
		figure{Part: part, Name: "bare assertion verify", Ours: s[0].rate(), Unit: "/s", Remark: "go-webauthn, all cores"},
		figure{Part: part, Name: "bare commit", Ours: s[1].rate(), Unit: "/s", Remark: "one by one"},
		against(figure{Part: part, Name: "16 connections", Of: "1/(1/verify + 1/commit)", Least: 0.4, Remark: "answer to the challenge, known device"}, s[2], limit),
		against(figure{Part: part, Name: "16 connections, binding a key", Of: "the same", Least: 0.4, Remark: "and a DPoP proof: a second signature, a second commit"}, s[3], limit),
	)
	return nil
}

// bareAssertion verifies one assertion again and again with the library alone, on
// all cores.
func bareAssertion() (gauge, error) {
	const origin, rpID = "https://auth.example.com", "example.com"
	browser := &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{}}
	challenge := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	created, err := browser.Create([]byte(`{"rp":{"id":"example.com"},"user":{"id":"AQ","name":"a"},"challenge":"` + challenge + `","pubKeyCredParams":[{"type":"public-key","alg":-7}]}`))
	if err != nil {
		return gauge{}, err
	}
	made, err := protocol.ParseCredentialCreationResponseBytes(created)
	if err != nil {
		return gauge{}, err
	}
	key := made.Response.AttestationObject.AuthData.AttData.CredentialPublicKey
	answer, err := browser.Get([]byte(`{"challenge":"` + challenge + `","rpId":"example.com"}`))
	if err != nil {
		return gauge{}, err
	}
	verify := func() error {
		p, err := protocol.ParseCredentialRequestResponseBytes(answer)
		if err != nil {
			return err
		}
		return p.Verify(challenge, rpID, "", []string{origin}, []string{origin}, nil, protocol.TopOriginExplicitVerificationMode, false, true, true, key, protocol.SignaturePolicy{})
	}
	return gauge{"bare assertion verify", func(ctx context.Context) (sample, error) {
		var n atomic.Int64
		errs := make([]error, 16)
		begin := time.Now()
		each(len(errs), func(i int) {
			for time.Since(begin) < time.Second/2 && errs[i] == nil {
				errs[i] = verify()
				n.Add(1)
			}
		})
		return sample{rate: float64(n.Load()) / time.Since(begin).Seconds()}, errors.Join(errs...)
	}}, verify()
}
