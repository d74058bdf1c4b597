package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keyward/internal/oauth"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

// Clients configure themselves by this document, so it promises nothing that is not
// there (OIDC Discovery §3 and §4, RFC 8414 §2 and §3).
func TestTheMetadataPromisesWhatIsThere(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		w := f.send("GET", "/.well-known/openid-configuration", "", "", nil)
		if other := f.send("GET", "/.well-known/oauth-authorization-server", "", "", nil); w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || other.Body.String() != w.Body.String() {
			t.Fatalf("%d %s, and by its other name %d", w.Code, w.Header().Get("Content-Type"), other.Code)
		}
		var said map[string]any
		f.Must(json.Unmarshal(w.Body.Bytes(), &said))
		if said["issuer"] != signintest.Origin {
			t.Errorf("issuer %v", said["issuer"])
		}
		pages := []string{"authorization_endpoint", "end_session_endpoint"} // of the pages, not of this mux
		if said[pages[0]] != signintest.Origin+"/oauth/authorize" || said[pages[1]] != signintest.Origin+"/oauth/logout" {
			t.Errorf("pages at %v and %v", said[pages[0]], said[pages[1]])
		}
		for name, value := range said {
			address, is := value.(string)
			if !is || name == "issuer" || slices.Contains(pages, name) {
				continue
			}
			path, ours := strings.CutPrefix(address, signintest.Origin)
			if got := f.send("POST", path, "application/x-www-form-urlencoded", "", nil); !ours || got.Code == http.StatusNotFound {
				t.Errorf("%s is %s: %d", name, address, got.Code)
			}
		}
		for name, want := range map[string]string{
			"response_types_supported": "code", "response_modes_supported": "query", "subject_types_supported": "public", "id_token_signing_alg_values_supported": "ES256",
			"code_challenge_methods_supported": "S256", "acr_values_supported": "phr phrh", "authorization_details_types_supported": oauth.TypeWithdrawal,
			"dpop_signing_alg_values_supported": "ES256 EdDSA", "introspection_signing_alg_values_supported": "ES256",
			"token_endpoint_auth_methods_supported": "none client_secret_basic private_key_jwt", "introspection_endpoint_auth_methods_supported": "client_secret_basic private_key_jwt",
		} {
			list, _ := said[name].([]any)
			var got []string
			for _, x := range list {
				got = append(got, x.(string))
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %v", name, said[name])
			}
		}
		for name, want := range map[string]bool{
			"authorization_response_iss_parameter_supported": true, "backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
			"request_parameter_supported": false, "request_uri_parameter_supported": false, "claims_parameter_supported": false,
		} {
			if said[name] != want {
				t.Errorf("%s: %v", name, said[name])
			}
		}
		var set struct{ Keys []map[string]any }
		f.Must(json.Unmarshal(f.send("GET", "/oauth/jwks", "", "", nil).Body.Bytes(), &set))
		seen := map[any]bool{}
		for _, k := range set.Keys {
			if k["kid"] == nil || seen[k["kid"]] || k["d"] != nil || k["use"] != "sig" || k["alg"] != "ES256" {
				t.Errorf("a key %v", k)
			}
			seen[k["kid"]] = true
		}
		if len(seen) == 0 {
			t.Error("no keys")
		}
	})
}

// What is told of a token, plainly (RFC 7662 §2.2) and signed (RFC 9701 §5): how and
// when its person was there, and what they agreed to.
func TestWhatIsToldOfAToken(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		const payment = `[{"type":"keyward_withdrawal","asset":"BTC","network":"bitcoin","amount":"0.5","address":"bc1qexample"}]`
		c, _, err := f.oauth.Register(t.Context(), store.Cause{Actor: "operator:test"}, oauth.NewClient{Name: "Payments", Owner: "dev", Auth: oauth.AuthKey, Profile: oauth.ProfileFAPI,
			JWKS: json.RawMessage(f.app.JWKS), FirstParty: true, Redirects: []string{fapiBack}, Scopes: []string{"openid", "offline_access", "read"}, Details: oauth.DetailTypes()})
		f.Must(err)
		f.app = c
		var tok oauth.Tokens
		w := f.post("/oauth/token", f.redemption(f.code("authorization_details", payment)), f.proof("/oauth/token"))
		f.Must(json.Unmarshal(w.Body.Bytes(), &tok))
		type told struct {
			Active   bool
			ACR      string
			AuthTime int64                `json:"auth_time"`
			Type     string               `json:"token_type"`
			Details  json.RawMessage      `json:"authorization_details"`
			Confirm  struct{ JKT string } `json:"cnf"`
		}
		check := func(how string, got told) {
			if !got.Active || got.ACR != "phr" || got.AuthTime != f.person.Session().AuthTime.Unix() || got.Type != "DPoP" || string(got.Details) != payment || got.Confirm.JKT != f.bind.JKT() {
				t.Errorf("%s: %+v", how, got)
			}
		}
		var plain told
		f.Must(json.Unmarshal(f.post("/oauth/introspect", f.form("token", tok.Access)).Body.Bytes(), &plain))
		check("plainly", plain)

		signed := func(token string) (outside map[string]any, about told) {
			w := f.send("POST", "/oauth/introspect", "application/x-www-form-urlencoded", f.form("token", token).Encode(), http.Header{"Accept": {"application/token-introspection+jwt"}})
			if w.Code != 200 || w.Header().Get("Content-Type") != "application/token-introspection+jwt" {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			jws, err := jose.ParseSignedCompact(w.Body.String(), []jose.SignatureAlgorithm{jose.ES256})
			f.Must(err)
			head := jws.Signatures[0].Protected
			key, _ := f.Ring.VerifyKey(head.KeyID)
			payload, err := jws.Verify(key)
			f.Must(err)
			if head.ExtraHeaders[jose.HeaderType] != "token-introspection+jwt" {
				t.Errorf("typ %v", head.ExtraHeaders[jose.HeaderType])
			}
			var inside struct {
				About told `json:"token_introspection"`
			}
			f.Must(json.Unmarshal(payload, &outside))
			f.Must(json.Unmarshal(payload, &inside))
			return outside, inside.About
		}
		outside, about := signed(tok.Access)
		check("signed", about)
		if outside["iss"] != signintest.Origin || outside["aud"] != string(c.ID) || outside["iat"] == nil || outside["sub"] != nil || outside["exp"] != nil || len(outside) != 4 {
			t.Errorf("outside: %v", outside)
		}
		f.Clock.Sleep(6 * time.Minute)
		if outside, about = signed(tok.Access); about.Active || len(outside["token_introspection"].(map[string]any)) != 1 {
			t.Errorf("of a token that ran out: %v", outside["token_introspection"])
		}
	})
}
