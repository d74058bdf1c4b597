package store_test

import (
	"bytes"
	"strings"
	"testing"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// Round trips decide how many refreshes a second PostgreSQL gives, so they are
// counted: a Sync or a simple Query is one.
func TestPostgresRoundTripsAreFew(t *testing.T) {
	url := storetest.PostgresURL(t)
	db, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	note(t, db)
	var wire bytes.Buffer
	if err := db.Trace(url, &wire); err != nil {
		t.Fatal(err)
	}
	update := func(f func(*store.Tx) error) func() error {
		return func() error { return db.Update(t.Context(), store.Cause{}, f) }
	}
	n := 0
	id := func() string { n++; return strings.Repeat("i", n) }
	for _, c := range []struct {
		name string
		want int
		f    func() error
	}{
		{"a function that runs no statement sends nothing", 0, update(func(*store.Tx) error { return nil })},
		{"a read outside a transaction is one trip", 1, func() error {
			return db.Get(t.Context(), `SELECT count(*) FROM store_note`).Scan(new(int))
		}},
		{"a view of one read is two", 2, func() error {
			return db.View(t.Context(), func(tx *store.Tx) error { return tx.Row(`SELECT count(*) FROM store_note`).Scan(new(int)) })
		}},
		{"statements for later are one trip, with the BEGIN and the COMMIT", 1, update(func(tx *store.Tx) error {
			tx.MarkAudited()
			if err := tx.Later(`INSERT INTO store_note (id, n) VALUES ($1, 1)`, id()); err != nil {
				return err
			}
			return tx.Later(`UPDATE store_note SET n = n + 1 WHERE id = $1`, "i")
		})},
		{"a refresh is two: the conditional update, and the event with the commit", 2, update(func(tx *store.Tx) error {
			tx.MarkAudited()
			if err := tx.Row(`UPDATE store_note SET n = n + 1 WHERE id = $1 RETURNING n`, "i").Scan(new(int)); err != nil {
				return err
			}
			return tx.Later(`INSERT INTO store_note (id, n) VALUES ($1, 1)`, id())
		})},
		{"each result that is waited for is one more", 4, update(func(tx *store.Tx) error {
			tx.MarkAudited()
			for range 3 {
				if _, err := tx.Exec(`UPDATE store_note SET n = n + 1 WHERE id = $1`, "i"); err != nil {
					return err
				}
			}
			return nil
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.f(); err != nil { // prepares
				t.Fatal(err)
			}
			wire.Reset()
			if err := c.f(); err != nil {
				t.Fatal(err)
			}
			got := 0
			for line := range strings.Lines(wire.String()) {
				// The driver pings a connection that was idle for a second, or is new.
				if strings.HasPrefix(line, "F\tSync") || strings.HasPrefix(line, "F\tQuery") && !strings.Contains(line, "-- ping") {
					got++
				}
			}
			if got != c.want {
				t.Errorf("%d round trips, want %d:\n%s", got, c.want, wire.String())
			}
		})
	}
}
