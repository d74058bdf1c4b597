package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keyward/internal/oauth"
	"keyward/internal/proof/prooftest"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

func fapiEach(t *testing.T, story func(t *testing.T, f *fapi)) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) { story(t, newFAPI(w)) })
}

// The negatives of FAPI 2.0 final, at the endpoints. First what is wrong with a redemption: the code is good, and
// nothing may be given for it.
func TestFAPIRedemptionsThatAreRefused(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		type answer = *httptest.ResponseRecorder
		const path = "/oauth/token"
		with := func(options ...prooftest.Option) func(string) answer {
			return func(code string) answer { return f.post(path, f.redemption(code), f.proof(path, options...)) }
		}
		at := func(name string, d time.Duration) func(string) answer {
			return func(code string) answer {
				return f.post(path, f.redemption(code), f.proof(path, prooftest.Claim(name, f.DB.Now().Add(d).Unix())))
			}
		}
		private := prooftest.With(f.bind.JWK(), "d", strings.Repeat("A", 43))
		for _, row := range []struct {
			name   string
			try    func(code string) answer
			status int
			want   string
		}{
			{"the proof is for another method", with(prooftest.Claim("htm", "GET")), 400, "invalid_dpop_proof"},
			{"the proof is for another address", with(prooftest.Claim("htu", signintest.Origin+"/oauth/par")), 400, "invalid_dpop_proof"},
			{"the proof is for another server", with(prooftest.Claim("htu", "https://evil.example"+path)), 400, "invalid_dpop_proof"},
			{"the proof is 61 seconds old", at("iat", -61*time.Second), 400, "invalid_dpop_proof"},
			{"the proof is from 11 seconds ahead", at("iat", 11*time.Second), 400, "invalid_dpop_proof"},
			{"the proof has run out by its own exp", at("exp", -11*time.Second), 400, "invalid_dpop_proof"},
			{"the proof is not good yet by its own nbf", at("nbf", 30*time.Second), 400, "invalid_dpop_proof"},
			{"the proof has no nonce", with(prooftest.Claim("nonce", nil)), 400, "use_dpop_nonce"},
			{"the proof has a nonce of somebody else", with(prooftest.Nonce("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), 400, "use_dpop_nonce"},
			{"the proof has no jti", with(prooftest.Claim("jti", nil)), 400, "invalid_dpop_proof"},
			{"the proof is signed by nobody", with(prooftest.Head("alg", "none")), 400, "invalid_dpop_proof"},
			{"the proof says HS256", with(prooftest.Head("alg", "HS256")), 400, "invalid_dpop_proof"},
			{"the proof says RS256", with(prooftest.Head("alg", "RS256")), 400, "invalid_dpop_proof"},
			{"the proof brings its private key", with(prooftest.Head("jwk", private)), 400, "invalid_dpop_proof"},
			{"the proof is of typ JWT", with(prooftest.Head("typ", "JWT")), 400, "invalid_dpop_proof"},
			{"two proofs came", func(code string) answer {
				return f.post(path, f.redemption(code), f.proof(path), f.proof(path))
			}, 400, "invalid_dpop_proof"},
			{"the proof was used before", func(code string) answer {
				p := f.proof(path)
				if w := f.post(path, f.form("grant_type", "client_credentials"), p); w.Code != 200 {
					t.Fatal(w.Body)
				}
				return f.post(path, f.redemption(code), p)
			}, 400, "invalid_dpop_proof"},
			{"no proof came: holder of key, or nothing", func(code string) answer { return f.post(path, f.redemption(code)) }, 400, "invalid_dpop_proof"},
			{"the proof is of another key than dpop_jkt named", func(code string) answer {
				return f.post(path, f.redemption(code), prooftest.NewKey().Proof("POST", signintest.Origin+path, f.DB.Now(), prooftest.Nonce(f.nonce)))
			}, 400, "invalid_grant"},
			{"the verifier is another browser's", func(code string) answer {
				return f.post(path, f.redemption(code, "code_verifier", strings.Repeat("x", 43)), f.proof(path))
			}, 400, "invalid_grant"},
			{"the verifier is missing", func(code string) answer {
				return f.post(path, f.redemption(code, "code_verifier", ""), f.proof(path))
			}, 400, "invalid_request"},
			{"the verifier is the challenge itself, as plain would have it", func(code string) answer {
				return f.post(path, f.redemption(code, "code_verifier", f.request().Get("code_challenge")), f.proof(path))
			}, 400, "invalid_grant"},
			{"the address to come back to is another", func(code string) answer {
				return f.post(path, f.redemption(code, "redirect_uri", fapiBack+"/"), f.proof(path))
			}, 400, "invalid_grant"},
			{"the address to come back to is missing", func(code string) answer {
				return f.post(path, f.redemption(code, "redirect_uri", ""), f.proof(path))
			}, 400, "invalid_request"},
			{"another app shows the code", func(code string) answer {
				was := f.app
				defer func() { f.app = was }()
				f.app = f.register(f.key)
				return f.post(path, f.redemption(code), f.proof(path))
			}, 400, "invalid_grant"},
			{"the code is one minute old", func(code string) answer {
				f.Clock.Sleep(time.Minute)
				return f.post(path, f.redemption(code), f.proof(path))
			}, 400, "invalid_grant"},
			{"the code is cut", func(code string) answer { return f.post(path, f.redemption(code[:len(code)-1]), f.proof(path)) }, 400, "invalid_grant"},
			{"the app shows no assertion", func(code string) answer {
				return f.post(path, f.redemption(code, "client_assertion", "", "client_assertion_type", "", "client_id", string(f.app.ID)), f.proof(path))
			}, 401, "invalid_client"},
			{"the assertion is signed with another key", func(code string) answer {
				return f.post(path, f.redemption(code, "client_assertion", f.sign(jose.ES256, other, f.claims())), f.proof(path))
			}, 401, "invalid_client"},
			{"the code stands in the address", func(code string) answer {
				return f.post(path+"?code="+code, f.redemption(code, "code", ""), f.proof(path))
			}, 400, "invalid_request"},
			{"the body is JSON", func(code string) answer {
				body, _ := json.Marshal(f.redemption(code))
				return f.send("POST", path, "application/json", string(body), http.Header{"Dpop": {f.proof(path)}})
			}, 400, "invalid_request"},
			{"grant_type is password", func(code string) answer {
				return f.post(path, f.redemption(code, "grant_type", "password"), f.proof(path))
			}, 400, "unsupported_grant_type"},
		} {
			t.Run(row.name, func(t *testing.T) {
				f.In(t)
				code := f.code()
				w := row.try(code)
				refusal(t, w, row.status, row.want, code, fapiVerifier, "evil.example")
				if n := f.grants(); n != 0 { // read again
					t.Errorf("%d grants were given", n)
				}
				if f.nonce == "" || row.want == "use_dpop_nonce" && w.Header().Get("DPoP-Nonce") == "" {
					t.Error("no nonce came along")
				}
				f.renonce()
			})
		}
		// The same request without the fault is good, or the rows above show nothing.
		f.In(t)
		f.tokens()
	})
}

// renonce takes the server's present nonce.
func (f *fapi) renonce() {
	f.T.Helper()
	w := f.post("/oauth/token", f.form("grant_type", "client_credentials"), f.proof("/oauth/token", prooftest.Nonce("old")))
	if f.nonce = w.Header().Get("DPoP-Nonce"); f.nonce == "" {
		f.T.Fatalf("%d %s", w.Code, w.Body)
	}
}

func TestFAPIACodeIsGoodOnce(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		code := f.code()
		w := f.post("/oauth/token", f.redemption(code), f.proof("/oauth/token"))
		var first oauth.Tokens
		if err := json.Unmarshal(w.Body.Bytes(), &first); err != nil || w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
		f.Clock.Sleep(time.Second)
		refusal(t, f.post("/oauth/token", f.redemption(code), f.proof("/oauth/token")), 400, "invalid_grant", code)
		if n := f.grants(); n != 0 { // RFC 6749 §4.1.2: what the first use gave is over
			t.Errorf("%d grants are left", n)
		}
		refusal(t, f.post("/oauth/token", f.form("grant_type", "refresh_token", "refresh_token", first.Refresh), f.proof("/oauth/token")), 400, "invalid_grant", first.Refresh)
	})
}

// Whatever is wrong with an assertion, both endpoints say the same, in the same words: which part it was is nobody's
// business. FAPI 2.0 §5.3.2.1-8: the issuer identifier as a string in aud, and nothing else; so no list, not even of
// the issuer alone, and no endpoint.
func TestFAPIAssertionsThatAreRefused(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	fapiEach(t, func(t *testing.T, f *fapi) {
		other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		jwks := []byte(f.app.JWKS)
		b64 := base64.RawURLEncoding.EncodeToString
		unsigned := func(alg string) string {
			body, _ := json.Marshal(f.claims())
			return b64([]byte(`{"alg":"`+alg+`","kid":"k1"}`)) + "." + b64(body) + "."
		}
		now := func(d time.Duration) int64 { return f.DB.Now().Add(d).Unix() }
		issuer := signintest.Origin
		for _, row := range []struct {
			name string
			make func(path string) string
		}{
			{"for the endpoint instead of the issuer", func(path string) string { return f.assertion("aud", issuer+path) }},
			{"for the token endpoint, wherever it is shown", func(string) string { return f.assertion("aud", issuer+"/oauth/token") }},
			{"for a list of the issuer alone", func(string) string { return f.assertion("aud", []string{issuer}) }},
			{"for a list of the issuer and the endpoint", func(path string) string { return f.assertion("aud", []string{issuer, issuer + path}) }},
			{"for the issuer with a slash more", func(string) string { return f.assertion("aud", issuer+"/") }},
			{"for the issuer in capitals", func(string) string { return f.assertion("aud", strings.ToUpper(issuer)) }},
			{"for another server", func(string) string { return f.assertion("aud", "https://evil.example") }},
			{"for nobody", func(string) string { return f.assertion("aud", nil) }},
			{"with AUD in the place of aud", func(string) string { return f.assertion("aud", nil, "AUD", issuer) }},
			{"without a subject", func(string) string { return f.assertion("sub", nil) }},
			{"without an issuer", func(string) string { return f.assertion("iss", nil) }},
			{"of another issuer than subject", func(string) string { return f.assertion("iss", "somebody") }},
			{"of an app nobody knows", func(string) string { return f.assertion("sub", "app_x", "iss", "app_x") }},
			{"run out", func(string) string { return f.assertion("exp", now(-time.Second)) }},
			{"without an end", func(string) string { return f.assertion("exp", nil) }},
			{"good for an hour", func(string) string { return f.assertion("exp", now(time.Hour)) }},
			{"with an end that is a text", func(string) string { return f.assertion("exp", "never") }},
			{"not good yet", func(string) string { return f.assertion("nbf", now(time.Minute)) }},
			{"made tomorrow", func(string) string { return f.assertion("iat", now(24*time.Hour)) }},
			{"without an id", func(string) string { return f.assertion("jti", nil) }},
			{"signed with another key", func(string) string { return f.sign(jose.ES256, other, f.claims()) }},
			{"RS256", func(string) string { return f.sign(jose.RS256, weak, f.claims()) }},
			{"PS256", func(string) string { return f.sign(jose.PS256, weak, f.claims()) }},
			{"ES384", func(string) string { return f.sign(jose.ES384, p384, f.claims()) }},
			{"HS256 with the registered key as the secret", func(string) string { return f.sign(jose.HS256, jwks, f.claims()) }},
			{"alg none", func(string) string { return unsigned("none") }},
			{"alg None", func(string) string { return unsigned("None") }},
			{"alg ES256 and no signature", func(string) string { return unsigned("ES256") }},
			{"nested ten thousand deep", func(string) string {
				return b64([]byte(`{"alg":"ES256","kid":"k1","x":`+strings.Repeat("[", 2000)+strings.Repeat("]", 2000)+`}`)) + ".e30.AAAA"
			}},
			{"twenty kilobytes", func(string) string { return f.assertion("x", strings.Repeat("x", 20<<10)) }},
			{"no JWT", func(string) string { return "secret" }},
			{"shown once before", func(string) string {
				a := f.assertion()
				if w := f.post("/oauth/token", f.form("grant_type", "client_credentials", "client_assertion", a), f.proof("/oauth/token")); w.Code != 200 {
					t.Fatal(w.Body)
				}
				return a
			}},
		} {
			t.Run(row.name, func(t *testing.T) {
				f.In(t)
				var said string
				for path, form := range map[string]url.Values{"/oauth/par": f.request(), "/oauth/token": f.form("grant_type", "client_credentials")} {
					a := row.make(path)
					form.Set("client_assertion", a)
					w := f.post(path, form)
					refusal(t, w, 401, "invalid_client", a, "evil.example")
					if said != "" && said != w.Body.String() {
						t.Errorf("two answers: %s and %s", said, w.Body)
					}
					said = w.Body.String()
				}
			})
		}
	})
}

func TestFAPIRequestsThatAreRefusedWhenPushed(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		set := func(pairs ...string) func() *httptest.ResponseRecorder {
			return func() *httptest.ResponseRecorder { return f.post("/oauth/par", f.request(pairs...)) }
		}
		twice := func(name, value string) func() *httptest.ResponseRecorder {
			return func() *httptest.ResponseRecorder {
				return f.raw("/oauth/par", f.request(name, value).Encode()+"&"+name+"="+url.QueryEscape(value))
			}
		}
		invalid := "invalid_request"
		for _, row := range []struct {
			name   string
			try    func() *httptest.ResponseRecorder
			status int
			want   string
		}{
			{"PKCE is missing", set("code_challenge", "", "code_challenge_method", ""), 400, invalid},
			{"PKCE is plain", set("code_challenge", fapiVerifier, "code_challenge_method", "plain"), 400, invalid},
			{"PKCE has no method, which would mean plain", set("code_challenge_method", ""), 400, invalid},
			{"PKCE has a method in small letters", set("code_challenge_method", "s256"), 400, invalid},
			{"the challenge is no hash", set("code_challenge", "abc"), 400, invalid},
			{"dpop_jkt is another key than the proof's", func() *httptest.ResponseRecorder {
				return f.post("/oauth/par", f.request("dpop_jkt", prooftest.NewKey().JKT()), f.proof("/oauth/par"))
			}, 400, "invalid_dpop_proof"},
			{"dpop_jkt is no thumbprint", set("dpop_jkt", "x"), 400, invalid},
			{"the proof is for the token endpoint", func() *httptest.ResponseRecorder {
				return f.post("/oauth/par", f.request(), f.proof("/oauth/token"))
			}, 400, "invalid_dpop_proof"},
			{"the proof was used before", func() *httptest.ResponseRecorder {
				p := f.proof("/oauth/par")
				if w := f.post("/oauth/par", f.request(), p); w.Code != 201 {
					t.Fatal(w.Body)
				}
				return f.post("/oauth/par", f.request(), p)
			}, 400, "invalid_dpop_proof"},
			{"response_type is token", set("response_type", "token"), 400, "unsupported_response_type"},
			{"response_type is code and id_token", set("response_type", "code id_token"), 400, "unsupported_response_type"},
			{"a request_uri is pushed", set("request_uri", "urn:ietf:params:oauth:request_uri:x"), 400, invalid},
			{"client_id is another app's", set("client_id", "app_x"), 401, "invalid_client"},
			{"a scope that the app has not", set("scope", "openid withdraw"), 400, "invalid_scope"},
			{"the address in capitals", set("redirect_uri", "https://app.example.net/BACK"), 400, invalid},
			{"the host in capitals", set("redirect_uri", "https://APP.example.net/back"), 400, invalid},
			{"the address with a path more", set("redirect_uri", fapiBack+"/x"), 400, invalid},
			{"the address with a slash more", set("redirect_uri", fapiBack+"/"), 400, invalid},
			{"the address with its port", set("redirect_uri", "https://app.example.net:443/back"), 400, invalid},
			{"the address with another port", set("redirect_uri", "https://app.example.net:8443/back"), 400, invalid},
			{"the address with a fragment", set("redirect_uri", fapiBack+"#x"), 400, invalid},
			{"the address with a query", set("redirect_uri", fapiBack+"?x"), 400, invalid},
			{"the address with a name in front", set("redirect_uri", "https://app.example.net@evil.example/back"), 400, invalid},
			{"the address with an escaped letter", set("redirect_uri", "https://app.example.net/b%61ck"), 400, invalid},
			{"the address with an escaped dot segment", set("redirect_uri", "https://app.example.net/x/%2e%2e/back"), 400, invalid},
			{"the address over plain http", set("redirect_uri", "http://app.example.net/back"), 400, invalid},
			{"no address", set("redirect_uri", ""), 400, invalid},
			{"response_type twice", twice("response_type", "code"), 400, invalid},
			{"redirect_uri twice", twice("redirect_uri", fapiBack), 400, invalid},
			{"client_assertion twice", twice("client_assertion", f.assertion()), 400, invalid},
			{"state twice", twice("state", "st-2"), 400, invalid},
			{"twice a parameter that nobody knows", twice("x", "1"), 400, invalid},
			{"a state of five thousand bytes", set("state", strings.Repeat("s", 5000)), 400, invalid},
		} {
			t.Run(row.name, func(t *testing.T) {
				f.In(t)
				w := row.try()
				refusal(t, w, row.status, row.want, "evil.example", "urn:ietf:params:oauth:request_uri:", strings.Repeat("s", 50))
				if strings.Contains(w.Body.String(), "request_uri:") {
					t.Error("something was kept")
				}
			})
		}
		// Not pushed at all, but brought by a browser.
		q := f.request("client_id", string(f.app.ID), "client_assertion", "", "client_assertion_type", "")
		var back *oauth.Refusal
		if _, err := f.oauth.Direct(t.Context(), q); !errors.As(err, &back) || back.Code != invalid || back.Redirect != fapiBack {
			t.Errorf("a request that was not pushed: %v", err)
		}
		for _, verb := range []string{"GET", "PUT", "HEAD"} {
			if w := f.send(verb, "/oauth/par?"+f.request().Encode(), "", "", nil); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s: %d", verb, w.Code)
			}
		}
	})
}

// A body that is too large is refused unread, in the form of every limit of ours.
func TestFAPIABodyThatIsTooLarge(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		code := f.code()
		large := strings.Repeat("s", 100<<10)
		for path, form := range map[string]url.Values{"/oauth/token": f.redemption(code, "x", large), "/oauth/par": f.request("state", large)} {
			if w := f.post(path, form, f.proof(path)); w.Code != http.StatusRequestEntityTooLarge || strings.Contains(w.Body.String(), "sss") {
				t.Errorf("%s: %d %s", path, w.Code, w.Body) // RFC 9126 §2.3
			}
		}
		if w := f.post("/oauth/token", f.redemption(code), f.proof("/oauth/token")); w.Code != 200 {
			t.Errorf("the code was lost: %d %s", w.Code, w.Body)
		}
	})
}

// A request_uri is good for its app, once, for five minutes. The browser brings it, so what is wrong is for the
// person's eyes and no app hears of it.
func TestFAPIARequestURIIsGoodOnceForOneApp(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		other := f.register(f.key)
		for _, row := range []struct {
			name string
			try  func(uri string) error
		}{
			{"used before", func(uri string) error {
				_, err := f.allow(uri, f.app)
				f.Must(err)
				_, err = f.allow(uri, f.app)
				return err
			}},
			{"five minutes old", func(uri string) error {
				f.Clock.Sleep(5 * time.Minute)
				f.person.In()
				_, err := f.allow(uri, f.app)
				return err
			}},
			{"another app's", func(uri string) error { _, err := f.allow(uri, other); return err }},
			{"cut", func(uri string) error { _, err := f.allow(uri[:len(uri)-1], f.app); return err }},
			{"given twice", func(uri string) error {
				_, _, err := f.oauth.Pushed(t.Context(), url.Values{"request_uri": {uri, uri}, "client_id": {string(f.app.ID)}})
				return err
			}},
			{"without its app", func(uri string) error {
				_, _, err := f.oauth.Pushed(t.Context(), url.Values{"request_uri": {uri}})
				return err
			}},
		} {
			t.Run(row.name, func(t *testing.T) {
				f.In(t)
				f.renonce()
				if err := row.try(f.push()); !errors.Is(err, oauth.ErrAsk) {
					t.Errorf("got %v", err)
				}
			})
		}
	})
}

func TestFAPIAPersonWhoSaysNo(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		uri := f.push()
		handle, _, err := f.oauth.Pushed(t.Context(), url.Values{"request_uri": {uri}, "client_id": {string(f.app.ID)}})
		f.Must(err)
		a, err := f.oauth.Kept(t.Context(), handle)
		f.Must(err)
		u, err := url.Parse(f.oauth.Back(&oauth.Refusal{Code: "access_denied", Redirect: a.Redirect, State: a.State}))
		f.Must(err)
		q := u.Query()
		if !strings.HasPrefix(u.String(), fapiBack+"?") || q.Get("error") != "access_denied" || q.Get("state") != "st-1" || q.Get("iss") != signintest.Origin || q.Has("code") {
			t.Errorf("back with %v", q)
		}
	})
}

// A token that is bound to a key, at a resource of ours (RFC 9449 §7): holder of key, or nobody.
func TestFAPITokensWithoutTheirKeyAreRefused(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		const path = "/oauth/userinfo"
		f.renonce()
		tok := f.tokens()
		get := func(scheme string, proofs ...string) *httptest.ResponseRecorder {
			head := http.Header{"Authorization": {scheme + " " + tok.Access}}
			if len(proofs) > 0 {
				head["Dpop"] = proofs
			}
			return f.send("GET", path, "", "", head)
		}
		prove := func(k *prooftest.Key, options ...prooftest.Option) string {
			return k.Proof("GET", signintest.Origin+path, f.DB.Now(), append([]prooftest.Option{prooftest.Nonce(f.nonce), prooftest.Token(tok.Access)}, options...)...)
		}
		used := prove(f.bind)
		if w := get("DPoP", used); w.Code != 200 {
			t.Fatalf("the holder: %d %s", w.Code, w.Body)
		}
		for _, row := range []struct {
			name string
			got  *httptest.ResponseRecorder
			want string
		}{
			{"as a bearer token", get("Bearer"), "invalid_token"},
			{"as a bearer token with its proof", get("Bearer", prove(f.bind)), "invalid_token"},
			{"without a proof", get("DPoP"), "invalid_dpop_proof"},
			{"with the proof of another key", get("DPoP", prove(prooftest.NewKey())), "invalid_token"},
			{"with a proof without ath", get("DPoP", prove(f.bind, prooftest.Claim("ath", nil))), "invalid_dpop_proof"},
			{"with a proof for another token", get("DPoP", prove(f.bind, prooftest.Token("another"))), "invalid_dpop_proof"},
			{"with a proof for another method", get("DPoP", prove(f.bind, prooftest.Claim("htm", "POST"))), "invalid_dpop_proof"},
			{"with a proof for another address", get("DPoP", prove(f.bind, prooftest.Claim("htu", signintest.Origin+"/oauth/token"))), "invalid_dpop_proof"},
			{"with a proof that is 61 seconds old", get("DPoP", prove(f.bind, prooftest.Claim("iat", f.DB.Now().Unix()-61))), "invalid_dpop_proof"},
			{"with a proof from eleven seconds ahead", get("DPoP", prove(f.bind, prooftest.Claim("iat", f.DB.Now().Unix()+11))), "invalid_dpop_proof"},
			{"with a proof without a nonce", get("DPoP", prove(f.bind, prooftest.Claim("nonce", nil))), "use_dpop_nonce"},
			{"with a proof that was used", get("DPoP", used), "invalid_dpop_proof"},
			{"with two proofs", get("DPoP", prove(f.bind), prove(f.bind)), "invalid_dpop_proof"},
		} {
			t.Run(row.name, func(t *testing.T) {
				refusal(t, row.got, 401, row.want, tok.Access)
				if c := row.got.Header().Get("WWW-Authenticate"); !strings.HasPrefix(c, "DPoP ") || !strings.Contains(c, `error="`+row.want+`"`) || !strings.Contains(c, `algs="ES256 EdDSA"`) {
					t.Errorf("the challenge is %q (RFC 9449 §7.1)", c)
				}
			})
		}
		// The refresh token is bound as well.
		refresh := f.form("grant_type", "refresh_token", "refresh_token", tok.Refresh)
		refusal(t, f.post("/oauth/token", refresh), 400, "invalid_dpop_proof", tok.Refresh)
		refusal(t, f.post("/oauth/token", f.form("grant_type", "client_credentials")), 400, "invalid_dpop_proof")
	})
}

func TestFAPIKeySetsThatCannotBeRegistered(t *testing.T) {
	fapiEach(t, func(t *testing.T, f *fapi) {
		good := strings.TrimSuffix(strings.TrimPrefix(f.app.JWKS, `{"keys":[`), `]}`)
		more := func(member string) string { return `{"keys":[{` + member + `,` + good[1:] + `]}` }
		_, rest, _ := strings.Cut(good, `"kid":"k1",`)
		rows := map[string]string{
			"no set":                            `[]`,
			"no keys":                           `{"keys":[]}`,
			"a private key":                     more(`"d":"` + strings.Repeat("A", 43) + `"`),
			"an empty private member":           more(`"d":""`),
			"the member of a shared secret too": more(`"k":"AAAA"`),
			"a private member of RSA too":       more(`"qi":"AAAA"`),
			"a key for encryption, by key_ops":  more(`"key_ops":["deriveKey"]`),
			"a key for signing, not verifying":  more(`"key_ops":["sign","verify"]`),
			"a shared secret":                   `{"keys":[{"kty":"oct","kid":"k1","k":"AAAA"}]}`,
			"a key for encryption, by use":      `{"keys":[` + strings.Replace(good, `"use":"sig"`, `"use":"enc"`, 1) + `]}`,
			"a key without a name":              `{"keys":[{` + rest + `]}`,
			"eleven keys":                       `{"keys":[` + strings.TrimSuffix(strings.Repeat(good+",", 11), ",") + `]}`,
			"nested ten thousand deep":          `{"keys":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		}
		for name, jwks := range rows {
			_, _, err := f.oauth.Register(t.Context(), store.Cause{Actor: "operator:test"}, oauth.NewClient{Name: "x", Owner: "y", Auth: oauth.AuthKey,
				JWKS: json.RawMessage(jwks), Redirects: []string{fapiBack}, Scopes: []string{"read"}})
			if !errors.Is(err, oauth.ErrBadClient) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
