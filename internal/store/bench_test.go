package store_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// The benchmarks write what a refresh writes: one conditional UPDATE that
// returns a row, and one row of an audit log. For figures that mean something on
// PostgreSQL set TEST_POSTGRES_URL to a server with fsync=on; the cluster of
// storetest has it off.

func eachDatabase(b *testing.B, f func(b *testing.B, db *store.DB)) {
	b.Run("SQLite", func(b *testing.B) { f(b, storetest.SQLite(b, storetest.WithConns(16))) })
	b.Run("PostgreSQL", func(b *testing.B) { f(b, storetest.Postgres(b, storetest.WithConns(16))) })
}

const (
	benchRows   = 10_000
	benchRotate = `UPDATE store_family SET gen = gen + 1, prev_hash = cur_hash, cur_hash = $1 WHERE id = $2 RETURNING gen`
	benchAppend = `INSERT INTO store_event (id, at, account, header) VALUES ($1, $2, $3, $4)`
	benchRead   = `SELECT gen, cur_hash FROM store_family WHERE id = $1`
)

func benchTables(b *testing.B, db *store.DB) {
	blob := map[store.Dialect]string{store.SQLite: "BLOB", store.PostgreSQL: "BYTEA"}[db.Dialect()]
	housekeep(b, db, `CREATE TABLE store_family (id TEXT PRIMARY KEY, gen BIGINT NOT NULL, cur_hash `+blob+`, prev_hash `+blob+`)`)
	housekeep(b, db, `CREATE TABLE store_event (id TEXT PRIMARY KEY, at BIGINT NOT NULL, account TEXT NOT NULL, header `+blob+` NOT NULL)`)
	housekeep(b, db, `CREATE INDEX store_event_account ON store_event (account, id)`)
	if err := db.Housekeeping(b.Context(), func(tx *store.Tx) error {
		for i := range benchRows {
			if err := tx.Later(`INSERT INTO store_family (id, gen, cur_hash) VALUES ($1, 0, $2)`, benchID("fam", i), make([]byte, 32)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
}

func benchID(prefix string, i int) string { return fmt.Sprintf("%s_%026d", prefix, i) }

var benchTries atomic.Int64 // runs of the function, of which there are more than commits

func refresh(db *store.DB, i int, header []byte) error {
	return db.Update(context.Background(), store.Cause{}, func(tx *store.Tx) error {
		benchTries.Add(1)
		var gen int64
		if err := tx.Row(benchRotate, header[:32], benchID("fam", i*7919%benchRows)).Scan(&gen); err != nil {
			return err
		}
		tx.MarkAudited()
		return tx.Later(benchAppend, benchID("evt", i), store.Micros(tx.Now), benchID("acc", i%1000), header)
	})
}

func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 512} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			eachDatabase(b, func(b *testing.B, db *store.DB) {
				benchTables(b, db)
				var next atomic.Int64
				work := func(n int) {
					var wg sync.WaitGroup
					for range callers {
						wg.Go(func() {
							header := make([]byte, 200)
							for {
								i := int(next.Add(1))
								if i > n {
									return
								}
								if err := refresh(db, i, header); err != nil {
									b.Error(err)
									return
								}
							}
						})
					}
					wg.Wait()
				}
				warm := 20 * callers // every connection has prepared its statements
				work(warm)
				b.ReportAllocs()
				b.ResetTimer()
				next.Store(int64(warm))
				benchTries.Store(0)
				work(warm + b.N)
				b.ReportMetric(float64(benchTries.Load())/float64(b.N), "tries/tx")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
			})
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			eachDatabase(b, func(b *testing.B, db *store.DB) {
				benchTables(b, db)
				b.ReportAllocs()
				b.SetParallelism(callers)
				b.ResetTimer()
				b.RunParallel(func(p *testing.PB) {
					for i := 0; p.Next(); i++ {
						var gen int64
						var hash []byte
						if err := db.Get(context.Background(), benchRead, benchID("fam", i*7919%benchRows)).Scan(&gen, &hash); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
			})
		})
	}
}

// BenchmarkBareCommit is the limit on the same disk: the file of a database
// extended by what a commit writes, and fdatasync, one by one.
func BenchmarkBareCommit(b *testing.B) {
	f, err := os.Create(b.TempDir() + "/log")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 6*4096)
	for b.Loop() {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}
