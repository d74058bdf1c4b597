package oauth_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/audit"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

const (
	back     = "https://app.example.net/back"
	verifier = "a-verifier-that-the-app-kept-for-the-browser-it-began-with"
)

// shop is a world with apps in it.
type shop struct {
	*signintest.World
	oauth  *oauth.Service
	sealer *audit.Sealer
	jti    atomic.Int64
}

func each(t *testing.T, story func(t *testing.T, s *shop)) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) { story(t, open(w)) })
}

func open(w *signintest.World) *shop {
	mint := session.NewMint(w.Ring, signintest.Origin, w.DB.Now)
	return &shop{World: w, oauth: oauth.New(oauth.Parts{
		DB: w.DB, Log: w.Log, Accounts: w.Accounts, Sessions: w.Sessions, SignIn: w.SignIn, Mint: mint, Access: 5 * time.Minute,
	})}
}

var operator = store.Cause{Actor: "operator:test"}

// app registers one; change edits it before.
func (s *shop) app(change ...func(*oauth.NewClient)) oauth.Client {
	s.T.Helper()
	n := oauth.NewClient{Name: "Portfolio View", Owner: "dev@app.example.net", Auth: oauth.AuthNone, FirstParty: true,
		Redirects: []string{back}, Scopes: []string{"openid", "email", "offline_access", "read", "trade", "keys"}}
	for _, f := range change {
		f(&n)
	}
	c, _, err := s.oauth.Register(context.Background(), operator, n)
	s.Must(err)
	c, err = s.oauth.Client(context.Background(), string(c.ID))
	s.Must(err)
	return c
}

func challengeOf(v string) string {
	h := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// ask is the query of an app; pairs of name and value change it.
func ask(c oauth.Client, change ...string) url.Values {
	q := url.Values{"response_type": {"code"}, "client_id": {string(c.ID)}, "redirect_uri": {back}, "state": {"st-1"}, "nonce": {"n-1"},
		"scope": {"openid offline_access read"}, "code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(change); i += 2 {
		q.Set(change[i], change[i+1])
		if change[i+1] == "" {
			q.Del(change[i])
		}
	}
	return q
}

// authorize goes from the app's request to the address that comes back.
func (s *shop) authorize(p *signintest.Person, q url.Values) (url.Values, error) {
	ctx := context.Background()
	a, err := s.oauth.ReadAsk(ctx, q)
	if err != nil {
		return nil, err
	}
	handle, err := s.oauth.Keep(ctx, a, q)
	if err != nil {
		return nil, err
	}
	return s.allow(p, handle)
}

func (s *shop) allow(p *signintest.Person, handle string) (url.Values, error) {
	ctx := context.Background()
	a, err := s.oauth.Kept(ctx, handle)
	if err != nil {
		return nil, err
	}
	to, err := s.oauth.Authorize(ctx, p.Session(), a, nil, p.From())
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	return u.Query(), nil
}

func (s *shop) code(p *signintest.Person, c oauth.Client, change ...string) string {
	s.T.Helper()
	q, err := s.authorize(p, ask(c, change...))
	s.Must(err)
	return q.Get("code")
}

func (s *shop) redeem(c oauth.Client, code, jkt string) (oauth.Tokens, error) {
	return s.oauth.Token(context.Background(), store.Cause{Addr: signintest.Home}, c, oauth.TokenAsk{
		Grant: "authorization_code", Code: code, Redirect: back, Verifier: verifier, JKT: jkt, JTI: s.newJTI(jkt),
	})
}

func (s *shop) refresh(c oauth.Client, token, jkt, scope string) (oauth.Tokens, error) {
	return s.oauth.Token(context.Background(), store.Cause{Addr: signintest.Home}, c, oauth.TokenAsk{
		Grant: "refresh_token", Refresh: token, Scope: scope, JKT: jkt, JTI: s.newJTI(jkt),
	})
}

func (s *shop) newJTI(jkt string) string {
	if jkt == "" {
		return ""
	}
	return fmt.Sprintf("app-jti-%d", s.jti.Add(1))
}

// refused checks the word of the standard.
func (s *shop) refused(err error, code string) {
	s.T.Helper()
	var e *oauth.Error
	var r *oauth.Refusal
	switch {
	case errors.As(err, &e) && e.Code == code, errors.As(err, &r) && r.Code == code:
	default:
		s.T.Errorf("got %v, want %s", err, code)
	}
}

func TestAnAppGetsInRenewsAndIsEnded(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c, ctx := s.Person(), s.app(), t.Context()
		q, err := s.authorize(p, ask(c))
		s.Must(err)
		if q.Get("iss") != signintest.Origin || q.Get("state") != "st-1" {
			t.Errorf("came back with %v", q)
		}
		tok, err := s.redeem(c, q.Get("code"), "app-key")
		s.Must(err)
		if tok.Type != "DPoP" || tok.Refresh == "" || tok.ID == "" || tok.Scope != "offline_access openid read" {
			t.Errorf("%+v", tok)
		}
		claims, _, err := s.oauth.Use(ctx, tok.Access)
		s.Must(err)
		if claims.Subject != string(p.Account) || claims.Confirm == nil || claims.Confirm.JKT != "app-key" || claims.ACR != "phr" || claims.SID != string(p.Session().ID) {
			t.Errorf("%+v", claims)
		}
		next, err := s.refresh(c, tok.Refresh, "app-key", "")
		s.Must(err)
		if next.Refresh == tok.Refresh {
			t.Error("the refresh token of a public client did not turn")
		}
		again, err := s.refresh(c, tok.Refresh, "app-key", "") // the answer was lost
		s.Must(err)
		if again.Refresh != next.Refresh {
			t.Error("a retry got another child")
		}
		connected, err := s.oauth.Connected(ctx, p.Account)
		s.Must(err)
		if len(connected) != 1 || connected[0].Name != c.Name {
			t.Fatalf("connected: %+v", connected)
		}
		_, err = s.Contain.EndGrant(ctx, p.Cause(), p.Account, connected[0].ID, c.Name, false)
		s.Must(err)
		if _, _, err := s.oauth.Use(ctx, next.Access); !errors.Is(err, session.ErrGrantEnded) {
			t.Errorf("an ended grant is still good: %v", err)
		}
		_, err = s.refresh(c, next.Refresh, "app-key", "")
		s.refused(err, "invalid_grant")
	})
}

func TestWhatCodesAreGoodFor(t *testing.T) {
	rows := []struct {
		name   string
		change []string
		try    func(s *shop, c oauth.Client, code string) error
	}{
		{"with the verifier of another browser", nil, func(s *shop, c oauth.Client, code string) error {
			_, err := s.oauth.Token(context.Background(), store.Cause{}, c, oauth.TokenAsk{Grant: "authorization_code", Code: code, Redirect: back, Verifier: strings.Repeat("x", 43)})
			return err
		}},
		{"for another address", nil, func(s *shop, c oauth.Client, code string) error {
			_, err := s.oauth.Token(context.Background(), store.Cause{}, c, oauth.TokenAsk{Grant: "authorization_code", Code: code, Redirect: back + "2", Verifier: verifier})
			return err
		}},
		{"by another app", nil, func(s *shop, _ oauth.Client, code string) error { _, err := s.redeem(s.app(), code, ""); return err }},
		{"with another key than dpop_jkt names", []string{"dpop_jkt", challengeOf("the app's key")}, func(s *shop, c oauth.Client, code string) error {
			_, err := s.redeem(c, code, challengeOf("a thief's key"))
			return err
		}},
		{"a minute later", nil, func(s *shop, c oauth.Client, code string) error {
			s.Clock.Sleep(time.Minute)
			_, err := s.redeem(c, code, "")
			return err
		}},
		{"a code nobody made", nil, func(s *shop, c oauth.Client, _ string) error {
			_, err := s.redeem(c, "kwc_"+keyring.Secret(), "")
			return err
		}},
	}
	each(t, func(t *testing.T, s *shop) {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				s.In(t)
				p, c := s.Person(), s.app()
				s.refused(row.try(s, c, s.code(p, c, row.change...)), "invalid_grant")
				if grants, err := s.oauth.Connected(context.Background(), p.Account); err != nil || len(grants) != 0 {
					t.Errorf("something was given: %v %v", grants, err)
				}
			})
		}
	})
}

func TestWhatEndsAGrantAndWhatDoesNot(t *testing.T) {
	rows := []struct {
		name  string
		scope string
		act   func(s *shop, p *signintest.Person, c oauth.Client)
		lives bool
	}{
		{"freezing the account", "openid offline_access", func(s *shop, p *signintest.Person, _ oauth.Client) {
			_, err := s.Contain.Freeze(context.Background(), p.Cause(), p.Account, "here")
			s.Must(err)
		}, false},
		{"ending everything", "openid offline_access", func(s *shop, p *signintest.Person, _ oauth.Client) {
			_, err := s.Contain.EndAll(context.Background(), p.Cause(), p.Account)
			s.Must(err)
		}, false},
		{"ending the session it was given in", "openid offline_access", func(s *shop, p *signintest.Person, _ oauth.Client) {
			ses := p.Session()
			_, err := s.Contain.EndSession(context.Background(), p.Elsewhere().In().Cause(), p.Elsewhere().In().Session(), ses.ID)
			s.Must(err)
		}, false},
		{"removing its device after signing out", "openid offline_access", func(s *shop, p *signintest.Person, _ oauth.Client) {
			old := p.Session()
			_, err := s.Contain.EndSession(context.Background(), p.Cause(), old, old.ID)
			s.Must(err)
			q := p.Elsewhere().In()
			q.SecondKey() // or the device held the last way in
			q.Touch(device.ActDevicesRemove, string(old.Device))
			_, err = s.Contain.RemoveDevice(context.Background(), q.Cause(), q.Session(), old.Device, contain.Keep{})
			s.Must(err)
		}, false},
		{"only signing out", "openid offline_access", func(s *shop, p *signintest.Person, _ oauth.Client) {
			old := p.Session()
			_, err := s.Contain.EndSession(context.Background(), p.Cause(), old, old.ID)
			s.Must(err)
		}, true},
		{"saying \"not me\" about a session that ran out", "openid offline_access", func(s *shop, p *signintest.Person, _ oauth.Client) {
			old := p.Session()
			s.Clock.Sleep(3 * time.Minute)
			p.In()
			_, err := s.Contain.NotMe(context.Background(), p.Cause(), p.Session(), old.ID)
			s.Must(err)
		}, false},
		{"signing in again in the same browser", "openid offline_access", func(s *shop, p *signintest.Person, _ oauth.Client) { p.In() }, true},
		{"the same, without offline access", "openid", func(s *shop, p *signintest.Person, _ oauth.Client) { p.In() }, false},
		{"switching the app off", "openid offline_access", func(s *shop, p *signintest.Person, c oauth.Client) {
			_, err := s.oauth.TurnOff(context.Background(), operator, c.ID)
			s.Must(err)
		}, false},
	}
	each(t, func(t *testing.T, s *shop) {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				s.In(t)
				p, c := s.Person(), s.app()
				tok, err := s.redeem(c, s.code(p, c, "scope", row.scope), "app-key")
				s.Must(err)
				row.act(s, p, c)
				if _, _, err := s.oauth.Use(t.Context(), tok.Access); (err == nil) != row.lives {
					t.Errorf("access: %v", err)
				}
				if tok.Refresh != "" {
					if _, err := s.refresh(c, tok.Refresh, "app-key", ""); (err == nil) != row.lives {
						t.Errorf("refresh: %v", err)
					}
				}
			})
		}
	})
}

func TestASecondUseOfACodeEndsWhatTheFirstGave(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app()
		code := s.code(p, c)
		tok, err := s.redeem(c, code, "app-key")
		s.Must(err)
		_, err = s.redeem(c, code, "app-key")
		s.refused(err, "invalid_grant")
		// Read again: the refusal committed.
		if _, _, err := s.oauth.Use(t.Context(), tok.Access); !errors.Is(err, session.ErrGrantEnded) {
			t.Errorf("the first use's token is still good: %v", err)
		}
		if !strings.Contains(s.Events(p.Account), "grant.code_replayed") {
			t.Errorf("the log says nothing of it: %s", s.Events(p.Account))
		}
	})
}

func TestAReplayedRefreshTokenEndsTheGrantAndNotTheSession(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app()
		tok, err := s.redeem(c, s.code(p, c), "") // unbound
		s.Must(err)
		next, err := s.refresh(c, tok.Refresh, "", "")
		s.Must(err)
		s.Clock.Sleep(11 * time.Second) // past the window for a lost answer
		_, err = s.refresh(c, tok.Refresh, "", "")
		s.refused(err, "invalid_grant")
		_, err = s.refresh(c, next.Refresh, "", "")
		s.refused(err, "invalid_grant")
		if _, err := p.Check(); err != nil {
			t.Errorf("the owner's session ended with it: %v", err)
		}
	})
}

func TestATokenInOtherHandsChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app()
		tok, err := s.redeem(c, s.code(p, c), "app-key")
		s.Must(err)
		_, err = s.refresh(c, tok.Refresh, "thief-key", "")
		s.refused(err, "invalid_dpop_proof")
		_, err = s.refresh(c, tok.Refresh, "", "")
		s.refused(err, "invalid_dpop_proof")
		if n := strings.Count(s.Events(p.Account), "grant.suspect"); n != 1 { // read again: the mark committed, once
			t.Errorf("%d marks for two tries: %s", n, s.Events(p.Account))
		}
		_, err = s.refresh(s.app(), tok.Refresh, "app-key", "")
		s.refused(err, "invalid_grant")
		if _, err := s.refresh(c, tok.Refresh, "app-key", ""); err != nil {
			t.Errorf("the app itself lost something: %v", err)
		}
	})
}

// FAPI 2.0 §5.3.2.1-9.
func TestAConfidentialBoundAppKeepsItsToken(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app(func(n *oauth.NewClient) { n.Auth = oauth.AuthSecret })
		tok, err := s.redeem(c, s.code(p, c), "app-key")
		s.Must(err)
		for range 3 {
			next, err := s.refresh(c, tok.Refresh, "app-key", "")
			s.Must(err)
			if next.Refresh != tok.Refresh {
				t.Fatal("it turned")
			}
		}
	})
}

func TestSensitiveScopesNeedAFreshTouch(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app()
		tok, err := s.redeem(c, s.code(p, c, "scope", "openid offline_access read keys"), "app-key")
		s.Must(err)
		s.Clock.Sleep(6 * time.Minute)
		_, err = s.refresh(c, tok.Refresh, "app-key", "keys")
		s.refused(err, "insufficient_user_authentication")
	})
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app()
		tok, err := s.redeem(c, s.code(p, c, "scope", "openid offline_access read keys"), "app-key")
		s.Must(err)
		s.Clock.Sleep(6 * time.Minute)
		next, err := s.refresh(c, tok.Refresh, "app-key", "")
		s.Must(err)
		if strings.Contains(next.Scope, "keys") || !strings.Contains(next.Scope, "read") {
			t.Errorf("renewed to %q", next.Scope)
		}
	})
}

func TestOneCodeForSixteenPresses(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app()
		q := ask(c)
		a, err := s.oauth.ReadAsk(t.Context(), q)
		s.Must(err)
		handle, err := s.oauth.Keep(t.Context(), a, q)
		s.Must(err)
		ses := p.Session()
		var made atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			f := p.From()
			wg.Go(func() {
				a, err := s.oauth.Kept(context.Background(), handle)
				if err != nil {
					return
				}
				if _, err := s.oauth.Authorize(context.Background(), ses, a, nil, f); err == nil {
					made.Add(1)
				}
			})
		}
		wg.Wait()
		if n := made.Load(); n != 1 {
			t.Errorf("%d codes were made", n)
		}
	})
}

func TestOneGrantForSixteenRedeemers(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		p, c := s.Person(), s.app()
		code := s.code(p, c)
		var given atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, err := s.redeem(c, code, "app-key"); err == nil {
					given.Add(1)
				}
			})
		}
		wg.Wait()
		if n := given.Load(); n != 1 {
			t.Errorf("the code was good %d times", n)
		}
	})
}

func TestWhoMayAskAboutAToken(t *testing.T) {
	each(t, func(t *testing.T, s *shop) {
		secret := func(n *oauth.NewClient) { n.Auth = oauth.AuthSecret }
		own := s.app(secret)
		foreign := s.app(secret, func(n *oauth.NewClient) { n.FirstParty = false })
		elsewhere := s.app(secret, func(n *oauth.NewClient) { n.Audience = "https://other.example.net" })
		p, holder := s.Person(), s.app()
		tok, err := s.redeem(holder, s.code(p, holder), "app-key")
		s.Must(err)
		for _, row := range []struct {
			name   string
			app    oauth.Client
			active bool
		}{
			{"a back end of the exchange, of the same audience", own, true},
			{"one of another audience", elsewhere, false},
			{"another company's app", foreign, false},
			{"a public app", holder, false},
		} {
			in, err := s.oauth.Introspect(t.Context(), row.app, tok.Access)
			s.Must(err)
			if in.Active != row.active || !row.active && in.AccessClaims != nil {
				t.Errorf("%s: %+v", row.name, in)
			}
		}
		_, err = s.Contain.EndAll(t.Context(), p.Cause(), p.Account)
		s.Must(err)
		if in, err := s.oauth.Introspect(t.Context(), own, tok.Access); err != nil || in.Active {
			t.Errorf("after everything was ended: %+v %v", in, err)
		}
	})
}
