package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"keyward/internal/device"
	"keyward/internal/oauth"
	"keyward/internal/session"
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
					p.Touch(device.ActApp, string(c.ID))
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

const payment = `{"type":"keyward_withdrawal","asset":"BTC","network":"bitcoin","amount":"0.5","address":"bc1qexample","memo":"rent"}`

// A payment is asked for in full, agreed to as it stands and carried on unchanged, for
// as long as its owner was just there (RFC 9396 §5–§9).
func TestPaymentsAreAgreedToAsTheyStand(t *testing.T) {
	payments := func(n *oauth.NewClient) { n.Details = []string{oauth.TypeWithdrawal} }
	with := func(old, new string) string { return "[" + strings.Replace(payment, old, new, 1) + "]" }
	each(t, func(t *testing.T, s *shop) {
		p, c, plain := s.Person(), s.app(payments), s.app()
		stranger := s.app(payments, func(n *oauth.NewClient) { n.FirstParty = false })
		for _, row := range []struct {
			name, details string
			app           oauth.Client
		}{
			{"an app that is not registered for payments", "[" + payment + "]", plain},
			{"an app that nobody vouched for", "[" + payment + "]", stranger},
			{"an unknown type", with("keyward_withdrawal", "payment_initiation"), c},
			{"a type in other letters", with("keyward_withdrawal", "Keyward_Withdrawal"), c},
			{"no type", with(`"type":"keyward_withdrawal",`, ""), c},
			{"a member nobody knows", with(`"memo"`, `"locations":["https://x.example"],"memo"`), c},
			{"an amount that is a number", with(`"0.5"`, `0.5`), c},
			{"an amount of nothing", with("0.5", "0.0"), c},
			{"an amount below nothing", with("0.5", "-1"), c},
			{"an amount with an exponent", with("0.5", "1e9"), c},
			{"a second spelling of an amount", with("0.5", "00.5"), c},
			{"no amount", with(`"amount":"0.5",`, ""), c},
			{"two amounts", with(`"amount":"0.5"`, `"amount":"0.5","amount":"5"`), c},
			{"two amounts, one in capitals", with(`"amount":"0.5"`, `"amount":"0.5","AMOUNT":"5"`), c},
			{"an address with a blank", with("bc1qexample", "bc1q example"), c},
			{"an address with letters that look like others", with("bc1qexample", "bс1qexample"), c},
			{"a memo that turns the line around", with("rent", "rent\\u202e"), c},
			{"no list", payment, c},
			{"an empty list", "[]", c},
			{"six payments", "[" + strings.Repeat(payment+",", 5) + payment + "]", c},
			{"two lists", "[" + payment + "][]", c},
			{"five thousand bytes", with("rent", strings.Repeat("r", 5000)), c},
		} {
			_, err := s.oauth.ReadAsk(t.Context(), ask(row.app, "authorization_details", row.details))
			var r *oauth.Refusal
			if !errors.As(err, &r) || r.Code != "invalid_authorization_details" && !(row.name == "five thousand bytes" && r.Code == "invalid_request") {
				t.Errorf("%s: %v", row.name, err)
			}
		}

		two := "[" + payment + "," + strings.Replace(payment, "0.5", "7", 1) + "]"
		a, err := s.oauth.ReadAsk(t.Context(), ask(c, "authorization_details", two))
		s.Must(err)
		if !a.Consents() {
			t.Error("a first-party app gets a payment without its owner reading it")
		}
		tok, err := s.redeem(c, s.code(p, c, "authorization_details", two), "app-key")
		s.Must(err)
		s.carries(tok, two)
		refresh := func(details string) (oauth.Tokens, error) {
			return s.oauth.Token(context.Background(), store.Cause{Addr: signintest.Home}, c, oauth.TokenAsk{
				Grant: "refresh_token", Refresh: tok.Refresh, Details: details, JKT: "app-key", JTI: s.newJTI("app-key"),
			})
		}
		_, err = refresh(with("0.5", "50"))
		s.refused(err, "invalid_authorization_details")
		tok, err = refresh("[" + payment + "]") // the refusal has used nothing up
		s.Must(err)
		s.carries(tok, "["+payment+"]")
		s.Clock.Sleep(6 * time.Minute)
		_, err = refresh("[" + payment + "]")
		s.refused(err, "insufficient_user_authentication")
		tok, err = refresh("")
		s.Must(err)
		s.carries(tok, "")
	})
}

// carries checks the answer and the token.
func (s *shop) carries(tok oauth.Tokens, want string) {
	s.T.Helper()
	var claims session.AccessClaims
	claims, _, err := s.oauth.Use(context.Background(), tok.Access)
	s.Must(err)
	for name, got := range map[string]json.RawMessage{"answer": tok.Details, "token": claims.Details} {
		if string(got) != want {
			s.T.Errorf("the %s carries %s, want %s", name, got, want)
		}
	}
}
