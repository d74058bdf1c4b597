package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

// freezePage shows the effect first; signed out it asks for the address.
func (s *Server) freezePage(w http.ResponseWriter, r *http.Request) {
	if _, err := s.current(r); err != nil {
		if _, can := edge.RefreshCookie.Read(r); can && renewable(err) && r.URL.Query().Get("out") == "" {
			s.turnAway(w, r, err)
			return
		}
		s.show(w, r, http.StatusOK, &FreezeOut{Base: s.base(r)})
		return
	}
	s.signedIn(func(v *visit) error {
		if v.acc.Status == account.Frozen {
			v.done("/freeze/lift")
			return nil
		}
		view := &Freeze{Base: v.base}
		if err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
			h, err := s.holdings(tx, v)
			view.Sessions, view.Devices = len(h.live), len(h.deviceViews(v))
			return err
		}); err != nil {
			return err
		}
		s.show(v.w, v.r, http.StatusOK, view)
		return nil
	})(w, r)
}

func (s *Server) freeze(v *visit) error { return s.freezeNow(v) }

func (s *Server) freezeNow(v *visit) error {
	e, err := s.Contain.Freeze(v.r.Context(), v.cause, v.ses.Account, "here")
	if err != nil {
		return err
	}
	s.drop(v.w) // the freeze ended this session too
	s.show(v.w, v.r, http.StatusOK, &FreezeLink{Base: s.signedOut(v.r), State: LinkDone, Took: e.Took})
	return nil
}

func (s *Server) signedOut(r *http.Request) Base {
	b := s.base(r)
	b.Path = "/freeze"
	return b
}

// freezeMail answers the same for every address, known or not; the mail leaves
// through a job (ASVS 6.3.8).
func (s *Server) freezeMail(w http.ResponseWriter, r *http.Request) {
	mail, err := field(r, "mail", 254)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	norm, err := account.NormalizeMail(mail)
	if err != nil {
		s.show(w, r, http.StatusUnprocessableEntity, &FreezeOut{Base: s.signedOut(r), Mail: mail, BadMail: true})
		return
	}
	agent := device.Agent(r.UserAgent()).String()
	if err := s.DB.Housekeeping(r.Context(), func(tx *store.Tx) error {
		return s.Notify.AskFreezeLink(tx, edge.CauseFrom(r.Context()), norm, agent)
	}); err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, &FreezeOut{Base: s.signedOut(r), Mail: mail, Sent: true})
}

// linkPage asks before a link acts: mail scanners open links.
func (s *Server) freezeLinkPage(w http.ResponseWriter, r *http.Request) {
	t := r.URL.Query().Get("t")
	v := &FreezeLink{Base: s.signedOut(r), State: LinkAsk, Token: t}
	err := s.DB.View(r.Context(), func(tx *store.Tx) error {
		_, err := s.Accounts.OpenFreezeToken(tx, t)
		return err
	})
	switch {
	case errors.Is(err, account.ErrLinkExpired):
		v.State, v.Token = LinkExpired, ""
	case err != nil:
		edge.Fail(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, v)
}

func (s *Server) freezeLink(w http.ResponseWriter, r *http.Request) {
	t, err := field(r, "t", 256)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	cause := edge.CauseFrom(r.Context())
	cause.Actor = "link:freeze"
	e, err := s.Contain.FreezeByLink(r.Context(), cause, t)
	switch {
	case errors.Is(err, account.ErrLinkExpired):
		s.show(w, r, http.StatusGone, &FreezeLink{Base: s.signedOut(r), State: LinkExpired})
	case err != nil:
		edge.Fail(w, r, err)
	default:
		s.show(w, r, http.StatusOK, &FreezeLink{Base: s.signedOut(r), State: LinkDone, Took: e.Took})
	}
}

func (s *Server) liftPage(v *visit) error {
	if v.base.Who.Frozen == nil {
		v.done("/")
		return nil
	}
	s.offerNonce(v.w)
	view := &FreezeLift{Base: v.base, At: v.base.Who.Frozen.At, How: v.base.Who.Frozen.How}
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		view.Touched = s.touched(tx, v, device.Act{Kind: device.ActFreezeLift})
		return nil
	}); err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) lift(v *visit) error {
	if err := s.Contain.Lift(v.r.Context(), v.cause, v.ses); err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidLiftFreeze, At: s.DB.Now()})
	v.done("/")
	return nil
}

func (s *Server) lostPhone(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, &LostPhone{Base: s.baseMaybe(w, r)})
}

func (s *Server) official(w http.ResponseWriter, r *http.Request) {
	v := &Official{Base: s.baseMaybe(w, r), Hosts: []OfficialHost{{Host: s.host, Domain: s.domain}}, MailFrom: s.set.MailFrom}
	for _, h := range s.set.Official {
		if h.Host != s.host {
			v.Hosts = append(v.Hosts, h)
		}
	}
	for _, a := range s.set.Android {
		v.Apps = append(v.Apps, OfficialApp{appAndroid, a.Package})
	}
	for _, id := range s.set.IOS {
		_, bundle, _ := strings.Cut(id, ".") // people never see the team
		v.Apps = append(v.Apps, OfficialApp{appIOS, bundle})
	}
	s.show(w, r, http.StatusOK, v)
}

func (s *Server) help(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, &Help{Base: s.baseMaybe(w, r)})
}

// baseMaybe is the frame of a page that reads signed in and out.
func (s *Server) baseMaybe(w http.ResponseWriter, r *http.Request) Base {
	b := s.base(r)
	live, err := s.current(r)
	if err != nil {
		return b
	}
	v := &visit{w: w, r: r, ses: live.Session, base: b}
	if s.fill(v, live.Expires) != nil {
		return b
	}
	return v.base
}

func (s *Server) verifyPage(w http.ResponseWriter, r *http.Request) {
	t := r.URL.Query().Get("t")
	v, status := &VerifyMail{Base: s.base(r)}, http.StatusOK
	v.Path = "/mail/verify"
	c, err := s.SignIn.PeekContact(r.Context(), t)
	switch {
	case err == nil:
		v.State, v.Token, v.Mail, v.MadeAt, v.MadeOn = LinkAsk, t, c.Mail, c.MadeAt, agentIn(c.Agent)
	case errors.Is(err, account.ErrLinkUsed):
		v.State, status = LinkUsed, http.StatusGone
	case errors.Is(err, account.ErrLinkExpired):
		v.State, status = LinkExpired, http.StatusGone
	default:
		edge.Fail(w, r, err)
		return
	}
	s.show(w, r, status, v)
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) {
	t, err := field(r, "t", 256)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	cause := edge.CauseFrom(r.Context())
	cause.Actor = "link:verify"
	c, err := s.SignIn.ConfirmContact(r.Context(), cause, t)
	v, status := &VerifyMail{Base: s.base(r)}, http.StatusOK
	v.Path = "/mail/verify"
	switch {
	case err == nil:
		v.State, v.Mail = LinkDone, c.Value
	case errors.Is(err, account.ErrLinkUsed):
		v.State, status = LinkUsed, http.StatusGone
	case errors.Is(err, account.ErrLinkExpired), errors.Is(err, account.ErrContactTaken):
		// A taken address reads as an expired link: the page must not tell a stranger
		// that somebody else has verified it.
		v.State, status = LinkExpired, http.StatusGone
	default:
		edge.Fail(w, r, err)
		return
	}
	s.show(w, r, status, v)
}

func (s *Server) verifySend(v *visit) error {
	if v.mail.ID == "" || v.mail.Verified() {
		v.done("/")
		return nil
	}
	if err := s.DB.Housekeeping(v.r.Context(), func(tx *store.Tx) error {
		return s.Notify.AskCheck(tx, v.cause, v.ses.Account, v.mail.ID)
	}); err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidSendVerifyMail, Name: v.mail.Value, At: s.DB.Now()})
	v.done("/")
	return nil
}

// look sets language or theme. It needs no session and changes nothing but how
// pages look in this browser.
func (s *Server) look(w http.ResponseWriter, r *http.Request) {
	langWanted, err1 := field(r, "lang", 8)
	theme, err2 := field(r, "theme", 8)
	to, err3 := field(r, "to", 512)
	if err := errors.Join(err1, err2, err3); err != nil {
		edge.Fail(w, r, errForm.Because(err))
		return
	}
	const year = 365 * 24 * time.Hour
	if langWanted == "en" || langWanted == "ko" {
		edge.LangCookie.Set(w, langWanted, year)
	}
	switch Theme(theme) {
	case Light, Dark:
		edge.ThemeCookie.Set(w, theme, year)
	case System:
		edge.ThemeCookie.Clear(w)
	}
	http.Redirect(w, r, localPath(to), http.StatusSeeOther)
}

func (s *Server) sessionDevice(v *visit, id string) (device.ID, bool) {
	var dev device.ID
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		x, err := s.Sessions.ByID(tx, v.ses.Account, session.ID(id))
		dev = x.Device
		return err
	})
	return dev, err == nil
}
