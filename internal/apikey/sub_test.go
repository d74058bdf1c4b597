package apikey_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

var (
	moving   = apikey.NewKey{Scopes: apikey.ReadAccount | apikey.TradeSpot | apikey.TradeCancel | apikey.TransferInternal, Allow: trading.Allow}
	transfer = call{method: "POST", path: "/v1/transfers", body: `{"to":"main","asset":"USD","amount":"5"}`}
	drop     = call{method: "DELETE", path: "/v1/orders/7"}
)

func to(dest string) apikey.Need {
	return apikey.Need{Scope: apikey.TransferInternal, Class: apikey.ClassTransfer, To: dest}
}

// botOf is a key of a sub-account; "" is the main account.
func (o *owner) botOf(sub account.SubID) *softkey.Bot {
	n := moving
	n.Sub = string(sub)
	bot, _ := o.p.Bot(n)
	return bot
}

// setSub makes a sub-account what is said, with a touch where that is more.
func (o *owner) setSub(id account.SubID, rule account.Transfers, status account.SubStatus) account.Sub {
	o.t.Helper()
	sub := o.sub(id)
	f := sub.Form()
	f.Transfers = rule
	if contain.Freer(sub, f, status) {
		act := contain.SubChangeAct(sub, f, status)
		o.p.Touch(act.Kind, act.Object)
	}
	sub, _, err := o.w.Contain.ChangeSub(o.t.Context(), o.p.Cause(), o.p.By(), id, sub.Version, f, status)
	o.w.Must(err)
	return sub
}

func (o *owner) sub(id account.SubID) (sub account.Sub) {
	o.t.Helper()
	o.w.Must(o.w.DB.View(o.t.Context(), func(tx *storeTx) (err error) {
		sub, err = o.w.Accounts.Sub(tx, o.p.Account, id)
		return err
	}))
	return sub
}

func TestTheKeyOfASubAccountTradesInItAndNeverWithdraws(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		sub := o.p.Sub(account.SubForm{Name: "Market maker"})
		bot := o.botOf(sub.ID)
		r := o.request(bot, order)
		d, no := o.w.BotKeys.Verify(t.Context(), r, trade)
		if no != nil || d.Key.Sub != string(sub.ID) {
			t.Fatalf("%+v, %v", d, no)
		}
		n := moving
		n.Sub, n.Scopes, n.Purpose, n.Public = string(sub.ID), moving.Scopes|apikey.Withdraw, "A bot", bot.Public()
		if _, err := n.Checked(); !errors.Is(err, apikey.ErrWithdrawKey) {
			t.Errorf("a key of a sub-account may be given the right to withdraw: %v", err)
		}
	})
}

func TestAKeyBelongsToAnOpenSubAccountOfItsOwnAccount(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		other := o.w.NewPerson()
		o.w.Must(other.SignUp())
		theirs := other.Sub(account.SubForm{Name: "Theirs"})
		frozen := o.p.Sub(account.SubForm{Name: "Frozen"})
		o.setSub(frozen.ID, frozen.Transfers, account.SubFrozen)
		closed := o.p.Sub(account.SubForm{Name: "Closed"})
		_, _, _, err := o.w.Contain.CloseSub(t.Context(), o.p.Cause(), o.p.Account, closed.ID, "")
		o.w.Must(err)
		for name, sub := range map[string]string{"another account's": string(theirs.ID), "a frozen one": string(frozen.ID), "a closed one": string(closed.ID), "one that never was": "sub_00000000000000000000000000", "a word": "Books"} {
			n := moving
			n.Sub, n.Purpose = sub, "A bot"
			bot := softkey.NewBot(authority)
			n.Public = bot.Public()
			n, err := n.Checked()
			o.w.Must(err)
			o.p.Touch(n.Act().Kind, n.Act().Object)
			if _, err := o.w.BotKeys.Add(t.Context(), o.p.Cause(), o.p.By(), n); !errors.Is(err, apikey.ErrSub) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestAFrozenSubAccountLooksAndCancels(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		sub := o.p.Sub(account.SubForm{Name: "Maker", Transfers: account.TransferBoth})
		bot, main := o.botOf(sub.ID), o.botOf("")
		o.want(o.request(bot, order), trade, "")
		_, _, err := o.w.Contain.SetSub(t.Context(), o.p.Cause(), o.p.Account, sub.ID, account.SubFrozen, "")
		o.w.Must(err)
		o.want(o.request(bot, order), trade, "SUB_ACCOUNT_FROZEN")
		o.want(o.request(bot, transfer), to("main"), "SUB_ACCOUNT_FROZEN")
		o.want(o.request(bot, balance), look, "")
		o.want(o.request(bot, drop), cancel, "")
		o.want(o.request(main, transfer), to(string(sub.ID)), "TRANSFER_NOT_ALLOWED") // nothing goes in either
		o.want(o.request(main, order), trade, "")                                     // the others go on

		// Out of the freeze leads a touch, and no other way.
		now := o.sub(sub.ID)
		_, _, err = o.w.Contain.SetSub(t.Context(), o.p.Cause(), o.p.Account, sub.ID, account.SubEmptying, "")
		o.w.Refused(err, device.ErrStepUp)
		_, _, err = o.w.Contain.ChangeSub(t.Context(), o.p.Cause(), o.p.By(), sub.ID, now.Version, now.Form(), account.SubActive)
		o.w.Refused(err, device.ErrStepUp)
		o.setSub(sub.ID, account.TransferBoth, account.SubActive)
		o.want(o.request(bot, order), trade, "")
	})
}

func TestASubAccountThatIsEmptiedMovesToTheMainAccountAndNoMore(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		sub, other, shut := o.p.Sub(account.SubForm{Name: "A", Transfers: account.TransferBoth}), o.p.Sub(account.SubForm{Name: "B", Transfers: account.TransferBoth}), o.p.Sub(account.SubForm{Name: "C"})
		bot, walled := o.botOf(sub.ID), o.botOf(shut.ID)
		for _, id := range []account.SubID{sub.ID, shut.ID} {
			_, _, err := o.w.Contain.SetSub(t.Context(), o.p.Cause(), o.p.Account, id, account.SubEmptying, "")
			o.w.Must(err)
		}
		o.want(o.request(bot, order), trade, "SUB_ACCOUNT_EMPTYING")
		o.want(o.request(bot, balance), look, "")
		o.want(o.request(bot, drop), cancel, "")
		o.want(o.request(bot, transfer), to("main"), "")
		o.want(o.request(bot, transfer), to(string(o.p.Account)), "")
		o.want(o.request(bot, transfer), to(string(other.ID)), "SUB_ACCOUNT_EMPTYING")
		o.want(o.request(walled, transfer), to("main"), "TRANSFER_NOT_ALLOWED") // emptying makes no rule wider
	})
}

func TestAKeyMovesMoneyInsideItsAccountAndAsTheRulesSay(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		stranger := o.w.NewPerson()
		o.w.Must(stranger.SignUp())
		theirs := stranger.Sub(account.SubForm{Name: "Theirs", Transfers: account.TransferBoth})
		none := o.p.Sub(account.SubForm{Name: "none"})
		home := o.p.Sub(account.SubForm{Name: "home", Transfers: account.TransferToMain})
		both := o.p.Sub(account.SubForm{Name: "both", Transfers: account.TransferBoth})
		too := o.p.Sub(account.SubForm{Name: "both too", Transfers: account.TransferBoth})
		mainBot, noneBot, homeBot, bothBot := o.botOf(""), o.botOf(none.ID), o.botOf(home.ID), o.botOf(both.ID)
		const no = "TRANSFER_NOT_ALLOWED"
		for _, row := range []struct {
			sentence string
			bot      *softkey.Bot
			to, want string
		}{
			{"the main account into one that allows both", mainBot, string(both.ID), ""},
			{"the main account into one that only sends home", mainBot, string(home.ID), no},
			{"the main account into one that allows nothing", mainBot, string(none.ID), no},
			{"the main account into itself", mainBot, "main", no},
			{"the main account to another customer", mainBot, string(stranger.Account), no},
			{"the main account to a sub-account of another customer", mainBot, string(theirs.ID), no},
			{"the main account to nobody", mainBot, "", no},
			{"home to the main account, by name", homeBot, "main", ""},
			{"home to the main account, by its id", homeBot, string(o.p.Account), ""},
			{"home to the main account, in other letters", homeBot, "Main", no},
			{"home to one that allows both", homeBot, string(both.ID), no},
			{"home to another customer", homeBot, string(stranger.Account), no},
			{"nothing to the main account", noneBot, "main", no},
			{"both to another that allows both", bothBot, string(too.ID), ""},
			{"both to one that only sends home", bothBot, string(home.ID), no},
			{"both to itself", bothBot, string(both.ID), no},
			{"both to a sub-account of another customer", bothBot, string(theirs.ID), no},
		} {
			if got := o.answers(o.request(row.bot, transfer), to(row.to)); got != row.want {
				t.Errorf("%s: %q, want %q", row.sentence, got, row.want)
			}
		}
		// A narrower rule holds at once.
		o.setSub(both.ID, account.TransferNone, account.SubActive)
		o.want(o.request(mainBot, transfer), to(string(both.ID)), no)
		o.want(o.request(bothBot, transfer), to("main"), no)
	})
}

func TestClosingASubAccountEndsItsKeysInOneEvent(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		sub := o.p.Sub(account.SubForm{Name: "Short life"})
		one, two, main := o.botOf(sub.ID), o.botOf(sub.ID), o.botOf("")
		o.want(o.request(one, order), trade, "")
		_, ended, _, err := o.w.Contain.CloseSub(t.Context(), o.p.Cause(), o.p.Account, sub.ID, "")
		o.w.Must(err)
		if ended != 2 {
			t.Errorf("%d keys ended", ended)
		}
		o.want(o.request(one, balance), look, "(AUTH_FAILED)")
		o.want(o.request(two, balance), look, "(AUTH_FAILED)")
		o.want(o.request(main, balance), look, "")
		all := o.w.Records(o.p.Account)
		last := all[len(all)-1]
		if last.Action != "subaccount.closed" || len(last.Effects) != 3 || last.Payload["n"] != "2" {
			t.Errorf("%+v", last)
		}
		_, _, _, err = o.w.Contain.CloseSub(t.Context(), o.p.Cause(), o.p.Account, sub.ID, "")
		o.w.Refused(err, account.ErrSubChanged)
	})
}

func TestASubAccountIsNobodyElses(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		sub := o.p.Sub(account.SubForm{Name: "Mine"})
		thief := o.w.NewPerson()
		o.w.Must(thief.SignUp())
		_, _, err := o.w.Contain.SetSub(t.Context(), thief.Cause(), thief.Account, sub.ID, account.SubFrozen, "")
		o.w.Refused(err, account.ErrSubUnknown)
		_, _, _, err = o.w.Contain.CloseSub(t.Context(), thief.Cause(), thief.Account, sub.ID, "")
		o.w.Refused(err, account.ErrSubUnknown)
		_, _, err = o.w.Contain.ChangeSub(t.Context(), thief.Cause(), thief.By(), sub.ID, sub.Version, sub.Form(), account.SubFrozen)
		o.w.Refused(err, account.ErrSubUnknown)
	})
}

func TestATouchForOneSubAccountMakesNoOther(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		asked, err := account.SubForm{Name: "Narrow"}.Checked()
		o.w.Must(err)
		act := contain.SubMakeAct(asked)
		o.p.Touch(act.Kind, act.Object)
		_, err = o.w.Contain.MakeSub(t.Context(), o.p.Cause(), o.p.By(), account.SubForm{Name: "Narrow", Transfers: account.TransferBoth})
		o.w.Refused(err, device.ErrStepUp)
		o.w.SetStatus(o.p.Account, account.Frozen)
		_, err = o.w.Contain.MakeSub(t.Context(), o.p.Cause(), o.p.By(), asked)
		if err == nil {
			t.Error("a frozen account makes sub-accounts")
		}
	})
}

func TestSubAccountsAreBoundedAndHaveNamesOfTheirOwn(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		make := func(f account.SubForm) error {
			f, err := f.Checked()
			if err != nil {
				return err
			}
			act := contain.SubMakeAct(f)
			o.p.Touch(act.Kind, act.Object)
			_, err = o.w.Contain.MakeSub(t.Context(), o.p.Cause(), o.p.By(), f)
			return err
		}
		first := o.p.Sub(account.SubForm{Name: "0"})
		o.w.Refused(make(account.SubForm{Name: " 0 "}), account.ErrSubTooMany)
		for i := 1; i < 20; i++ {
			o.w.Must(make(account.SubForm{Name: string(rune('a' + i))}))
		}
		o.w.Refused(make(account.SubForm{Name: "one more"}), account.ErrSubTooMany)
		_, _, _, err := o.w.Contain.CloseSub(t.Context(), o.p.Cause(), o.p.Account, first.ID, "")
		o.w.Must(err)
		o.w.Must(make(account.SubForm{Name: "0"})) // the name of a closed one is free again
		for _, f := range []account.SubForm{{Name: ""}, {Name: "a\nb"}, {Name: "a\u202eb"}, {Name: string(make65())}, {Name: "x", Transfers: "out"}, {Name: "x", MaxKeys: -1}, {Name: "x", MaxKeys: 31}, {Name: "x", PerMin: 60_001}} {
			if _, err := f.Checked(); !errors.Is(err, account.ErrSubForm) {
				t.Errorf("%+v: %v", f, err)
			}
		}
	})
}

func make65() []rune {
	out := make([]rune, 65)
	for i := range out {
		out[i] = '가'
	}
	return out
}

func TestASubAccountHasLimitsOfItsOwn(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		sub := o.p.Sub(account.SubForm{Name: "Slow", MaxKeys: 2, PerMin: 60})
		one, two := o.botOf(sub.ID), o.botOf(sub.ID)
		n := moving
		n.Sub, n.Purpose, n.Public = string(sub.ID), "A third", softkey.NewBot(authority).Public()
		n, err := n.Checked()
		o.w.Must(err)
		o.p.Touch(n.Act().Kind, n.Act().Object)
		_, err = o.w.BotKeys.Add(t.Context(), o.p.Cause(), o.p.By(), n)
		o.w.Refused(err, apikey.ErrTooMany)

		// Two keys share the speed of their sub-account: ten at once, and then one a second.
		in := 0
		for i := range 40 {
			if o.answers(o.request([]*softkey.Bot{one, two}[i%2], balance), look) == "" {
				in++
			}
		}
		if in < 10 || in > 12 {
			t.Errorf("%d of 40 calls passed, the sub-account may 10 at once", in)
		}
		o.w.Clock.Sleep(time.Minute)
		o.want(o.request(two, balance), look, "")
	})
}

// Of closing a sub-account and making a key in it at once, no key is left that works.
func TestNoKeyOutlivesItsSubAccount(t *testing.T) {
	here, there := signintest.Two(t)
	o := &owner{t: t, w: here, p: here.NewPerson()}
	here.Must(o.p.SignUp())
	for i := range 6 {
		sub := o.p.Sub(account.SubForm{Name: "Race"})
		bot := softkey.NewBot(authority)
		n := moving
		n.Sub, n.Purpose, n.Public = string(sub.ID), "Racer", bot.Public()
		n, err := n.Checked()
		here.Must(err)
		o.p.Touch(n.Act().Kind, n.Act().Object)
		var wg sync.WaitGroup
		var made atomic.Value
		wg.Go(func() {
			if c, err := there.BotKeys.Add(t.Context(), o.p.Cause(), o.p.By(), n); err == nil {
				made.Store(string(c.ID))
			}
		})
		wg.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			if _, _, _, err := here.Contain.CloseSub(t.Context(), o.p.Cause(), o.p.Account, sub.ID, ""); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if id, ok := made.Load().(string); ok {
			bot.ID = id
			if got := o.answers(o.request(bot, balance), look); got == "" {
				t.Errorf("round %d: the key works after its sub-account was closed", i)
			}
		}
	}
}

// A freeze that is acknowledged at one gate is refused at the other, for every request that
// starts afterwards.
func TestAFreezeHereIsRefusedThere(t *testing.T) {
	here, there := signintest.Two(t)
	o := &owner{t: t, w: here, p: here.NewPerson()}
	here.Must(o.p.SignUp())
	for range 10 {
		sub := o.p.Sub(account.SubForm{Name: "Race"})
		bot := o.botOf(sub.ID)
		far := &owner{t: t, w: there, p: o.p}
		far.want(far.request(bot, order), trade, "")
		var frozen, stop atomic.Bool
		var late atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() {
			for !stop.Load() {
				after := frozen.Load()
				if _, no := there.BotKeys.Verify(t.Context(), far.request(bot, order), trade); no == nil && after {
					late.Add(1)
				}
			}
		})
		_, _, err := here.Contain.SetSub(t.Context(), o.p.Cause(), o.p.Account, sub.ID, account.SubFrozen, "")
		here.Must(err)
		frozen.Store(true)
		time.Sleep(20 * time.Millisecond)
		stop.Store(true)
		wg.Wait()
		if late.Load() != 0 {
			t.Fatalf("%d orders passed after the freeze was acknowledged", late.Load())
		}
		_, _, _, err = here.Contain.CloseSub(t.Context(), o.p.Cause(), o.p.Account, sub.ID, "")
		here.Must(err)
	}
}

func TestAfterARestoreSubAccountsWaitForTheirOwners(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		sub := o.p.Sub(account.SubForm{Name: "Maker", Transfers: account.TransferBoth})
		bot, main := o.botOf(sub.ID), o.botOf("")
		o.want(o.request(bot, order), trade, "")
		o.want(o.request(main, transfer), to(string(sub.ID)), "")
		o.w.Must(o.w.DB.Update(t.Context(), store.Cause{Actor: "operator:test"}, func(tx *store.Tx) error {
			ended, err := account.RestoredSubs(tx)
			if err == nil {
				_, err = o.w.Log.Append(tx, audit.Event{Action: "audit.restore_accepted", Target: "log", Effects: ended, Payload: map[string]string{"size": "1", "anchor": "2"}})
			}
			return err
		}))
		o.want(o.request(bot, order), trade, "SUB_ACCOUNT_FROZEN")
		o.want(o.request(main, transfer), to(string(sub.ID)), "TRANSFER_NOT_ALLOWED")
		o.setSub(sub.ID, account.TransferBoth, account.SubActive)
		o.want(o.request(bot, order), trade, "")
	})
}
