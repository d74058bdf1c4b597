package exchange

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"keyward/rs"
)

// Config says where Keyward is and who we are to it.
type Config struct {
	Keyward   string            // issuer
	Self      string            // our own origin, and the audience of our API's tokens
	Client    string            // client_id, registered with Key's public half
	Key       *ecdsa.PrivateKey // P-256, of private_key_jwt
	KeyID     string
	Transport http.RoundTripper
	Payouts   http.Handler // the service that sends money; nil: this exchange sends none
	Log       *slog.Logger
}

// Exchange serves the demo's pages and its API.
type Exchange struct {
	cfg   Config
	party *party
	bind  *ecdsa.PrivateKey // the key our tokens are bound to; new at each start, and so are they
	api   http.Handler
	tail  *rs.Tail
	mux   *http.ServeMux

	visitors visitors
}

// New makes a demo exchange. Nothing is asked of Keyward yet: either may start first.
func New(cfg Config) (*Exchange, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	bind, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	e := &Exchange{cfg: cfg, bind: bind, mux: http.NewServeMux(), visitors: visitors{by: map[string]*visitor{}}}
	e.party = &party{cfg: cfg, client: &http.Client{Timeout: 5 * time.Second, Transport: cfg.Transport}}
	if err := e.openAPI(); err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	e.mux.HandleFunc("GET /{$}", e.home)
	e.mux.HandleFunc("GET /enter-start", e.start)
	e.mux.HandleFunc("GET /enter", e.enter)
	e.mux.HandleFunc("POST /address", e.addAddress)
	e.mux.HandleFunc("POST /leave", e.leave)
	e.mux.HandleFunc("POST /backchannel-logout", e.told)
	e.mux.HandleFunc("GET /style.css", style)
	e.mux.Handle("/api/", e.api)
	if cfg.Payouts != nil {
		e.mux.Handle("POST /payouts", cfg.Payouts)
	}
	e.mux.HandleFunc("GET /.well-known/oauth-protected-resource", e.resource)
	return e, nil
}

// Run follows what ends at Keyward until ctx ends. Without it our API lets nobody in.
func (e *Exchange) Run(ctx context.Context) { e.tail.Run(ctx) }

// ServeHTTP answers with a policy as strict as a page without script allows. Signing
// out is a form that leads to Keyward and back.
func (e *Exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self' "+e.cfg.Keyward+"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	e.mux.ServeHTTP(w, r)
}

// home shows the balance to somebody whose Keyward session lives right now.
func (e *Exchange) home(w http.ResponseWriter, r *http.Request) {
	page := view{Security: e.cfg.Keyward, Added: r.URL.Query().Has("added")}
	if id, v := e.visitors.of(r); v != nil {
		var out struct{ Balance, Account string }
		switch err := e.ask(r.Context(), v, http.MethodGet, "/api/balance", &out); {
		case err == nil:
			page.Account, page.Balance = out.Account, out.Balance
		case isEnded(err):
			page.Ended = true
			e.visitors.forget(w, id)
		default:
			page.Trouble = true // fail closed: no answer is no session
			e.cfg.Log.Warn("no balance to show", "err", err)
		}
	}
	render(w, page)
}

// addAddress is something that our API wants a fresh touch for: it says so by RFC
// 9470, and we ask Keyward for exactly that.
func (e *Exchange) addAddress(w http.ResponseWriter, r *http.Request) {
	id, v := e.visitors.of(r)
	if v == nil {
		http.Redirect(w, r, "/enter-start", http.StatusSeeOther)
		return
	}
	err := e.ask(r.Context(), v, http.MethodPost, "/api/addresses", nil)
	switch want := stepUpIn(err); {
	case err == nil:
		http.Redirect(w, r, "/?added", http.StatusSeeOther)
	case want != nil:
		e.toKeyward(w, r, want)
	case isEnded(err):
		e.visitors.forget(w, id)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	default:
		e.cfg.Log.Warn("an address was not added", "err", err)
		http.Error(w, "We could not ask whether your session still lives, so nothing was done.", http.StatusServiceUnavailable)
	}
}

// start sends the browser to Keyward.
func (e *Exchange) start(w http.ResponseWriter, r *http.Request) { e.toKeyward(w, r, nil) }
