package apikey_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
)

// Two gates on one PostgreSQL, in real time.
func TestACapturedOrderIsTakenOnceByAllGatesTogether(t *testing.T) {
	here, there := signintest.Two(t)
	o := &owner{t: t, w: here, p: here.NewPerson()}
	here.Must(o.p.SignUp())
	n := trading
	n.PerMin = 60_000
	bot, _ := o.p.Bot(n)
	for range 20 {
		r := o.request(bot, order)
		var in, replayed atomic.Int64
		var first sync.Map
		var wg sync.WaitGroup
		for i := range 32 {
			w := []*signintest.World{here, there}[i%2]
			wg.Go(func() {
				copied := *r
				switch d, no := w.BotKeys.Verify(t.Context(), &copied, trade); {
				case no == nil:
					in.Add(1)
					first.Store("let in", d.ID.String())
				case no.Code == apikey.Replayed:
					replayed.Add(1)
					first.Store(no.First, true)
				default:
					t.Errorf("%+v", no)
				}
			})
		}
		wg.Wait()
		if in.Load() != 1 || replayed.Load() != 31 {
			t.Fatalf("%d let in, %d replayed", in.Load(), replayed.Load())
		}
		id, _ := first.Load("let in")
		first.Range(func(k, _ any) bool {
			if k != "let in" && k != id {
				t.Errorf("a replay names %v, the first was %v", k, id)
			}
			return true
		})
	}
}

// What one process is told ends at both, for every request that starts afterwards.
func TestWhatIsEndedHereIsRefusedThere(t *testing.T) {
	here, there := signintest.Two(t)
	o := &owner{t: t, w: here, p: here.NewPerson()}
	here.Must(o.p.SignUp())
	for i := range 20 {
		n := trading
		n.Purpose = fmt.Sprintf("bot %d", i)
		bot, key := o.p.Bot(n)
		far := &owner{t: t, w: there, p: o.p}
		far.want(far.request(bot, balance), look, "")
		stop := make(chan struct{})
		var late atomic.Int64
		var ended atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				after := ended.Load()
				if _, no := there.BotKeys.Verify(t.Context(), far.request(bot, balance), look); no == nil && after {
					late.Add(1)
				}
			}
		})
		_, err := here.Contain.EndBotKey(t.Context(), o.p.Cause(), o.p.Account, key.ID)
		here.Must(err)
		ended.Store(true)
		time.Sleep(20 * time.Millisecond)
		close(stop)
		wg.Wait()
		if late.Load() != 0 {
			t.Fatalf("%d requests passed after the end was acknowledged", late.Load())
		}
	}
}
