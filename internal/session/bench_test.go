package session

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

func BenchmarkCheckHit(b *testing.B) {
	for name, how := range map[string]begin{"unbound": func(*Begin) {}, "bound": bound} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, storetest.Open(b), nil)
			c := w.person().signIn(how)
			w.must(c.check())
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.s.Check(ctx, c.iss.Access, home, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var raceDetector bool // see race_test.go

// A check of what is in memory must leave no garbage: it runs on every request.
func TestACheckFromMemoryAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("skipped: the race detector changes what is allocated")
	}
	w := newWorld(t, storetest.Open(t), nil)
	c := w.person().signIn(bound)
	w.must(c.check())
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := w.s.Check(ctx, c.iss.Access, home, ""); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func onBoth(b *testing.B, f func(b *testing.B, db *store.DB)) {
	b.Run("SQLite", func(b *testing.B) { f(b, storetest.SQLite(b)) })
	b.Run("PostgreSQL", func(b *testing.B) { f(b, storetest.Postgres(b, storetest.WithConns(16))) })
}

func BenchmarkCheckMiss(b *testing.B) {
	onBoth(b, func(b *testing.B, db *store.DB) {
		w := newWorld(b, db, nil)
		c := w.person().signIn()
		ctx := context.Background()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				w.s.cache.forget(c.iss.Session)
				if _, err := w.s.Check(ctx, c.iss.Access, home, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// BenchmarkRotate turns bound tokens of as many sessions as there are clients,
// durably and with their events. The PostgreSQL of the tests runs without fsync;
// with it, every commit waits for the disk besides.
func BenchmarkRotate(b *testing.B) {
	onBoth(b, func(b *testing.B, db *store.DB) {
		w := newWorld(b, db, nil)
		p := w.person()
		for _, n := range []int{1, 16, 64} {
			clients := make([]*client, n)
			for i := range clients {
				clients[i] = p.signIn(bound, elsewhere)
			}
			b.Run(fmt.Sprint(n), func(b *testing.B) {
				b.ReportAllocs()
				var left atomic.Int64
				left.Store(int64(b.N))
				var g sync.WaitGroup
				for _, c := range clients {
					g.Go(func() {
						for left.Add(-1) >= 0 {
							if err := c.refresh(); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				g.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "turns/s")
			})
		}
	})
}
