package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/proof"
	"keyward/internal/session"
	"keyward/internal/signin"
)

// The door: sign-up, sign-in and renew. Each page reads without script; the
// touches themselves are the JSON endpoints that passkey.js calls.

var errUnknownPasskey = edge.E("passkey_unknown")

// ticketCookie carries the sealed sign-up ticket between begin and finish.
const ticketCookie = "__Host-kw_signup"

func (s *Server) signUpPage(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, &SignUp{Base: s.base(r)})
}

func (s *Server) signUpMail(w http.ResponseWriter, r *http.Request) {
	mail, err := field(r, "mail", 254)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	if _, err := account.NormalizeMail(mail); err != nil {
		s.show(w, r, http.StatusUnprocessableEntity, &SignUp{Base: s.base(r), Mail: mail, BadMail: true})
		return
	}
	s.show(w, r, http.StatusOK, &SignUpPasskey{Base: s.base(r), Mail: mail})
}

func (s *Server) signUpNoScript(w http.ResponseWriter, r *http.Request) {
	mail, err := field(r, "mail", 254)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, &SignUpPasskey{Base: s.base(r), Mail: mail, NeedsScript: true})
}

func (s *Server) signUpBegin(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Mail string `json:"mail"`
	}
	if err := edge.ReadJSON(r, &in); err != nil {
		edge.Fail(w, r, err)
		return
	}
	options, ticket, err := s.SignIn.BeginSignUp(r.Context(), in.Mail, edge.Lang(r))
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: ticketCookie, Value: ticket, Path: "/", MaxAge: 15 * 60, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	s.offerNonce(w)
	answer(w, http.StatusOK, map[string]any{"options": json.RawMessage(options)})
}

func (s *Server) signUpFinish(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Credential json.RawMessage `json:"credential"`
	}
	if err := edge.ReadJSON(r, &in); err != nil {
		edge.Fail(w, r, err)
		return
	}
	ticket, err := r.Cookie(ticketCookie)
	if err != nil {
		edge.Fail(w, r, signin.ErrExpired)
		return
	}
	f, err := s.from(r, false)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	in2, err := s.SignIn.FinishSignUp(r.Context(), edge.CauseFrom(r.Context()), ticket.Value, in.Credential, f)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: ticketCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	s.handEntered(w, in2, false)
	answer(w, http.StatusOK, map[string]string{"to": "/codes/new?step=3"})
}

func (s *Server) signInPage(w http.ResponseWriter, r *http.Request) {
	to := localPath(r.URL.Query().Get("to"))
	if _, err := s.current(r); err == nil {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	s.show(w, r, http.StatusOK, s.signInView(r, to, signInNote(r.URL.Query().Get("note"))))
}

func signInNote(n string) SignInNote {
	switch n := SignInNote(n); n {
	case NoteSignedOut, NoteRetired, NoteEnded, NoteWelcome, NoteNeedsScript:
		return n
	}
	return ""
}

func (s *Server) signInView(r *http.Request, to string, note SignInNote) *SignIn {
	return &SignIn{Base: s.base(r), To: to, Note: note, SessionFor: s.set.Lifetimes.Absolute, RememberFor: s.set.Lifetimes.Remember, DemoPasskey: s.set.Demo}
}

func (s *Server) signInNoScript(w http.ResponseWriter, r *http.Request) {
	to, err := field(r, "to", 512)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, s.signInView(r, localPath(to), NoteNeedsScript))
}

func (s *Server) signInBegin(w http.ResponseWriter, r *http.Request) {
	if err := edge.ReadJSON(r, &struct{}{}); err != nil {
		edge.Fail(w, r, err)
		return
	}
	options, err := s.SignIn.BeginSignIn(r.Context())
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.offerNonce(w)
	answer(w, http.StatusOK, map[string]any{"options": json.RawMessage(options)})
}

func (s *Server) signInFinish(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Credential json.RawMessage `json:"credential"`
		Remember   bool            `json:"remember"`
		To         string          `json:"to"`
	}
	if err := edge.ReadJSON(r, &in); err != nil {
		edge.Fail(w, r, err)
		return
	}
	f, err := s.from(r, in.Remember)
	if err != nil {
		edge.Fail(w, r, err)
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
	s.handEntered(w, entered, in.Remember)
	answer(w, http.StatusOK, map[string]string{"to": localPath(in.To)})
}

func (s *Server) codePage(w http.ResponseWriter, r *http.Request) {
	s.offerNonce(w)
	s.show(w, r, http.StatusOK, &SignInCode{Base: s.base(r), To: localPath(r.URL.Query().Get("to"))})
}

// codeSignIn takes a recovery code. A form without script works too: its session
// is unbound, which costs it nothing a code could do anyway.
func (s *Server) codeSignIn(w http.ResponseWriter, r *http.Request) {
	mail, err1 := field(r, "mail", 254)
	code, err2 := field(r, "code", 200)
	to, err3 := field(r, "to", 512)
	if err := errors.Join(err1, err2, err3); err != nil {
		edge.Fail(w, r, errForm.Because(err))
		return
	}
	page := func(status int, v SignInCode) {
		v.Base, v.To, v.Mail = s.base(r), localPath(to), mail
		s.show(w, r, status, &v)
	}
	// Never by the mail address typed (see edge.ClassCode).
	if ok, wait := s.Limiter.AllowAddr(edge.ClassCode, edge.CauseFrom(r.Context()).Addr); !ok {
		if wantsHTML(r) {
			page(http.StatusTooManyRequests, SignInCode{RetryIn: wait})
			return
		}
		edge.Fail(w, r, s.Limiter.Refusal(edge.ClassCode, wait))
		return
	}
	f, err := s.from(r, false)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	in, err := s.SignIn.SignInWithCode(r.Context(), edge.CauseFrom(r.Context()), mail, code, f)
	if errors.Is(err, signin.ErrCodeNotAccepted) && wantsHTML(r) {
		edge.Refused(r, err)
		page(http.StatusUnauthorized, SignInCode{Failed: true})
		return
	}
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.handEntered(w, in, false)
	if wantsHTML(r) {
		http.Redirect(w, r, localPath(to), http.StatusSeeOther)
		return
	}
	answer(w, http.StatusOK, map[string]string{"to": localPath(to)})
}

func (s *Server) signOut(v *visit) error {
	if err := s.endHere(v.w, v.r, v.ses); err != nil {
		return err
	}
	v.done("/signin?note=signed-out")
	return nil
}

// endHere ends the session of this browser.
func (s *Server) endHere(w http.ResponseWriter, r *http.Request, ses session.Session) error {
	if _, err := s.Contain.EndSession(r.Context(), edge.CauseFrom(r.Context()), ses, ses.ID); err != nil && !errors.Is(err, session.ErrUnknown) {
		return err
	}
	s.drop(w)
	return nil
}

func (s *Server) renewPage(w http.ResponseWriter, r *http.Request) {
	to := localPath(r.URL.Query().Get("to"))
	if _, ok := edge.RefreshCookie.Read(r); !ok {
		http.Redirect(w, r, "/signin?to="+queryEscape(to), http.StatusSeeOther)
		return
	}
	s.offerNonce(w)
	s.show(w, r, http.StatusOK, &Renew{Base: s.base(r), To: to})
}

// sessionState tells a tab whether another one has refreshed already, so that
// five waking tabs make one refresh (DESIGN §6, Web).
func (s *Server) sessionState(w http.ResponseWriter, r *http.Request) {
	s.offerNonce(w)
	live, err := s.current(r)
	if err != nil {
		_, can := edge.RefreshCookie.Read(r)
		s.dropStaleBound(w, r)
		answer(w, http.StatusOK, map[string]any{"fresh": false, "renewable": can})
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"fresh": live.Expires.Sub(s.DB.Now()) > 30*time.Second, "renewable": true, "access_until": live.Expires.UTC().Format(time.RFC3339),
	})
}

// renew turns the refresh cookie over. It never clears a cookie, whatever the
// outcome: the loser of a race would delete the winner's (DESIGN §6.7).
func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	token, ok := edge.RefreshCookie.Read(r)
	if !ok {
		edge.Fail(w, r, session.ErrNotSignedIn)
		return
	}
	p, err := s.proved(r)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	cause := edge.CauseFrom(r.Context())
	bound, _ := edge.BoundCookie.Read(r)
	iss, err := s.Sessions.Rotate(r.Context(), cause, session.Refresh{
		Presented: token, JKT: p.JKT, JTI: p.JTI, Addr: cause.Addr, Bound: bound, Skipped: proof.Skipped(r.Header),
	})
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.hand(w, iss, iss.Remember)
	s.offerNonce(w)
	answer(w, http.StatusOK, map[string]string{"access_until": iss.AccessExp.UTC().Format(time.RFC3339)})
}

// offerNonce saves the next proof a round trip (RFC 9449 §8.2).
func (s *Server) offerNonce(w http.ResponseWriter) {
	w.Header().Set("DPoP-Nonce", s.nonces.Mint(s.DB.Now()))
}
