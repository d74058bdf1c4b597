package web

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

const exchangeEnter = "https://www.example.org/enter?from=keyward"

// desk is the pages with somebody signed in before them.
type desk struct {
	t *testing.T
	w *signintest.World
	p *signintest.Person
	h http.Handler

	key   *softkey.BindingKey // of the browser
	nonce string
}

func newDesk(t *testing.T, bound bool, change ...func(*Parts)) *desk {
	t.Helper()
	w := signintest.New(t, storetest.SQLite(t), nil)
	d := &desk{t: t, w: w, p: w.NewPerson(), key: softkey.NewBindingKey()}
	d.p.JKT = ""
	if bound {
		d.p.JKT = d.key.Thumbprint()
	}
	w.Must(d.p.SignUp())
	parts := Parts{
		DB: w.DB, Ring: w.Ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices, Sessions: w.Sessions, SignIn: w.SignIn, Contain: w.Contain,
		Renderer: renderer(t), Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&parts)
	}
	s := NewServer(parts, Settings{PublicURL: signintest.Origin, Product: "Example", Handoffs: []HandoffTarget{{Client: "exchange", URL: exchangeEnter}}})
	e, err := edge.New(edge.Options{Now: w.DB.Now, PublicURL: signintest.Origin, Pages: s.Problem, Logger: slog.New(slog.DiscardHandler)})
	w.Must(err)
	mux := http.NewServeMux()
	s.Routes(mux, e)
	d.h = e.Handler(edge.Routes(mux))
	return d
}

// ask is what the exchange asks with, changed.
func (d *desk) ask(change ...string) map[string]string {
	hash := keyring.Hash(strings.Repeat("v", 43))
	ask := map[string]string{"to": exchangeEnter, "state": "a-state-of-the-exchange", "challenge": base64.RawURLEncoding.EncodeToString(hash[:])}
	for i := 0; i < len(change); i += 2 {
		ask[change[i]] = change[i+1]
	}
	return ask
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

func (d *desk) open(ask map[string]string, header ...string) *httptest.ResponseRecorder {
	q := url.Values{}
	for k, v := range ask {
		q.Set(k, v)
	}
	return d.do(httptest.NewRequest("GET", "/handoff?"+q.Encode(), nil), append([]string{"Accept", "text/html"}, header...)...)
}

func (d *desk) post(ask map[string]string, header ...string) *httptest.ResponseRecorder {
	body, _ := json.Marshal(ask)
	return d.do(httptest.NewRequest("POST", "/handoff", strings.NewReader(string(body))), append([]string{"Content-Type", "application/json", "Accept", "application/json"}, header...)...)
}

// proof is made by a key with the nonce of the page.
func (d *desk) proof(key *softkey.BindingKey) string {
	d.t.Helper()
	if d.nonce == "" {
		d.open(d.ask())
	}
	return key.Proof(softkey.DPoP{Method: "POST", URL: signintest.Origin + "/handoff", Nonce: d.nonce}, d.w.DB.Now())
}

func refusedWith(w *httptest.ResponseRecorder) (code, to string) {
	var p struct{ Code, URL string }
	json.Unmarshal(w.Body.Bytes(), &p)
	return p.Code, p.URL
}

// A GET can come from anywhere: a link, a picture, another site's script. It makes
// no code and goes nowhere.
func TestOpeningAHandoffOnlyShowsAPage(t *testing.T) {
	for _, row := range []struct {
		name   string
		ask    []string
		header []string
		status int
	}{
		{name: "the exchange's link", status: 200},
		{name: "a link of another site", header: []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, status: 200},
		{name: "an address nobody registered", ask: []string{"to", "https://evil.example/enter"}, status: 400},
		{name: "a registered one with more at its end", ask: []string{"to", exchangeEnter + "&x=1"}, status: 400},
		{name: "no state", ask: []string{"state", ""}, status: 400},
		{name: "a state that ends the address early", ask: []string{"state", "0123456789abcdef#"}, status: 400},
		{name: "no challenge", ask: []string{"challenge", ""}, status: 400},
		{name: "a verifier where its hash belongs", ask: []string{"challenge", strings.Repeat("v", 43)}, status: 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newDesk(t, true)
			w := d.open(d.ask(row.ask...), row.header...)
			if w.Code != row.status || w.Header().Get("Location") != "" {
				t.Errorf("%d to %q", w.Code, w.Header().Get("Location"))
			}
			if shown := strings.Contains(w.Body.String(), "data-handoff"); shown != (row.status == 200) {
				t.Errorf("the page is shown: %v", shown)
			}
			if strings.Contains(w.Body.String(), `href="https://`) {
				t.Error("the page links to another site")
			}
			if n := d.w.Count("signin_handoff"); n != 0 {
				t.Errorf("%d codes were made", n)
			}
		})
	}
	t.Run("signed out it leads through sign-in and back, with all that was asked", func(t *testing.T) {
		d := newDesk(t, true)
		d.p.Iss.Access = ""
		to, err := url.Parse(d.open(d.ask()).Header().Get("Location"))
		if err != nil || to.Path != "/signin" {
			t.Fatalf("to %v (%v)", to, err)
		}
		back, err := url.Parse(localPath(to.Query().Get("to")))
		if err != nil || back.Path != "/handoff" || back.Query().Get("state") != d.ask()["state"] || back.Query().Get("to") != exchangeEnter {
			t.Errorf("back to %v (%v)", back, err)
		}
	})
}

func TestACodeIsForTheBrowsersKeyAlone(t *testing.T) {
	for _, row := range []struct {
		name    string
		unbound bool
		before  func(d *desk)
		header  func(d *desk) []string
		ask     []string
		status  int
		code    string
	}{
		{name: "with a proof of the session's key", header: func(d *desk) []string { return []string{"DPoP", d.proof(d.key)} }, status: 200},
		{name: "with the cookie alone", status: 401, code: "proof_missing"},
		{name: "with a proof of another key", header: func(d *desk) []string { return []string{"DPoP", d.proof(softkey.NewBindingKey())} }, status: 401, code: "proof_missing"},
		{name: "with a proof made without our nonce", header: func(d *desk) []string {
			return []string{"DPoP", d.key.Proof(softkey.DPoP{Method: "POST", URL: signintest.Origin + "/handoff"}, d.w.DB.Now())}
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
		{name: "to an address nobody registered", ask: []string{"to", "https://evil.example/enter"}, header: func(d *desk) []string { return []string{"DPoP", d.proof(d.key)} }, status: 400, code: "bad_request"},
		{name: "without a state", ask: []string{"state", ""}, header: func(d *desk) []string { return []string{"DPoP", d.proof(d.key)} }, status: 400, code: "bad_request"},
		{name: "a browser without a key, with its cookie alone", unbound: true, status: 403, code: "step_up_required"},
		{name: "a browser without a key, after a touch for it", unbound: true, before: func(d *desk) { d.p.Touch(device.ActHandoff, "") }, status: 200},
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
			made := d.w.Count("signin_handoff")
			w := d.post(d.ask(row.ask...), header...)
			code, to := refusedWith(w)
			if w.Code != row.status || code != row.code {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if row.status != 200 {
				if n := d.w.Count("signin_handoff"); n != made {
					t.Error("a refusal left a code")
				}
				if row.unbound && to != "/stepup?act=handoff&object=" {
					t.Errorf("the touch is given at %q", to)
				}
				return
			}
			var out struct{ To string }
			d.w.Must(json.Unmarshal(w.Body.Bytes(), &out))
			there, err := url.Parse(out.To)
			d.w.Must(err)
			if q := there.Query(); !strings.HasPrefix(out.To, "https://www.example.org/enter?") || q.Get("state") != d.ask()["state"] || q.Get("from") != "keyward" {
				t.Fatalf("it leads to %s", out.To)
			}
			r, err := d.w.SignIn.RedeemHandoff(t.Context(), d.p.Cause(), "exchange", there.Query().Get("code"), strings.Repeat("v", 43))
			d.w.Must(err)
			if r.Account.ID != d.p.Account {
				t.Errorf("the code stands for %s", r.Account.ID)
			}
		})
	}
}

// Cancelling the touch must not lead back to the page that asks for it by itself.
func TestCancellingTheTouchForAHandoffLeadsHome(t *testing.T) {
	d := newDesk(t, false)
	w := d.do(httptest.NewRequest("GET", "/stepup?act=handoff&object=&to=%2Fhandoff%3Fstate%3Dx", nil), "Accept", "text/html")
	page := w.Body.String()
	if w.Code != 200 || strings.Contains(page, `href="/handoff`) || !strings.Contains(page, `value="/handoff?state=x"`) {
		t.Errorf("%d %s", w.Code, page)
	}
}
