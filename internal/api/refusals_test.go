package api_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"keyward/internal/api"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/softkey"
)

// Each row is one request that must not be answered, and what it is told. The
// document test (document.holds) runs beside every one of them.

// A token is worth what its proof is worth (RFC 9449 §7).
func TestTokensNeedTheirProof(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	other := w.app().signUp("bob@example.org")
	ended := w.app().signUp("carol@example.org")
	ended.send("DELETE", "/api/v1/session", nil).want(200)
	page := pageToken(t, w, a)
	a.send("GET", "/api/v1/session", nil).want(200)

	token := func(scheme, token string) http.Header { return http.Header{"Authorization": {scheme + " " + token}} }
	good := func() string { return a.proof("GET", "/api/v1/session", a.tokens.AccessToken) }
	with := func(h http.Header, proofs ...string) http.Header {
		h["Dpop"] = proofs
		return h
	}
	dpop := func(d softkey.DPoP, at time.Time) string {
		if d.Method == "" {
			d.Method = "GET"
		}
		if d.URL == "" {
			d.URL = public + "/api/v1/session"
		}
		return a.key.Proof(d, at)
	}
	now, mine := w.clock.now(), a.tokens.AccessToken
	replay := good()
	w.do(request{"GET", "/api/v1/session", nil, with(token("DPoP", mine), replay)}).want(200)

	for _, row := range []struct {
		name   string
		header http.Header
		code   string
		auth   string // in WWW-Authenticate
	}{
		{"nothing is sent", http.Header{}, "not_signed_in", `DPoP algs="ES256 EdDSA"`},
		{"a password in place of a token", http.Header{"Authorization": {basic("alice", "password")}}, "not_signed_in", "invalid_token"},
		{"a token that is not ours", with(token("DPoP", "kwa_x.y.z.z"), dpop(softkey.DPoP{Token: "kwa_x.y.z.z", Nonce: a.nonce}, now)), "not_signed_in", "invalid_token"},
		{"a refresh token in place of an access token", with(token("DPoP", a.tokens.RefreshToken), dpop(softkey.DPoP{Token: a.tokens.RefreshToken, Nonce: a.nonce}, now)), "not_signed_in", "invalid_token"},
		{"a token changed by one letter", with(token("DPoP", mine[:len(mine)-1]+flip(mine[len(mine)-1])), dpop(softkey.DPoP{Token: mine[:len(mine)-1] + flip(mine[len(mine)-1]), Nonce: a.nonce}, now)), "not_signed_in", "invalid_token"},
		{"a token copied out of a browser's cookie, with a proof of the app's own key", with(token("DPoP", page), dpop(softkey.DPoP{Token: page, Nonce: a.nonce}, now)), "not_signed_in", "invalid_token"},
		{"a cookie's token as a bearer", token("Bearer", page), "not_signed_in", "invalid_token"},
		{"the token as a bearer", token("Bearer", mine), "proof_missing", "invalid_dpop_proof"},
		{"the token as a bearer with a good proof beside it", with(token("Bearer", mine), good()), "proof_missing", "invalid_dpop_proof"},
		{"the token without a proof", token("DPoP", mine), "proof_missing", "invalid_dpop_proof"},
		{"a proof of another key", with(token("DPoP", mine), other.proof("GET", "/api/v1/session", mine)), "proof_missing", "invalid_dpop_proof"},
		{"the token of another session under the app's own key", with(token("DPoP", other.tokens.AccessToken), dpop(softkey.DPoP{Token: other.tokens.AccessToken, Nonce: a.nonce}, now)), "proof_missing", "invalid_dpop_proof"},
		{"a proof for another token", with(token("DPoP", mine), dpop(softkey.DPoP{Token: other.tokens.AccessToken, Nonce: a.nonce}, now)), "proof_invalid", "invalid_dpop_proof"},
		{"a proof without the token's hash", with(token("DPoP", mine), dpop(softkey.DPoP{Nonce: a.nonce}, now)), "proof_invalid", "invalid_dpop_proof"},
		{"a proof for another method", with(token("DPoP", mine), dpop(softkey.DPoP{Method: "DELETE", Token: mine, Nonce: a.nonce}, now)), "proof_invalid", "invalid_dpop_proof"},
		{"a proof for another path", with(token("DPoP", mine), dpop(softkey.DPoP{URL: public + "/api/v1/sessions", Token: mine, Nonce: a.nonce}, now)), "proof_invalid", "invalid_dpop_proof"},
		{"a proof for the address behind the proxy", with(token("DPoP", mine), dpop(softkey.DPoP{URL: w.url + "/api/v1/session", Token: mine, Nonce: a.nonce}, now)), "proof_invalid", "invalid_dpop_proof"},
		{"a proof made two minutes ago", with(token("DPoP", mine), dpop(softkey.DPoP{Token: mine, Nonce: a.nonce}, now.Add(-2*time.Minute))), "proof_invalid", "invalid_dpop_proof"},
		{"a proof made in a minute", with(token("DPoP", mine), dpop(softkey.DPoP{Token: mine, Nonce: a.nonce}, now.Add(time.Minute))), "proof_invalid", "invalid_dpop_proof"},
		{"two proofs, one of them good", with(token("DPoP", mine), good(), good()), "proof_invalid", "invalid_dpop_proof"},
		{"no proof but text", with(token("DPoP", mine), "proof"), "proof_invalid", "invalid_dpop_proof"},
		{"a proof without our nonce", with(token("DPoP", mine), dpop(softkey.DPoP{Token: mine}, now)), "use_dpop_nonce", "use_dpop_nonce"},
		{"a proof with somebody's own nonce", with(token("DPoP", mine), dpop(softkey.DPoP{Token: mine, Nonce: base64.RawURLEncoding.EncodeToString(make([]byte, 24))}, now)), "use_dpop_nonce", "use_dpop_nonce"},
		{"a proof that was used before", with(token("DPoP", mine), replay), "proof_replayed", "invalid_dpop_proof"},
		{"a session that has ended", with(token("DPoP", ended.tokens.AccessToken), ended.proof("GET", "/api/v1/session", ended.tokens.AccessToken)), "session_ended", "invalid_token"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w.in(t)
			r := w.do(request{"GET", "/api/v1/session", nil, row.header})
			r.refused(401, row.code)
			if got := r.header.Get("Www-Authenticate"); !strings.Contains(got, row.auth) || !strings.HasPrefix(got, "DPoP ") {
				t.Errorf("WWW-Authenticate: %q", got)
			}
			equal(t, "a nonce for the next proof", r.header.Get("Dpop-Nonce") != "", true)
		})
	}
	t.Run("two Authorization headers", func(t *testing.T) {
		h := with(http.Header{"Authorization": {"DPoP " + mine, "DPoP " + mine}}, good())
		w.do(request{"GET", "/api/v1/session", nil, h}).refused(400, "bad_request")
	})
	t.Run("the minutes of access are over", func(t *testing.T) {
		w.clock.pass(6 * time.Minute)
		a.send("GET", "/api/v1/session", nil).refused(401, "access_expired")
		a.refresh().want(200)
		a.send("GET", "/api/v1/session", nil).want(200)
	})
	t.Run("a scheme is a word in any case (RFC 9110 §11.1)", func(t *testing.T) {
		w.do(request{"GET", "/api/v1/session", nil, with(token("dpop", a.tokens.AccessToken), good())}).want(200)
	})
}

// flip changes a base64url letter into another one whose spare bits are as empty.
func flip(c byte) string {
	if c == 'A' {
		return "Q"
	}
	return "A"
}

// pageToken signs the same person in as a browser would be, unbound.
func pageToken(t *testing.T, w *world, a *app) string {
	t.Helper()
	var o api.Options
	a.send("POST", "/api/v1/sign-in", nil).want(200, &o)
	cred, err := a.browser.Get(o.Options)
	ok(t, err)
	in, err := w.signin.FinishSignIn(t.Context(), edge.CauseFrom(t.Context()), cred, signinFromBrowser())
	ok(t, err)
	live, err := w.sessions.Check(t.Context(), in.Access, signinFromBrowser().Addr, "")
	ok(t, err)
	equal(t, "kind", live.Kind, session.Web)
	return in.Access
}

// What is not formed as documented is refused by the name of its part.
func TestRequestsAreReadStrictly(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	sign := func(body any, header http.Header) *response {
		return w.do(request{"POST", "/api/v1/sign-up", body, header})
	}
	typed := func(ct string) http.Header { return http.Header{"Content-Type": {ct}} }
	for _, row := range []struct {
		name    string
		do      func() *response
		status  int
		code    string
		pointer string
	}{
		{"a field nobody knows", func() *response { return sign(`{"mail":"a@example.org","admin":true}`, nil) }, 400, "unknown_field", "/admin"},
		{"a field with another case", func() *response { return sign(`{"Mail":"a@example.org"}`, nil) }, 400, "unknown_field", "/Mail"},
		{"a field named twice", func() *response { return sign(`{"mail":"a@example.org","mail":"b@example.org"}`, nil) }, 400, "bad_request", "/mail"},
		{"a field named twice in two cases", func() *response { return sign(`{"mail":"a@example.org","MAIL":"b@example.org"}`, nil) }, 400, "bad_request", "/MAIL"},
		{"U+0000 in a text", func() *response { return sign(`{"mail":"a\u0000@example.org"}`, nil) }, 400, "nul_in_text", "/mail"},
		{"U+0000 in a query", func() *response { return a.send("GET", "/api/v1/activity?before=%00", nil) }, 400, "nul_in_text", ""},
		{"broken UTF-8", func() *response { return sign("{\"mail\":\"a\xff@example.org\"}", nil) }, 400, "bad_request", ""},
		{"two values", func() *response { return sign(`{"mail":"a@example.org"}{}`, nil) }, 400, "bad_request", ""},
		{"a number where a text belongs", func() *response { return sign(`{"mail":7}`, nil) }, 400, "bad_request", "/mail"},
		{"a list where an object belongs", func() *response { return sign(`[]`, nil) }, 400, "bad_request", ""},
		{"a needed field left out", func() *response { return sign(`{}`, nil) }, 400, "bad_request", ""},
		{"a word outside its list", func() *response { return sign(`{"mail":"a@example.org","lang":"xx"}`, nil) }, 400, "bad_request", "/lang"},
		{"no mail address", func() *response { return sign(`{"mail":"nobody"}`, nil) }, 400, "bad_request", "mail"},
		{"an empty body", func() *response { return sign("", nil) }, 400, "bad_request", ""},
		{"a form", func() *response { return sign("mail=a@example.org", typed("application/x-www-form-urlencoded")) }, 415, "unsupported_media_type", ""},
		{"JSON in another alphabet", func() *response { return sign(`{}`, typed("application/json; charset=utf-16")) }, 415, "unsupported_media_type", ""},
		{"JSON that calls itself text", func() *response { return sign(`{}`, typed("text/plain")) }, 415, "unsupported_media_type", ""},
		{"a body past the limit", func() *response { return sign(`{"mail":"`+strings.Repeat("a", 1<<17)+`"}`, nil) }, 413, "body_too_large", ""},
		{"a text longer than documented", func() *response { return sign(map[string]string{"mail": strings.Repeat("a", 2000)}, nil) }, 400, "bad_request", "/mail"},
		{"a nest of forty objects", func() *response {
			return sign(`{"mail":`+strings.Repeat(`{"a":`, 40)+"1"+strings.Repeat("}", 41), nil)
		}, 400, "bad_request", ""},
		{"fields for an operation that takes none", func() *response { return a.send("POST", "/api/v1/freeze/lift", map[string]bool{"force": true}) }, 400, "unknown_field", "/force"},
		{"a body under a DELETE", func() *response { return a.send("DELETE", "/api/v1/session", map[string]bool{"all": true}) }, 400, "unknown_field", "/all"},
		{"a query parameter nobody knows", func() *response { return a.send("GET", "/api/v1/activity?after=x", nil) }, 400, "unknown_field", "after"},
		{"a query parameter for an operation that takes none", func() *response { return a.send("GET", "/api/v1/session?as=admin", nil) }, 400, "unknown_field", "as"},
		{"a query parameter twice", func() *response { return a.send("GET", "/api/v1/activity?limit=5&limit=6", nil) }, 400, "bad_request", "limit"},
		{"a page of none", func() *response { return a.send("GET", "/api/v1/activity?limit=0", nil) }, 400, "bad_request", "limit"},
		{"a page of a thousand", func() *response { return a.send("GET", "/api/v1/activity?limit=1000", nil) }, 400, "bad_request", "limit"},
		{"a page of some", func() *response { return a.send("GET", "/api/v1/activity?limit=some", nil) }, 400, "bad_request", "limit"},
		{"a cursor that is none", func() *response { return a.send("GET", "/api/v1/activity?before=~", nil) }, 400, "bad_request", "before"},
		{"a language we do not speak", func() *response { return a.send("GET", "/api/v1/activity?lang=de", nil) }, 400, "bad_request", "lang"},
		{"an id that is not text", func() *response { return a.send("DELETE", "/api/v1/sessions/%ff%fe", nil) }, 400, "bad_request", ""},
		{"an id of a thousand letters", func() *response { return a.send("DELETE", "/api/v1/sessions/"+strings.Repeat("s", 1000), nil) }, 400, "bad_request", "id"},
		{"a name that turns the text around it", func() *response {
			return a.send("PATCH", "/api/v1/devices/dev_x", map[string]string{"name": "\u202etab"})
		}, 400, "bad_request", "name"},
		{"an address where nothing is", func() *response { return a.send("GET", "/api/v1/nothing", nil) }, 404, "not_found", ""},
		{"a method an address does not take", func() *response { return a.send("PUT", "/api/v1/session", nil) }, 405, "method_not_allowed", ""},
		{"a page of another site", func() *response {
			return sign(`{"mail":"a@example.org"}`, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}})
		}, 403, "cross_site_request", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w.in(t)
			p := row.do().refused(row.status, row.code)
			if row.pointer == "" {
				return
			}
			for _, e := range p.Errors {
				if e.Pointer == row.pointer {
					return
				}
			}
			t.Errorf("the refusal does not name %s: %+v", row.pointer, p.Errors)
		})
	}
	t.Run("a person who reads Korean is told in Korean", func(t *testing.T) {
		p := w.do(request{"GET", "/api/v1/session", nil, http.Header{"Accept-Language": {"ko-KR,ko;q=0.9"}}}).refused(401, "not_signed_in")
		equal(t, "title", p.Title, "먼저 로그인해 주세요")
	})
	t.Run("a program that asks for a page still gets JSON", func(t *testing.T) {
		w.do(request{"GET", "/api/v1/session", nil, http.Header{"Accept": {"text/html"}}}).refused(401, "not_signed_in")
	})
	t.Run("an empty object stands for no body", func(t *testing.T) {
		w.do(request{"POST", "/api/v1/sign-in", "{}", nil}).want(200)
	})
}

// At the door everybody is a stranger.
func TestTheDoor(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	b := w.app().signUp("bob@example.org")
	var codes api.Codes
	a.send("POST", "/api/v1/codes", nil).want(201, &codes)
	stranger := func() *app { return w.app() }
	begin := func(p *app) (s api.SignUp, cred json.RawMessage) {
		p.send("POST", "/api/v1/sign-up", map[string]string{"mail": "new@example.org"}).want(200, &s)
		c, err := p.browser.Create(s.Options)
		ok(t, err)
		return s, c
	}
	touch := func(p *app, tricks ...softkey.Trick) json.RawMessage {
		var o api.Options
		p.send("POST", "/api/v1/sign-in", nil).want(200, &o)
		c, err := p.browser.Get(o.Options, tricks...)
		ok(t, err)
		return c
	}
	out := func(p *app) *app { c := *p; c.tokens = api.Tokens{}; return &c }
	signIn := func(p *app, cred json.RawMessage) *response {
		return out(p).send("POST", "/api/v1/sign-in/finish", map[string]any{"credential": cred})
	}
	code := func(mail, code string) *response {
		return stranger().send("POST", "/api/v1/sign-in/code", map[string]string{"mail": mail, "code": code})
	}
	used := touch(out(a))
	signIn(a, used).want(200)
	old := touch(out(a))

	for _, row := range []struct {
		name   string
		do     func() *response
		status int
		code   string
	}{
		{"a sign-up without a key to bind to", func() *response {
			s, c := begin(stranger())
			return w.do(request{"POST", "/api/v1/sign-up/finish", map[string]any{"ticket": s.Ticket, "credential": c}, nil})
		}, 401, "proof_missing"},
		{"a ticket somebody made up", func() *response {
			_, c := begin(stranger())
			return stranger().send("POST", "/api/v1/sign-up/finish", map[string]any{"ticket": "AAAA", "credential": c})
		}, 400, "challenge_expired"},
		{"the passkey of one sign-up under the ticket of another", func() *response {
			s, _ := begin(stranger())
			_, c := begin(stranger())
			return stranger().send("POST", "/api/v1/sign-up/finish", map[string]any{"ticket": s.Ticket, "credential": c})
		}, 401, "passkey_not_accepted"},
		{"one sign-up finished twice", func() *response {
			p := stranger()
			s, c := begin(p)
			body := map[string]any{"ticket": s.Ticket, "credential": c}
			p.send("POST", "/api/v1/sign-up/finish", body).want(201)
			return p.send("POST", "/api/v1/sign-up/finish", body)
		}, 409, "challenge_spent"},
		{"a touch that was used before", func() *response { return signIn(a, used) }, 409, "challenge_spent"},
		{"a sign-up that took longer than a quarter of an hour", func() *response {
			p := stranger()
			s, c := begin(p)
			w.clock.pass(16 * time.Minute)
			return p.send("POST", "/api/v1/sign-up/finish", map[string]any{"ticket": s.Ticket, "credential": c})
		}, 400, "challenge_expired"},
		{"a touch older than five minutes", func() *response { return signIn(a, old) }, 400, "challenge_expired"},
		{"a touch on a phishing page", func() *response { return signIn(a, touch(out(a), softkey.LookAlike)) }, 401, "passkey_not_accepted"},
		{"a touch without the person being verified", func() *response { return signIn(a, touch(out(a), softkey.NoVerification)) }, 401, "passkey_not_accepted"},
		{"a signature changed by one bit", func() *response { return signIn(a, touch(out(a), softkey.BogusSignature)) }, 401, "passkey_not_accepted"},
		{"a passkey that claims to be another user's", func() *response {
			return signIn(a, touch(out(a), softkey.OtherUserHandle(b.browser.Keys.Handles(rpID)[0])))
		}, 401, "passkey_not_accepted"},
		{"a passkey nobody has", func() *response {
			p := stranger()
			begin(p)
			return signIn(p, touch(p))
		}, 401, "passkey_not_accepted"},
		{"no credential but a text", func() *response { return signIn(a, json.RawMessage(`"hello"`)) }, 401, "passkey_not_accepted"},
		{"a sign-in without a key to bind to", func() *response {
			return w.do(request{"POST", "/api/v1/sign-in/finish", map[string]any{"credential": touch(out(a))}, nil})
		}, 401, "proof_missing"},
		{"a sign-in proof that was used before", func() *response {
			p := out(a)
			first := touch(p) // and a fresh nonce
			h := http.Header{"Dpop": {p.proof("POST", "/api/v1/sign-in/finish", "")}}
			w.do(request{"POST", "/api/v1/sign-in/finish", map[string]any{"credential": first}, h}).want(200)
			return w.do(request{"POST", "/api/v1/sign-in/finish", map[string]any{"credential": touch(p)}, h})
		}, 401, "proof_replayed"},
		{"a code nobody has", func() *response { return code("alice@example.org", "00000-00000-00000-00000-00000") }, 401, "code_not_accepted"},
		{"no code but a word", func() *response { return code("alice@example.org", "open sesame") }, 401, "code_not_accepted"},
		{"a good code with another's address", func() *response { return code("bob@example.org", codes.Codes[0]) }, 401, "code_not_accepted"},
		{"a code that was used before", func() *response {
			code("alice@example.org", codes.Codes[1]).want(200)
			return code("alice@example.org", codes.Codes[1])
		}, 401, "code_not_accepted"},
		{"a refresh token that is not ours", func() *response { return stranger().present("kwr_1.fam_x.1.x.x") }, 401, "refresh_invalid"},
		{"an access token in its place", func() *response { return a.present(a.tokens.AccessToken) }, 401, "refresh_invalid"},
		{"a link somebody made up", func() *response {
			return w.do(request{"POST", "/api/v1/contacts/confirm", map[string]string{"token": "cnt_x.AAAA"}, nil})
		}, 410, "link_expired"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w.in(t)
			row.do().refused(row.status, row.code)
		})
	}

	t.Run("what is wrong before proof looks the same", func(t *testing.T) {
		same(t, map[string]*response{
			"an unknown code":  code("alice@example.org", "00000-00000-00000-00000-00001"),
			"a used code":      code("alice@example.org", codes.Codes[1]),
			"another's mail":   code("bob@example.org", codes.Codes[2]),
			"nobody's mail":    code("nobody@example.org", codes.Codes[2]),
			"no code":          code("alice@example.org", "x"),
			"no mail address":  code("not a mail address", codes.Codes[2]),
			"a closed account": code("alice@example.org", "ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ"),
		})
		p := stranger()
		begin(p)
		same(t, map[string]*response{
			"unknown passkey":    signIn(p, touch(p)),
			"phishing page":      signIn(a, touch(out(a), softkey.LookAlike)),
			"no verification":    signIn(a, touch(out(a), softkey.NoVerification)),
			"foreign challenge":  signIn(a, touch(out(a), softkey.Challenge(make([]byte, 56)))),
			"another's handle":   signIn(a, touch(out(a), softkey.OtherUserHandle(make([]byte, 32)))),
			"not even JSON of a": signIn(a, json.RawMessage(`{}`)),
		})
	})
	t.Run("a taken address begins a sign-up like any other", func(t *testing.T) {
		taken := w.do(request{"POST", "/api/v1/sign-up", map[string]string{"mail": "alice@example.org"}, nil}).want(200)
		fresh := w.do(request{"POST", "/api/v1/sign-up", map[string]string{"mail": "erika@example.org"}, nil}).want(200)
		equal(t, "length", len(taken.body), len(fresh.body))
	})
	t.Run("where strangers may not sign up they are told so", func(t *testing.T) {
		w := newWorld(t, closedSignUp)
		w.do(request{"POST", "/api/v1/sign-up", map[string]string{"mail": "a@example.org"}, nil}).refused(403, "sign_up_closed")
		w.app().send("POST", "/api/v1/sign-up/finish", map[string]any{"ticket": "AAAA", "credential": map[string]any{}}).refused(403, "sign_up_closed")
	})
}

// same holds answers to be alike but for the request id: nobody learns which
// part was wrong.
func same(t *testing.T, answers map[string]*response) {
	t.Helper()
	var first, firstName string
	for name, r := range answers {
		s := r.anonymous()
		if first == "" {
			first, firstName = s, name
		}
		if s != first {
			t.Errorf("%s is told from %s:\n%s\n%s", name, firstName, s, first)
		}
	}
}

// anonymous is the whole answer without what differs by nature.
func (r *response) anonymous() string {
	var b strings.Builder
	h := r.header.Clone()
	id := h.Get("X-Request-Id")
	for _, name := range []string{"X-Request-Id", "Date", "Dpop-Nonce"} {
		h.Del(name)
	}
	b.WriteString(http.StatusText(r.status) + "\n")
	h.Write(&b)
	b.WriteString(strings.ReplaceAll(string(r.body), id, "REQUEST"))
	return b.String()
}

// A touch is for one act, once, of one session.
func TestTouches(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	b := w.app().signUp("bob@example.org")
	var keys api.Passkeys
	a.get("/api/v1/passkeys", &keys)
	key := keys.Items[0].ID
	a.send("POST", "/api/v1/codes", nil).want(201) // the first set needs no touch
	begin := func(p *app, act, object string) api.Options {
		var o api.Options
		p.send("POST", "/api/v1/step-up", map[string]string{"act": act, "object": object}).want(200, &o)
		return o
	}
	finish := func(p *app, act, object string, o api.Options, tricks ...softkey.Trick) *response {
		cred, err := p.browser.Get(o.Options, tricks...)
		ok(t, err)
		return p.send("POST", "/api/v1/step-up/finish", map[string]any{"act": act, "object": object, "credential": json.RawMessage(cred)})
	}
	for _, row := range []struct {
		name   string
		do     func() *response
		status int
		code   string
	}{
		{"an act nobody knows", func() *response { return a.send("POST", "/api/v1/step-up", map[string]string{"act": "money.send"}) }, 400, "bad_request"},
		{"an act without its object", func() *response { return a.send("POST", "/api/v1/step-up", map[string]string{"act": "keys.remove"}) }, 400, "bad_request"},
		{"an object for an act that has none", func() *response {
			return a.send("POST", "/api/v1/step-up", map[string]string{"act": "keys.add", "object": key})
		}, 400, "bad_request"},
		{"a touch for one act, presented for another", func() *response { return finish(a, "keys.add", "", begin(a, "codes.new", "")) }, 401, "passkey_not_accepted"},
		{"a touch for one key, presented for another", func() *response {
			return finish(a, "keys.remove", key, begin(a, "keys.remove", "key_01jd8f00000000000000000000"))
		}, 401, "passkey_not_accepted"},
		{"a touch of another session", func() *response { return finish(a, "keys.add", "", begin(b, "keys.add", "")) }, 401, "passkey_not_accepted"},
		{"a touch with another's passkey", func() *response {
			o := begin(a, "keys.add", "")
			cred, err := b.browser.Get(o.Options)
			ok(t, err)
			return a.send("POST", "/api/v1/step-up/finish", map[string]any{"act": "keys.add", "credential": json.RawMessage(cred)})
		}, 401, "passkey_not_accepted"},
		{"a touch where the person was not verified", func() *response {
			return finish(a, "keys.add", "", begin(a, "keys.add", ""), softkey.NoVerification)
		}, 401, "passkey_not_accepted"},
		{"a touch that came too late", func() *response {
			o := begin(a, "keys.add", "")
			w.clock.pass(5*time.Minute + time.Second)
			a.refresh().want(200)
			return finish(a, "keys.add", "", o)
		}, 400, "challenge_expired"},
		{"a kept touch used after five minutes", func() *response {
			a.touch("codes.new", "")
			w.clock.pass(5*time.Minute + time.Second)
			a.refresh().want(200)
			return a.send("POST", "/api/v1/codes", nil)
		}, 403, "step_up_required"},
		{"the touch of another act", func() *response {
			a.touch("keys.add", "")
			return a.send("POST", "/api/v1/codes", nil)
		}, 403, "step_up_required"},
		{"the last passkey", func() *response {
			a.touch("keys.remove", key)
			return a.send("DELETE", "/api/v1/passkeys/"+key, nil)
		}, 409, "last_key"},
		{"a code that is not hers, to rehearse", func() *response {
			return a.send("POST", "/api/v1/codes/rehearse", map[string]string{"code": "00000-00000-00000-00000-00000"})
		}, 401, "code_not_accepted"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w.in(t)
			row.do().refused(row.status, row.code)
		})
	}
}
