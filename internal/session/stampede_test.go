package session

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// all reports whether this run is the long one.
func all() bool { return os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" }

// twoProcesses are two servers on one PostgreSQL: connections, memory and keys of
// their own, nothing shared but the database.
func twoProcesses(t *testing.T, c *clock) (here, there *world) {
	t.Helper()
	url := storetest.PostgresURL(t)
	kek, shelf := keyringtest.KEK(t), new(keyringtest.Shelf)
	one := func() *world {
		now := time.Now
		if c != nil {
			now = c.now
		}
		db, err := store.Open(t.Context(), store.Options{URL: url, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return process(t, db, keyringtest.Open(t, kek, shelf, now), c, nil)
	}
	return one(), one()
}

// Sixty-four tabs wake at once with one token. Each gets the one child; nobody is
// taken for a thief, nobody is turned away (reference §C: 415 of 679 tokens were
// revoked as reuse in a system that read first and wrote then).
func TestStampede(t *testing.T) {
	const tabs = 64
	stampede := func(t *testing.T, sessions int, how begin, doors ...*world) {
		people := doors[0].person()
		began := time.Now()
		for range sessions {
			c := people.signIn(how, elsewhere)
			var g sync.WaitGroup
			var children sync.Map
			var bad atomic.Value
			start := make(chan struct{})
			for i := range tabs {
				tab := c.at(doors[i%len(doors)])
				g.Go(func() {
					<-start
					iss, err := tab.present(c.iss.Refresh, c.jkt)
					if err != nil {
						bad.Store(err)
						return
					}
					children.Store(iss.Refresh, iss)
				})
			}
			close(start)
			g.Wait()
			if err := bad.Load(); err != nil {
				t.Fatalf("a tab was refused: %v", err)
			}
			n := 0
			children.Range(func(_, v any) bool { n++; c.iss = v.(Issued); return true })
			if n != 1 {
				t.Fatalf("%d children of one token", n)
			}
			if f := c.facts(); f.gen != 2 || f.ended != "" {
				t.Fatalf("afterwards: %+v", f)
			}
		}
		for _, w := range doors {
			if w.met.unbound.Load()+w.met.snapshot.Load()+w.met.superseded.Load()+w.met.mismatch.Load() != 0 {
				t.Errorf("false alarms: %s", w.met)
			}
		}
		t.Logf("%d × %d refreshes in %s", sessions, tabs, time.Since(began).Round(time.Millisecond))
	}
	few := 10
	if all() {
		few = 200
	}
	t.Run("one process on SQLite", func(t *testing.T) { stampede(t, 200, bound, newWorld(t, storetest.Open(t), nil)) })
	t.Run("one process on SQLite, unbound", func(t *testing.T) { stampede(t, 50, func(*Begin) {}, newWorld(t, storetest.Open(t), nil)) })
	t.Run("one process on PostgreSQL", func(t *testing.T) { stampede(t, few, bound, newWorld(t, storetest.Postgres(t), nil)) })
	t.Run("two processes on PostgreSQL", func(t *testing.T) {
		here, there := twoProcesses(t, nil)
		stampede(t, few, bound, here, there)
	})
	t.Run("two processes on PostgreSQL, unbound", func(t *testing.T) {
		here, there := twoProcesses(t, nil)
		stampede(t, few, func(*Begin) {}, here, there)
	})
}

// A proof is good once, at whichever process and however close together.
func TestAProofIsGoodAtOneProcess(t *testing.T) {
	here, there := twoProcesses(t, nil)
	c := here.person().signIn(bound)
	for range 10 {
		r := Refresh{Presented: c.iss.Refresh, JKT: c.jkt, JTI: jti(), Addr: home}
		var g sync.WaitGroup
		var good atomic.Pointer[Issued]
		var accepted, replayed atomic.Int64
		for i := range 8 {
			w := []*world{here, there}[i%2]
			g.Go(func() {
				switch iss, err := w.s.Rotate(context.Background(), store.Cause{}, r); {
				case err == nil:
					accepted.Add(1)
					good.Store(&iss)
				case errors.Is(err, ErrProofReplayed):
					replayed.Add(1)
				default:
					t.Errorf("got %v", err)
				}
			})
		}
		g.Wait()
		if accepted.Load() != 1 || replayed.Load() != 7 {
			t.Fatalf("one proof was accepted %d times and refused %d times", accepted.Load(), replayed.Load())
		}
		c.iss = *good.Load()
	}
}

// Ending and refreshing at the same moment: whichever the database takes first,
// nothing works afterwards (keycloak#51312: tokens minted after a revocation). And
// whoever refreshes in tight loops cannot hold an end up: it is never aborted.
func TestAnEndBeatsEveryRefresh(t *testing.T) {
	race(t, func(t *testing.T, here *world, c *client, i int) {
		if i%2 == 0 {
			here.must(c.end(EndedByOwner))
		} else {
			c.p.endAll()
		}
	})
}

// A touch and refreshes of a stolen copy at the same moment: the copy gets nothing
// that works, and the touch is never held up.
func TestATouchBeatsEveryRefresh(t *testing.T) {
	race(t, func(t *testing.T, here *world, c *client, i int) {
		iss, err := c.stepUp("a new key")
		here.must(err)
		mine := *c
		mine.iss, mine.jkt = iss, "a new key"
		here.must(mine.refresh())
		here.must(mine.check())
	})
}

// race lets thieves with token and key turn it as fast as they can, each at another
// process, while the owner stops them.
func race(t *testing.T, stop func(t *testing.T, here *world, c *client, i int)) {
	run := func(t *testing.T, here, there *world) {
		p := here.person()
		for i := range 10 {
			c := p.signIn(bound, elsewhere)
			var g sync.WaitGroup
			var last sync.Map
			for j, w := range []*world{here, there} {
				thief := c.at(w)
				g.Go(func() {
					for {
						err := thief.refresh()
						if errors.Is(err, ErrRefreshInvalid) {
							break
						}
						if err != nil && !errors.Is(err, ErrRefreshSuperseded) {
							t.Errorf("got %v", err)
							break
						}
					}
					last.Store(j, thief)
				})
			}
			time.Sleep(time.Duration(i%5) * time.Millisecond)
			began := time.Now()
			stop(t, here, c, i)
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %s", took)
			}
			g.Wait()
			last.Range(func(_, v any) bool {
				thief := v.(*client)
				here.refused(thief.at(here).refresh(), ErrRefreshInvalid)
				here.refused(thief.at(here).check(), ErrEnded)
				there.refused(thief.at(there).refresh(), ErrRefreshInvalid)
				return true
			})
		}
	}
	t.Run("SQLite", func(t *testing.T) { w := newWorld(t, storetest.Open(t), nil); run(t, w, w) })
	t.Run("PostgreSQL", func(t *testing.T) { here, there := twoProcesses(t, nil); run(t, here, there) })
}

// A client that goes away while it is first in line takes nobody with it.
func TestALeaderThatLeavesHarmsNoFollower(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.person().signIn(bound)
		for range 5 {
			var g sync.WaitGroup
			var ok atomic.Pointer[Issued]
			for i := range 16 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%2 == 0 {
					time.AfterFunc(time.Duration(i)*50*time.Microsecond, cancel)
				}
				g.Go(func() {
					defer cancel()
					iss, err := w.s.Rotate(ctx, store.Cause{}, Refresh{Presented: c.iss.Refresh, JKT: c.jkt, JTI: jti(), Addr: home})
					switch {
					case err == nil:
						ok.Store(&iss)
					case i%2 != 0:
						t.Errorf("a client that stayed got %v", err)
					case !errors.Is(err, context.Canceled):
						t.Errorf("a client that left got %v", err)
					}
				})
			}
			g.Wait()
			c.iss = *ok.Load()
		}
		if n := len(w.s.flight.turns); n != 0 {
			t.Errorf("%d refreshes are still under way", n)
		}
	})
}

func TestFlight(t *testing.T) {
	t.Run("a panic lets the next one in", func(t *testing.T) {
		var f flight
		f.init()
		func() {
			defer func() { _ = recover() }()
			_ = f.pass(t.Context(), keyring.Hash("x"), func() error { panic("x") })
		}()
		if err := f.pass(t.Context(), keyring.Hash("x"), func() error { return nil }); err != nil || len(f.turns) != 0 {
			t.Errorf("%v, %d under way", err, len(f.turns))
		}
	})
	t.Run("who waits may leave", func(t *testing.T) {
		var f flight
		f.init()
		in, out := make(chan struct{}), make(chan struct{})
		go func() {
			_ = f.pass(context.Background(), keyring.Hash("x"), func() error { close(in); <-out; return nil })
		}()
		<-in
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := f.pass(ctx, keyring.Hash("x"), func() error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(out)
	})
	t.Run("after a refusal one at a time, after a turn all at once", func(t *testing.T) {
		var f flight
		f.init()
		var inside, most, tries atomic.Int64
		var g sync.WaitGroup
		for range 16 {
			g.Go(func() {
				_ = f.pass(t.Context(), keyring.Hash("x"), func() error {
					n := inside.Add(1)
					defer inside.Add(-1)
					if tries.Add(1) > 8 {
						return nil
					}
					most.Store(max(most.Load(), n))
					time.Sleep(time.Millisecond)
					return errors.New("busy")
				})
			})
		}
		g.Wait()
		if tries.Load() != 16 || most.Load() != 1 {
			t.Errorf("%d tries, %d at once while none had turned", tries.Load(), most.Load())
		}
	})
}
