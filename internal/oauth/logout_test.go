package oauth_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/job"
	"keyward/internal/oauth"
	"keyward/internal/signin/signintest"
	"keyward/internal/storetest"
)

// party is an app's back end that hears of sign-outs.
type party struct {
	*httptest.Server
	mu     sync.Mutex
	told   []string // logout tokens
	status int
}

func (s *shop) party() *party {
	p := &party{status: http.StatusOK}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = append(p.told, r.PostFormValue("logout_token"))
		w.WriteHeader(p.status)
	}))
	s.T.Cleanup(p.Close)
	return p
}

func (p *party) tokens() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.told)
}

// settles seals the log, follows it and runs what comes of it, until nothing is left
// to do now.
func (s *shop) settles() {
	s.T.Helper()
	ctx := context.Background()
	if s.sealer == nil { // one, as it holds a lease
		s.sealer = audit.NewSealer(s.DB, s.Log, "", time.Now, nil)
	}
	s.Must(s.sealer.Seal(ctx))
	for n := 1; n > 0; {
		var err error
		n, err = s.oauth.Follower().Follow(ctx)
		s.Must(err)
	}
	due := func() (n int) {
		s.Must(s.DB.Get(ctx, `SELECT COUNT(*) FROM job_job WHERE state = 'due' AND (tries = 0 OR lease <> '')`).Scan(&n))
		return n
	}
	runner := job.NewRunner(s.DB, slog.New(slog.DiscardHandler), map[string]job.Handler{oauth.JobLogout: s.oauth.Logout, oauth.JobLogoutAll: s.oauth.LogoutAll})
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- runner.Run(ctx) }()
	for end := time.Now().Add(20 * time.Second); due() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.T.Error("the jobs do not end")
			break
		}
	}
	stop()
	s.Must(<-ended)
}

func TestAppsAreToldWhoLeft(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p := s.party()
		c := s.app(func(n *oauth.NewClient) { n.Backchannel = p.URL + "/left" })
		deaf := s.app()
		for _, row := range []struct {
			name string
			does func(kim *signintest.Person)
			told bool
		}{
			{"a sign-out tells", func(kim *signintest.Person) {
				_, err := s.Contain.EndSession(t.Context(), kim.Cause(), kim.Session(), kim.Session().ID)
				s.Must(err)
			}, true},
			{"an end from another browser tells", func(kim *signintest.Person) {
				other := kim.Elsewhere().In()
				_, err := s.Contain.EndSession(t.Context(), other.Cause(), other.Session(), kim.Session().ID)
				s.Must(err)
			}, true},
			{"the end of everything tells", func(kim *signintest.Person) {
				_, err := s.Contain.EndAll(t.Context(), kim.Cause(), kim.Account)
				s.Must(err)
			}, true},
			{"a new touch in the same session does not", func(kim *signintest.Person) { kim.Touch(device.ActApp, string(c.ID)+" look") }, false},
			{"another session's end does not", func(kim *signintest.Person) {
				other := kim.Elsewhere().In()
				_, err := s.Contain.EndSession(t.Context(), kim.Cause(), kim.Session(), other.Session().ID)
				s.Must(err)
			}, false},
		} {
			kim := s.Person()
			ses := kim.Session().ID
			_, err := s.redeem(c, s.code(kim, c), "")
			s.Must(err)
			_, err = s.redeem(deaf, s.code(kim, deaf), "")
			s.Must(err)
			before := len(p.tokens())
			row.does(kim)
			s.settles()
			s.settles() // hearing of it twice tells once
			told := p.tokens()[before:]
			if !row.told {
				if len(told) != 0 {
					t.Errorf("%s: it was told %d times", row.name, len(told))
				}
				continue
			}
			if len(told) != 1 {
				t.Errorf("%s: it was told %d times", row.name, len(told))
				continue
			}
			claims := s.logoutClaims(told[0])
			if claims["sid"] != string(ses) || claims["sub"] != string(kim.Account) || claims["aud"] != string(c.ID) || claims["iss"] != signintest.Origin {
				t.Errorf("%s: it was told %v", row.name, claims)
			}
			if _, nonce := claims["nonce"]; nonce {
				t.Errorf("%s: a nonce: it could pass for an ID token", row.name)
			}
			if events, _ := claims["events"].(map[string]any); len(events) != 1 || events["http://schemas.openid.net/event/backchannel-logout"] == nil {
				t.Errorf("%s: events %v", row.name, claims["events"])
			}
			if _, _, err := s.oauth.Use(t.Context(), told[0]); err == nil {
				t.Errorf("%s: the logout token opens something", row.name)
			}
		}
	})
}

// logoutClaims reads a token as an app does.
func (s *shop) logoutClaims(token string) map[string]any {
	s.T.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	s.Must(err)
	key, _ := s.Ring.VerifyKey(jws.Signatures[0].Protected.KeyID)
	payload, err := jws.Verify(key)
	s.Must(err)
	if typ := jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; typ != "logout+jwt" {
		s.T.Errorf("typ %v", typ)
	}
	var claims map[string]any
	s.Must(json.Unmarshal(payload, &claims))
	return claims
}

func TestAnAppThatIsAwayIsToldLater(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p := s.party()
		p.status = http.StatusServiceUnavailable
		c := s.app(func(n *oauth.NewClient) { n.Backchannel = p.URL + "/left" })
		kim := s.Person()
		_, err := s.redeem(c, s.code(kim, c), "")
		s.Must(err)
		_, err = s.Contain.EndSession(t.Context(), kim.Cause(), kim.Session(), kim.Session().ID)
		s.Must(err)
		s.settles()
		if n := len(p.tokens()); n != 1 {
			t.Fatalf("it was called %d times", n)
		}
		var waiting int
		var text string
		s.Must(s.DB.Get(t.Context(), `SELECT COUNT(*), MAX(last_error) FROM job_job WHERE kind = 'oauth.logout' AND state = 'due'`).Scan(&waiting, &text))
		if waiting != 1 || text != "the app did not take the logout token" {
			t.Errorf("%d jobs wait, because %q", waiting, text)
		}
	})
}

// A redirect would bring the token to an address that nobody registered.
func TestALogoutTokenFollowsNoRedirect(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		s := open(w)
		elsewhere := s.party()
		here := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
		t.Cleanup(here.Close)
		c := s.app(func(n *oauth.NewClient) { n.Backchannel = here.URL + "/left" })
		kim := s.Person()
		_, err := s.redeem(c, s.code(kim, c), "")
		s.Must(err)
		_, err = s.Contain.EndSession(t.Context(), kim.Cause(), kim.Session(), kim.Session().ID)
		s.Must(err)
		s.settles()
		if n := len(elsewhere.tokens()); n != 0 {
			t.Errorf("the token was brought elsewhere %d times", n)
		}
	})
}

func TestWhereASignOutMayLead(t *testing.T) {
	s := open(signintest.New(t, storetest.Open(t), nil))
	c := s.app(func(n *oauth.NewClient) { n.AfterLogout = []string{"https://app.example.net/bye"} })
	other := s.app(func(n *oauth.NewClient) { n.AfterLogout = []string{"https://other.example.net/bye"} })
	kim := s.Person()
	tokens, err := s.redeem(c, s.code(kim, c), "")
	s.Must(err)
	hint, id := tokens.ID, string(c.ID)
	for _, row := range []struct {
		name string
		q    url.Values
		to   string
		ok   bool
	}{
		{"nobody asks, nowhere to go", url.Values{}, "", true},
		{"an app by its name", url.Values{"client_id": {id}, "post_logout_redirect_uri": {"https://app.example.net/bye"}}, "https://app.example.net/bye", true},
		{"by its ID token, with a state", url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {"https://app.example.net/bye"}, "state": {"a b&c"}}, "https://app.example.net/bye?state=a+b%26c", true},
		{"an address and nobody it belongs to", url.Values{"post_logout_redirect_uri": {"https://app.example.net/bye"}}, "", false},
		{"another app's address", url.Values{"client_id": {id}, "post_logout_redirect_uri": {"https://other.example.net/bye"}}, "", false},
		{"an address to sign in with is none to sign out with", url.Values{"client_id": {id}, "post_logout_redirect_uri": {back}}, "", false},
		{"a path more", url.Values{"client_id": {id}, "post_logout_redirect_uri": {"https://app.example.net/bye/x"}}, "", false},
		{"the same in capitals", url.Values{"client_id": {id}, "post_logout_redirect_uri": {"https://APP.example.net/bye"}}, "", false},
		{"the ID token of one app with the name of another", url.Values{"id_token_hint": {hint}, "client_id": {string(other.ID)}}, "", false},
		{"a broken ID token", url.Values{"id_token_hint": {hint[:len(hint)-4] + "AAAA"}}, "", false},
		{"an access token for an ID token", url.Values{"id_token_hint": {tokens.Access}}, "", false},
		{"the same name twice", url.Values{"client_id": {id, id}}, "", false},
		{"an app that does not exist", url.Values{"client_id": {"app_" + strings.Repeat("0", 26)}}, "", false},
	} {
		l, err := s.oauth.ReadLeaving(t.Context(), row.q)
		if (err == nil) != row.ok || err == nil && l.To != row.to {
			t.Errorf("%s: leads to %q, %v", row.name, l.To, err)
		}
		if row.q.Has("id_token_hint") && err == nil && l.Session != kim.Session().ID {
			t.Errorf("%s: the session of the hint is %q", row.name, l.Session)
		}
	}
}
