package apikey_test

import (
	"net/netip"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
)

// A process that has not heard yet what an engine has heard must not answer it out of its
// memory: the stream would go on after its end was acknowledged.
func TestAnEngineIsAnsweredFromTheDatabase(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		o := &owner{t: t, w: w, p: w.NewPerson()}
		w.Must(o.p.SignUp())
		w.Clock.Sleep(time.Minute)
		deaf := apikey.New(apikey.Parts{DB: w.DB, Ring: w.Ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices}) // hears nothing, and remembers
		w.Clock.Sleep(time.Minute)
		stands := func(d *apikey.Decision, remembered bool) apikey.Code {
			_, code := deaf.Stands(t.Context(), d, netip.MustParseAddr("203.0.113.7"), remembered)
			return code
		}
		open := func() (apikey.Created, *apikey.Decision) {
			bot, key := o.p.Bot(trading)
			d, no := deaf.Verify(t.Context(), o.request(bot, balance), apikey.Need{Scope: apikey.ReadAccount, Class: apikey.ClassRead, Stream: true})
			if no != nil {
				t.Fatal(no)
			}
			d.Scopes &= apikey.Reading
			for _, remembered := range []bool{true, false} {
				if code := stands(&d, remembered); code != "" {
					t.Fatal(code)
				}
			}
			return key, &d
		}
		key, d := open()
		_, err := w.Contain.EndBotKey(t.Context(), o.p.Cause(), o.p.Account, key.ID)
		w.Must(err)
		if code := stands(d, true); code != "" {
			t.Fatalf("the memory of this test has heard: %s", code)
		}
		if code := stands(d, false); code != apikey.KeyExpired {
			t.Errorf("of a key that has ended: %q", code)
		}
		_, d = open()
		_, err = w.Contain.Freeze(t.Context(), o.p.Cause(), o.p.Account, "here")
		w.Must(err)
		if code := stands(d, false); code != apikey.AccountFrozen {
			t.Errorf("of an account that is frozen: %q", code)
		}
	})
}
