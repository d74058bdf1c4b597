package storetest

import (
	"errors"
	"testing"

	"keyward/internal/store"
)

func TestEachDatabaseKeepsWhatItIsGiven(t *testing.T) {
	Each(t, func(t *testing.T, db *store.DB) {
		if _, err := db.CreateMeta(t.Context(), "a", []byte("1")); err != nil {
			t.Fatal(err)
		}
		kept, err := db.CreateMeta(t.Context(), "a", []byte("2"))
		if err != nil || string(kept) != "1" {
			t.Fatalf("kept %q, %v; want the first value", kept, err)
		}
		if ok, err := db.SwapMeta(t.Context(), "a", []byte("2"), []byte("3")); ok || err != nil {
			t.Fatalf("swapped a value that was not there: %v %v", ok, err)
		}
		if ok, err := db.SwapMeta(t.Context(), "a", []byte("1"), []byte("3")); !ok || err != nil {
			t.Fatalf("did not swap: %v %v", ok, err)
		}
		err = db.Update(t.Context(), store.Cause{}, func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE store_meta SET value = $1 WHERE name = $2`, []byte("4"), "a")
			return err
		})
		if !errors.Is(err, store.ErrUnaudited) {
			t.Fatalf("got %v, want ErrUnaudited", err)
		}
		v, ok, err := db.LoadMeta(t.Context(), "a")
		if err != nil || !ok || string(v) != "3" {
			t.Fatalf("got %q %v %v", v, ok, err)
		}
	})
}
