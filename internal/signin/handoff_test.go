package signin_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
)

const (
	returnTo = "https://exchange.example.net/back"
	verifier = "what-the-exchange-keeps-for-the-browser-that-asked"
)

// asked is what the exchange asks with.
var asked = signin.Ask{Client: "exchange", URL: returnTo, Challenge: keyring.Hash(verifier)}

func TestHandoff(t *testing.T) {
	ctx := context.Background()
	tries := []struct {
		name   string
		client string
		before func(w *signintest.World, p *signintest.Person)
		code   func(code string) string
		with   string // verifier
		want   error
	}{
		{name: "at once"},
		{name: "almost a minute later", before: func(w *signintest.World, _ *signintest.Person) { w.Clock.Sleep(59 * time.Second) }},
		{name: "a minute later", before: func(w *signintest.World, _ *signintest.Person) { w.Clock.Sleep(time.Minute) }, want: signin.ErrHandoff},
		{name: "with the verifier of another browser", with: "what-the-exchange-keeps-for-the-thief's-browser", want: signin.ErrHandoff},
		{name: "with the challenge in the verifier's place", with: base64.RawURLEncoding.EncodeToString(asked.Challenge[:]), want: signin.ErrHandoff},
		{name: "by another client", client: "somebody-else", want: signin.ErrHandoff},
		{name: "with a code nobody made", code: func(string) string { return strings.Repeat("A", 43) }, want: signin.ErrHandoff},
		{name: "with no code", code: func(string) string { return "" }, want: signin.ErrHandoff},
		{name: "for a session that was ended", before: func(w *signintest.World, p *signintest.Person) {
			ses := p.Session()
			_, err := w.Contain.EndSession(ctx, p.Cause(), ses, ses.ID)
			w.Must(err)
		}, want: signin.ErrHandoff},
		{name: "for an account that was frozen", before: func(w *signintest.World, p *signintest.Person) {
			_, err := w.Contain.Freeze(ctx, p.Cause(), p.Account, "here")
			w.Must(err)
		}, want: signin.ErrHandoff},
		{name: "for an account whose sessions were all ended", before: func(w *signintest.World, p *signintest.Person) {
			_, err := w.Contain.EndAll(ctx, p.Cause(), p.Account)
			w.Must(err)
		}, want: signin.ErrHandoff},
		{name: "for a session that was replaced", before: func(_ *signintest.World, p *signintest.Person) { p.In() }, want: signin.ErrHandoff},
		{name: "for an account that was erased", before: func(w *signintest.World, p *signintest.Person) {
			w.Must(w.Contain.Erase(ctx, p.Cause(), p.Account))
		}, want: signin.ErrHandoff},
	}
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for _, row := range tries {
			t.Run(row.name, func(t *testing.T) {
				w.In(t)
				p := w.Person()
				ses := p.Session()
				code, err := w.SignIn.Handoff(t.Context(), ses, asked, p.From())
				w.Must(err)
				if row.before != nil {
					row.before(w, p)
				}
				client, shown, with := "exchange", code, verifier
				if row.with != "" {
					with = row.with
				}
				if row.client != "" {
					client = row.client
				}
				if row.code != nil {
					shown = row.code(code)
				}
				before := w.Events(p.Account)
				r, err := w.SignIn.RedeemHandoff(t.Context(), p.Cause(), client, shown, with)
				w.Refused(err, row.want)
				if err != nil {
					if r.Account.ID != "" || r.Session.ID != "" || w.Events(p.Account) != before {
						t.Errorf("a refusal told %+v", r)
					}
					return
				}
				if r.Account.ID != p.Account || r.Session.ID != ses.ID || r.Session.ACR != ses.ACR {
					t.Errorf("the code stands for %+v", r)
				}
				_, err = w.SignIn.RedeemHandoff(t.Context(), p.Cause(), client, shown, verifier)
				w.Refused(err, signin.ErrHandoff)
			})
		}
	})
}

// A try by the wrong client, or with the wrong verifier, does not spend the code of the right one, and of any
// number of right ones one learns who it is.
func TestAHandoffIsGoodOnce(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		code, err := w.SignIn.Handoff(t.Context(), p.Session(), asked, p.From())
		w.Must(err)
		var told, refused atomic.Int64
		var g sync.WaitGroup
		for i := range 32 {
			g.Go(func() {
				client, with := "exchange", verifier
				switch i % 4 {
				case 0:
					client = "somebody-else"
				case 1:
					with += "."
				}
				switch _, err := w.SignIn.RedeemHandoff(t.Context(), p.Cause(), client, code, with); {
				case err == nil && i%4 > 1:
					told.Add(1)
				case errors.Is(err, signin.ErrHandoff):
					refused.Add(1)
				default:
					t.Errorf("client %s: got %v", client, err)
				}
			})
		}
		g.Wait()
		if told.Load() != 1 || refused.Load() != 31 {
			t.Errorf("one code told %d clients", told.Load())
		}
	})
}

// Codes that were never fetched do not pile up.
func TestStaleHandoffsAreSwept(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		for range 3 {
			_, err := w.SignIn.Handoff(t.Context(), p.Session(), asked, p.From())
			w.Must(err)
		}
		w.Clock.Sleep(2 * time.Minute)
		_, err := w.SignIn.Handoff(t.Context(), p.Session(), asked, p.From())
		w.Must(err)
		if n := w.Count("signin_handoff"); n != 1 {
			t.Errorf("%d codes wait", n)
		}
	})
}

// What a copied cookie brings its thief: nothing that lasts longer than itself.
func TestACookieAloneIsNotHandedOn(t *testing.T) {
	ctx := context.Background()
	unbound := func(p *signintest.Person) *signintest.Person {
		q := p.Elsewhere()
		q.JKT = ""
		return q.In()
	}
	asks := []struct {
		name string
		who  func(w *signintest.World, p *signintest.Person) *signintest.Person
		from func(f signin.From) signin.From
		want error
	}{
		{name: "the browser that holds the session's key"},
		{name: "without a proof", from: func(f signin.From) signin.From { f.JKT, f.JTI = "", ""; return f }, want: session.ErrProofMissing},
		{name: "with a proof of another key", from: func(f signin.From) signin.From { f.JKT = "key-of-the-thief"; return f }, want: session.ErrProofMissing},
		{name: "a browser without a key, without a touch", who: func(_ *signintest.World, p *signintest.Person) *signintest.Person {
			return unbound(p)
		}, want: device.ErrStepUp},
		{name: "a browser without a key, with a proof of one that just came along", who: func(_ *signintest.World, p *signintest.Person) *signintest.Person {
			return unbound(p)
		}, from: func(f signin.From) signin.From { f.JKT, f.JTI = "key-of-the-thief", "once"; return f }, want: device.ErrStepUp},
		{name: "a browser without a key, with a touch for something else", who: func(_ *signintest.World, p *signintest.Person) *signintest.Person {
			return unbound(p).Touch(device.ActCodesNew, "")
		}, want: device.ErrStepUp},
		{name: "a browser without a key, with a touch that only confirms", who: func(_ *signintest.World, p *signintest.Person) *signintest.Person {
			return unbound(p).Touch(device.ActConfirmMe, "")
		}, want: device.ErrStepUp},
		{name: "a browser without a key, with a touch for this", who: func(_ *signintest.World, p *signintest.Person) *signintest.Person {
			return unbound(p).Touch(device.ActHandoff, "")
		}},
		{name: "a session that a recovery code opened", who: func(w *signintest.World, p *signintest.Person) *signintest.Person {
			code := p.Touch(device.ActCodesNew, "").Codes()[0]
			q := p.Elsewhere()
			w.Must(q.SignInByCode(code))
			return q
		}, want: signin.ErrPower},
		{name: "a session on a frozen account, opened to lift the freeze", who: func(w *signintest.World, p *signintest.Person) *signintest.Person {
			_, err := w.Contain.Freeze(ctx, p.Cause(), p.Account, "here")
			w.Must(err)
			return p.In()
		}, want: signin.ErrFrozen},
	}
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for _, row := range asks {
			t.Run(row.name, func(t *testing.T) {
				w.In(t)
				p := w.Person()
				if row.who != nil {
					p = row.who(w, p)
				}
				f := p.From()
				if row.from != nil {
					f = row.from(f)
				}
				before := w.Count("signin_handoff")
				ses := p.Session()
				code, err := w.SignIn.Handoff(ctx, ses, asked, f)
				w.Refused(err, row.want)
				if err != nil {
					if n := w.Count("signin_handoff"); n != before {
						t.Error("a refusal left a code")
					}
					return
				}
				_, err = w.SignIn.RedeemHandoff(ctx, p.Cause(), "exchange", code, verifier)
				w.Must(err)
				again := session.ErrProofReplayed // the same proof, or the touch that is used up
				if ses.JKT == "" {
					again = device.ErrStepUp
				}
				_, err = w.SignIn.Handoff(ctx, ses, asked, f)
				w.Refused(err, again)
			})
		}
	})
}

// A session that ended while its cookie was still believed from memory.
func TestAnEndedSessionIsNotHandedOn(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		ses := p.Session()
		_, err := w.Contain.EndSession(t.Context(), p.Cause(), ses, ses.ID)
		w.Must(err)
		_, err = w.SignIn.Handoff(t.Context(), ses, asked, p.From())
		w.Refused(err, session.ErrEnded)
	})
}

func TestWhatAHandoffIsAskedWith(t *testing.T) {
	good := base64.RawURLEncoding.EncodeToString(asked.Challenge[:])
	for _, row := range []struct {
		name, challenge string
		ok              bool
	}{
		{"the hash of a verifier", good, true},
		{"none", "", false},
		{"one character less", good[:42], false},
		{"with padding", good + "=", false},
		{"a line break that decoders skip", good[:42] + "\n", false},
		{"the other base64 alphabet", strings.Repeat("+", 43), false},
		{"bits that belong to no byte", good[:42] + "B", false},
	} {
		if c, ok := signin.ParseChallenge(row.challenge); ok != row.ok || ok && c != asked.Challenge {
			t.Errorf("challenge, %s: %v", row.name, ok)
		}
	}
	for _, row := range []struct {
		name, state string
		ok          bool
	}{
		{"sixteen characters", strings.Repeat("a", 16), true},
		{"a hundred and twenty-eight", strings.Repeat("-", 128), true},
		{"one less", strings.Repeat("a", 15), false},
		{"one more", strings.Repeat("a", 129), false},
		{"none", "", false},
		{"what an address would split at", "0123456789abcdef&code=1", false},
		{"a letter of another alphabet", "0123456789abcdé", false},
	} {
		if ok := signin.ValidState(row.state); ok != row.ok {
			t.Errorf("state, %s: %v", row.name, ok)
		}
	}
}
