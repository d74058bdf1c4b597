package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/signin"
	"keyward/internal/store"
)

// joinCookie carries the code of a new device to the page that shows it, in the
// browser that asked for it and nowhere else: the database keeps no code.
const joinCookie = "__Host-kw_join"

func keepJoinCode(w http.ResponseWriter, code string, life time.Duration) {
	c := &http.Cookie{Name: joinCookie, Value: code, Path: "/", MaxAge: int(life / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if code == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func (s *Server) joinPage(w http.ResponseWriter, r *http.Request) {
	if _, err := s.current(r); err == nil {
		http.Redirect(w, r, "/devices/add", http.StatusSeeOther)
		return
	}
	f, err := s.from(r, false)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	got, err := s.SignIn.JoinOf(r.Context(), f)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	state := got.State
	view := &Join{Base: s.base(r), State: string(state), Until: got.Until, For: got.For}
	c, err := r.Cookie(joinCookie)
	switch {
	case state == signin.JoinShown && err == nil:
		view.Code = c.Value
	case state == signin.JoinShown:
		view.State = "" // this browser has forgotten it: another one
	case state == signin.JoinExpired && err == nil:
		view.State = "over"
		keepJoinCode(w, "", 0)
	case state == signin.JoinExpired:
		view.State = ""
	}
	s.offerNonce(w)
	s.show(w, r, http.StatusOK, view)
}

func (s *Server) joinShow(w http.ResponseWriter, r *http.Request) {
	f, err := s.from(r, false)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	code, err := s.SignIn.ShowCode(r.Context(), f)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	if code.DeviceCookie != "" {
		edge.DeviceCookie.Set(w, code.DeviceCookie, 400*24*time.Hour)
	}
	keepJoinCode(w, code.Text, seconds(s.DB.Now(), code.Until)+time.Minute) // a little longer, so that the page can say that it is over
	if wantsHTML(r) {
		http.Redirect(w, r, "/new", http.StatusSeeOther)
		return
	}
	answer(w, http.StatusOK, map[string]string{"to": "/new"})
}

func (s *Server) joinState(w http.ResponseWriter, r *http.Request) {
	f, err := s.from(r, false)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	got, err := s.SignIn.JoinOf(r.Context(), f)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	if got.State == signin.JoinExpired {
		got.State = "over"
	}
	answer(w, http.StatusOK, map[string]string{"state": string(got.State)})
}

func (s *Server) joinBegin(w http.ResponseWriter, r *http.Request) {
	if err := edge.ReadJSON(r, &struct{}{}); err != nil {
		edge.Fail(w, r, err)
		return
	}
	f, err := s.from(r, false)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	options, err := s.SignIn.BeginJoin(r.Context(), f)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	s.offerNonce(w)
	answer(w, http.StatusOK, map[string]any{"options": json.RawMessage(options)})
}

func (s *Server) joinFinish(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Credential json.RawMessage `json:"credential"`
		Name       string          `json:"name"`
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
	entered, err := s.SignIn.FinishJoin(r.Context(), edge.CauseFrom(r.Context()), f, in.Name, in.Credential)
	if err != nil {
		edge.Fail(w, r, err)
		return
	}
	keepJoinCode(w, "", 0)
	s.handEntered(w, entered, false)
	answer(w, http.StatusOK, map[string]string{"to": "/devices/change"})
}

func (s *Server) newDeviceView(v *visit, status int, change func(*NewDevice)) error {
	view := &NewDevice{Base: v.base, Address: s.host + "/new"}
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		switch j, err := s.SignIn.OpenJoin(tx, v.ses.Account); {
		case err == nil:
			view.Open = j.ID
		case !errors.Is(err, signin.ErrJoinGone):
			return err
		}
		var err error
		view.Strange, err = s.SignIn.Strange(tx, v.ses)
		return err
	}); err != nil {
		return err
	}
	change(view)
	s.offerNonce(v.w)
	s.show(v.w, v.r, status, view)
	return nil
}

func (s *Server) newDevicePage(v *visit) error {
	return s.newDeviceView(v, http.StatusOK, func(*NewDevice) {})
}

// newDeviceCode takes a typed code. A copied cookie types none: the browser's own
// key has to have spoken.
func (s *Server) newDeviceCode(v *visit) error {
	if err := v.proved(); err != nil {
		return err
	}
	code, err := field(v.r, "code", 256)
	if err != nil {
		return err
	}
	ok, wait := s.Limiter.AllowAddr(edge.ClassJoinCode, v.cause.Addr)
	if ok {
		ok, wait = s.Limiter.Allow(edge.ClassJoinCode, "account:"+string(v.ses.Account))
	}
	if !ok {
		return s.newDeviceView(v, http.StatusTooManyRequests, func(n *NewDevice) { n.RetryIn = wait })
	}
	j, err := s.SignIn.ClaimJoin(v.r.Context(), v.cause, v.ses, code)
	switch {
	case errors.Is(err, signin.ErrJoinOpen):
		return s.newDeviceView(v, http.StatusConflict, func(*NewDevice) {})
	case errors.Is(err, signin.ErrJoinCode):
		edge.Refused(v.r, err)
		return s.newDeviceView(v, http.StatusUnprocessableEntity, func(n *NewDevice) { n.Bad = true })
	case err != nil:
		return err
	}
	v.done("/joins/" + j.ID)
	return nil
}

func (s *Server) joined(v *visit) (j signin.Join, touched bool, err error) {
	err = s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		if j, err = s.SignIn.JoinByID(tx, v.ses.Account, v.r.PathValue("id")); err != nil {
			return err
		}
		touched = s.touched(tx, v, device.Act{Kind: device.ActDevicesAdmit, Object: j.ID})
		return nil
	})
	return j, touched, err
}

// joinAnswerPage puts the newcomer beside the device that is asked. What they have in
// common or not is the whole of what an owner can see of a relay.
func (s *Server) joinAnswerPage(v *visit) error {
	j, touched, err := s.joined(v)
	if err != nil {
		return err
	}
	own := v.cause.Addr
	view := &JoinAnswer{
		Base: v.base, ID: j.ID, State: string(j.State), Until: j.Expires, Gets: signin.FreshTouch, Touched: touched, Elsewhere: j.Session != string(v.ses.ID),
		New: Side{Agent: agentOf(j.Agent), Place: v.place(j.Addr), Addr: j.Addr},
		Own: Side{Agent: agentOf(v.ses.Agent), Place: v.place(own.String()), Addr: own.String()},
	}
	view.Network = "other"
	if at, err := netip.ParseAddr(j.Addr); err == nil {
		if edge.Neighbours(at, own) {
			view.Network = "same"
		}
		view.Far = s.Places.Apart(at, own)
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) joinAnswerState(v *visit) error {
	j, _, err := s.joined(v)
	if err != nil {
		return err
	}
	answer(v.w, http.StatusOK, map[string]string{"state": string(j.State)})
	return nil
}

func (s *Server) joinAdmit(v *visit) error {
	j, err := s.SignIn.AdmitJoin(v.r.Context(), v.cause, v.ses, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.done("/joins/" + j.ID)
	return nil
}

func (s *Server) joinRefuse(v *visit) error {
	j, _, err := s.joined(v)
	if err != nil {
		return err
	}
	if err := s.SignIn.RefuseJoin(v.r.Context(), v.cause, v.ses, j.ID); err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidRefuseJoin, Name: agentOf(j.Agent).In(v.base.Lang), At: s.DB.Now()})
	v.done("/devices")
	return nil
}

// changePage reads how far a change of phones is; nothing of it is remembered.
func (s *Server) changePage(v *visit) error {
	view := &ChangePhone{Base: v.base}
	old := v.r.URL.Query().Get("old")
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		h, err := s.holdings(tx, v)
		if err != nil {
			return err
		}
		for _, d := range h.deviceViews(v) {
			if d.ID == old {
				view.Old = &d
			}
			view.Devices = append(view.Devices, d)
		}
		if old == "" {
			return nil
		}
		c, err := s.Contain.PlanHandover(tx, v.ses, device.ID(old))
		if err != nil {
			return err
		}
		s.fillChange(v, view, c, h)
		view.Touched = s.touched(tx, v, device.Act{Kind: device.ActDevicesRemove, Object: old})
		return nil
	})
	if err != nil {
		return err
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) fillChange(v *visit, view *ChangePhone, c contain.Handover, h holdings) {
	if view.Old == nil { // it holds nothing any more
		view.Old = &Device{ID: string(c.Old.ID), Agent: Agent{c.Old.Browser, c.Old.Platform}, Here: c.Self}
	}
	for _, k := range c.Moves {
		view.Moves = append(view.Moves, k.Name)
	}
	for _, k := range c.Stays {
		view.Stays = append(view.Stays, k.Name)
	}
	for _, x := range c.Sessions {
		view.Sessions = append(view.Sessions, sessionOf(x, v, h.byKey))
	}
	view.Apps = len(c.Apps)
	for _, k := range c.BotKeys {
		view.BotKeys = append(view.BotKeys, k.Purpose)
	}
	for _, n := range c.New {
		view.New = append(view.New, NewPasskey{Name: n.Key.Name, On: Agent{n.On.Browser, n.On.Platform}, Here: n.On.ID != "" && n.On.ID == v.ses.Device, Tested: n.Tested})
	}
	view.Tested, view.Until = c.Tested(), c.Until
	for _, k := range c.With {
		view.With = append(view.With, k.Name)
	}
}

func (s *Server) deviceRetire(v *visit) error {
	im, _, _, _, err := s.deviceImpact(v)
	if err != nil {
		return err
	}
	e, err := s.Contain.RetireDevice(v.r.Context(), v.cause, v.ses, im.Device.ID)
	if err != nil {
		return err
	}
	if im.Self {
		s.drop(v.w)
		v.done("/signin?note=retired")
		return nil
	}
	s.leaveReceipt(v.w, receiptOf(DidRetireDevice, im.Device.Name, e))
	v.done("/devices")
	return nil
}
