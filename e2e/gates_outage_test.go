package e2e

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/storetest"
)

// PostgreSQL is killed with -9 under load and comes back after twenty seconds. What may
// go on meanwhile goes by class (DESIGN §7): nothing at the gate whose operator gave no
// grace; looking and cancelling for ten seconds at the other, each answer marked; never
// an order.
func TestTheDatabaseIsKilledUnderLoad(t *testing.T) {
	db := storetest.NewOwn(t)
	g := newGatesWith(t, gatesOf{database: db.URL(), grace: [2]string{"0s", "10s"}})
	owner := g.s.app(1)
	owner.must(owner.signUp())
	bot, err := owner.makesBot("grid bot")
	owner.must(err)
	strict, graced := g.doors[0], g.doors[1]
	ask := func(d *gateProcess, method, path string) (int, string, string) {
		return d.hears(signed(bot, method, path, ""), "")
	}
	for _, d := range g.doors {
		for _, what := range [][2]string{{"GET", "/v1/balance"}, {"POST", "/v1/orders"}, {"DELETE", "/v1/orders/7"}} {
			if status, code, stale := ask(d, what[0], what[1]); status != http.StatusCreated || stale != "" {
				t.Fatalf("%v before: %d %s %q", what, status, code, stale)
			}
		}
	}

	// Load of every class at both gates, all the time; what came in is counted by phase.
	var phase atomic.Int32 // 0 before, 1 killed, 2 within the grace, 3 past it, 4 back
	type seen struct {
		d     *gateProcess
		class string
		phase int32
	}
	var mu sync.Mutex
	in, marked := map[seen]int{}, map[seen]int{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, d := range g.doors {
		for class, what := range map[string][2]string{"read": {"GET", "/v1/balance"}, "order": {"POST", "/v1/orders"}, "cancel": {"DELETE", "/v1/orders/7"}} {
			for range 2 {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(10 * time.Millisecond):
						}
						at := phase.Load()
						status, _, stale := ask(d, what[0], what[1])
						if status != http.StatusCreated || phase.Load() != at {
							continue
						}
						mu.Lock()
						in[seen{d, class, at}]++
						if stale != "" {
							marked[seen{d, class, at}]++
						}
						mu.Unlock()
					}
				})
			}
		}
	}
	time.Sleep(time.Second)
	killed := time.Now()
	phase.Store(1)
	db.Kill()
	time.Sleep(800*time.Millisecond - time.Since(killed)) // leases have run out
	phase.Store(2)
	time.Sleep(9*time.Second - time.Since(killed))
	phase.Store(1) // not looked at
	time.Sleep(12*time.Second - time.Since(killed))
	phase.Store(3)
	time.Sleep(20*time.Second - time.Since(killed))
	phase.Store(1)
	db.Start()
	back := time.Now()
	for _, d := range g.doors {
		for {
			if status, _, stale := ask(d, "POST", "/v1/orders"); status == http.StatusCreated && stale == "" {
				break
			}
			if time.Since(back) > 30*time.Second {
				t.Fatal("no order comes in half a minute after the database came back")
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	recovered := time.Since(back)
	phase.Store(4)
	time.Sleep(time.Second)
	close(stop)
	wg.Wait()

	n := func(d *gateProcess, class string, phase int32) int { return in[seen{d, class, phase}] }
	t.Logf("within the grace: %d reads and %d cancels at one gate; back after %v", n(graced, "read", 2), n(graced, "cancel", 2), recovered.Round(time.Millisecond))
	if recovered > 5*time.Second {
		t.Errorf("orders came in %v after the database answered, want 5s", recovered)
	}
	for _, d := range g.doors {
		for class := range map[string]bool{"read": true, "order": true, "cancel": true} {
			for _, phase := range []int32{0, 4} {
				if n(d, class, phase) == 0 {
					t.Errorf("nothing of %s came in in phase %d, when all was well", class, phase)
				}
			}
			if n(d, class, 3) != 0 {
				t.Errorf("%d of %s came in when every grace was over", n(d, class, 3), class)
			}
		}
		if n(d, "order", 2) != 0 {
			t.Errorf("%d orders came in without a database", n(d, "order", 2))
		}
	}
	if n(strict, "read", 2)+n(strict, "cancel", 2) != 0 {
		t.Error("a gate without a grace went on after its lease")
	}
	for _, class := range []string{"read", "cancel"} {
		if n(graced, class, 2) == 0 {
			t.Errorf("nothing of %s came in within the grace", class)
		}
		if s := (seen{graced, class, 2}); marked[s] != in[s] {
			t.Errorf("%d of %d answers of %s say that they are stale", marked[s], in[s], class)
		}
	}

	// What a database had said yes to it remembers, also when it is killed a moment later.
	r := signed(bot, "POST", "/v1/orders", "")
	if status, code := strict.answers(r, ""); status != http.StatusCreated {
		t.Fatalf("%d %s", status, code)
	}
	db.Kill()
	db.Start()
	strict.kill()
	strict.start()
	for _, d := range g.doors {
		if status, code := d.answers(r, ""); status == http.StatusCreated {
			t.Errorf("the same order came in again: %d %s", status, code)
		}
	}
}
