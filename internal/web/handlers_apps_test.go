package web

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"keyward/internal/oauth"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// stranger registers an app that nobody vouched for and makes it the desk's.
func (d *desk) stranger() {
	d.t.Helper()
	var err error
	d.app, _, err = d.oauth.Register(d.t.Context(), store.Cause{Actor: "operator:test"}, oauth.NewClient{Name: "Portfolio View", Owner: "dev@app.example.net",
		Auth: oauth.AuthNone, Redirects: []string{appBack}, Scopes: []string{"openid", "email", "offline_access", "read"}, Purpose: "To show <all> your holdings."})
	d.w.Must(err)
}

// allow presses the button with these boxes ticked, and the app takes its tokens.
func (d *desk) allow(scope string, chosen ...string) (oauth.Tokens, error) {
	d.t.Helper()
	_, handle, _ := strings.Cut(d.open("/oauth/authorize?"+d.query("scope", scope).Encode()).Header().Get("Location"), "ask=")
	d.open("/oauth/authorize?ask=" + handle)
	body, _ := json.Marshal(map[string]any{"ask": handle, "chosen": append([]string{}, chosen...)})
	r := httptest.NewRequest("POST", "/oauth/authorize/answer", strings.NewReader(string(body)))
	w := d.do(r, "Content-Type", "application/json", "Accept", "application/json",
		"DPoP", d.key.Proof(softkey.DPoP{Method: "POST", URL: signintest.Origin + "/oauth/authorize/answer", Nonce: d.nonce}, d.w.DB.Now()))
	var out struct{ To, Code string }
	d.w.Must(json.Unmarshal(w.Body.Bytes(), &out))
	to, err := url.Parse(out.To)
	d.w.Must(err)
	if code := to.Query().Get("error"); code != "" || out.Code != "" {
		return oauth.Tokens{}, &oauth.Error{Code: code + out.Code}
	}
	return d.oauth.Token(d.t.Context(), d.p.Cause(), d.app, oauth.TokenAsk{
		Grant: "authorization_code", Code: to.Query().Get("code"), Redirect: appBack, Verifier: strings.Repeat("v", 43),
	})
}

// form sends a form of a page, as forms.js does once the browser's key has spoken.
func (d *desk) form(path string, pairs ...string) *httptest.ResponseRecorder {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return d.do(httptest.NewRequest("POST", path, strings.NewReader(v.Encode())), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
}

// then follows the redirect of an act to the page with its receipt.
func (d *desk) then(w *httptest.ResponseRecorder) string {
	r := httptest.NewRequest("GET", w.Header().Get("Location"), nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	return d.do(r, "Accept", "text/html").Body.String()
}

func TestWhatIsUntickedIsNotGiven(t *testing.T) {
	for _, row := range []struct {
		name, scope string
		chosen      []string
		want        string // what the app got, or the refusal
	}{
		{"everything stays ticked", "openid email read", []string{"email", "read"}, "email openid read"},
		{"the mail address is unticked", "openid email read", []string{"read"}, "openid read"},
		{"all that can be is unticked", "openid email read", nil, "openid"},
		{"everything there is is unticked", "email read", nil, "!access_denied"},
		{"a box that was not on the page", "openid read", []string{"read", "email"}, "!bad_request"},
		{"offline access is unticked", "openid offline_access read", []string{"read"}, "openid read"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newDesk(t, true)
			d.stranger()
			tok, err := d.allow(row.scope, row.chosen...)
			got := tok.Scope
			if err != nil {
				got = "!" + strings.Fields(err.Error())[1][:len(strings.Fields(err.Error())[1])-1]
			}
			if got != row.want {
				t.Errorf("got %q, want %q (%v)", got, row.want, err)
			}
			if row.want[0] == '!' && d.w.Count("session_grant") != 0 {
				t.Error("a grant was made")
			}
		})
	}
}

// The page says who asks and what for, and a purpose stays words.
func TestTheConsentPageSaysWhoAsks(t *testing.T) {
	d := newDesk(t, true)
	d.stranger()
	_, handle, _ := strings.Cut(d.open("/oauth/authorize?"+d.query("scope", "openid email read").Encode()).Header().Get("Location"), "ask=")
	page := d.open("/oauth/authorize?ask=" + handle).Body.String()
	for _, want := range []string{"Portfolio View", "Nobody checked this app", "To show &lt;all&gt; your holdings.", "See balances and past orders", `value="email" checked`, "www.example.org"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, `value="openid"`) {
		t.Error("openid can be unticked")
	}
	if home := d.open("/").Body.String(); !strings.Contains(home, `href="/apps"`) {
		t.Error("the security home has no way to the apps")
	}
}

// A native app's private scheme is an address like any other.
func TestNoLeadsBackToANativeApp(t *testing.T) {
	d := newDesk(t, true)
	const back = "com.example.app:/back"
	var err error
	d.app, _, err = d.oauth.Register(t.Context(), store.Cause{Actor: "operator:test"}, oauth.NewClient{Name: "Our app", Owner: "us", Auth: oauth.AuthNone,
		FirstParty: true, Redirects: []string{back}, Scopes: []string{"openid"}})
	d.w.Must(err)
	_, handle, _ := strings.Cut(d.open("/oauth/authorize?"+d.query("scope", "openid", "redirect_uri", back).Encode()).Header().Get("Location"), "ask=")
	page := d.open("/oauth/authorize?ask=" + handle).Body.String()
	if !strings.Contains(page, `href="com.example.app:/back?error=access_denied`) || !strings.Contains(page, "Our own app") {
		t.Errorf("no way back: %s", page)
	}
}

func TestAppsOnThePage(t *testing.T) {
	d := newDesk(t, true)
	d.stranger()
	tok, err := d.allow("openid email offline_access read", "email", "offline_access", "read")
	d.w.Must(err)
	all, err := d.oauth.Connected(t.Context(), d.p.Account)
	d.w.Must(err)
	id := string(all[0].ID)
	says := func(path string, words ...string) {
		t.Helper()
		w := d.open(path)
		for _, word := range words {
			if w.Code != 200 || !strings.Contains(w.Body.String(), word) {
				t.Errorf("%s: %d, without %q", path, w.Code, word)
			}
		}
	}
	says("/apps", "Portfolio View", "See your confirmed mail address", "/apps/"+id+"/narrow", "/apps/"+id+"/end")
	says("/apps/"+id+"/narrow", `value="email" checked`)
	says("/apps/"+id+"/end", "Disconnect “<bdi>Portfolio View</bdi>”?", "See balances and past orders", "up to 5 minutes")

	if w := d.form("/apps/"+id+"/narrow", "scope", "read", "scope", "trade"); w.Code != 409 {
		t.Errorf("more than it had: %d", w.Code)
	}
	w := d.form("/apps/"+id+"/narrow", "scope", "offline_access", "scope", "read")
	if w.Code != 303 || w.Header().Get("Location") != "/apps" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if strings.Contains(d.open("/apps").Body.String(), "See your confirmed mail address") {
		t.Error("the page still has what was taken")
	}
	receipt := d.then(w)
	if !strings.Contains(receipt, "may do less now") || !strings.Contains(receipt, "may take an old one until") {
		t.Error("no receipt")
	}

	w = d.form("/apps/"+id+"/end", "all", "yes")
	if w.Code != 303 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	receipt = d.then(w)
	for _, word := range []string{"“Portfolio View” is disconnected.", "Ended everywhere in", "No app is connected."} {
		if !strings.Contains(receipt, word) {
			t.Errorf("after it the page lacks %q", word)
		}
	}
	if strings.Contains(receipt, "One server could not be reached") {
		t.Error("the page says that a server was out of reach")
	}
	if _, err := d.oauth.Token(t.Context(), d.p.Cause(), d.app, oauth.TokenAsk{Grant: "refresh_token", Refresh: tok.Refresh}); err == nil {
		t.Error("the app renewed after it")
	}
	if w := d.open("/apps/" + id + "/end"); w.Code != 404 {
		t.Errorf("once more: %d", w.Code)
	}
}

// With a copied access cookie and nothing else a thief ends no app.
func TestACopiedCookieDisconnectsNothing(t *testing.T) {
	clock := signintest.NewClock()
	w := signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock)
	d := deskIn(t, w, true)
	d.stranger()
	_, err := d.allow("openid read", "read")
	d.w.Must(err)
	all, err := d.oauth.Connected(t.Context(), d.p.Account)
	d.w.Must(err)
	clock.Sleep(keySpoke * 2) // the key of the browser spoke a while ago
	for _, act := range []string{"end", "narrow"} {
		if w := d.form("/apps/"+string(all[0].ID)+"/"+act, "scope", "read"); w.Code != 401 {
			t.Errorf("%s: %d", act, w.Code)
		}
	}
	if left, err := d.oauth.Connected(t.Context(), d.p.Account); err != nil || len(left) != 1 {
		t.Errorf("%d left, %v", len(left), err)
	}
}
