package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"keyward/internal/apikey"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/signin"
	"keyward/internal/store"
)

func queryEscape(s string) string { return url.QueryEscape(s) }

// stepUpView names the act, so that the owner reads what the touch is for.
func (s *Server) stepUpView(v *visit, kind, object, to string, noScript bool) error {
	act, err := device.ParseAct(kind, object)
	if err != nil {
		return err
	}
	view := &StepUp{
		Base: v.base, Act: act.Kind, Object: act.Object, To: localPath(to), Cancel: localPath(to), Lasts: signin.FreshTouch,
		Asked: agentOf(v.ses.Agent), SignedIn: v.ses.CreatedAt, NeedsScript: noScript, DemoPasskey: s.set.Demo,
	}
	if act.Kind == device.ActApp {
		view.Cancel = "/" // its page asks by itself, and would lead straight back here
	}
	err = s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		o, err := s.SignIn.Offer(tx, v.ses, act)
		if err != nil {
			return err
		}
		view.offers(o)
		switch act.Kind {
		case device.ActKeysRemove:
			k, err := s.Devices.Key(tx, v.ses.Account, device.KeyID(act.Object))
			view.Name = k.Name
			return err
		case device.ActDevicesRemove:
			d, err := s.Devices.Device(tx, v.ses.Account, device.ID(act.Object))
			view.Name = d.Name
			return err
		case device.ActDevicesAdmit:
			j, err := s.SignIn.JoinByID(tx, v.ses.Account, act.Object)
			view.Name, view.Addr = agentOf(j.Agent).In(v.base.Lang), j.Addr
			return err
		case device.ActSubChange:
			sub, err := s.Accounts.Sub(tx, v.ses.Account, contain.SubOfAct(act))
			view.Name = sub.Name
			return err
		case device.ActBotKeyChange, device.ActBotKeyUnlock, device.ActBotKeyRelease, device.ActBotKeyWake, device.ActBotKeyRotate, device.ActBotKeyKeep, device.ActBotKeyUndo:
			k, err := s.BotKeys.ByID(tx, v.ses.Account, apikey.OfAct(act))
			view.Name = k.Purpose
			return err
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

// offers says which passkeys may, where it is not every one: a browser shows them in a
// window of the system, and people should know before why one of theirs is not in it.
func (view *StepUp) offers(o device.Offer) {
	if !o.Narrow {
		return
	}
	view.NewTil, view.Hard, view.None = o.Until, o.Hard, o.Refusal != nil
	for _, k := range o.Keys {
		view.With = append(view.With, k.Name)
	}
	for _, k := range o.Others {
		view.OnApp = append(view.OnApp, k.Name)
	}
}

func (s *Server) stepUpPage(v *visit) error {
	q := v.r.URL.Query()
	return s.stepUpView(v, q.Get("act"), q.Get("object"), q.Get("to"), false)
}

func (s *Server) stepUpNoScript(v *visit) error {
	act, err1 := field(v.r, "act", 64)
	object, err2 := field(v.r, "object", 184)
	to, err3 := field(v.r, "to", 512)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	return s.stepUpView(v, act, object, to, true)
}

func (s *Server) stepUpBegin(v *visit) error {
	var in struct {
		Act    string `json:"act"`
		Object string `json:"object"`
	}
	if err := edge.ReadJSON(v.r, &in); err != nil {
		return err
	}
	act, err := device.ParseAct(in.Act, in.Object)
	if err != nil {
		return err
	}
	options, err := s.SignIn.BeginStepUp(v.r.Context(), v.ses, act)
	if err != nil {
		return err
	}
	s.offerNonce(v.w)
	answer(v.w, http.StatusOK, map[string]any{"options": json.RawMessage(options)})
	return nil
}

func (s *Server) stepUpFinish(v *visit) error {
	var in struct {
		Act        string          `json:"act"`
		Object     string          `json:"object"`
		Credential json.RawMessage `json:"credential"`
		To         string          `json:"to"`
	}
	if err := edge.ReadJSON(v.r, &in); err != nil {
		return err
	}
	act, err := device.ParseAct(in.Act, in.Object)
	if err != nil {
		return err
	}
	f, err := s.from(v.r, v.ses.Remember)
	if err != nil {
		return err
	}
	iss, err := s.SignIn.FinishStepUp(v.r.Context(), v.cause, v.ses, act, in.Credential, f)
	if err != nil {
		return err
	}
	s.hand(v.w, iss, iss.Remember)
	answer(v.w, http.StatusOK, map[string]string{"to": localPath(in.To)})
	return nil
}

// touched tells a page that the touch its form needs was given already, so that
// the form is a plain one. An error only means that the person is asked again.
func (s *Server) touched(tx *store.Tx, v *visit, act device.Act) bool {
	kept, err := s.Devices.Kept(tx, v.ses.By(), act)
	return err == nil && kept
}
