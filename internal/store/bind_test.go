package store_test

import (
	"database/sql"
	"math"
	"strings"
	"testing"
	"time"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

type (
	accountID string
	version   int64
)

// What goes in comes out, and the same on both databases.
func TestWhatIsStoredComesBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		blob := map[store.Dialect]string{store.SQLite: "BLOB", store.PostgreSQL: "BYTEA"}[db.Dialect()]
		housekeep(t, db, `CREATE TABLE store_all (id TEXT, n BIGINT, yes BOOLEAN, b `+blob+`)`)
		id, hash := accountID("acc_한국"), [4]byte{0, 1, 2, 255}
		housekeep(t, db, `INSERT INTO store_all (b, yes, n, id) VALUES ($4, $3, $2, $1)`, id, version(math.MaxInt64), true, hash)
		var (
			gotID   accountID
			gotN    version
			gotYes  bool
			gotB    []byte
			asText  string
			asInt   int
			present bool
		)
		if err := db.Get(t.Context(), `SELECT id, n, yes, b, id, 7, count(*) OVER () > 0 FROM store_all WHERE id = $1 AND n = $2 AND yes = $3 AND b = $4`,
			&id, int64(math.MaxInt64), true, hash[:]).Scan(&gotID, &gotN, &gotYes, &gotB, &asText, &asInt, &present); err != nil {
			t.Fatal(err)
		}
		if gotID != id || gotN != math.MaxInt64 || !gotYes || string(gotB) != string(hash[:]) || asText != string(id) || asInt != 7 || !present {
			t.Errorf("came back as %q %d %v %x %q %d %v", gotID, gotN, gotYes, gotB, asText, asInt, present)
		}

		// Nothing is nothing, and empty is empty.
		var none *string
		housekeep(t, db, `DELETE FROM store_all`)
		housekeep(t, db, `INSERT INTO store_all (id, n, yes, b) VALUES ($1, $2, $3, $4)`, none, uint32(7), false, []byte{})
		var null sql.NullString
		if err := db.Get(t.Context(), `SELECT id, n, yes, b FROM store_all WHERE b IS NOT NULL`).Scan(&null, &asInt, &gotYes, &gotB); err != nil {
			t.Fatal(err)
		}
		if null.Valid || asInt != 7 || gotYes || len(gotB) != 0 {
			t.Errorf("came back as %v %d %v %x", null, asInt, gotYes, gotB)
		}
		if err := db.Get(t.Context(), `SELECT id FROM store_all`).Scan(&asText); err == nil {
			t.Error("NULL became a string")
		}
	})
}

func TestWhatOnlyOneDatabaseWouldStoreIsRefusedByBoth(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, arg := range map[string]any{
			"text with a NUL byte":        "a\x00b",
			"text that is not UTF-8":      "a\xffb",
			"a time":                      time.Now(),
			"a number beyond BIGINT":      uint64(math.MaxUint64),
			"a struct":                    struct{}{},
			"a list":                      []string{"a"},
			"a pointer to text with NUL":  new("\x00"),
			"a named string with a NUL":   accountID("\x00"),
			"a Valuer that yields a time": sql.NullTime{Valid: true},
		} {
			var got any
			err := db.Get(t.Context(), `SELECT $1`, arg).Scan(&got)
			if err == nil || !strings.Contains(err.Error(), "$1") {
				t.Errorf("%s: got %v, want an error that names the argument", name, err)
			}
		}
	})
}

func TestReadingIsToldFromWriting(t *testing.T) {
	for q, want := range map[string]bool{
		"SELECT 1":                       true,
		"\n\t select id FROM x":          true,
		"-- why\nSELECT 1":               true,
		"VALUES (1)":                     true,
		"WITH a AS (SELECT 1) SELECT 2":  true,
		"INSERT INTO x VALUES (1)":       false,
		"UPDATE x SET a = 1 RETURNING a": false,
		"delete from x":                  false,
		"WITH a AS (SELECT 1)\nDELETE FROM x WHERE id IN a": false,
		"WITH a AS (DELETE FROM x RETURNING id) SELECT 1":   false,
		"WITH updated AS (SELECT deleted FROM x)\nSELECT 1": true,
		"CREATE TABLE x (a)": false,
		"":                   false,
	} {
		if got := store.Reads(q); got != want {
			t.Errorf("reads(%q) is %v", q, got)
		}
	}
}
