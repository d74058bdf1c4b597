package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/staff"
	"keyward/internal/store"
	"keyward/internal/storetest"
	"keyward/internal/web"
)

const origin = "https://ops.example.com"

// desk is the operators' door of one process.
type desk struct {
	t       *testing.T
	clock   *signintest.Clock
	db      *store.DB
	staff   *staff.Service
	door    http.Handler
	logged  *bytes.Buffer
	refused map[string]int
	log     *audit.Log
	oauth   *oauth.Service
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, clock: signintest.NewClock(), logged: new(bytes.Buffer), refused: map[string]int{}}
	d.db = storetest.SQLite(t, storetest.WithNow(func() time.Time { return d.clock.Now() }))
	w := signintest.New(t, d.db, d.clock)
	d.log = w.Log
	d.oauth = oauth.New(oauth.Parts{DB: d.db, Log: w.Log, Accounts: w.Accounts, Sessions: w.Sessions, SignIn: w.SignIn,
		Mint: session.NewMint(w.Ring, signintest.Origin, d.db.Now), Access: 5 * time.Minute})
	logger := slog.New(slog.NewJSONHandler(d.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	d.staff, err = staff.New(d.db, w.Ring, w.Log, device.Config{RPID: "ops.example.com", RPName: "Example operators", Origins: []string{origin}})
	d.must(err)
	look, err := web.NewRenderer("")
	d.must(err)
	pages, err := New(Parts{DB: d.db, Staff: d.staff, OAuth: d.oauth, Look: look, Logger: logger,
		Acts: map[staff.Kind]staff.Act{staff.VerifyPublisher: d.oauth.Publisher}}, Settings{Origin: origin, Product: "Example"})
	d.must(err)
	rim, err := edge.New(edge.Options{Now: d.db.Now, Logger: logger, PublicURL: origin, Pages: pages.Problem,
		Refused: func(_, code string) { d.refused[code]++ }})
	d.must(err)
	mux := http.NewServeMux()
	pages.Routes(mux, rim)
	d.door = rim.Handler(edge.Routes(mux))
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// browser is a browser at the door.
type browser struct {
	d      *desk
	keys   *softkey.Browser
	cookie string
}

func (d *desk) browser() *browser {
	return &browser{d: d, keys: &softkey.Browser{Origin: origin, Keys: new(softkey.Authenticator)}}
}

func (b *browser) do(method, path, contentType, body string) (int, string, http.Header) {
	b.d.t.Helper()
	r := httptest.NewRequest(method, origin+path, strings.NewReader(body))
	r.Header.Set("Accept", "text/html")
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Origin", origin)
	}
	if contentType == "application/json" || path == "/touch" {
		r.Header.Set("Accept", "application/json")
	}
	if b.cookie != "" {
		r.Header.Set("Cookie", "__Host-kw_op="+b.cookie)
	}
	w := httptest.NewRecorder()
	b.d.door.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-kw_op" {
			b.cookie = c.Value
			if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteStrictMode {
				b.d.t.Errorf("the cookie is %v", c)
			}
		}
	}
	text, err := io.ReadAll(w.Result().Body)
	b.d.must(err)
	return w.Code, string(text), w.Header()
}

func (b *browser) get(path string) (int, string) {
	b.d.t.Helper()
	code, text, _ := b.do("GET", path, "", "")
	return code, text
}

func (b *browser) json(path string, in any, out any) int {
	b.d.t.Helper()
	body, err := json.Marshal(in)
	b.d.must(err)
	code, text, _ := b.do("POST", path, "application/json", string(body))
	if out != nil {
		b.d.must(json.Unmarshal([]byte(text), out))
	}
	return code
}

func (b *browser) form(path string, f url.Values) (int, string, http.Header) {
	b.d.t.Helper()
	return b.do("POST", path, "application/x-www-form-urlencoded", f.Encode())
}

// touched sends a form the way console.js does.
func (b *browser) touched(path, act string, f url.Values) (int, string, http.Header) {
	b.d.t.Helper()
	ask := url.Values{"act": {act}, "credential": {""}}
	for k, v := range f {
		ask[k] = v
	}
	code, text, _ := b.form("/touch", ask)
	if code != http.StatusOK {
		return code, text, nil
	}
	var begun struct{ Options json.RawMessage }
	b.d.must(json.Unmarshal([]byte(text), &begun))
	answer, err := b.keys.Get(begun.Options)
	b.d.must(err)
	f.Set("credential", string(answer))
	return b.form(path, f)
}

func (b *browser) join(link string) int {
	b.d.t.Helper()
	_, secret, _ := strings.Cut(link, "/join#")
	var begun struct{ Options json.RawMessage }
	if code := b.json("/join/begin", map[string]string{"link": secret}, &begun); code != http.StatusOK {
		return code
	}
	answer, err := b.keys.Create(begun.Options)
	b.d.must(err)
	return b.json("/join/finish", map[string]any{"link": secret, "credential": json.RawMessage(answer)}, nil)
}

func (b *browser) signIn() int {
	b.d.t.Helper()
	var begun struct{ Options json.RawMessage }
	b.json("/signin/begin", struct{}{}, &begun)
	answer, err := b.keys.Get(begun.Options)
	b.d.must(err)
	return b.json("/signin/finish", map[string]any{"credential": json.RawMessage(answer), "to": "//evil.example"}, nil)
}

var shownLink = regexp.MustCompile(`https://ops\.example\.com/join#[A-Za-z0-9_-]+`)

// The whole way of two operators, over HTTP.
func TestTwoOperatorsAtTheirDesk(t *testing.T) {
	d := newDesk(t)
	inv, _, err := d.staff.Bootstrap(t.Context())
	d.must(err)
	ada, ben := d.browser(), d.browser()

	if code, _, h := ada.do("GET", "/operators", "", ""); code != http.StatusSeeOther || h.Get("Location") != "/signin?to=%2Foperators" {
		t.Errorf("signed out: %d %s", code, h.Get("Location"))
	}
	link := JoinLink(origin, inv)
	if code := ada.join(link); code != http.StatusOK {
		t.Fatalf("joining: %d", code)
	}
	if code := d.browser().join(link); code != http.StatusGone || d.refused["invite_not_accepted"] != 1 {
		t.Errorf("joining again with the link: %d, counted %v", code, d.refused)
	}
	if code, text := ada.get("/"); code != http.StatusOK || !strings.Contains(text, "Admin") || !strings.Contains(text, "Session ends") {
		t.Errorf("home: %d %s", code, text)
	}

	// Inviting: without a touch, then with one.
	f := url.Values{"name": {" Ben <b>"}, "roles": {"security", "analyst"}, "reason": {"a new colleague "}}
	if code, text, _ := ada.form("/operators/invite", f); code != http.StatusForbidden || strings.Contains(text, "/join#") {
		t.Errorf("without a touch: %d", code)
	}
	code, text, _ := ada.touched("/operators/invite", "operators.invite", f)
	if code != http.StatusOK || !strings.Contains(text, "Ben &lt;b&gt;") {
		t.Fatalf("inviting: %d %s", code, text)
	}
	if code := ben.join(shownLink.FindString(text)); code != http.StatusOK {
		t.Fatalf("Ben joins: %d", code)
	}
	if code, _ := ben.get("/operators/invite"); code != http.StatusForbidden {
		t.Errorf("who may not invite sees the form: %d", code)
	}
	if code, text, _ := ben.touched("/operators/invite", "operators.invite", url.Values{"name": {"Eve"}, "roles": {"admin"}, "reason": {"a friend"}}); code != http.StatusForbidden {
		t.Errorf("who may not invite invites: %d %s", code, text)
	}

	// Ada registers an app that nobody vouched for, and asks that its publisher be verified.
	id := registered(t, ada)
	trade := url.Values{"response_type": {"code"}, "client_id": {id}, "redirect_uri": {"https://app.example.org/back"}, "scope": {"openid trade"},
		"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"}}
	mayTrade := func() bool {
		_, err := d.oauth.ReadAsk(t.Context(), trade)
		var no *oauth.Refusal
		if err != nil && (!errors.As(err, &no) || no.Code != "invalid_scope") {
			t.Errorf("the app's request: %v", err)
		}
		return err == nil
	}
	if mayTrade() {
		t.Error("an app that nobody vouched for may ask for orders")
	}
	f = url.Values{"object": {id}, "domain": {"example.org"}, "reason": {"the DNS record is there"}}
	code, text, h := ada.touched("/apps/"+id+"/publisher", "clients.ask_publisher", f)
	page := h.Get("Location")
	if code != http.StatusSeeOther || !strings.HasPrefix(page, "/requests/req_") {
		t.Fatalf("asking: %d %s", code, text)
	}
	r, err := d.staff.Request(t.Context(), d.who(ben), staff.RequestID(strings.TrimPrefix(page, "/requests/")))
	d.must(err)

	if code, text := ada.get(page); code != http.StatusOK || strings.Contains(text, "/approve") || !strings.Contains(text, "example.org") || !strings.Contains(text, "your own request") {
		t.Errorf("the page of one's own request: %d %s", code, text)
	}
	decide := func(b *browser, verb string) (int, string) {
		code, text, _ := b.touched(page+"/"+verb, "requests."+verb, url.Values{"object": {string(r.ID)}, "reason": {"looked it up"}})
		return code, text
	}
	if code, text := decide(ada, "approve"); code != http.StatusForbidden || !strings.Contains(text, "own_act") || mayTrade() {
		t.Errorf("approving one's own request: %d %s", code, text)
	}
	if code, text := ben.get(page); code != http.StatusOK || !strings.Contains(text, page+"/approve") || !strings.Contains(text, "not verified") ||
		!strings.Contains(text, "Portfolio View") || !strings.Contains(text, "app.example.org") {
		t.Errorf("the page for the second: %d %s", code, text)
	}
	if code, text := decide(ben, "approve"); code != http.StatusSeeOther || !mayTrade() {
		t.Errorf("the second approves: %d %s", code, text)
	}
	if code, _ := decide(ben, "refuse"); code != http.StatusConflict {
		t.Errorf("deciding again: %d", code)
	}

	// Disabling ends Ben where he stands.
	ben2, err := d.staff.Check(t.Context(), ben.cookie)
	d.must(err)
	id = string(ben2.Operator.ID)
	if code, text, _ := ada.touched("/operators/"+id+"/roles", "operators.roles", url.Values{"object": {id}, "roles": {"auditor"}, "reason": {"moves to audit"}}); code != http.StatusSeeOther {
		t.Errorf("roles: %d %s", code, text)
	}
	if code, text, _ := ada.touched("/operators/"+id+"/disable", "operators.disable", url.Values{"object": {id}, "reason": {"left the company"}}); code != http.StatusSeeOther {
		t.Errorf("disable: %d %s", code, text)
	}
	if code, _, h := ben.do("GET", "/", "", ""); code != http.StatusSeeOther || h.Get("Location") != "/signin" {
		t.Errorf("a disabled operator looks: %d", code)
	}
	if code := ben.signIn(); code != http.StatusUnauthorized || d.refused["passkey_not_accepted"] == 0 {
		t.Errorf("a disabled operator signs in: %d", code)
	}

	was := ada.cookie
	if code, _, _ := ada.form("/signout", url.Values{}); code != http.StatusSeeOther {
		t.Errorf("sign-out: %d", code)
	}
	ada.cookie = was
	if code, _, _ := ada.form("/touch", url.Values{"act": {"operators.disable"}, "object": {id}, "reason": {"x"}}); code != http.StatusUnauthorized {
		t.Errorf("with the cookie of before: %d", code)
	}
	if code := ada.signIn(); code != http.StatusOK || ada.cookie == was {
		t.Errorf("sign-in: %d", code)
	}
	for _, canary := range []string{inv.Secret, was, ada.cookie} {
		if strings.Contains(d.logged.String(), canary) {
			t.Error("a secret is in the log")
		}
	}
}

// Each page in each language, with the policy that forbids what is not ours.
func TestOperatorsPagesReadWithoutScript(t *testing.T) {
	d := newDesk(t)
	inv, _, err := d.staff.Bootstrap(t.Context())
	d.must(err)
	ada := d.browser()
	ada.join(JoinLink(origin, inv))
	id := string(inv.Operator)
	app := registered(t, ada)
	_, _, h := ada.touched("/apps/"+app+"/publisher", "clients.ask_publisher", url.Values{"object": {app}, "domain": {"example.org"}, "reason": {"seen in DNS"}})
	own, err := d.staff.Keys(t.Context(), d.who(ada))
	d.must(err)
	for _, lang := range []string{"en", "ko"} {
		for _, path := range []string{"/", "/join", "/signin", "/operators", "/operators/invite", "/operators/" + id, "/requests", h.Get("Location"),
			"/apps", "/apps/register", "/apps/" + app, "/you", "/you/keys/" + string(own[0].ID)} {
			r := httptest.NewRequest("GET", origin+path, nil)
			r.Header.Set("Accept", "text/html")
			r.Header.Set("Cookie", "kw_lang="+lang+"; __Host-kw_op="+ada.cookie)
			w := httptest.NewRecorder()
			d.door.ServeHTTP(w, r)
			body := w.Body.String()
			if w.Code != http.StatusOK || !strings.Contains(body, `<html lang="`+lang+`">`) || strings.Count(body, "<h1") != 1 || !strings.Contains(body, `class="ops"`) {
				t.Errorf("%s in %s: %d %s", path, lang, w.Code, body)
			}
			for _, bad := range []string{"⟦", "style=", "onclick", "<script>", "<no value>"} {
				if strings.Contains(body, bad) {
					t.Errorf("%s in %s has %s", path, lang, bad)
				}
			}
			if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: headers %v", path, w.Header())
			}
		}
	}
	if code, text, _ := ada.do("POST", "/signin", "application/x-www-form-urlencoded", ""); code != http.StatusOK || !strings.Contains(text, "JavaScript") && !strings.Contains(text, "script") {
		t.Errorf("a form without script: %d", code)
	}
}

func TestNoTokenOfAnAccountStandsInForAnOperator(t *testing.T) {
	d := newDesk(t)
	for _, name := range []string{"__Host-kw_at", "__Host-kw_rt", "kw_op", "__Host-kw_op"} {
		r := httptest.NewRequest("GET", origin+"/operators", nil)
		r.Header.Set("Cookie", name+"=kwr_1.fam_1.1.secret.tag")
		r.Header.Set("Authorization", "Bearer x")
		w := httptest.NewRecorder()
		d.door.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	for _, path := range []string{"/signup", "/api/v1/me", "/demo", "/devices", "/metrics"} {
		if code, _ := d.browser().get(path); code != http.StatusNotFound {
			t.Errorf("%s answers here: %d", path, code)
		}
	}
}

func TestAnotherSiteCannotActAsAnOperator(t *testing.T) {
	d := newDesk(t)
	inv, _, err := d.staff.Bootstrap(t.Context())
	d.must(err)
	ada := d.browser()
	ada.join(JoinLink(origin, inv))
	r := httptest.NewRequest("POST", origin+"/signout", strings.NewReader(""))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://example.com")
	r.Header.Set("Sec-Fetch-Site", "same-site")
	r.Header.Set("Cookie", "__Host-kw_op="+ada.cookie)
	w := httptest.NewRecorder()
	d.door.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("from the accounts' own site: %d", w.Code)
	}
}

func TestLocalKeepsToThesePages(t *testing.T) {
	for _, bad := range []string{"", "//evil.example", `/\evil`, "/.//evil", "https://evil.example", "/%2e//x", "/a?b=c", "/\tx", strings.Repeat("/a", 100)} {
		if got := local(bad); got != "/" {
			t.Errorf("%q leads to %q", bad, got)
		}
	}
	if got := local("/requests/req_01"); got != "/requests/req_01" {
		t.Error(got)
	}
}
