package device_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

var signIn = device.Act{Kind: device.ActSignIn}

func TestAChallengeIsGoodForOnePurpose(t *testing.T) {
	act := device.Act{Kind: device.ActKeysRemove, Object: "key_1"}
	for _, tc := range []struct {
		name string
		act  device.Act
		acc  func(p, other *person) account.ID
		bind string
	}{
		{"another act", device.Act{Kind: device.ActKeysAdd}, owner, "browser"},
		{"the same act on another object", device.Act{Kind: device.ActKeysRemove, Object: "key_2"}, owner, "browser"},
		{"act and object divided elsewhere", device.Act{Kind: "keys.removekey", Object: "_1"}, owner, "browser"},
		{"another account", act, func(_, other *person) account.ID { return other.acc.ID }, "browser"},
		{"a sign-in", signIn, func(_, _ *person) account.ID { return "" }, "browser"},
		{"another browser", act, owner, "thief"},
		{"no browser", act, owner, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				p, other := w.person(&softkey.Authenticator{}), w.person(&softkey.Authenticator{})
				p.enrol()
				options, err := w.devices.BeginAssert(act, p.acc.ID, "browser")
				w.must(err)
				answer, err := p.browser.Get(options)
				w.must(err)
				_, err = w.devices.ParseAssert(context.Background(), w.db, tc.act, tc.acc(p, other), tc.bind, "", answer)
				wantRefusal(t, err, "another act, account or browser")
				if _, err := w.devices.ParseAssert(context.Background(), w.db, act, p.acc.ID, "browser", "", answer); err != nil {
					t.Errorf("for its own purpose it is refused: %v", err)
				}
			})
		})
	}
}

func owner(p, _ *person) account.ID { return p.acc.ID }

func TestARegistrationChallengeIsGoodForOneSignUp(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		options, err := w.devices.BeginRegister(p.registerFor(), "browser")
		w.must(err)
		answer, err := p.browser.Create(options)
		w.must(err)
		for name, try := range map[string]struct {
			edit func(*device.RegisterFor)
			bind string
		}{
			"another account":     {func(f *device.RegisterFor) { f.Account = "acc_other" }, "browser"},
			"another user handle": {func(f *device.RegisterFor) { f.Handle = make([]byte, 32) }, "browser"},
			"another browser":     {func(*device.RegisterFor) {}, "thief"},
		} {
			f := p.registerFor()
			try.edit(&f)
			_, err := w.devices.ParseRegister(context.Background(), f, try.bind, answer)
			t.Run(name, func(t *testing.T) { wantRefusal(t, err, "another act, account or browser") })
		}
	})
}

func TestAChallengeLivesFiveMinutes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		answerAfter := func(d time.Duration) error {
			options, err := w.devices.BeginAssert(signIn, "", "browser")
			w.must(err)
			answer, err := p.browser.Get(options)
			w.must(err)
			w.sleep(d)
			_, err = w.devices.ParseAssert(context.Background(), w.db, signIn, "", "browser", "", answer)
			return err
		}
		if err := answerAfter(5*time.Minute - time.Second); err != nil {
			t.Errorf("just in time: %v", err)
		}
		if err := answerAfter(5 * time.Minute); !errors.Is(err, device.ErrChallengeExpired) {
			t.Errorf("too late: %v", err)
		}

		// Parsed in time and proved too late: the transaction's clock decides.
		a, err := p.touch(signIn)
		w.must(err)
		w.sleep(5 * time.Minute)
		err = w.update(func(tx *store.Tx) error { _, err := w.devices.Prove(tx, a); return err })
		if !errors.Is(err, device.ErrChallengeExpired) {
			t.Errorf("proved too late: %v", err)
		}
	})
}

func TestOneChallengePresented32TimesAtOnceIsAcceptedOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		options, err := w.devices.BeginAssert(signIn, "", "browser")
		w.must(err)
		answer, err := p.browser.Get(options)
		w.must(err)

		var accepted, spent atomic.Int32
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				a, err := w.devices.ParseAssert(context.Background(), w.db, signIn, "", "browser", "", answer)
				if err != nil {
					t.Error(err)
					return
				}
				switch err := w.update(func(tx *store.Tx) error { _, err := w.devices.Prove(tx, a); return err }); {
				case err == nil:
					accepted.Add(1)
				case errors.Is(err, device.ErrChallengeSpent):
					spent.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if accepted.Load() != 1 || spent.Load() != 31 {
			t.Errorf("accepted %d times, refused as spent %d times", accepted.Load(), spent.Load())
		}
		w.sleep(time.Minute)
		a, err := w.devices.ParseAssert(context.Background(), w.db, signIn, "", "browser", "", answer)
		w.must(err)
		if err := w.update(func(tx *store.Tx) error { _, err := w.devices.Prove(tx, a); return err }); !errors.Is(err, device.ErrChallengeSpent) {
			t.Errorf("a minute later: %v", err)
		}
	})
}

func TestOneRegistrationPresented8TimesAtOnceMakesOneKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		att, err := p.create()
		w.must(err)
		var made atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				err := w.update(func(tx *store.Tx) error {
					_, err := w.devices.AddFirst(tx, p.acc.ID, att, p.dev.ID, "")
					return err
				})
				if err == nil {
					made.Add(1)
				} else if !errors.Is(err, device.ErrChallengeSpent) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if live, _ := p.keys(); made.Load() != 1 || len(live) != 1 {
			t.Errorf("%d successes, %d keys", made.Load(), len(live))
		}
	})
}

func TestAFailedActLeavesItsChallengeOpen(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		a, err := p.touch(signIn)
		w.must(err)
		boom := errors.New("the mail address is odd")
		prove := func(then error) error {
			return w.update(func(tx *store.Tx) error {
				if _, err := w.devices.Prove(tx, a); err != nil {
					return err
				}
				return then
			})
		}
		if err := prove(boom); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if err := prove(nil); err != nil {
			t.Errorf("nothing had happened, and yet: %v", err)
		}
	})
}

func TestSpentChallengesAreForgottenWhenTheyCannotReturn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		spent := func() (n int) {
			w.view(func(tx *store.Tx) error { return tx.Row(`SELECT COUNT(*) FROM device_spent`).Scan(&n) })
			return n
		}
		sweep := func() {
			w.must(w.db.Housekeeping(context.Background(), w.devices.Sweep))
		}
		if n := spent(); n != 1 {
			t.Fatalf("%d challenges remembered after one enrolment", n)
		}
		w.sleep(5 * time.Minute)
		if sweep(); spent() != 1 {
			t.Error("forgotten while another process's clock might still take it")
		}
		w.sleep(11 * time.Minute)
		if sweep(); spent() != 0 {
			t.Error("remembered for ever")
		}
	})
}

func TestBeginsWriteNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for range 100 {
			_, err := w.devices.BeginAssert(signIn, "", "")
			w.must(err)
			_, err = w.devices.BeginRegister(device.RegisterFor{Handle: make([]byte, 32), UserName: "kim"}, "browser")
			w.must(err)
		}
		for _, table := range []string{"device_spent", "device_key", "device_device", "device_proof"} {
			var n int
			w.view(func(tx *store.Tx) error { return tx.Row(`SELECT COUNT(*) FROM ` + table).Scan(&n) })
			if n != 0 {
				t.Errorf("%d rows in %s", n, table)
			}
		}
	})
}

func TestCeremoniesThatCannotBegin(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for name, err := range map[string]error{
			"a sign-in of a known account": second(w.devices.BeginAssert(signIn, "acc_1", "browser")),
			"a step-up of nobody":          second(w.devices.BeginAssert(device.Act{Kind: device.ActKeysAdd}, "", "browser")),
			"a step-up without a session":  second(w.devices.BeginAssert(device.Act{Kind: device.ActKeysAdd}, "acc_1", "")),
			"an act without a name":        second(w.devices.BeginAssert(device.Act{}, "acc_1", "browser")),
			"a registration without a browser": second(w.devices.BeginRegister(
				device.RegisterFor{Handle: make([]byte, 32), UserName: "kim"}, "")),
			"a registration without a handle": second(w.devices.BeginRegister(device.RegisterFor{UserName: "kim"}, "browser")),
			"a registration without a name":   second(w.devices.BeginRegister(device.RegisterFor{Handle: make([]byte, 32)}, "browser")),
			"a handle longer than the specification allows": second(w.devices.BeginRegister(
				device.RegisterFor{Handle: make([]byte, 65), UserName: "kim"}, "browser")),
		} {
			if err == nil {
				t.Errorf("%s begins", name)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }
