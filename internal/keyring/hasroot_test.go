package keyring_test

import (
	"errors"
	"testing"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
)

func TestHasRoot(t *testing.T) {
	shelf := new(brokenShelf)
	if has, err := keyring.HasRoot(t.Context(), shelf); has || err != nil {
		t.Errorf("an empty database: %v, %v", has, err)
	}
	keyringtest.Open(t, keyringtest.KEK(t), shelf, newClock().now)
	if has, err := keyring.HasRoot(t.Context(), shelf); !has || err != nil {
		t.Errorf("a database in use: %v, %v", has, err)
	}
	shelf.Set("keyring.root", nil)
	if has, err := keyring.HasRoot(t.Context(), shelf); !has || err != nil {
		t.Errorf("a database whose root was lost must not look like a new one: %v, %v", has, err)
	}
	shelf.load = errors.New("connection lost")
	if _, err := keyring.HasRoot(t.Context(), shelf); !errors.Is(err, shelf.load) {
		t.Errorf("a database that does not answer must not look like a new one: %v", err)
	}
}
