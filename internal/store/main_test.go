package store_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"keyward/internal/store"
)

func TestMain(m *testing.M) {
	if child := os.Getenv(childEnv); child != "" {
		os.Exit(children[child](os.Args[len(os.Args)-1]))
	}
	goleak.VerifyTestMain(m)
}

// goexit leaves as testing.T.FailNow does.
func goexit() { runtime.Goexit() }

var errRefused = errors.New("refused")

// note is a table for the tests of this package.
func note(t testing.TB, db *store.DB) {
	t.Helper()
	housekeep(t, db, `CREATE TABLE store_note (id TEXT PRIMARY KEY, n BIGINT NOT NULL)`)
}

func housekeep(t testing.TB, db *store.DB, q string, args ...any) {
	t.Helper()
	if err := db.Housekeeping(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(q, args...)
		return err
	}); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

// add is the change that most tests make, with its audit mark.
func add(tx *store.Tx, id string, n int) error {
	_, err := tx.Exec(`INSERT INTO store_note (id, n) VALUES ($1, $2)`, id, n)
	tx.MarkAudited()
	return err
}

func adds(id string) func(*store.Tx) error {
	return func(tx *store.Tx) error { return add(tx, id, 1) }
}

// notes is what the database holds, read anew.
func notes(t testing.TB, db *store.DB) map[string]int {
	t.Helper()
	got := map[string]int{}
	if err := db.View(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Rows(`SELECT id, n FROM store_note`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			var n int
			if err := rows.Scan(&id, &n); err != nil {
				return err
			}
			got[id] = n
		}
		return rows.Err()
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func has(t testing.TB, db *store.DB, want ...string) {
	t.Helper()
	got := notes(t, db)
	for _, id := range want {
		if _, ok := got[id]; !ok {
			t.Errorf("%s is missing; there is %v", id, got)
		}
		delete(got, id)
	}
	if len(got) > 0 {
		t.Errorf("nobody should have kept %v", got)
	}
}

// wait waits until cond holds.
func wait(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
