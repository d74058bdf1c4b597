package apikey_test

import (
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/store"
)

// said are the skews that owners were told of.
func (o *owner) said(action audit.Action) (out []string) {
	recs, unsealed, err := o.w.Log.Tail(o.t.Context(), o.w.DB, -1, 1000)
	o.w.Must(err)
	for _, r := range append(recs, unsealed...) {
		if r.Action == action {
			out = append(out, r.Payload["skew"])
		}
	}
	return out
}

func TestAnOwnerHearsOfADriftingClockBeforeItFails(t *testing.T) {
	for what, c := range map[string]struct {
		skew  time.Duration
		delay []time.Duration // on the way, one after the other
		want  string          // "": nothing is said
	}{
		"a clock that is right":                        {0, []time.Duration{20 * time.Millisecond}, ""},
		"a right clock behind a slow line":             {0, []time.Duration{6 * time.Second, 7 * time.Second, 100 * time.Millisecond}, ""},
		"six seconds slow, of a window of ten":         {-6 * time.Second, []time.Duration{50 * time.Millisecond, 300 * time.Millisecond}, "-6.1 s"},
		"0.8 seconds fast, of one that is let through": {800 * time.Millisecond, []time.Duration{0}, "+0.8 s"},
		"four seconds slow":                            {-4 * time.Second, []time.Duration{0}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			w, key := aBot(t, apikey.Binance, apikey.HMACSHA256)
			o := &owner{t: t, w: w}
			for i := range 64 {
				r := binanceAsks(w, key, "GET", "/api/v3/account", w.DB.Now().Add(c.skew))
				w.Clock.Sleep(c.delay[i%len(c.delay)])
				o.want(r, look, "")
			}
			if c.want != "" {
				o.soon("the owner is told", func() bool { return len(o.said("apikey.clock_off")) > 0 })
			}
			time.Sleep(50 * time.Millisecond)
			if said := strings.Join(o.said("apikey.clock_off"), ", "); said != c.want {
				t.Errorf("the owner was told %q, want %q", said, c.want)
			}
		})
	}
}

// The page of a key waits for the first good call: it is seen at once.
func TestAFirstUseIsSeenAtOnce(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(trading)
		o.want(o.request(bot, balance), look, "")
		o.soon("the key was used", func() bool {
			var k apikey.Key
			o.w.Must(o.w.DB.View(t.Context(), func(tx *store.Tx) (err error) {
				k, err = o.w.BotKeys.ByID(tx, o.p.Account, key.ID)
				return err
			}))
			return !k.UsedAt.IsZero() && k.UsedAddr == home.String()
		})
	})
}
