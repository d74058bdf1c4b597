package staff

import (
	"errors"
	"sync"
	"testing"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// made is a passkey that the person makes for themselves on an authenticator.
func (p *person) made(on *softkey.Browser) string {
	p.w.t.Helper()
	options, err := p.w.s.KeyOptions(p.w.ctx(), p.Live)
	p.w.must(err)
	answer, err := on.Create(options)
	p.w.must(err)
	return string(answer)
}

func spare() *softkey.Browser {
	return &softkey.Browser{Origin: home, Keys: new(softkey.Authenticator)}
}

// second adds a passkey on another authenticator.
func (p *person) second() (*softkey.Browser, KeyID) {
	p.w.t.Helper()
	on := spare()
	made := p.made(on)
	id, err := p.w.s.AddKey(p.w.ctx(), cause, p.Live, made, "a spare one", p.sure(AddKeyAct(made, "a spare one")))
	p.w.must(err)
	return on, id
}

func (p *person) keys() []Key {
	p.w.t.Helper()
	all, err := p.w.s.Keys(p.w.ctx(), p.Live)
	p.w.must(err)
	return all
}

func (p *person) remove(id KeyID, t *Touch) error {
	return p.w.s.RemoveKey(p.w.ctx(), cause, p.Live, id, "lost the laptop", t)
}

// touchOn answers with the passkey of another authenticator.
func (p *person) touchOn(on *softkey.Browser, act device.Act) *Touch {
	p.w.t.Helper()
	was := p.browser
	p.browser = on
	defer func() { p.browser = was }()
	return p.sure(act)
}

func TestAnOperatorKeepsTwoPasskeys(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		first := ada.keys()[0].ID
		if err := ada.remove(first, ada.sure(RemoveKeyAct(first, "lost the laptop"))); !errors.Is(err, ErrLastKey) || len(ada.keys()) != 1 {
			t.Errorf("removing the only one: %v, %d left", err, len(ada.keys()))
		}
		stick, second := ada.second()
		if all := ada.keys(); len(all) != 2 || all[1].ID != second || !all[1].LastUsed.IsZero() || all[0].LastUsed.IsZero() {
			t.Errorf("her passkeys: %+v", all)
		}
		e := w.events("operator.key_added")
		if len(e) != 1 || e[0].Actor != ada.Operator.actor() || e[0].Payload["reason"] != "a spare one" || e[0].Effects[0].ID != string(second) {
			t.Errorf("the event: %+v", e)
		}

		// The spare one signs in elsewhere, and takes the first away.
		away := &person{w: w, browser: stick}
		away.again()
		if err := ada.remove(first, ada.sure(RemoveKeyAct(first, "lost the laptop"))); !errors.Is(err, ErrTouchAnother) || len(ada.keys()) != 2 {
			t.Errorf("removing one by its own touch: %v", err)
		}
		w.must(away.remove(first, away.sure(RemoveKeyAct(first, "lost the laptop"))))
		if _, err := w.s.Check(w.ctx(), ada.Token); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("the session that the lost one opened: %v", err)
		}
		if _, err := w.s.Check(w.ctx(), away.Token); err != nil {
			t.Errorf("the session that asked: %v", err)
		}
		options, err := w.s.SignInOptions()
		w.must(err)
		answer, err := ada.browser.Get(options)
		w.must(err)
		if _, err := w.s.SignIn(w.ctx(), cause, answer, ""); !errors.Is(err, device.ErrNotAccepted) {
			t.Errorf("signing in with the removed one: %v", err)
		}
		if err := away.remove(second, away.sure(RemoveKeyAct(second, "lost the laptop"))); !errors.Is(err, ErrLastKey) || len(away.keys()) != 1 {
			t.Errorf("removing the last: %v", err)
		}
		gone := w.events("operator.key_removed")
		if len(gone) != 1 || len(gone[0].Effects) != 2 || gone[0].Payload["reason"] != "lost the laptop" {
			t.Errorf("the events of removing: %+v", gone)
		}
	})
}

func TestPasskeysOfOperatorsThatAreNotAdded(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		ben := ada.invite("Ben", Security)
		made, other, bens := ada.made(spare()), ada.made(spare()), ben.made(spare())
		act := AddKeyAct(made, "a spare one")
		for _, c := range []struct {
			name  string
			made  string
			why   string
			touch func() *Touch
			want  error
		}{
			{"no touch", made, "a spare one", func() *Touch { return nil }, ErrTouch},
			{"a page that swaps the key after the touch", other, "a spare one", func() *Touch { return ada.sure(act) }, ErrTouch},
			{"a reason that was not touched for", made, "another reason", func() *Touch { return ada.sure(act) }, ErrTouch},
			{"the touch of somebody else", made, "a spare one", func() *Touch { return ben.sure(act) }, ErrTouch},
			{"a key that was made for somebody else", bens, "a spare one", func() *Touch { return ada.sure(AddKeyAct(bens, "a spare one")) }, device.ErrNotAccepted},
		} {
			if _, err := w.s.AddKey(w.ctx(), cause, ada.Live, c.made, c.why, c.touch()); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
			if n := len(ada.keys()); n != 1 {
				t.Fatalf("%s: %d passkeys", c.name, n)
			}
		}
		if _, err := w.s.AddKey(w.ctx(), cause, ada.Live, made, "a spare one", ada.sure(act)); err != nil {
			t.Error(err)
		}
		if _, err := w.s.AddKey(w.ctx(), cause, ada.Live, made, "a spare one", ada.sure(act)); err == nil || len(ada.keys()) != 2 {
			t.Errorf("the same answer again: %v, %d passkeys", err, len(ada.keys()))
		}
		bensKey := ben.keys()[0].ID
		if err := ada.remove(bensKey, ada.sure(RemoveKeyAct(bensKey, "lost the laptop"))); !errors.Is(err, ErrKey) || len(ben.keys()) != 1 {
			t.Errorf("removing somebody else's: %v", err)
		}
	})
}

// Each passkey takes the other away at the same time: one is left.
func TestTwoPasskeysCannotRemoveEachOther(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		first := ada.keys()[0].ID
		stick, second := ada.second()
		errs := make([]error, 2)
		touches := []*Touch{ada.touchOn(stick, RemoveKeyAct(first, "lost the laptop")), ada.sure(RemoveKeyAct(second, "lost the laptop"))}
		var wg sync.WaitGroup
		for i, id := range []KeyID{first, second} {
			wg.Go(func() { errs[i] = ada.remove(id, touches[i]) })
		}
		wg.Wait()
		if n := len(ada.keys()); n != 1 || (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("%d passkeys are left: %v", n, errs)
		}
	})
}

func TestAnOperatorEndsTheirOwnSessions(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		ben := ada.invite("Ben", Security)
		twice := &person{w: w, browser: ada.browser}
		twice.again()
		all, err := w.s.Sessions(w.ctx(), ada.Live)
		w.must(err)
		if len(all) != 2 || all[0].ID != ada.Session.ID || all[1].ID != twice.Session.ID {
			t.Fatalf("her sessions: %+v", all)
		}
		if err := w.s.EndSession(w.ctx(), cause, ben.Live, twice.Session.ID); !errors.Is(err, ErrSession) {
			t.Errorf("ending somebody else's: %v", err)
		}
		w.must(w.s.EndSession(w.ctx(), cause, ada.Live, twice.Session.ID))
		if _, err := w.s.Check(w.ctx(), twice.Token); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("the ended one: %v", err)
		}
		if err := w.s.EndSession(w.ctx(), cause, twice.Live, ada.Session.ID); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("an ended session ends another: %v", err)
		}
		if e := w.events("operator.session_ended"); len(e) != 1 || e[0].Actor != ada.Operator.actor() {
			t.Errorf("the log: %+v", e)
		}
	})
}

// A deed of another package: who may, the touch, the reason, one event, or nothing.
func TestADeedIsWhatTheTableSaysAndOneEvent(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		did := 0
		deed := func(reason string) Deed {
			return Deed{Kind: TurnOffClient, Content: []string{"app_1"}, Reason: reason}
		}
		do := func(p *person, d Deed, touch *Touch) error {
			return w.s.Do(w.ctx(), cause, p.Live, d, touch, func(*store.Tx) (audit.Event, error) {
				did++
				return audit.Event{Action: "client.off", Target: "app_1", Payload: map[string]string{"client": "Robot"}}, nil
			})
		}
		for _, role := range []Role{Support, Analyst, Auditor} {
			p := ada.invite("No "+string(role), role)
			if err := do(p, deed("ticket 4711"), p.sure(deed("ticket 4711").Act())); !errors.Is(err, ErrRole) || did != 0 {
				t.Errorf("%s: %v", role, err)
			}
		}
		for _, c := range []struct {
			name  string
			d     Deed
			touch *Touch
		}{
			{"no reason", deed(" "), ada.sure(deed(" ").Act())},
			{"no touch", deed("ticket 4711"), nil},
			{"a touch for another app", deed("ticket 4711"), ada.sure(Deed{Kind: TurnOffClient, Content: []string{"app_2"}, Reason: "ticket 4711"}.Act())},
			{"a touch for another deed", deed("ticket 4711"), ada.sure(Deed{Kind: DropPublisher, Content: []string{"app_1"}, Reason: "ticket 4711"}.Act())},
			{"a deed that is in no table", Deed{Kind: "clients.own", Reason: "ticket 4711"}, ada.sure(Deed{Kind: "clients.own", Reason: "ticket 4711"}.Act())},
		} {
			if err := do(ada, c.d, c.touch); err == nil || did != 0 {
				t.Errorf("%s: %v, done %d times", c.name, err, did)
			}
		}
		touch := ada.sure(deed("ticket 4711").Act())
		w.must(do(ada, deed("ticket 4711"), touch))
		if err := do(ada, deed("ticket 4711"), touch); !errors.Is(err, device.ErrChallengeSpent) {
			t.Errorf("the touch again: %v", err)
		}
		e := w.events("client.off")
		if len(e) != 1 || e[0].Actor != ada.Operator.actor() || e[0].Payload["operator"] != "Admin" || e[0].Payload["reason"] != "ticket 4711" || e[0].Payload["by"] != "staff" {
			t.Errorf("the event: %+v", e)
		}
	})
}
