package oauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"keyward/internal/edge"
	"keyward/internal/oauth"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// openFor is a shop on SQLite, whose clock stands still.
func openFor(f *testing.F) *shop {
	clock := signintest.NewClock()
	return open(signintest.New(f, storetest.Open(f, storetest.WithNow(func() time.Time { return clock.Now() })), clock))
}

// FuzzAsk reads whatever stands behind /oauth/authorize?. What is accepted is what the app registered for, said once;
// what is refused goes back to the app's own address or to nobody.
func FuzzAsk(f *testing.F) {
	s := openFor(f)
	c := s.app(func(n *oauth.NewClient) { n.Scopes = []string{"openid", "offline_access", "read"} })
	good := strings.ReplaceAll(ask(c).Encode(), string(c.ID), "$app")
	f.Add(good)
	for _, change := range [][2]string{
		{"response_type=code", "response_type=code&response_type=token"}, {"response_type=code", "response_type=code+id_token"}, {"S256", "plain"}, {"S256", "s256"},
		{"code_challenge=", "code_challenge=&code_challenge="}, {"%2Fback", "%2Fback%23x"}, {"%2Fback", "%2Fb%61ck"}, {"app.example.net", "APP.example.net"},
		{"app.example.net", "app.example.net%40evil.example"}, {"scope=", "scope=openid+withdraw&x="}, {"state=st-1", "state=%0d%0aLocation:x"}, {"state=st-1", "state=" + strings.Repeat("s", 1100)},
		{"nonce=n-1", "prompt=none+login"}, {"nonce=n-1", "max_age=-1"}, {"nonce=n-1", "dpop_jkt=x"}, {"nonce=n-1", "request=e30.e30."}, {"nonce=n-1", "request_uri=https://evil.example"},
		{"$app", "app_x"}, {"$app", "$app&client_id=$app"}, {"nonce=n-1", "id_token_hint=e30.e30.e30"}, {"nonce=n-1", "response_mode=fragment"}, {"nonce=n-1", "%20subject=acc_1"}, {"nonce=n-1", "authorization_details=%5B%7B%22type%22%3A%22keyward_withdrawal%22%7D%5D"},
	} {
		f.Add(strings.Replace(good, change[0], change[1], 1))
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := url.ParseQuery(strings.ReplaceAll(raw, "$app", string(c.ID)))
		if err != nil {
			return
		}
		a, err := s.oauth.ReadAsk(context.Background(), q)
		var refused *oauth.Refusal
		switch {
		case err == nil:
			for name, values := range q {
				if len(values) != 1 {
					t.Errorf("accepted with %s %d times", name, len(values))
				}
			}
			challenge, err := base64.RawURLEncoding.Strict().DecodeString(q.Get("code_challenge"))
			if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || err != nil || string(challenge) != string(a.Challenge[:]) || len(challenge) != sha256.Size {
				t.Errorf("accepted without a code or PKCE: %q", raw)
			}
			if a.Redirect != back || a.Client.ID != c.ID || q.Get("client_id") != string(c.ID) || q.Has("request") || q.Has("request_uri") || a.State != q.Get("state") {
				t.Errorf("accepted %q for %s at %s", raw, a.Client.ID, a.Redirect)
			}
			for _, scope := range a.Scopes {
				if !slices.Contains(c.Scopes, scope) {
					t.Errorf("accepted with the scope %s", scope)
				}
			}
			if len(a.Details) > 0 {
				t.Errorf("accepted with details that the app was not given: %+v", a.Details)
			}
			if a.Subject != "" {
				t.Errorf("somebody is named by a request without a token of ours: %q", raw)
			}
		case errors.As(err, &refused):
			u, err := url.Parse(s.oauth.Back(refused))
			if err != nil || refused.Redirect != back || u.Scheme+"://"+u.Host+u.Path != back || u.Fragment != "" || u.User != nil {
				t.Fatalf("refused to %q", refused.Redirect)
			}
			says := u.Query()
			if says.Get("iss") != signintest.Origin || says.Get("error") == "" || says.Has("code") || says.Has("access_token") || says.Get("state") != "" && says.Get("state") != q.Get("state") {
				t.Errorf("refused with %v", says)
			}
		case !errors.Is(err, oauth.ErrRedirect) && !errors.Is(err, oauth.ErrNoClient):
			t.Errorf("%q: %v", raw, err)
		case q.Get("client_id") == string(c.ID) && len(q["client_id"]) == 1 && len(q["redirect_uri"]) == 1 && q.Get("redirect_uri") == back:
			t.Errorf("the app hears nothing of its mistake: %v", err)
		}
	})
}

// FuzzAssertion signs whatever head and claims the fuzzer makes up with the key of a registered app. What gets in says
// all that RFC 7523 §3 asks for, with exact names, once, for us; and does not get in again.
func FuzzAssertion(f *testing.F) {
	s := openFor(f)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.Must(err)
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	s.Must(err)
	c := s.app(func(n *oauth.NewClient) { n.Auth, n.JWKS = oauth.AuthKey, jwks })
	const head, body = `{"alg":"ES256","kid":"k1"}`, `{"iss":"$app","sub":"$app","aud":"$us","exp":$in60,"iat":$in0,"jti":"j1"}`
	f.Add(head, body)
	for _, change := range [][2]string{
		{`"aud":"$us"`, `"aud":["$us"]`}, {`"aud":"$us"`, `"aud":"$us/oauth/token"`}, {`"aud":"$us"`, `"AUD":"$us"`}, {`"aud":"$us"`, `"aud":"x","aud":"$us"`}, {`"aud":"$us"`, `"aud":"x","Aud":"$us"`},
		{`"sub":"$app",`, ``}, {`"sub"`, `"Sub"`}, {`$in60`, `"$in60"`}, {`$in60`, `9e9`}, {`$in60`, `-1`}, {`"exp":$in60,`, ``}, {`"j1"`, `""`}, {`"j1"`, `"` + strings.Repeat("j", 300) + `"`}, {`"iat"`, `"nbf":9999999999,"iat"`},
		{`"iat":$in0`, `"x":[[[[[[[]]]]]]]`}, {`}`, `}{}`},
	} {
		f.Add(head, strings.Replace(body, change[0], change[1], 1))
	}
	for _, h := range []string{`{"alg":"none","kid":"k1"}`, `{"alg":"RS256","kid":"k1"}`, `{"alg":"ES256"}`, `{"alg":"ES256","kid":"k2"}`, `{"alg":"ES256","kid":"k1","crit":["exp"]}`, `{"alg":"ES256","kid":"k1","jku":"https://evil.example"}`, `{"alg":"none","alg":"ES256"}`} {
		f.Add(h, body)
	}
	try := func(token string) error {
		_, err := s.oauth.Authenticate(context.Background(), oauth.Credentials{AssertionTyp: jwtBearer, Assertion: token})
		return err
	}
	f.Fuzz(func(t *testing.T, head, body string) {
		now := s.DB.Now()
		body = strings.NewReplacer("$app", string(c.ID), "$us", signintest.Origin, "$in60", jsonNumber(now.Add(time.Minute)), "$in0", jsonNumber(now), `"j1"`, `"`+rand.Text()+`"`).Replace(body)
		text := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(body))
		digest := sha256.Sum256([]byte(text))
		r, v, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		var sig [64]byte
		r.FillBytes(sig[:32])
		v.FillBytes(sig[32:])
		token := text + "." + base64.RawURLEncoding.EncodeToString(sig[:])
		if err := try(token); err != nil {
			var e *oauth.Error
			if !errors.As(err, &e) || e.Code != "invalid_client" || e.Description != "client authentication failed" {
				t.Errorf("refused in words of its own: %v", err)
			}
			return
		}
		// Exact names, none of them twice: go-jose's decoder is one of those.
		var h, says map[string]any
		if err := josejson.Unmarshal([]byte(head), &h); err != nil || h["alg"] != "ES256" {
			t.Errorf("accepted with the head %q: %v", head, err)
		}
		if err := josejson.Unmarshal([]byte(body), &says); err != nil {
			t.Fatalf("accepted %q: %v", body, err)
		}
		exp, _ := says["exp"].(float64)
		id, _ := says["jti"].(string)
		if left := time.Unix(int64(exp), 0).Sub(now); says["iss"] != string(c.ID) || says["sub"] != string(c.ID) || says["aud"] != signintest.Origin || id == "" || left <= 0 || left > 6*time.Minute {
			t.Errorf("accepted %q", body)
		}
		if try(token) == nil {
			t.Errorf("accepted twice: %q", body)
		}
	})
}

func jsonNumber(at time.Time) string {
	b, _ := json.Marshal(at.Unix())
	return string(b)
}

// tokenForm goes the way of a body of the token endpoint, as internal/api does.
func (s *shop) tokenForm(raw string) (form url.Values, tok oauth.Tokens, err error) {
	ctx := context.Background()
	if form, err = edge.DecodeForm(raw); err != nil {
		return nil, tok, err
	}
	c, err := s.oauth.Authenticate(ctx, oauth.Credentials{ClientID: form.Get("client_id"), Assertion: form.Get("client_assertion"),
		AssertionTyp: form.Get("client_assertion_type"), FormSecret: form.Has("client_secret")})
	if err != nil {
		return form, tok, err
	}
	tok, err = s.oauth.Token(ctx, store.Cause{Addr: signintest.Home}, c, oauth.TokenAsk{Grant: form.Get("grant_type"), Code: form.Get("code"),
		Redirect: form.Get("redirect_uri"), Verifier: form.Get("code_verifier"), Refresh: form.Get("refresh_token"), Scope: form.Get("scope")})
	return form, tok, err
}

// FuzzTokenForm is what an app posts to the token endpoint. Whatever is refused gave nothing and used nothing up: the
// code is still good for who has all of it. What is accepted said all of it, once.
func FuzzTokenForm(f *testing.F) {
	s := openFor(f)
	c, p := s.app(), s.Person()
	const good = "grant_type=authorization_code&client_id=$app&code=$code&redirect_uri=https%3A%2F%2Fapp.example.net%2Fback&code_verifier=$verifier"
	f.Add(good)
	for _, change := range [][2]string{
		{"grant_type=authorization_code", "grant_type=authorization_code&grant_type=password"}, {"authorization_code", "client_credentials"}, {"authorization_code", "refresh_token"}, {"authorization_code", "password"},
		{"authorization_code", "implicit"}, {"$code", "$code&code=$code"}, {"$code", "$codex"}, {"$code", ""}, {"%2Fback", "%2Fback%2F"}, {"%2Fback", "%2FBACK"}, {"$verifier", "x"}, {"$verifier", ""},
		{"$verifier", strings.Repeat("x", 43)}, {"&code_verifier", "&client_secret=x&code_verifier"}, {"$app", "app_x"}, {"&code=", "&scope=withdraw&code="}, {"&code=", "&%00=&code="}, {"&code=", "&client_assertion=e30.e30.e30&code="},
	} {
		f.Add(strings.Replace(good, change[0], change[1], 1))
	}
	fresh := func() string { return s.code(p, c) }
	given := func() int {
		n, err := s.oauth.Connected(context.Background(), p.Account)
		s.Must(err)
		return len(n)
	}
	endAll := func() {
		list, err := s.oauth.Connected(context.Background(), p.Account)
		s.Must(err)
		for _, g := range list {
			_, err := s.Contain.EndGrant(context.Background(), p.Cause(), p.Account, g.ID, c.Name, false)
			s.Must(err)
		}
	}
	code := fresh()
	f.Fuzz(func(t *testing.T, raw string) {
		s.In(t)
		before := given()
		form, tok, err := s.tokenForm(strings.NewReplacer("$app", string(c.ID), "$code", code, "$verifier", verifier).Replace(raw))
		after := given()
		if err == nil {
			for name, want := range map[string]string{"grant_type": "authorization_code", "client_id": string(c.ID), "code": code, "redirect_uri": back, "code_verifier": verifier} {
				if got := form[name]; len(got) != 1 || got[0] != want {
					t.Errorf("tokens for %s = %q", name, got)
				}
			}
			if tok.Access == "" || after != before+1 {
				t.Errorf("%d grants became %d", before, after)
			}
			endAll()
			code = fresh()
			return
		}
		if tok.Access+tok.Refresh+tok.ID != "" || after != before {
			t.Fatalf("refused with %v, and gave %+v; %d grants became %d", err, tok, before, after)
		}
		var e *oauth.Error
		if errors.As(err, &e) && strings.Contains(e.Description, code) {
			t.Errorf("the refusal repeats the code: %v", err)
		}
		// The owner of the code still gets in with it. Once in a while, because each time costs a new one.
		if len(raw)%16 == 0 {
			if _, err := s.redeem(c, code, ""); err != nil {
				t.Fatalf("a refusal of %q used the code up: %v", raw, err)
			}
			endAll()
			code = fresh()
		}
	})
}
