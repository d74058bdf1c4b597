package oauth_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"keyward/internal/device"
	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

// remembering is a shop that answers from memory, as the server does.
func remembering(w *signintest.World) *shop {
	s := &shop{World: w, oauth: oauth.New(oauth.Parts{
		DB: w.DB, Log: w.Log, Accounts: w.Accounts, Sessions: w.Sessions, SignIn: w.SignIn, Mint: session.NewMint(w.Ring, signintest.Origin, w.DB.Now),
		Access: 5 * time.Minute, Fresh: w.Watch.Valid, Gates: w.Watch,
	})}
	w.Watch.OnEffect(s.oauth.Heard)
	return s
}

func secretApp(n *oauth.NewClient) { n.Auth = oauth.AuthSecret }

func (s *shop) active(by oauth.Client, token string) bool {
	s.T.Helper()
	in, err := s.oauth.Introspect(context.Background(), by, token)
	s.Must(err)
	return in.Active
}

// ends are all the ways in which a token that was good a moment ago stops being it.
var ends = []struct {
	name string
	act  func(s *shop, p *signintest.Person, c oauth.Client, tok oauth.Tokens)
}{
	{"its app gives it back", func(s *shop, p *signintest.Person, c oauth.Client, tok oauth.Tokens) {
		s.Must(s.oauth.Revoke(context.Background(), p.Cause(), c, tok.Refresh))
	}},
	{"its owner revokes it", func(s *shop, p *signintest.Person, c oauth.Client, _ oauth.Tokens) {
		list, err := s.oauth.Connected(context.Background(), p.Account)
		s.Must(err)
		_, err = s.Contain.EndGrant(context.Background(), p.Cause(), p.Account, list[0].ID, c.Name, false)
		s.Must(err)
	}},
	{"its app is switched off", func(s *shop, _ *signintest.Person, c oauth.Client, _ oauth.Tokens) {
		_, err := s.oauth.TurnOff(context.Background(), operator, c.ID)
		s.Must(err)
	}},
	{"the session it was given in is ended", func(s *shop, p *signintest.Person, _ oauth.Client, _ oauth.Tokens) {
		ses, q := p.Session(), p.Elsewhere().In()
		_, err := s.Contain.EndSession(context.Background(), q.Cause(), q.Session(), ses.ID)
		s.Must(err)
	}},
	{"everything is ended", func(s *shop, p *signintest.Person, _ oauth.Client, _ oauth.Tokens) {
		_, err := s.Contain.EndAll(context.Background(), p.Cause(), p.Account)
		s.Must(err)
	}},
	{"the account is frozen", func(s *shop, p *signintest.Person, _ oauth.Client, _ oauth.Tokens) {
		_, err := s.Contain.Freeze(context.Background(), p.Cause(), p.Account, "here")
		s.Must(err)
	}},
	{"its device is removed", func(s *shop, p *signintest.Person, _ oauth.Client, _ oauth.Tokens) {
		old, q := p.Session(), p.Elsewhere().In()
		q.SecondKey() // or the device held the last way in
		q.Touch(device.ActDevicesRemove, string(old.Device))
		_, err := s.Contain.RemoveDevice(context.Background(), q.Cause(), q.Session(), old.Device)
		s.Must(err)
	}},
}

// Introspection answers from memory, and an end is seen by the very next one.
func TestWhatIntrospectionRemembersEndsAtOnce(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		s := remembering(w)
		for _, row := range ends {
			t.Run(row.name, func(t *testing.T) {
				s.In(t)
				p, c, api := s.Person(), s.app(secretApp), s.app(secretApp)
				tok, err := s.redeem(c, s.code(p, c), "")
				s.Must(err)
				for range 2 { // read, and then remembered
					if !s.active(api, tok.Access) {
						t.Fatal("it is not good to begin with")
					}
				}
				row.act(s, p, c, tok)
				if s.active(api, tok.Access) {
					t.Error("it is still good")
				}
			})
		}
	})
}

// The same where another process ends it: when the act is acknowledged, this one has
// forgotten too. A grant of somebody else is not asked about meanwhile.
func TestWhatAnotherProcessEndsIsForgottenHere(t *testing.T) {
	a, b := signintest.Two(t)
	here, there := remembering(a), remembering(b)
	for _, row := range ends {
		t.Run(row.name, func(t *testing.T) {
			here.In(t)
			there.In(t)
			p, c, api := there.Person(), there.app(secretApp), here.app(secretApp)
			tok, err := there.redeem(c, there.code(p, c), "")
			there.Must(err)
			for range 2 {
				if !here.active(api, tok.Access) {
					t.Fatal("it is not good to begin with")
				}
			}
			row.act(there, p, c, tok)
			if here.active(api, tok.Access) {
				t.Error("the other process still says it is good")
			}
		})
	}
}

// A token that an app got for itself hangs off no grant; its app does.
func TestAnAppThatIsOffIsForgotten(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		s := remembering(w)
		c, api := s.app(secretApp), s.app(secretApp)
		tok, err := s.oauth.Token(t.Context(), store.Cause{}, c, oauth.TokenAsk{Grant: "client_credentials", Scope: "read"})
		s.Must(err)
		for range 2 { // read, and then remembered
			if !s.active(api, tok.Access) {
				t.Fatal("it is not good to begin with")
			}
		}
		_, err = s.oauth.TurnOff(t.Context(), operator, c.ID)
		s.Must(err)
		if s.active(api, tok.Access) {
			t.Error("it is still good")
		}
		if _, err := s.oauth.Client(t.Context(), string(c.ID)); err == nil {
			t.Error("the app is still on")
		}
	})
}

// What was read before an end is not kept after it, however the two meet.
func TestNoReadOvertakesAnEnd(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		if w.DB.Dialect() != store.SQLite {
			return // there the lease is off without a watch that runs: nothing is remembered
		}
		s := remembering(w)
		c, api := s.app(secretApp), s.app(secretApp)
		p := s.Person()
		for range 25 {
			s.Must(p.Refresh()) // this clock runs with every look at it, and the readers look often
			tok, err := s.redeem(c, s.code(p, c), "")
			s.Must(err)
			stop := make(chan struct{})
			var g sync.WaitGroup
			for range 4 {
				g.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							s.active(api, tok.Access)
						}
					}
				})
			}
			s.Must(s.oauth.Revoke(t.Context(), p.Cause(), c, tok.Refresh))
			for range 20 {
				if s.active(api, tok.Access) {
					t.Fatal("a token that was given back is good again")
				}
			}
			close(stop)
			g.Wait()
		}
	})
}
