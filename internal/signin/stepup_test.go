package signin_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// A touch is good once, for exactly what it was given for, by the session it was
// given on, for five minutes. The act here is removing a certain passkey.
func TestATouchIsForOneAct(t *testing.T) {
	touches := []struct {
		name  string
		touch func(p *signintest.Person, spare, other device.KeyID)
		by    func(p *signintest.Person) *signintest.Person
		want  error
	}{
		{name: "for the act", touch: func(p *signintest.Person, spare, _ device.KeyID) { p.Touch(device.ActKeysRemove, string(spare)) }},
		{name: "none at all", touch: func(*signintest.Person, device.KeyID, device.KeyID) {}, want: device.ErrStepUp},
		{name: "for another act", touch: func(p *signintest.Person, _, _ device.KeyID) { p.Touch(device.ActKeysAdd, "") }, want: device.ErrStepUp},
		{name: "for nothing but \"it is me\"", touch: func(p *signintest.Person, _, _ device.KeyID) { p.Touch(device.ActConfirmMe, "") }, want: device.ErrStepUp},
		{name: "for removing another key", touch: func(p *signintest.Person, _, other device.KeyID) { p.Touch(device.ActKeysRemove, string(other)) }, want: device.ErrStepUp},
		{name: "the one that signed in", touch: func(p *signintest.Person, _, _ device.KeyID) { p.In() }, want: device.ErrStepUp},
		{name: "given on another session of the same owner", touch: func(p *signintest.Person, spare, _ device.KeyID) {
			p.Elsewhere().In().Touch(device.ActKeysRemove, string(spare))
		}, want: device.ErrStepUp},
		{name: "used from another session of the same owner", touch: func(p *signintest.Person, spare, _ device.KeyID) {
			p.Touch(device.ActKeysRemove, string(spare))
		}, by: func(p *signintest.Person) *signintest.Person { return p.Elsewhere().In() }, want: device.ErrStepUp},
		{name: "four minutes old", touch: func(p *signintest.Person, spare, _ device.KeyID) {
			p.Touch(device.ActKeysRemove, string(spare))
			p.W.Clock.Sleep(4 * time.Minute)
		}},
		{name: "five minutes old", touch: func(p *signintest.Person, spare, _ device.KeyID) {
			p.Touch(device.ActKeysRemove, string(spare))
			p.W.Clock.Sleep(4 * time.Minute)
			p.W.Must(p.Refresh())
			p.W.Clock.Sleep(time.Minute)
		}, want: device.ErrStepUp},
		{name: "given twice and used once", touch: func(p *signintest.Person, spare, _ device.KeyID) {
			p.Touch(device.ActKeysRemove, string(spare)).Touch(device.ActKeysRemove, string(spare))
		}},
	}
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for _, row := range touches {
			t.Run(row.name, func(t *testing.T) {
				w.In(t)
				p := w.Person()
				_, spare := p.SecondKey()
				_, other := p.SecondKey()
				row.touch(p, spare.ID, other.ID)
				by := p
				if row.by != nil {
					by = row.by(p)
				}
				remove := func() error {
					_, err := w.Contain.RemoveKey(context.Background(), by.Cause(), by.Session(), spare.ID)
					return err
				}
				w.Refused(remove(), row.want)
				left := 3
				if row.want == nil {
					left = 2
					w.Refused(remove(), device.ErrStepUp) // used up
				}
				if n := len(p.ListKeys()); n != left {
					t.Errorf("%d keys are left, want %d", n, left)
				}
			})
		}
	})
}

func TestStepUpRefusals(t *testing.T) {
	act := device.Act{Kind: device.ActCodesNew}
	ctx := context.Background()
	// stolen lets f change what is answered, by whom and on which session.
	answered := func(p *signintest.Person, begun device.Act, f func(ses session.Session) (session.Session, device.Act), tricks ...softkey.Trick) error {
		ses := p.Session()
		options, err := p.W.SignIn.BeginStepUp(ctx, ses, begun)
		p.W.Must(err)
		answer, err := p.Browser().Get(options, tricks...)
		p.W.Must(err)
		on, act := f(ses)
		_, err = p.W.SignIn.FinishStepUp(ctx, p.Cause(), on, act, answer, p.From())
		return err
	}
	same := func(ses session.Session) (session.Session, device.Act) { return ses, act }
	refusals := []struct {
		name string
		do   func(p *signintest.Person) error
		want error
	}{
		{"a touch begun for another act", func(p *signintest.Person) error {
			return answered(p, device.Act{Kind: device.ActKeysAdd}, same)
		}, device.ErrNotAccepted},
		{"a touch begun for another object", func(p *signintest.Person) error {
			return answered(p, device.Act{Kind: device.ActKeysRemove, Object: "key_1"}, func(ses session.Session) (session.Session, device.Act) {
				return ses, device.Act{Kind: device.ActKeysRemove, Object: "key_2"}
			})
		}, device.ErrNotAccepted},
		{"a touch begun on another session", func(p *signintest.Person) error {
			other := p.Elsewhere().In().Session()
			return answered(p, act, func(session.Session) (session.Session, device.Act) { return other, act })
		}, device.ErrNotAccepted},
		{"a touch of somebody else's passkey", func(p *signintest.Person) error {
			p.Keys = p.W.Person().Keys
			return answered(p, act, same)
		}, device.ErrNotAccepted},
		{"a bad signature", func(p *signintest.Person) error { return answered(p, act, same, softkey.BogusSignature) }, device.ErrNotAccepted},
		{"no user verification", func(p *signintest.Person) error { return answered(p, act, same, softkey.NoVerification) }, device.ErrNotAccepted},
		{"a session that ended meanwhile", func(p *signintest.Person) error {
			return answered(p, act, func(ses session.Session) (session.Session, device.Act) {
				_, err := p.W.Contain.EndSession(ctx, p.Cause(), ses, ses.ID)
				p.W.Must(err)
				return ses, act
			})
		}, session.ErrEnded},
		{"a freeze meanwhile", func(p *signintest.Person) error {
			return answered(p, act, func(ses session.Session) (session.Session, device.Act) {
				_, err := p.W.Contain.Freeze(ctx, p.Cause(), p.Account, "here")
				p.W.Must(err)
				return ses, act
			})
		}, session.ErrEnded},
		{"an answer six minutes late", func(p *signintest.Person) error {
			return answered(p, act, func(ses session.Session) (session.Session, device.Act) {
				p.W.Clock.Sleep(6 * time.Minute)
				return ses, act
			})
		}, device.ErrChallengeExpired},
	}
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for _, row := range refusals {
			t.Run(row.name, func(t *testing.T) {
				w.In(t)
				p := w.Person()
				p.Codes()
				kept := w.Count("device_proof")
				before := p.Iss
				w.Refused(row.do(p), row.want)
				if w.Count("device_proof") != kept {
					t.Error("a touch was kept")
				}
				if p.Iss != before {
					t.Error("new secrets were handed out")
				}
			})
		}
	})
}

// One kept touch, sixteen requests at once.
func TestAKeptTouchIsUsedOnce(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		p.Codes()
		ses := p.Touch(device.ActCodesNew, "").Session()
		var made, refused atomic.Int64
		var g sync.WaitGroup
		for range 16 {
			g.Go(func() {
				switch _, err := w.SignIn.NewCodes(t.Context(), p.Cause(), ses); {
				case err == nil:
					made.Add(1)
				case errors.Is(err, device.ErrStepUp):
					refused.Add(1)
				default:
					t.Errorf("got %v", err)
				}
			})
		}
		g.Wait()
		if made.Load() != 1 || refused.Load() != 15 {
			t.Errorf("one touch made %d sets", made.Load())
		}
	})
}

// Stepping up gives new secrets; whoever copied the old ones has nothing.
func TestStepUpTurnsTheSecrets(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		stolen := *p
		p.Session()
		p.Touch(device.ActConfirmMe, "")
		_, err := stolen.Check()
		w.Refused(err, session.ErrEnded)
		w.Refused(stolen.Refresh(), session.ErrRefreshInvalid)
		w.Must(p.Refresh())
		if n := w.Count("device_proof"); n != 0 {
			t.Error("\"it is me\" was kept for an act")
		}
	})
}

func TestKeys(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		_, err := p.AddKey(&softkey.Authenticator{}, "Spare")
		w.Refused(err, device.ErrStepUp)

		keys, k := p.SecondKey()
		if k.Name != "Spare" || len(p.ListKeys()) != 2 {
			t.Errorf("added %+v", k)
		}
		q := p.Elsewhere()
		q.Keys = keys
		q.In() // the new one signs in

		w.Must(w.SignIn.RenameKey(t.Context(), p.Cause(), p.Session(), k.ID, "Blue one"))
		stranger := w.Person()
		w.Refused(w.SignIn.RenameKey(t.Context(), stranger.Cause(), stranger.Session(), k.ID, "mine"), device.ErrKeyUnknown)
		w.Refused(w.SignIn.RenameKey(t.Context(), p.Cause(), p.Session(), k.ID, "\u202egnp.exe"), device.ErrName)
		if got := w.Events(p.Account); got != "account.created session.stepped_up key.added session.started key.renamed" {
			t.Errorf("the log says %q", got)
		}
	})
}

func TestContacts(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		p.VerifyMail()
		add := func(mail string) (account.Contact, error) {
			return w.SignIn.AddContact(t.Context(), p.Cause(), p.Session(), mail)
		}
		_, err := add("second@example.org")
		w.Refused(err, device.ErrStepUp)
		p.Touch(device.ActContactsChange, "")
		c, err := add("second@example.org")
		w.Must(err)
		_, err = add("third@example.org")
		w.Refused(err, device.ErrStepUp)

		w.Refused(w.SignIn.RemoveContact(t.Context(), p.Cause(), p.Session(), c.ID), device.ErrStepUp)
		p.Touch(device.ActContactsChange, "")
		w.Must(w.SignIn.RemoveContact(t.Context(), p.Cause(), p.Session(), c.ID))
		p.Touch(device.ActContactsChange, "")
		stranger := w.Person().Touch(device.ActContactsChange, "")
		w.Refused(w.SignIn.RemoveContact(t.Context(), stranger.Cause(), stranger.Session(), c.ID), account.ErrContactUnknown)
		_, err = w.SignIn.ConfirmContact(t.Context(), p.Cause(), w.Accounts.VerifyToken(c.ID, w.DB.Now()))
		w.Refused(err, account.ErrLinkInvalid)
	})
}

// changes tries everything that changes what protects an account, with each touch
// given, and says how it went.
func changes(p *signintest.Person, spare device.Key) map[string]error {
	w, ctx := p.W, context.Background()
	for _, act := range []string{device.ActKeysAdd, device.ActCodesNew, device.ActContactsChange} {
		p.Touch(act, "")
	}
	p.Touch(device.ActKeysRemove, string(spare.ID))
	ses := p.Session()
	out := map[string]error{"rename a key": w.SignIn.RenameKey(ctx, p.Cause(), ses, spare.ID, "x")}
	_, out["add a key"] = p.AddKey(&softkey.Authenticator{}, "")
	_, out["make codes"] = p.NewCodes()
	_, out["add an address"] = w.SignIn.AddContact(ctx, p.Cause(), ses, "x@example.org")
	_, out["remove a key"] = w.Contain.RemoveKey(ctx, p.Cause(), ses, spare.ID)
	var contacts []account.Contact
	w.Must(w.DB.View(ctx, func(tx *store.Tx) (err error) {
		contacts, err = w.Accounts.Contacts(tx, p.Account)
		return err
	}))
	_, out["confirm an address"] = w.SignIn.ConfirmContact(ctx, p.Cause(), w.Accounts.VerifyToken(contacts[0].ID, w.DB.Now()))
	return out
}

// While frozen, what protects the account stays as it is (frozen.go).
func TestAFreezeKeepsEverythingAsItIs(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		_, spare := p.SecondKey()
		p.Codes()
		_, err := w.Contain.Freeze(t.Context(), p.Cause(), p.Account, "here")
		w.Must(err)
		for name, err := range changes(p.In(), spare) {
			if !errors.Is(err, signin.ErrFrozen) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

// So it does while the account is restricted.
func TestARestrictionKeepsEverythingAsItIs(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		_, spare := p.SecondKey()
		p.Codes()
		w.SetStatus(p.Account, account.Restricted)
		for name, err := range changes(p, spare) {
			if !errors.Is(err, signin.ErrRestricted) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		w.SetStatus(p.Account, account.Active)
		for name, err := range changes(p, spare) {
			if err != nil {
				t.Errorf("afterwards, %s: got %v", name, err)
			}
		}
	})
}

// A hold takes one power away until its time, and says until when and why.
func TestAHoldTakesOnePowerAway(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for _, tc := range []struct {
			hold account.What
			held []string
		}{
			{account.HoldKeys, []string{"add a key"}},
			{account.HoldFactors, []string{"make codes"}},
			{account.HoldContacts, []string{"add an address", "confirm an address"}},
			{account.HoldWithdraw, nil},
		} {
			p := w.Person()
			_, spare := p.SecondKey()
			p.Codes()
			until := w.DB.Now().Add(time.Minute)
			w.Must(w.DB.Housekeeping(t.Context(), func(tx *store.Tx) error {
				_, err := w.Accounts.Hold(tx, p.Account, tc.hold, until, "All recovery codes were used")
				return err
			}))
			for name, err := range changes(p, spare) {
				held := slices.Contains(tc.held, name)
				var e *edge.Error
				if held != errors.Is(err, signin.ErrHeld) || !held && err != nil {
					t.Errorf("%s held: %s: got %v", tc.hold, name, err)
				} else if held && errors.As(err, &e) && (e.Extra("because") != "All recovery codes were used" || e.Extra("until") != until.UTC().Format(time.RFC3339)) {
					t.Errorf("%s held: %s: until %v because %v", tc.hold, name, e.Extra("until"), e.Extra("because"))
				}
			}
			w.Clock.Sleep(2 * time.Minute)
			q := p.Elsewhere().In().Touch(device.ActKeysAdd, "")
			_, err := q.AddKey(&softkey.Authenticator{}, "")
			w.Must(err)
		}
	})
}
