package web

import (
	"errors"
	"net/http"
	"slices"

	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

func (s *Server) devices(v *visit) error {
	view := &Devices{Base: v.base}
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		h, err := s.holdings(tx, v)
		if err != nil {
			return err
		}
		view.List, view.Week = h.deviceViews(v), h.week(v)
		for _, x := range h.ended {
			view.Ended = append(view.Ended, endedOf(x))
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

// receiptOf is the proof after an act: how fast it held everywhere.
func receiptOf(did Did, name string, e contain.Effect) Receipt {
	r := Receipt{Did: did, Name: name, Count: e.Sessions, Keys: e.APIKeys, Added: e.Added, At: e.EffectiveAt, Took: e.Took}
	if e.Gates.Lapsed > 0 {
		r.OfflineUntil = e.Gates.OfflineUntil
	}
	return r
}

func (s *Server) sessionEndPage(v *visit) error {
	var view *Impact
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		h, err := s.holdings(tx, v)
		if err != nil {
			return err
		}
		for _, x := range h.live {
			if x.ID == sessionID(v) {
				sv := sessionOf(x, v, h.byKey)
				view = &Impact{Base: v.base, Of: OfSession, ID: string(x.ID), Name: sv.Agent.In(v.base.Lang), Here: sv.Here, Sessions: []Session{sv}, KeysLeft: len(h.keys)}
			}
		}
		if view == nil {
			return session.ErrUnknown
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) sessionEnd(v *visit) error {
	id := sessionID(v)
	if id == v.ses.ID {
		return s.signOut(v)
	}
	if err := v.proved(); err != nil {
		return err
	}
	var name string
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		x, err := s.Sessions.ByID(tx, v.ses.Account, id)
		name = agentOf(x.Agent).In(v.base.Lang)
		return err
	}); err != nil {
		return err
	}
	e, err := s.Contain.EndSession(v.r.Context(), v.cause, v.ses, id)
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, receiptOf(DidEndSession, name, e))
	v.done("/devices")
	return nil
}

func (s *Server) endOthers(v *visit) error {
	e, err := s.Contain.EndOthers(v.r.Context(), v.cause, v.ses)
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, receiptOf(DidEndOthers, "", e))
	v.done("/devices")
	return nil
}

// deviceImpact reads what removing a device would stop.
func (s *Server) deviceImpact(v *visit) (im contain.Impact, all int, makers map[device.KeyID]device.Key, touched bool, err error) {
	err = s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		if im, err = s.Contain.PreviewDevice(tx, v.ses, device.ID(v.r.PathValue("id"))); err != nil {
			return err
		}
		touched = s.touched(tx, v, device.Act{Kind: device.ActDevicesRemove, Object: string(im.Device.ID)})
		h, err := s.holdings(tx, v)
		all, makers = len(h.keys), h.byKey
		return err
	})
	return im, all, makers, touched, err
}

func (s *Server) deviceRemovePage(v *visit) error { return s.showRemoval(v, http.StatusOK) }

func (s *Server) showRemoval(v *visit, status int) error {
	im, all, makers, touched, err := s.deviceImpact(v)
	if err != nil {
		return err
	}
	view := &Impact{Base: v.base, Of: OfDevice, ID: string(im.Device.ID), Name: im.Device.Name, Here: im.Self, KeysLeft: all - len(im.Keys) - len(im.Added), KeepOne: im.LastKept, Act: device.ActDevicesRemove}
	if touched {
		view.Act = ""
	}
	for _, x := range im.Sessions {
		view.Sessions = append(view.Sessions, sessionOf(x, v, makers))
	}
	view.Bound = len(im.Sessions) > 0 && !slices.ContainsFunc(im.Sessions, func(x session.Session) bool { return x.JKT == "" && x.DeviceJKT == "" })
	for _, k := range im.Keys {
		view.Passkeys = append(view.Passkeys, k.Name)
		view.InManager = view.InManager || k.Grade == device.Synced
	}
	for _, k := range im.Added {
		a := AddedKey{passkeyOf(k, v.ses.Device), k.ID == v.ses.Key}
		if a.InHand {
			view.KeysLeft++
		}
		view.Added = append(view.Added, a)
	}
	for _, k := range im.Shared {
		view.Shared = append(view.Shared, SharedKey{ID: string(k.ID), Name: k.Name, Manager: k.Provider})
	}
	for _, k := range im.BotKeys {
		view.BotKeys = append(view.BotKeys, botKeyOf(v, k, nil))
	}
	connected, err := s.OAuth.Connected(v.r.Context(), v.ses.Account)
	if err != nil {
		return err
	}
	for _, c := range connected {
		if c.Device == im.Device.ID && !slices.Contains(view.Apps, c.Name) {
			view.Apps = append(view.Apps, c.Name)
		}
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, status, view)
	return nil
}

func (s *Server) deviceRemove(v *visit) error {
	im, _, _, _, err := s.deviceImpact(v)
	if err != nil {
		return err
	}
	bots, err := fields(v.r, "keep", 64)
	if err != nil {
		return err
	}
	keys, err := fields(v.r, "keepkey", 64)
	if err != nil {
		return err
	}
	var keep contain.Keep
	for _, id := range bots {
		keep.APIKeys = append(keep.APIKeys, apikey.ID(id))
	}
	for _, id := range keys {
		keep.Keys = append(keep.Keys, device.KeyID(id))
	}
	e, err := s.Contain.RemoveDevice(v.r.Context(), v.cause, v.ses, im.Device.ID, keep)
	if errors.Is(err, device.ErrLastKey) && im.LastKept && isForm(v.r) {
		edge.Refused(v.r, err)
		return s.showRemoval(v, http.StatusConflict) // which says that one has to be kept
	}
	if err != nil {
		return err
	}
	if im.Self {
		s.drop(v.w)
		v.done("/signin?note=signed-out")
		return nil
	}
	s.leaveReceipt(v.w, receiptOf(DidRemoveDevice, im.Device.Name, e))
	v.done("/devices")
	return nil
}

func (s *Server) deviceMine(v *visit) error {
	if err := v.proved(); err != nil { // a copied cookie must not answer "this was me"
		return err
	}
	im, _, _, _, err := s.deviceImpact(v)
	if err != nil {
		return err
	}
	for _, x := range im.Sessions {
		if err := s.Contain.ThisWasMe(v.r.Context(), v.cause, v.ses, x.ID); err != nil {
			return err
		}
	}
	s.leaveReceipt(v.w, Receipt{Did: DidAnswerMine, Name: im.Device.Name, At: s.DB.Now()})
	v.done("/devices")
	return nil
}

// notMeView is the page of "this was not me", for a device or for an event.
func (s *Server) notMeView(v *visit, id device.ID, rec *audit.Record) (*NotMe, []session.Session, error) {
	view := &NotMe{Base: v.base, Action: v.r.URL.Path}
	since := v.base.Now
	if rec != nil {
		view.Sentence, view.At, view.Addr = audit.Sentence(*rec, v.base.Lang), rec.At, rec.Addr
		view.Place = v.place(rec.Addr)
		since = rec.At
	}
	var live []session.Session
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		h, err := s.holdings(tx, v)
		if err != nil {
			return err
		}
		for _, d := range h.deviceViews(v) {
			if d.ID == string(id) {
				view.Device = &d
				if rec == nil {
					since = d.FirstSeen
				}
			}
		}
		for _, x := range h.live {
			if x.Device == id {
				live = append(live, x)
			}
		}
		for _, k := range h.keys {
			if k.CreatedAt.After(since) {
				view.KeySince = true
			}
		}
		return nil
	})
	return view, live, err
}

func (s *Server) deviceNotMePage(v *visit) error {
	view, _, err := s.notMeView(v, device.ID(v.r.PathValue("id")), nil)
	if err != nil {
		return err
	}
	if view.Device == nil {
		return device.ErrUnknown
	}
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) deviceNotMe(v *visit) error {
	view, live, err := s.notMeView(v, device.ID(v.r.PathValue("id")), nil)
	if err != nil {
		return err
	}
	if view.Device == nil {
		return device.ErrUnknown
	}
	return s.disown(v, view, live)
}

// disown ends what the owner does not know, and freezes if they asked to.
func (s *Server) disown(v *visit, view *NotMe, live []session.Session) error {
	if err := v.proved(); err != nil {
		return err
	}
	freeze, err := field(v.r, "freeze", 8)
	if err != nil {
		return err
	}
	var name string
	if view.Device != nil {
		if name = view.Device.Name; name == "" {
			name = view.Device.Agent.In(v.base.Lang)
		}
	}
	var total contain.Effect
	for _, x := range live {
		if x.ID == v.ses.ID {
			continue // the session that says so stays; ending it is "Sign out"
		}
		e, err := s.Contain.NotMe(v.r.Context(), v.cause, v.ses, x.ID)
		if err != nil {
			return err
		}
		e.Sessions += total.Sessions
		total = e
	}
	if freeze == "yes" {
		return s.freezeNow(v)
	}
	if total.EffectiveAt.IsZero() {
		total.EffectiveAt = s.DB.Now()
	}
	s.leaveReceipt(v.w, receiptOf(DidAnswerNotMine, name, total))
	if view.KeySince {
		v.done("/passkeys")
		return nil
	}
	v.done("/devices")
	return nil
}
