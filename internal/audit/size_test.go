package audit

import (
	"fmt"
	"testing"
	"time"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// At most 1 KiB on disk for an event with all that hangs on it: its indexes, its
// place, its share of the tree (DESIGN §11).
func TestEventTakesLessThanOneKiB(t *testing.T) {
	t.Parallel()
	const events = 3000
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		s := d.sealer("")
		for range 10 {
			d.signIns(events / 10)
			if err := s.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		// Not the queue and the sealer's own row: what they leave behind is used anew
		// after each vacuum, and how much it is goes by how busy the machine is.
		q := `SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
			WHERE c.relkind = 'r' AND c.relname IN ('audit_event', 'audit_index', 'audit_hash')`
		if db.Dialect() == store.SQLite {
			q = `SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name LIKE 'audit\_%' ESCAPE '\')`
		}
		bytes := d.count(q) / events
		t.Logf("%d bytes per event", bytes)
		if bytes > 1024 {
			t.Errorf("%d bytes per event, want at most 1024", bytes)
		}
	})
}

// Append must cost the same whatever the log holds.
func BenchmarkAppend(b *testing.B) {
	for _, before := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("SQLite/rows=%d", before), func(b *testing.B) {
			db := storetest.SQLite(b)
			d := newDesk(b, db)
			stock(b, d, before)
			benchAppend(b, d)
		})
	}
	b.Run("PostgreSQL/rows=0", func(b *testing.B) { benchAppend(b, newDesk(b, storetest.Postgres(b))) })
}

// benchAppend puts many events into one transaction, so that what is measured is
// the event and not the commit.
func benchAppend(b *testing.B, d *desk) {
	account := newAccount()
	e := Event{Action: "session.refreshed", Account: account, Target: "ses_01j9000000000000000000000",
		Effects: []Effect{{"family", "fam_01j9000000000000000000000", 7}}}
	b.ResetTimer()
	b.ReportAllocs()
	for left := b.N; left > 0; {
		n := min(left, 1000)
		left -= n
		if err := d.db.Housekeeping(b.Context(), func(tx *store.Tx) error {
			tx.Cause = cause(account, "8F3K-21")
			for range n {
				if _, err := d.log.Append(tx, e); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func stock(b testing.TB, d *desk, n int) {
	for n > 0 {
		m := min(n, 2000)
		n -= m
		if err := d.db.Housekeeping(b.Context(), func(tx *store.Tx) error {
			for range m {
				tx.Cause = cause(newAccount(), "8F3K-21")
				if _, err := d.log.Append(tx, Event{Action: "session.refreshed", Effects: []Effect{{"family", "fam_01j9000000000000000000000", 7}}}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRow is the part of Append that is ours: encoding, hashing, the MAC.
func BenchmarkRow(b *testing.B) {
	d := newDesk(b, storetest.SQLite(b))
	tx := &store.Tx{Now: time.Now(), Cause: cause("acc_01j9000000000000000000000", "8F3K-21")}
	e := Event{Action: "session.refreshed", Target: "ses_01j9000000000000000000000",
		Effects: []Effect{{"family", "fam_01j9000000000000000000000", 7}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := d.log.row(tx, e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSeal is one event on its way from the database into the tree.
func BenchmarkSeal(b *testing.B) {
	for name, open := range map[string]func(testing.TB, ...storetest.Option) *store.DB{"SQLite": storetest.SQLite, "PostgreSQL": storetest.Postgres} {
		b.Run(name, func(b *testing.B) {
			d := newDesk(b, open(b))
			stock(b, d, b.N)
			s := d.sealer("")
			b.ResetTimer()
			if err := s.Seal(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
