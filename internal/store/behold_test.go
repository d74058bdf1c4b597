package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyward/internal/store"
)

func TestAnOnlookerSeesWhatIsCommittedAndWritesNothing(t *testing.T) {
	eachEmpty(t, func(t *testing.T, o store.Options) {
		ctx := t.Context()
		if _, err := store.Behold(ctx, o); !errors.Is(err, store.ErrSchemaOlder) {
			t.Fatalf("a database without a schema: %v", err)
		}
		if _, err := store.Migrate(ctx, o); err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		look, err := store.Behold(ctx, o) // the server runs on
		if err != nil {
			t.Fatal(err)
		}
		defer look.Close()

		if _, err := db.CreateMeta(ctx, "k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		if v, ok, err := look.LoadMeta(ctx, "k"); err != nil || !ok || string(v) != "v" {
			t.Errorf("it sees %q, %v, %v", v, ok, err)
		}
		if _, err := look.CreateMeta(ctx, "l", []byte("v")); err == nil {
			t.Error("it wrote")
		}
		if err := look.Update(ctx, store.Cause{}, func(*store.Tx) error { return nil }); err == nil {
			t.Error("it began to write")
		}
		if err := look.View(ctx, func(tx *store.Tx) error { _, err := tx.Exec("DELETE FROM store_meta"); return err }); err == nil {
			t.Error("it deleted")
		}
		if _, ok, err := db.LoadMeta(ctx, "l"); ok || err != nil {
			t.Errorf("something was written: %v %v", ok, err)
		}
	})
}

// The folder is not made: what is missing may be a disk, and a fresh database in
// its place would have nobody's account.
func TestAMissingFolderIsSaidAndNotMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disk")
	o := store.Options{URL: "sqlite:" + filepath.Join(dir, "keyward.db")}
	_, open := store.Open(t.Context(), o)
	_, behold := store.Behold(t.Context(), o)
	_, migrate := store.Migrate(t.Context(), o)
	for what, err := range map[string]error{"open": open, "behold": behold, "migrate": migrate} {
		if !errors.Is(err, store.ErrSchemaOlder) || !strings.Contains(err.Error(), "mkdir -m 700 "+dir) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("the folder was made")
	}
}
