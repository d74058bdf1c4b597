package apikey_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
)

// Two gates on one PostgreSQL, in real time: the gate that did not hear the question knows
// the new version when the answer comes.
func TestANewVersionSignsAtEveryGateOnceItIsAnswered(t *testing.T) {
	here, there := signintest.Two(t)
	o := &owner{t: t, w: here, p: here.NewPerson()}
	here.Must(o.p.SignUp())
	far := &owner{t: t, w: there, p: o.p}
	for _, alg := range []apikey.Alg{"", apikey.HMACSHA256} {
		n := turning
		n.Alg, n.Purpose = alg, "bot "+string(alg)+"."
		bot, key := o.p.Bot(n)
		o.want(o.request(bot, balance), look, "")
		far.want(far.request(bot, balance), look, "") // both remember the key as it was
		r := bot.Rotation(2)
		out, err := far.asks(r, bot, bot.ID)
		here.Must(err)
		next, err := r.Done(answerOf(out))
		here.Must(err)
		o.want(o.request(next, balance), look, "")
		far.want(far.request(next, balance), look, "")
		o.want(o.request(bot, balance), look, "")
		_, err = here.BotKeys.Retire(t.Context(), o.p.Cause(), o.p.By(), key.ID, true)
		here.Must(err)
		far.want(far.request(bot, balance), look, "(AUTH_FAILED)")
	}
}

// Many ask at both gates at once: one rotation happens, and two versions sign.
func TestOfManyRotationsAtOnceOneHappens(t *testing.T) {
	here, there := signintest.Two(t)
	o := &owner{t: t, w: here, p: here.NewPerson()}
	here.Must(o.p.SignUp())
	for range 5 {
		n := turning
		n.Purpose = "bot"
		n.PerMin = 60_000
		bot, key := o.p.Bot(n)
		var made atomic.Int64
		var winner atomic.Pointer[softkey.Rotation]
		var wg sync.WaitGroup
		for i := range 12 {
			at := &owner{t: t, w: []*signintest.World{here, there}[i%2], p: o.p}
			wg.Go(func() {
				r := bot.Rotation(2)
				_, err := at.asks(r, bot, bot.ID)
				switch {
				case err == nil:
					made.Add(1)
					winner.Store(r)
				case !errors.Is(err, apikey.ErrReplacing) && !errors.Is(err, apikey.ErrChanged):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		v := o.p.Versions(key.ID)
		if made.Load() != 1 || len(v) != 2 {
			t.Fatalf("%d were told that it is theirs, %d versions sign", made.Load(), len(v))
		}
		next := *bot
		next.Private = winner.Load().Private
		o.want(o.request(&next, balance), look, "")
		o.want(o.request(bot, balance), look, "")
	}
}
