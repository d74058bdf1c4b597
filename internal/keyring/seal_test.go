package keyring_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
)

func TestASealedValueOpensInItsPlaceOnly(t *testing.T) {
	ring := keyringtest.NewTestRing(t)
	sealed, err := ring.Seal([]byte("totp seed"), "account_contact", "cnt_alice", "seed")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name               string
		table, row, column string
		want               error
	}{
		{"where it was put", "account_contact", "cnt_alice", "seed", nil},
		{"copied into the thief's row", "account_contact", "cnt_mallory", "seed", keyring.ErrSealed},
		{"copied into another column that pages show", "account_contact", "cnt_alice", "value", keyring.ErrSealed},
		{"copied into another table", "account_account", "cnt_alice", "seed", keyring.ErrSealed},
		{"the same letters, cut elsewhere", "account_contactcnt_", "alice", "seed", keyring.ErrSealed},
		{"nowhere", "", "", "", keyring.ErrSealed},
	} {
		t.Run(c.name, func(t *testing.T) {
			plain, err := ring.Open(sealed, c.table, c.row, c.column)
			if !errors.Is(err, c.want) {
				t.Fatalf("error is %v, want %v", err, c.want)
			}
			if c.want == nil && string(plain) != "totp seed" || c.want != nil && plain != nil {
				t.Errorf("gave %q", plain)
			}
		})
	}
}

func TestSealingBindsEveryBit(t *testing.T) {
	ring := keyringtest.NewTestRing(t)
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "plain")
		place := rapid.SliceOfN(rapid.StringN(0, 12, 40), 3, 3).Draw(t, "place")
		sealed, err := ring.Seal(plain, place[0], place[1], place[2])
		if err != nil {
			t.Fatal(err)
		}
		opened, err := ring.Open(sealed, place[0], place[1], place[2])
		if err != nil || !bytes.Equal(opened, plain) {
			t.Fatalf("gave back %x, %v", opened, err)
		}
		other := rapid.SliceOfN(rapid.StringN(0, 12, 40), 3, 3).Filter(func(o []string) bool {
			return o[0] != place[0] || o[1] != place[1] || o[2] != place[2]
		}).Draw(t, "other place")
		if _, err := ring.Open(sealed, other[0], other[1], other[2]); !errors.Is(err, keyring.ErrSealed) {
			t.Fatalf("opens in another place: %v", err)
		}
		bit := rapid.IntRange(0, len(sealed)*8-1).Draw(t, "bit")
		damaged := bytes.Clone(sealed)
		damaged[bit/8] ^= 1 << (bit % 8)
		if _, err := ring.Open(damaged, place[0], place[1], place[2]); !errors.Is(err, keyring.ErrSealed) {
			t.Fatalf("opens with bit %d flipped: %v", bit, err)
		}
		cut := rapid.IntRange(0, len(sealed)-1).Draw(t, "cut")
		if _, err := ring.Open(sealed[:cut], place[0], place[1], place[2]); !errors.Is(err, keyring.ErrSealed) {
			t.Fatalf("opens when cut to %d bytes: %v", cut, err)
		}
	})
}

func TestOneValueSealedTwiceLooksDifferent(t *testing.T) {
	ring := keyringtest.NewTestRing(t)
	a, _ := ring.Seal([]byte("same"), "t", "r", "c")
	b, _ := ring.Seal([]byte("same"), "t", "r", "c")
	if bytes.Equal(a, b) {
		t.Error("equal values can be told from the database")
	}
}

func TestRotatingTheSealKeepsOldValuesReadable(t *testing.T) {
	a, b, _ := pair(t)
	seal := func(r *keyring.Ring) []byte {
		sealed, err := r.Seal([]byte("x"), "t", "r", "c")
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	opens := func(r *keyring.Ring, sealed []byte) bool {
		_, err := r.Open(sealed, "t", "r", "c")
		return err == nil
	}
	first := seal(a)
	if err := a.RotateSeal(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := seal(a)
	if bytes.Equal(first[:5], second[:5]) {
		t.Error("the new value is sealed with the old key")
	}
	if !opens(a, first) || !opens(a, second) {
		t.Error("a rotation made values unreadable")
	}
	if !opens(b, second) {
		t.Error("the other process cannot read what the first one seals with the new key")
	}
	// b rotates from its old knowledge: a's rotation is the one that was asked for, so this adds none.
	if err := b.RotateSeal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(seal(b)[:5], second[:5]) {
		t.Error("two requests for one rotation rotated twice")
	}
	for range 5 {
		if err := a.RotateSeal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	latest := seal(a)
	if err := b.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, sealed := range [][]byte{first, second, latest} {
		if !opens(a, sealed) || !opens(b, sealed) {
			t.Error("after many rotations a value does not open")
		}
	}
}

func BenchmarkSealAndOpen(b *testing.B) {
	ring := keyringtest.NewTestRing(b)
	plain := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		sealed, _ := ring.Seal(plain, "table", "row_01j9zzzzzzzzzzzzzzzzzzzzzz", "column")
		if _, err := ring.Open(sealed, "table", "row_01j9zzzzzzzzzzzzzzzzzzzzzz", "column"); err != nil {
			b.Fatal(err)
		}
	}
}
