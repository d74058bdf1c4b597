package oauth_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"keyward/internal/device"
	"keyward/internal/oauth"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

// What an app may ask of the person it sends: a newer proof of presence, a stronger
// one, or somebody it knows (OIDC Core §3.1.2.1, RFC 9470 §5).
func TestWhatAnAppMayAskOfItsPerson(t *testing.T) {
	for _, row := range []struct {
		name   string
		change []string
		touch  bool
		want   string // the word for the app; "touch" for a touch first, "" for a code
	}{
		{"nothing in particular", nil, false, ""},
		{"a verification that is not older than an hour", []string{"max_age", "3600"}, false, ""},
		{"one that is not older than a minute", []string{"max_age", "60"}, false, "touch"},
		{"the same, after a touch", []string{"max_age", "60"}, true, ""},
		{"a new one", []string{"max_age", "0"}, false, "touch"},
		{"to sign in again", []string{"prompt", "login"}, false, "touch"},
		{"the same, after a touch", []string{"prompt", "login"}, true, ""},
		{"to choose an account", []string{"prompt", "select_account"}, false, "touch"},
		{"no page, of somebody who would have to be asked", []string{"prompt", "none", "max_age", "60"}, false, "login_required"},
		{"no page, of somebody who need not be asked", []string{"prompt", "none"}, false, ""},
		{"a passkey", []string{"acr_values", "phr"}, false, ""},
		{"a passkey in hardware", []string{"acr_values", "phrh"}, false, "touch"},
		{"the same, of somebody who has none", []string{"acr_values", "phrh"}, true, "unmet_authentication_requirements"},
		{"hardware if there is one, else a passkey", []string{"acr_values", "phrh phr"}, false, ""},
		{"what nobody here knows", []string{"acr_values", "urn:example:gold"}, false, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *shop) {
				p, c := s.Person(), s.app()
				s.Clock.Sleep(2 * time.Minute)
				if row.touch {
					p.Touch(device.ActApp, string(c.ID)+" look")
				}
				q, err := s.authorize(p, ask(c, row.change...))
				switch {
				case row.want == "touch":
					s.Refused(err, device.ErrStepUp)
				case row.want != "":
					s.refused(err, row.want)
				default:
					s.Must(err)
					tok, err := s.redeem(c, q.Get("code"), "app-key")
					s.Must(err)
					claims, _, err := s.oauth.Use(t.Context(), tok.Access)
					s.Must(err)
					ses := p.Session()
					if row.touch != (s.DB.Now().Sub(ses.AuthTime) < time.Minute) || claims.AuthTime != ses.AuthTime.Unix() || claims.ACR != "phr" {
						t.Errorf("acr %s, auth_time %d; the session says %s, %s", claims.ACR, claims.AuthTime, ses.ACR, ses.AuthTime)
					}
				}
				if row.want != "" && s.Count("oauth_code") != 0 {
					t.Error("a code was made")
				}
			})
		})
	}
}

func TestAHintNamesWhoIsMeant(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		kim, lee, c, other := s.Person(), s.Person(), s.app(), s.app()
		tok, err := s.redeem(c, s.code(kim, c), "app-key")
		s.Must(err)
		s.Clock.Sleep(time.Hour) // its ID token ran out long ago
		kim.In()
		if _, err := s.authorize(kim, ask(c, "id_token_hint", tok.ID)); err != nil {
			t.Errorf("the one who is meant: %v", err)
		}
		lee.In()
		_, err = s.authorize(lee, ask(c, "id_token_hint", tok.ID))
		s.refused(err, "login_required")
		_, err = s.authorize(kim, ask(other, "id_token_hint", tok.ID))
		s.refused(err, "invalid_request") // another app's token
		_, err = s.authorize(kim, ask(c, "id_token_hint", tok.Access))
		s.refused(err, "invalid_request") // RFC 8725 §3.11
	})
}

// A refresh may carry less than was given, each payment whole (RFC 9396 §6).
func TestARefreshCarriesOneOfTwoPayments(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app(payer)
		one, two := "["+withdrawal+"]", "["+withdrawal+","+strings.Replace(withdrawal, "0.25", "7", 1)+"]"
		tok, err := s.redeem(c, s.code(p, c, "authorization_details", two), "app-key")
		s.Must(err)
		if string(tok.Details) != two {
			t.Fatalf("given %s", tok.Details)
		}
		tok, err = s.oauth.Token(context.Background(), store.Cause{Addr: signintest.Home}, c, oauth.TokenAsk{
			Grant: "refresh_token", Refresh: tok.Refresh, Details: one, JKT: "app-key", JTI: s.newJTI("app-key"),
		})
		s.Must(err)
		claims, _, err := s.oauth.Use(t.Context(), tok.Access)
		s.Must(err)
		if string(tok.Details) != one || string(claims.Details) != one {
			t.Errorf("the answer carries %s, the token %s", tok.Details, claims.Details)
		}
	})
}
