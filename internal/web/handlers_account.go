package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/store"
)

// home is the checkup: what needs the person first, then what can act for them.
func (s *Server) home(v *visit) error {
	view := &Home{Base: v.base, MailVerified: v.mail.Verified(), Suspect: v.ses.SuspectAt}
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		h, err := s.holdings(tx, v)
		if err != nil {
			return err
		}
		codes, err := s.SignIn.Codes(tx, v.ses.Account)
		if err != nil {
			return err
		}
		view.CodesLeft, view.CodesMade, view.CodesChecked = codes.Left, codes.MadeAt, codes.RehearsedAt
		view.Changed = codes.MadeAt
		for _, k := range h.keys {
			view.Passkeys = append(view.Passkeys, passkeyOf(k, v.ses.Device))
			if k.CreatedAt.After(view.Changed) {
				view.Changed = k.CreatedAt
			}
		}
		view.Sessions = len(h.live)
		for _, d := range h.deviceViews(v) {
			view.Devices++
			if d.FirstSeen.After(view.NewestDevice) {
				view.NewestDevice = d.FirstSeen
			}
			if d.NeedsAnswer {
				view.Unanswered = append(view.Unanswered, d)
			}
		}
		waiting, err := s.Confirm.Waiting(tx, v.ses.Account)
		if err != nil {
			return err
		}
		for _, i := range waiting {
			view.Waiting = append(view.Waiting, Asked{ID: i.ID, Sum: i.Amount + " " + i.Asset})
		}
		return s.homeBotKeys(tx, v, view)
	})
	if err != nil {
		return err
	}
	if err := s.homeApps(v, view); err != nil {
		return err
	}
	recs, err := s.Log.Activity(v.r.Context(), s.DB, string(v.ses.Account), "", 100)
	if err != nil {
		return err
	}
	for i, rec := range recs {
		if i == 0 {
			view.Latest = rec.At
		}
		if v.base.Now.Sub(rec.At) < 7*24*time.Hour {
			view.Events++
		}
	}
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) passkeys(v *visit) error {
	view := &Passkeys{Base: v.base}
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		keys, err := s.Devices.Keys(tx, v.ses.Account)
		if err != nil {
			return err
		}
		view.Signals = s.signals(v, keys)
		for _, k := range keys {
			view.Keys = append(view.Keys, passkeyOf(k, v.ses.Device))
		}
		removed, err := s.Devices.RemovedKeys(tx, v.ses.Account)
		for _, k := range removed {
			if v.base.Now.Sub(k.RemovedAt) < 30*24*time.Hour {
				p := passkeyOf(k, "")
				view.Removed = append(view.Removed, RemovedPasskey{Name: p.Name, Kind: p.Kind, Grade: p.Grade, At: k.RemovedAt, ByWhom: RemovedByYou})
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

// signals is the complete list for the browser's passkey manager: a partial one
// would hide passkeys that still work (WebAuthn L3 §5.1.10.3).
func (s *Server) signals(v *visit, keys []device.Key) *Signals {
	sig := &Signals{RPID: s.Devices.RPID(), UserHandle: base64.RawURLEncoding.EncodeToString(v.acc.Handle), Name: v.mail.Value, DisplayName: v.mail.Value}
	for _, k := range keys {
		if k.Kind != device.Passkey { // the key of an app, of which no passkey manager knows
			continue
		}
		sig.Credentials = append(sig.Credentials, base64.RawURLEncoding.EncodeToString(k.CredentialID))
	}
	return sig
}

func (s *Server) passkeyAddView(v *visit, kind string, noScript bool) error {
	view := &PasskeyAdd{Base: v.base, SecurityKey: kind == "security-key", NeedsScript: noScript}
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		view.Strange, err = s.SignIn.Strange(tx, v.ses)
		return err
	}); err != nil {
		return err
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) passkeyAdd(v *visit) error {
	return s.passkeyAddView(v, v.r.URL.Query().Get("kind"), false)
}

func (s *Server) passkeyAddNoScript(v *visit) error {
	kind, err := field(v.r, "kind", 32)
	if err != nil {
		return err
	}
	return s.passkeyAddView(v, kind, true)
}

func (s *Server) passkeyBegin(v *visit) error {
	if err := edge.ReadJSON(v.r, &struct{}{}); err != nil {
		return err
	}
	options, err := s.SignIn.BeginAddKey(v.r.Context(), v.ses)
	if errors.Is(err, device.ErrStepUp) {
		// Not a refusal: the page asks for two touches, and this is where it learns
		// that the first is still to come.
		answer(v.w, http.StatusOK, map[string]any{"needs": map[string]string{"act": device.ActKeysAdd}})
		return nil
	}
	if err != nil {
		return err
	}
	answer(v.w, http.StatusOK, map[string]any{"options": json.RawMessage(options)})
	return nil
}

func (s *Server) passkeyFinish(v *visit) error {
	var in struct {
		Credential json.RawMessage `json:"credential"`
		Name       string          `json:"name"`
	}
	if err := edge.ReadJSON(v.r, &in); err != nil {
		return err
	}
	k, err := s.SignIn.FinishAddKey(v.r.Context(), v.cause, v.ses, in.Name, in.Credential, nil)
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidAddPasskey, Name: k.Name, At: s.DB.Now()})
	answer(v.w, http.StatusOK, map[string]string{"to": "/passkeys"})
	return nil
}

func (s *Server) key(v *visit) (k device.Key, all int, err error) {
	err = s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		if k, err = s.Devices.Key(tx, v.ses.Account, device.KeyID(v.r.PathValue("id"))); err != nil {
			return err
		}
		keys, err := s.Devices.Keys(tx, v.ses.Account)
		all = len(keys)
		return err
	})
	if err == nil && !k.RemovedAt.IsZero() {
		err = device.ErrKeyUnknown
	}
	return k, all, err
}

func (s *Server) passkeyRenamePage(v *visit) error {
	k, _, err := s.key(v)
	if err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, &PasskeyRename{Base: v.base, Key: passkeyOf(k, v.ses.Device)})
	return nil
}

func (s *Server) passkeyRename(v *visit) error {
	name, err := field(v.r, "name", 512)
	if err != nil {
		return err
	}
	k, _, err := s.key(v)
	if err != nil {
		return err
	}
	err = s.SignIn.RenameKey(v.r.Context(), v.cause, v.ses, k.ID, name)
	if errors.Is(err, device.ErrName) && wantsHTML(v.r) {
		k.Name = name
		s.show(v.w, v.r, http.StatusUnprocessableEntity, &PasskeyRename{Base: v.base, Key: passkeyOf(k, v.ses.Device), BadName: true})
		return nil
	}
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidRenamePasskey, Name: name, At: s.DB.Now()})
	v.done("/passkeys")
	return nil
}

func (s *Server) passkeyRemovePage(v *visit) error {
	k, all, err := s.key(v)
	if err != nil {
		return err
	}
	view := &Impact{Base: v.base, Of: OfPasskey, ID: string(k.ID), Name: k.Name, Passkeys: []string{k.Name}, KeysLeft: all - 1, Act: device.ActKeysRemove, Grade: Grade(k.Grade)}
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		if s.touched(tx, v, device.Act{Kind: device.ActKeysRemove, Object: string(k.ID)}) {
			view.Act = ""
		}
		h, err := s.holdings(tx, v)
		for _, x := range h.live {
			if x.Key == k.ID && x.ID != v.ses.ID {
				view.Sessions = append(view.Sessions, sessionOf(x, v, h.byKey))
			}
		}
		return err
	}); err != nil {
		return err
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) passkeyRemove(v *visit) error {
	k, _, err := s.key(v)
	if err != nil {
		return err
	}
	e, err := s.Contain.RemoveKey(v.r.Context(), v.cause, v.ses, k.ID)
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidRemovePasskey, Name: k.Name, Count: e.Sessions, At: e.EffectiveAt, Took: e.Took, OfflineUntil: e.Gates.OfflineUntil})
	v.done("/passkeys")
	return nil
}

func (s *Server) codesState(v *visit) (c signin.CodeState, err error) {
	err = s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		c, err = s.SignIn.Codes(tx, v.ses.Account)
		return err
	})
	return c, err
}

func (s *Server) codesView(v *visit, status int, checked CodeCheck) error {
	c, err := s.codesState(v)
	if err != nil {
		return err
	}
	s.show(v.w, v.r, status, &Codes{Base: v.base, Left: c.Left, Total: signin.CodesPerSet, Made: c.MadeAt, Confirmed: c.RehearsedAt, LastUsed: c.LastUsed, Checked: checked})
	return nil
}

func (s *Server) codes(v *visit) error { return s.codesView(v, http.StatusOK, "") }

func (s *Server) codesNewPage(v *visit) error {
	c, err := s.codesState(v)
	if err != nil {
		return err
	}
	s.offerNonce(v.w)
	view := &CodesNew{Base: v.base, Wizard: v.r.URL.Query().Get("step") == "3", Left: c.Left, Total: signin.CodesPerSet}
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		view.Touched = s.touched(tx, v, device.Act{Kind: device.ActCodesNew})
		return nil
	}); err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

// codesNew answers with the codes themselves: this answer is the only place they
// ever appear, and it cannot be loaded again.
func (s *Server) codesNew(v *visit) error {
	step, err := field(v.r, "step", 8)
	if err != nil {
		return err
	}
	codes, err := s.SignIn.NewCodes(v.r.Context(), v.cause, v.ses)
	if err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, &CodesShown{Base: v.base, Wizard: step == "3", Codes: codes, Made: s.DB.Now()})
	return nil
}

func (s *Server) codesConfirmPage(v *visit) error {
	s.show(v.w, v.r, http.StatusOK, &CodesConfirm{Base: v.base, Wizard: v.r.URL.Query().Get("step") == "3"})
	return nil
}

// pasted is how much of a pasted block is read: ten codes fit.
const pasted = 600

func (s *Server) codesConfirm(v *visit) error {
	code, err1 := field(v.r, "code", pasted)
	step, err2 := field(v.r, "step", 8)
	if err := errors.Join(err1, err2); err != nil {
		return errForm.Because(err)
	}
	err := s.SignIn.Rehearse(v.r.Context(), v.cause, v.ses, code)
	if errors.Is(err, signin.ErrCodeNotAccepted) && wantsHTML(v.r) {
		s.show(v.w, v.r, http.StatusUnprocessableEntity, &CodesConfirm{Base: v.base, Wizard: step == "3", Failed: true})
		return nil
	}
	if err != nil {
		return err
	}
	c, err := s.codesState(v)
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidConfirmCodes, Count: c.Left, At: s.DB.Now()})
	v.done("/")
	return nil
}

func (s *Server) codesCheck(v *visit) error {
	code, err := field(v.r, "code", pasted)
	if err != nil {
		return err
	}
	switch err := s.SignIn.Rehearse(v.r.Context(), v.cause, v.ses, code); {
	case err == nil:
		return s.codesView(v, http.StatusOK, CheckedRight)
	case errors.Is(err, signin.ErrCodeUsed):
		return s.codesView(v, http.StatusUnprocessableEntity, CheckedUsed)
	case errors.Is(err, signin.ErrCodeNotAccepted):
		return s.codesView(v, http.StatusUnprocessableEntity, CheckedWrong)
	default:
		return err
	}
}

// sessionID of the path.
func sessionID(v *visit) session.ID { return session.ID(v.r.PathValue("id")) }
