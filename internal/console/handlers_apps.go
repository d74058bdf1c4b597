package console

import (
	"net/http"

	"keyward/internal/oauth"
	"keyward/internal/staff"
)

// Apps that may ask for access: seeing, registering, switching off, and the request
// that a publisher be verified.

func (s *Server) apps(v *visit) (err error) {
	p := s.pageOf(v, "apps")
	if p.Apps, err = s.list(v); err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

func (s *Server) list(v *visit) ([]oauth.Client, error) {
	if !v.who.Operator.Roles.May(staff.SeeClients) {
		return nil, staff.ErrRole
	}
	return s.OAuth.Clients(v.r.Context())
}

// one reads an app with what it holds of people, and the open requests about it.
func (s *Server) one(v *visit) (c oauth.Client, live int, open []staff.Request, err error) {
	if !v.who.Operator.Roles.May(staff.SeeClients) {
		return c, 0, nil, staff.ErrRole
	}
	if c, err = s.OAuth.Registered(v.r.Context(), v.r.PathValue("id")); err != nil {
		return c, 0, nil, err
	}
	if live, err = s.OAuth.Live(v.r.Context(), c.ID); err != nil {
		return c, 0, nil, err
	}
	all, err := s.Staff.Requests(v.r.Context(), v.who)
	for _, r := range all {
		if r.Target == string(c.ID) && r.State == staff.Open {
			open = append(open, r)
		}
	}
	return c, live, open, err
}

func (s *Server) app(v *visit) (err error) {
	p := s.pageOf(v, "app")
	if p.App, p.Live, p.Requests, err = s.one(v); err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

func (s *Server) registerPage(v *visit) error {
	p := s.pageOf(v, "register")
	if !p.May("manage-apps") {
		return staff.ErrRole
	}
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

// register answers with the page that shows the secret, once, to whoever registered.
func (s *Server) register(v *visit) error {
	o, t, err := s.ordered(v, actRegister, "")
	if err != nil {
		return err
	}
	d, err := s.doRegister(v, o, t)
	if err != nil {
		return err
	}
	p := s.pageOf(v, "registered")
	p.App, p.Secret = d.Client, d.Secret
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

func (s *Server) turnOff(v *visit) error { return s.narrowed(v, actTurnOff) }

func (s *Server) dropPublisher(v *visit) error { return s.narrowed(v, actDrop) }

func (s *Server) narrowed(v *visit, act string) error {
	o, t, err := s.ordered(v, act, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if _, err := s.doNarrow(v, o, t); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/apps/"+o.Object, http.StatusSeeOther)
	return nil
}

func (s *Server) askPublisher(v *visit) error {
	o, t, err := s.ordered(v, actAsk, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	r, err := s.doAsk(v, o, t)
	if err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/requests/"+string(r.ID), http.StatusSeeOther)
	return nil
}

// ordered reads a form that changes something, with its touch.
func (s *Server) ordered(v *visit, act, object string) (order, *staff.Touch, error) {
	f, err := form(v)
	if err != nil {
		return order{}, nil, err
	}
	o, err := orderOf(act, object, f)
	if err != nil {
		return o, nil, err
	}
	t, err := s.touchFor(v, o, f.Get("credential"))
	return o, t, err
}

// touchFor verifies the touch that came with an order.
func (s *Server) touchFor(v *visit, o order, credential string) (*staff.Touch, error) {
	act, err := s.act(v, o)
	if err != nil {
		return nil, err
	}
	return s.touched(v, act, credential)
}
