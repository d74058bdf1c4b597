package store_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

func TestAChangeNeedsExactlyOneAuditEvent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		const insert = `INSERT INTO store_note (id, n) VALUES ($1, 1)`
		for _, c := range []struct {
			name string
			f    func(*store.Tx) error
			want error
			kept bool
		}{
			{"a change with its event is kept", adds("one"), nil, true},
			{"a change without an event is not", func(tx *store.Tx) error {
				_, err := tx.Exec(insert, "two")
				return err
			}, store.ErrUnaudited, false},
			{"a change with two events is not", func(tx *store.Tx) error {
				tx.MarkAudited()
				return add(tx, "three", 1)
			}, store.ErrUnaudited, false},
			{"a row that comes back from a change counts as one", func(tx *store.Tx) error {
				var id string
				return tx.Row(insert+` RETURNING id`, "four").Scan(&id)
			}, store.ErrUnaudited, false},
			{"rows that nobody looked at count too", func(tx *store.Tx) error {
				rows, err := tx.Rows(insert+` RETURNING id`, "five")
				if err != nil {
					return err
				}
				return rows.Close()
			}, store.ErrUnaudited, false},
			{"rows that were never closed count too", func(tx *store.Tx) error {
				_, err := tx.Rows(insert+` RETURNING id`, "six")
				return err
			}, store.ErrUnaudited, false},
			{"a statement for later counts as one", func(tx *store.Tx) error {
				return tx.Later(insert, "seven")
			}, store.ErrUnaudited, false},
			{"a statement that changed nothing needs no event", func(tx *store.Tx) error {
				n, err := tx.Exec(`UPDATE store_note SET n = 2 WHERE id = $1`, "nobody")
				if n != 0 {
					t.Errorf("changed %d rows", n)
				}
				return err
			}, nil, false},
			{"a conflict that did nothing needs no event", func(tx *store.Tx) error {
				_, err := tx.Exec(insert+` ON CONFLICT DO NOTHING`, "one")
				return err
			}, nil, false},
			{"reading needs no event, even after somebody's change", func(tx *store.Tx) error {
				if _, err := tx.Exec(`SELECT n FROM store_note`); err != nil {
					return err
				}
				var n int
				return tx.Row(`WITH all_notes AS (SELECT n FROM store_note) SELECT count(*) FROM all_notes`).Scan(&n)
			}, nil, false},
			{"an event without a change is refused as well when it is doubled", func(tx *store.Tx) error {
				tx.MarkAudited()
				tx.MarkAudited()
				return nil
			}, store.ErrUnaudited, false},
			{"an unaudited change does not slip through with a refusal that sticks", func(tx *store.Tx) error {
				if _, err := tx.Exec(insert, "eight"); err != nil {
					return err
				}
				return store.CommitWith(errRefused)
			}, store.ErrUnaudited, false},
		} {
			t.Run(c.name, func(t *testing.T) {
				before := len(notes(t, db))
				if err := db.Update(t.Context(), store.Cause{}, c.f); !errors.Is(err, c.want) {
					t.Fatalf("got %v, want %v", err, c.want)
				}
				if kept := len(notes(t, db)) > before; kept != c.kept {
					t.Errorf("kept: %v, want %v", kept, c.kept)
				}
			})
		}
	})
}

func TestARefusalThatSticksIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		err := db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
			if err := add(tx, "revoked", 1); err != nil {
				return err
			}
			return store.CommitWith(errRefused)
		})
		if !errors.Is(err, errRefused) {
			t.Fatalf("got %v, want the refusal", err)
		}
		has(t, db, "revoked")

		// The flow around the domain may wrap the refusal on its way out.
		err = db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
			if err := add(tx, "wrapped", 1); err != nil {
				return err
			}
			return errors.Join(errors.New("flow"), store.CommitWith(errRefused))
		})
		if !errors.Is(err, errRefused) {
			t.Fatalf("got %v, want the refusal", err)
		}
		has(t, db, "revoked", "wrapped")

		// And whoever gets it from one transaction and returns it from another
		// does not commit the other.
		for _, outer := range []error{err, db.Update(t.Context(), store.Cause{}, func(*store.Tx) error {
			return store.CommitWith(store.CommitWith(errRefused))
		})} {
			if got := db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
				if err := add(tx, "other", 1); err != nil {
					return err
				}
				return outer
			}); !errors.Is(got, errRefused) {
				t.Fatalf("got %v, want the refusal", got)
			}
		}
		has(t, db, "revoked", "wrapped")

		if store.CommitWith(nil) != nil {
			t.Error("CommitWith(nil) is an error")
		}
	})
}

func TestAPlainErrorKeepsNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		followed := false
		err := db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
			tx.AfterCommit(func() { followed = true })
			if err := add(tx, "a", 1); err != nil {
				return err
			}
			if err := tx.Later(`UPDATE store_note SET n = 2`); err != nil {
				return err
			}
			return errRefused
		})
		if err != errRefused {
			t.Fatalf("got %v, want the very error", err)
		}
		if followed {
			t.Error("a follow-up ran without a commit")
		}
		has(t, db)
	})
}

func TestFollowUpsRunAfterTheCommitAndBeforeTheAnswer(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		var order []string
		err := db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
			order = nil
			tx.AfterCommit(func() {
				var n int
				if err := db.Get(context.Background(), `SELECT n FROM store_note WHERE id = $1`, "a").Scan(&n); err != nil {
					t.Errorf("not committed yet: %v", err)
				}
				order = append(order, "first")
			})
			tx.AfterCommit(func() { order = append(order, "second") })
			order = append(order, "function")
			return add(tx, "a", 1)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(order, " "); got != "function first second" {
			t.Errorf("ran %q", got)
		}
	})
}

// PostgreSQL runs nothing in a transaction after an error. Code that went on
// would be right on SQLite and wrong there, so it is wrong on both.
func TestNothingRunsAfterAFailedStatement(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		housekeep(t, db, `INSERT INTO store_note (id, n) VALUES ('taken', 1)`)
		for _, c := range []struct {
			name string
			fail func(*store.Tx) error
			want error
		}{
			{"a duplicate", func(tx *store.Tx) error { return add(tx, "taken", 1) }, store.ErrUnique},
			{"a duplicate in a row that comes back", func(tx *store.Tx) error {
				var id string
				return tx.Row(`INSERT INTO store_note (id, n) VALUES ('taken', 1) RETURNING id`).Scan(&id)
			}, store.ErrUnique},
			{"a syntax error", func(tx *store.Tx) error { _, err := tx.Exec(`NONSENSE`); return err }, nil},
			{"an argument that is not stored", func(tx *store.Tx) error {
				_, err := tx.Exec(`UPDATE store_note SET n = $1`, time.Now())
				return err
			}, nil},
			{"a column that does not fit", func(tx *store.Tx) error {
				var n int
				return tx.Row(`SELECT id FROM store_note`).Scan(&n)
			}, nil},
			{"a row that nobody scanned", func(tx *store.Tx) error {
				tx.Row(`SELECT id FROM store_note`)
				_, err := tx.Exec(`UPDATE store_note SET n = 5`)
				return err
			}, nil},
		} {
			for _, end := range []struct {
				name string
				err  error
			}{{"swallowed", nil}, {"turned into a refusal that sticks", store.CommitWith(errRefused)}} {
				t.Run(c.name+", "+end.name, func(t *testing.T) {
					var failed error
					err := db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
						if err := add(tx, "before", 1); err != nil {
							return err
						}
						if failed = c.fail(tx); failed == nil {
							t.Fatal("it did not fail")
						}
						if _, err := tx.Exec(`INSERT INTO store_note (id, n) VALUES ('after', 1)`); err == nil {
							t.Error("a statement ran after it")
						}
						return end.err
					})
					if err == nil || !errors.Is(err, failed) {
						t.Errorf("got %v, want the error of the statement: %v", err, failed)
					}
					if c.want != nil && !errors.Is(err, c.want) {
						t.Errorf("got %v, want %v", err, c.want)
					}
					has(t, db, "taken")
				})
			}
		}
		err := db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
			if err := add(tx, "taken", 1); !errors.Is(err, store.ErrUnique) {
				t.Errorf("got %v, want ErrUnique", err)
			}
			return errRefused
		})
		if err != errRefused {
			t.Errorf("got %v; the function's own error comes before that of its statement", err)
		}
	})
}

func TestAStatementForLaterIsAsIfItHadRunAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		hash := []byte("aaaa")
		housekeep(t, db, `CREATE TABLE store_bytes (b `+map[store.Dialect]string{store.SQLite: "BLOB", store.PostgreSQL: "BYTEA"}[db.Dialect()]+`)`)
		err := db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
			copy(hash, "aaaa")
			if err := tx.Later(`INSERT INTO store_bytes (b) VALUES ($1)`, hash); err != nil {
				return err
			}
			copy(hash, "bbbb") // the caller's buffer is the caller's again
			if err := tx.Later(`INSERT INTO store_note (id, n) VALUES ('a', 1)`); err != nil {
				return err
			}
			var n int
			if err := tx.Row(`UPDATE store_note SET n = n + 1 RETURNING n`).Scan(&n); err != nil {
				return err
			}
			if n != 2 {
				t.Errorf("the next statement did not see it: %d", n)
			}
			tx.MarkAudited()
			return tx.Later(`UPDATE store_note SET n = n * 10`)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := notes(t, db)["a"]; n != 20 {
			t.Errorf("a is %d, want 20", n)
		}
		var b []byte
		if err := db.Get(t.Context(), `SELECT b FROM store_bytes`).Scan(&b); err != nil || string(b) != "aaaa" {
			t.Errorf("stored %q, %v", b, err)
		}

		for _, then := range []string{"", `SELECT 1`} {
			err = db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
				tx.MarkAudited()
				_ = tx.Later(`INSERT INTO store_note (id, n) VALUES ('a', 1)`)
				if then != "" {
					_, _ = tx.Exec(then)
				}
				return nil
			})
			if !errors.Is(err, store.ErrUnique) {
				t.Errorf("then %q: got %v, want ErrUnique", then, err)
			}
		}
	})
}

func TestATransactionInsideATransactionIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		refuse := func(tx *store.Tx) error {
			ctx := tx.Context()
			none := func(*store.Tx) error { t.Error("it ran"); return nil }
			for name, err := range map[string]error{
				"Update":       db.Update(ctx, store.Cause{}, none),
				"Housekeeping": db.Housekeeping(ctx, none),
				"View":         db.View(ctx, none),
				"Get":          db.Get(ctx, `SELECT 1`).Scan(new(int)),
			} {
				if !errors.Is(err, store.ErrNested) {
					t.Errorf("%s: got %v, want ErrNested", name, err)
				}
			}
			return nil
		}
		if err := db.Update(t.Context(), store.Cause{}, refuse); err != nil {
			t.Error(err)
		}
		if err := db.View(t.Context(), refuse); err != nil {
			t.Error(err)
		}
	})
}

func TestReadingCannotWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		write := `INSERT INTO store_note (id, n) VALUES ('a', 1) RETURNING n`
		if err := db.View(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(write)
			return err
		}); err == nil {
			t.Error("a View wrote")
		}
		if err := db.Get(t.Context(), write).Scan(new(int)); err == nil {
			t.Error("a Get wrote")
		}
		has(t, db)
	})
}

func TestAViewIsOneSnapshot(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		note(t, db)
		if err := db.View(t.Context(), func(tx *store.Tx) error {
			var before, after int
			if err := tx.Row(`SELECT count(*) FROM store_note`).Scan(&before); err != nil {
				return err
			}
			if err := db.Update(context.Background(), store.Cause{}, adds("a")); err != nil {
				return err
			}
			if err := tx.Row(`SELECT count(*) FROM store_note`).Scan(&after); err != nil {
				return err
			}
			if before != 0 || after != 0 {
				t.Errorf("saw %d, then %d", before, after)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		has(t, db, "a")
	})
}

func TestATransactionKnowsWhenAndWhy(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("KST", 9*3600))
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		cause := store.Cause{Actor: "operator:kim", Addr: netip.MustParseAddr("2001:db8::1"), Request: "8F3K-21", Device: "dev_1"}
		if err := db.Update(t.Context(), cause, func(tx *store.Tx) error {
			if tx.Cause != cause {
				t.Errorf("cause is %v", tx.Cause)
			}
			if tx.Now != store.Time(store.Micros(now)) {
				t.Errorf("now is %v, which is not what a row would keep", tx.Now)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}, storetest.WithNow(func() time.Time { return now }))
}

func TestTheZeroTimeIsNever(t *testing.T) {
	if store.Micros(time.Time{}) != 0 || !store.Time(0).IsZero() {
		t.Error("the zero time is not stored as 0")
	}
	at := time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC)
	if got := store.Time(store.Micros(at)); got != at {
		t.Errorf("%v came back as %v", at, got)
	}
}

func TestACancelledCallerStartsNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		none := func(*store.Tx) error { t.Error("it ran"); return nil }
		for name, err := range map[string]error{
			"Update":       db.Update(ctx, store.Cause{}, none),
			"Housekeeping": db.Housekeeping(ctx, none),
			"View":         db.View(ctx, none),
			"Get":          db.Get(ctx, `SELECT 1`).Scan(new(int)),
		} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v, want the context's error", name, err)
			}
		}
	})
}

func TestATransactionThatIsOverRunsNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var kept *store.Tx
		if err := db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error { kept = tx; return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := kept.Exec(`SELECT 1`); err == nil {
			t.Error("a statement ran after its transaction")
		}
	})
}

func TestAClosedDatabaseSaysSo(t *testing.T) {
	for name, url := range map[string]func(testing.TB) string{"SQLite": storetest.SQLiteURL, "PostgreSQL": storetest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			db, err := store.Open(t.Context(), store.Options{URL: url(t)})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Errorf("closing again: %v", err)
			}
			none := func(*store.Tx) error { t.Error("it ran"); return nil }
			for name, err := range map[string]error{
				"Update": db.Update(t.Context(), store.Cause{}, none),
				"View":   db.View(t.Context(), none),
				"Get":    db.Get(t.Context(), `SELECT 1`).Scan(new(int)),
			} {
				if !errors.Is(err, store.ErrClosed) {
					t.Errorf("%s: got %v, want ErrClosed", name, err)
				}
			}
		})
	}
}
