package edge

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestABurstThenASteadyPace(t *testing.T) {
	c := newClock()
	l := NewLimiter(c.Now, 1)
	for i := range 5 {
		if ok, _ := l.Allow(ClassCode, "acc_1"); !ok {
			t.Fatalf("try %d refused", i+1)
		}
	}
	ok, wait := l.Allow(ClassCode, "acc_1")
	if ok || wait != 3*time.Minute {
		t.Fatalf("sixth try: %v, wait %v", ok, wait)
	}
	if ok, _ := l.Allow(ClassCode, "acc_2"); !ok {
		t.Error("another account pays for it")
	}
	if ok, _ := l.Allow(ClassFreezeMail, "acc_1"); !ok {
		t.Error("another class pays for it")
	}
	c.advance(wait - time.Nanosecond)
	if ok, _ := l.Allow(ClassCode, "acc_1"); ok {
		t.Error("too early")
	}
	c.advance(time.Nanosecond)
	if ok, _ := l.Allow(ClassCode, "acc_1"); !ok {
		t.Error("retryAfter was a lie")
	}
}

// What GCRA promises, whatever the pattern of asking: a window holds twice the
// burst at most, so a fourth of three needs a third of the window to earn.
func TestNeverMoreThanTheBurstAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		l := NewLimiter(c.Now, 1)
		r := policies[ClassCode].key
		var passed []time.Time
		for range rapid.IntRange(1, 200).Draw(t, "asks") {
			c.advance(time.Duration(rapid.Int64Range(0, int64(r.per/2)).Draw(t, "pause")))
			if ok, _ := l.Allow(ClassCode, "198.51.100.1"); ok {
				passed = append(passed, c.Now())
			}
		}
		for i := r.burst; i < len(passed); i++ {
			if d := passed[i].Sub(passed[i-r.burst]); d < r.per/time.Duration(r.burst) {
				t.Fatalf("%d within %v", r.burst+1, d)
			}
		}
	})
}

// The brake that is there for emergencies must be within reach of a whole office
// behind one address, and no stranger's network may take all of it.
func TestAnOfficeCanAskForItsFreezeMails(t *testing.T) {
	c := newClock()
	l := NewLimiter(c.Now, 1)
	office := netip.MustParseAddr("198.51.100.1")
	for i := range 30 {
		if ok, _ := l.AllowAddr(ClassFreezeMail, office); !ok {
			t.Fatalf("person %d of the office is refused", i+1)
		}
	}
	ok, wait := l.AllowAddr(ClassFreezeMail, office)
	if ok || wait > 2*time.Minute {
		t.Errorf("the next one: %v, wait %v", ok, wait)
	}
	if ok, _ := l.AllowAddr(ClassFreezeMail, netip.MustParseAddr("198.51.100.2")); !ok {
		t.Error("the neighbour is refused")
	}
}

func TestWhoSharesALimit(t *testing.T) {
	perKey, perNet := policies[ClassSignUp].key.burst, policies[ClassSignUp].net.burst
	for _, tc := range []struct {
		name string
		next func(i int) string
		want int // how many pass of a thousand
	}{
		{"one IPv4 address", func(i int) string { return "198.51.100.1" }, perKey},
		{"one IPv4 address, dressed as IPv6 half of the time", func(i int) string {
			return []string{"198.51.100.1", "::ffff:198.51.100.1"}[i%2]
		}, perKey},
		{"a /24 taking turns", func(i int) string { return fmt.Sprintf("198.51.100.%d", i%250) }, perNet},
		{"a household's IPv6 /64 taking turns", func(i int) string { return fmt.Sprintf("2001:db8::%x", i+1) }, perKey},
		{"a rented IPv6 /48 taking turns", func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i%250) }, perNet},
		{"strangers all over", func(i int) string { return fmt.Sprintf("%d.%d.1.1", 1+i%200, i/200) }, 1000},
		{"peers without address", func(i int) string { return "" }, perKey},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := NewLimiter(newClock().Now, 1)
			passed := 0
			for i := range 1000 {
				addr, _ := netip.ParseAddr(tc.next(i))
				if ok, _ := l.AllowAddr(ClassSignUp, addr); ok {
					passed++
				}
			}
			if passed != tc.want {
				t.Errorf("%d passed, want %d", passed, tc.want)
			}
		})
	}
}

func TestANoisyAddressCannotSpendItsNeighboursAllowance(t *testing.T) {
	l := NewLimiter(newClock().Now, 1)
	for range 10_000 {
		l.AllowAddr(ClassSignUp, netip.MustParseAddr("198.51.100.1"))
	}
	if ok, _ := l.AllowAddr(ClassSignUp, netip.MustParseAddr("198.51.100.2")); !ok {
		t.Error("the neighbour is refused")
	}
}

func (l *Limiter) entries() (n int) {
	for i := range l.shards {
		l.shards[i].mu.Lock()
		n += len(l.shards[i].tat)
		l.shards[i].mu.Unlock()
	}
	return n
}

// A flood of invented keys may neither grow the memory nor free those whose
// limit is already used up.
func TestInventedKeysAreBoundedAndFreeNobody(t *testing.T) {
	c := newClock()
	l := NewLimiter(c.Now, 1)
	for range 6 {
		l.Allow(ClassCode, "the guesser")
	}
	passed := 0
	for i := range 2 * limitShards * limitEntries {
		if ok, _ := l.Allow(ClassSignUp, fmt.Sprint("invented ", i)); ok {
			passed++
		}
	}
	if n, most := l.entries(), limitShards*limitEntries+int(classCount); n > most {
		t.Errorf("%d entries, at most %d", n, most)
	}
	room, all := limitShards*limitEntries, policies[ClassSignUp].all.burst
	if passed > room+all {
		t.Errorf("%d passed, room for %d and the coarse bucket for %d", passed, room, all)
	}
	if ok, _ := l.Allow(ClassCode, "the guesser"); ok {
		t.Error("the flood freed the guesser")
	}
	c.advance(time.Hour) // everything is replenished: the memory is free again
	if ok, _ := l.Allow(ClassSignUp, "somebody new"); !ok {
		t.Error("after the flood a newcomer is refused")
	}
	for i := range 100_000 {
		l.Allow(ClassSignUp, fmt.Sprint("later ", i))
	}
	if n := l.entries(); n > limitShards*limitEntries {
		t.Errorf("%d entries after the flood", n)
	}
}

func TestConcurrentRequestsGetExactlyTheBurst(t *testing.T) {
	l := NewLimiter(newClock().Now, 1)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if ok, _ := l.Allow(ClassAPI, "acc_1"); ok {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got, want := passed.Load(), int64(policies[ClassAPI].key.burst); got != want {
		t.Errorf("%d passed, want %d", got, want)
	}
}

func TestTheFactorMultipliesEveryRate(t *testing.T) {
	l := NewLimiter(newClock().Now, 2)
	passed := 0
	for range 100 {
		if ok, _ := l.Allow(ClassCode, "x"); ok {
			passed++
		}
	}
	if passed != 10 {
		t.Errorf("%d passed with factor 2, want 10", passed)
	}
	small := NewLimiter(newClock().Now, 0.1)
	if ok, _ := small.Allow(ClassFreezeMail, "x"); !ok {
		t.Error("a small factor left nothing")
	}
}

func TestEveryPolicyIsWhole(t *testing.T) {
	for c, p := range policies {
		for _, r := range []rate{p.key, p.net, p.all} {
			if r.burst < 1 || r.per <= 0 {
				t.Errorf("class %d %q: %+v", c, p.name, r)
			}
		}
		if p.key.burst >= p.net.burst || p.net.burst >= p.all.burst {
			t.Errorf("%s: the wider bucket must hold more", p.name)
		}
	}
}

func TestAllowingCostsNoMemory(t *testing.T) {
	l := NewLimiter(newClock().Now, 1)
	addr := netip.MustParseAddr("198.51.100.1")
	if n := testing.AllocsPerRun(1000, func() { l.AllowAddr(ClassAPI, addr); l.Allow(ClassAPI, "acc_1") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAllow(b *testing.B) {
	c := newClock()
	now := c.now
	l := NewLimiter(func() time.Time { return now }, 1e6)
	b.ReportAllocs()
	for b.Loop() {
		l.Allow(ClassAPI, "acc_01h2xcejqtf2nbrexx3vqjhp41")
	}
}

func BenchmarkAllowAddrParallel(b *testing.B) {
	now := newClock().now
	l := NewLimiter(func() time.Time { return now }, 1e6)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		addr := netip.AddrFrom4([4]byte{198, 51, 100, 1})
		for pb.Next() {
			l.AllowAddr(ClassAPI, addr)
		}
	})
}
