package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// Reading, thinking and writing is safe, because each database makes the
// transactions come out as if one had run after the other.
func TestWritesComeOutOneAfterTheOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		housekeep(t, db, `INSERT INTO store_note (id, n) VALUES ('count', 0)`)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // longer than 2 s: this row is hotter than any real one
		defer cancel()
		const callers, each = 8, 10
		var wg sync.WaitGroup
		var runs atomic.Int64
		for range callers {
			wg.Go(func() {
				for range each {
					if err := db.Update(ctx, store.Cause{}, func(tx *store.Tx) error {
						runs.Add(1)
						var n int
						if err := tx.Row(`SELECT n FROM store_note WHERE id = 'count'`).Scan(&n); err != nil {
							return err
						}
						tx.MarkAudited()
						_, err := tx.Exec(`UPDATE store_note SET n = $1 WHERE id = 'count'`, n+1)
						return err
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := notes(t, db)["count"]; n != callers*each {
			t.Errorf("counted to %d, want %d", n, callers*each)
		}
		t.Logf("%d transactions took %d tries", callers*each, runs.Load())
	})
}

// Two guards, and each may only go home while the other stays: write skew, which
// snapshots alone would allow.
func TestOneGuardAlwaysStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		for range 10 {
			housekeep(t, db, `DELETE FROM store_note`)
			housekeep(t, db, `INSERT INTO store_note (id, n) VALUES ('a', 1), ('b', 1)`)
			var wg sync.WaitGroup
			for _, me := range []string{"a", "b"} {
				wg.Go(func() {
					_ = db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
						var on int
						if err := tx.Row(`SELECT sum(n) FROM store_note`).Scan(&on); err != nil {
							return err
						}
						if on < 2 {
							return errRefused
						}
						tx.MarkAudited()
						_, err := tx.Exec(`UPDATE store_note SET n = 0 WHERE id = $1`, me)
						return err
					})
				})
			}
			wg.Wait()
			if got := notes(t, db); got["a"]+got["b"] != 1 {
				t.Fatalf("the guards are %v", got)
			}
		}
	})
}

func TestPostgresLosersOfAConflictTryAgain(t *testing.T) {
	db := storetest.Postgres(t)
	note(t, db)
	housekeep(t, db, `INSERT INTO store_note (id, n) VALUES ('a', 1)`)
	runs, followed := 0, 0
	err := db.Update(t.Context(), store.Cause{Request: "r"}, func(tx *store.Tx) error {
		runs++
		var n int
		if err := tx.Row(`SELECT n FROM store_note WHERE id = 'a'`).Scan(&n); err != nil {
			return err
		}
		if runs == 1 { // somebody else is quicker
			if err := db.Update(context.Background(), store.Cause{}, func(tx *store.Tx) error {
				tx.MarkAudited()
				_, err := tx.Exec(`UPDATE store_note SET n = 10 WHERE id = 'a'`)
				return err
			}); err != nil {
				return err
			}
		}
		tx.AfterCommit(func() { followed++ })
		tx.MarkAudited()
		if _, err := tx.Exec(`UPDATE store_note SET n = $1 WHERE id = 'a'`, n+1); err != nil {
			return errRefused // what the function makes of the conflict does not count
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := notes(t, db)["a"]; runs != 2 || n != 11 || followed != 1 {
		t.Errorf("%d runs, a is %d, %d follow-ups; want 2, 11 and 1", runs, n, followed)
	}
}

func TestPostgresConflictAtTheCommitIsTriedAgain(t *testing.T) {
	db := storetest.Postgres(t)
	note(t, db)
	housekeep(t, db, `INSERT INTO store_note (id, n) VALUES ('a', 1), ('b', 1)`)
	runs := 0
	swap := func(read, write string, between func()) error {
		return db.Update(context.Background(), store.Cause{}, func(tx *store.Tx) error {
			var n int
			if err := tx.Row(`SELECT n FROM store_note WHERE id = $1`, read).Scan(&n); err != nil {
				return err
			}
			if between != nil {
				between()
			}
			tx.MarkAudited()
			return tx.Later(`UPDATE store_note SET n = $1 WHERE id = $2`, n+1, write)
		})
	}
	err := swap("a", "b", func() {
		if runs++; runs == 1 {
			if err := swap("b", "a", nil); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := notes(t, db); runs != 2 || got["a"] != 2 || got["b"] != 3 {
		t.Errorf("%d runs, %v; want 2 runs and one after the other", runs, got)
	}
}

func TestPostgresGivesUpAtTheDeadline(t *testing.T) {
	db := storetest.Postgres(t)
	note(t, db)
	housekeep(t, db, `INSERT INTO store_note (id, n) VALUES ('a', 1)`)
	bump := func(tx *store.Tx) error {
		tx.MarkAudited()
		_, err := tx.Exec(`UPDATE store_note SET n = n + 1 WHERE id = 'a'`)
		return err
	}
	t.Run("when every try loses", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		runs := 0
		err := db.Update(ctx, store.Cause{}, func(tx *store.Tx) error {
			runs++
			if err := tx.Row(`SELECT n FROM store_note`).Scan(new(int)); err != nil {
				return err
			}
			if err := db.Update(context.Background(), store.Cause{}, bump); err != nil {
				return err
			}
			return bump(tx)
		})
		if !errors.Is(err, store.ErrBusy) || runs < 3 {
			t.Errorf("got %v after %d tries, want ErrBusy after some", err, runs)
		}
	})
	t.Run("when another transaction holds the row", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := db.Update(context.Background(), store.Cause{}, func(tx *store.Tx) error {
			if err := bump(tx); err != nil {
				return err
			}
			if err := db.Update(ctx, store.Cause{}, bump); !errors.Is(err, store.ErrBusy) {
				t.Errorf("got %v, want ErrBusy", err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	t.Run("when the caller leaves", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if err := db.Update(context.Background(), store.Cause{}, func(tx *store.Tx) error {
			if err := bump(tx); err != nil {
				return err
			}
			if err := db.Update(ctx, store.Cause{}, bump); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the context's error", err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	if err := db.Update(t.Context(), store.Cause{}, bump); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Each kind of transaction has its own isolation.
func TestPostgresIsolation(t *testing.T) {
	db := storetest.Postgres(t)
	isolation := func(got *string) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			var readOnly string
			err := tx.Row(`SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')`).Scan(got, &readOnly)
			*got += ", read only " + readOnly
			return err
		}
	}
	var update, house, view string
	err := errors.Join(
		db.Update(t.Context(), store.Cause{}, isolation(&update)),
		db.Housekeeping(t.Context(), isolation(&house)),
		db.View(t.Context(), isolation(&view)))
	if err != nil {
		t.Fatal(err)
	}
	if update != "serializable, read only off" || house != "read committed, read only off" || view != "repeatable read, read only on" {
		t.Errorf("Update is %s; Housekeeping is %s; View is %s", update, house, view)
	}
}

func TestPostgresSurvivesALostConnection(t *testing.T) {
	db := storetest.Postgres(t, storetest.WithConns(2))
	note(t, db)
	runs := 0
	if err := db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
		runs++
		if err := add(tx, "a", 1); err != nil {
			return err
		}
		if runs == 1 {
			var pid int
			if err := tx.Row(`SELECT pg_backend_pid()`).Scan(&pid); err != nil {
				return err
			}
			if err := db.Get(context.Background(), `SELECT pg_terminate_backend($1)`, pid).Scan(new(bool)); err != nil {
				t.Error(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		_, err := tx.Exec(`UPDATE store_note SET n = 2`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n := notes(t, db)["a"]; runs != 2 || n != 2 {
		t.Errorf("%d runs, a is %d; want a second run on another connection", runs, n)
	}
}

func TestPostgresPanicReachesTheCallerAndUndoes(t *testing.T) {
	db := storetest.Postgres(t, storetest.WithConns(1))
	note(t, db)
	func() {
		defer func() {
			p, ok := recover().(*store.Panic)
			if !ok || p.Value != "broken" || !strings.Contains(string(p.Stack), "conflict_test.go") {
				t.Errorf("recovered %v", p)
			}
		}()
		_ = db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
			if err := add(tx, "a", 1); err != nil {
				return err
			}
			panic("broken")
		})
	}()
	has(t, db) // over the only connection there may be
}

// A migration beside a running server can make a prepared plan stale.
func TestPostgresForgetsAStalePlan(t *testing.T) {
	db := storetest.Postgres(t, storetest.WithConns(1))
	note(t, db)
	read := func() error {
		return db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
			rows, err := tx.Rows(`SELECT * FROM store_note`)
			if err != nil {
				return err
			}
			return rows.Close()
		})
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	housekeep(t, db, `ALTER TABLE store_note ADD COLUMN more TEXT`)
	if err := read(); err != nil {
		t.Errorf("after the change: %v", err)
	}
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	// SQLite: one function runs, two wait. PostgreSQL: the same with one connection.
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		release, busy := make(chan struct{}), make(chan struct{})
		done := make(chan error, 3)
		go func() {
			done <- db.Update(context.Background(), store.Cause{}, func(tx *store.Tx) error { close(busy); <-release; return nil })
		}()
		<-busy
		var begun atomic.Int64
		for i := range 2 {
			go func() {
				begun.Add(1)
				done <- db.Update(context.Background(), store.Cause{}, adds(fmt.Sprint(i)))
			}()
		}
		wait(t, "both have called", func() bool { return begun.Load() == 2 })
		time.Sleep(20 * time.Millisecond)
		start := time.Now()
		err := db.Update(context.Background(), store.Cause{}, adds("late"))
		if !errors.Is(err, store.ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
		if d := time.Since(start); d > 500*time.Millisecond {
			t.Errorf("the refusal took %v", d)
		}
		close(release)
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		has(t, db, "0", "1")
	}, storetest.WithQueue(2), storetest.WithConns(1))
}

func TestTheCallersDeadlineHoldsInTheQueue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		release, busy := make(chan struct{}), make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- db.Update(context.Background(), store.Cause{}, func(*store.Tx) error { close(busy); <-release; return nil })
		}()
		<-busy
		if err := db.Update(ctx, store.Cause{}, adds("late")); !errors.Is(err, store.ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		has(t, db)
	}, storetest.WithConns(1))
}

func TestClosingWaitsForTheWritesThatWereAccepted(t *testing.T) {
	for name, url := range map[string]string{"SQLite": storetest.SQLiteURL(t), "PostgreSQL": ""} {
		t.Run(name, func(t *testing.T) {
			if url == "" {
				url = storetest.PostgresURL(t)
			}
			o := store.Options{URL: url, MaxConns: 1}
			db, err := store.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			note(t, db)
			release, busy := make(chan struct{}), make(chan struct{})
			done := make(chan error, 6)
			go func() {
				done <- db.Update(context.Background(), store.Cause{}, func(tx *store.Tx) error { close(busy); <-release; return add(tx, "first", 1) })
			}()
			<-busy
			for i := range 5 {
				go func() { done <- db.Update(context.Background(), store.Cause{}, adds(fmt.Sprint(i))) }()
			}
			time.Sleep(50 * time.Millisecond) // all of them are in
			closed := make(chan error, 1)
			go func() { closed <- db.Close() }()
			time.Sleep(20 * time.Millisecond)
			if err := db.Update(context.Background(), store.Cause{}, adds("late")); !errors.Is(err, store.ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
			select {
			case <-closed:
				t.Error("it closed under the functions")
			default:
			}
			close(release)
			for range 6 {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			if err := <-closed; err != nil {
				t.Error(err)
			}
			if db, err = store.Open(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			has(t, db, "first", "0", "1", "2", "3", "4")
		})
	}
}
