//go:build !race

package apikey_test

// Not under the race detector: sync.Pool drops things there on purpose, and counts of
// allocations mean nothing. The plain run of all tests holds it.

import (
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

func TestAReadUnderAMACAllocatesNothing(t *testing.T) {
	clock := signintest.NewClock()
	w := signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock)
	o := &owner{t: t, w: w, p: w.NewPerson()}
	w.Must(o.p.SignUp())
	clock.Sleep(time.Minute)
	n := trading
	n.Alg = apikey.HMACSHA256
	p := o.p
	bot, key := p.Bot(n)
	r := o.request(bot, balance)
	if got := testing.AllocsPerRun(100, func() {
		if _, no := w.BotKeys.Verify(t.Context(), r, look); no != nil {
			t.Fatal(no)
		}
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
	// While one version replaces another, too, whichever signs.
	p.In()
	next, _ := p.Turn(bot, key.ID, inADay)
	for _, b := range []*softkey.Bot{bot, next} {
		clock.Sleep(time.Minute) // the key's own speed
		r := o.request(b, balance)
		if got := testing.AllocsPerRun(100, func() {
			if _, no := w.BotKeys.Verify(t.Context(), r, look); no != nil {
				t.Fatal(no)
			}
		}); got > 0 {
			t.Errorf("%v allocations while the key is replaced", got)
		}
	}
}
