package store_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// A load in bulk writes few functions and many pages, while others read.
func TestTheLogStaysShortHoweverMuchIsLoaded(t *testing.T) {
	url := storetest.SQLiteURL(t)
	db, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	housekeep(t, db, `CREATE TABLE store_load (id INTEGER PRIMARY KEY, what BLOB NOT NULL)`)
	housekeep(t, db, `CREATE TABLE store_few (id INTEGER PRIMARY KEY)`)

	done := make(chan struct{})
	read := make(chan error, 1)
	go func() {
		defer close(read)
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := db.View(t.Context(), func(tx *store.Tx) error {
				var n int
				if err := tx.Row(`SELECT COUNT(*) FROM store_few`).Scan(&n); err != nil {
					return err
				}
				time.Sleep(5 * time.Millisecond) // its place in the log is taken meanwhile
				return nil
			}); err != nil {
				read <- err
				return
			}
		}
	}()

	const (
		loads   = 50
		perLoad = 80
		row     = 100 << 10
		bound   = 160 << 20 // it starts over from 64 MiB on, when the readers let it; all that is loaded is 390
	)
	what := make([]byte, row)
	log := strings.TrimPrefix(url, "sqlite:") + "-wal"
	var longest int64
	for range loads {
		if err := db.Housekeeping(t.Context(), func(tx *store.Tx) error {
			for range perLoad {
				if err := tx.Later(`INSERT INTO store_load (what) VALUES ($1)`, what); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(log)
		if err != nil {
			t.Fatal(err)
		}
		longest = max(longest, fi.Size())
	}
	close(done)
	if err := <-read; err != nil {
		t.Error(err)
	}
	if longest > bound {
		t.Errorf("the log had %d MiB", longest>>20)
	}
	t.Logf("%d MiB loaded, the log had %d MiB at most", loads*perLoad*row>>20, longest>>20)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
