package signin_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
)

const returnTo = "https://exchange.example.net/back"

func TestHandoff(t *testing.T) {
	ctx := context.Background()
	tries := []struct {
		name   string
		client string
		before func(w *signintest.World, p *signintest.Person)
		code   func(code string) string
		want   error
	}{
		{name: "at once"},
		{name: "almost a minute later", before: func(w *signintest.World, _ *signintest.Person) { w.Clock.Sleep(59 * time.Second) }},
		{name: "a minute later", before: func(w *signintest.World, _ *signintest.Person) { w.Clock.Sleep(time.Minute) }, want: signin.ErrHandoff},
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
				code, err := w.SignIn.Handoff(t.Context(), ses, "exchange", returnTo)
				w.Must(err)
				if row.before != nil {
					row.before(w, p)
				}
				client, shown := "exchange", code
				if row.client != "" {
					client = row.client
				}
				if row.code != nil {
					shown = row.code(code)
				}
				before := w.Events(p.Account)
				r, err := w.SignIn.RedeemHandoff(t.Context(), p.Cause(), client, shown)
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
				_, err = w.SignIn.RedeemHandoff(t.Context(), p.Cause(), client, shown)
				w.Refused(err, signin.ErrHandoff)
			})
		}
	})
}

// A try by the wrong client does not spend the code of the right one, and of any
// number of right ones one learns who it is.
func TestAHandoffIsGoodOnce(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		code, err := w.SignIn.Handoff(t.Context(), p.Session(), "exchange", returnTo)
		w.Must(err)
		var told, refused atomic.Int64
		var g sync.WaitGroup
		for i := range 32 {
			g.Go(func() {
				client := "exchange"
				if i%4 == 0 {
					client = "somebody-else"
				}
				switch _, err := w.SignIn.RedeemHandoff(t.Context(), p.Cause(), client, code); {
				case err == nil && i%4 != 0:
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
			_, err := w.SignIn.Handoff(t.Context(), p.Session(), "exchange", returnTo)
			w.Must(err)
		}
		w.Clock.Sleep(2 * time.Minute)
		_, err := w.SignIn.Handoff(t.Context(), p.Session(), "exchange", returnTo)
		w.Must(err)
		if n := w.Count("signin_handoff"); n != 1 {
			t.Errorf("%d codes wait", n)
		}
	})
}
