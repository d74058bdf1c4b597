package apikey_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/store"
)

func TestOwnersAreRemindedOnceAtEachStep(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(trading)
		said := func() int { return strings.Count(o.w.Events(o.p.Account), "apikey.ends_soon") }
		look := func(at time.Duration, want int) {
			t.Helper()
			o.w.Clock.Sleep(key.Expires.Add(-at).Sub(o.w.DB.Now()))
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { o.w.Must(o.w.BotKeys.Remind(t.Context())) })
			}
			wg.Wait()
			o.w.Must(o.w.BotKeys.Remind(t.Context()))
			if got := said(); got != want {
				t.Errorf("%v before the end: %d reminders, want %d", at, got, want)
			}
		}
		const day = 24 * time.Hour
		look(20*day, 0)
		look(14*day, 1)
		look(8*day, 1)
		look(7*day-time.Minute, 2)
		look(2*day, 3) // three days before came and went
		look(day, 4)
		look(time.Minute, 4)
		o.p.In()
		_, turned := o.p.Turn(bot, key.ID, inADay)
		key.Expires = turned.Expires
		look(14*day+time.Hour, 4)
		look(13*day, 5) // a new end has reminders of its own
		_, err := o.w.Contain.EndBotKey(t.Context(), o.p.Cause(), o.p.Account, key.ID)
		o.w.Must(err)
		look(day, 5)
	})
}

func TestAKeyForFiveDaysIsNotToldThatItEndsInFourteen(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := trading
		n.Life = 5 * 24 * time.Hour
		o.p.Bot(n)
		o.w.Must(o.w.BotKeys.Remind(t.Context()))
		if o.w.Count("apikey_reminder") != 0 {
			t.Error("it was made a moment ago")
		}
		o.w.Clock.Sleep(49 * time.Hour)
		o.w.Must(o.w.BotKeys.Remind(t.Context()))
		if o.w.Count("apikey_reminder WHERE days = 3") != 1 {
			t.Error("three days are left")
		}
	})
}

func TestAPartnersAnnouncementReachesTheOwnersOfItsKeys(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := trading
		n.Partner = "Gridmaster"
		bot, lent := o.p.Bot(n)
		n.Partner, n.Purpose = "", "my own"
		_, own := o.p.Bot(n)
		announce := func(what string) int {
			t.Helper()
			asked, err := o.w.BotKeys.Announce(t.Context(), store.Cause{Actor: "operator:cli"}, "gridmaster", apikey.Announced{What: what, Why: "new servers"})
			o.w.Must(err)
			return asked
		}
		if n := announce("2.1"); n != 1 {
			t.Errorf("%d keys were asked", n)
		}
		if n := announce("2.1"); n != 0 {
			t.Errorf("the same again: %d keys were asked", n)
		}
		asked := func(id apikey.ID) *apikey.Announced {
			var a *apikey.Announced
			o.w.Must(o.w.DB.View(t.Context(), func(tx *store.Tx) (err error) {
				a, err = o.w.BotKeys.AskedFor(tx, o.p.Key(id), o.p.Versions(id)[0])
				return err
			}))
			return a
		}
		if a := asked(lent.ID); a == nil || a.What != "2.1" {
			t.Errorf("%+v", a)
		}
		if a := asked(own.ID); a != nil {
			t.Errorf("a key that is lent to nobody: %+v", a)
		}
		o.w.Clock.Sleep(time.Second)
		o.p.Turn(bot, lent.ID, apikey.Turn{Why: apikey.Update, Overlap: time.Hour, Unrehearsed: true})
		if a := asked(lent.ID); a != nil {
			t.Errorf("it was replaced since: %+v", a)
		}
		_, err := o.w.BotKeys.Announce(t.Context(), store.Cause{}, "gridmaster", apikey.Announced{What: "2.2\n", Why: ""})
		o.w.Refused(err, apikey.ErrAnnounce)
	})
}
