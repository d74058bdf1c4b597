package signin_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
)

func TestSignIn(t *testing.T) {
	tries := []struct {
		name   string
		before func(p *signintest.Person)
		tricks []softkey.Trick
		from   func(p *signintest.Person, f *signin.From)
		want   error
	}{
		{name: "with the passkey"},
		{name: "with a passkey nobody has", before: func(p *signintest.Person) {
			p.Keys = &softkey.Authenticator{}
			p.W.Must(p.W.NewPerson().SignUp())
			q := p.W.NewPerson() // registered nowhere: the ceremony is begun and not finished
			q.Keys = p.Keys
			options, _, err := p.W.SignIn.BeginSignUp(context.Background(), q.Mail, "en")
			p.W.Must(err)
			_, err = q.Browser().Create(options)
			p.W.Must(err)
		}, want: signin.ErrNotAccepted},
		{name: "with a bad signature", tricks: []softkey.Trick{softkey.BogusSignature}, want: signin.ErrNotAccepted},
		{name: "from a look-alike page", tricks: []softkey.Trick{softkey.LookAlike}, want: signin.ErrNotAccepted},
		{name: "without user verification", tricks: []softkey.Trick{softkey.NoVerification}, want: signin.ErrNotAccepted},
		{name: "naming another user", tricks: []softkey.Trick{softkey.OtherUserHandle([]byte("somebody else"))}, want: signin.ErrNotAccepted},
		{name: "with the challenge of a step-up", before: func(p *signintest.Person) {
			// begun below with BeginSignIn; the trick answers another challenge
		}, tricks: []softkey.Trick{softkey.Challenge(make([]byte, 56))}, want: signin.ErrNotAccepted},
		{name: "to a frozen account: that is how a freeze is lifted", before: func(p *signintest.Person) { p.W.SetStatus(p.Account, account.Frozen) }},
		{name: "to a restricted account", before: func(p *signintest.Person) { p.W.SetStatus(p.Account, account.Restricted) }},
		{name: "to a closed account, whose owner may hear it", before: func(p *signintest.Person) { p.W.SetStatus(p.Account, account.Closed) }, want: signin.ErrAccountClosed},
		{name: "with a counter that went backwards: a signal, no refusal", before: func(p *signintest.Person) {
			p.In().In().In()
		}, tricks: []softkey.Trick{softkey.CounterBack}},
		{name: "to be remembered, in a browser with a key", from: func(_ *signintest.Person, f *signin.From) { f.Remember = true }},
		{name: "to be remembered, in a browser without one", from: func(_ *signintest.Person, f *signin.From) {
			f.Remember, f.JKT, f.JTI = true, "", ""
		}, want: session.ErrUnbound},
		{name: "with a proof that was used before", from: func(p *signintest.Person, f *signin.From) {
			p.W.Must(p.W.Sessions.SpendProof(context.Background(), f.JKT, f.JTI))
		}, want: session.ErrProofReplayed},
	}
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for _, row := range tries {
			t.Run(row.name, func(t *testing.T) {
				w.In(t)
				p := w.NewPerson()
				p.Keys.Counts = true
				w.Must(p.SignUp())
				if row.before != nil {
					row.before(p)
				}
				before, sessions := w.Events(p.Account), w.Count("session_session")
				f := p.From()
				if row.from != nil {
					row.from(p, &f)
				}
				err := p.SignInWith(f, row.tricks...)
				w.Refused(err, row.want)
				if err != nil {
					if after := w.Events(p.Account); after != before || w.Count("session_session") != sessions {
						t.Errorf("a refusal left %q", after)
					}
					return
				}
				if got := strings.TrimPrefix(w.Events(p.Account), before); got != " session.started" {
					t.Errorf("the log says %q more", got)
				}
				p.Session()
			})
		}
	})
}

// Of any number of requests with one answer one signs in.
func TestOneTouchMakesOneSession(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		options, err := w.SignIn.BeginSignIn(t.Context())
		w.Must(err)
		answer, err := p.Browser().Get(options)
		w.Must(err)
		var in, spent atomic.Int64
		var g sync.WaitGroup
		for range 32 {
			g.Go(func() {
				q := p.Elsewhere()
				switch _, err := w.SignIn.FinishSignIn(t.Context(), p.Cause(), answer, q.From()); {
				case err == nil:
					in.Add(1)
				case errors.Is(err, device.ErrChallengeSpent):
					spent.Add(1)
				default:
					t.Errorf("got %v", err)
				}
			})
		}
		g.Wait()
		if in.Load() != 1 || spent.Load() != 31 {
			t.Errorf("one touch signed in %d times, %d tries found it spent", in.Load(), spent.Load())
		}
	})
}

// The owner reads what happened in words.
func TestWhatTheLogSaysOfASignIn(t *testing.T) {
	last := func(w *signintest.World, p *signintest.Person) audit.Record {
		recs := w.Records(p.Account)
		return recs[len(recs)-1]
	}
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.NewPerson()
		p.Keys.Counts = true
		w.Must(p.SignUp())
		w.Must(p.SignInWith(p.From()))
		if r := last(w, p); r.Payload["new_device"] != "" || !strings.Contains(audit.Sentence(r, "en"), "You signed in on Firefox") {
			t.Errorf("at home: %s", audit.Sentence(r, "en"))
		}
		q := p.Elsewhere()
		q.Keys = p.Keys
		w.Must(q.SignInWith(q.From()))
		if r := last(w, p); r.Payload["new_device"] != "yes" || !strings.Contains(audit.Sentence(r, "en"), "not seen before") {
			t.Errorf("elsewhere: %s", audit.Sentence(r, "en"))
		}
		w.Must(p.SignInWith(p.From(), softkey.CounterBack))
		if r := last(w, p); r.Payload["signal"] != "counter_regressed" || !strings.Contains(audit.Sentence(r, "en"), "counted backwards") {
			t.Errorf("counted backwards: %s", audit.Sentence(r, "en"))
		}
		if s := audit.Sentence(last(w, p), "ko"); !strings.Contains(s, "거꾸로") {
			t.Errorf("in Korean: %s", s)
		}
	})
}

// One browser is one line in the list, and a stolen device cookie replaces nothing
// without the passkey.
func TestSigningInAgainReplacesTheSession(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		first := *p
		p.In()
		live, ended := p.Sessions()
		if len(live) != 1 || len(ended) != 1 || ended[0].EndedWhy != session.EndedReplaced {
			t.Errorf("%d live, ended %+v", len(live), ended)
		}
		w.Refused(first.Refresh(), session.ErrRefreshInvalid)
		_, err := first.Check()
		w.Refused(err, session.ErrEnded)

		other := w.Person() // the same browser, another account
		other.Cookie = p.Cookie
		other.In()
		p.Session()
		if a, b := p.Session().Device, other.Session().Device; a == b {
			t.Error("two accounts in one browser share a device")
		}
	})
}

func TestAnOldChallengeSignsNobodyIn(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		options, err := w.SignIn.BeginSignIn(t.Context())
		w.Must(err)
		answer, err := p.Browser().Get(options)
		w.Must(err)
		w.Clock.Sleep(6 * time.Minute)
		_, err = w.SignIn.FinishSignIn(t.Context(), p.Cause(), answer, p.From())
		w.Refused(err, device.ErrChallengeExpired)
	})
}
