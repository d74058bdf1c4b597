package job

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/audit"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

var quiet = slog.New(slog.DiscardHandler)

func enqueue(t testing.TB, db *store.DB, kind string, payload any, at time.Time, opts ...Option) {
	t.Helper()
	if err := db.Housekeeping(t.Context(), func(tx *store.Tx) error {
		return Enqueue(tx, kind, payload, at, opts...)
	}); err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, db *store.DB, q string, args ...any) (n int64) {
	t.Helper()
	if err := db.Get(t.Context(), q, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not so after a minute")
		}
	}
}

// start runs a runner until the test ends or stop is called.
func start(t testing.TB, r *Runner) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

// A job exists exactly when the change that asked for it does.
func TestJobSharesTheFateOfItsTransaction(t *testing.T) {
	refused := errors.New("refused")
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		log := audit.New(keyringtest.NewTestRing(t))
		for _, c := range []struct {
			name string
			err  error
			want int64
		}{
			{"a change that fails takes its job back", refused, 0},
			{"a change that commits brings it", nil, 1},
			{"a refusal that sticks brings it too", store.CommitWith(refused), 2},
		} {
			t.Run(c.name, func(t *testing.T) {
				_ = db.Update(t.Context(), store.Cause{Actor: "system:test"}, func(tx *store.Tx) error {
					if err := Enqueue(tx, "mail", "x", time.Time{}); err != nil {
						return err
					}
					if _, err := log.Append(tx, audit.Event{Action: "account.updated"}); err != nil {
						return err
					}
					return c.err
				})
				if n := count(t, db, `SELECT count(*) FROM job_job`); n != c.want {
					t.Errorf("%d jobs, want %d", n, c.want)
				}
			})
		}
	})
}

func TestKeyMakesAtMostOneJob(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var ran atomic.Int64
		r := NewRunner(db, quiet, map[string]Handler{"mail": func(context.Context, []byte) error { ran.Add(1); return nil }})
		start(t, r)
		var g sync.WaitGroup
		for range 4 {
			g.Go(func() {
				for range 5 {
					enqueue(t, db, "mail", "x", time.Time{}, Key("evt_1/mail"))
					r.Kick()
				}
			})
		}
		g.Wait()
		enqueue(t, db, "mail", "x", time.Time{}, Key("evt_2/mail"))
		enqueue(t, db, "mail", "x", time.Time{})
		enqueue(t, db, "mail", "x", time.Time{})
		eventually(t, func() bool { return count(t, db, `SELECT count(*) FROM job_job WHERE state = 'done'`) == 4 })
		if n := ran.Load(); n != 4 {
			t.Errorf("ran %d jobs, want 4", n)
		}
	})
}

func TestPayloadArrivesAndIsForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		type mail struct{ To, Lang string }
		got := make(chan mail, 1)
		r := NewRunner(db, quiet, map[string]Handler{"mail": func(_ context.Context, p []byte) error {
			var m mail
			err := json.Unmarshal(p, &m)
			got <- m
			return err
		}})
		start(t, r)
		enqueue(t, db, "mail", mail{"canary@mail.example", "ko"}, time.Time{})
		r.Kick()
		if m := <-got; m != (mail{"canary@mail.example", "ko"}) {
			t.Errorf("got %+v", m)
		}
		eventually(t, func() bool { return count(t, db, `SELECT count(*) FROM job_job WHERE state = 'done'`) == 1 })
		if n := count(t, db, `SELECT count(*) FROM job_job WHERE payload LIKE '%canary%'`); n != 0 {
			t.Error("a done job kept its payload")
		}
	})
}

func TestLaterMeansNotBefore(t *testing.T) {
	now := time.Date(2026, 3, 12, 14, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var ran atomic.Int64
		r := NewRunner(db, quiet, map[string]Handler{"mail": func(context.Context, []byte) error { ran.Add(1); return nil }})
		start(t, r)
		enqueue(t, db, "mail", "x", clock().Add(time.Hour))
		r.Kick()
		time.Sleep(50 * time.Millisecond)
		if ran.Load() != 0 {
			t.Fatal("ran an hour early")
		}
		mu.Lock()
		now = now.Add(time.Hour)
		mu.Unlock()
		eventually(t, func() bool { return ran.Load() == 1 }) // by polling alone
	}, storetest.WithNow(clock))
}

// A job that fails is tried again with growing pauses, then given up; what is
// stored of the reason was made for being stored.
func TestFailingJobIsRetriedThenGivenUp(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		tries int64
		text  string
	}{
		{"an unknown error keeps its text to itself", errors.New("550 canary@mail.example does not exist"), maxTries, "failed (*errors.errorString)"},
		{"a failure made for storing", &Failure{Text: "the mail server refused", Cause: errors.New("550 canary")}, maxTries, "the mail server refused"},
		{"a final failure is not tried again", &Failure{Text: "no such address", Final: true}, 1, "no such address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				var tries atomic.Int64
				r := NewRunner(db, quiet, map[string]Handler{"mail": func(context.Context, []byte) error { tries.Add(1); return c.err }})
				stop := start(t, r)
				enqueue(t, db, "mail", "x", time.Time{})
				eventually(t, func() bool {
					// Time passes quickly in this test.
					if err := db.Housekeeping(t.Context(), func(tx *store.Tx) error {
						_, err := tx.Exec(`UPDATE job_job SET run_at = 0 WHERE lease = ''`)
						return err
					}); err != nil {
						t.Fatal(err)
					}
					r.Kick()
					return count(t, db, `SELECT count(*) FROM job_job WHERE state = 'dead'`) == 1
				})
				stop()
				var dead []Dead
				if err := db.Housekeeping(t.Context(), func(tx *store.Tx) (err error) {
					if dead, err = DeadJobs(tx, 10); err != nil {
						return err
					}
					ok, err := Revive(tx, dead[0].ID)
					if !ok {
						t.Error("not revived")
					}
					return err
				}); err != nil {
					t.Fatal(err)
				}
				if len(dead) != 1 || dead[0].Tries != c.tries || tries.Load() != c.tries || dead[0].LastError != c.text || dead[0].Ended.IsZero() {
					t.Errorf("%+v after %d tries", dead, tries.Load())
				}
				if n := count(t, db, `SELECT count(*) FROM job_job WHERE state = 'due' AND tries = 0`); n != 1 {
					t.Error("a revived job must have all its tries")
				}
			})
		})
	}
}

func TestPausesGrowAndScatter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 50 {
		seen[pause(3)] = true
	}
	if len(seen) < 10 {
		t.Errorf("50 jobs that failed together come back at %d times", len(seen))
	}
	for tries := int64(1); tries < 40; tries++ {
		if d := pause(tries); d < firstPause*3/4 || d > longPause*5/4 {
			t.Errorf("pause(%d) = %v", tries, d)
		}
	}
	if pause(10) < 10*pause(1) {
		t.Error("pauses do not grow")
	}
}

func TestPanicIsAFailureLikeAnyOther(t *testing.T) {
	db := storetest.Open(t)
	var calls atomic.Int64
	r := NewRunner(db, quiet, map[string]Handler{
		"bad":  func(context.Context, []byte) error { panic("secret canary") },
		"good": func(context.Context, []byte) error { calls.Add(1); return nil },
	})
	start(t, r)
	enqueue(t, db, "bad", 1, time.Time{})
	enqueue(t, db, "nobody knows it", 1, time.Time{})
	enqueue(t, db, "good", 1, time.Time{})
	r.Kick()
	eventually(t, func() bool {
		return calls.Load() == 1 && count(t, db, `SELECT count(*) FROM job_job WHERE last_error <> '' AND state = 'due'`) == 2
	})
	if n := count(t, db, `SELECT count(*) FROM job_job WHERE last_error LIKE '%canary%'`); n != 0 {
		t.Error("the panic's text was stored")
	}
}

// Two runners, many jobs: each job runs once, and never on both at a time.
func TestTwoRunnersNeverRunOneJobAtTheSameTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const jobs = 120
		var mu sync.Mutex
		running, ran := map[string]bool{}, map[string]int{}
		handler := func(_ context.Context, p []byte) error {
			id := string(p)
			mu.Lock()
			if running[id] {
				t.Errorf("job %s runs twice at once", id)
			}
			running[id] = true
			ran[id]++
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			running[id] = false
			mu.Unlock()
			return nil
		}
		for i := range jobs {
			enqueue(t, db, "work", i, time.Time{})
		}
		for range 3 {
			r := NewRunner(db, quiet, map[string]Handler{"work": handler})
			start(t, r)
		}
		eventually(t, func() bool { return count(t, db, `SELECT count(*) FROM job_job WHERE state = 'done'`) == jobs })
		mu.Lock()
		defer mu.Unlock()
		for id, n := range ran {
			if n != 1 {
				t.Errorf("job %s ran %d times", id, n)
			}
		}
		if len(ran) != jobs {
			t.Errorf("%d jobs ran, want %d", len(ran), jobs)
		}
	}, storetest.WithConns(6))
}

// A killed runner's jobs are taken over when its lease has run out, not before;
// and when it was only stopped, what it says afterwards does not count.
func TestLostLeaseGoesToAnotherRunner(t *testing.T) {
	now := time.Date(2026, 3, 12, 14, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	pass := func(d time.Duration) { mu.Lock(); now = now.Add(d); mu.Unlock() }
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		stopped := NewRunner(db, quiet, nil)
		enqueue(t, db, "work", "x", time.Time{})
		lost, err := stopped.claim(t.Context(), 4)
		if err != nil || len(lost) != 1 || lost[0].tries != 1 {
			t.Fatalf("%+v, %v", lost, err)
		}
		next := NewRunner(db, quiet, nil)
		pass(leaseFor - time.Microsecond)
		if got, err := next.claim(t.Context(), 4); err != nil || len(got) != 0 {
			t.Fatalf("taken while leased: %+v, %v", got, err)
		}
		pass(time.Microsecond)
		got, err := next.claim(t.Context(), 4)
		if err != nil || len(got) != 1 || got[0].tries != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		if err := stopped.settle(t.Context(), lost[0], nil, false); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, `SELECT count(*) FROM job_job WHERE state = 'due' AND lease = $1`, got[0].lease); n != 1 {
			t.Error("the stopped runner ended a job that is not its own any more")
		}
		if err := next.settle(t.Context(), got[0], nil, false); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, `SELECT count(*) FROM job_job WHERE state = 'done'`); n != 1 {
			t.Error("not done")
		}
	}, storetest.WithNow(clock))
}

func TestStoppedRunnerGivesItsJobBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		begun := make(chan struct{})
		r := NewRunner(db, quiet, map[string]Handler{"slow": func(ctx context.Context, _ []byte) error {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		}})
		stop := start(t, r)
		enqueue(t, db, "slow", "x", time.Time{})
		<-begun
		stop()
		next := NewRunner(db, quiet, nil)
		if got, err := next.claim(t.Context(), 1); err != nil || len(got) != 1 {
			t.Errorf("%+v, %v; want the job at once", got, err)
		}
	})
}

func TestPurgeKeepsWhatIsStillOfUse(t *testing.T) {
	now := time.Date(2026, 3, 12, 14, 0, 0, 0, time.UTC)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, c := range []struct {
			state string
			age   time.Duration
		}{{"due", 365 * 24 * time.Hour}, {"done", keepDone - time.Second}, {"done", keepDone + time.Second}, {"dead", keepDead - time.Second}, {"dead", keepDead + time.Second}} {
			enqueue(t, db, "work", c.state, time.Time{})
			if err := db.Housekeeping(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(`UPDATE job_job SET state = $1, ended_at = $2, kind = 'set' WHERE kind = 'work'`, c.state, store.Micros(now.Add(-c.age)))
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		n, err := Purge(t.Context(), db)
		if err != nil || n != 2 {
			t.Errorf("purged %d, %v; want 2", n, err)
		}
	}, storetest.WithNow(func() time.Time { return now }))
}

func TestWhatCannotBeAJobIsRefused(t *testing.T) {
	db := storetest.Open(t)
	for name, f := range map[string]func(*store.Tx) error{
		"no kind":            func(tx *store.Tx) error { return Enqueue(tx, "", 1, time.Time{}) },
		"not JSON":           func(tx *store.Tx) error { return Enqueue(tx, "x", make(chan int), time.Time{}) },
		"a payload too long": func(tx *store.Tx) error { return Enqueue(tx, "x", strings.Repeat("x", maxPayload), time.Time{}) },
		"a key too long":     func(tx *store.Tx) error { return Enqueue(tx, "x", 1, time.Time{}, Key(strings.Repeat("x", maxKey+1))) },
	} {
		if err := db.Housekeeping(t.Context(), f); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
