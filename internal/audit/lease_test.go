package audit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// gate is a process that answers from memory: it holds the sessions it has seen
// and forgets them when it hears of their end.
type gate struct {
	*Watch
	stop context.CancelFunc
	done chan struct{}

	mu   sync.Mutex
	held map[string]bool
}

func (d *desk) gate(name string) *gate {
	return &gate{Watch: NewWatch(d.db, d.log, name, time.Now), done: make(chan struct{}), held: map[string]bool{}}
}

// elsewhere makes the log forget the gate, so that it hears of events as another
// process would: through the database alone.
func (g *gate) elsewhere() *gate {
	g.log.mu.Lock()
	defer g.log.mu.Unlock()
	var rest []*Watch
	for _, w := range g.log.watches {
		if w != g.Watch {
			rest = append(rest, w)
		}
	}
	g.log.watches = rest
	return g
}

func (g *gate) start(t testing.TB) *gate {
	g.OnEffect(func(e Effect, _ Record) {
		g.mu.Lock()
		delete(g.held, e.ID)
		g.mu.Unlock()
	})
	ctx, stop := context.WithCancel(context.Background())
	g.stop = sync.OnceFunc(func() { stop(); <-g.done })
	go func() {
		defer close(g.done)
		if err := g.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return g
}

func (g *gate) hold(session string) {
	g.mu.Lock()
	g.held[session] = true
	g.mu.Unlock()
}

// accepts is what a request meets: validity first, then the memory.
func (g *gate) accepts(session string) bool {
	if !g.Valid() {
		return false // it would ask the database, which knows
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held[session]
}

func (d *desk) end(session string) {
	d.t.Helper()
	d.do(cause("acc_1", "R"), Event{Action: "session.ended", Target: session, Effects: []Effect{{"session", session, 2}}})
}

// F1: acknowledged means refused everywhere. Nobody seals, so this also shows
// that freshness does not wait for the sealer.
func TestAcknowledgedMeansRefusedAtEveryGate(t *testing.T) {
	d := newDesk(t, storetest.Postgres(t, storetest.WithConns(8)))
	here := d.gate("server").start(t)
	there := []*gate{d.gate("gate").elsewhere().start(t), d.gate("gate").elsewhere().start(t)}
	all := append(there, here)
	for _, g := range all {
		defer g.stop()
		eventually(t, 5*time.Second, g.Valid)
	}
	eventually(t, 5*time.Second, func() bool { return d.count(`SELECT count(*) FROM audit_lease`) == 3 })
	here.OfflineFor = 5 * time.Minute

	for i := range 8 {
		session := "ses_" + name(i)
		for _, g := range all {
			g.hold(session)
		}
		eventually(t, 5*time.Second, func() bool { return all[0].accepts(session) && all[1].accepts(session) })
		d.end(session)
		if here.accepts(session) {
			t.Error("the process that revoked still accepts it")
		}
		since := time.Now()
		reach, err := here.WaitGates(t.Context(), since)
		took := time.Since(since)
		if err != nil {
			t.Fatal(err)
		}
		for j, g := range all {
			if g.accepts(session) {
				t.Errorf("acknowledged after %v, and gate %d still accepts it", took, j)
			}
		}
		if reach.Passed+reach.Lapsed != 3 || reach.EffectiveAt.Before(since.Add(-time.Second)) || !reach.OfflineUntil.Equal(since.Add(5*time.Minute)) {
			t.Errorf("%+v", reach)
		}
	}
}

// The same on a clock of our own, to the millisecond.
func TestLeaseTimes(t *testing.T) {
	url := storetest.PostgresURL(t)
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(t.Context(), store.Options{URL: url, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		d := newDesk(t, db)
		here := d.gate("here").start(t)
		defer here.stop()
		there := d.gate("there").elsewhere().start(t)
		defer there.stop()
		if here.Valid() {
			t.Error("valid before the first read")
		}
		time.Sleep(250 * time.Millisecond)
		if !here.Valid() || !there.Valid() {
			t.Fatal("not valid after two turns")
		}
		// A bubble has no subtests.
		step := func(name string, f func()) {
			failed := t.Failed()
			if f(); !failed && t.Failed() {
				t.Logf("that was: %s", name)
			}
		}

		step("two turns of a living gate", func() {
			since := time.Now()
			d.end("ses_1")
			reach, err := here.WaitGates(t.Context(), since)
			if took := time.Since(since); err != nil || reach.Passed != 2 || reach.Lapsed != 0 || took < 100*time.Millisecond || took > 250*time.Millisecond {
				t.Errorf("%+v after %v, %v", reach, took, err)
			}
		})
		step("a gate that stands still lapses before anybody says so", func() {
			d.kill(there)
			since := time.Now()
			d.end("ses_2")
			there.hold("ses_2")
			var lastValid time.Duration
			watching := make(chan struct{})
			quit := make(chan struct{})
			go func() {
				defer close(watching)
				for {
					select {
					case <-quit:
						return
					case <-time.After(time.Millisecond):
						if there.accepts("ses_2") {
							lastValid = time.Since(since)
						}
					}
				}
			}()
			reach, err := here.WaitGates(t.Context(), since)
			took := time.Since(since)
			if err != nil || reach.Passed != 1 || reach.Lapsed != 1 {
				t.Errorf("%+v, %v", reach, err)
			}
			if took > 700*time.Millisecond || took < 400*time.Millisecond {
				t.Errorf("took %v", took)
			}
			close(quit)
			<-watching
			if lastValid >= took || lastValid > leaseFor {
				t.Errorf("it accepted until %v, we acknowledged at %v", lastValid, took)
			}
		})
		step("nobody waits a second time for the dead", func() {
			time.Sleep(time.Second)
			since := time.Now()
			d.end("ses_3")
			reach, err := here.WaitGates(t.Context(), since)
			if took := time.Since(since); err != nil || reach.Lapsed != 1 || took > 20*time.Millisecond {
				t.Errorf("%+v after %v, %v", reach, took, err)
			}
		})
		step("a caller who cannot wait learns how far it got", func() {
			slow := d.gate("slow").elsewhere().start(t)
			defer slow.stop()
			time.Sleep(150 * time.Millisecond)
			d.kill(slow)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			reach, err := here.WaitGates(ctx, time.Now())
			if !errors.Is(err, context.DeadlineExceeded) || !reach.EffectiveAt.IsZero() {
				t.Errorf("%+v, %v", reach, err)
			}
		})
	})
}

// kill ends the loop and leaves everything as it stood, here and in the database.
func (d *desk) kill(g *gate) {
	d.t.Helper()
	lease, n := g.lease.Load(), d.count(`SELECT n FROM audit_lease WHERE id = $1`, g.id)
	g.stop()
	g.lease.Store(lease)
	d.exec(`INSERT INTO audit_lease (id, n, at) VALUES ($1, $2, $3)`, g.id, n, store.Micros(time.Now()))
}

func TestOnSQLiteCachesHearBeforeTheCallerDoes(t *testing.T) {
	d := newDesk(t, storetest.SQLite(t))
	g := d.gate("server").start(t)
	defer g.stop()
	g.hold("ses_1")
	if !g.accepts("ses_1") {
		t.Fatal("not valid")
	}
	d.end("ses_1")
	if g.accepts("ses_1") {
		t.Error("still accepted after the commit")
	}
	// Nobody has to be waited for: the answer is there before a lease could run out, also
	// while others have the processor.
	since := time.Now()
	reach, err := g.WaitGates(t.Context(), since)
	if took := time.Since(since); err != nil || reach.Passed != 1 || reach.Lapsed != 0 || reach.EffectiveAt.IsZero() || took > 300*time.Millisecond {
		t.Errorf("%+v, %v, after %v", reach, err, took)
	}
}

// A refused transaction must not empty a cache, and CommitWith must.
func TestEffectsFollowTheCommit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		g := d.gate("server")
		var heard atomic.Int64
		g.OnEffect(func(Effect, Record) { heard.Add(1) })
		for _, c := range []struct {
			err  error
			want int64
		}{{errRefused, 0}, {store.CommitWith(errRefused), 1}, {nil, 2}} {
			_ = db.Update(t.Context(), cause("acc_1", "R"), func(tx *store.Tx) error {
				if _, err := d.log.Append(tx, Event{Action: "session.ended", Effects: []Effect{{"session", "ses_1", 2}}}); err != nil {
					return err
				}
				return c.err
			})
			if heard.Load() != c.want {
				t.Errorf("after %v: heard %d, want %d", c.err, heard.Load(), c.want)
			}
		}
	})
}

// Clocks that part void the lease: a machine that was paused may come back with
// a monotonic clock that stood still.
func TestPartingClocksVoidTheLease(t *testing.T) {
	base := time.Date(2026, 3, 12, 14, 0, 0, 0, time.UTC)
	at := func(mono, wall time.Duration) instant { return instant{mono, base.Add(wall)} }
	t0 := at(0, 0)
	for _, c := range []struct {
		name  string
		now   instant
		valid bool
	}{
		{"at once", at(0, 0), true},
		{"just before its end", at(399*time.Millisecond, 399*time.Millisecond), true},
		{"at its end", at(400*time.Millisecond, 400*time.Millisecond), false},
		{"a small correction of the wall clock", at(100*time.Millisecond, 290*time.Millisecond), true},
		{"the wall clock jumped ahead", at(100*time.Millisecond, 301*time.Millisecond), false},
		{"the wall clock jumped back", at(150*time.Millisecond, -51*time.Millisecond), false},
		{"the machine slept an hour and the monotonic clock with it", at(time.Millisecond, time.Hour), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &Watch{read: func() instant { return c.now }}
			w.lease.Store(&t0)
			if w.Valid() != c.valid {
				t.Errorf("valid = %v", !c.valid)
			}
		})
	}
	if (&Watch{}).Valid() {
		t.Error("the zero watch must not be valid")
	}
}

// When the tail cannot be read the right to answer from memory runs out.
func TestWithoutTheTailTheLeaseRunsOut(t *testing.T) {
	url := storetest.PostgresURL(t)
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(t.Context(), store.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		d := newDesk(t, db)
		g := d.gate("gate").elsewhere().start(t)
		time.Sleep(250 * time.Millisecond)
		if !g.Valid() {
			t.Fatal("not valid")
		}
		db.Close()
		time.Sleep(leaseFor)
		if g.Valid() {
			t.Error("valid without a database")
		}
		g.stop()
	})
}
