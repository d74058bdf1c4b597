package demo

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"keyward/internal/keyring"
)

// connected: the app needs more than a sign-in of a while ago, its owner says what it
// may have, takes some of that back, and disconnects it.
func connected() []step {
	return []step{
		{"app", "asks for a touch made for it now (RFC 9470: max_age=0)", want{303, "", "the request is kept"}, func(ctx context.Context, s *story) (*answer, error) {
			s.wallet.verifier, s.wallet.asked = keyring.Secret(), s.Now().Unix()
			a, err := s.tablet.get(ctx, "/oauth/authorize?"+s.authorize(map[string]string{"scope": "openid offline_access read email", "max_age": "0"}).Encode())
			if err != nil {
				return nil, err
			}
			_, s.wallet.ask, _ = strings.Cut(a.header.Get("Location"), "ask=")
			return a, nil
		}},
		{"tablet", "answers with its key alone", want{403, "step_up_required", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.allow(ctx, s.wallet.ask)
		}},
		{"tablet", "touches the passkey for this app", want{200, "", "new secrets"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.touch(ctx, "app.authorize", s.App+" look") // it lets look and no more
		}},
		{"tablet", "unticks the mail address and says yes to the rest", want{200, "", "a code"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.tablet.do(ctx, call{method: http.MethodPost, path: "/oauth/authorize/answer", prove: true, json: map[string]any{
				"ask": s.wallet.ask, "chosen": []string{"offline_access", "read"},
			}})
			var out struct{ To string }
			if err := errors.Join(well(a, err), a.into(&out)); err != nil {
				return a, err
			}
			s.wallet.code = codeOf(out.To)
			s.tablet.keep("code", s.wallet.code)
			return a, nil
		}},
		{"app", "gets tokens: of the time of the touch, no mail address", want{200, "", "offline_access openid read"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.taken(s.token(ctx, s.app.bind, url.Values{"grant_type": {"authorization_code"}, "code": {s.wallet.code},
				"redirect_uri": {s.AppBack}, "code_verifier": {s.wallet.verifier}}))
			if err != nil {
				return a, err
			}
			if at, err := authTime(s.wallet.access); err != nil || at < s.wallet.asked {
				return a, errors.Join(err, errors.New("the token tells of an older touch"))
			}
			return a, seen(a, `"scope":"offline_access openid read"`)
		}},
		{"tablet", "opens its connected apps", want{200, "", "what the wallet may do"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.tablet.do(ctx, call{method: http.MethodGet, path: "/apps", page: true})
			if err != nil {
				return nil, err
			}
			found := regexp.MustCompile(`/apps/(grt_[0-9a-z]+)/end" aria-label="[^"]*Demo wallet`).FindSubmatch(a.body)
			if found == nil {
				return a, errors.New("the wallet is not on the page")
			}
			s.wallet.grant = string(found[1])
			return a, seen(a, "See balances and past orders")
		}},
		{"thief", "disconnects it with copied cookies, from far away", want{401, "proof_missing", ""}, func(ctx context.Context, s *story) (*answer, error) {
			thief := s.thiefOf(s.tablet, nil)
			thief.from = farAddr
			return thief.do(ctx, call{method: http.MethodPost, path: "/apps/" + s.wallet.grant + "/end", form: url.Values{}})
		}},
		{"tablet", "takes reading away", want{303, "", "a receipt"}, func(ctx context.Context, s *story) (*answer, error) {
			return s.tablet.post(ctx, "/apps/"+s.wallet.grant+"/narrow", map[string]string{"scope": "offline_access"})
		}},
		{"app", "renews", want{200, "", "offline_access openid"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.taken(s.token(ctx, s.app.bind, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.wallet.refresh}}))
			if err != nil {
				return a, err
			}
			return a, seen(a, `"scope":"offline_access openid"`)
		}},
		{"app", "asks for reading by name", want{400, "invalid_scope", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.token(ctx, s.app.bind, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.wallet.refresh}, "scope": {"read"}})
		}},
		{"tablet", "disconnects the wallet", want{200, "", "a receipt with s"}, func(ctx context.Context, s *story) (*answer, error) {
			a, err := s.tablet.post(ctx, "/apps/"+s.wallet.grant+"/end", nil)
			if err := well(a, err); err != nil || a.status != http.StatusSeeOther {
				return a, err
			}
			if a, err = s.tablet.do(ctx, call{method: http.MethodGet, path: "/apps", page: true}); err != nil {
				return nil, err
			}
			return a, errors.Join(seen(a, "“Demo wallet” is disconnected."), seen(a, "Ended everywhere in"))
		}},
		{"app", "asks who it is", want{401, "invalid_token", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.userInfo(ctx, s.app.bind)
		}},
		{"app", "renews", want{400, "invalid_grant", ""}, func(ctx context.Context, s *story) (*answer, error) {
			return s.token(ctx, s.app.bind, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.wallet.refresh}})
		}},
	}
}

// authTime reads when its owner was last verified out of an access token, as a
// resource server does after it checked the signature.
func authTime(token string) (int64, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0, errors.New("the access token is no JWT")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		AuthTime int64 `json:"auth_time"`
	}
	err = errors.Join(err, json.Unmarshal(raw, &claims))
	return claims.AuthTime, err
}
