package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/staff"
)

// The door, and the touch for a form.

func (s *Server) joinPage(w http.ResponseWriter, r *http.Request) {
	p := s.page(r, "join")
	p.NoScript = r.Method == http.MethodPost
	s.show(w, r, http.StatusOK, p)
}

func (s *Server) joinBegin(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Link string `json:"link"`
	}
	if err := edge.ReadJSON(r, &in); err != nil {
		edge.Fail(w, r, err)
		return
	}
	options, err := s.Staff.JoinOptions(r.Context(), in.Link)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	answer(w, map[string]any{"options": json.RawMessage(options)})
}

func (s *Server) joinFinish(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Link       string          `json:"link"`
		Credential json.RawMessage `json:"credential"`
	}
	if err := edge.ReadJSON(r, &in); err != nil {
		edge.Fail(w, r, err)
		return
	}
	entered, err := s.Staff.Join(r.Context(), edge.CauseFrom(r.Context()), in.Link, in.Credential)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.hand(w, entered)
	answer(w, map[string]string{"to": "/"})
}

func (s *Server) signInPage(w http.ResponseWriter, r *http.Request) {
	p := s.page(r, "signin")
	p.NoScript = r.Method == http.MethodPost
	p.To = local(r.URL.Query().Get("to"))
	s.show(w, r, http.StatusOK, p)
}

func (s *Server) signInBegin(w http.ResponseWriter, r *http.Request) {
	if err := edge.ReadJSON(r, &struct{}{}); err != nil {
		edge.Fail(w, r, err)
		return
	}
	options, err := s.Staff.SignInOptions()
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	answer(w, map[string]any{"options": json.RawMessage(options)})
}

func (s *Server) signInFinish(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Credential json.RawMessage `json:"credential"`
		To         string          `json:"to"`
	}
	if err := edge.ReadJSON(r, &in); err != nil {
		edge.Fail(w, r, err)
		return
	}
	had, _ := edge.OperatorCookie.Read(r)
	entered, err := s.Staff.SignIn(r.Context(), edge.CauseFrom(r.Context()), in.Credential, had)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.hand(w, entered)
	answer(w, map[string]string{"to": local(in.To)})
}

func (s *Server) signOut(v *visit) error {
	if err := s.Staff.SignOut(v.r.Context(), v.cause, v.who); err != nil {
		return err
	}
	edge.OperatorCookie.Clear(v.w)
	http.Redirect(v.w, v.r, "/signin", http.StatusSeeOther)
	return nil
}

func (s *Server) look(w http.ResponseWriter, r *http.Request) {
	form, err := edge.ReadForm(r)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	const year = 365 * 24 * time.Hour
	if l := form.Get("lang"); l == "en" || l == "ko" {
		edge.LangCookie.Set(w, l, year)
	}
	switch t := form.Get("theme"); t {
	case "light", "dark":
		edge.ThemeCookie.Set(w, t, year)
	case "system":
		edge.ThemeCookie.Clear(w)
	}
	http.Redirect(w, r, local(form.Get("to")), http.StatusSeeOther)
}

var errForm = edge.E("bad_request")

// form reads a form of ours; tick boxes may be there several times.
func form(v *visit) (url.Values, error) { return edge.ReadForm(v.r, "roles", "scopes", "details") }

// actOf is what a form is about to do, with everything that is typed in it. The
// touch is asked for with this and verified against it, so both sides of a page
// mean the same.
func (s *Server) actOf(v *visit, kind, object string, f url.Values) (device.Act, error) {
	reason := f.Get("reason")
	switch kind {
	case "operators.invite", "operators.roles":
		roles, err := staff.ParseRoles(f["roles"])
		if err != nil {
			return device.Act{}, err
		}
		if kind == "operators.invite" {
			return staff.InviteAct(f.Get("name"), roles, reason), nil
		}
		return staff.RolesAct(staff.ID(object), roles, reason), nil
	case "operators.disable":
		return staff.DisableAct(staff.ID(object), reason), nil
	}
	o, err := orderOf(kind, object, f)
	if err != nil {
		return device.Act{}, err
	}
	return s.act(v, o)
}

// touch asks for the touch of a form that stands on the screen.
func (s *Server) touch(v *visit) error {
	f, err := form(v)
	if err != nil {
		return err
	}
	act, err := s.actOf(v, f.Get("act"), f.Get("object"), f)
	if err != nil {
		return err
	}
	options, err := s.Staff.TouchOptions(v.who, act)
	if err != nil {
		return err
	}
	answer(v.w, map[string]any{"options": json.RawMessage(options)})
	return nil
}

// sent reads a form that changes something, with its touch.
func (s *Server) sent(v *visit, kind, object string) (url.Values, *staff.Touch, error) {
	f, err := form(v)
	if err != nil {
		return nil, nil, err
	}
	act, err := s.actOf(v, kind, object, f)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.touched(v, act, f.Get("credential"))
	return f, t, err
}
