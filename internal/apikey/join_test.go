package apikey_test

import (
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/device"
)

// A new device comes in by a code. From that moment a bot that could withdraw cannot,
// at a gate that answers from memory, and after a day it can again.
func TestABotWithdrawsNothingForADayAfterANewDevice(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		ctx := t.Context()
		phone := o.knownPhone()
		bot, key := o.p.Bot(apikey.NewKey{Scopes: apikey.Withdraw, Allow: trading.Allow})
		phone.Touch(device.ActBotKeyUnlock, string(key.ID))
		_, err := o.w.BotKeys.Unlock(ctx, phone.Cause(), phone.By(), key.ID)
		o.w.Must(err)
		need := apikey.Need{Scope: apikey.Withdraw, Class: apikey.ClassWithdraw}
		o.want(o.request(bot, order), need, "")

		n := o.w.NewPerson()
		code, err := o.w.SignIn.ShowCode(ctx, n.From())
		o.w.Must(err)
		n.Cookie = code.DeviceCookie
		j, err := o.w.SignIn.ClaimJoin(ctx, o.p.Cause(), o.p.Session(), code.Text)
		o.w.Must(err)
		o.p.Touch(device.ActDevicesAdmit, j.ID)
		_, err = o.w.SignIn.AdmitJoin(ctx, o.p.Cause(), o.p.Session(), j.ID)
		o.w.Must(err)
		options, err := o.w.SignIn.BeginJoin(ctx, n.From())
		o.w.Must(err)
		answer, err := n.Browser().Create(options)
		o.w.Must(err)
		o.want(o.request(bot, order), need, "") // a yes alone holds nothing
		_, err = o.w.SignIn.FinishJoin(ctx, n.Cause(), n.From(), "", answer)
		o.w.Must(err)
		if got := o.answers(o.request(bot, order), need); got == "" {
			t.Error("a bot withdraws right after a new device came in")
		}
		o.w.Clock.Sleep(23 * time.Hour)
		if got := o.answers(o.request(bot, order), need); got == "" {
			t.Error("a bot withdraws within the day")
		}
		o.w.Clock.Sleep(2 * time.Hour)
		o.want(o.request(bot, order), need, "")
	})
}
