package apikey_test

import (
	"net/netip"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

var thief = netip.MustParsePrefix("198.51.100.9/32")

// The owner made a trading key on one device; a thief has another one. That device alone
// adds the right to withdraw, and unlocks it.
func TestOneDeviceAddsTheRightToWithdrawAndUnlocksIt(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		there := &owner{t, o.w, o.knownPhone()}
		_, key := o.p.Bot(trading)
		e := key.Edit()
		e.Scopes |= apikey.Withdraw
		e.Allow = append(e.Allow, thief)
		act := key.ChangeAct(e)
		there.p.Touch(act.Kind, act.Object)
		k, err := o.w.BotKeys.Change(t.Context(), there.p.Cause(), there.p.By(), key.ID, key.Version, e)
		o.w.Must(err)
		if !k.Locked {
			t.Fatal("not locked")
		}
		there.p.Touch(device.ActBotKeyUnlock, string(key.ID))
		_, err = o.w.BotKeys.Unlock(t.Context(), there.p.Cause(), there.p.By(), key.ID)
		o.w.Refused(err, apikey.ErrSecondDevice)
	})
}

// A key that came from another system was made on no device, so any one is "another".
func TestAnImportedKeyIsUnlockedByTheDeviceThatWidenedIt(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot := softkey.NewBot(authority)
		k, err := o.w.BotKeys.Import(t.Context(), store.Cause{Actor: "operator:test"}, o.p.Account, apikey.Brought{
			NewKey: apikey.NewKey{Purpose: "old bot", Profile: apikey.Binance, Public: bot.Public(), Scopes: apikey.ReadAccount, Allow: trading.Allow}, ID: "oldkey123456",
		})
		o.w.Must(err)
		e := k.Edit()
		e.Scopes |= apikey.Withdraw
		act := k.ChangeAct(e)
		o.p.Touch(act.Kind, act.Object)
		_, err = o.w.BotKeys.Change(t.Context(), o.p.Cause(), o.p.By(), k.ID, k.Version, e)
		o.w.Must(err)
		o.p.Touch(device.ActBotKeyUnlock, string(k.ID))
		_, err = o.w.BotKeys.Unlock(t.Context(), o.p.Cause(), o.p.By(), k.ID)
		o.w.Refused(err, apikey.ErrSecondDevice)
	})
}

// Who holds one passkey opens a private window, signs in, and is "a second device".
func TestASecondDeviceIsNotOneThatCameAfterTheKey(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		_, key := o.p.Bot(apikey.NewKey{Scopes: apikey.Withdraw, Allow: trading.Allow})
		private := o.p.Elsewhere().In() // the same passkey, a browser nobody has seen before
		private.Touch(device.ActBotKeyUnlock, string(key.ID))
		_, err := o.w.BotKeys.Unlock(t.Context(), private.Cause(), private.By(), key.ID)
		o.w.Refused(err, apikey.ErrSecondDevice)
	})
}

// What is not under the touch can be put in by whoever carries the request.
func TestTheTouchForAKeyCoversWhenItWorksAndHowLongARequestMay(t *testing.T) {
	n, err := apikey.NewKey{Purpose: "tax report", Scopes: apikey.ReadAccount, Public: softkey.NewBot(authority).Public()}.Checked()
	if err != nil {
		t.Fatal(err)
	}
	later, slower := n, n
	later.Starts = time.Now().Add(5 * 365 * 24 * time.Hour)
	slower.Window = time.Minute
	if n.Act() == later.Act() {
		t.Error("a key that sleeps for five years has the touch of one that works now")
	}
	if n.Act() == slower.Act() {
		t.Error("a key with a window of a minute has the touch of one with ten seconds")
	}
}

// "A year at most" is counted from a start that has no bound.
func TestAKeyDoesNotOutliveAYear(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := apikey.NewKey{Scopes: apikey.ReadAccount, Starts: o.w.DB.Now().Add(20 * 365 * 24 * time.Hour)}
		n.Purpose, n.Public = "sleeper", softkey.NewBot(authority).Public()
		checked, err := n.Checked()
		if err != nil {
			return // refused: good
		}
		o.p.Touch(checked.Act().Kind, checked.Act().Object)
		c, err := o.w.BotKeys.Add(t.Context(), o.p.Cause(), o.p.By(), n)
		if err == nil {
			t.Errorf("made, good until %v", c.Expires)
		}
	})
}

// DESIGN §5: "refused if frozen or held".
func TestAHoldOnWithdrawingHoldsKeysToo(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		phone := o.knownPhone()
		bot, key := o.p.Bot(apikey.NewKey{Scopes: apikey.Withdraw | apikey.TransferInternal, Allow: trading.Allow})
		phone.Touch(device.ActBotKeyUnlock, string(key.ID))
		_, err := o.w.BotKeys.Unlock(t.Context(), phone.Cause(), phone.By(), key.ID)
		o.w.Must(err)
		o.w.Must(o.w.DB.Update(t.Context(), o.p.Cause(), func(tx *store.Tx) error {
			for _, what := range []account.What{account.HoldWithdraw, account.HoldTransfer} {
				if _, err := o.w.Accounts.Hold(tx, o.p.Account, what, tx.Now.Add(time.Hour), "A recovery is under way."); err != nil {
					return err
				}
			}
			_, err := o.w.Log.Append(tx, audit.Event{Action: "account.updated", Account: string(o.p.Account), Target: string(o.p.Account),
				Effects: []audit.Effect{{Kind: "account", ID: string(o.p.Account), Version: 9}}})
			return err
		}))
		for _, scope := range []apikey.Scopes{apikey.Withdraw, apikey.TransferInternal} {
			if got := o.answers(o.request(bot, order), apikey.Need{Scope: scope, Class: apikey.ClassWithdraw}); got == "" {
				t.Errorf("%s passes while the account is held", scope)
			}
		}
	})
}

// The key of a bot that lay open in a web page comes out of quarantine as it was: with one
// touch on one device it withdraws again.
func TestWhatWasExposedIsUnlockedAnew(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		phone := o.knownPhone()
		bot, key := o.p.Bot(apikey.NewKey{Scopes: apikey.Withdraw, Allow: trading.Allow})
		phone.Touch(device.ActBotKeyUnlock, string(key.ID))
		_, err := o.w.BotKeys.Unlock(t.Context(), phone.Cause(), phone.By(), key.ID)
		o.w.Must(err)
		need := apikey.Need{Scope: apikey.Withdraw, Class: apikey.ClassWithdraw}
		for range 2 {
			o.want(o.request(bot, with(order, "Origin", "https://portfolio.example")), need, "KEY_IN_BROWSER")
			o.w.Clock.Sleep(2 * time.Minute)
		}
		o.p.Touch(device.ActBotKeyRelease, string(key.ID))
		_, err = o.w.BotKeys.Release(t.Context(), o.p.Cause(), o.p.By(), key.ID)
		o.w.Must(err)
		o.want(o.request(bot, order), need, "WITHDRAW_LOCKED")
	})
}
