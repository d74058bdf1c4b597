package apikey_test

import (
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/storetest"
)

// A read under each algorithm, in process: what every gate spends on a request.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []apikey.Alg{apikey.HMACSHA256, apikey.Ed25519} {
		b.Run(string(alg), func(b *testing.B) {
			clock := signintest.NewClock()
			w := signintest.New(b, storetest.SQLite(b, storetest.WithNow(clock.Now)), clock)
			o := &owner{w: w, p: w.NewPerson()}
			w.Must(o.p.SignUp())
			clock.Sleep(time.Minute)
			n := trading
			n.PerMin = 60_000
			if alg == apikey.HMACSHA256 {
				n.Alg = alg
			}
			bot, _ := o.p.Bot(n)
			r := o.request(bot, balance)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if i++; i%1000 == 0 { // keep inside the key's own speed
					clock.Sleep(time.Second)
					r = o.request(bot, balance)
				}
				if _, no := w.BotKeys.Verify(b.Context(), r, look); no != nil {
					b.Fatal(no)
				}
			}
		})
	}
}
