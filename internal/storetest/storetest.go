package storetest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"keyward/internal/store"
)

// An Option changes how a test's database is opened.
type Option func(*store.Options)

// WithNow gives the database the test's own clock.
func WithNow(now func() time.Time) Option { return func(o *store.Options) { o.Now = now } }

// WithQueue bounds the callers that may wait.
func WithQueue(n int) Option { return func(o *store.Options) { o.Queue = n } }

// WithConns bounds the connections.
func WithConns(n int) Option { return func(o *store.Options) { o.MaxConns = n } }

// Each runs f once per database, each time on a fresh, migrated one.
func Each(t *testing.T, f func(t *testing.T, db *store.DB), opts ...Option) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { f(t, SQLite(t, opts...)) })
	t.Run("PostgreSQL", func(t *testing.T) { f(t, Postgres(t, opts...)) })
}

// Open is a fresh, migrated database for a test that needs only one: SQLite.
func Open(t testing.TB, opts ...Option) *store.DB {
	t.Helper()
	return SQLite(t, opts...)
}

// SQLite is a fresh, migrated SQLite database, closed when the test ends.
func SQLite(t testing.TB, opts ...Option) *store.DB {
	t.Helper()
	return open(t, SQLiteURL(t), opts)
}

// Postgres is a fresh, migrated PostgreSQL database, closed and dropped when the
// test ends. Without PostgreSQL it skips the test.
func Postgres(t testing.TB, opts ...Option) *store.DB {
	t.Helper()
	return open(t, PostgresURL(t), opts)
}

func open(t testing.TB, url string, opts []Option) *store.DB {
	t.Helper()
	o := store.Options{URL: url}
	for _, f := range opts {
		f(&o)
	}
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return db
}

// SQLiteURL is the address of a fresh, migrated SQLite database that is not open yet.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	file, err := migratedFile()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keyward.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// migratedFile is an empty database as bytes: copying it is a hundred times
// quicker than migrating for every test.
var migratedFile = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "keyward-storetest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "template.db")
	if _, err := store.Migrate(background, store.Options{URL: "sqlite:" + path}); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})
