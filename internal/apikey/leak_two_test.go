package apikey_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

// Acknowledged means refused: once a report was taken in, or a bulk end has returned, no
// other gate lets an order in that starts afterwards.
func TestWhatIsContainedHereIsRefusedThere(t *testing.T) {
	here, there := signintest.Two(t)
	o := &owner{t: t, w: here, p: here.NewPerson()}
	here.Must(o.p.SignUp())
	for i := range 12 {
		n := shared(trading)
		n.Purpose, n.PerMin, n.Partner = fmt.Sprintf("bot %d", i), 60_000, fmt.Sprintf("partner %d", i)
		bot, _ := o.p.Bot(n)
		far := &owner{t: t, w: there, p: o.p}
		far.want(far.request(bot, order), trade, "")
		var late, refused atomic.Int64
		var done atomic.Bool
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				after := done.Load()
				switch _, no := there.BotKeys.Verify(t.Context(), far.request(bot, order), trade); {
				case no == nil && after:
					late.Add(1)
				case no != nil && after:
					refused.Add(1)
				}
			}
		})
		if i%2 == 0 {
			o.reported(apikey.Report{Token: bot.Secret})
		} else {
			_, err := here.Contain.EndBotKeys(t.Context(), operator, apikey.Filter{Partner: n.Partner}, "")
			here.Must(err)
		}
		done.Store(true)
		for i := 0; i < 200 && refused.Load() == 0 && late.Load() == 0; i++ {
			time.Sleep(10 * time.Millisecond)
		}
		close(stop)
		wg.Wait()
		if late.Load() != 0 || refused.Load() == 0 {
			t.Fatalf("%d orders passed after it was acknowledged, %d were refused", late.Load(), refused.Load())
		}
	}
}

// Two servers that sweep at once warn once and step once.
func TestTwoServersLetOneKeyRestOnce(t *testing.T) {
	here, there := signintest.Two(t)
	o := &owner{t: t, w: here, p: here.NewPerson()}
	here.Must(o.p.SignUp())
	o.p.Bot(sleeper)
	back := func(days int) {
		here.Must(here.DB.Housekeeping(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE apikey_key SET made_at = made_at - $1, starts = starts - $1, warned_at = CASE WHEN warned_at = 0 THEN 0 ELSE warned_at - $1 END`, (time.Duration(days) * day).Microseconds())
			return err
		}))
	}
	sweep := func() {
		var wg sync.WaitGroup
		for _, w := range []*signintest.World{here, there} {
			wg.Go(func() {
				s := apikey.New(apikey.Parts{DB: w.DB, Ring: w.Ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices})
				if err := s.Dormancy(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	back(28)
	sweep()
	back(4)
	sweep()
	got := here.Events(o.p.Account)
	if strings.Count(got, "apikey.dormant") != 1 || strings.Count(got, "apikey.asleep") != 1 {
		t.Error(got)
	}
}
