package web

import (
	"encoding/json"
	"errors"
	"net/http"

	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/proof"
	"keyward/internal/session"
)

// Device Bound Session Credentials (W3C webappsec-dbsc), as browsers speak it; the rules
// stand in session. A browser without it ignores the header and is bound by its WebCrypto
// key alone.

const (
	bindPath = "/session/bound/new" // takes the key of a registration
	showPath = "/session/bound"     // takes a signature for a bound cookie
)

// offerDeviceKey invites the browser that has just signed in. Only ES256: a second
// algorithm would be a second verifier for keys that every browser can make of the first.
func (s *Server) offerDeviceKey(w http.ResponseWriter, iss session.Issued) {
	if !s.set.DeviceKeys {
		return
	}
	o := s.Sessions.Offer(iss.Session)
	// Our texts are base64url with dots and underscores: an sf-string needs no escape.
	w.Header().Set("Secure-Session-Registration",
		`(ES256);path="`+bindPath+`";challenge="`+o.Challenge+`";authorization="`+o.Authorization+`"`)
}

// unheld are the paths that a browser asks for without waiting for its key: the doors,
// the files, and what answers apps. None of them looks at a session's bound cookie; the
// rest of the origin is in scope.
var unheld = []string{
	"/static", "/signin", "/signup", "/session/bound", "/session/touch", "/api", "/docs", "/.well-known", "/robots.txt",
	"/mail/verify", "/freeze/link", "/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke", "/oauth/userinfo", "/oauth/jwks",
}

// instructions is what a browser is told about a bound session.
type instructions struct {
	ID          string       `json:"session_identifier"`
	RefreshURL  string       `json:"refresh_url,omitempty"`
	Continue    *bool        `json:"continue,omitempty"`
	Scope       *scope       `json:"scope,omitempty"`
	Credentials []credential `json:"credentials,omitempty"`
}

type scope struct {
	Origin        string      `json:"origin"`
	IncludeSite   bool        `json:"include_site"` // never: other hosts of the site are not ours
	Specification []scopeRule `json:"scope_specification"`
}

type scopeRule struct {
	Type   string `json:"type"`
	Domain string `json:"domain"`
	Path   string `json:"path"`
}

type credential struct {
	Type       string `json:"type"`
	Name       string `json:"name"`
	Attributes string `json:"attributes"`
}

// instruct hands out the cookie, the challenge for the next time and the rules.
func (s *Server) instruct(w http.ResponseWriter, out session.Shown) {
	in := instructions{ID: string(out.Session)}
	if out.Over {
		in.Continue = new(bool) // false: forget the session and its key
		answer(w, http.StatusOK, in)
		return
	}
	edge.BoundCookie.Set(w, out.Cookie, out.Life)
	s.challenge(w, out)
	in.RefreshURL = showPath
	in.Scope = &scope{Origin: s.set.PublicURL}
	for _, path := range unheld {
		in.Scope.Specification = append(in.Scope.Specification, scopeRule{"exclude", "*", path})
	}
	in.Credentials = []credential{{"cookie", edge.BoundCookie.Name(), edge.BoundCookie.Attributes()}}
	answer(w, http.StatusOK, in)
}

func (s *Server) challenge(w http.ResponseWriter, out session.Shown) {
	w.Header().Set("Secure-Session-Challenge", `"`+out.Next+`";id="`+string(out.Session)+`"`)
}

// bindDevice is the registration.
func (s *Server) bindDevice(w http.ResponseWriter, r *http.Request) {
	jwt, err := proof.DeviceHeader(r.Header, proof.HeaderDeviceProof)
	if err != nil {
		edge.Fail(w, r, session.ErrBoundRefused.Because(err))
		return
	}
	p, err := proof.ReadRegistration(jwt, proof.DeviceWant{URL: s.set.PublicURL + bindPath})
	if err != nil {
		edge.Fail(w, r, session.ErrBoundRefused.Because(err))
		return
	}
	access, _ := edge.AccessCookie.Read(r)
	cause := edge.CauseFrom(r.Context())
	out, err := s.Sessions.BindDevice(r.Context(), cause, access, p, cause.Addr)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.instruct(w, out)
}

// showDevice is the refresh: a signature for a cookie. Secure-Session-Skipped is not read
// here and opens nothing anywhere: whoever stole the cookies can write it.
func (s *Server) showDevice(w http.ResponseWriter, r *http.Request) {
	id, err := proof.DeviceHeader(r.Header, proof.HeaderDeviceSession)
	if err != nil {
		edge.Fail(w, r, session.ErrBoundRefused.Because(err))
		return
	}
	jwt, err := proof.DeviceHeader(r.Header, proof.HeaderDeviceProof)
	if err != nil && !errors.Is(err, proof.ErrDeviceAbsent) {
		edge.Fail(w, r, session.ErrBoundRefused.Because(err))
		return
	}
	refresh, _ := edge.RefreshCookie.Read(r)
	cause := edge.CauseFrom(r.Context())
	out, err := s.Sessions.ShowDevice(r.Context(), cause, session.Show{
		Session: session.ID(id), JWT: jwt, URL: s.set.PublicURL + showPath, Refresh: refresh, Addr: cause.Addr,
	})
	if errors.Is(err, session.ErrBoundChallenge) {
		s.challenge(w, out)
	}
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.instruct(w, out)
}

// dropStaleBound takes a bound cookie away that is not accepted, after a change of network
// for instance: a browser that has one would not show its key, and the refresh that follows
// would be refused. The answer goes to whoever presented it and touches nobody else's. One
// that overtakes it, with a new cookie, loses that one too: the browser then shows its key
// once more, which costs one of six signatures.
func (s *Server) dropStaleBound(w http.ResponseWriter, r *http.Request) {
	cookie, there := edge.BoundCookie.Read(r)
	refresh, _ := edge.RefreshCookie.Read(r)
	if there && !s.Sessions.BoundLives(r.Context(), cookie, refresh, edge.CauseFrom(r.Context()).Addr) {
		edge.BoundCookie.Clear(w)
	}
}

// touchPage is where a browser ends up that did not show its device's key. It says why
// and asks for a touch; whoever has only copies stands before it for good. Nothing of the
// account is on it.
func (s *Server) touchPage(w http.ResponseWriter, r *http.Request) {
	to := localPath(r.URL.Query().Get("to"))
	if _, err := s.current(r); err == nil {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	refresh, _ := edge.RefreshCookie.Read(r)
	if ses, err := s.Sessions.Presented(r.Context(), refresh); err != nil || ses.DeviceJKT == "" {
		http.Redirect(w, r, "/signin?to="+queryEscape(to), http.StatusSeeOther)
		return
	}
	if to == "/freeze" { // nobody has to prove anything to pull the brake
		http.Redirect(w, r, "/freeze?out=yes", http.StatusSeeOther)
		return
	}
	s.offerNonce(w)
	s.show(w, r, http.StatusOK, &Touch{Base: s.base(r), To: to})
}

// touchFinish begins a new session with the touch and ends the one that came without its
// key, if both are of one account: with a passkey of their own a thief signs in to their
// own account and ends nothing of the owner's. The new one is bound by WebCrypto, and no
// device key is offered: this browser has just failed at that.
func (s *Server) touchFinish(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Credential json.RawMessage `json:"credential"`
		To         string          `json:"to"`
	}
	if err := edge.ReadJSON(r, &in); err != nil {
		edge.Fail(w, r, err)
		return
	}
	f, err := s.from(r, false)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	refresh, _ := edge.RefreshCookie.Read(r)
	if f.Instead, err = s.Sessions.Presented(r.Context(), refresh); err != nil || f.Instead.DeviceJKT == "" {
		edge.Fail(w, r, session.ErrEnded.Because(err))
		return
	}
	entered, err := s.SignIn.FinishSignIn(r.Context(), edge.CauseFrom(r.Context()), in.Credential, f)
	if device.IsUnknownCredential(err) {
		err = errUnknownPasskey.Because(err).With("purpose", map[string]string{"rp_id": s.Devices.RPID()})
	}
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.handDevice(w, entered)
	s.hand(w, entered.Issued, false)
	edge.BoundCookie.Clear(w)
	answer(w, http.StatusOK, map[string]string{"to": localPath(in.To)})
}
