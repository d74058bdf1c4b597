package apikey_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// trapWorld is a service that hears of its traps.
type trapWorld struct {
	*owner
	proved, named int
	log           bytes.Buffer
}

func trapped(o *owner) *trapWorld {
	w := &trapWorld{owner: o}
	o.w.BotKeys = apikey.New(apikey.Parts{
		DB: o.w.DB, Ring: o.w.Ring, Log: o.w.Log, Accounts: o.w.Accounts, Devices: o.w.Devices, Fresh: o.w.Watch.Valid,
		Gates:  func(ctx context.Context) error { _, err := o.w.Watch.WaitGates(ctx, o.w.DB.Now()); return err },
		Logger: slog.New(slog.NewJSONHandler(&w.log, nil)),
		Trapped: func(proved bool) {
			if proved {
				w.proved++
			} else {
				w.named++
			}
		},
	})
	o.w.Watch.OnEffect(o.w.BotKeys.Heard)
	o.w.Clock.Sleep(time.Minute)
	return w
}

func (o *owner) trap(note string) (*softkey.Bot, apikey.Created) {
	o.t.Helper()
	c, err := o.w.BotKeys.AddHoneytoken(o.t.Context(), operator, note, "", false)
	o.w.Must(err)
	return &softkey.Bot{ID: string(c.ID), Authority: authority, Secret: c.Secret}, c
}

func TestAHoneytokenIsAKeyThatThereIsNotAndAnAlarm(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		w := trapped(o)
		bot, key := o.trap("In the wiki of partner X")
		if !apikey.IsSecret(key.Secret) {
			t.Error("a scanner would not know it")
		}
		for _, c := range []call{balance, order, balance} {
			c.peer = foreign
			o.want(o.request(bot, c), trade, "(AUTH_FAILED)")
		}
		guess := *bot
		guess.Secret = "kws_live_x"
		o.want(o.request(&guess, balance), look, "(AUTH_FAILED)")
		if w.proved != 3 || w.named != 1 {
			t.Errorf("counted %d with the secret and %d without", w.proved, w.named)
		}
		o.w.Must(o.w.BotKeys.SoundAlarms(t.Context()))
		o.w.Must(o.w.BotKeys.SoundAlarms(t.Context()))
		if n := o.w.Count("audit_event WHERE action = 'apikey.honeytoken_used'"); n != 1 {
			t.Errorf("%d events of an alarm", n)
		}
		if said := w.log.String(); strings.Count(said, "a honeytoken was used") != 1 || !strings.Contains(said, "In the wiki of partner X") || !strings.Contains(said, foreign.String()) || strings.Contains(said, key.Secret) {
			t.Errorf("the operator reads %s", said)
		}
		// A thousand calls in a minute are one event, and the next one tells how many.
		for range 100 {
			o.want(o.request(bot, balance), look, "(AUTH_FAILED)")
		}
		o.w.Must(o.w.BotKeys.SoundAlarms(t.Context()))
		if n := strings.Count(w.log.String(), "a honeytoken was used"); n != 1 {
			t.Errorf("%d alarms in one minute", n)
		}
		o.w.Clock.Sleep(2 * time.Minute)
		o.w.Must(o.w.BotKeys.SoundAlarms(t.Context()))
		if said := w.log.String(); strings.Count(said, "a honeytoken was used") != 2 || !strings.Contains(said, `"calls":100`) {
			t.Errorf("the operator reads %s", said)
		}
		// A year later it is a trap as before: nobody takes those away but an operator.
		o.w.Clock.Sleep(400 * 24 * time.Hour)
		o.want(o.request(bot, balance), look, "(AUTH_FAILED)")
		if w.proved != 104 {
			t.Errorf("%d uses counted", w.proved)
		}
		o.w.Must(o.w.BotKeys.EndHoneytoken(t.Context(), operator, key.ID))
		o.want(o.request(bot, balance), look, "(AUTH_FAILED)")
		if w.proved != 104 {
			t.Error("one that was taken away still counts")
		}
		o.w.Refused(o.w.BotKeys.EndHoneytoken(t.Context(), operator, key.ID), apikey.ErrUnknown)
	})
}

func TestAHoneytokenThatIsReported(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		w := trapped(o)
		bot, key := o.trap("In the backup of May")
		if !o.reported(apikey.Report{Token: bot.Secret, Via: apikey.ViaGitHub, URL: "https://github.com/a/b"}) {
			t.Error("GitHub reads that it is nothing: whoever laid it knows better")
		}
		o.reported(apikey.Report{Token: bot.Secret})
		if said := w.log.String(); strings.Count(said, "was found outside") != 1 || !strings.Contains(said, "github.com/a/b") {
			t.Errorf("the operator reads %s", said)
		}
		o.want(o.request(bot, balance), look, "(AUTH_FAILED)")
		if w.proved != 1 || !o.leak(key.ID).Live {
			t.Error("it is no trap any more")
		}
	})
}

// No bulk end, no sweep and nobody's list has a honeytoken in it, and no account owns one.
func TestAHoneytokenBelongsToNobody(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		_, key := o.trap("In the wiki")
		if n, err := o.w.Contain.MatchingBotKeys(t.Context(), apikey.Filter{Before: o.w.DB.Now().Add(time.Hour)}, nil); err != nil || n != 0 {
			t.Errorf("an incident is about %d keys (%v)", n, err)
		}
		o.w.Must(o.w.DB.View(t.Context(), func(tx *store.Tx) error {
			all, err := o.w.BotKeys.Honeytokens(tx)
			if len(all) != 1 || all[0].ID != key.ID || all[0].Account != "" {
				t.Errorf("laid out: %+v", all)
			}
			return err
		}))
		for _, p := range []apikey.Profile{apikey.Binance, apikey.Kraken, apikey.OKX, apikey.Gemini} {
			c, err := o.w.BotKeys.AddHoneytoken(t.Context(), operator, "In an old config", p, false)
			o.w.Must(err)
			if c.Secret == "" || p.Passphrase() != (c.Passphrase != "") {
				t.Errorf("%s: %q", p, c.ID)
			}
		}
		for _, row := range []struct {
			note    string
			profile apikey.Profile
			want    error
		}{{"", "", apikey.ErrPurpose}, {"In an old config", "cdp-jwt", apikey.ErrPublic}, {"In an old config", "nobody", apikey.ErrPublic}} {
			_, err := o.w.BotKeys.AddHoneytoken(t.Context(), operator, row.note, row.profile, false)
			o.w.Refused(err, row.want)
		}
	})
}

// Time must not tell a trap from a key that there is not. Medians of calls that take turns,
// each with a fresh signature, from memory; the bound is wide because the machine is shared.
func TestTimeDoesNotTellATrap(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		trapped(o)
		bot, _ := o.trap("In the wiki")
		_, gone := o.p.Bot(shared(trading))
		_, err := o.w.Contain.EndBotKey(t.Context(), o.p.Cause(), o.p.Account, gone.ID)
		o.w.Must(err)
		unknown := &softkey.Bot{ID: string(gone.ID), Authority: authority, Secret: bot.Secret}
		const n = 2000
		took := map[*softkey.Bot][]time.Duration{}
		for i := range n {
			for _, b := range []*softkey.Bot{bot, unknown} {
				r := o.request(b, balance)
				start := time.Now()
				_, refused := o.w.BotKeys.Verify(t.Context(), r, look)
				d := time.Since(start)
				if refused == nil || refused.Proved || refused.Code != apikey.AuthFailed || refused.Facts != (apikey.Facts{}) || refused.Key != "" {
					t.Fatalf("%+v", refused)
				}
				if i > 100 {
					took[b] = append(took[b], d)
				}
			}
		}
		median := func(b *softkey.Bot) time.Duration { slices.Sort(took[b]); return took[b][len(took[b])/2] }
		a, b := median(bot), median(unknown)
		t.Logf("a trap %v, an unknown key %v", a, b)
		if o.w.Watch.Valid() && (a-b > 20*time.Microsecond || b-a > 20*time.Microsecond) {
			t.Errorf("a trap is answered after %v, an unknown key after %v", a, b)
		}
	})
}
