package web

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// What the pages tell of a key: the last seven days, and so many lines of them.
const (
	keyStory = 7 * 24 * time.Hour
	keyLines = 100

	keyStoryWhole = 90 * 24 * time.Hour // as long as stories are kept
)

// by is who asks, for the log and for the key that is made.
func (v *visit) by() apikey.By {
	b := apikey.By{Account: v.ses.Account, Session: string(v.ses.ID), Device: v.ses.Device, Agent: v.ses.Agent.String()}
	if v.cause.Addr.IsValid() {
		b.Addr = v.cause.Addr.String()
	}
	return b
}

// stopsAt asks the key itself when it may not even look and cancel any more: how long
// that lasts after its end is no matter of pages.
func stopsAt(k apikey.Key) time.Time {
	k.Status = apikey.Active
	at := k.Expires
	for days := 0; days < 60 && k.State(at) != apikey.Finished; days++ {
		at = at.Add(24 * time.Hour)
	}
	return at
}

func places(list []netip.Prefix) (out []string) {
	for _, p := range list {
		if p.IsSingleIP() {
			out = append(out, p.Addr().String())
		} else {
			out = append(out, p.String())
		}
	}
	return out
}

// botKeyOf turns a key into what its owner reads. names are the devices as they are called.
func botKeyOf(v *visit, k apikey.Key, names map[device.ID]string) BotKey {
	b := BotKey{
		ID: string(k.ID), Version: k.Version, Purpose: k.Purpose, Sub: k.Sub, SubID: k.Sub, DayCap: k.DayCap.Text(), DayCapIn: k.DayCap.Currency, Partner: k.Partner, State: BotKeyState(k.State(v.base.Now)),
		Suspected: k.Status == apikey.Quarantined, InBrowser: k.Status == apikey.Quarantined && k.EndedWhy == "in_browser",
		Locked: k.Locked && k.Scopes.Has(apikey.Withdraw), Signs: k.Alg == apikey.Ed25519 || k.Alg == apikey.ES256,
		Rights: rightsOf(k.Scopes), Symbols: k.Symbols, Allow: places(k.Allow), Deny: places(k.Deny),
		Asleep: rightsOf(k.Scopes & k.Asleep.Rights()), IdleSince: k.IdleSince,
		Starts: k.Starts, Expires: k.Expires, Stops: stopsAt(k), PerMin: k.PerMin,
		Made: k.Made.At, MadeAddr: k.Made.Addr, MadeHere: k.LockedBy() == v.ses.Device, Brought: k.Made.Device == "",
		Used: k.UsedAt, UsedAddr: k.UsedAddr, UsedPlace: v.place(k.UsedAddr), EndedAt: k.EndedAt,
	}
	if k.Profile != apikey.Native {
		b.Profile = clientOf(string(k.Profile))
	}
	if b.MadeOn = names[k.Made.Device]; b.MadeOn == "" {
		b.MadeOn = agentIn(k.Made.Agent).In(v.base.Lang)
	}
	return b
}

// refusedOf adds what of a key was refused lately.
func (s *Server) refusedOf(tx *store.Tx, v *visit, k apikey.Key, b *BotKey) error {
	if err := s.versionOf(tx, k, b); err != nil {
		return err
	}
	lines, err := s.BotKeys.Refusals(tx, k, v.base.Now.Add(-keyStory))
	for _, l := range lines {
		at, bad := netip.ParseAddr(l.Addr)
		b.RefusedN += l.N
		line := BotKeyRefusal{
			At: l.Minute, Why: refusalOf(l.Code), Code: string(l.Code), Call: callOf(l.Class), Addr: l.Addr, Place: v.place(l.Addr), N: l.N,
			// An address that is refused by name would stay refused, and a key that works
			// everywhere would work in fewer places.
			CanAdd: l.Code == apikey.IPNotAllowed && bad == nil && len(k.Allow) > 0 && !inAny(at, k.Allow) && !inAny(at, k.Deny) &&
				!b.Suspected && b.State != KeyEnded,
		}
		if line.CanAdd {
			e := k.Edit()
			e.Allow = append(slices.Clone(e.Allow), netip.PrefixFrom(at.Unmap(), at.Unmap().BitLen()))
			line.Object = s.BotKeys.For(k.ChangeAct(e), k.Scopes).Object
		}
		b.Refused = append(b.Refused, line)
	}
	return err
}

func inAny(at netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(at) {
			return true
		}
	}
	return false
}

// deviceNames are the devices that their owner gave a name.
func (s *Server) deviceNames(tx *store.Tx, acc account.ID) (map[device.ID]string, error) {
	names := map[device.ID]string{}
	all, err := s.Devices.Devices(tx, acc)
	for _, d := range all {
		if d.Name != d.Default() {
			names[d.ID] = d.Name
		}
	}
	return names, err
}

func (s *Server) botKeys(v *visit) error {
	view := &BotKeys{Base: v.base}
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		names, err := s.deviceNames(tx, v.ses.Account)
		if err != nil {
			return err
		}
		keys, err := s.BotKeys.List(tx, v.ses.Account)
		if err != nil {
			return err
		}
		subs, err := s.subNames(tx, v.ses.Account)
		if err != nil {
			return err
		}
		view.Keys, view.Ended = nil, nil
		for _, k := range keys {
			b := botKeyOf(v, k, names)
			b.in(subs)
			if b.State == KeyEnded {
				view.Ended = append(view.Ended, b)
				continue
			}
			if err := s.leakOf(tx, k, &b); err != nil {
				return err
			}
			if err := s.refusedOf(tx, v, k, &b); err != nil {
				return err
			}
			unasked, err := s.BotKeys.UnusedRights(tx, k, v.base.Now.Add(-keyStoryWhole))
			if err != nil {
				return err
			}
			b.Unasked = len(unasked.Names())
			view.Keys = append(view.Keys, b)
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

// homeBotKeys counts the keys for the security home.
func (s *Server) homeBotKeys(tx *store.Tx, v *visit, home *Home) error {
	keys, err := s.BotKeys.List(tx, v.ses.Account)
	var purposes []string
	for _, k := range keys {
		if k.State(v.base.Now) != apikey.Finished {
			home.BotKeys++
			purposes = append(purposes, k.Purpose)
			if k.Status == apikey.Quarantined && home.BotKeySuspect == "" {
				home.BotKeySuspect, home.BotKeyLeaked = k.Purpose, k.EndedWhy == "leaked"
			}
		}
	}
	home.BotKeyNames = strings.Join(purposes[:min(len(purposes), 3)], ", ")
	return err
}

// botKey reads the key of the address with all that is told of it.
func (s *Server) botKey(tx *store.Tx, v *visit) (apikey.Key, BotKey, error) {
	names, err := s.deviceNames(tx, v.ses.Account)
	if err != nil {
		return apikey.Key{}, BotKey{}, err
	}
	k, err := s.BotKeys.ByID(tx, v.ses.Account, apikey.ID(v.r.PathValue("id")))
	if err != nil {
		return apikey.Key{}, BotKey{}, err
	}
	b := botKeyOf(v, k, names)
	b.Object = s.BotKeys.For(device.Act{Object: b.ID}, k.Scopes).Object
	subs, err := s.subNames(tx, v.ses.Account)
	if err != nil {
		return apikey.Key{}, BotKey{}, err
	}
	b.in(subs)
	if k.DayCap.Most != 0 {
		if b.Spent, err = s.BotKeys.Spent(tx, k); err != nil {
			return apikey.Key{}, BotKey{}, err
		}
	}
	if err := s.leakOf(tx, k, &b); err != nil {
		return k, b, err
	}
	return k, b, s.refusedOf(tx, v, k, &b)
}

// in gives the sub-account of a key its name; one that has none any more keeps its id.
func (b *BotKey) in(names map[string]string) {
	if name := names[b.SubID]; name != "" {
		b.Sub = name
	}
}

func (s *Server) botKeyPage(v *visit) error { return s.showBotKey(v, http.StatusOK, nil, nil) }

// showBotKey shows one key: as it stands, or with what was typed and why that was not done.
func (s *Server) showBotKey(v *visit, status int, typed *BotKeyForm, why *KeyRefused) error {
	view := &BotKeyPage{Base: v.base, Refused: why}
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		k, b, err := s.botKey(tx, v)
		if err != nil {
			return err
		}
		view.Key, view.Form = b, formOf(v, k)
		view.Changes, view.Story = nil, nil
		from, to, asked := v.window(keyStory)
		view.From, view.To, view.Asked = v.base.local(from).Format(time.DateOnly), v.base.local(to.Add(-time.Minute)).Format(time.DateOnly), asked
		since := v.base.Now.Add(-keyStoryWhole) // who changed it is told from further back: it is seldom, and matters longer
		if asked {
			since = from
		}
		changes, err := s.BotKeys.Changes(tx, k, since, to)
		if err != nil {
			return err
		}
		for _, r := range changes[:min(len(changes), keyLines)] {
			view.Changes = append(view.Changes, BotKeyChange{At: r.At, Says: audit.Sentence(r, v.base.Lang), Addr: r.Addr, Place: v.place(r.Addr)})
		}
		lines, err := s.BotKeys.Story(tx, k, from, to)
		view.More = max(len(lines)-keyLines, 0)
		for _, l := range lines[:min(len(lines), keyLines)] {
			line := BotKeyLine{At: l.Minute, Addr: l.Addr, Place: v.place(l.Addr), Call: callOf(l.Class), Code: string(l.Code), N: l.N}
			if l.Code != "" {
				words := refusalOf(l.Code)
				line.Why = &words
			}
			view.Story = append(view.Story, line)
		}
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

// botKeyChange makes a key what the form says. Taking away needs no touch, but the
// browser's key: with a copied cookie alone nobody stops a bot.
func (s *Server) botKeyChange(v *visit) error {
	if err := v.proved(); err != nil {
		return err
	}
	f, err := readBotKeyForm(v.r)
	if err != nil {
		return err
	}
	version, err := versionField(v.r)
	if err != nil {
		return err
	}
	var k apikey.Key
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		k, err = s.BotKeys.ByID(tx, v.ses.Account, apikey.ID(v.r.PathValue("id")))
		return err
	}); err != nil {
		return err
	}
	e, err := f.edit(v, k)
	if err == nil && k.Widens(e) && v.base.Who.Weak {
		return session.ErrWeak
	}
	if err == nil {
		_, err = s.BotKeys.Change(v.r.Context(), v.cause, v.by(), k.ID, version, e)
	}
	if why, status := keyRefused(v.r, err); why != nil && why.Code != apikey.ErrUnknown.Code {
		return s.showBotKey(v, status, &f, why)
	}
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidChangeBotKey, Name: e.Purpose, At: s.DB.Now()})
	v.done(BotKey{ID: string(k.ID)}.Path())
	return nil
}

// botKeyPlace adds the address of refused calls to where a key works. It widens, so it
// needs a touch like any other change that does.
func (s *Server) botKeyPlace(v *visit) error {
	addr, err := field(v.r, "addr", 64)
	if err != nil {
		return err
	}
	version, err := versionField(v.r)
	if err != nil {
		return err
	}
	more, err := apikey.ParsePlaces(addr)
	if err != nil || len(more) != 1 {
		return apikey.ErrPlace.With("at", addr)
	}
	var k apikey.Key
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		k, err = s.BotKeys.ByID(tx, v.ses.Account, apikey.ID(v.r.PathValue("id")))
		return err
	}); err != nil {
		return err
	}
	e := k.Edit()
	if len(e.Allow) == 0 {
		return apikey.ErrChanged // it works everywhere by now: an address would take the rest away
	}
	e.Allow = append(append([]netip.Prefix(nil), e.Allow...), more...)
	if !k.Widens(e) { // it is there already: without this a copied cookie could lock withdrawing again and again
		if err := v.proved(); err != nil {
			return err
		}
	}
	if _, err := s.BotKeys.Change(v.r.Context(), v.cause, v.by(), k.ID, version, e); err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidAddBotKeyPlace, Name: k.Purpose, At: s.DB.Now()})
	v.done("/keys")
	return nil
}

// actOnBotKey does what needs no more than the name of a key, and leads back to its page.
func (s *Server) actOnBotKey(v *visit, did Did, act func(context.Context, store.Cause, apikey.By, apikey.ID) (apikey.Key, error)) error {
	k, err := act(v.r.Context(), v.cause, v.by(), apikey.ID(v.r.PathValue("id")))
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: did, Name: k.Purpose, At: s.DB.Now()})
	v.done(BotKey{ID: string(k.ID)}.Path())
	return nil
}

func (s *Server) botKeyUnlock(v *visit) error {
	return s.actOnBotKey(v, DidUnlockBotKey, s.BotKeys.Unlock)
}

// botKeyRelease lets a key that may have leaked work again, on its owner's touch.
func (s *Server) botKeyRelease(v *visit) error {
	return s.actOnBotKey(v, DidReleaseBotKey, s.BotKeys.Release)
}

func (s *Server) botKeyEndPage(v *visit) error {
	view := &BotKeyEnd{Base: v.base}
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		_, view.Key, err = s.botKey(tx, v)
		return err
	}); err != nil {
		return err
	}
	if view.Key.State == KeyEnded {
		return apikey.ErrUnknown
	}
	s.show(v.w, v.r, http.StatusOK, view)
	return nil
}

func (s *Server) botKeyEnd(v *visit) error {
	if err := v.proved(); err != nil {
		return err
	}
	id := apikey.ID(v.r.PathValue("id"))
	var k apikey.Key
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		k, err = s.BotKeys.ByID(tx, v.ses.Account, id)
		return err
	}); err != nil {
		return err
	}
	e, err := s.Contain.EndBotKey(v.r.Context(), v.cause, v.ses.Account, id)
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, receiptOf(DidEndBotKey, k.Purpose, e))
	v.done("/keys")
	return nil
}

// botKeyUsed tells the page of a new key whether its first good call has come.
func (s *Server) botKeyUsed(v *visit) error {
	var k apikey.Key
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		k, err = s.BotKeys.ByID(tx, v.ses.Account, apikey.ID(v.r.PathValue("id")))
		return err
	}); err != nil {
		return err
	}
	answer(v.w, http.StatusOK, map[string]any{"used": !k.UsedAt.IsZero(), "addr": k.UsedAddr})
	return nil
}

func versionField(r *http.Request) (int64, error) {
	raw, err := field(r, "version", 20)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		return 0, errForm.At("version", "is not a number")
	}
	return n, nil
}
