package account_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"keyward/internal/account"
	"keyward/internal/store"
)

func (w *world) hold(id account.ID, what account.What, d time.Duration, because string) (h account.Hold, err error) {
	err = w.update(func(tx *store.Tx) error {
		h, err = w.accounts.Hold(tx, id, what, tx.Now.Add(d), because)
		return err
	})
	return h, err
}

func (w *world) holds(id account.ID) (list []account.Hold) {
	w.t.Helper()
	w.view(func(tx *store.Tx) (err error) {
		list, err = w.accounts.Holds(tx, id)
		return err
	})
	return list
}

func TestAHoldIsNeverShortened(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.create(account.NewAccount{})
		long, err := w.hold(a.ID, account.HoldWithdraw, 72*time.Hour, "a recovery")
		w.must(err)
		short, err := w.hold(a.ID, account.HoldWithdraw, time.Hour, "a new device")
		w.must(err)
		if !short.Until.Equal(long.Until) || short.Because != "a recovery" {
			t.Errorf("a shorter hold made %+v of %+v", short, long)
		}
		longer, err := w.hold(a.ID, account.HoldWithdraw, 96*time.Hour, "a changed address")
		w.must(err)
		if !longer.Until.Equal(w.now().Add(96*time.Hour)) || longer.Because != "a changed address" {
			t.Errorf("a longer hold is %+v", longer)
		}
		past, err := w.hold(a.ID, account.HoldWithdraw, -time.Hour, "support asked nicely")
		w.must(err)
		if !past.Until.Equal(longer.Until) {
			t.Errorf("a hold in the past ends it: %+v", past)
		}
		_, err = w.hold(a.ID, account.HoldKeys, time.Hour, "a recovery")
		w.must(err)
		if list := w.holds(a.ID); len(list) != 2 || list[0].What != account.HoldKeys || list[1].What != account.HoldWithdraw {
			t.Errorf("held: %+v", list)
		}
		w.sleep(2 * time.Hour)
		if list := w.holds(a.ID); len(list) != 1 {
			t.Errorf("two hours later held: %+v", list)
		}
		w.view(func(tx *store.Tx) error {
			if _, held, err := w.accounts.Held(tx, a.ID, account.HoldKeys); held || err != nil {
				t.Errorf("keys still held: %v", err)
			}
			h, held, err := w.accounts.Held(tx, a.ID, account.HoldWithdraw)
			if !held || !h.Until.Equal(longer.Until) {
				t.Errorf("withdraw: held %v, %+v", held, h)
			}
			return err
		})
	})
}

// TestHoldsOnlyGrow lays random holds and compares with the largest of them.
func TestHoldsOnlyGrow(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		rapid.Check(t, func(rt *rapid.T) {
			a := w.create(account.NewAccount{})
			var end time.Duration
			for _, h := range rapid.SliceOfN(rapid.IntRange(1, 1000), 1, 6).Draw(rt, "hours") {
				d := time.Duration(h) * time.Hour
				end = max(end, d)
				got, err := w.hold(a.ID, account.HoldTransfer, d, "x")
				if err != nil || !got.Until.Equal(w.now().Add(end)) {
					rt.Fatalf("held until %v, %v; want %v", got.Until, err, w.now().Add(end))
				}
			}
		})
	})
}

func TestHoldsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.create(account.NewAccount{})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if _, err := w.hold(a.ID, account.HoldWithdraw, time.Duration(1+i*5%8)*time.Hour, "x"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if list := w.holds(a.ID); len(list) != 1 || !list[0].Until.Equal(w.now().Add(8*time.Hour)) {
			t.Errorf("held %+v", list)
		}
	})
}

func TestHoldsThatAreRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.create(account.NewAccount{})
		for name, try := range map[string]struct {
			what    account.What
			because string
		}{
			"a power that is none": {"everything", "x"},
			"without a reason":     {account.HoldKeys, "  "},
			"a reason with NUL":    {account.HoldKeys, "a\x00"},
			"a long story":         {account.HoldKeys, strings.Repeat("가", 201)},
		} {
			if _, err := w.hold(a.ID, try.what, time.Hour, try.because); !errors.Is(err, account.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.hold("acc_nobody", account.HoldKeys, time.Hour, "x"); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("on nobody: %v", err)
		}
	})
}
