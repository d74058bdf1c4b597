package modules

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/lang"
	"keyward/internal/proof"
	"keyward/internal/web"
)

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; require-trusted-types-for 'script'"

const goodNonce = "nonce-2"

// moneyChallenge is the SHA-256 of nothing, as good as that of a withdrawal.
const moneyChallenge = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"

// endpoints plays the server. Fields above mu are set before the browser comes.
type endpoints struct {
	t     *testing.T
	pages *web.Renderer
	url   string
	slow  time.Duration // a refresh takes this long

	mu       sync.Mutex       // guards all below
	fresh    bool             // the access cookie is good
	renewals int              // tokens turned over
	answers  []int            // statuses /session/renew gives before it works: 409, 401, 500
	proofs   map[string]int   // seen proofs, by jti
	keys     map[string]bool  // seen keys, by thumbprint
	got      map[string][]any // bodies, by path
	posted   []string         // names sent with the form
}

func newEndpoints(t *testing.T) *endpoints {
	pages, err := web.NewRenderer("")
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoints{t: t, pages: pages, proofs: map[string]int{}, keys: map[string]bool{}, got: map[string][]any{}}
	mux := http.NewServeMux()
	mux.Handle("GET /static/", pages.Static())
	mux.HandleFunc("GET /signin", func(w http.ResponseWriter, r *http.Request) {
		e.page(w, &web.SignIn{Base: e.base(false), To: r.URL.Query().Get("to"), Note: web.SignInNote(r.URL.Query().Get("note")), RememberFor: 720 * time.Hour, SessionFor: 12 * time.Hour})
	})
	mux.HandleFunc("GET /session/renew", func(w http.ResponseWriter, r *http.Request) {
		e.page(w, &web.Renew{Base: e.base(false), To: r.URL.Query().Get("to")})
	})
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, r *http.Request) {
		e.page(w, &web.PasskeyRename{Base: e.base(true), Key: web.Passkey{ID: "key_1", Name: "old"}})
	})
	mux.HandleFunc("GET /remove", func(w http.ResponseWriter, r *http.Request) {
		e.page(w, &web.Impact{Base: e.base(true), Of: web.OfPasskey, ID: "key_1", Name: "old", Passkeys: []string{"old"}, KeysLeft: 1, Act: "keys.remove"})
	})
	mux.HandleFunc("POST /passkeys/key_1/rename", func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.posted = append(e.posted, r.FormValue("name"))
		http.Redirect(w, r, "/done", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /passkeys/key_1/remove", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/done", http.StatusSeeOther) })
	mux.HandleFunc("GET /confirm/int_1", func(w http.ResponseWriter, r *http.Request) {
		e.page(w, &web.Confirm{Base: e.base(true), ID: "int_1", State: "pending", Payment: web.Payment{Amount: "0.25", Asset: "BTC", Network: "bitcoin", Address: "bc1q"}, Left: 100, All: 120, Until: time.Now().Add(time.Minute)})
	})
	mux.HandleFunc("GET /confirm/int_1/state", func(w http.ResponseWriter, r *http.Request) { answer(w, 200, map[string]any{"state": "pending"}) })
	for _, path := range []string{"/confirm/int_1/refuse", "/confirm/int_1/freeze"} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.posted = append(e.posted, path)
			http.Redirect(w, r, "/done", http.StatusSeeOther)
		})
	}
	mux.HandleFunc("GET /done", func(w http.ResponseWriter, r *http.Request) { e.page(w, &web.Help{Base: e.base(false)}) })
	mux.HandleFunc("GET /session/state", func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		answer(w, 200, map[string]any{"fresh": e.fresh})
	})
	mux.HandleFunc("POST /session/renew", e.renew)
	for path, body := range map[string]any{
		"/signin/begin":         map[string]any{"options": map[string]any{"publicKey": map[string]any{"challenge": "Y2hhbGxlbmdlLWNoYWxsZW5nZQ", "userVerification": "required", "rpId": "localhost"}}},
		"/stepup/begin":         map[string]any{"options": map[string]any{"publicKey": map[string]any{"challenge": "Y2hhbGxlbmdlLWNoYWxsZW5nZQ", "userVerification": "required", "rpId": "localhost"}}},
		"/stepup/finish":        map[string]any{"to": "/"},
		"/confirm/int_1/begin":  map[string]any{"options": map[string]any{"challenge": moneyChallenge, "userVerification": "required", "rpId": "localhost", "timeout": 60000}},
		"/confirm/int_1/finish": map[string]any{"to": "/done"},
		"/signin/finish":        map[string]any{"to": "//evil.example/"}, // a server that errs must not lead anybody astray
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(path, "/finish") && !strings.HasPrefix(path, "/confirm/") && !e.proved(w, r) {
				return
			}
			var in any
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			e.mu.Lock()
			e.got[path] = append(e.got[path], in)
			e.mu.Unlock()
			answer(w, 200, body)
		})
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { e.page(w, &web.Help{Base: e.base(false)}) })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	e.url = strings.Replace(s.URL, "127.0.0.1", "localhost", 1) // passkeys need a name, and browsers trust this one
	return e
}

func (e *endpoints) base(signedIn bool) web.Base {
	b := web.Base{Lang: lang.EN, Product: "Keyward", Host: strings.TrimPrefix(e.url, "http://"), Path: "/", RequestID: "TEST-01", Now: time.Now()}
	if signedIn {
		b.Who = &web.Who{Mail: "owner@mail.example", AccessUntil: time.Now().Add(-time.Second)}
	}
	return b
}

func (e *endpoints) page(w http.ResponseWriter, v web.View) {
	if err := e.pages.Render(w, 200, v); err != nil {
		e.t.Error(err)
	}
}

// proved holds a request to RFC 9449 §4.3 as the real server does, and asks for a nonce the first time.
func (e *endpoints) proved(w http.ResponseWriter, r *http.Request) bool {
	p, err := proof.VerifyDPoP(r.Header.Get("DPoP"), proof.Want{Method: r.Method, URL: e.url + r.URL.Path, Nonce: func(n string) bool { return n == goodNonce }}, time.Now())
	w.Header().Set("DPoP-Nonce", goodNonce)
	if err == proof.ErrNonce {
		answer(w, 401, map[string]any{"code": "use_dpop_nonce"})
		return false
	}
	if err != nil {
		e.t.Errorf("%s: %v", r.URL.Path, err)
		answer(w, 401, map[string]any{"code": "proof_invalid"})
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.proofs[p.JTI]++
	e.keys[p.JKT] = true
	return true
}

func (e *endpoints) renew(w http.ResponseWriter, r *http.Request) {
	if !e.proved(w, r) {
		return
	}
	time.Sleep(e.slow)
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.answers) > 0 {
		status := e.answers[0]
		e.answers = e.answers[1:]
		if status == 409 {
			e.fresh = len(e.answers) == 0 // another tab's cookies arrive
		}
		answer(w, status, map[string]any{"code": "test", "title": "Refused", "request_id": "TEST-02"})
		return
	}
	e.fresh = true
	e.renewals++
	answer(w, 200, map[string]any{"access_until": time.Now().Add(5 * time.Minute).UTC().Format(time.RFC3339)})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
