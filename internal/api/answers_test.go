package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"keyward/internal/oauth"
	"keyward/internal/proof/prooftest"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

// Good answers of the endpoints: nobody on the way keeps them, and the next nonce comes
// along (RFC 6749 §5.1, RFC 9126 §2.2, RFC 9449 §8.2).
func TestGoodAnswersAreNotKept(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		pushed := f.post("/oauth/par", f.request("nonce", strings.Repeat("n", 64)), f.proof("/oauth/par")) // FAPI 2.0 §5.3.2.2-14
		token := f.post("/oauth/token", f.redemption(f.code()), f.proof("/oauth/token"))
		var tok oauth.Tokens
		f.Must(json.Unmarshal(token.Body.Bytes(), &tok))
		who := func(method string) *httptest.ResponseRecorder {
			proof := f.bind.Proof(method, signintest.Origin+"/oauth/userinfo", f.DB.Now(), prooftest.Nonce(f.nonce), prooftest.Token(tok.Access))
			return f.send(method, "/oauth/userinfo", "", "", http.Header{"Authorization": {"DPoP " + tok.Access}, "Dpop": {proof}})
		}
		for name, is := range map[string]struct {
			got    *httptest.ResponseRecorder
			status int
		}{
			"PAR": {pushed, 201}, "tokens": {token, 200}, "userinfo by GET": {who("GET"), 200}, "userinfo by POST": {who("POST"), 200},
			"introspection": {f.post("/oauth/introspect", f.form("token", tok.Access)), 200}, "revocation": {f.post("/oauth/revoke", f.form("token", tok.Refresh)), 200},
		} {
			if is.got.Code != is.status || is.got.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d, Cache-Control %q", name, is.got.Code, is.got.Header().Get("Cache-Control"))
			}
		}
		if token.Header().Get("DPoP-Nonce") == "" {
			t.Error("no nonce for the next proof")
		}
		for _, path := range []string{"/oauth/token", "/oauth/revoke", "/oauth/introspect"} {
			if w := f.send("GET", path, "", "", nil); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("GET %s: %d", path, w.Code)
			}
		}
	})
}

// RFC 7009: what is given back is over; what is not there, or not theirs, is no error
// and ends nothing.
func TestWhatIsGivenBack(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		owner, other := f.app, f.register(f.key)
		for _, row := range []struct {
			name   string
			app    oauth.Client
			token  func(tok oauth.Tokens) string
			status int
			over   bool
		}{
			{"its refresh token", owner, func(tok oauth.Tokens) string { return tok.Refresh }, 200, true},
			{"its access token", owner, func(tok oauth.Tokens) string { return tok.Access }, 200, true},
			{"another app's refresh token", other, func(tok oauth.Tokens) string { return tok.Refresh }, 200, false},
			{"another app's access token", other, func(tok oauth.Tokens) string { return tok.Access }, 200, false},
			{"its ID token, which opens nothing", owner, func(tok oauth.Tokens) string { return tok.ID }, 200, false},
			{"made-up letters", owner, func(oauth.Tokens) string { return "kwr_x" }, 200, false},
			{"nothing", owner, func(oauth.Tokens) string { return "" }, 400, false},
		} {
			t.Run(row.name, func(t *testing.T) {
				f.In(t)
				f.app = owner
				f.renonce()
				tok := f.tokens()
				f.app = row.app
				w := f.post("/oauth/revoke", f.form("token", row.token(tok), "token_type_hint", "refresh_token"))
				if w.Code != row.status || w.Code == 200 && w.Body.Len() > 0 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				f.app = owner
				var about struct{ Active bool }
				f.Must(json.Unmarshal(f.post("/oauth/introspect", f.form("token", tok.Access)).Body.Bytes(), &about))
				again := f.post("/oauth/token", f.form("grant_type", "refresh_token", "refresh_token", tok.Refresh), f.proof("/oauth/token"))
				if about.Active == row.over || (again.Code == 200) == row.over {
					t.Errorf("active %v, refresh %d %s", about.Active, again.Code, again.Body)
				}
			})
		}
		f.app = owner
		form := f.form("token", "x")
		form.Del("client_assertion")
		refusal(t, f.post("/oauth/revoke", form), 401, "invalid_client")
	})
}

// What stands beside a request_uri counts for nothing (RFC 9126 §4), and what the app
// may do is looked at again when its person comes (§7.4).
func TestAPushedRequestIsWhatWasPushed(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		uri := f.push()
		handle, ok, err := f.oauth.Pushed(t.Context(), url.Values{"request_uri": {uri}, "client_id": {string(f.app.ID)},
			"redirect_uri": {"https://evil.example/back"}, "scope": {"openid trade"}, "state": {"st-2"}, "code_challenge_method": {"plain"}})
		f.Must(err)
		a, err := f.oauth.Kept(t.Context(), handle)
		f.Must(err)
		if !ok || a.Redirect != fapiBack || a.State != "st-1" || strings.Join(a.Scopes, " ") != "offline_access openid read" {
			t.Errorf("read as %+v", a)
		}
		_, err = f.oauth.TurnOff(t.Context(), store.Cause{Actor: "operator:test"}, f.app.ID)
		f.Must(err)
		_, err = f.oauth.Kept(t.Context(), handle)
		f.Refused(err, oauth.ErrNoClient)
	})
}

// FAPI 2.0 §5.4.3.
func TestTwoKeysOfOneNameAreToldApart(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		old, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: old.Public(), KeyID: "k1"}, {Key: f.key.Public(), KeyID: "k1"}}}
		jwks, err := json.Marshal(set)
		f.Must(err)
		f.app, _, err = f.oauth.Register(t.Context(), store.Cause{Actor: "operator:test"}, oauth.NewClient{Name: "Desk", Owner: "dev", Auth: oauth.AuthKey,
			Profile: oauth.ProfileFAPI, JWKS: jwks, FirstParty: true, Redirects: []string{fapiBack}, Scopes: []string{"openid", "offline_access", "read"}})
		f.Must(err)
		for name, key := range map[string]*ecdsa.PrivateKey{"the first": old, "the second": f.key} {
			if w := f.post("/oauth/par", f.request("client_assertion", f.sign(jose.ES256, key, f.claims()))); w.Code != 201 {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		stranger, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		refusal(t, f.post("/oauth/par", f.request("client_assertion", f.sign(jose.ES256, stranger, f.claims()))), 401, "invalid_client")
	})
}
