package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"keyward/internal/store"
	"keyward/internal/storetest"
)

// eachEmpty runs f over the addresses of databases that no migration has touched.
func eachEmpty(t *testing.T, f func(t *testing.T, o store.Options)) {
	t.Run("SQLite", func(t *testing.T) {
		f(t, store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "new.db")})
	})
	t.Run("PostgreSQL", func(t *testing.T) { f(t, store.Options{URL: storetest.EmptyPostgresURL(t)}) })
}

// files is a schema for both databases: names and SQL in turns.
func files(namesAndSQL ...string) fstest.MapFS {
	fs := fstest.MapFS{}
	for i := 0; i < len(namesAndSQL); i += 2 {
		for _, folder := range []string{"sqlite", "postgres"} {
			fs["schema/"+folder+"/"+namesAndSQL[i]+".sql"] = &fstest.MapFile{Data: []byte(namesAndSQL[i+1])}
		}
	}
	return fs
}

const (
	first  = "CREATE TABLE first_a (id TEXT);\n\n-- and another\nCREATE TABLE first_b (id TEXT);"
	second = "CREATE TABLE second_a (id TEXT);"
)

func TestMigrationsAreAppliedOnceAndInOrder(t *testing.T) {
	eachEmpty(t, func(t *testing.T, o store.Options) {
		ctx := t.Context()
		for _, step := range []struct {
			files fstest.MapFS
			want  []string
		}{
			{files("0001_first", first), []string{"0001_first"}},
			{files("0001_first", first), nil},
			{files("0001_first", first, "0007_second", second, "0003_third", "CREATE TABLE third_a (id TEXT)"), []string{"0003_third", "0007_second"}},
			// A number that came late, while the tree is built by several.
			{files("0001_first", first, "0002_late", "CREATE TABLE late_a (id TEXT)", "0007_second", second, "0003_third", "CREATE TABLE third_a (id TEXT)"), []string{"0002_late"}},
		} {
			plan, err := store.PlanWith(ctx, o, step.files)
			if err != nil || !slices.Equal(plan, step.want) {
				t.Fatalf("planned %v, %v; want %v", plan, err, step.want)
			}
			did, err := store.MigrateWith(ctx, o, step.files)
			if err != nil || !slices.Equal(did, step.want) {
				t.Fatalf("applied %v, %v; want %v", did, err, step.want)
			}
		}
	})
}

func TestAFailingMigrationLeavesNothing(t *testing.T) {
	eachEmpty(t, func(t *testing.T, o store.Options) {
		_, err := store.MigrateWith(t.Context(), o, files("0001_first", first, "0002_second", "CREATE TABLE second_a (id TEXT); NONSENSE"))
		if err == nil || !strings.Contains(err.Error(), "0002_second") {
			t.Fatalf("got %v, want an error that names the file", err)
		}
		did, err := store.MigrateWith(t.Context(), o, files("0001_first", first, "0002_second", second))
		if err != nil || len(did) != 2 {
			t.Errorf("after the repair it applied %v, %v", did, err)
		}
	})
}

func TestASchemaThatDoesNotFitIsRefused(t *testing.T) {
	eachEmpty(t, func(t *testing.T, o store.Options) {
		ctx := t.Context()
		if _, err := store.MigrateWith(ctx, o, files("0001_first", first, "0002_second", second)); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name  string
			files fstest.MapFS
			is    error
			says  string
		}{
			{"the database is newer", files("0001_first", first), store.ErrSchemaNewer, "0002_second"},
			{"an applied file was changed", files("0001_first", first+" ", "0002_second", second), nil, "0001_first was changed"},
			{"two files share a number", files("0001_first", first, "0002_second", second, "0002_third", ""), nil, "share a number"},
			{"a file has no number", files("first", first), nil, "NNNN_owner.sql"},
		} {
			t.Run(c.name, func(t *testing.T) {
				_, perr := store.PlanWith(ctx, o, c.files)
				_, merr := store.MigrateWith(ctx, o, c.files)
				for _, err := range []error{perr, merr} {
					if err == nil || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
						t.Errorf("got %v, want %v and %q", err, c.is, c.says)
					}
				}
			})
		}
		// The real program meets a database with 0002_second, which it does not know.
		if _, err := store.Open(ctx, o); err == nil {
			t.Error("a foreign schema was opened")
		}
	})
}

func TestAnUnmigratedDatabaseSaysWhatToDo(t *testing.T) {
	eachEmpty(t, func(t *testing.T, o store.Options) {
		_, err := store.Open(t.Context(), o)
		if !errors.Is(err, store.ErrSchemaOlder) || !strings.Contains(err.Error(), "keyward migrate apply") {
			t.Errorf("got %v, want ErrSchemaOlder and the command", err)
		}
		pending, err := store.Plan(t.Context(), o)
		if err != nil || len(pending) == 0 {
			t.Errorf("planned %v, %v", pending, err)
		}
		if path, ok := strings.CutPrefix(o.URL, "sqlite:"); ok {
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Error("looking made a file")
			}
		}
		did, err := store.Migrate(t.Context(), o)
		if err != nil || !slices.Equal(did, pending) {
			t.Fatalf("applied %v, %v; want %v", did, err, pending)
		}
		db, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		db.Close()
	})
}

func TestOneOfManyMigratesAndTheOthersFindItDone(t *testing.T) {
	url := storetest.EmptyPostgresURL(t)
	var mu sync.Mutex
	var all []string
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			did, err := store.MigrateWith(context.Background(), store.Options{URL: url}, files("0001_first", first, "0002_second", second))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			all = append(all, did...)
		})
	}
	wg.Wait()
	if !slices.Equal(all, []string{"0001_first", "0002_second"}) {
		t.Errorf("applied %v, want each once", all)
	}
}

func TestTheDatabaseFileIsForItsOwnerOnly(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "a b?c%20d.db") // a path is not a URL
	path := strings.TrimPrefix(url, "sqlite:")
	if _, err := store.Migrate(t.Context(), store.Options{URL: url}); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.CreateMeta(t.Context(), "a", []byte("b")); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		fi, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", fi.Name(), fi.Mode())
		}
	}
}

func TestAURLThatNamesNoDatabaseIsRefused(t *testing.T) {
	for _, url := range []string{"", "keyward.db", "sqlite:", "sqlite::memory:", "mysql://a/b"} {
		for _, err := range []error{
			func() error { _, err := store.Open(t.Context(), store.Options{URL: url}); return err }(),
			func() error { _, err := store.Migrate(t.Context(), store.Options{URL: url}); return err }(),
		} {
			if err == nil {
				t.Errorf("%q was taken", url)
			}
		}
	}
}

func TestBothFoldersHaveTheSameFiles(t *testing.T) {
	names := func(folder string) []string {
		m, err := filepath.Glob("schema/" + folder + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for i := range m {
			m[i] = filepath.Base(m[i])
		}
		return m
	}
	if s, p := names("sqlite"), names("postgres"); !slices.Equal(s, p) {
		t.Errorf("sqlite has %v, postgres has %v", s, p)
	}
}
