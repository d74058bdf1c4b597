package apikey_test

import (
	"errors"
	"math/big"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

type storeTx = store.Tx

// worth is a market whose orders say how much they trade.
func worth(numbers ...string) apikey.Need {
	n := trade
	n.Amount = func(*apikey.Request, string) (apikey.Amount, bool) { return apikey.Trades("USD", numbers...) }
	return n
}

func capped(t testing.TB, amount, currency string) apikey.NewKey {
	t.Helper()
	n := trading
	var err error
	if n.DayCap, err = apikey.ParseDayCap(amount, currency); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestHowMuchIsTradedIsReadExactly(t *testing.T) {
	for _, row := range []struct {
		sentence string
		numbers  []string
		want     int64 // millionths; 0: refused
	}{
		{"a whole number", []string{"100"}, 100_000_000},
		{"a quantity and a price", []string{"0.1", "0.2"}, 20_000},
		{"a tenth, which no float holds", []string{"0.1"}, 100_000},
		{"finer than we count, rounded up", []string{"0.0000001"}, 1},
		{"a satoshi at a price", []string{"0.00000001", "60000.01"}, 601},
		{"the greatest", []string{"1000000000000"}, 1_000_000_000_000_000_000},
		{"more than the greatest", []string{"1000000000000.000001"}, 0},
		{"a product beyond 64 bits", []string{"999999999999999999", "999999999999999999"}, 0},
		{"nothing at all", nil, 0},
		{"zero", []string{"0"}, 0},
		{"zero in many digits", []string{"0.000000000000000000"}, 0},
		{"minus one", []string{"-1"}, 0},
		{"plus one", []string{"+1"}, 0},
		{"two minus signs that make a plus", []string{"-1", "-1"}, 0},
		{"with an exponent", []string{"1e999"}, 0},
		{"with a small exponent", []string{"1e3"}, 0},
		{"not a number", []string{"NaN"}, 0},
		{"without end", []string{"Infinity"}, 0},
		{"in sixteens", []string{"0x1"}, 0},
		{"in eights, as some readers take it", []string{"010"}, 0},
		{"forty digits", []string{strings.Repeat("1", 40)}, 0},
		{"forty digits behind the point", []string{"0." + strings.Repeat("1", 40)}, 0},
		{"a fraction", []string{"1/3"}, 0},
		{"with a comma", []string{"1,000"}, 0},
		{"with an underscore", []string{"1_000"}, 0},
		{"with a space", []string{" 1"}, 0},
		{"with a line's end", []string{"1\n"}, 0},
		{"a point alone", []string{"."}, 0},
		{"no digit before the point", []string{".5"}, 0},
		{"no digit behind the point", []string{"5."}, 0},
		{"two points", []string{"1.2.3"}, 0},
		{"digits of another script", []string{"١٢"}, 0},
		{"an empty text", []string{""}, 0},
	} {
		got, ok := apikey.Trades("USD", row.numbers...)
		if ok != (row.want > 0) || got.Micros != row.want {
			t.Errorf("%s: %d, %v; want %d", row.sentence, got.Micros, ok, row.want)
		}
	}
}

// Whatever is taken is a plain positive number, and never counted as less than it is.
func FuzzTrades(f *testing.F) {
	for _, s := range []string{"1", "0.1", "1e999", "-1", "NaN", "0x1", strings.Repeat("9", 40), "999999999999.999999", "0.0000001", "007", "1_0"} {
		f.Add(s, "2.5")
	}
	plainly := regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	f.Fuzz(func(t *testing.T, a, b string) {
		got, ok := apikey.Trades("USD", a, b)
		if !ok {
			return
		}
		if !plainly.MatchString(a) || !plainly.MatchString(b) {
			t.Fatalf("%q times %q is taken", a, b)
		}
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		exact, counted := x.Mul(x, y), big.NewRat(got.Micros, 1_000_000)
		if over := new(big.Rat).Sub(counted, exact); got.Micros <= 0 || over.Sign() < 0 || over.Cmp(big.NewRat(1, 1_000_000)) >= 0 {
			t.Fatalf("%q times %q is counted as %d", a, b, got.Micros)
		}
	})
}

func TestACapForADay(t *testing.T) {
	for _, bad := range [][2]string{{"1e999", "USD"}, {"-1", "USD"}, {"NaN", "USD"}, {"0x1", "USD"}, {strings.Repeat("1", 40), "USD"}, {"0", "USD"}, {"1", ""}, {"", "USD"}, {"1", "usd"}, {"1", "US D"}, {"0.0000001", "USD"}, {"1000000000000.1", "USD"}} {
		if _, err := apikey.ParseDayCap(bad[0], bad[1]); !errors.Is(err, apikey.ErrDayCap) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(capped(t, "1000", "USD"))
		o.want(o.request(bot, order), worth("0.5", "1200"), "")
		o.want(o.request(bot, order), worth("400.000001"), "DAY_CAP_REACHED")
		r := o.request(bot, order)
		o.want(r, worth("300"), "")
		o.want(r, worth("300"), "REPLAYED") // and not counted a second time
		o.want(o.request(bot, order), worth("100"), "")
		o.want(o.request(bot, order), worth("0.000001"), "DAY_CAP_REACHED")
		o.want(o.request(bot, balance), look, "")
		o.want(o.request(bot, drop), cancel, "")
		o.w.Must(o.w.DB.View(t.Context(), func(tx *storeTx) error {
			spent, err := o.w.BotKeys.Spent(tx, key.Key)
			if spent != "1000" {
				t.Errorf("%s are counted", spent)
			}
			return err
		}))
		o.w.Clock.Sleep(24 * time.Hour)
		o.want(o.request(bot, order), worth("1000"), "")
	})
}

func TestACappedKeyTradesOnlyWhatCanBeCounted(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(capped(t, "1000", "USD"))
		free, _ := o.p.Bot(trading)
		bitcoin := trade
		bitcoin.Amount = func(*apikey.Request, string) (apikey.Amount, bool) { return apikey.Trades("BTC", "1") }
		o.want(o.request(bot, order), trade, "DAY_CAP_UNREAD") // a route that names no place
		o.want(o.request(bot, order), worth("1e3"), "DAY_CAP_UNREAD")
		o.want(o.request(bot, order), bitcoin, "DAY_CAP_UNREAD")
		asked := trade
		asked.Amount = func(*apikey.Request, string) (apikey.Amount, bool) {
			t.Error("a key without a cap is asked what it trades")
			return apikey.Amount{}, false
		}
		o.want(o.request(free, order), asked, "")
	})
}

func TestAHigherCapTakesATouch(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		_, key := o.p.Bot(capped(t, "1000", "USD"))
		for amount, widens := range map[string]bool{"999": false, "1000": false, "1000.000001": true} {
			e := key.Edit()
			e.DayCap = capped(t, amount, "USD").DayCap
			if key.Widens(e) != widens {
				t.Errorf("%s: %v", amount, !widens)
			}
		}
		e := key.Edit()
		e.DayCap = apikey.DayCap{}
		if !key.Widens(e) {
			t.Error("taking the cap away is no wider")
		}
		e.DayCap = capped(t, "1", "BTC").DayCap
		if !key.Widens(e) {
			t.Error("another currency is no wider")
		}
	})
}

// Two gates on one PostgreSQL: whatever comes at once, the sum stays under the cap.
func TestTheCapHoldsForAllGatesTogether(t *testing.T) {
	here, there := signintest.Two(t)
	o := &owner{t: t, w: here, p: here.NewPerson()}
	here.Must(o.p.SignUp())
	n := capped(t, "1000", "USD")
	n.PerMin = 60_000
	bot, key := o.p.Bot(n)
	var in, over atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		w := []*signintest.World{here, there}[i%2]
		wg.Go(func() {
			for range 20 {
				_, no := w.BotKeys.Verify(t.Context(), o.request(bot, order), worth("17"))
				switch {
				case no == nil:
					in.Add(1)
				case no.Code == apikey.DayCapReached:
					over.Add(1)
				default:
					t.Errorf("%+v", no)
				}
			}
		})
	}
	wg.Wait()
	if in.Load() != 58 || over.Load() != 160-58 {
		t.Errorf("%d orders of 17 were let in under a cap of 1000, %d were refused", in.Load(), over.Load())
	}
	here.Must(here.DB.View(t.Context(), func(tx *storeTx) error {
		spent, err := here.BotKeys.Spent(tx, key.Key)
		if spent != "986" {
			t.Errorf("%s are counted", spent)
		}
		return err
	}))
}
