package device_test

import (
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

// keep runs a step-up of a session and keeps its touch.
func (p *person) keep(act device.Act, session string) {
	p.w.t.Helper()
	p.w.must(p.prove(act, func(tx *store.Tx, proof device.Proof) error { return p.w.devices.Keep(tx, proof, session) }))
}

// by is a session on the person's device.
func (p *person) by(session string) device.By {
	return device.By{Session: session, Account: p.acc.ID, Device: p.dev.ID}
}

func (p *person) redeem(session string, acc account.ID, act device.Act) (proof device.Proof, err error) {
	err = p.w.update(func(tx *store.Tx) error {
		proof, err = p.w.devices.Redeem(tx, device.By{Session: session, Account: acc, Device: p.dev.ID}, act)
		if err == nil && !proof.For(tx, acc, act) {
			return errors.New("the redeemed proof proves nothing")
		}
		return err
	})
	return proof, err
}

func TestAKeptTouchIsUsedOnceForItsAct(t *testing.T) {
	act := device.Act{Kind: device.ActCodesNew}
	each(t, func(t *testing.T, w *world) {
		p, other := w.person(&softkey.Authenticator{}), w.person(&softkey.Authenticator{})
		p.enrol()
		p.keep(act, "ses_1")
		for name, try := range map[string]struct {
			session string
			acc     account.ID
			act     device.Act
		}{
			"another session":           {"ses_2", p.acc.ID, act},
			"another account":           {"ses_1", other.acc.ID, act},
			"another act":               {"ses_1", p.acc.ID, device.Act{Kind: device.ActKeysAdd}},
			"the same act on something": {"ses_1", p.acc.ID, device.Act{Kind: act.Kind, Object: "x"}},
		} {
			if _, err := p.redeem(try.session, try.acc, try.act); !errors.Is(err, device.ErrStepUp) {
				t.Errorf("%s: %v", name, err)
			}
		}
		touched := w.now()
		w.sleep(time.Minute)
		proof, err := p.redeem("ses_1", p.acc.ID, act)
		w.must(err)
		if !proof.At().Equal(touched) || proof.Grade() != device.Synced || proof.Act() != act {
			t.Errorf("redeemed %v at %v, grade %s; touched at %v", proof.Act(), proof.At(), proof.Grade(), touched)
		}
		if _, err := p.redeem("ses_1", p.acc.ID, act); !errors.Is(err, device.ErrStepUp) {
			t.Errorf("used twice: %v", err)
		}
	})
}

func TestAKeptTouchLastsFiveMinutes(t *testing.T) {
	act := device.Act{Kind: device.ActCodesNew}
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		p.keep(act, "ses_1")
		w.sleep(5*time.Minute - time.Second)
		if _, err := p.redeem("ses_1", p.acc.ID, act); err != nil {
			t.Errorf("just in time: %v", err)
		}
		p.keep(act, "ses_1")
		w.sleep(5 * time.Minute)
		if _, err := p.redeem("ses_1", p.acc.ID, act); !errors.Is(err, device.ErrStepUp) {
			t.Errorf("too late: %v", err)
		}
		p.keep(act, "ses_1") // replaces the old row
		if _, err := p.redeem("ses_1", p.acc.ID, act); err != nil {
			t.Errorf("a new touch for the same act: %v", err)
		}
	})
}

func TestARedeemedTouchCannotBeKeptAgain(t *testing.T) {
	act := device.Act{Kind: device.ActCodesNew}
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		p.keep(act, "ses_1")
		err := w.update(func(tx *store.Tx) error {
			proof, err := w.devices.Redeem(tx, p.by("ses_1"), act)
			if err != nil {
				return err
			}
			return w.devices.Keep(tx, proof, "ses_1")
		})
		if !errors.Is(err, device.ErrStepUp) {
			t.Errorf("got %v", err)
		}
		err = w.update(func(tx *store.Tx) error { return w.devices.Keep(tx, device.Proof{}, "ses_1") })
		if !errors.Is(err, device.ErrStepUp) {
			t.Errorf("keeping nothing: %v", err)
		}
	})
}

func TestAKeptTouchDiesWithItsKey(t *testing.T) {
	act := device.Act{Kind: device.ActCodesNew}
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		first := p.enrol()
		_, err := p.addKey(&softkey.Authenticator{})
		w.must(err)
		p.keep(act, "ses_1")
		w.must(p.remove(first.ID))
		if _, err := p.redeem("ses_1", p.acc.ID, act); !errors.Is(err, device.ErrStepUp) {
			t.Errorf("got %v", err)
		}
	})
}

func TestOneKeptTouchRedeemed16TimesAtOnce(t *testing.T) {
	act := device.Act{Kind: device.ActCodesNew}
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		p.keep(act, "ses_1")
		var got atomic.Int32
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				switch _, err := p.redeem("ses_1", p.acc.ID, act); {
				case err == nil:
					got.Add(1)
				case !errors.Is(err, device.ErrStepUp):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Errorf("redeemed %d times", got.Load())
		}
	})
}

func TestNeedSaysWhichTouchIsMissing(t *testing.T) {
	act := device.Act{Kind: device.ActKeysRemove, Object: "key_1"}
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		kept := func() (is bool) {
			w.view(func(tx *store.Tx) (err error) {
				is, err = w.devices.Kept(tx, p.by("ses_1"), act)
				return err
			})
			return is
		}
		need := func() error {
			return w.update(func(tx *store.Tx) error {
				_, err := w.devices.Need(tx, p.by("ses_1"), act)
				return err
			})
		}
		if err := need(); !errors.Is(err, device.ErrStepUp) || kept() {
			t.Errorf("before any touch: %v, kept %v", err, kept())
		}
		p.keep(act, "ses_1")
		if !kept() {
			t.Error("the touch is not seen")
		}
		w.must(need())
		if kept() {
			t.Error("still there after it was used")
		}
	})
}

func TestSignUpIsATouchToo(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		att, err := p.create()
		w.must(err)
		w.must(w.update(func(tx *store.Tx) error {
			key, proof, err := w.devices.Found(tx, p.acc.ID, att, p.dev.ID, "")
			if err != nil {
				return err
			}
			if !proof.For(tx, p.acc.ID, signIn) || proof.Key() != key.ID || proof.For(tx, p.acc.ID, device.Act{Kind: device.ActKeysAdd}) {
				t.Errorf("proof %+v", proof)
			}
			return nil
		}))
	})
}

func TestActsClientsMayName(t *testing.T) {
	for _, tc := range []struct {
		kind, object string
		ok           bool
	}{
		{"keys.add", "", true},
		{"keys.remove", "key_1", true},
		{"keys.remove", "", false},
		{"keys.add", "key_1", false},
		{"sign-in", "", false},
		{"", "", false},
		{"withdraw", "", false},
		{"keys.remove", string(make([]byte, 65)), false},
	} {
		if _, err := device.ParseAct(tc.kind, tc.object); (err == nil) != tc.ok {
			t.Errorf("%q on %q: %v", tc.kind, tc.object, err)
		}
	}
}
