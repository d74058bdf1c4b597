package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"keyward/internal/confirm"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

// answering says who answers. The proof is that this browser's key spoke just now: a cookie that was copied approves
// nothing from another machine.
func answering(v *visit) confirm.By { return confirm.By{Session: v.ses, Proved: v.proved() == nil} }

func (s *Server) confirmView(v *visit, status int, change func(*Confirm)) error {
	view := &Confirm{Base: v.base, ID: v.r.PathValue("id")}
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		i, err := s.Confirm.ByID(tx, v.ses.Account, view.ID)
		if errors.Is(err, confirm.ErrVoid) {
			view.State = "void" // what stands in it is nobody's word, so nothing of it is shown
			return nil
		}
		if err != nil {
			return err
		}
		view.State = string(i.State)
		view.Payment = Payment{Amount: i.Amount, Asset: i.Asset, Network: i.Network, Address: i.Address, Memo: i.Memo, MaxFee: i.MaxFee}
		view.AskedBy, view.Until, view.Uses, view.First, view.FirstAt = i.Client, i.ExpiresAt, i.To.Uses, i.To.Uses == 0, i.To.FirstAt
		view.All, view.Left = int(i.ExpiresAt.Sub(i.CreatedAt)/time.Second), max(int(i.ExpiresAt.Sub(tx.Now)/time.Second), 0)
		if tx.Now.Before(i.To.HoldUntil) {
			view.HoldUntil = i.To.HoldUntil
		}
		if err := s.askedFrom(tx, v, view, i); err != nil || i.State != confirm.Pending {
			return err
		}
		// Asked as if the browser's key had spoken: it does when the button is pressed.
		return view.cannot(s.Confirm.Enough(tx, confirm.By{Session: v.ses, Proved: true}, i))
	})
	if err != nil {
		return err
	}
	change(view)
	s.offerNonce(v.w)
	s.show(v.w, v.r, status, view)
	return nil
}

// askedFrom says where it was asked from, as far as the exchange said.
func (s *Server) askedFrom(tx *store.Tx, v *visit, view *Confirm, i confirm.Intent) error {
	view.FromHere = i.Device != "" && i.Device == v.ses.Device
	if i.Session == "" {
		if i.Device == "" {
			return nil
		}
		d, err := s.Devices.Device(tx, v.ses.Account, i.Device)
		if err == nil {
			view.From, view.FromKnown = Agent{d.Browser, d.Platform}, true
		}
		return nil // it may have been removed since
	}
	x, err := s.Sessions.ByID(tx, v.ses.Account, i.Session)
	if errors.Is(err, session.ErrUnknown) {
		return nil
	}
	view.From, view.FromKnown, view.FromAddr, view.FromPlace, view.FromSince = agentOf(x.Agent), true, x.Addr, v.place(x.Addr), x.CreatedAt
	return err
}

// cannot turns a refusal into what the page says in the place of the button.
func (c *Confirm) cannot(err error) error {
	var e *edge.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	until, _ := e.Extra("until").(string)
	at, _ := time.Parse(time.RFC3339, until)
	switch {
	case errors.Is(err, confirm.ErrNotEnough):
		c.Needs, _ = e.Extra("needs").([]string)
		c.Wait = at
	case errors.Is(err, confirm.ErrPower):
		c.Weak = true
	case errors.Is(err, confirm.ErrHeld), errors.Is(err, confirm.ErrFrozen), errors.Is(err, confirm.ErrRestricted):
		c.Stopped, c.StoppedTill = true, at
	case errors.Is(err, device.ErrTooNew):
		c.TooNew = at
	default:
		return err
	}
	return nil
}

// confirmNext is an address short enough to type on a second device: it leads to what waits longest.
func (s *Server) confirmNext(v *visit) error {
	to := "/activity"
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		waiting, err := s.Confirm.Waiting(tx, v.ses.Account)
		if len(waiting) > 0 {
			to = "/confirm/" + waiting[0].ID
		}
		return err
	})
	if err != nil {
		return err
	}
	v.done(to)
	return nil
}

func (s *Server) confirmPage(v *visit) error {
	return s.confirmView(v, http.StatusOK, func(*Confirm) {})
}

func (s *Server) confirmNoScript(v *visit) error {
	return s.confirmView(v, http.StatusOK, func(c *Confirm) { c.NeedsScript = true })
}

func (s *Server) confirmState(v *visit) error {
	state := "void"
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		i, err := s.Confirm.ByID(tx, v.ses.Account, v.r.PathValue("id"))
		if errors.Is(err, confirm.ErrVoid) {
			return nil
		}
		state = string(i.State)
		return err
	})
	if err != nil {
		return err
	}
	answer(v.w, http.StatusOK, map[string]string{"state": state})
	return nil
}

func (s *Server) confirmBegin(v *visit) error {
	if err := edge.ReadJSON(v.r, &struct{}{}); err != nil {
		return err
	}
	options, err := s.Confirm.Begin(v.r.Context(), answering(v), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	answer(v.w, http.StatusOK, map[string]any{"options": json.RawMessage(options)})
	return nil
}

func (s *Server) confirmFinish(v *visit) error {
	var in struct {
		Credential json.RawMessage `json:"credential"`
	}
	if err := edge.ReadJSON(v.r, &in); err != nil {
		return err
	}
	i, err := s.Confirm.Approve(v.r.Context(), v.cause, answering(v), v.r.PathValue("id"), in.Credential)
	if err != nil {
		return err
	}
	answer(v.w, http.StatusOK, map[string]string{"to": "/confirm/" + i.ID})
	return nil
}

func (s *Server) confirmRefuse(v *visit) error {
	id := v.r.PathValue("id")
	err := s.Confirm.Refuse(v.r.Context(), v.cause, v.ses, id)
	if err != nil && !errors.Is(err, confirm.ErrDecided) && !errors.Is(err, confirm.ErrExpired) {
		return err
	}
	v.done("/confirm/" + id) // which says how it stands
	return nil
}

// confirmFreeze freezes first: from then on nothing is approved, whatever becomes of the refusal.
func (s *Server) confirmFreeze(v *visit) error {
	id := v.r.PathValue("id")
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		_, err := s.Confirm.ByID(tx, v.ses.Account, id)
		if errors.Is(err, confirm.ErrVoid) {
			err = nil
		}
		return err
	}); err != nil {
		return err
	}
	e, err := s.Contain.Freeze(v.r.Context(), v.cause, v.ses.Account, "here")
	if err != nil {
		return err
	}
	s.drop(v.w)
	if err := s.Confirm.Refuse(v.r.Context(), v.cause, v.ses, id); err != nil && !errors.Is(err, confirm.ErrDecided) && !errors.Is(err, confirm.ErrExpired) {
		s.Logger.WarnContext(v.r.Context(), "the account is frozen, and the withdrawal was not refused; nobody can approve it", "intent", id, "cause", err)
	}
	s.show(v.w, v.r, http.StatusOK, &FreezeLink{Base: s.signedOut(v.r), State: LinkDone, Took: e.Took})
	return nil
}
