package exchange

import (
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// browser keeps the cookies of one person at the exchange.
type browser struct {
	t       *testing.T
	at      *Exchange
	cookies map[string]string
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.at.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" {
			b.t.Errorf("a cookie that others can read or plant: %v", c)
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return w
}

// start goes to sign in, and is what Keyward was asked for.
func (b *browser) start() url.Values {
	b.t.Helper()
	to, err := url.Parse(b.get("/enter-start").Header().Get("Location"))
	if err != nil || to.Path != "/oauth/authorize" || to.Query().Get("client_id") != "app_1" {
		b.t.Fatalf("sent to %v (%v)", to, err)
	}
	k := b.at.party.cfg.Transport.(*keyward)
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pushed[to.Query().Get("request_uri")]
}

// keyward plays the issuer: it has one code, "the-code", for what was pushed first.
type keyward struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	jwks   json.RawMessage
	acr    string
	mu     sync.Mutex // guards what follows
	pushed map[string]url.Values
	first  url.Values
	nonce  bool // asked for once already
	change func(claims map[string]any)
}

const issuer = "https://login.example"

func newKeyward(t *testing.T) *keyward {
	key, jwks, err := NewKey("k1")
	if err != nil {
		t.Fatal(err)
	}
	return &keyward{t: t, key: key, jwks: jwks, acr: "phr", pushed: map[string]url.Values{}}
}

func (k *keyward) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	k.mu.Lock()
	defer k.mu.Unlock()
	r.ParseForm()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":"%s/oauth/authorize","token_endpoint":"%s/oauth/token","pushed_authorization_request_endpoint":"%s/oauth/par",
			"jwks_uri":"%s/oauth/jwks","end_session_endpoint":"%s/oauth/logout","id_token_signing_alg_values_supported":["ES256"]}`, issuer, issuer, issuer, issuer, issuer, issuer)
	case "/oauth/jwks":
		w.Write(k.jwks)
	case "/oauth/par":
		uri := fmt.Sprintf("urn:%d", len(k.pushed))
		if k.pushed[uri] = r.PostForm; k.first == nil {
			k.first = r.PostForm
		}
		fmt.Fprintf(w, `{"request_uri":%q,"expires_in":300}`, uri)
	case "/oauth/token":
		k.token(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

func (k *keyward) token(w http.ResponseWriter, r *http.Request) {
	if !k.nonce { // RFC 9449 §8: the first proof has to be made again
		k.nonce = true
		w.Header().Set("DPoP-Nonce", "n-1")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"use_dpop_nonce"}`)
		return
	}
	if r.PostForm.Get("code") != "the-code" || hashOf(r.PostForm.Get("code_verifier")) != k.first.Get("code_challenge") || r.Header.Get("DPoP") == "" || r.PostForm.Get("client_assertion") == "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
		return
	}
	id := k.sign("JWT", map[string]any{"sub": "acc_1", "sid": "ses_1", "acr": k.acr, "nonce": k.first.Get("nonce")})
	json.NewEncoder(w).Encode(map[string]any{"access_token": "at", "token_type": "DPoP", "expires_in": 300, "refresh_token": "rt", "id_token": id})
}

// sign is a token for app_1; change edits it.
func (k *keyward) sign(typ string, more map[string]any) string {
	claims := map[string]any{"iss": issuer, "aud": "app_1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	for name, v := range more {
		claims[name] = v
	}
	if k.change != nil {
		k.change(claims)
	}
	text, err := sign(k.key, map[jose.HeaderKey]any{"typ": typ, "kid": "k1"}, claims)
	if err != nil {
		k.t.Fatal(err)
	}
	return text
}

func (k *keyward) exchange() *Exchange {
	key, _, err := NewKey("c1")
	if err != nil {
		k.t.Fatal(err)
	}
	e, err := New(Config{Keyward: issuer, Self: "https://exchange.example", Client: "app_1", Key: key, KeyID: "c1", Transport: k})
	if err != nil {
		k.t.Fatal(err)
	}
	return e
}

func TestWhoComesIn(t *testing.T) {
	const iss = "&iss=" + issuer
	for _, row := range []struct {
		name   string
		acr    string
		change func(claims map[string]any)
		way    func(owner, other *browser, state string) *browser // who walks in, having tried
		in     bool
	}{
		{name: "the browser that asked", in: true},
		{name: "with a key in attested hardware too", acr: "phrh", in: true},
		{name: "not with a recovery code", acr: "urn:keyward:fallback"},
		{name: "not with a way of signing in that we do not know", acr: "phrase"},
		{name: "not with an ID token for another app", change: func(c map[string]any) { c["aud"] = "app_2" }},
		{name: "not with an ID token of another issuer", change: func(c map[string]any) { c["iss"] = "https://evil.example" }},
		{name: "not with an ID token for another request", change: func(c map[string]any) { c["nonce"] = "another" }},
		{name: "not with an ID token that ran out", change: func(c map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() }},
		{name: "not without the state", way: func(owner, _ *browser, _ string) *browser {
			owner.get("/enter?code=the-code" + iss)
			return owner
		}},
		{name: "not with a state of somebody else", way: func(owner, other *browser, _ string) *browser {
			owner.get("/enter?code=the-code&state=" + other.start().Get("state") + iss)
			return owner
		}},
		{name: "not with an answer of another server", way: func(owner, _ *browser, state string) *browser {
			owner.get("/enter?code=the-code&state=" + state + "&iss=https://evil.example")
			return owner
		}},
		{name: "not in a browser that never asked: a code slipped in signs nobody in", way: func(_, other *browser, state string) *browser {
			other.get("/enter?code=the-code&state=" + state + iss)
			return other
		}},
		{name: "not in another browser that asked too: its verifier is another", way: func(_, other *browser, _ string) *browser {
			other.get("/enter?code=the-code&state=" + other.start().Get("state") + iss)
			return other
		}},
		{name: "and a stranger's link in between does not spoil it", in: true, way: func(owner, _ *browser, state string) *browser {
			owner.get("/enter?code=another&state=of-a-stranger" + iss)
			owner.get("/enter?code=the-code&state=" + state + iss)
			return owner
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			k := newKeyward(t)
			if row.acr != "" {
				k.acr = row.acr
			}
			k.change = row.change
			e := k.exchange()
			owner, other := &browser{t, e, map[string]string{}}, &browser{t, e, map[string]string{}}
			ask := owner.start()
			if ask.Get("redirect_uri") != "https://exchange.example/enter" || len(ask.Get("state")) != 43 || len(ask.Get("code_challenge")) != 43 || ask.Get("code_challenge_method") != "S256" {
				t.Fatalf("asked with %v", ask)
			}
			who := owner
			if row.way == nil {
				owner.get("/enter?code=the-code&state=" + ask.Get("state") + iss)
			} else {
				who = row.way(owner, other, ask.Get("state"))
			}
			if _, in := who.cookies[cookieName]; in != row.in {
				t.Errorf("in: %v", in)
			}
			if v := e.visitors.by[who.cookies[cookieName]]; row.in && (v == nil || v.subject != "acc_1" || v.session != "ses_1") {
				t.Errorf("came in as %+v", v)
			}
		})
	}
}

// Whoever can post to the back-channel can be anybody: only a logout token of ours ends anything.
func TestLogoutTokensThatEndNothing(t *testing.T) {
	good := map[string]any{"sub": "acc_1", "sid": "ses_1", "jti": "lgt_1", "events": map[string]any{logoutEvent: map[string]any{}}}
	with := func(name string, v any) map[string]any {
		c := map[string]any{}
		for n, v := range good {
			c[n] = v
		}
		c[name] = v
		return c
	}
	other, _, _ := NewKey("k1")
	for _, row := range []struct {
		name  string
		token func(k *keyward) string
		ends  bool
	}{
		{"a good one", func(k *keyward) string { return k.sign("logout+jwt", good) }, true},
		{"an ID token", func(k *keyward) string { return k.sign("JWT", good) }, false},
		{"one with a nonce", func(k *keyward) string { return k.sign("logout+jwt", with("nonce", "n")) }, false},
		{"one about something else", func(k *keyward) string {
			return k.sign("logout+jwt", with("events", map[string]any{"https://example.com/event": map[string]any{}}))
		}, false},
		{"one for another app", func(k *keyward) string { return k.sign("logout+jwt", with("aud", "app_2")) }, false},
		{"one of another issuer", func(k *keyward) string { return k.sign("logout+jwt", with("iss", "https://evil.example")) }, false},
		{"one that ran out", func(k *keyward) string { return k.sign("logout+jwt", with("exp", time.Now().Add(-time.Minute).Unix())) }, false},
		{"one about another session", func(k *keyward) string { return k.sign("logout+jwt", with("sid", "ses_2")) }, false},
		{"one signed by somebody else", func(k *keyward) string {
			k.key = other
			return k.sign("logout+jwt", good)
		}, false},
		{"nothing", func(*keyward) string { return "" }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			k := newKeyward(t)
			e := k.exchange()
			v := &visitor{subject: "acc_1", session: "ses_1"}
			e.visitors.by["x"] = v
			r := httptest.NewRequest("POST", "/backchannel-logout", strings.NewReader(url.Values{"logout_token": {row.token(k)}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			if v.over.Load() != row.ends {
				t.Errorf("ended: %v, with %d %s", v.over.Load(), w.Code, w.Body)
			}
		})
	}
}

// What our API says in a challenge is what Keyward is asked for.
func TestAStepUpIsReadFromTheChallenge(t *testing.T) {
	err := &refused{401, `DPoP error="insufficient_user_authentication", acr_values="phr", max_age="300"`}
	if want := stepUpIn(err); want == nil || want.acr != "phr" || want.maxAge != "300" {
		t.Errorf("%+v", want)
	}
	if want := stepUpIn(&refused{401, `DPoP error="invalid_token"`}); want != nil || !isEnded(&refused{401, `DPoP error="invalid_token"`}) {
		t.Errorf("%+v", want)
	}
}

// An app that knows our address only learns whose tokens we take (RFC 9728).
func TestTheAPISaysWhoseTokensItTakes(t *testing.T) {
	w := httptest.NewRecorder()
	newKeyward(t).exchange().ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-protected-resource", nil))
	var said struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Bound    bool     `json:"dpop_bound_access_tokens_required"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Resource != "https://exchange.example" || len(said.Servers) != 1 || said.Servers[0] != issuer || !said.Bound {
		t.Errorf("%s (%v)", w.Body, err)
	}
}

// A form of another site brings no cookie of ours along, and takes none away.
func TestNobodyElseSignsOut(t *testing.T) {
	e := newKeyward(t).exchange()
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest("POST", "/leave", nil))
	if len(w.Result().Cookies()) != 0 {
		t.Errorf("%v", w.Result().Cookies())
	}
}
