package console

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/oauth"
	"keyward/internal/staff"
	"keyward/internal/store"
)

// Parts are what the pages stand on.
type Parts struct {
	DB     *store.DB
	Staff  *staff.Service
	OAuth  *oauth.Service
	Look   Look
	Logger *slog.Logger

	// Acts do what a kind of request asks for. A kind without one can be refused and
	// never approved.
	Acts map[staff.Kind]staff.Act
}

// Settings are what the pages say about this deployment.
type Settings struct {
	Origin  string // scheme and host, no slash at the end
	Product string
}

// Server answers for all pages of operators.
type Server struct {
	Parts
	set   Settings
	pages pages
}

// New compiles the pages.
func New(p Parts, set Settings) (*Server, error) {
	s := &Server{Parts: p, set: set}
	var err error
	s.pages, err = compile(p.Look)
	return s, err
}

// Routes puts the pages on a mux. Limits stand beside the routes they guard.
func (s *Server) Routes(mux *http.ServeMux, e *edge.Edge) {
	open := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, e.Limit(edge.ClassPage, h)) }
	in := func(pattern string, h func(*visit) error) { open(pattern, s.signedIn(h)) }
	limited := func(pattern string, c edge.Class, h http.HandlerFunc) { mux.Handle(pattern, e.Limit(c, h)) }

	mux.Handle("GET /static/", s.Look.Static())

	open("GET /join", s.joinPage)
	open("POST /join", s.joinPage) // a form without script
	limited("POST /join/begin", edge.ClassSignUp, s.joinBegin)
	limited("POST /join/finish", edge.ClassSignUp, s.joinFinish)
	open("GET /signin", s.signInPage)
	open("POST /signin", s.signInPage)
	limited("POST /signin/begin", edge.ClassSignInBegin, s.signInBegin)
	limited("POST /signin/finish", edge.ClassSignInFinish, s.signInFinish)
	in("POST /signout", s.signOut)
	in("POST /touch", s.touch)
	open("POST /look", s.look)

	in("GET /{$}", s.home)
	in("GET /operators", s.operators)
	in("GET /operators/invite", s.invitePage)
	in("POST /operators/invite", s.invite)
	in("GET /operators/{id}", s.operator)
	in("POST /operators/{id}/roles", s.roles)
	in("POST /operators/{id}/disable", s.disable)
	in("GET /you", s.own)
	in("POST /you/keys/begin", s.keyBegin)
	in("POST /you/keys", s.addKey)
	in("GET /you/keys/{id}", s.keyPage)
	in("POST /you/keys/{id}/remove", s.removeKey)
	in("POST /you/sessions/{id}/end", s.endSession)
	in("GET /apps", s.apps)
	in("GET /apps/register", s.registerPage)
	in("POST /apps/register", s.register)
	in("GET /apps/{id}", s.app)
	in("POST /apps/{id}/off", s.turnOff)
	in("POST /apps/{id}/publisher", s.askPublisher)
	in("POST /apps/{id}/publisher/drop", s.dropPublisher)
	in("GET /requests", s.requests)
	in("GET /requests/{id}", s.request)
	in("POST /requests/{id}/approve", s.approve)
	in("POST /requests/{id}/refuse", s.refuse)
	s.apiRoutes(in)
}

// visit is a request of an operator who is signed in.
type visit struct {
	w     http.ResponseWriter
	r     *http.Request
	who   staff.Live
	cause store.Cause
}

// signedIn wraps a handler that needs a session.
func (s *Server) signedIn(h func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := edge.OperatorCookie.Read(r)
		who, err := s.Staff.Check(r.Context(), token)
		if errors.Is(err, staff.ErrNotSignedIn) && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
			http.Redirect(w, r, "/signin"+query("to", r.URL.Path), http.StatusSeeOther)
			return
		}
		if err != nil {
			edge.Fail(w, r, err)
			return
		}
		r = r.WithContext(edge.WithActor(r.Context(), "operator:"+string(who.Operator.ID)))
		if err := h(&visit{w, r, who, edge.CauseFrom(r.Context())}); err != nil {
			edge.Fail(w, r, err)
		}
	}
}

// hand puts a new session into the browser. The cookie is Strict: no link of
// another site arrives here as a signed-in operator.
func (s *Server) hand(w http.ResponseWriter, in staff.Entered) {
	edge.OperatorCookie.Set(w, in.Token, max(in.Session.EndsAt.Sub(s.DB.Now()), time.Second))
}

// Problem renders a refusal as a page; wire it to edge.Options.Pages.
func (s *Server) Problem(w http.ResponseWriter, r *http.Request, p edge.Problem) {
	v := s.page(r, "error")
	v.Problem = p
	s.show(w, r, p.Status, v)
}

// touched reads the touch that came with a form and verifies it for an act. A form
// without one gets to hear which is missing.
func (s *Server) touched(v *visit, act device.Act, credential string) (*staff.Touch, error) {
	if credential == "" {
		return nil, staff.ErrTouch.With("purpose", map[string]string{"act": act.Kind})
	}
	return s.Staff.Touched(v.r.Context(), v.who, act, []byte(credential))
}
