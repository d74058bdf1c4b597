package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/session"
	"keyward/internal/store"
)

// One tap keeps the old version so much longer, as far as thirty days after the rotation.
const (
	keepStep = 7 * 24 * time.Hour
	keepMost = 30 * 24 * time.Hour
)

// versionOf adds which version signs, and what a partner asks for.
func (s *Server) versionOf(tx *store.Tx, k apikey.Key, b *BotKey) error {
	if b.State == KeyEnded {
		return nil
	}
	versions, err := s.BotKeys.Versions(tx, k)
	if err != nil || len(versions) == 0 {
		return err
	}
	b.Signing = versions[0].N
	if versions[0].Name != k.ID {
		b.Name = string(versions[0].Name)
	}
	if len(versions) > 1 {
		b.Moving = versions[0].Began
	}
	asked, err := s.BotKeys.AskedFor(tx, k, versions[0])
	if asked != nil {
		b.Asked = &BotKeyAsked{Partner: k.Partner, What: asked.What, Why: asked.Why, At: asked.At}
	}
	return err
}

func (s *Server) botKeyRotatePage(v *visit) error {
	return s.showBotKeyRotate(v, http.StatusOK, &BotKeyRotate{Form: BotKeyTurn{Why: string(apikey.Cadence), Hours: "24", Days: "90"}})
}

func (s *Server) showBotKeyRotate(v *visit, status int, view *BotKeyRotate) error {
	view.Base = v.base
	if err := s.BotKeys.FlushMeter(v.r.Context()); err != nil {
		return err
	}
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		k, b, err := s.botKey(tx, v)
		if err != nil {
			return err
		}
		if b.State == KeyEnded {
			return apikey.ErrUnknown
		}
		view.Key, view.Asked = b, b.Asked
		_, held, err := s.Accounts.Held(tx, v.ses.Account, account.HoldKeys)
		if err != nil {
			return err
		}
		view.Blocked = held || v.acc.Status != account.Active
		m, err := s.BotKeys.Meter(tx, k)
		if err != nil || len(m.Versions) == 0 {
			return err
		}
		if len(m.Versions) < 2 {
			view.First = m.Versions[0].N == 1 && !k.ID.IsTest()
			r, err := s.BotKeys.Rehearsal(tx, k)
			view.Stage, view.Passed = stageOf(r), r.Passed
			return err
		}
		view.moving(v, k, m, s.BotKeys)
		return nil
	})
	if err != nil {
		return err
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, status, view)
	return nil
}

// moving fills in how far a rotation has come.
func (view *BotKeyRotate) moving(v *visit, k apikey.Key, m apikey.Meter, keys *apikey.Service) {
	made, old := m.Versions[0], m.Versions[1]
	view.Moving, view.New, view.Old, view.Latest = true, versionView(v, made), versionView(v, old), old.Ends
	view.By = text("rotate.by.owner")
	if made.How == "self" {
		view.By = text("rotate.by.self")
	}
	for _, f := range m.Blockers {
		view.Blockers = append(view.Blockers, findingOf(f))
	}
	until := old.Ends.Add(keepStep)
	if last := made.Began.Add(keepMost); until.After(last) {
		until = last
	}
	if until.After(old.Ends) {
		view.KeepUntil, view.KeepMicros, view.KeepObject = until, store.Micros(until), keys.For(apikey.KeepAct(k, old.Version, until), k.Scopes).Object
	}
	view.UndoObject = keys.For(apikey.UndoAct(k, []apikey.Version{made.Version, old.Version}), k.Scopes).Object
}

func versionView(v *visit, m apikey.Metered) BotKeyVersion {
	return BotKeyVersion{N: m.N, Name: string(m.Name), Made: m.Made, Calls: m.Calls, Refused: m.Refused, Used: m.Last, Addr: m.Addr, Place: v.place(m.Addr)}
}

// findingOf words what would stop.
func findingOf(f apikey.Finding) BotKeyFinding {
	out := BotKeyFinding{Addr: f.Addr, N: f.N, At: f.At}
	switch f.What {
	case apikey.OldUsed:
		out.Say = text("rotate.what.old-used")
	case apikey.NewUnseen:
		out.Say = text("rotate.what.new-unseen")
	case apikey.NewRefused:
		out.Say = text("rotate.what.new-refused")
		why := refusalOf(f.Refused)
		out.Why = &why
	case apikey.OldUnused:
		out.Say = text("rotate.what.old-unused")
	case apikey.FailedAfter:
		out.Say = text("rotate.what.failed-after")
	case apikey.TooEarly:
		out.Say = text("rotate.what.began-lately")
		out.At = time.Time{}
	}
	return out
}

func stageOf(r apikey.Rehearsal) Text {
	switch {
	case r.Passed:
		return text("rehearse.passed")
	case r.Stage == apikey.NoTwin:
		return text("rehearse.none")
	case r.Stage == apikey.NotBegun:
		return text("rehearse.not-begun")
	case r.Stage == apikey.Under:
		return text("rehearse.running")
	}
	return text("rehearse.broke")
}

// botKeyRotate replaces what signs. The touch is for exactly what the form says; without
// one the person is led to it and back, and botkeys.js has kept what was typed.
func (s *Server) botKeyRotate(v *visit) error {
	f, version, err := readTurn(v.r)
	if err != nil {
		return err
	}
	if v.base.Who.Weak {
		return session.ErrWeak
	}
	id := apikey.ID(v.r.PathValue("id"))
	var k apikey.Key
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		k, err = s.BotKeys.ByID(tx, v.ses.Account, id)
		return err
	}); err != nil {
		return err
	}
	t, err := f.turn(k)
	var made apikey.Turned
	if err == nil {
		made, err = s.BotKeys.Rotate(v.r.Context(), v.cause, v.by(), id, version, t)
	}
	if why, status := keyRefused(v.r, err); why != nil && why.Code != apikey.ErrUnknown.Code {
		if why.Private {
			f.Public = "" // it must not stand in one more page
		}
		return s.showBotKeyRotate(v, status, &BotKeyRotate{Form: f, Refused: why})
	}
	if err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, &BotKeyRotated{Base: v.base, Key: botKeyOf(v, made.Key, nil), N: made.N, Name: string(made.Name), Renamed: made.Name != made.ID,
		OldEnds: made.OldEnds, Secret: made.Secret, Passphrase: made.Passphrase})
	return nil
}

func readTurn(r *http.Request) (f BotKeyTurn, version int64, err error) {
	var skip string
	for _, x := range []struct {
		into *string
		name string
		most int
	}{{&f.Why, "why", 16}, {&f.Public, "public", 8192}, {&f.Hours, "hours", 8}, {&f.Days, "days", 8}, {&skip, "skip", 8}} {
		if *x.into, err = field(r, x.name, x.most); err != nil {
			return f, 0, err
		}
	}
	f.Skip = skip == "yes"
	version, err = versionField(r)
	return f, version, err
}

// turn is the rotation that the form asks for.
func (f BotKeyTurn) turn(k apikey.Key) (t apikey.Turn, err error) {
	t = apikey.Turn{Why: apikey.Reason(f.Why), Unrehearsed: f.Skip}
	hours, err1 := strconv.Atoi(strings.TrimSpace(f.Hours))
	days, err2 := strconv.Atoi(strings.TrimSpace(f.Days))
	if err1 != nil || err2 != nil || hours < 0 || hours > 720 || days < 1 || days > 366 {
		return t, apikey.ErrLife
	}
	t.Overlap, t.Life = time.Duration(hours)*time.Hour, time.Duration(days)*24*time.Hour
	if k.Alg == apikey.Ed25519 {
		t.Public, err = publicKey(f.Public)
	}
	return t, err
}

// botKeyRetire ends the old version. It takes away, so it needs no touch, but the
// browser's key: with a copied cookie alone nobody stops a bot.
func (s *Server) botKeyRetire(v *visit) error {
	if err := v.proved(); err != nil {
		return err
	}
	force, err := field(v.r, "force", 8)
	if err != nil {
		return err
	}
	k, err := s.BotKeys.Retire(v.r.Context(), v.cause, v.by(), apikey.ID(v.r.PathValue("id")), force == "yes")
	if why, status := keyRefused(v.r, err); why != nil && why.Code != apikey.ErrUnknown.Code {
		return s.showBotKeyRotate(v, status, &BotKeyRotate{Form: BotKeyTurn{Why: string(apikey.Cadence), Hours: "24", Days: "90"}, Refused: why})
	}
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidRetireBotKey, Name: k.Purpose, At: s.DB.Now()})
	v.done(BotKey{ID: string(k.ID)}.Path())
	return nil
}

func (s *Server) botKeyKeep(v *visit) error {
	raw, err := field(v.r, "until", 20)
	if err != nil {
		return err
	}
	micros, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		return errForm.At("until", "is not a time")
	}
	k, err := s.BotKeys.Keep(v.r.Context(), v.cause, v.by(), apikey.ID(v.r.PathValue("id")), store.Time(micros))
	if err != nil {
		return err
	}
	s.leaveReceipt(v.w, Receipt{Did: DidKeepBotKey, Name: k.Purpose, At: s.DB.Now()})
	v.done(BotKey{ID: string(k.ID)}.Path() + "/rotate")
	return nil
}

func (s *Server) botKeyUndo(v *visit) error {
	return s.actOnBotKey(v, DidUndoBotKey, s.BotKeys.Undo)
}

func (s *Server) botKeyRehearsePage(v *visit) error {
	return s.showBotKeyRehearse(v, http.StatusOK, &BotKeyRehearse{})
}

func (s *Server) showBotKeyRehearse(v *visit, status int, view *BotKeyRehearse) error {
	view.Base = v.base
	if err := s.BotKeys.FlushMeter(v.r.Context()); err != nil {
		return err
	}
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		k, b, err := s.botKey(tx, v)
		if err != nil {
			return err
		}
		if b.State == KeyEnded || k.ID.IsTest() {
			return apikey.ErrUnknown
		}
		view.Key = b
		r, err := s.BotKeys.Rehearsal(tx, k)
		if err != nil {
			return err
		}
		view.Stage, view.Passed = stageOf(r), r.Passed
		if r.Stage != apikey.NoTwin {
			view.Twin = botKeyOf(v, r.Twin, nil)
		}
		if r.Stage == apikey.Done || r.Stage == apikey.Under {
			for _, f := range r.Findings {
				view.Findings = append(view.Findings, findingOf(f))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, status, view)
	return nil
}

// botKeyTwin makes the test key for a rehearsal, on the touch that any new key takes.
func (s *Server) botKeyTwin(v *visit) error {
	public, err := field(v.r, "public", 8192)
	if err != nil {
		return err
	}
	if v.base.Who.Weak {
		return session.ErrWeak
	}
	var k apikey.Key
	if err := s.DB.View(v.r.Context(), func(tx *store.Tx) (err error) {
		k, err = s.BotKeys.ByID(tx, v.ses.Account, apikey.ID(v.r.PathValue("id")))
		return err
	}); err != nil {
		return err
	}
	var half []byte
	if k.Alg == apikey.Ed25519 {
		half, err = publicKey(public)
	}
	var made apikey.Created
	if err == nil {
		made, err = s.BotKeys.Add(v.r.Context(), v.cause, v.by(), k.Twin(half))
	}
	if why, status := keyRefused(v.r, err); why != nil && why.Code != apikey.ErrUnknown.Code {
		if why.Private {
			public = ""
		}
		return s.showBotKeyRehearse(v, status, &BotKeyRehearse{Public: public, Refused: why})
	}
	if err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, &BotKeyMade{Base: v.base, Key: botKeyOf(v, made.Key, nil), Secret: made.Secret, Passphrase: made.Passphrase})
	return nil
}
