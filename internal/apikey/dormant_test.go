package apikey_test

import (
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/device"
)

const day = 24 * time.Hour

// pass lets days go by as a server that runs sees them, hour by hour where it counts.
func (o *owner) pass(days int) {
	o.t.Helper()
	for range days {
		o.w.Clock.Sleep(day)
		o.w.Must(o.w.BotKeys.Dormancy(o.t.Context()))
	}
}

func (o *owner) back() *owner {
	back := &owner{o.t, o.w, o.p.Elsewhere().In()}
	return back
}

func (o *owner) events(action string) int {
	return strings.Count(o.w.Events(o.p.Account), action)
}

var sleeper = apikey.NewKey{
	Alg: apikey.HMACSHA256, Life: 300 * day, Allow: trading.Allow,
	Scopes: apikey.ReadAccount | apikey.TradeSpot | apikey.TradeCancel | apikey.TransferInternal,
}

var moveOn = to("main")

func TestAKeyThatNobodyUsesLosesItsRightsStepByStep(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		_, key := o.p.Bot(sleeper)
		asleep := func() (s apikey.Sleep) {
			for _, step := range []apikey.Sleep{apikey.Awake, apikey.MoneyAsleep, apikey.TradeAsleep, apikey.ReadingAwake} {
				if o.w.Count("apikey_key WHERE asleep = "+string(rune('0'+step))) == 1 {
					s = step
				}
			}
			return s
		}
		for _, row := range []struct {
			day    int
			asleep apikey.Sleep
			warned int
			rested int
		}{
			{26, apikey.Awake, 0, 0},
			{28, apikey.Awake, 1, 0},
			{29, apikey.Awake, 1, 0},
			{31, apikey.MoneyAsleep, 1, 1},
			{56, apikey.MoneyAsleep, 1, 1},
			{58, apikey.MoneyAsleep, 2, 1},
			{61, apikey.TradeAsleep, 2, 2},
			{88, apikey.TradeAsleep, 3, 2},
			{91, apikey.ReadingAwake, 3, 3},
			{120, apikey.ReadingAwake, 3, 3},
		} {
			for o.w.DB.Now().Sub(key.Made.At) < time.Duration(row.day)*day {
				o.pass(1)
			}
			if got := asleep(); got != row.asleep || o.events("apikey.dormant") != row.warned || o.events("apikey.asleep") != row.rested {
				t.Fatalf("day %d: step %d after %d warnings and %d steps, want %+v", row.day, got, o.events("apikey.dormant"), o.events("apikey.asleep"), row)
			}
		}
	})
}

func TestWhatRestsIsToldOnceTheSignatureHolds(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(sleeper)
		o.pass(35)
		o.want(o.request(bot, order), trade, "")
		o.want(o.request(bot, order), moveOn, "RIGHT_ASLEEP")
		_, refused := o.w.BotKeys.Verify(t.Context(), o.request(bot, order), moveOn)
		if refused == nil || refused.Unused.Unix() != key.Made.At.Unix() {
			t.Errorf("%+v", refused)
		}
		if told := apikey.Tell(apikey.Native, refused.Code, refused.Facts); !strings.Contains(told.Body, `"unused_since":`) || told.Status != 403 {
			t.Errorf("the bot reads %s", told.Body)
		}
		stranger := *bot
		stranger.Secret = "kws_live_x"
		o.want(o.request(&stranger, order), moveOn, "(AUTH_FAILED)")
		// What is handed on names only what is awake.
		d, refused := o.w.BotKeys.Verify(t.Context(), o.request(bot, order), trade)
		if refused != nil || d.Scopes.Has(apikey.TransferInternal) || !d.Scopes.Has(apikey.TradeSpot) {
			t.Errorf("the upstream reads %s, %v", d.Scopes, refused)
		}
		// It is used now, so it goes no further; and it does not wake by itself.
		o.w.Must(o.w.BotKeys.Flush(t.Context()))
		o.pass(28)
		o.want(o.request(bot, order), trade, "")
		o.want(o.request(bot, order), moveOn, "RIGHT_ASLEEP")
		// Its owner wakes it, with a touch for exactly that.
		b := o.back()
		_, err := o.w.BotKeys.Wake(t.Context(), b.p.Cause(), b.p.By(), key.ID)
		o.w.Refused(err, device.ErrStepUp)
		b.p.Touch(device.ActBotKeyRelease, string(key.ID))
		_, err = o.w.BotKeys.Wake(t.Context(), b.p.Cause(), b.p.By(), key.ID)
		o.w.Refused(err, device.ErrStepUp)
		b.p.Touch(device.ActBotKeyWake, string(key.ID))
		_, err = o.w.BotKeys.Wake(t.Context(), b.p.Cause(), b.p.By(), key.ID)
		o.w.Must(err)
		o.want(o.request(bot, order), moveOn, "TRANSFER_NOT_ALLOWED") // the right is awake; where this goes is another rule
		_, err = o.w.BotKeys.Wake(t.Context(), b.p.Cause(), b.p.By(), key.ID)
		o.w.Refused(err, apikey.ErrChanged)
		// And from then on it is counted anew.
		o.pass(26)
		o.want(o.request(bot, order), moveOn, "TRANSFER_NOT_ALLOWED") // the right is awake; where this goes is another rule
	})
}

// The step comes three days after the warning, also where the server stood still for
// months: nobody finds rights gone that they had no time to keep.
func TestNoStepWithoutAWarningThatCouldBeRead(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		o.p.Bot(sleeper)
		o.w.Clock.Sleep(200 * day)
		o.w.Must(o.w.BotKeys.Dormancy(t.Context()))
		if o.events("apikey.dormant") != 1 || o.events("apikey.asleep") != 0 {
			t.Fatal(o.w.Events(o.p.Account))
		}
		o.pass(2)
		if o.events("apikey.asleep") != 0 {
			t.Error("a step two days after the warning")
		}
		o.pass(2)
		if o.events("apikey.asleep") != 1 {
			t.Error("no step four days after the warning")
		}
	})
}

func TestACallAfterTheWarningKeepsTheKey(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(sleeper)
		o.pass(28)
		if o.events("apikey.dormant") != 1 {
			t.Fatal("no warning")
		}
		o.want(o.request(bot, balance), look, "") // not even written yet when the sweep comes
		o.pass(20)
		o.want(o.request(bot, order), trade, "")
		o.w.Must(o.w.BotKeys.Flush(t.Context()))
		o.pass(28) // a second time of rest has its own warning
		if o.events("apikey.dormant") != 2 || o.events("apikey.asleep") != 0 {
			t.Error(o.w.Events(o.p.Account))
		}
	})
}

func TestWithdrawingRestsAndStaysLocked(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		phone := o.knownPhone()
		_, key := o.p.Bot(apikey.NewKey{Scopes: apikey.Withdraw | apikey.ReadAccount, Allow: trading.Allow, Life: 300 * day})
		phone.Touch(device.ActBotKeyUnlock, string(key.ID))
		_, err := o.w.BotKeys.Unlock(t.Context(), phone.Cause(), phone.By(), key.ID)
		o.w.Must(err)
		o.pass(35)
		b := o.back()
		b.p.Touch(device.ActBotKeyWake, string(key.ID))
		k, err := o.w.BotKeys.Wake(t.Context(), b.p.Cause(), b.p.By(), key.ID)
		o.w.Must(err)
		if !k.Locked || k.Asleep != apikey.Awake {
			t.Errorf("woken: %+v", k)
		}
	})
}

func TestAKeyThatOnlyLooksNeverRests(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(apikey.NewKey{Alg: apikey.HMACSHA256, Scopes: apikey.ReadAccount, Life: 300 * day})
		o.pass(150)
		o.want(o.request(bot, balance), look, "")
		if o.events("apikey.dormant") != 0 {
			t.Error("its owner was warned of nothing")
		}
	})
}
