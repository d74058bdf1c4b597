package rs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"keyward/internal/proof/prooftest"
	"keyward/rs"
)

// tokenCases are tokens and what becomes of each, presented as a bearer token.
func tokenCases(is *issuer) []struct{ name, token, want string } {
	thief, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	good := is.token(nil)
	dot := strings.LastIndexByte(good, '.')
	head := func(text string) string { return sign(is.key, text, is.claims(nil)) }
	body := func(text string) string { return sign(is.key, goodHead, text) }
	at := is.clock.now().Unix()
	hs := func() string {
		text := b64(`{"typ":"at+jwt","alg":"HS256","kid":"k1"}`) + "." + b64(is.claims(nil))
		m := hmac.New(sha256.New, []byte(jwk(&is.key.PublicKey, "k1")))
		m.Write([]byte(text))
		return text + "." + b64(m.Sum(nil))
	}
	return []struct{ name, token, want string }{
		{"a good token", good, ""},
		{"typ with application/ and in capitals", head(`{"typ":"Application/AT+JWT","alg":"ES256","kid":"k1"}`), ""},
		{"an audience that is a list with ours", is.token(claims{"aud": []string{"https://other.example", api}}), ""},
		{"a token that says nothing about a person", is.token(claims{"acr": nil, "amr": nil, "auth_time": nil, "sid": nil, "scope": nil}), ""},
		{"the issuer's clock is three seconds ahead", is.token(claims{"iat": at + 3}), ""},
		{"expired three seconds ago", is.token(claims{"iat": at - 300, "exp": at - 3}), ""},

		{"expired a minute ago", is.token(claims{"iat": at - 300, "exp": at - 60}), "invalid_token: expired"},
		{"expired as long ago as the clocks may differ", is.token(claims{"iat": at - 300, "exp": at - 5}), "invalid_token: expired"},
		{"issued a minute from now", is.token(claims{"iat": at + 60}), "invalid_token: not valid yet"},
		{"not before a minute from now", is.token(claims{"nbf": at + 60}), "invalid_token: not valid yet"},
		{"good for two hours", is.token(claims{"exp": at + 7200}), "invalid_token: valid for too long"},
		{"expires before it was issued", is.token(claims{"exp": at - 20}), "invalid_token: valid for too long"},
		{"of another issuer", is.token(claims{"iss": "https://evil.example"}), "invalid_token: of another issuer"},
		{"of the issuer with a slash behind it", is.token(claims{"iss": is.URL + "/"}), "invalid_token: of another issuer"},
		{"for another audience", is.token(claims{"aud": "https://other.example"}), "invalid_token: for another audience"},
		{"for an audience that ours begins with", is.token(claims{"aud": api + ".evil.example"}), "invalid_token: for another audience"},
		{"for nobody", is.token(claims{"aud": []string{}}), "invalid_token: for another audience"},
		{"for an audience that is a number", is.token(claims{"aud": 7}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"without iss", is.token(claims{"iss": nil}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"without aud", is.token(claims{"aud": nil}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"without sub", is.token(claims{"sub": nil}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"with an empty sub", is.token(claims{"sub": ""}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"without client_id", is.token(claims{"client_id": nil}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"without jti", is.token(claims{"jti": nil}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"without iat", is.token(claims{"iat": nil}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"without exp", is.token(claims{"exp": nil}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"exp is a text", is.token(claims{"exp": "1900000000"}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"exp with an exponent", body(strings.Replace(is.claims(claims{"exp": 7}), `"exp":7`, `"exp":1e30`, 1)), "invalid_token: a required claim is missing or of the wrong kind"},
		{"iat before 1970", is.token(claims{"iat": -5}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"scope is a list", is.token(claims{"scope": []string{"read"}}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"amr is a text", is.token(claims{"amr": "pop"}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"auth_time is a text", is.token(claims{"auth_time": "now"}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"authorization_details is an object", is.token(claims{"authorization_details": claims{}}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"SUB instead of sub", is.token(claims{"sub": nil, "SUB": "acc_1"}), "invalid_token: a required claim is missing or of the wrong kind"},
		{"sub twice", body(`{"sub":"acc_2",` + is.claims(nil)[1:]), "invalid_token: the token is not one well-formed compact JWT"},
		{"sub twice, once with an escape", body(`{"s\u0075b":"acc_2",` + is.claims(nil)[1:]), "invalid_token: the token is not one well-formed compact JWT"},
		{"bound to a certificate, which is not looked at here", is.token(claims{"cnf": claims{"x5t#S256": "AAAA"}}), "invalid_token: bound in a way that is not understood here"},
		{"bound to a key and a certificate", is.token(claims{"cnf": claims{"x5t#S256": "AAAA", "jkt": strings.Repeat("A", 43)}}), "invalid_token: bound in a way that is not understood here"},
		{"cnf is null", body(`{"cnf":null,` + is.claims(nil)[1:]), "invalid_token: bound in a way that is not understood here"},
		{"cnf with an empty jkt", is.token(claims{"cnf": claims{"jkt": ""}}), "invalid_token: bound in a way that is not understood here"},
		{"bound to a key", is.token(claims{"cnf": claims{"jkt": strings.Repeat("A", 43)}}), "invalid_token: bound to a key, but presented as a bearer token"},

		{"alg none without a signature", b64(`{"typ":"at+jwt","alg":"none","kid":"k1"}`) + "." + b64(is.claims(nil)) + ".", "invalid_token: alg is not ES256"},
		{"alg None", head(`{"typ":"at+jwt","alg":"None","kid":"k1"}`), "invalid_token: alg is not ES256"},
		{"HS256 with the public key as the secret", hs(), "invalid_token: alg is not ES256"},
		{"alg es256", head(`{"typ":"at+jwt","alg":"es256","kid":"k1"}`), "invalid_token: alg is not ES256"},
		{"alg RS256", head(`{"typ":"at+jwt","alg":"RS256","kid":"k1"}`), "invalid_token: alg is not ES256"},
		{"no alg", head(`{"typ":"at+jwt","kid":"k1"}`), "invalid_token: alg is not ES256"},
		{"alg twice, the second one good", head(`{"typ":"at+jwt","alg":"none","alg":"ES256","kid":"k1"}`), "invalid_token: the token is not one well-formed compact JWT"},
		{"no typ", head(`{"alg":"ES256","kid":"k1"}`), "invalid_token: typ is not at+jwt"},
		{"typ JWT, as an id_token has", head(`{"typ":"JWT","alg":"ES256","kid":"k1"}`), "invalid_token: typ is not at+jwt"},
		{"typ dpop+jwt", head(`{"typ":"dpop+jwt","alg":"ES256","kid":"k1"}`), "invalid_token: typ is not at+jwt"},
		{"crit", head(`{"typ":"at+jwt","alg":"ES256","kid":"k1","crit":["exp"]}`), "invalid_token: the token uses extensions that are not understood here"},
		{"b64", head(`{"typ":"at+jwt","alg":"ES256","kid":"k1","b64":false}`), "invalid_token: the token uses extensions that are not understood here"},
		{"no kid", head(`{"typ":"at+jwt","alg":"ES256"}`), "invalid_token: signed with a key that the issuer does not publish"},
		{"an unknown kid", head(`{"typ":"at+jwt","alg":"ES256","kid":"k2"}`), "invalid_token: signed with a key that the issuer does not publish"},
		{"a kid that is a path", head(`{"typ":"at+jwt","alg":"ES256","kid":"../../dev/null"}`), "invalid_token: signed with a key that the issuer does not publish"},
		{"signed by a thief under the issuer's kid", sign(thief, goodHead, is.claims(nil)), "invalid_token: the signature does not verify"},
		{"signed by a thief who sends his key along", sign(thief, `{"typ":"at+jwt","alg":"ES256","kid":"k1","jwk":`+jwk(&thief.PublicKey, "k1")+`}`, is.claims(nil)), "invalid_token: the signature does not verify"},
		{"signed by a thief who says where his key is", sign(thief, `{"typ":"at+jwt","alg":"ES256","kid":"k1","jku":"https://evil.example/jwks","x5u":"https://evil.example/x"}`, is.claims(nil)), "invalid_token: the signature does not verify"},
		{"the signature of another token", good[:dot] + is.token(claims{"jti": "t2"})[strings.LastIndexByte(is.token(claims{"jti": "t2"}), '.'):], "invalid_token: the signature does not verify"},
		{"no signature", good[:dot+1], "invalid_token: the signature does not verify"},
		{"a signature in DER", good[:dot+1] + b64(make([]byte, 71)), "invalid_token: the signature does not verify"},
		{"a signature of zeros", good[:dot+1] + b64(make([]byte, 64)), "invalid_token: the signature does not verify"},
		{"padding behind the signature", good + "==", "invalid_token: the signature does not verify"},
		{"two parts", good[:dot], "invalid_token: the token is not one well-formed compact JWT"},
		{"four parts", good + ".AAAA", "invalid_token: the token is not one well-formed compact JWT"},
		{"no text at all in the middle", good[:strings.IndexByte(good, '.')+1] + good[dot:], "invalid_token: the token is not one well-formed compact JWT"},
		{"an opaque token", "kwa_something", "invalid_token: the token is not one well-formed compact JWT"},
		{"an encrypted token", "AAAA.AAAA.AAAA.AAAA.AAAA", "invalid_token: the token is not one well-formed compact JWT"},
		{"claims nested deeper than anyone needs", is.token(claims{"x": []any{[]any{[]any{[]any{[]any{[]any{[]any{[]any{}}}}}}}}}), "invalid_token: the token is not one well-formed compact JWT"},
		{"nine thousand bytes", is.token(claims{"x": strings.Repeat("x", 9000)}), "invalid_token: the token is too large"},
	}
}

func TestTokens(t *testing.T) {
	is := newIssuer(t)
	v := is.verifier(t)
	for _, c := range tokenCases(is) {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // a token that is remembered is judged like one that is new
				tok, err := v.Check(bearer(c.token), rs.Need{})
				if got := why(t, err); got != c.want || (tok == nil) != (err != nil) {
					t.Errorf("%q, want %q", got, c.want)
				}
				if err == nil {
					agreesWithJose(t, is, c.token, tok)
				}
			}
		})
	}
}

func TestWhatATokenSays(t *testing.T) {
	is := newIssuer(t)
	k := prooftest.NewKey()
	token := is.token(claims{"cnf": claims{"jkt": k.JKT()}, "authorization_details": []claims{{"type": "withdraw", "to": claims{"id": "a1"}}}})
	got, err := is.verifier(t).Check(dpop(token, is.prove(k, token)), rs.Need{})
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Details) != `[{"to":{"id":"a1"},"type":"withdraw"}]` || !got.Confirmed() || !got.Has("trade") || got.Has("tra") {
		t.Errorf("%+v", got)
	}
	got.Details = nil
	want := rs.Token{ID: "t1", Subject: "acc_1", ClientID: "app", Scopes: []string{"read", "trade"}, Issued: now.Add(-10 * time.Second),
		Expires: now.Add(290 * time.Second), ACR: "phr", AMR: []string{"pop", "user"}, AuthTime: now.Add(-time.Minute), SID: "ses_1", Grant: "grt_1", JKT: k.JKT()}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
}

func TestARememberedTokenStillExpires(t *testing.T) {
	is := newIssuer(t)
	v, token := is.verifier(t), is.token(nil)
	for _, step := range []struct {
		pass time.Duration
		want string
	}{{0, ""}, {294 * time.Second, ""}, {time.Second, "invalid_token: expired"}} {
		is.clock.pass(step.pass)
		if _, err := v.Check(bearer(token), rs.Need{}); why(t, err) != step.want {
			t.Errorf("after %v: %v, want %q", step.pass, err, step.want)
		}
	}
}

func TestSchemes(t *testing.T) {
	is := newIssuer(t)
	k := prooftest.NewKey()
	free, bound := is.token(nil), is.bound(k)
	strictly := is.verifier(t, func(c *rs.Config) { c.AcceptBearer = false })
	v := is.verifier(t)
	for _, c := range []struct {
		name   string
		v      *rs.Verifier
		fields []string
		want   string
	}{
		{"nothing", v, nil, "an access token is needed"},
		{"a password", v, []string{"Basic YTpi"}, "an access token is needed"},
		{"two tokens", v, []string{"Bearer " + free, "Bearer " + free}, "invalid_request: more than one Authorization header"},
		{"two tokens in one field", v, []string{"Bearer " + free + ", Bearer " + free}, "invalid_request: the Authorization header is not a scheme and one token"},
		{"a scheme alone", v, []string{"Bearer"}, "invalid_request: the Authorization header is not a scheme and one token"},
		{"a scheme and a space", v, []string{"Bearer "}, "invalid_request: the Authorization header is not a scheme and one token"},
		{"bearer in small letters", v, []string{"bearer " + free}, ""},
		{"dpop in small letters", v, []string{"dpop " + bound}, ""},
		{"a bound token as a bearer token, although its proof is there", v, []string{"Bearer " + bound}, "invalid_token: bound to a key, but presented as a bearer token"},
		{"a free token with the DPoP scheme", v, []string{"DPoP " + free}, "invalid_token: presented with the DPoP scheme, but bound to no key"},
		{"a bearer token where none are taken", strictly, []string{"Bearer " + free}, "invalid_token: bearer tokens are not accepted here"},
		{"a bound token where no bearer tokens are taken", strictly, []string{"DPoP " + bound}, ""},
		{"a bound token as a bearer token there", strictly, []string{"Bearer " + bound}, "invalid_token: bearer tokens are not accepted here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := dpop(bound, is.prove(k, bound))
			r.Header["Authorization"] = c.fields
			if _, err := c.v.Check(r, rs.Need{}); why(t, err) != c.want {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestATokenInTheQueryIsNone(t *testing.T) {
	is := newIssuer(t)
	r := bearer("")
	r.Header.Del("Authorization")
	r.URL.RawQuery = "access_token=" + is.token(nil)
	if _, err := is.verifier(t).Check(r, rs.Need{}); why(t, err) != "an access token is needed" {
		t.Error(err)
	}
}

func TestNeeds(t *testing.T) {
	is := newIssuer(t)
	v := is.verifier(t)
	at := is.clock.now().Unix()
	const (
		scope = "insufficient_scope: the token has not the scope for this"
		auth  = "insufficient_user_authentication: a stronger or more recent sign-in is needed"
	)
	for _, c := range []struct {
		name string
		has  claims
		need rs.Need
		want string
	}{
		{"nothing more", nil, rs.Need{}, ""},
		{"a scope that it has", nil, rs.Need{Scope: []string{"trade"}}, ""},
		{"two scopes that it has", nil, rs.Need{Scope: []string{"trade", "read"}}, ""},
		{"one of two scopes", nil, rs.Need{Scope: []string{"read", "withdraw"}}, scope},
		{"a scope that begins like one that it has", nil, rs.Need{Scope: []string{"tra"}}, scope},
		{"two scopes with another kind of space between them", claims{"scope": "read\u00a0trade"}, rs.Need{Scope: []string{"trade"}}, scope},
		{"a scope in capitals", nil, rs.Need{Scope: []string{"READ"}}, scope},
		{"phr for phr", nil, rs.Need{ACR: rs.Phr}, ""},
		{"phrh for phr", claims{"acr": "phrh"}, rs.Need{ACR: rs.Phr}, ""},
		{"phr for phrh", nil, rs.Need{ACR: rs.Phrh}, auth},
		{"codes for phr", claims{"acr": rs.Fallback}, rs.Need{ACR: rs.Phr}, auth},
		{"the older login for phr", claims{"acr": rs.Legacy}, rs.Need{ACR: rs.Phr}, auth},
		{"the older login for codes", claims{"acr": rs.Legacy}, rs.Need{ACR: rs.Fallback}, auth},
		{"codes for the older login", claims{"acr": rs.Fallback}, rs.Need{ACR: rs.Legacy}, auth},
		{"phr for codes", nil, rs.Need{ACR: rs.Fallback}, ""},
		{"phrh for the older login", claims{"acr": "phrh"}, rs.Need{ACR: rs.Legacy}, ""},
		{"an acr that nobody knows for phr", claims{"acr": "phrx"}, rs.Need{ACR: rs.Phr}, auth},
		{"PHR in capitals for phr", claims{"acr": "PHR"}, rs.Need{ACR: rs.Phr}, auth},
		{"no acr for phr", claims{"acr": nil}, rs.Need{ACR: rs.Phr}, auth},
		{"a minute old, five allowed", nil, rs.Need{MaxAge: 5 * time.Minute}, ""},
		{"exactly as old as allowed", claims{"auth_time": at - 300}, rs.Need{MaxAge: 5 * time.Minute}, ""},
		{"a second older than allowed", claims{"auth_time": at - 301}, rs.Need{MaxAge: 5 * time.Minute}, auth},
		{"no time of a sign-in", claims{"auth_time": nil}, rs.Need{MaxAge: 5 * time.Minute}, auth},
		{"neither scope nor sign-in", claims{"acr": nil}, rs.Need{Scope: []string{"keys"}, ACR: rs.Phr}, scope},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := v.Check(bearer(is.token(c.has)), c.need); why(t, err) != c.want {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestANeedThatCannotBeIsAMistake(t *testing.T) {
	is := newIssuer(t)
	v := is.verifier(t)
	for name, need := range map[string]rs.Need{
		"a quote in a scope": {Scope: []string{`re"ad`}},
		"two scopes in one":  {Scope: []string{"read trade"}},
		"an empty scope":     {Scope: []string{""}},
		"a line in an acr":   {ACR: "phr\n"},
		"half a second":      {MaxAge: time.Second / 2},
		"two minutes' grace": {Grace: 2 * time.Minute},
		"less than no grace": {Grace: -1},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := v.Check(bearer(is.token(nil)), need); why(t, err) != "temporarily_unavailable: not judged" {
				t.Errorf("Check: %v", err)
			}
			defer func() {
				if recover() == nil {
					t.Error("Require took it")
				}
			}()
			v.Require(need, http.NotFoundHandler())
		})
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	good := rs.Config{Issuer: "https://login.example.com", Audience: api, PublicURL: api}
	if _, err := rs.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*rs.Config){
		"no issuer":                                func(c *rs.Config) { c.Issuer = "" },
		"no audience":                              func(c *rs.Config) { c.Audience = "" },
		"an audience with a quote":                 func(c *rs.Config) { c.Audience = `a"b` },
		"no public address":                        func(c *rs.Config) { c.PublicURL = "" },
		"a public address as path":                 func(c *rs.Config) { c.PublicURL = "/api" },
		"an issuer over plain http":                func(c *rs.Config) { c.Issuer = "http://login.example.com" },
		"an issuer with a query":                   func(c *rs.Config) { c.Issuer += "?tenant=1" },
		"an issuer with a fragment":                func(c *rs.Config) { c.Issuer += "#x" },
		"an issuer with a password":                func(c *rs.Config) { c.Issuer = "https://a:b@login.example.com" },
		"keys over plain http":                     func(c *rs.Config) { c.JWKSURL = "http://login.example.com/jwks" },
		"keys in a file":                           func(c *rs.Config) { c.JWKSURL = "file:///etc/jwks" },
		"a host that only looks like this machine": func(c *rs.Config) { c.Issuer = "http://localhost.evil.example" },
	} {
		c := good
		change(&c)
		if _, err := rs.New(c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
