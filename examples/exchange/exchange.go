package exchange

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config says where Keyward is and who we are to it.
type Config struct {
	Keyward   string // origin of Keyward
	Self      string // our own origin
	Client    string // back-end client id
	Secret    string // its secret
	Transport http.RoundTripper
}

// Exchange serves the demo's pages.
type Exchange struct {
	cfg    Config
	client *http.Client
	mux    *http.ServeMux

	mu       sync.Mutex // guards visitors
	visitors map[string]visitor
}

// visitor is who a cookie of ours stands for.
type visitor struct{ account, session string }

const (
	// __Host-: no sibling host can plant one (RFC 6265bis §4.1.3.2).
	cookieName = "__Host-exchange_session"

	// startCookie holds "state.verifier" of a browser that went to sign in. Who has
	// it began here: a code that arrives without it was slipped in or stolen.
	startCookie = "__Host-exchange_start"
	startLife   = 10 * time.Minute // a sign-in, a sign-up perhaps, lies between

	maxVisitors = 1000 // a demo forgets; it never grows without bound
)

// New makes a demo exchange.
func New(cfg Config) *Exchange {
	e := &Exchange{cfg: cfg, visitors: map[string]visitor{}, mux: http.NewServeMux(), client: &http.Client{Timeout: 5 * time.Second, Transport: cfg.Transport}}
	e.mux.HandleFunc("GET /{$}", e.home)
	e.mux.HandleFunc("GET /enter-start", e.start)
	e.mux.HandleFunc("GET /enter", e.enter)
	e.mux.HandleFunc("POST /leave", e.leave)
	e.mux.HandleFunc("GET /style.css", style)
	return e
}

// ServeHTTP answers with a policy as strict as a page without script allows.
func (e *Exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	e.mux.ServeHTTP(w, r)
}

// home shows the balance to somebody whose Keyward session lives right now.
func (e *Exchange) home(w http.ResponseWriter, r *http.Request) {
	page := view{Security: e.cfg.Keyward}
	if c, err := r.Cookie(cookieName); err == nil {
		e.mu.Lock()
		v, known := e.visitors[c.Value]
		e.mu.Unlock()
		if known {
			live, err := e.alive(r, v)
			switch {
			case err != nil:
				page.Trouble = true // fail closed: no answer is no session
			case live:
				page.Account = v.account
			default:
				page.Ended = true
				e.forget(w, c.Value)
			}
		}
	}
	render(w, page)
}

// start gives the browser a secret of its own and sends it to Keyward with the
// secret's hash (RFC 7636, S256).
func (e *Exchange) start(w http.ResponseWriter, r *http.Request) {
	state, verifier := random(), random()
	setCookie(w, startCookie, state+"."+verifier, startLife)
	hash := sha256.Sum256([]byte(verifier))
	q := url.Values{"to": {e.cfg.Self + "/enter"}, "state": {state}, "challenge": {base64.RawURLEncoding.EncodeToString(hash[:])}}
	http.Redirect(w, r, e.cfg.Keyward+"/handoff?"+q.Encode(), http.StatusSeeOther)
}

// enter redeems the one-time code that came through the browser. The code says
// nothing by itself: only our back end can turn it into a name, and only with the
// verifier of the browser that asked.
func (e *Exchange) enter(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	verifier, ours := began(r, q.Get("state"))
	if !ours {
		// Login CSRF (RFC 9700 §4.7): somebody else's code must not sign this browser
		// in as them. The cookie stays: a stranger's link must not spoil the real way.
		http.Error(w, "This browser did not ask for this sign-in. Go back and sign in from here.", http.StatusForbidden)
		return
	}
	var out redeemed
	if err := e.call(r, http.MethodPost, "/api/v1/handoff/redeem", map[string]string{"code": q.Get("code"), "verifier": verifier}, &out); err != nil || out.Account.ID == "" {
		http.Error(w, "This sign-in code is not valid any more. Go back and sign in again.", http.StatusForbidden)
		return
	}
	setCookie(w, startCookie, "", -time.Second)
	if !out.enough() {
		http.Error(w, "We show nothing to this sign-in: it needs a passkey and an account without restrictions.", http.StatusForbidden)
		return
	}
	id := random()
	e.mu.Lock()
	if len(e.visitors) >= maxVisitors {
		clear(e.visitors)
	}
	e.visitors[id] = visitor{out.Account.ID, out.Session.ID}
	e.mu.Unlock()
	setCookie(w, cookieName, id, 0)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// redeemed is what Keyward says about who came back.
type redeemed struct {
	Account struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	} `json:"account"`
	Session struct {
		ID   string `json:"id"`
		Live bool   `json:"live"`
		ACR  string `json:"acr"`
	} `json:"session"`
}

// enough: a passkey opened the session, and nothing stands against the account.
// Written as what is let in, so that a word we do not know yet is not.
func (r redeemed) enough() bool {
	return r.Session.Live && (r.Session.ACR == "phr" || r.Session.ACR == "phrh") && r.Account.Status == "active"
}

// began finds the verifier of the browser that asked with this state.
func began(r *http.Request, state string) (verifier string, ours bool) {
	c, err := r.Cookie(startCookie)
	if err != nil {
		return "", false
	}
	kept, verifier, whole := strings.Cut(c.Value, ".")
	return verifier, whole && kept != "" && subtle.ConstantTimeCompare([]byte(kept), []byte(state)) == 1
}

// random is 256 bits in 43 characters.
func random() string {
	var raw [32]byte
	rand.Read(raw[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// setCookie keeps a value for life; 0 until the browser is closed, less removes it.
// Lax: both are needed on the way back from Keyward, which is another site.
func setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: true})
}

func (e *Exchange) leave(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		e.forget(w, c.Value)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (e *Exchange) forget(w http.ResponseWriter, id string) {
	e.mu.Lock()
	delete(e.visitors, id)
	e.mu.Unlock()
	setCookie(w, cookieName, "", -time.Second)
}

// alive asks Keyward whether the session behind a cookie still lives.
func (e *Exchange) alive(r *http.Request, v visitor) (bool, error) {
	var out struct {
		Live bool `json:"live"`
	}
	err := e.call(r, http.MethodGet, "/api/v1/accounts/"+url.PathEscape(v.account)+"/sessions/"+url.PathEscape(v.session), nil, &out)
	return out.Live, err
}

var errRefused = errors.New("exchange: keyward refused")

// call speaks to Keyward with our back-end credentials.
func (e *Exchange) call(r *http.Request, method, path string, body, into any) error {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(r.Context(), method, e.cfg.Keyward+path, in)
	if err != nil {
		return err
	}
	req.SetBasicAuth(e.cfg.Client, e.cfg.Secret)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := e.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", errRefused, res.Status)
	}
	return json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(into)
}

type view struct {
	Security, Account string
	Ended, Trouble    bool
}

func render(w http.ResponseWriter, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page.Execute(w, v)
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Demo exchange</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header><b>Demo exchange</b>{{if .Account}}<form method="post" action="/leave"><button>Leave</button></form>{{end}}</header>
<main>
{{if .Account}}<h1>0.42 <small>BTC</small></h1>
<p>Balance of <bdi>{{.Account}}</bdi>. For this page we asked Keyward whether your session still lives.</p>
<p><a href="{{.Security}}">Account security</a></p>
{{else}}{{if .Ended}}<p class="note">Your session was ended. Nothing here can be seen with it any more.</p>{{end}}
{{if .Trouble}}<p class="note">We could not ask whether your session still lives, so we show nothing.</p>{{end}}
<h1>Your balance is one sign-in away</h1>
<p>Keyward checks who you are. We never see your passkey.</p>
<p><a class="button" href="/enter-start">Sign in with Keyward</a></p>
{{end}}</main>
</body>
</html>
`))

func style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	io.WriteString(w, css)
}

const css = `:root{color-scheme:light dark;font:16px/1.6 system-ui,sans-serif}
body{margin:0;background:light-dark(#f4f6fa,#10141c);color:light-dark(#151a24,#e9edf5)}
header{display:flex;justify-content:space-between;align-items:center;padding:1rem 1.5rem;border-block-end:1px solid light-dark(#d9deea,#2b3344);min-height:44px}
main{max-width:36rem;margin:4rem auto;padding:0 1.5rem}
h1{font-size:clamp(2rem,6vw,3rem);line-height:1.15}
small{font-size:1rem}
.button,button{display:inline-block;min-height:44px;padding:.6rem 1.2rem;border:0;border-radius:10px;background:light-dark(#2f4fd0,#9db2ff);color:light-dark(#fff,#0c1330);text-decoration:none;font:inherit;font-weight:600;cursor:pointer}
a{color:light-dark(#2f4fd0,#9db2ff)}
.note{padding:1rem;border:1px solid light-dark(#d9deea,#2b3344);border-radius:10px}
bdi{overflow-wrap:anywhere}
`
