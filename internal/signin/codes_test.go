package signin_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

func state(w *signintest.World, acc account.ID) (c signin.CodeState) {
	w.T.Helper()
	w.Must(w.DB.View(context.Background(), func(tx *store.Tx) (err error) {
		c, err = w.SignIn.Codes(tx, acc)
		return err
	}))
	return c
}

func TestMakingCodes(t *testing.T) {
	tries := []struct {
		name   string
		before func(p *signintest.Person)
		want   error
	}{
		{"the first set belongs to the sign-up, moments ago", func(*signintest.Person) {}, nil},
		{"six minutes later the first set needs a touch", func(p *signintest.Person) {
			p.W.Clock.Sleep(4 * time.Minute)
			p.W.Must(p.Refresh())
			p.W.Clock.Sleep(2 * time.Minute)
		}, device.ErrStepUp},
		{"the second set needs a touch, however soon", func(p *signintest.Person) { p.Codes() }, device.ErrStepUp},
		{"with that touch it is made", func(p *signintest.Person) { p.Codes(); p.Touch(device.ActCodesNew, "") }, nil},
		{"a touch for something else is none", func(p *signintest.Person) { p.Codes(); p.Touch(device.ActKeysAdd, "") }, device.ErrStepUp},
		{"one touch makes one set", func(p *signintest.Person) { p.Codes(); p.Touch(device.ActCodesNew, "").Codes() }, device.ErrStepUp},
		{"a session opened by a code makes none", func(p *signintest.Person) { p.W.Must(p.SignInByCode(p.Codes()[0])) }, signin.ErrPower},
	}
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for _, row := range tries {
			t.Run(row.name, func(t *testing.T) {
				w.In(t)
				p := w.Person()
				row.before(p)
				before := state(w, p.Account)
				codes, err := p.NewCodes()
				w.Refused(err, row.want)
				after := state(w, p.Account)
				if err != nil {
					if after != before {
						t.Errorf("a refusal changed %+v to %+v", before, after)
					}
					return
				}
				if len(codes) != signin.CodesPerSet || after.Left != signin.CodesPerSet {
					t.Errorf("%d codes, %d left", len(codes), after.Left)
				}
				for _, c := range codes {
					if len(strings.ReplaceAll(c, "-", "")) != 25 {
						t.Errorf("a code of another form: %q", c)
					}
				}
			})
		}
	})
}

// Before a code is accepted every refusal is the same: nobody learns whether an
// address has an account, or a code was right once (ASVS 6.3.8).
func TestCodesAreRefusedInOneWay(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		kim, lee := w.Person(), w.Person()
		codes, others := kim.Codes(), lee.Codes()
		kim.Touch(device.ActCodesNew, "")
		old := codes
		codes = kim.Codes()
		w.Must(kim.Elsewhere().SignInByCode(codes[0]))
		unknown := "00000-00000-00000-00000-00000"
		events := w.Count("audit_event")
		for _, row := range []struct{ name, mail, code string }{
			{"a code that never was", kim.Mail, unknown},
			{"a code that was used", kim.Mail, codes[0]},
			{"a code of an older set", kim.Mail, old[1]},
			{"a code of somebody else", kim.Mail, others[1]},
			{"a good code with the address of somebody else", lee.Mail, codes[1]},
			{"a good code with an address nobody has", "nobody@example.org", codes[1]},
			{"a good code without an address", "", codes[1]},
			{"no code", kim.Mail, ""},
			{"half a code", kim.Mail, codes[1][:11]},
			{"something that is no code at all", kim.Mail, strings.Repeat("x", 10_000)},
		} {
			p := kim.Elsewhere()
			p.Mail = row.mail
			err := p.SignInByCode(row.code)
			if !errors.Is(err, signin.ErrCodeNotAccepted) || err.Error() != signin.ErrCodeNotAccepted.Error() {
				t.Errorf("%s: got %v", row.name, err)
			}
		}
		if n := w.Count("audit_event"); n != events {
			t.Errorf("refusals wrote %d events", n-events)
		}
		// And none of it used up the good one, typed as people type.
		w.Must(kim.Elsewhere().SignInByCode(" " + strings.ToLower(strings.ReplaceAll(codes[1], "-", " "))))
		if got := state(w, kim.Account).Left; got != signin.CodesPerSet-2 {
			t.Errorf("%d codes are left", got)
		}
	})
}

// Who has no code makes us write nothing, proof or not.
func TestGuessingCodesWritesNothing(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		before := w.Count("session_jti")
		for range 10 {
			w.Refused(p.Elsewhere().SignInByCode("00000-00000-00000-00000-00000"), signin.ErrCodeNotAccepted)
		}
		if n := w.Count("session_jti"); n != before {
			t.Errorf("guessing wrote %d rows", n-before)
		}
	})
}

// Whether an address has an account changes no statement either, so it cannot be
// timed.
func TestGuessingCodesRunsTheSameStatements(t *testing.T) {
	wire := storetest.Tap(t, storetest.PostgresURL(t))
	db, err := store.Open(t.Context(), store.Options{URL: wire.URL, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := signintest.New(t, db, nil)
	owner := w.Person()
	owner.Codes()
	ran := func(mail string) []string {
		wire.Forget()
		p := w.NewPerson()
		p.Mail = mail
		w.Refused(p.SignInByCode("00000-00000-00000-00000-00000"), signin.ErrCodeNotAccepted)
		return wire.Ran()
	}
	if known, unknown := ran(owner.Mail), ran("nobody@example.org"); !slices.Equal(known, unknown) || len(known) == 0 {
		t.Errorf("for a customer:\n%s\nfor nobody:\n%s", strings.Join(known, "\n"), strings.Join(unknown, "\n"))
	}
}

func TestACodeIsGoodOnce(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		code := p.Codes()[0]
		var in, refused atomic.Int64
		var g sync.WaitGroup
		for range 32 {
			q := p.Elsewhere()
			g.Go(func() {
				switch err := q.SignInByCode(code); {
				case err == nil:
					in.Add(1)
				case errors.Is(err, signin.ErrCodeNotAccepted):
					refused.Add(1)
				default:
					t.Errorf("got %v", err)
				}
			})
		}
		g.Wait()
		if in.Load() != 1 || refused.Load() != 31 {
			t.Errorf("one code let in %d, refused %d", in.Load(), refused.Load())
		}
		if got := state(w, p.Account).Left; got != signin.CodesPerSet-1 {
			t.Errorf("%d codes are left", got)
		}
		if n := strings.Count(w.Events(p.Account), "codes.used"); n != 1 {
			t.Errorf("%d events tell of it", n)
		}
	})
}

// A code that meets a frozen account is not used up: it is good again when the
// owner has lifted the freeze.
func TestAFreezeKeepsTheCode(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		code := p.Codes()[0]
		_, err := w.Contain.Freeze(t.Context(), p.Cause(), p.Account, "here")
		w.Must(err)
		w.Refused(p.Elsewhere().SignInByCode(code), signin.ErrFrozen)
		if got := state(w, p.Account).Left; got != signin.CodesPerSet {
			t.Fatalf("%d codes are left", got)
		}
		p.In().Touch(device.ActFreezeLift, "")
		w.Must(w.Contain.Lift(t.Context(), p.Cause(), p.Session()))
		w.Must(p.Elsewhere().SignInByCode(code))

		q := w.Person()
		code = q.Codes()[0]
		w.SetStatus(q.Account, account.Closed)
		w.Refused(q.Elsewhere().SignInByCode(code), signin.ErrAccountClosed)
	})
}

func TestRehearsal(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		kim, lee := w.Person(), w.Person()
		codes, others := kim.Codes(), lee.Codes()
		rehearse := func(code string) error { return w.SignIn.Rehearse(t.Context(), kim.Cause(), kim.Session(), code) }
		for name, code := range map[string]string{"of somebody else": others[0], "that never was": "00000-00000-00000-00000-00000", "that is none": "?"} {
			if err := rehearse(code); !errors.Is(err, signin.ErrCodeNotAccepted) {
				t.Errorf("a code %s: got %v", name, err)
			}
		}
		if !state(w, kim.Account).RehearsedAt.IsZero() {
			t.Error("a refused rehearsal counts")
		}
		w.Must(rehearse(codes[0]))
		s := state(w, kim.Account)
		if s.RehearsedAt.IsZero() || s.Left != signin.CodesPerSet {
			t.Errorf("after a rehearsal: %+v", s)
		}
		weak := kim.Elsewhere()
		w.Must(weak.SignInByCode(codes[0])) // it was not used up
		w.Refused(rehearse(codes[0]), signin.ErrCodeUsed)
		w.Refused(w.SignIn.Rehearse(t.Context(), weak.Cause(), weak.Session(), codes[1]), signin.ErrPower)
		if n := strings.Count(w.Events(kim.Account), "codes.rehearsed"); n != 1 {
			t.Errorf("%d rehearsals in the log", n)
		}
	})
}

// What a session opened by a recovery code may do, and what it may not, whatever
// its owner touches afterwards (DESIGN §5).
func TestPowersOfACode(t *testing.T) {
	powers := []struct {
		name string
		do   func(p *signintest.Person, other *signintest.Person) error
		want error
	}{
		{"look at the sessions", func(p, _ *signintest.Person) error { p.Sessions(); _, err := p.Check(); return err }, nil},
		{"stay signed in", func(p, _ *signintest.Person) error { return p.Refresh() }, nil},
		{"end one session", func(p, o *signintest.Person) error {
			_, err := p.W.Contain.EndSession(context.Background(), p.Cause(), p.Session(), o.Session().ID)
			return err
		}, nil},
		{"say that a session is not theirs", func(p, o *signintest.Person) error {
			_, err := p.W.Contain.NotMe(context.Background(), p.Cause(), p.Session(), o.Session().ID)
			return err
		}, nil},
		{"end all others, at once", func(p, _ *signintest.Person) error {
			_, err := p.W.Contain.EndOthers(context.Background(), p.Cause(), p.Session())
			return err
		}, nil},
		{"end all others, much later", func(p, _ *signintest.Person) error {
			p.W.Clock.Sleep(4 * time.Minute)
			p.W.Must(p.Refresh())
			p.W.Clock.Sleep(2 * time.Minute)
			_, err := p.W.Contain.EndOthers(context.Background(), p.Cause(), p.Session())
			return err
		}, signin.ErrPower},
		{"freeze", func(p, _ *signintest.Person) error {
			_, err := p.W.Contain.Freeze(context.Background(), p.Cause(), p.Account, "here")
			return err
		}, nil},
		{"sign out", func(p, _ *signintest.Person) error {
			ses := p.Session()
			_, err := p.W.Contain.EndSession(context.Background(), p.Cause(), ses, ses.ID)
			return err
		}, nil},
		{"step up for a key", func(p, _ *signintest.Person) error { return p.StepUp(device.ActKeysAdd, "") }, signin.ErrPower},
		{"begin one", func(p, _ *signintest.Person) error {
			_, err := p.W.SignIn.BeginStepUp(context.Background(), p.Session(), device.Act{Kind: device.ActConfirmMe})
			return err
		}, signin.ErrPower},
		{"say with a touch that it is them", func(p, _ *signintest.Person) error { return p.StepUp(device.ActConfirmMe, "") }, signin.ErrPower},
		{"begin to add a key", func(p, _ *signintest.Person) error {
			_, err := p.W.SignIn.BeginAddKey(context.Background(), p.Session())
			return err
		}, signin.ErrPower},
		{"finish adding one, with what another session had begun", func(p, o *signintest.Person) error {
			ses := o.Touch(device.ActKeysAdd, "").Session()
			options, err := p.W.SignIn.BeginAddKey(context.Background(), ses)
			p.W.Must(err)
			spare := p.Elsewhere()
			spare.Keys = p.W.NewPerson().Keys
			answer, err := spare.Browser().Create(options)
			p.W.Must(err)
			_, err = p.W.SignIn.FinishAddKey(context.Background(), p.Cause(), p.Session(), "mine", answer, nil)
			return err
		}, signin.ErrPower},
		{"rename a key", func(p, _ *signintest.Person) error {
			return p.W.SignIn.RenameKey(context.Background(), p.Cause(), p.Session(), p.ListKeys()[0].ID, "mine")
		}, signin.ErrPower},
		{"remove a key", func(p, _ *signintest.Person) error {
			_, err := p.W.Contain.RemoveKey(context.Background(), p.Cause(), p.Session(), p.ListKeys()[0].ID)
			return err
		}, signin.ErrPower},
		{"remove a device", func(p, o *signintest.Person) error {
			_, err := p.W.Contain.RemoveDevice(context.Background(), p.Cause(), p.Session(), o.Session().Device, contain.Keep{})
			return err
		}, signin.ErrPower},
		{"name a device", func(p, o *signintest.Person) error {
			return p.W.Contain.NameDevice(context.Background(), p.Cause(), p.Session(), o.Session().Device, "mine")
		}, signin.ErrPower},
		{"vouch for a session, perhaps its own", func(p, _ *signintest.Person) error {
			return p.W.Contain.ThisWasMe(context.Background(), p.Cause(), p.Session(), p.Session().ID)
		}, signin.ErrPower},
		{"make codes", func(p, _ *signintest.Person) error { _, err := p.NewCodes(); return err }, signin.ErrPower},
		{"add an address", func(p, _ *signintest.Person) error {
			_, err := p.W.SignIn.AddContact(context.Background(), p.Cause(), p.Session(), "thief@example.org")
			return err
		}, signin.ErrPower},
		{"remove an address", func(p, _ *signintest.Person) error {
			return p.W.SignIn.RemoveContact(context.Background(), p.Cause(), p.Session(), "cnt_1")
		}, signin.ErrPower},
		{"lift a freeze", func(p, _ *signintest.Person) error {
			p.W.SetStatus(p.Account, account.Frozen) // without ending its session
			return p.W.Contain.Lift(context.Background(), p.Cause(), p.Session())
		}, device.ErrStepUp},
	}
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for _, row := range powers {
			t.Run(row.name, func(t *testing.T) {
				w.In(t)
				owner := w.Person()
				code := owner.Codes()[0]
				p := owner.Elsewhere()
				w.Must(p.SignInByCode(code))
				if ses := p.Session(); ses.ACR != session.ACRFallback || ses.Remember {
					t.Fatalf("a code opened %+v", ses)
				}
				keys := len(p.ListKeys())
				w.Refused(row.do(p, owner), row.want)
				if n := len(p.ListKeys()); n != keys {
					t.Errorf("%d keys became %d", keys, n)
				}
			})
		}
	})
}
