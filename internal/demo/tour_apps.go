package demo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"keyward/internal/keyring"
	"keyward/internal/softkey"
)

// wallet is the app of the story: what it keeps while it waits, and what it got.
type wallet struct {
	verifier, ask, code string
	access, refresh     string
	spent               string // the refresh token before the last
	asked               int64  // when it asked for a touch, in seconds
	grant               string // as the page of connected apps names it
}

// apps: an app gets in by PKCE and DPoP, and what a thief takes from it is worth nothing.
func apps() []step {
	return []step{
		{"tablet", "signs in again", want{200, "", "signed in"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.signIn(ctx)
		}},
		{"app", "sends its owner to Keyward with a challenge (PKCE)", want{303, "", "the request is kept"}, func(ctx context.Context, s *story) (*answer, error) {
			s.wallet.verifier = keyring.Secret()
			a, err := s.tablet.get(ctx, "/oauth/authorize?"+s.authorize(nil).Encode())
			if err != nil {
				return nil, err
			}
			_, s.wallet.ask, _ = strings.Cut(a.header.Get("Location"), "ask=")
			return a, nil
		}},
		{"app", "asks to be answered at an address it never registered", want{400, "redirect_unknown", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.get(ctx, "/oauth/authorize?"+s.authorize(map[string]string{"redirect_uri": s.AppBack + ".evil.example"}).Encode())
		}},
		{"thief", "asks for the code with copied cookies", want{401, "proof_missing", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.thiefOf(s.tablet, softkey.NewBindingKey()).allow(ctx, s.wallet.ask)
		}},
		{"tablet", "answers with its own key: a one-time code", want{200, "", "back to the app, with iss"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.tablet.allow(ctx, s.wallet.ask)
			if err != nil {
				return nil, err
			}
			var out struct{ To string }
			if err := a.into(&out); err != nil {
				return a, err
			}
			u, err := url.Parse(out.To)
			if err != nil || !strings.HasPrefix(out.To, s.AppBack+"?") || u.Query().Get("iss") != s.Origin || u.Query().Get("state") != "state-of-the-app" {
				return a, errors.New("it does not lead back to the app")
			}
			s.wallet.code = u.Query().Get("code")
			s.tablet.keep("code", s.wallet.code)
			return a, nil
		}},
		{"thief", "brings the stolen code without the app's verifier", want{400, "invalid_grant", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.token(ctx, softkey.NewBindingKey(), url.Values{"grant_type": {"authorization_code"}, "code": {s.wallet.code},
				"redirect_uri": {s.AppBack}, "code_verifier": {keyring.Secret()}})
		}},
		{"app", "brings it with its verifier and its key", want{200, "", "tokens bound to the key"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.taken(s.token(ctx, s.app.bind, url.Values{"grant_type": {"authorization_code"}, "code": {s.wallet.code},
				"redirect_uri": {s.AppBack}, "code_verifier": {s.wallet.verifier}}))
		}},
		{"app", "asks who it is (userinfo)", want{200, "", "the account"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.userInfo(ctx, s.app.bind)
			if err != nil {
				return nil, err
			}
			return a, seen(a, `"sub":"acc_`)
		}},
		{"app", "looks at the balance at the gate with its token", want{200, "", "the owner's"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.appAtGate(ctx, s.app.bind)
		}},
		{"thief", "does so with a proof of a key of their own", want{401, "invalid_token", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.appAtGate(ctx, softkey.NewBindingKey())
		}},
		{"thief", "uses the stolen access token as it is", want{401, "invalid_token", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.app.do(ctx, call{method: http.MethodGet, path: "/oauth/userinfo", spell: http.Header{"Authorization": {"Bearer " + s.wallet.access}}})
		}},
		{"thief", "uses it with a proof of a key of their own", want{401, "invalid_token", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.userInfo(ctx, softkey.NewBindingKey())
		}},
		{"app", "renews", want{200, "", "a new pair"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.taken(s.token(ctx, s.app.bind, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.wallet.refresh}}))
		}},
		{"app", "lost the answer and asks again with the old token", want{200, "", "the same child"}, func(ctx context.Context, s *story) (*answer, error) {
			before := s.wallet.refresh
			a, err := s.taken(s.token(ctx, s.app.bind, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.wallet.spent}}))
			if err == nil && s.wallet.refresh != before {
				return a, errors.New("another child")
			}
			return a, err
		}},
		{"thief", "renews with the stolen token and a key of their own", want{400, "invalid_dpop_proof", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.token(ctx, softkey.NewBindingKey(), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.wallet.refresh}})
		}},
		{"app", "gives its access back (revocation)", want{200, "", "ended"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.app.do(ctx, call{method: http.MethodPost, path: "/oauth/revoke", form: url.Values{"client_id": {s.App}, "token": {s.wallet.refresh}}})
		}},
		{"app", "asks who it is once more", want{401, "invalid_token", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.userInfo(ctx, s.app.bind)
		}},
		{"app", "looks at the balance once more", want{401, "AUTH_FAILED", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.appAtGate(ctx, s.app.bind)
		}},
		{"app", "renews once more", want{400, "invalid_grant", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.token(ctx, s.app.bind, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.wallet.refresh}})
		}},
	}
}

// authorize is what the app asks; change replaces parts of it.
func (s *story) authorize(change map[string]string) url.Values {
	h := sha256.Sum256([]byte(s.wallet.verifier))
	q := url.Values{"response_type": {"code"}, "client_id": {s.App}, "redirect_uri": {s.AppBack}, "scope": {"openid offline_access read"},
		"state": {"state-of-the-app"}, "nonce": {"nonce-of-the-app"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(h[:])}, "dpop_jkt": {s.app.bind.Thumbprint()}}
	for name, value := range change {
		q.Set(name, value)
	}
	return q
}

// allow is what the script of the page does (internal/web/static/authorize.js).
func (v *visitor) allow(ctx context.Context, ask string) (*answer, error) {
	return v.do(ctx, call{method: http.MethodPost, path: "/oauth/authorize/answer", prove: true, json: map[string]string{"ask": ask}})
}

func (s *story) token(ctx context.Context, key *softkey.BindingKey, form url.Values) (*answer, error) {
	form.Set("client_id", s.App)
	return s.app.do(ctx, call{method: http.MethodPost, path: "/oauth/token", prove: true, key: key, form: form})
}

// taken keeps the tokens of an answer.
func (s *story) taken(a *answer, err error) (*answer, error) {
	if err != nil {
		return a, err
	}
	var t struct {
		Access  string `json:"access_token"`
		Type    string `json:"token_type"`
		Refresh string `json:"refresh_token"`
	}
	if err := a.into(&t); err != nil {
		return a, err
	}
	if t.Type != "DPoP" || t.Refresh == "" {
		return a, fmt.Errorf("tokens of type %q", t.Type)
	}
	s.wallet.spent, s.wallet.access, s.wallet.refresh = s.wallet.refresh, t.Access, t.Refresh
	s.app.access = t.Access
	s.app.keep("access", t.Access)
	s.app.keep("refresh", t.Refresh)
	return a, nil
}

func (s *story) userInfo(ctx context.Context, key *softkey.BindingKey) (*answer, error) {
	return s.app.do(ctx, call{method: http.MethodGet, path: "/oauth/userinfo", token: true, key: key})
}
