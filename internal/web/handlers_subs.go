package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/contain"
	"keyward/internal/session"
	"keyward/internal/store"
)

// subView turns a sub-account into what its owner reads.
func subView(s account.Sub, use apikey.SubUse) SubView {
	v := SubView{
		ID: string(s.ID), Version: s.Version, Name: s.Name, Status: string(s.Status), Transfers: string(s.Transfers), MaxKeys: s.MaxKeys, PerMin: s.PerMin,
		Keys: use.Keys, Used: use.Used, Made: s.MadeAt, Closed: s.ClosedAt,
	}
	if s.Open() && s.Status != account.SubActive {
		v.Thaw = contain.SubChangeAct(s, s.Form(), account.SubActive).Object
	}
	return v
}

func (s *Server) subs(v *visit) error {
	view := &Subs{Base: v.base}
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		view.Open, view.Closed = nil, nil
		uses, err := s.BotKeys.SubUses(tx, v.ses.Account)
		if err != nil {
			return err
		}
		all, err := s.Accounts.Subs(tx, v.ses.Account)
		for _, x := range all {
			if one := subView(x, uses[string(x.ID)]); x.Open() {
				view.Open = append(view.Open, one)
			} else {
				view.Closed = append(view.Closed, one)
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

// subNames are the open and closed sub-accounts by what their owner calls them.
func (s *Server) subNames(tx *store.Tx, acc account.ID) (map[string]string, error) {
	all, err := s.Accounts.Subs(tx, acc)
	names := map[string]string{}
	for _, x := range all {
		names[string(x.ID)] = x.Name
	}
	return names, err
}

func (s *Server) subNewPage(v *visit) error {
	return s.showSubNew(v, http.StatusOK, &SubNew{Form: SubFields{Transfers: "none"}})
}

func (s *Server) showSubNew(v *visit, status int, view *SubNew) error {
	view.Base = v.base
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		_, held, err := s.Accounts.Held(tx, v.ses.Account, account.HoldKeys)
		view.Blocked = held || v.acc.Status != account.Active
		return err
	})
	if err != nil {
		return err
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, status, view)
	return nil
}

func readSubFields(r *http.Request) (f SubFields, err error) {
	for _, x := range []struct {
		into *string
		name string
		most int
	}{{&f.Name, "name", 256}, {&f.Transfers, "transfers", 16}, {&f.MaxKeys, "max_keys", 4}, {&f.PerMin, "per_min", 8}} {
		if *x.into, err = field(r, x.name, x.most); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f SubFields) form() (account.SubForm, error) {
	out := account.SubForm{Name: f.Name, Transfers: account.Transfers(f.Transfers)}
	for _, x := range []struct {
		into *int
		text string
	}{{&out.MaxKeys, f.MaxKeys}, {&out.PerMin, f.PerMin}} {
		text := strings.TrimSpace(x.text)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 { // who writes 0 wants none, and would get them without a bound
			return out, account.ErrSubForm
		}
		*x.into = n
	}
	return out.Checked()
}

func subFields(s account.Sub) SubFields {
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	return SubFields{s.Name, string(s.Transfers), number(s.MaxKeys), number(s.PerMin)}
}

// subNew makes the sub-account, on a touch for exactly what the form says.
func (s *Server) subNew(v *visit) error {
	f, err := readSubFields(v.r)
	if err != nil {
		return err
	}
	if v.base.Who.Weak {
		return session.ErrWeak // told before the touch that a recovery code cannot give
	}
	form, err := f.form()
	var sub account.Sub
	if err == nil {
		sub, err = s.Contain.MakeSub(v.r.Context(), v.cause, v.by(), form)
	}
	if why, status := keyRefused(v.r, err); why != nil {
		return s.showSubNew(v, status, &SubNew{Form: f, Refused: why})
	}
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidMakeSub, Name: sub.Name, At: s.DB.Now()})
	v.done("/subaccounts/" + string(sub.ID))
	return nil
}

// sub reads the sub-account of the address.
func (s *Server) sub(tx *store.Tx, v *visit) (account.Sub, error) {
	return s.Accounts.Sub(tx, v.ses.Account, account.SubID(v.r.PathValue("id")))
}

func (s *Server) readSub(v *visit) (sub account.Sub, err error) {
	err = s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		sub, err = s.sub(tx, v)
		return err
	})
	return sub, err
}

// subKeys are the keys of a sub-account that have not ended.
func (s *Server) subKeys(tx *store.Tx, v *visit, id account.SubID) (out []BotKey, err error) {
	names, err := s.deviceNames(tx, v.ses.Account)
	if err != nil {
		return nil, err
	}
	all, err := s.BotKeys.List(tx, v.ses.Account)
	for _, k := range all {
		if k.Sub == string(id) && k.State(v.base.Now) != apikey.Finished {
			out = append(out, botKeyOf(v, k, names))
		}
	}
	return out, err
}

func (s *Server) subPage(v *visit) error { return s.showSub(v, http.StatusOK, nil, nil) }

func (s *Server) showSub(v *visit, status int, typed *SubFields, why *KeyRefused) error {
	view := &SubPage{Base: v.base, Refused: why}
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		sub, err := s.sub(tx, v)
		if err != nil {
			return err
		}
		uses, err := s.BotKeys.SubUses(tx, v.ses.Account)
		if err != nil {
			return err
		}
		view.Sub, view.Form = subView(sub, uses[string(sub.ID)]), subFields(sub)
		view.Keys, err = s.subKeys(tx, v, sub.ID)
		return err
	})
	if err != nil {
		return err
	}
	if typed != nil {
		view.Form = *typed
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, status, view)
	return nil
}

// subChange makes a sub-account what the form says; its status stays.
func (s *Server) subChange(v *visit) error {
	if err := v.proved(); err != nil {
		return err
	}
	f, err := readSubFields(v.r)
	if err != nil {
		return err
	}
	version, err := versionField(v.r)
	if err != nil {
		return err
	}
	sub, err := s.readSub(v)
	if err != nil {
		return err
	}
	form, err := f.form()
	if err == nil && contain.Freer(sub, form, sub.Status) && v.base.Who.Weak {
		return session.ErrWeak
	}
	if err == nil {
		sub, _, err = s.Contain.ChangeSub(v.r.Context(), v.cause, v.by(), sub.ID, version, form, sub.Status)
	}
	if why, status := keyRefused(v.r, err); why != nil && why.Code != account.ErrSubUnknown.Code {
		return s.showSub(v, status, &f, why)
	}
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidChangeSub, Name: sub.Name, At: s.DB.Now()})
	v.done("/subaccounts/" + string(sub.ID))
	return nil
}

func (s *Server) subFreeze(v *visit) error { return s.subStop(v, account.SubFrozen, DidFreezeSub) }
func (s *Server) subEmpty(v *visit) error  { return s.subStop(v, account.SubEmptying, DidEmptySub) }

// subStop takes power away. It needs no touch, but the browser's key: with a copied
// cookie alone nobody stops a bot.
func (s *Server) subStop(v *visit, status account.SubStatus, did Did) error {
	if err := v.proved(); err != nil {
		return err
	}
	sub, e, err := s.Contain.SetSub(v.r.Context(), v.cause, v.ses.Account, account.SubID(v.r.PathValue("id")), status, v.by().Agent)
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, receiptOf(did, sub.Name, e))
	v.done("/subaccounts/" + string(sub.ID))
	return nil
}

// subThaw lets a sub-account work again, on its owner's touch.
func (s *Server) subThaw(v *visit) error {
	version, err := versionField(v.r)
	if err != nil {
		return err
	}
	sub, err := s.readSub(v)
	if err != nil {
		return err
	}
	if sub, _, err = s.Contain.ChangeSub(v.r.Context(), v.cause, v.by(), sub.ID, version, sub.Form(), account.SubActive); err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidThawSub, Name: sub.Name, At: s.DB.Now()})
	v.done("/subaccounts/" + string(sub.ID))
	return nil
}

func (s *Server) subClosePage(v *visit) error {
	view := &SubClose{Base: v.base}
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		sub, err := s.sub(tx, v)
		if err != nil {
			return err
		}
		if !sub.Open() {
			return account.ErrSubChanged
		}
		view.Sub = subView(sub, apikey.SubUse{})
		view.Keys, err = s.subKeys(tx, v, sub.ID)
		return err
	}); err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) subClose(v *visit) error {
	if err := v.proved(); err != nil {
		return err
	}
	sub, _, e, err := s.Contain.CloseSub(v.r.Context(), v.cause, v.ses.Account, account.SubID(v.r.PathValue("id")), v.by().Agent)
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, receiptOf(DidCloseSub, sub.Name, e))
	v.done("/subaccounts")
	return nil
}

// window is what an address asks for, "?from=2026-03-01&to=2026-03-04", both days whole and in
// the page's zone; without one, or with one that is none, so long until now. asked says which.
func (v *visit) window(usual time.Duration) (from, to time.Time, asked bool) {
	q := v.r.URL.Query()
	zone := v.base.local(v.base.Now).Location()
	first, err1 := time.ParseInLocation(time.DateOnly, q.Get("from"), zone)
	last, err2 := time.ParseInLocation(time.DateOnly, q.Get("to"), zone)
	if err1 != nil || err2 != nil || last.Before(first) {
		return v.base.Now.Add(-usual), v.base.Now.Add(time.Minute), false
	}
	return first, last.AddDate(0, 0, 1), true
}

// botKeySigned hands the signed story of a key to its owner: the window that is asked for, or
// the last ninety days, which is as long as stories are kept.
func (s *Server) botKeySigned(v *visit) error {
	var file []byte
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		k, err := s.BotKeys.ByID(tx, v.ses.Account, apikey.ID(v.r.PathValue("id")))
		if err != nil {
			return err
		}
		from, to, _ := v.window(keyStoryWhole)
		file, err = s.BotKeys.SignedStory(tx, k, from, to)
		return err
	})
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", `attachment; filename="key-story.json"`)
	_, _ = v.w.Write(file) // the client is gone: nobody is left to tell
	return nil
}
