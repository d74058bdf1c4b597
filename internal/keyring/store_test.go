package keyring_test

import (
	"testing"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

var _ keyring.Shelf = (*store.DB)(nil)

// The whole life of a ring over the databases it will really live in.
func TestARingLivesInTheDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		kek := keyringtest.KEK(t)
		a := keyringtest.Open(t, kek, db, db.Now)
		b := keyringtest.Open(t, kek, db, db.Now)
		agree(t, a, b)
		sealed, err := a.Seal([]byte("x"), "t", "r", "c")
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			a.RotateRefresh(t.Context()), a.RotateSigning(t.Context()), a.RotateSeal(t.Context()),
			b.Reload(t.Context()),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		agree(t, a, b)
		fresh := keyringtest.KEK(t)
		if err := rewrap(t, db, kek, fresh); err != nil {
			t.Fatal(err)
		}
		c := keyringtest.Open(t, fresh, db, db.Now)
		agree(t, a, c)
		if _, err := c.Open(sealed, "t", "r", "c"); err != nil {
			t.Errorf("sealed before all of this: %v", err)
		}
	})
}
