package oauth_test

import (
	"errors"
	"testing"

	"keyward/internal/audit"
	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/staff"
	"keyward/internal/store"
)

// decided runs what two operators decided, and one event, in one transaction.
func (s *shop) decided(fn func(*store.Tx) ([]audit.Effect, error)) error {
	return s.DB.Update(s.T.Context(), operator, func(tx *store.Tx) error {
		effects, err := fn(tx)
		if err != nil {
			return err
		}
		_, err = s.Log.Append(tx, audit.Event{Action: "staff.request_approved", Effects: effects})
		return err
	})
}

func (s *shop) verify(c oauth.Client, domain string) error {
	diff, err := oauth.AskPublisher(c, domain)
	s.Must(err)
	return s.decided(func(tx *store.Tx) ([]audit.Effect, error) {
		return s.oauth.Publisher(tx, staff.Request{Kind: staff.VerifyPublisher, Target: string(c.ID), Diff: diff})
	})
}

func (s *shop) stands(c oauth.Client) oauth.Client {
	s.T.Helper()
	c, err := s.oauth.Registered(s.T.Context(), string(c.ID))
	s.Must(err)
	return c
}

// What a domain is good for, and what is left when it is taken back.
func TestAVerifiedPublisherMayAskForMoreUntilItIsTakenBack(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, ctx := s.Person(), t.Context()
		c := s.app(func(n *oauth.NewClient) { n.FirstParty = false })
		_, err := s.oauth.ReadAsk(ctx, ask(c, "scope", "openid trade"))
		s.refused(err, "invalid_scope")
		s.Must(s.verify(c, "app.example.net"))
		if c = s.stands(c); c.Domain != "app.example.net" {
			t.Fatalf("the row: %+v", c)
		}
		tok, err := s.redeem(c, s.code(p, c, "scope", "openid offline_access trade"), "app-key")
		s.Must(err)
		onTheWay := s.code(p, c, "scope", "openid offline_access trade")
		if n, err := s.oauth.Live(ctx, c.ID); err != nil || n != 1 {
			t.Errorf("it holds %d grants: %v", n, err)
		}

		var ended int
		s.Must(s.decided(func(tx *store.Tx) ([]audit.Effect, error) {
			e, n, err := s.oauth.DropPublisher(tx, c.ID)
			ended = n
			return e.Effects, err
		}))
		if c = s.stands(c); ended != 1 || c.Domain != "" || c.Off {
			t.Errorf("taking it back ended %d, the row: %+v", ended, c)
		}
		if _, _, err := s.oauth.Use(ctx, tok.Access); !errors.Is(err, session.ErrGrantEnded) {
			t.Errorf("access given under it: %v", err)
		}
		_, err = s.refresh(c, tok.Refresh, "app-key", "")
		s.refused(err, "invalid_grant")
		_, err = s.redeem(c, onTheWay, "app-key")
		s.refused(err, "invalid_grant")
		_, err = s.oauth.ReadAsk(ctx, ask(c, "scope", "openid trade"))
		s.refused(err, "invalid_scope")
		if _, err := s.oauth.ReadAsk(ctx, ask(c)); err != nil {
			t.Errorf("looking is left: %v", err)
		}
		if n, err := s.oauth.Live(ctx, c.ID); err != nil || n != 0 {
			t.Errorf("it still holds %d grants: %v", n, err)
		}
		err = s.decided(func(tx *store.Tx) ([]audit.Effect, error) {
			e, _, err := s.oauth.DropPublisher(tx, c.ID)
			return e.Effects, err
		})
		if !errors.Is(err, oauth.ErrNoClient) {
			t.Errorf("taking back what is not there: %v", err)
		}
	})
}

func TestAnAppThatIsOffIsNotVerified(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		c := s.app(func(n *oauth.NewClient) { n.FirstParty = false })
		asked := c // as the request saw it
		_, err := s.oauth.TurnOff(t.Context(), operator, c.ID)
		s.Must(err)
		if err := s.verify(asked, "app.example.net"); !errors.Is(err, oauth.ErrNoClient) || s.stands(c).Domain != "" {
			t.Errorf("an app that is off: %v, %q", err, s.stands(c).Domain)
		}
		if _, err := oauth.AskPublisher(s.stands(c), "app.example.net"); !errors.Is(err, oauth.ErrNoClient) {
			t.Errorf("asking for it: %v", err)
		}
		if n := len(s.stands(c).Redirects); n != 1 {
			t.Errorf("an app that is off is still read, with %d addresses", n)
		}
		for _, diff := range [][]staff.Change{nil, {{Field: "publisher", To: "a.example"}, {Field: "publisher", To: "b.example"}}, {{Field: "name", To: "a.example"}}, {{Field: "publisher", To: "https://a.example"}}} {
			d := s.app(func(n *oauth.NewClient) { n.FirstParty = false })
			err := s.decided(func(tx *store.Tx) ([]audit.Effect, error) {
				return s.oauth.Publisher(tx, staff.Request{Kind: staff.VerifyPublisher, Target: string(d.ID), Diff: diff})
			})
			if err == nil || s.stands(d).Domain != "" {
				t.Errorf("the diff %v: %v, %q", diff, err, s.stands(d).Domain)
			}
		}
	})
}
