package oauth_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"keyward/internal/device"
	"keyward/internal/oauth"
	"keyward/internal/signin/signintest"
	"keyward/internal/storetest"
)

const withdrawal = `{"type":"keyward_withdrawal","asset":"BTC","network":"bitcoin","amount":"0.25","max_fee":"0.0001","address":"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq","memo":"rent"}`

func payer(n *oauth.NewClient) { n.Details = oauth.DetailTypes() }

func TestPaymentsThatAreNotUnderstood(t *testing.T) {
	s := open(signintest.New(t, storetest.Open(t), nil))
	c, plain := s.app(payer), s.app()
	unknown := s.app(payer, func(n *oauth.NewClient) { n.FirstParty = false; n.Scopes = []string{"read"} })
	change := func(from, to string) string { return "[" + strings.Replace(withdrawal, from, to, 1) + "]" }
	for _, row := range []struct {
		name string
		by   oauth.Client
		raw  string
		ok   bool
	}{
		{"one payment", c, "[" + withdrawal + "]", true},
		{"two", c, "[" + withdrawal + "," + withdrawal + "]", true},
		{"without a fee and a memo", c, `[{"type":"keyward_withdrawal","asset":"BTC","network":"bitcoin","amount":"1","address":"bc1q"}]`, true},
		{"six", c, "[" + withdrawal + strings.Repeat(","+withdrawal, 5) + "]", false},
		{"none", c, "[]", false},
		{"an object and no list", c, withdrawal, false},
		{"something after it", c, "[" + withdrawal + "] []", false},
		{"of an app that was not registered for it", plain, "[" + withdrawal + "]", false},
		{"of an app that nobody vouched for", unknown, "[" + withdrawal + "]", false},
		{"of another type", c, change("keyward_withdrawal", "payment_initiation"), false},
		{"with a member we do not show", c, change(`"memo"`, `"note"`), false},
		{"with a member twice", c, change(`"asset":"BTC"`, `"asset":"BTC","asset":"ETH"`), false},
		{"with a member in capitals too", c, change(`"asset":"BTC"`, `"asset":"BTC","Asset":"ETH"`), false},
		{"with a long s in the name of a member", c, change(`"asset":"BTC"`, `"asset":"BTC","a\u017fset":"ETH"`), false},
		{"of nothing", c, change(`"0.25"`, `"0.00"`), false},
		{"of less than nothing", c, change(`"0.25"`, `"-1"`), false},
		{"as a number", c, change(`"0.25"`, `0.25`), false},
		{"with an exponent", c, change(`"0.25"`, `"1e9"`), false},
		{"with a comma", c, change(`"0.25"`, `"0,25"`), false},
		{"with leading zeros", c, change(`"0.25"`, `"00.25"`), false},
		{"to an address with a letter of another script", c, change(`bc1qar`, `bс1qar`), false},
		{"to an address with a blank", c, change(`bc1qar`, `bc1q ar`), false},
		{"to nowhere", c, change(`bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq`, ``), false},
		{"with a memo that turns around what is read", c, change(`rent`, `rent\u202e`), false},
		{"with a memo of letters that cannot be seen", c, change(`rent`, `\u3164\u3164`), false},
		{"with a memo over two lines", c, change(`rent`, `rent\n`), false},
		{"too long to be read", c, change(`rent`, strings.Repeat("r", 5000)), false},
	} {
		_, err := s.oauth.ReadAsk(t.Context(), ask(row.by, "scope", "read", "authorization_details", row.raw))
		var back *oauth.Refusal
		switch {
		case row.ok && err != nil:
			t.Errorf("%s: %v", row.name, err)
		case !row.ok && (!errors.As(err, &back) || back.Code != "invalid_authorization_details" && back.Code != "invalid_request"):
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestAPaymentIsReadByItsOwnerAndTravelsInTheToken(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		c := s.app(payer)
		kim := s.Person()
		q := ask(c, "scope", "openid read", "authorization_details", "["+withdrawal+"]")
		a, err := s.oauth.ReadAsk(t.Context(), q)
		s.Must(err)
		if !a.Consents() || len(a.Details) != 1 || a.Details[0].Amount != "0.25" || a.Details[0].Memo != "rent" {
			t.Fatalf("%v %+v", a.Consents(), a.Details)
		}
		back, err := s.authorize(kim, q)
		s.Must(err)
		tok, err := s.redeem(c, back.Get("code"), "")
		s.Must(err)
		carries := func(name string, tok oauth.Tokens, want bool) {
			t.Helper()
			claims, _, err := s.oauth.Use(t.Context(), tok.Access)
			s.Must(err)
			var in []oauth.Detail
			if len(claims.Details) > 0 {
				s.Must(json.Unmarshal(claims.Details, &in))
			}
			if got := len(in) == 1 && in[0] == a.Details[0]; got != want || (string(tok.Details) == string(claims.Details)) != true {
				t.Errorf("%s: the token carries %s, the answer %s", name, claims.Details, tok.Details)
			}
		}
		carries("the first token", tok, true)
		again := func(details string) (oauth.Tokens, error) {
			return s.oauth.Token(t.Context(), kim.Cause(), c, oauth.TokenAsk{Grant: "refresh_token", Refresh: tok.Refresh, Details: details})
		}
		next, err := again("")
		s.Must(err)
		tok = next
		carries("a refresh while the touch is fresh", tok, true)
		_, err = again("[" + strings.Replace(withdrawal, "0.25", "25", 1) + "]")
		var refused *oauth.Error
		if !errors.As(err, &refused) || refused.Code != "invalid_authorization_details" {
			t.Errorf("another amount: %v", err)
		}
		s.Clock.Sleep(5*time.Minute + time.Second)
		if _, err = again("[" + withdrawal + "]"); !errors.As(err, &refused) || refused.Code != "insufficient_user_authentication" || refused.MaxAge != 300 {
			t.Errorf("asked for by name after five minutes: %v", err)
		}
		next, err = again("")
		s.Must(err)
		carries("a refresh after five minutes", next, false)
		s.Must(kim.Refresh())
		// And a new one after five minutes takes a touch.
		if _, err = s.authorize(kim, q); !errors.Is(err, device.ErrStepUp) {
			t.Errorf("without a new touch: %v", err)
		}
	})
}

func TestAProfileHasNoWayAroundIt(t *testing.T) {
	s := open(signintest.New(t, storetest.Open(t), nil))
	for _, auth := range []string{oauth.AuthNone, oauth.AuthSecret} {
		_, _, err := s.oauth.Register(t.Context(), operator, oauth.NewClient{Name: "x", Owner: "y", Auth: auth, Profile: oauth.ProfileFAPI, Redirects: []string{back}, Scopes: []string{"read"}})
		if !errors.Is(err, oauth.ErrBadClient) {
			t.Errorf("registered with %s: %v", auth, err)
		}
	}
	plain := s.app()
	if _, err := s.oauth.Direct(t.Context(), ask(plain)); err != nil {
		t.Errorf("an app without the profile: %v", err)
	}
	if _, _, err := s.oauth.Pushed(t.Context(), url.Values{"client_id": {string(plain.ID)}, "request_uri": {"urn:ietf:params:oauth:request_uri:kwq_made-up"}}); !errors.Is(err, oauth.ErrAsk) {
		t.Errorf("a made-up request: %v", err)
	}
}

// An app is not told that something was revoked that goes on.
func TestAnAppsOwnTokenCannotBeGivenBack(t *testing.T) {
	s := open(signintest.New(t, storetest.Open(t), nil))
	c := s.app(secretApp)
	tok, err := s.oauth.Token(t.Context(), operator, c, oauth.TokenAsk{Grant: "client_credentials", Scope: "read"})
	s.Must(err)
	var refused *oauth.Error
	if err := s.oauth.Revoke(t.Context(), operator, c, tok.Access); !errors.As(err, &refused) || refused.Code != "unsupported_token_type" {
		t.Errorf("got %v", err)
	}
	if other := s.app(secretApp); s.oauth.Revoke(t.Context(), operator, other, tok.Access) != nil {
		t.Error("another app learns that the token is one")
	}
}
