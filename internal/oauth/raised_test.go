package oauth_test

import (
	"strings"
	"testing"
	"time"

	"keyward/internal/device"
	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
)

// demanding is a shop whose operator asks for more: trade by a key that cannot leave its
// hardware and within the hour, reading within a day.
func demanding(t *testing.T, story func(t *testing.T, s *shop)) {
	t.Helper()
	signintest.EachDemanding(t, device.Least{Scopes: map[string]device.Grade{"trade": device.Hardware}}, func(t *testing.T, w *signintest.World) {
		s := open(w)
		s.oauth = oauth.New(oauth.Parts{
			DB: w.DB, Log: w.Log, Accounts: w.Accounts, Sessions: w.Sessions, SignIn: w.SignIn, Mint: session.NewMint(w.Ring, signintest.Origin, w.DB.Now), Access: time.Hour,
			Rules: map[string]oauth.Rule{"trade": {ACR: "phrh", MaxAge: time.Hour}, "read": {MaxAge: 24 * time.Hour}, "contacts": {MaxAge: time.Hour}, "withdraw": {ACR: "phrh"}},
		})
		story(t, s)
	})
}

func TestAScopeTakesWhatTheOperatorAsksFor(t *testing.T) {
	const trading = "offline_access openid read trade"
	demanding(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app(func(n *oauth.NewClient) { n.Auth = oauth.AuthSecret })
		hard := string(c.ID) + " phrh"
		_, err := s.authorize(p, ask(c, "scope", trading))
		s.Refused(err, device.ErrStepUp)
		s.Refused(p.StepUp(device.ActApp, hard), device.ErrGradeLow) // before anybody is asked to touch
		_, err = s.authorize(p, ask(c, "scope", "openid offline_access read"))
		s.Must(err) // what nobody raised

		phone, k := p.HardwareKey()
		if phone.Session().ACR != session.ACRPhrh || k.Grade != device.Hardware {
			t.Fatal(phone.Session().ACR, k.Grade)
		}
		// The one who has such a key now is offered it, and another key is refused.
		s.Refused(p.StepUp(device.ActApp, hard, softkey.Unlisted), device.ErrGradeLow)
		_, err = s.authorize(p, ask(c, "scope", trading))
		s.Refused(err, device.ErrStepUp)
		tok, err := s.redeem(c, s.code(phone, c, "scope", trading), "app-key")
		s.Must(err)
		claims, _, err := s.oauth.Use(t.Context(), tok.Access)
		s.Must(err)
		if claims.ACR != "phrh" || tok.Scope != trading {
			t.Errorf("acr %s, scope %q", claims.ACR, tok.Scope)
		}

		// At a refresh, in an introspection: what has become too old is not there any more.
		scopes := func() string {
			in, err := s.oauth.Introspect(t.Context(), c, tok.Access)
			s.Must(err)
			if !in.Active {
				t.Fatal("the token itself is good")
			}
			return in.Scope
		}
		if got := scopes(); got != trading {
			t.Errorf("introspected at once: %q", got)
		}
		s.Clock.Sleep(50 * time.Minute)
		s.Must(phone.Refresh())
		next, err := s.refresh(c, tok.Refresh, "app-key", "")
		s.Must(err)
		if tok = next; !strings.Contains(tok.Scope, "trade") {
			t.Errorf("within the hour: %q", tok.Scope)
		}
		s.Clock.Sleep(11 * time.Minute)
		s.Must(phone.Refresh())
		if got := scopes(); got != "offline_access openid read" {
			t.Errorf("introspected after an hour: %q", got)
		}
		_, err = s.refresh(c, tok.Refresh, "app-key", "trade")
		s.refused(err, "insufficient_user_authentication")
		next, err = s.refresh(c, tok.Refresh, "app-key", "")
		s.Must(err)
		if strings.Contains(next.Scope, "trade") {
			t.Errorf("renewed to %q", next.Scope)
		}
		// A sign-in that is too old is a touch once more, by such a key.
		_, err = s.authorize(phone, ask(c, "scope", trading))
		s.Refused(err, device.ErrStepUp)
		phone.Touch(device.ActApp, hard)
		s.code(phone, c, "scope", trading)
	})
}

// What an operator writes that would be less counts for nothing.
func TestARuleForAScopeOnlyRaises(t *testing.T) {
	demanding(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app(func(n *oauth.NewClient) { n.Scopes = append(n.Scopes, "contacts") })
		s.Clock.Sleep(6 * time.Minute)
		s.Must(p.Refresh())
		_, err := s.authorize(p, ask(c, "scope", "openid contacts"))
		s.Refused(err, device.ErrStepUp)
	})
}

// A key that is an hour old lets an app know who its owner is and look, and no more; also
// where the session that it opened needs no touch.
func TestANewKeyLetsAnAppLookAndNoMore(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app()
		s.Clock.Sleep(30 * 24 * time.Hour)
		p.In()
		keys, _ := p.SecondKey()
		s.Clock.Sleep(time.Hour)
		p.In()
		thief := p.Elsewhere()
		thief.Keys = keys
		thief.In()
		s.code(thief, c)
		for _, scope := range []string{"openid trade", "openid keys"} {
			_, err := s.authorize(thief, ask(c, "scope", scope))
			s.Refused(err, device.ErrStepUp)
			s.Refused(thief.StepUp(device.ActApp, string(c.ID), softkey.Unlisted), device.ErrTooNew)
			s.code(p, c, "scope", scope)
		}
		s.Clock.Sleep(device.YoungFor)
		thief.In()
		s.code(thief, c, "scope", "openid trade")
	})
}
