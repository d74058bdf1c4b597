package oauth_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
)

// held is the one grant of a person, as the database has it now.
func (s *shop) held(p *signintest.Person) oauth.Connected {
	s.T.Helper()
	all, err := s.oauth.Connected(context.Background(), p.Account)
	s.Must(err)
	if len(all) != 1 {
		s.T.Fatalf("%d grants instead of one: %+v", len(all), all)
	}
	return all[0]
}

func TestAnOwnerTakesRightsAway(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c, ctx := s.Person(), s.app(), t.Context()
		tok, err := s.redeem(c, s.code(p, c, "scope", "openid offline_access email read trade"), "app-key")
		s.Must(err)
		until, err := s.oauth.Narrow(ctx, p.Cause(), s.held(p), []string{"offline_access", "read"})
		s.Must(err)
		if got := until.Sub(s.DB.Now()).Round(time.Second); got != 5*time.Minute {
			t.Errorf("a token that is out lasts %s more", got)
		}
		if got := s.held(p).Scope; got != "offline_access openid read" {
			t.Errorf("left with %q", got)
		}
		if !strings.Contains(s.Events(p.Account), "grant.narrowed") {
			t.Errorf("the log says nothing of it: %s", s.Events(p.Account))
		}
		// Where we are asked it holds at once, for tokens that are out as well.
		claims, _, err := s.oauth.Use(ctx, tok.Access)
		s.Must(err)
		if claims.Scope != "offline_access openid read" {
			t.Errorf("the token that is out still carries %q", claims.Scope)
		}
		if u, err := s.oauth.UserInfo(ctx, claims); err != nil || u.Email != "" {
			t.Errorf("the mail address is still told: %+v %v", u, err)
		}
		next, err := s.refresh(c, tok.Refresh, "app-key", "")
		s.Must(err)
		if next.Scope != "offline_access openid read" {
			t.Errorf("renewed to %q", next.Scope)
		}
		_, err = s.refresh(c, next.Refresh, "app-key", "trade")
		s.refused(err, "invalid_scope")
	})
}

// What a process remembers of a grant is narrowed with it, also where another process
// took the right away.
func TestWhatIntrospectionRemembersIsNarrowedAtOnce(t *testing.T) {
	narrowed := func(t *testing.T, here, there *shop) {
		p, c, api := there.Person(), there.app(secretApp), here.app(secretApp)
		tok, err := there.redeem(c, there.code(p, c, "scope", "openid read trade"), "")
		there.Must(err)
		for range 2 { // read, and then remembered
			in, err := here.oauth.Introspect(t.Context(), api, tok.Access)
			here.Must(err)
			if in.Scope != "openid read trade" {
				t.Fatalf("to begin with it may %q", in.Scope)
			}
		}
		_, err = there.oauth.Narrow(t.Context(), p.Cause(), there.held(p), []string{"read"})
		there.Must(err)
		in, err := here.oauth.Introspect(t.Context(), api, tok.Access)
		here.Must(err)
		if !in.Active || in.Scope != "openid read" {
			t.Errorf("after it: %v, %q", in.Active, in.Scope)
		}
	}
	t.Run("in one process", func(t *testing.T) {
		signintest.Each(t, func(t *testing.T, w *signintest.World) { s := remembering(w); narrowed(t, s, s) })
	})
	t.Run("by another", func(t *testing.T) {
		a, b := signintest.Two(t)
		narrowed(t, remembering(a), remembering(b))
	})
}

func TestNarrowingOnlyNarrows(t *testing.T) {
	rows := []struct {
		name string
		do   func(s *shop, p *signintest.Person, c oauth.Client) error
		want error
		left string
	}{
		{"a right the app never had", func(s *shop, p *signintest.Person, _ oauth.Client) error {
			_, err := s.oauth.Narrow(context.Background(), p.Cause(), s.held(p), []string{"read", "trade"})
			return err
		}, session.ErrWider, "email offline_access openid read"},
		{"a right that was taken a moment ago, from a page that is older", func(s *shop, p *signintest.Person, _ oauth.Client) error {
			old := s.held(p)
			_, err := s.oauth.Narrow(context.Background(), p.Cause(), old, []string{"offline_access", "read"})
			s.Must(err)
			_, err = s.oauth.Narrow(context.Background(), p.Cause(), old, []string{"offline_access", "email"})
			return err
		}, session.ErrWider, "offline_access openid read"},
		{"a grant that is over", func(s *shop, p *signintest.Person, c oauth.Client) error {
			old := s.held(p)
			_, err := s.Contain.EndGrant(context.Background(), p.Cause(), p.Account, old.ID, c.Name, false)
			s.Must(err)
			_, err = s.oauth.Narrow(context.Background(), p.Cause(), old, []string{"read"})
			return err
		}, session.ErrGrantEnded, ""},
		{"somebody else's grant", func(s *shop, p *signintest.Person, _ oauth.Client) error {
			q, theirs := s.Person(), s.held(p)
			theirs.Account = q.Account
			_, err := s.oauth.Narrow(context.Background(), q.Cause(), theirs, []string{"read"})
			return err
		}, session.ErrGrantEnded, "email offline_access openid read"},
	}
	each(t, func(t *testing.T, s *shop) {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				s.In(t)
				p, c := s.Person(), s.app()
				_, err := s.redeem(c, s.code(p, c, "scope", "openid offline_access email read"), "app-key")
				s.Must(err)
				if err := row.do(s, p, c); !errors.Is(err, row.want) {
					t.Errorf("got %v, want %v", err, row.want)
				}
				if row.left != "" && s.held(p).Scope != row.left {
					t.Errorf("left with %q, want %q", s.held(p).Scope, row.left)
				}
			})
		}
	})
}

// Two pages are open, and each takes another right away: whoever comes second is
// refused or goes on from what is left, and no right comes back.
func TestTwoWhoNarrowAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app()
		_, err := s.redeem(c, s.code(p, c, "scope", "openid offline_access email read trade"), "app-key")
		s.Must(err)
		old := s.held(p)
		ways := [][]string{{"offline_access", "email", "read"}, {"offline_access", "email", "trade"}, {"offline_access", "read", "trade"}}
		got := make([]error, len(ways))
		var g sync.WaitGroup
		for i, keep := range ways {
			g.Go(func() { _, got[i] = s.oauth.Narrow(context.Background(), p.Cause(), old, keep) })
		}
		g.Wait()
		done := 0
		for i, err := range got {
			switch {
			case err == nil:
				done++
				if left := s.held(p).Scopes; len(left) != 4 {
					t.Errorf("after %v the app has %v", ways[i], left)
				}
			case !errors.Is(err, session.ErrWider):
				t.Errorf("%v: %v", ways[i], err)
			}
		}
		if done != 1 {
			t.Errorf("%d of three went through, want one", done)
		}
	})
}

func TestWithoutOfflineAccessAnAppGoesWithTheSession(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c, ctx := s.Person(), s.app(), t.Context()
		tok, err := s.redeem(c, s.code(p, c), "app-key")
		s.Must(err)
		before := s.held(p)
		_, err = s.oauth.Narrow(ctx, p.Cause(), before, []string{"read"})
		s.Must(err)
		after := s.held(p)
		if after.Offline || !after.AbsExp.Before(before.AbsExp) {
			t.Errorf("it still goes on until %s", after.AbsExp)
		}
		next, err := s.refresh(c, tok.Refresh, "app-key", "") // while its owner is there
		s.Must(err)
		ses := p.Session()
		_, err = s.Contain.EndSession(ctx, p.Cause(), ses, ses.ID)
		s.Must(err)
		if _, _, err := s.oauth.Use(ctx, next.Access); !errors.Is(err, session.ErrGrantEnded) {
			t.Errorf("after the sign-out: %v", err)
		}
		_, err = s.refresh(c, next.Refresh, "app-key", "")
		s.refused(err, "invalid_grant")
	})
}

func TestDisconnectingAnApp(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, q, ctx := s.Person(), s.Person(), t.Context()
		c, other := s.app(), s.app()
		asks := s.app(func(n *oauth.NewClient) { n.Auth = oauth.AuthSecret })
		give := func(p *signintest.Person, c oauth.Client) oauth.Tokens {
			tok, err := s.redeem(c, s.code(p, c), "app-key")
			s.Must(err)
			return tok
		}
		one, two, kept, theirs := give(p, c), give(p, c), give(p, other), give(q, c)
		newest := func() oauth.Connected {
			all, err := s.oauth.Connected(ctx, p.Account)
			s.Must(err)
			for _, x := range all {
				if x.Client == string(c.ID) {
					return x
				}
			}
			return oauth.Connected{}
		}
		if _, err := s.Contain.EndGrant(ctx, q.Cause(), q.Account, newest().ID, c.Name, true); !errors.Is(err, session.ErrGrantEnded) {
			t.Errorf("somebody else disconnected it: %v", err)
		}
		e, err := s.Contain.EndGrant(ctx, p.Cause(), p.Account, newest().ID, c.Name, false)
		s.Must(err)
		if e.EffectiveAt.IsZero() || e.Took < 0 {
			t.Errorf("no proof of it: %+v", e)
		}
		for name, is := range map[string]struct {
			app   oauth.Client
			tok   oauth.Tokens
			lives bool
		}{"the newest": {c, two, false}, "the one before": {c, one, true}, "another app's": {other, kept, true}, "another person's": {c, theirs, true}} {
			in, err := s.oauth.Introspect(ctx, asks, is.tok.Access)
			s.Must(err)
			if in.Active != is.lives {
				t.Errorf("%s: introspection says %v", name, in.Active)
			}
			if _, err := s.refresh(is.app, is.tok.Refresh, "app-key", ""); (err == nil) != is.lives {
				t.Errorf("%s: refresh says %v", name, err)
			}
		}
		if _, err := s.Contain.EndGrant(ctx, p.Cause(), p.Account, newest().ID, c.Name, true); err != nil {
			t.Fatal(err)
		}
		if left := newest(); left.ID != "" {
			t.Errorf("still connected: %+v", left)
		}
		if _, _, err := s.oauth.Use(ctx, kept.Access); err != nil {
			t.Errorf("another app went with it: %v", err)
		}
		if _, _, err := s.oauth.Use(ctx, theirs.Access); err != nil {
			t.Errorf("another person's went with it: %v", err)
		}
	})
}

// The list says when an app last fetched a token, for chains that turn and for
// those that do not.
func TestTheListKnowsTheLastUse(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		for name, change := range map[string]func(*oauth.NewClient){
			"a public app": func(*oauth.NewClient) {}, "one that keeps its token": func(n *oauth.NewClient) { n.Auth = oauth.AuthSecret },
		} {
			t.Run(name, func(t *testing.T) {
				s.In(t)
				p, c := s.Person(), s.app(change)
				tok, err := s.redeem(c, s.code(p, c), "app-key")
				s.Must(err)
				if h := s.held(p); !h.UsedAt.Equal(h.CreatedAt) || h.Agent != signintest.Agent || h.Device != p.Session().Device {
					t.Errorf("at first: %s %v %s", h.UsedAt, h.Agent, h.Device)
				}
				for range 2 {
					s.Clock.Sleep(10 * time.Minute)
					tok, err = s.refresh(c, tok.Refresh, "app-key", "")
					s.Must(err)
					if h := s.held(p); s.DB.Now().Sub(h.UsedAt) > time.Second {
						t.Errorf("used at %s, it is %s", h.UsedAt, s.DB.Now())
					}
				}
			})
		}
	})
}
