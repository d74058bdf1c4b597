package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/store"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

const appBack = "https://www.example.org/enter?from=keyward"

// desk is the pages with somebody signed in before them.
type desk struct {
	t *testing.T
	w *signintest.World
	p *signintest.Person
	h http.Handler

	oauth *oauth.Service
	app   oauth.Client

	key   *softkey.BindingKey // of the browser
	nonce string
}

func newDesk(t *testing.T, bound bool, change ...func(*Parts)) *desk {
	t.Helper()
	return deskIn(t, signintest.New(t, storetest.SQLite(t), nil), bound, change...)
}

// deskIn is a desk in a world that is there already.
func deskIn(t *testing.T, w *signintest.World, bound bool, change ...func(*Parts)) *desk {
	t.Helper()
	d := &desk{t: t, w: w, p: w.NewPerson(), key: softkey.NewBindingKey()}
	d.p.JKT = ""
	if bound {
		d.p.JKT = d.key.Thumbprint()
	}
	w.Must(d.p.SignUp())
	parts := Parts{
		DB: w.DB, Ring: w.Ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices, Sessions: w.Sessions, SignIn: w.SignIn, Contain: w.Contain, BotKeys: w.BotKeys,
		Renderer: renderer(t), Logger: slog.New(slog.DiscardHandler),
	}
	d.oauth = oauth.New(oauth.Parts{DB: w.DB, Log: w.Log, Accounts: w.Accounts, Sessions: w.Sessions, SignIn: w.SignIn,
		Mint: session.NewMint(w.Ring, signintest.Origin, w.DB.Now), Access: 5 * time.Minute})
	parts.OAuth = d.oauth
	for _, c := range change {
		c(&parts)
	}
	s := NewServer(parts, Settings{PublicURL: signintest.Origin, Product: "Example"})
	e, err := edge.New(edge.Options{Now: w.DB.Now, PublicURL: signintest.Origin, CrossOrigin: CrossSite, Pages: s.Problem, Logger: slog.New(slog.DiscardHandler)})
	w.Must(err)
	mux := http.NewServeMux()
	s.Routes(mux, e)
	d.h = e.Handler(edge.Routes(mux))
	d.app, _, err = d.oauth.Register(context.Background(), store.Cause{Actor: "operator:test"}, oauth.NewClient{Name: "The exchange", Owner: "us",
		Auth: oauth.AuthNone, FirstParty: true, Redirects: []string{appBack}, Scopes: []string{"openid", "read"}})
	w.Must(err)
	return d
}

// query is what the app asks with, changed.
func (d *desk) query(change ...string) url.Values {
	hash := keyring.Hash(strings.Repeat("v", 43))
	q := url.Values{"response_type": {"code"}, "client_id": {string(d.app.ID)}, "redirect_uri": {appBack}, "scope": {"openid read"}, "state": {"a-state-of-the-app"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(hash[:])}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(change); i += 2 {
		q.Set(change[i], change[i+1])
	}
	return q
}

func (d *desk) do(r *http.Request, header ...string) *httptest.ResponseRecorder {
	r.RemoteAddr = signintest.Home.String() + ":4711"
	if d.p.Iss.Access != "" {
		r.AddCookie(&http.Cookie{Name: edge.AccessCookie.Name(), Value: d.p.Iss.Access})
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	if n := w.Header().Get("DPoP-Nonce"); n != "" {
		d.nonce = n
	}
	return w
}

func (d *desk) open(path string, header ...string) *httptest.ResponseRecorder {
	return d.do(httptest.NewRequest("GET", path, nil), append([]string{"Accept", "text/html"}, header...)...)
}

// ask keeps a request of the app and returns its handle.
func (d *desk) ask() string {
	d.t.Helper()
	_, handle, ok := strings.Cut(d.open("/oauth/authorize?"+d.query().Encode()).Header().Get("Location"), "ask=")
	if !ok {
		d.t.Fatal("the request was not kept")
	}
	return handle
}

func (d *desk) post(handle string, header ...string) *httptest.ResponseRecorder {
	body, _ := json.Marshal(map[string]string{"ask": handle})
	return d.do(httptest.NewRequest("POST", "/oauth/authorize/answer", strings.NewReader(string(body))), append([]string{"Content-Type", "application/json", "Accept", "application/json"}, header...)...)
}

// proof is made by a key with the nonce of the page.
func (d *desk) proof(key *softkey.BindingKey) string {
	d.t.Helper()
	if d.nonce == "" {
		d.open("/oauth/authorize?ask=" + d.ask())
	}
	return key.Proof(softkey.DPoP{Method: "POST", URL: signintest.Origin + "/oauth/authorize/answer", Nonce: d.nonce}, d.w.DB.Now())
}

func refusedWith(w *httptest.ResponseRecorder) (code, to string) {
	var p struct{ Code, URL string }
	json.Unmarshal(w.Body.Bytes(), &p)
	return p.Code, p.URL
}

// A GET can come from anywhere: a link, a picture, another site's script. It makes no
// code, and goes to no address that was not proved to be the app's.
func TestOpeningARequestOnlyShowsAPage(t *testing.T) {
	for _, row := range []struct {
		name   string
		change []string
		header []string
		status int
		to     string
	}{
		{name: "the app's link", status: 303, to: "/oauth/authorize?ask=kwq_"},
		{name: "a link of another site", header: []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, status: 303, to: "/oauth/authorize?ask=kwq_"},
		{name: "an address nobody registered", change: []string{"redirect_uri", "https://evil.example/enter"}, status: 400},
		{name: "a registered one with more at its end", change: []string{"redirect_uri", appBack + "&x=1"}, status: 400},
		{name: "an app nobody knows", change: []string{"client_id", "app_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, status: 400},
		{name: "a state with a fragment goes back as it is", change: []string{"state", "0123456789abcdef#", "scope", "nothing"}, status: 303, to: "https://www.example.org/enter?"},
		{name: "no challenge: the app hears of it", change: []string{"code_challenge", ""}, status: 303, to: "https://www.example.org/enter?"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newDesk(t, true)
			w := d.open("/oauth/authorize?"+d.query(row.change...).Encode(), row.header...)
			to := w.Header().Get("Location")
			if w.Code != row.status || !strings.HasPrefix(to, row.to) {
				t.Errorf("%d to %q", w.Code, to)
			}
			if strings.HasPrefix(to, "/oauth/") {
				w = d.open(to)
				if !strings.Contains(w.Body.String(), "data-authorize") {
					t.Error("no page is shown")
				}
			}
			if n := d.w.Count("oauth_code"); n != 0 {
				t.Errorf("%d codes were made", n)
			}
		})
	}
	t.Run("a form of another site is a visit, ask and all", func(t *testing.T) {
		d := newDesk(t, true)
		body := d.query().Encode()
		w := d.do(httptest.NewRequest("POST", "/oauth/authorize", strings.NewReader(body)), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site")
		if to := w.Header().Get("Location"); w.Code != 303 || to != "/oauth/authorize?"+body {
			t.Errorf("%d to %q", w.Code, to)
		}
		twice := d.do(httptest.NewRequest("POST", "/oauth/authorize", strings.NewReader(body+"&state=2")), "Content-Type", "application/x-www-form-urlencoded")
		if twice.Code != 400 {
			t.Errorf("a name twice: %d", twice.Code)
		}
	})
	t.Run("no script of another site reads it", func(t *testing.T) { // FAPI 2.0 §5.2.3-3
		d := newDesk(t, true)
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			w := d.do(httptest.NewRequest(method, "/oauth/authorize?"+d.query().Encode(), nil), "Origin", "https://www.example.org", "Sec-Fetch-Site", "cross-site", "Access-Control-Request-Method", "POST")
			if allowed := w.Header().Get("Access-Control-Allow-Origin"); allowed != "" {
				t.Errorf("%s is open to %s", method, allowed)
			}
		}
	})
	t.Run("signed out it leads through sign-in and back to what was asked", func(t *testing.T) {
		d := newDesk(t, true)
		handle := d.ask()
		d.p.Iss.Access = ""
		to, err := url.Parse(d.open("/oauth/authorize?ask=" + handle).Header().Get("Location"))
		if err != nil || to.Path != "/signin" || localPath(to.Query().Get("to")) != "/oauth/authorize?ask="+handle {
			t.Fatalf("to %v (%v)", to, err)
		}
	})
}

func TestACodeIsForTheBrowsersKeyAlone(t *testing.T) {
	for _, row := range []struct {
		name    string
		unbound bool
		before  func(d *desk)
		header  func(d *desk) []string
		status  int
		code    string
	}{
		{name: "with a proof of the session's key", header: func(d *desk) []string { return []string{"DPoP", d.proof(d.key)} }, status: 200},
		{name: "with the cookie alone", status: 401, code: "proof_missing"},
		{name: "with a proof of another key", header: func(d *desk) []string { return []string{"DPoP", d.proof(softkey.NewBindingKey())} }, status: 401, code: "proof_missing"},
		{name: "with a proof made without our nonce", header: func(d *desk) []string {
			return []string{"DPoP", d.key.Proof(softkey.DPoP{Method: "POST", URL: signintest.Origin + "/oauth/authorize/answer"}, d.w.DB.Now())}
		}, status: 401, code: "use_dpop_nonce"},
		{name: "with a proof that was used", header: func(d *desk) []string {
			p := d.proof(d.key)
			if w := d.post(d.ask(), "DPoP", p); w.Code != 200 {
				d.t.Fatal(w.Body)
			}
			return []string{"DPoP", p}
		}, status: 401, code: "proof_replayed"},
		{name: "from another site, with everything else right", header: func(d *desk) []string {
			return []string{"DPoP", d.proof(d.key), "Sec-Fetch-Site", "cross-site"}
		}, status: 403, code: "cross_site_request"},
		{name: "as a form", header: func(d *desk) []string {
			return []string{"DPoP", d.proof(d.key), "Content-Type", "text/plain"}
		}, status: 415, code: "unsupported_media_type"},
		{name: "a browser without a key, with its cookie alone", unbound: true, status: 403, code: "step_up_required"},
		{name: "a browser without a key, after a touch for it", unbound: true, before: func(d *desk) { d.p.Touch(device.ActApp, string(d.app.ID)+" look") }, status: 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newDesk(t, !row.unbound)
			if row.before != nil {
				row.before(d)
			}
			var header []string
			if row.header != nil {
				header = row.header(d)
			}
			made := d.w.Count("oauth_code")
			w := d.post(d.ask(), header...)
			code, to := refusedWith(w)
			if w.Code != row.status || code != row.code {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if row.status != 200 {
				if n := d.w.Count("oauth_code"); n != made {
					t.Error("a refusal left a code")
				}
				if row.unbound && to != "/stepup?act=app.authorize&object="+string(d.app.ID)+"+look" {
					t.Errorf("the touch is given at %q", to)
				}
				return
			}
			var out struct{ To string }
			d.w.Must(json.Unmarshal(w.Body.Bytes(), &out))
			there, err := url.Parse(out.To)
			d.w.Must(err)
			if q := there.Query(); !strings.HasPrefix(out.To, "https://www.example.org/enter?") || q.Get("state") != "a-state-of-the-app" || q.Get("from") != "keyward" {
				t.Fatalf("it leads to %s", out.To)
			}
			tokens, err := d.oauth.Token(t.Context(), d.p.Cause(), d.app, oauth.TokenAsk{
				Grant: "authorization_code", Code: there.Query().Get("code"), Redirect: appBack, Verifier: strings.Repeat("v", 43),
			})
			d.w.Must(err)
			if claims, _, err := d.oauth.Use(t.Context(), tokens.Access); err != nil || claims.Subject != string(d.p.Account) {
				t.Errorf("the code stands for %s, %v", claims.Subject, err)
			}
		})
	}
}

// Cancelling the touch must not lead back to the page that asks for it by itself.
func TestCancellingTheTouchForAnAppLeadsHome(t *testing.T) {
	d := newDesk(t, false)
	w := d.do(httptest.NewRequest("GET", "/stepup?act=app.authorize&object="+string(d.app.ID)+"&to=%2Foauth%2Fauthorize%3Fask%3Dx", nil), "Accept", "text/html")
	page := w.Body.String()
	if w.Code != 200 || strings.Contains(page, `href="/oauth`) || !strings.Contains(page, `value="/oauth/authorize?ask=x"`) {
		t.Errorf("%d %s", w.Code, page)
	}
}

// An app may wish for a language; a person's own choice stands above it.
func TestTheLanguageAnAppWishesFor(t *testing.T) {
	for _, row := range []struct{ name, locales, cookie, want string }{
		{"Korean", "ko-KR en", "", "ko"},
		{"the first that we speak", "fr de ko en", "", "ko"},
		{"none that we speak", "fr", "", "en"},
		{"no wish", "", "", "en"},
		{"not against the choice of the person", "ko", "en", "en"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newDesk(t, true)
			_, handle, _ := strings.Cut(d.open("/oauth/authorize?"+d.query("ui_locales", row.locales).Encode()).Header().Get("Location"), "ask=")
			header := []string{"Accept-Language", "en"}
			if row.cookie != "" {
				header = append(header, "Cookie", edge.AccessCookie.Name()+"="+d.p.Iss.Access+"; "+edge.LangCookie.Name()+"="+row.cookie)
			}
			if page := d.open("/oauth/authorize?ask="+handle, header...).Body.String(); !strings.Contains(page, `<html lang="`+row.want) {
				t.Errorf("the page begins %.80s", page)
			}
		})
	}
}

func TestAHintIsForThePersonAlone(t *testing.T) {
	for _, row := range []struct {
		name, hint, prompt string
		told               bool
	}{
		{"nobody in particular", "", "", false},
		{"the address of the person", "MAIL", "", false},
		{"the account itself", "ACCOUNT", "", false},
		{"another address", "someone@example.com", "", true},
		{"no address at all", "customer 4711", "", true},
		{"no guesses without a page that asks", "someone@example.com", "none", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newDesk(t, true)
			d.p.VerifyMail()
			hint := strings.NewReplacer("MAIL", strings.ToUpper(d.p.Mail), "ACCOUNT", string(d.p.Account)).Replace(row.hint)
			q := d.query("login_hint", hint)
			if row.prompt != "" {
				q.Set("prompt", row.prompt)
			}
			_, handle, _ := strings.Cut(d.open("/oauth/authorize?"+q.Encode()).Header().Get("Location"), "ask=")
			page := d.open("/oauth/authorize?ask="+handle, "Cookie", edge.AccessCookie.Name()+"="+d.p.Iss.Access).Body.String()
			told, waits := strings.Contains(page, "expected another account"), strings.Contains(page, "data-allow")
			if told != row.told || waits != row.told {
				t.Errorf("told %v, waits for a press %v, want %v:\n%.2000s", told, waits, row.told, page)
			}
		})
	}
}
