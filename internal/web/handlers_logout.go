package web

import (
	"net/http"
	"net/url"

	"keyward/internal/edge"
	"keyward/internal/oauth"
)

// CrossSite are the addresses here that forms of other sites may post to.
var CrossSite = []string{"POST /oauth/authorize", "POST /oauth/logout"}

// logoutByPost takes the form of an app (OIDC RP-Initiated Logout §2: GET and POST).
func (s *Server) logoutByPost(w http.ResponseWriter, r *http.Request) {
	visitByPost(w, r, "/oauth/logout")
}

// visitByPost makes a visit of a form of another site. No cookie of ours comes along
// with it, and nothing happens here.
func visitByPost(w http.ResponseWriter, r *http.Request, path string) {
	form, err := edge.ReadForm(r)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, path+"?"+form.Encode(), http.StatusSeeOther)
}

// logoutPage is where an app sends somebody to sign out here too. Only the app that
// was let in from this very session may do so without asking: it shows its ID token.
// Anybody else's link leads to a question, or every page of the web could sign people
// out (OIDC RP-Initiated Logout §6).
func (s *Server) logoutPage(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	leaving, err := s.OAuth.ReadLeaving(r.Context(), q)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	live, err := s.current(r)
	_, mayRenew := edge.RefreshCookie.Read(r)
	switch {
	case err != nil && !mayRenew: // nobody is signed in, or nobody any more
		s.left(w, r, leaving)
	case err == nil && leaving.Session == live.ID:
		ctx := edge.WithDevice(edge.WithActor(r.Context(), "account:"+string(live.Account)), string(live.Device))
		if err := s.endHere(w, r.WithContext(ctx), live.Session); err != nil {
			edge.Fail(w, r, err)
			return
		}
		s.left(w, r, leaving)
	default:
		s.show(w, r, http.StatusOK, &Leave{Base: s.base(r), App: leaving.Client.Name, Client: string(leaving.Client.ID), To: q.Get("post_logout_redirect_uri"), State: q.Get("state")})
	}
}

// logout is the answer to the question.
func (s *Server) logout(v *visit) error {
	form, err := edge.ReadForm(v.r)
	if err != nil {
		return err
	}
	q := url.Values{}
	for _, name := range []string{"client_id", "post_logout_redirect_uri", "state"} {
		if form.Get(name) != "" {
			q.Set(name, form.Get(name))
		}
	}
	leaving, err := s.OAuth.ReadLeaving(v.r.Context(), q)
	if err != nil {
		return err
	}
	if err := s.endHere(v.w, v.r, v.ses); err != nil {
		return err
	}
	if leaving.To == "" {
		v.done("/signin?note=signed-out")
		return nil
	}
	// A page and no redirect: browsers hold redirects of a form against form-action, and
	// that stays at 'self'. Refresh goes on by itself.
	v.w.Header().Set("Refresh", "0; url="+leaving.To)
	s.show(v.w, v.r, http.StatusOK, &Leave{Base: s.base(v.r), App: leaving.Client.Name, To: leaving.To, Done: true})
	return nil
}

func (s *Server) left(w http.ResponseWriter, r *http.Request, l oauth.Leaving) {
	to := l.To
	if to == "" {
		to = "/signin?note=signed-out"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
