package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// group makes the writer run fs as one batch: it keeps the writer busy until
// all of them stand in the queue, in this order. It returns what each caller was
// told; a panic and a Goexit are told as their names.
func group(t *testing.T, db *store.DB, ctxs []context.Context, fs ...func(*store.Tx) error) []error {
	t.Helper()
	told, err := batch(db, ctxs, fs...)
	if err != nil {
		t.Fatal(err)
	}
	return told
}

func batch(db *store.DB, ctxs []context.Context, fs ...func(*store.Tx) error) ([]error, error) {
	release, busy := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- db.Housekeeping(context.Background(), func(*store.Tx) error {
			close(busy)
			<-release
			return nil
		})
	}()
	<-busy
	told := make([]error, len(fs))
	done := make(chan struct{})
	for i, f := range fs {
		go func() {
			told[i] = errGoexit
			defer func() {
				if p := recover(); p != nil {
					told[i] = p.(*store.Panic)
				}
				done <- struct{}{}
			}()
			ctx := context.Background()
			if ctxs != nil && ctxs[i] != nil {
				ctx = ctxs[i]
			}
			told[i] = db.Update(ctx, store.Cause{}, f)
		}()
		for db.Waiting() != i+1 {
			time.Sleep(50 * time.Microsecond)
		}
	}
	close(release)
	for range fs {
		<-done
	}
	return told, <-first
}

var errGoexit = errors.New("goexit")

func told(t *testing.T, got []error, want ...error) {
	t.Helper()
	for i := range want {
		if !errors.Is(got[i], want[i]) {
			t.Errorf("caller %d was told %v, want %v", i+1, got[i], want[i])
		}
	}
}

// counted adds a note and counts its runs.
func counted(runs *int, id string) func(*store.Tx) error {
	return func(tx *store.Tx) error { *runs++; return add(tx, id, 1) }
}

func TestARefusalInTheMiddleOfABatchHarmsNobody(t *testing.T) {
	db := storetest.SQLite(t)
	note(t, db)
	var runs int
	told(t, group(t, db, nil,
		counted(&runs, "one"),
		func(tx *store.Tx) error {
			runs++
			if err := add(tx, "two", 1); err != nil {
				return err
			}
			return errRefused
		},
		counted(&runs, "three"),
	), nil, errRefused, nil)
	has(t, db, "one", "three")
	if runs != 3 {
		t.Errorf("the functions ran %d times, want once each: a savepoint was enough", runs)
	}
}

func TestAnUnauditedChangeInTheMiddleOfABatchIsUndoneAlone(t *testing.T) {
	db := storetest.SQLite(t)
	note(t, db)
	told(t, group(t, db, nil, adds("one"), func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO store_note (id, n) VALUES ('two', 1)`)
		return err
	}, adds("three")), nil, store.ErrUnaudited, nil)
	has(t, db, "one", "three")
}

func TestACallerWhoLeavesBeforeHisTurnIsLeftOut(t *testing.T) {
	db := storetest.SQLite(t)
	note(t, db)
	ctx, cancel := context.WithCancel(context.Background())
	release, busy := make(chan struct{}), make(chan struct{})
	results := make(chan error, 4)
	go func() {
		results <- db.Housekeeping(context.Background(), func(*store.Tx) error { close(busy); <-release; return nil })
	}()
	<-busy
	left := make(chan error, 1)
	go func() { results <- db.Update(context.Background(), store.Cause{}, adds("one")) }()
	wait(t, "one waits", func() bool { return db.Waiting() == 1 })
	go func() { left <- db.Update(ctx, store.Cause{}, adds("two")) }()
	wait(t, "two waits", func() bool { return db.Waiting() == 2 })
	go func() { results <- db.Update(context.Background(), store.Cause{}, adds("three")) }()
	wait(t, "three waits", func() bool { return db.Waiting() == 3 })

	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) { // while the writer is still busy
		t.Errorf("the one who left was told %v", err)
	}
	close(release)
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	has(t, db, "one", "three")
}

// A cancelled statement can roll back the whole transaction in SQLite. So a
// function that has begun goes on to its end, and so do its neighbours.
func TestACallerWhoLeavesInTheMiddleOfABatchHarmsNobody(t *testing.T) {
	db := storetest.SQLite(t)
	note(t, db)
	ctx, cancel := context.WithCancel(context.Background())
	var runs int
	told(t, group(t, db, []context.Context{nil, ctx, nil},
		counted(&runs, "one"),
		func(tx *store.Tx) error {
			runs++
			if err := add(tx, "two", 1); err != nil {
				return err
			}
			cancel()
			if err := tx.Context().Err(); err != nil {
				t.Errorf("the function sees a cancelled context: %v", err)
			}
			_, err := tx.Exec(`UPDATE store_note SET n = 2 WHERE id = 'two'`)
			return err
		},
		counted(&runs, "three"),
	), nil, nil, nil)
	has(t, db, "one", "two", "three")
	if runs != 3 {
		t.Errorf("the functions ran %d times, want 3", runs)
	}
}

func TestAPanicInTheMiddleOfABatchReachesItsCallerOnly(t *testing.T) {
	db := storetest.SQLite(t)
	note(t, db)
	var runs int
	got := group(t, db, nil,
		counted(&runs, "one"),
		func(tx *store.Tx) error {
			runs++
			if _, err := tx.Rows(`INSERT INTO store_note (id, n) VALUES ('two', 1) RETURNING id`); err != nil {
				return err
			}
			panic("broken")
		},
		counted(&runs, "three"),
	)
	told(t, []error{got[0], got[2]}, nil, nil)
	var p *store.Panic
	if !errors.As(got[1], &p) || p.Value != "broken" || !strings.Contains(string(p.Stack), "batch_test.go") {
		t.Errorf("the second caller got %v, want the panic with the place it came from", got[1])
	}
	has(t, db, "one", "three")
	if runs != 3 {
		t.Errorf("the functions ran %d times, want 3", runs)
	}
}

// testing.T.FailNow inside a function leaves by runtime.Goexit, which would
// take the writer with it.
func TestAGoexitInTheMiddleOfABatchEndsItsCallerOnly(t *testing.T) {
	db := storetest.SQLite(t)
	note(t, db)
	told(t, group(t, db, nil, adds("one"), func(tx *store.Tx) error {
		if err := add(tx, "two", 1); err != nil {
			return err
		}
		goexit()
		return nil
	}, adds("three")), nil, errGoexit, nil)
	has(t, db, "one", "three")

	// And the same alone, without a batch around it.
	told(t, group(t, db, nil, func(tx *store.Tx) error {
		if err := add(tx, "four", 1); err != nil {
			return err
		}
		goexit()
		return nil
	}), errGoexit)
	has(t, db, "one", "three")
	if err := db.Update(t.Context(), store.Cause{}, adds("five")); err != nil {
		t.Error(err)
	}
}

func TestAFullDiskInTheMiddleOfABatchHarmsNobody(t *testing.T) {
	db := storetest.SQLite(t)
	note(t, db)
	housekeep(t, db, `CREATE TABLE store_blob (b BLOB)`)
	// Room for a few pages more: a note fits, a megabyte does not.
	var pages int
	if err := db.Get(t.Context(), `SELECT page_count FROM pragma_page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int) {
		t.Helper()
		housekeep(t, db, fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
	}
	limit(pages + 8)
	var runs int
	got := group(t, db, nil,
		counted(&runs, "one"),
		func(tx *store.Tx) error {
			runs++
			if err := add(tx, "two", 1); err != nil {
				return err
			}
			_, err := tx.Exec(`INSERT INTO store_blob (b) VALUES ($1)`, make([]byte, 1<<20))
			return err
		},
		counted(&runs, "three"),
	)
	told(t, []error{got[0], got[2]}, nil, nil)
	if !errors.Is(got[1], store.ErrUnwritable) || !strings.Contains(got[1].Error(), "full") {
		t.Errorf("the second caller was told %v, want that the disk is full", got[1])
	}
	if err := db.Probe(t.Context()); err != nil {
		t.Errorf("a small change still fits: %v", err)
	}
	has(t, db, "one", "three")
	if runs != 4 {
		t.Errorf("the functions ran %d times, want 4: SQLite undid the first, and it ran again alone", runs)
	}
	limit(1 << 30)
	if err := db.Update(t.Context(), store.Cause{}, adds("after")); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestFollowUpsOfABatchRunInTheOrderOfItsCommits(t *testing.T) {
	db := storetest.SQLite(t)
	note(t, db)
	var order []string // the writer's goroutine runs them one after the other
	follow := func(id string, end error) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			tx.AfterCommit(func() { order = append(order, id) })
			if err := add(tx, id, 1); err != nil {
				return err
			}
			return end
		}
	}
	got := group(t, db, nil, follow("one", nil), follow("two", errRefused),
		func(tx *store.Tx) error {
			tx.AfterCommit(func() { panic("follow-up") })
			tx.AfterCommit(func() { order = append(order, "three") })
			return add(tx, "three", 1)
		},
		follow("four", store.CommitWith(errRefused)), follow("five", nil))
	told(t, []error{got[0], got[1], got[3], got[4]}, nil, errRefused, errRefused, nil)
	var p *store.Panic
	if !errors.As(got[2], &p) || p.Value != "follow-up" {
		t.Errorf("the third caller got %v, want the panic of its follow-up", got[2])
	}
	if s := strings.Join(order, " "); s != "one three four five" {
		t.Errorf("the follow-ups ran in the order %q", s)
	}
	has(t, db, "one", "three", "four", "five") // a follow-up's panic undoes nothing
}
