package console

import (
	"errors"
	"net/http"

	"keyward/internal/edge"
	"keyward/internal/oauth"
	"keyward/internal/staff"
)

// What operators do once they are in.

func (s *Server) home(v *visit) error {
	p := s.pageOf(v, "home")
	if p.May("see-requests") {
		all, err := s.Staff.Requests(v.r.Context(), v.who)
		if err != nil {
			return err
		}
		for _, r := range all {
			if r.State == staff.Open {
				p.Requests = append(p.Requests, r)
			}
		}
	}
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

func (s *Server) operators(v *visit) (err error) {
	p := s.pageOf(v, "operators")
	if p.Operators, err = s.Staff.Operators(v.r.Context(), v.who); err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

func (s *Server) invitePage(v *visit) error {
	p := s.pageOf(v, "invite")
	if !p.May("manage") {
		return staff.ErrRole
	}
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

// invite answers with the page that shows the link, once: it is in no row and no
// log, so there is nothing to show it again from.
func (s *Server) invite(v *visit) error {
	f, t, err := s.sent(v, "operators.invite", "")
	if err != nil {
		return err
	}
	roles, err := staff.ParseRoles(f["roles"])
	if err != nil {
		return err
	}
	p := s.pageOf(v, "invited")
	if p.Invitation, err = s.Staff.Invite(v.r.Context(), v.cause, v.who, f.Get("name"), roles, f.Get("reason"), t); err != nil {
		return err
	}
	p.Link = JoinLink(s.set.Origin, p.Invitation)
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

// JoinLink is where an invitation is followed. The secret stands behind the #: it
// reaches the page's script and no server, proxy or log on the way.
func JoinLink(origin string, inv staff.Invitation) string { return origin + "/join#" + inv.Secret }

func (s *Server) operator(v *visit) (err error) {
	p := s.pageOf(v, "operator")
	if !p.May("see-operators") {
		return staff.ErrRole
	}
	if p.One, err = s.Staff.Operator(v.r.Context(), staff.ID(v.r.PathValue("id"))); err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

func (s *Server) roles(v *visit) error {
	id := staff.ID(v.r.PathValue("id"))
	f, t, err := s.sent(v, "operators.roles", string(id))
	if err != nil {
		return err
	}
	roles, err := staff.ParseRoles(f["roles"])
	if err != nil {
		return err
	}
	if _, err := s.Staff.ChangeRoles(v.r.Context(), v.cause, v.who, id, roles, f.Get("reason"), t); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/operators", http.StatusSeeOther)
	return nil
}

func (s *Server) disable(v *visit) error {
	id := staff.ID(v.r.PathValue("id"))
	f, t, err := s.sent(v, "operators.disable", string(id))
	if err != nil {
		return err
	}
	if _, err := s.Staff.Disable(v.r.Context(), v.cause, v.who, id, f.Get("reason"), t); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/operators", http.StatusSeeOther)
	return nil
}

func (s *Server) requests(v *visit) (err error) {
	p := s.pageOf(v, "requests")
	if p.Requests, err = s.Staff.Requests(v.r.Context(), v.who); err != nil {
		return err
	}
	if err := s.name(v, p, p.Requests...); err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

func (s *Server) request(v *visit) (err error) {
	p := s.pageOf(v, "request")
	if p.Request, err = s.Staff.Request(v.r.Context(), v.who, staff.RequestID(v.r.PathValue("id"))); err != nil {
		return err
	}
	if err := s.name(v, p, p.Request); err != nil {
		return err
	}
	c, err := s.subject(v, p.Request)
	if err != nil {
		return err
	}
	p.Doable = s.Acts[p.Request.Kind] != nil
	if c != nil {
		p.App, p.Doable = *c, p.Doable && !c.Off
	}
	s.show(v.w, v.r, http.StatusOK, p)
	return nil
}

// subject is the app that a request is about: whoever decides has to see its name and
// where it leads people beside the domain. nil when it is about something else.
func (s *Server) subject(v *visit, r staff.Request) (*oauth.Client, error) {
	if r.Kind != staff.VerifyPublisher {
		return nil, nil
	}
	c, err := s.OAuth.Registered(v.r.Context(), r.Target)
	if errors.Is(err, oauth.ErrNoClient) {
		return nil, nil // approving it fails; refusing works
	}
	return &c, err
}

// name finds out who asked and who decided.
func (s *Server) name(v *visit, p *page, all ...staff.Request) error {
	p.Names = map[staff.ID]string{}
	for _, r := range all {
		for _, id := range []staff.ID{r.Requester, r.DecidedBy} {
			if id == "" || p.Names[id] != "" {
				continue
			}
			o, err := s.Staff.Operator(v.r.Context(), id)
			if err != nil && !errors.Is(err, staff.ErrUnknown) {
				return err
			}
			p.Names[id] = o.Name
		}
	}
	return nil
}

var errNoAct = edge.E("unavailable").Because(errors.New("nothing here does what this request asks for"))

func (s *Server) approve(v *visit) error { return s.decide(v, actApprove) }

func (s *Server) refuse(v *visit) error { return s.decide(v, actRefuse) }

func (s *Server) decide(v *visit, act string) error {
	o, t, err := s.ordered(v, act, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if _, err := s.doDecide(v, o, t); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/requests/"+o.Object, http.StatusSeeOther)
	return nil
}
