package web

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"keyward/internal/edge"
	"keyward/internal/oauth"
)

// authorizePage takes an app's request. It is read before anybody is asked to sign
// in: what is wrong with it does not depend on who they are. Then it is kept, and the
// person goes on with a handle, however long sign-in or sign-up take.
func (s *Server) authorizePage(w http.ResponseWriter, r *http.Request) {
	if handle := r.URL.Query().Get("ask"); handle != "" {
		s.authorizeKept(w, r, handle)
		return
	}
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	handle, pushed, err := s.OAuth.Pushed(r.Context(), q)
	if err == nil && !pushed {
		handle, err = s.OAuth.Direct(r.Context(), q)
	}
	if err != nil {
		s.refuseAsk(w, r, err)
		return
	}
	http.Redirect(w, r, "/oauth/authorize?ask="+url.QueryEscape(handle), http.StatusSeeOther)
}

// authorizeByPost takes a request as a form (OIDC Core §3.1.2.1: GET and POST).
func (s *Server) authorizeByPost(w http.ResponseWriter, r *http.Request) {
	visitByPost(w, r, "/oauth/authorize")
}

// parseQuery keeps what came twice: the standard has an answer of its own for that.
func parseQuery(raw string) (url.Values, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, edge.E("bad_request").Because(err)
	}
	for name, values := range q {
		for _, v := range append(values, name) {
			if !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
				return nil, edge.E("bad_request")
			}
		}
	}
	return q, nil
}

// refuseAsk sends a refusal back to the app, where its address is proved, and shows
// anything else to the person (RFC 6749 §4.1.2.1). 303, never 307: a browser must
// not carry a form of ours along (RFC 9700 §4.12).
func (s *Server) refuseAsk(w http.ResponseWriter, r *http.Request, err error) {
	var back *oauth.Refusal
	if errors.As(err, &back) {
		http.Redirect(w, r, s.OAuth.Back(back), http.StatusSeeOther)
		return
	}
	edge.Fail(w, r, err)
}

func (s *Server) authorizeKept(w http.ResponseWriter, r *http.Request, handle string) {
	ask, err := s.OAuth.Kept(r.Context(), handle)
	if err != nil {
		s.refuseAsk(w, r, err)
		return
	}
	if ask.Silent {
		_, err := s.current(r)
		_, mayRenew := edge.RefreshCookie.Read(r)
		switch {
		case err != nil && !mayRenew:
			s.refuseAsk(w, r, &oauth.Refusal{Code: "login_required", Description: "nobody is signed in", Redirect: ask.Redirect, State: ask.State})
			return
		case ask.Consents():
			s.refuseAsk(w, r, &oauth.Refusal{Code: "consent_required", Description: "the person has to agree", Redirect: ask.Redirect, State: ask.State})
			return
		}
	}
	spoken := wished(r, ask.Locales)
	if spoken != "" {
		edge.LangCookie.Set(w, spoken, time.Hour) // for the sign-in that may lie between
	}
	s.signedIn(func(v *visit) error {
		if spoken != "" {
			v.base.Lang = spoken
		}
		return s.showAsk(v, handle, ask)
	})(w, r)
}

// wished is the language an app asks for (OIDC Core §3.1.2.1 ui_locales), "" when we
// speak none of them or the person has chosen one here: their choice stands above it.
func wished(r *http.Request, locales []string) string {
	if _, chosen := edge.LangCookie.Read(r); chosen {
		return ""
	}
	for _, l := range locales {
		switch base, _, _ := strings.Cut(strings.ToLower(l), "-"); base {
		case "en", "ko":
			return base
		}
	}
	return ""
}

func (s *Server) showAsk(v *visit, handle string, ask oauth.Ask) error {
	u, err := url.Parse(ask.Redirect)
	if err != nil {
		return err
	}
	other, err := s.OAuth.ExpectsOther(v.r.Context(), ask, v.ses.Account)
	if err != nil {
		return err
	}
	view := &Authorize{
		Base: v.base, Ask: handle, Auto: !ask.Consents() && !other, Other: other, App: ask.Client.Name, Ours: ask.Client.FirstParty, Domain: ask.Client.Domain,
		Purpose: ask.Client.Purpose, Site: u.Host, Redirect: ask.Redirect,
		Powers: inOrder(ask.Scopes), Payments: paymentsOf(ask.Details), Offline: slices.Contains(ask.Scopes, "offline_access"), Until: v.base.Now.Add(ask.Client.Life),
		Deny: template.URL(s.OAuth.Back(&oauth.Refusal{Code: "access_denied", Description: "the person said no", Redirect: ask.Redirect, State: ask.State})),
	}
	if view.Site == "" {
		view.Site = u.Scheme // the private scheme of a native app
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

// authorize makes the code. The address goes back as an answer and not as a
// redirect: fetch would follow that to another origin.
func (s *Server) authorize(v *visit) error {
	var in struct {
		Ask    string   `json:"ask"`
		Chosen []string `json:"chosen"` // left out: everything that was asked for
	}
	if err := edge.ReadJSON(v.r, &in); err != nil {
		return err
	}
	ask, err := s.OAuth.Kept(v.r.Context(), in.Ask)
	if err == nil {
		f, err2 := s.from(v.r, v.ses.Remember)
		if err2 != nil {
			return err2
		}
		var to string
		if to, err = s.OAuth.Authorize(v.r.Context(), v.ses, ask, in.Chosen, f); err == nil {
			answer(v.w, http.StatusOK, map[string]string{"to": to})
			return nil
		}
	}
	var back *oauth.Refusal
	if ask.Silent && !errors.As(err, &back) && !errors.Is(err, errNonce) {
		// OIDC Core §3.1.2.1: with prompt=none every refusal is the app's to read.
		err = &oauth.Refusal{Code: "login_required", Description: "the person has to be asked", Redirect: ask.Redirect, State: ask.State}
	}
	if errors.As(err, &back) {
		answer(v.w, http.StatusOK, map[string]string{"to": s.OAuth.Back(back)})
		return nil
	}
	return err
}
