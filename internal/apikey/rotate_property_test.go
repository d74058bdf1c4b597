package apikey_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

// An honest bot signs with what it has until it is given something newer, within the time
// it was told. Whatever else happens to its key meanwhile, in whatever order, its calls
// are let in; and never do more than two versions sign.
func TestWhateverIsDoneToAKeyAnHonestBotIsLetIn(t *testing.T) {
	clock := signintest.NewClock()
	w := signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock)
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		o := &owner{t: t, w: w, p: w.NewPerson()}
		w.Must(o.p.SignUp())
		w.Clock.Sleep(time.Minute)
		n := turning
		n.Purpose = fmt.Sprintf("bot %d", serial)
		if rapid.Bool().Draw(rt, "mac") {
			n.Alg = apikey.HMACSHA256
		}
		bot, key := o.p.Bot(n)
		all := []*softkey.Bot{bot} // every version there was
		var waiting *softkey.Bot   // made, and not given to the bot yet
		uses := func() {
			if got := o.answers(o.request(bot, order), trade); got != "" {
				rt.Fatalf("an honest call was answered %q; versions %+v", got, o.p.Versions(key.ID))
			}
		}
		switches := func() {
			if waiting != nil {
				bot, waiting = waiting, nil
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"the bot calls": func(*rapid.T) { uses() },
			"the bot is given the new one": func(*rapid.T) {
				switches()
				uses()
			},
			"its owner rotates": func(rt *rapid.T) {
				o.p.In()
				if len(o.p.Versions(key.ID)) == 2 {
					rt.Skip()
				}
				switches() // the one before was given to it, or is gone
				hours := rapid.IntRange(1, 48).Draw(rt, "overlap")
				waiting, _ = o.p.Turn(bot, key.ID, apikey.Turn{Why: apikey.Cadence, Overlap: time.Duration(hours) * time.Hour, Life: 90 * 24 * time.Hour, Unrehearsed: true})
				all = append(all, waiting)
			},
			"the bot rotates": func(rt *rapid.T) {
				r := bot.Rotation(int64(len(all) + 1))
				out, err := o.asks(r, bot, bot.ID)
				if errors.Is(err, apikey.ErrReplacing) {
					rt.Skip()
				}
				w.Must(err)
				if waiting, err = r.Done(answerOf(out)); err != nil {
					rt.Fatal(err)
				}
				all = append(all, waiting)
			},
			"its owner ends the old one, not insisting": func(rt *rapid.T) {
				o.p.In()
				_, err := o.w.BotKeys.Retire(t.Context(), o.p.Cause(), o.p.By(), key.ID, false)
				switch {
				case err == nil && waiting != nil && bot != waiting:
					// The new one was seen to be let in, so the bot has it.
					rt.Fatal("the old version was ended under a bot that uses it")
				case err != nil && !errors.Is(err, apikey.ErrStillUsed) && !errors.Is(err, apikey.ErrNotReplacing):
					w.Must(err)
				}
			},
			"its owner keeps the old one": func(rt *rapid.T) {
				o.p.In()
				v := o.p.Versions(key.ID)
				if len(v) < 2 {
					rt.Skip()
				}
				until := v[1].Ends.Add(time.Hour)
				act := apikey.KeepAct(o.p.Key(key.ID), v[1], until)
				o.p.Touch(act.Kind, act.Object)
				_, err := o.w.BotKeys.Keep(t.Context(), o.p.Cause(), o.p.By(), key.ID, until)
				w.Must(err)
			},
			"its owner goes back before the bot was given the new one": func(rt *rapid.T) {
				if waiting == nil || len(o.p.Versions(key.ID)) < 2 {
					rt.Skip()
				}
				o.p.In()
				act := apikey.UndoAct(o.p.Key(key.ID), o.p.Versions(key.ID))
				o.p.Touch(act.Kind, act.Object)
				_, err := o.w.BotKeys.Undo(t.Context(), o.p.Cause(), o.p.By(), key.ID)
				w.Must(err)
				waiting = nil
			},
			"time passes": func(rt *rapid.T) {
				step := time.Duration(rapid.IntRange(1, 30*60).Draw(rt, "minutes")) * time.Minute
				now := w.DB.Now()
				v := o.p.Versions(key.ID)
				if waiting != nil && len(v) == 2 && !now.Add(step).Before(v[1].Ends) {
					switches() // it was told until when
				}
				if left := v[0].Made.Add(80 * 24 * time.Hour).Sub(now); step > left {
					rt.Skip() // not past the key's own end
				}
				if o.p.Key(key.ID).Expires.Sub(now) < step+48*time.Hour {
					rt.Skip()
				}
				w.Clock.Sleep(step)
				uses()
			},
			"the meter is written": func(*rapid.T) { w.Must(o.w.BotKeys.FlushMeter(t.Context())) },
			"": func(rt *rapid.T) {
				live := 0
				for _, b := range all {
					if o.answers(o.request(b, balance), look) == "" {
						live++
					}
				}
				if v := o.p.Versions(key.ID); live > 2 || live != len(v) {
					rt.Fatalf("%d versions sign, %d are said to", live, len(v))
				}
			},
		})
	})
}
