package oauth_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
)

// RFC 9700 §4.1: each of these has been somebody's way to another app's codes.
func TestAddressesThatAreAlmostTheApps(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		web := s.app()
		native := s.app(func(n *oauth.NewClient) {
			n.Redirects = []string{"http://127.0.0.1/cb", "http://[::1]/cb", "com.example.wallet:/cb"}
		})
		for _, row := range []struct {
			name, asked string
			app         oauth.Client
			good        bool
		}{
			{"the registered one", back, web, true},
			{"upper case in the host", "https://APP.example.net/back", web, false},
			{"upper case in the path", "https://app.example.net/Back", web, false},
			{"more path", back + "/x", web, false},
			{"a slash more", back + "/", web, false},
			{"a port", "https://app.example.net:443/back", web, false},
			{"a fragment", back + "#x", web, false},
			{"a query", back + "?x=1", web, false},
			{"a name in front", "https://app.example.net@evil.example/back", web, false},
			{"a subdomain", "https://evil.app.example.net/back", web, false},
			{"the host as a prefix", "https://app.example.net.evil.example/back", web, false},
			{"an escaped letter", "https://app.example.net/b%61ck", web, false},
			{"a dot segment", "https://app.example.net/x/../back", web, false},
			{"an escaped dot segment", "https://app.example.net/x/%2e%2e/back", web, false},
			{"plain http", "http://app.example.net/back", web, false},
			{"nothing", "", web, false},
			{"loopback with the port of the day", "http://127.0.0.1:49152/cb", native, true},
			{"loopback by IPv6", "http://[::1]:49152/cb", native, true},
			{"loopback by name", "http://localhost:49152/cb", native, false},
			{"loopback with another path", "http://127.0.0.1:49152/other", native, false},
			{"another loopback address", "http://127.0.0.2:49152/cb", native, false},
			{"a loopback address with a name in front", "http://127.0.0.1@evil.example/cb", native, false},
			{"the private scheme", "com.example.wallet:/cb", native, true},
			{"the private scheme in upper case", "COM.example.wallet:/cb", native, false},
		} {
			t.Run(row.name, func(t *testing.T) {
				a, err := s.oauth.ReadAsk(t.Context(), ask(row.app, "redirect_uri", row.asked))
				if row.good && (err != nil || a.Redirect != row.asked) {
					t.Errorf("refused: %v", err)
				}
				if !row.good && !errors.Is(err, oauth.ErrRedirect) {
					t.Errorf("got %v; the person must see it and nobody be redirected", err)
				}
			})
		}
	})
}

func TestAddressesThatCannotBeRegistered(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		for name, address := range map[string]string{
			"a wildcard": "https://*.example.net/cb", "plain http": "http://app.example.net/cb", "a fragment": "https://app.example.net/cb#x",
			"a user": "https://u@app.example.net/cb", "upper case": "https://App.example.net/cb", "no path": "https://app.example.net",
			"an empty port": "https://app.example.net:/cb", "a dot segment": "https://app.example.net/a/./cb", "a script": "javascript:alert(1)",
			"data": "data:text/html,x", "a scheme anybody could choose": "wallet:/cb", "a backslash": `https://app.example.net\cb`, "a space": "https://app.example.net/c b",
		} {
			_, _, err := s.oauth.Register(t.Context(), operator, oauth.NewClient{Name: "x", Owner: "y", Auth: oauth.AuthNone, Redirects: []string{address}, Scopes: []string{"openid"}})
			if !errors.Is(err, oauth.ErrBadClient) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestRequestsThatGoBackToTheApp(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		own := s.app()
		unverified := s.app(func(n *oauth.NewClient) { n.FirstParty = false })
		for _, row := range []struct {
			name   string
			app    oauth.Client
			change []string
			code   string
		}{
			{"a token in the address", own, []string{"response_type", "token"}, "unsupported_response_type"},
			{"a hybrid", own, []string{"response_type", "code id_token"}, "unsupported_response_type"},
			{"no challenge", own, []string{"code_challenge", ""}, "invalid_request"},
			{"plain PKCE", own, []string{"code_challenge_method", "plain"}, "invalid_request"},
			{"no PKCE method, which means plain", own, []string{"code_challenge_method", ""}, "invalid_request"},
			{"a verifier where its hash belongs", own, []string{"code_challenge", verifier}, "invalid_request"},
			{"an unknown scope", own, []string{"scope", "openid withdraw"}, "invalid_scope"},
			{"no scope", own, []string{"scope", ""}, "invalid_scope"},
			{"more than an app nobody checked may have", unverified, []string{"scope", "openid trade"}, "invalid_scope"},
			{"a form post", own, []string{"response_mode", "form_post"}, "invalid_request"},
			{"a signed request", own, []string{"request", "e30."}, "request_not_supported"},
			{"an address of a request", own, []string{"request_uri", "https://evil.example/r"}, "request_uri_not_supported"},
			{"silence and a question", own, []string{"prompt", "none login"}, "invalid_request"},
			{"an unknown prompt", own, []string{"prompt", "create"}, "invalid_request"},
			{"a negative age", own, []string{"max_age", "-1"}, "invalid_request"},
			{"a thumbprint that is none", own, []string{"dpop_jkt", "x"}, "invalid_request"},
			{"a hint that is no token of ours", own, []string{"id_token_hint", "e30.e30.x"}, "invalid_request"},
		} {
			t.Run(row.name, func(t *testing.T) {
				s.In(t)
				_, err := s.oauth.ReadAsk(t.Context(), ask(row.app, row.change...))
				s.refused(err, row.code)
			})
		}
		twice := ask(own)
		twice.Add("scope", "openid")
		_, err := s.oauth.ReadAsk(t.Context(), twice)
		s.refused(err, "invalid_request")
		twice = ask(own)
		twice.Add("redirect_uri", "https://evil.example/")
		if _, err := s.oauth.ReadAsk(t.Context(), twice); !errors.Is(err, oauth.ErrRedirect) {
			t.Errorf("two addresses: %v", err)
		}
		if _, err := s.oauth.ReadAsk(t.Context(), ask(oauth.Client{ID: "app_nobody"})); !errors.Is(err, oauth.ErrNoClient) {
			t.Errorf("an unknown app: %v", err)
		}
	})
}

func TestPushedRequests(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c, other := s.Person(), s.app(), s.app()
		uri, seconds, err := s.oauth.Push(t.Context(), c, ask(c))
		s.Must(err)
		if seconds <= 5 || seconds >= 600 { // RFC 9126 §2.2, FAPI 2.0 §5.3.2.2-12
			t.Errorf("good for %d s", seconds)
		}
		with := func(client oauth.Client) (string, error) {
			handle, _, err := s.oauth.Pushed(t.Context(), url.Values{"client_id": {string(client.ID)}, "request_uri": {uri}})
			return handle, err
		}
		if _, err := with(other); !errors.Is(err, oauth.ErrAsk) {
			t.Errorf("another app used it: %v", err)
		}
		handle, err := with(c)
		s.Must(err)
		q, err := s.allow(p, handle)
		s.Must(err)
		if _, err := s.redeem(c, q.Get("code"), ""); err != nil {
			t.Error(err)
		}
		if _, err := with(c); !errors.Is(err, oauth.ErrAsk) {
			t.Errorf("used twice: %v", err)
		}
		_, _, err = s.oauth.Push(t.Context(), c, ask(c, "redirect_uri", "https://evil.example/"))
		s.refused(err, "invalid_request")
		_, _, err = s.oauth.Push(t.Context(), c, ask(c, "request_uri", uri))
		s.refused(err, "invalid_request")
		_, _, err = s.oauth.Push(t.Context(), c, ask(other))
		s.refused(err, "invalid_request")
	})
}

func TestWhoMayNotAuthorize(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app()
		a, err := s.oauth.ReadAsk(t.Context(), ask(c))
		s.Must(err)
		handle, err := s.oauth.Keep(t.Context(), a, ask(c))
		s.Must(err)
		a, err = s.oauth.Kept(t.Context(), handle)
		s.Must(err)
		stolen := p.From()
		stolen.JKT, stolen.JTI = "", ""
		_, err = s.oauth.Authorize(t.Context(), p.Session(), a, nil, stolen)
		s.Refused(err, session.ErrProofMissing) // a copied cookie without its key
		stolen.JKT, stolen.JTI = "thief-key", "j"
		_, err = s.oauth.Authorize(t.Context(), p.Session(), a, nil, stolen)
		s.Refused(err, session.ErrProofMissing)
		if n := s.Count("oauth_code"); n != 0 {
			t.Errorf("%d codes", n)
		}
	})
}

// What goes back to an app carries who we are and nothing that was sent.
func TestRefusalsCarryNothingThatWasSent(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		_, err := s.oauth.ReadAsk(t.Context(), ask(s.app(), "prompt", "<script>evil</script>"))
		var r *oauth.Refusal
		if !errors.As(err, &r) {
			t.Fatal(err)
		}
		to := s.oauth.Back(r)
		if strings.Contains(to, "evil") || !strings.Contains(to, "iss="+url.QueryEscape(signintest.Origin)) || !strings.Contains(to, "state=st-1") {
			t.Errorf("%s", to)
		}
	})
}
