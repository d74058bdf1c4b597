package keyring_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// A KEK binds what it wraps to its purpose, byte for byte.
func TestWhatIsWrappedOpensForItsPurposeAlone(t *testing.T) {
	file, err := keyring.OpenKeyFile(good(t), false)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		plain, purpose, other := rapid.SliceOf(rapid.Byte()).Draw(t, "plain"), rapid.SliceOf(rapid.Byte()).Draw(t, "purpose"), rapid.SliceOf(rapid.Byte()).Draw(t, "other")
		wrapped, err := file.Wrap(context.Background(), plain, purpose)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := file.Unwrap(context.Background(), wrapped, purpose); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("gave back %x, %v", got, err)
		}
		if _, err := file.Unwrap(context.Background(), wrapped, other); (err == nil) != bytes.Equal(purpose, other) {
			t.Fatalf("wrapped for %x, opened for %x: %v", purpose, other, err)
		}
		i := rapid.IntRange(0, len(wrapped)-1).Draw(t, "byte")
		wrapped[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := file.Unwrap(context.Background(), wrapped, purpose); err == nil {
			t.Fatalf("byte %d was changed", i)
		}
	})
}

const mark = "keyward root 2\n"

type record struct {
	KEK    string `json:"kek"`
	Canary []byte `json:"probe"`
	Root   []byte `json:"root"`
}

// edit changes the record of the root as somebody who can write to the database would.
func edit(t *testing.T, shelf *keyringtest.Shelf, f func(*record)) {
	t.Helper()
	var r record
	if err := json.Unmarshal(bytes.TrimPrefix(shelf.Records()["keyring.root"], []byte(mark)), &r); err != nil {
		t.Fatal(err)
	}
	f(&r)
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	shelf.Set("keyring.root", append([]byte(mark), body...))
}

func TestARecordOfTheRootThatWasChangedOpensNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*record)
		want error
	}{
		{"it names another key", func(r *record) { r.KEK = "file:0000000000000000" }, keyring.ErrKEKOther},
		{"it names a key with a line break and a long tail", func(r *record) { r.KEK = "x\n" + strings.Repeat("y", 250) }, keyring.ErrKEKOther},
		{"it names no key", func(r *record) { r.KEK = "" }, keyring.ErrKeyForeign},
		{"its name fills the log", func(r *record) { r.KEK = strings.Repeat("y", 1000) }, keyring.ErrKeyForeign},
		{"root and canary are exchanged", func(r *record) { r.Root, r.Canary = r.Canary, r.Root }, keyring.ErrKeyForeign},
		{"the canary stands for the root", func(r *record) { r.Root = r.Canary }, keyring.ErrKeyForeign},
		{"the root stands for the canary", func(r *record) { r.Canary = r.Root }, keyring.ErrKeyForeign},
		{"the root is cut", func(r *record) { r.Root = r.Root[:20] }, keyring.ErrKeyForeign},
		{"the canary is gone", func(r *record) { r.Canary = nil }, keyring.ErrKeyForeign},
		{"the canary is another", func(r *record) { r.Canary = keyring.Random(60) }, keyring.ErrKeyForeign},
	} {
		t.Run(c.name, func(t *testing.T) {
			shelf, kek := new(keyringtest.Shelf), keyringtest.KEK(t)
			keyringtest.Open(t, kek, shelf, time.Now)
			edit(t, shelf, c.edit)
			_, err := keyring.Open(t.Context(), kek, shelf, time.Now)
			if !errors.Is(err, c.want) {
				t.Fatalf("error is %v, want %v", err, c.want)
			}
			if text := err.Error(); strings.ContainsAny(text, "\r\n") || len(text) > 900 {
				t.Errorf("the text of an intruder reaches the log: %q", text)
			}
		})
	}
	t.Run("the bare root of before is put under a record's key", func(t *testing.T) {
		shelf, kek := new(keyringtest.Shelf), keyringtest.KEK(t)
		keyringtest.Open(t, kek, shelf, time.Now)
		var r record
		edit(t, shelf, func(x *record) { r = *x })
		shelf.Set("keyring.root", r.Root) // as a record of the first version
		if _, err := keyring.Open(t.Context(), kek, shelf, time.Now); !errors.Is(err, keyring.ErrKeyForeign) {
			t.Errorf("error is %v", err)
		}
	})
}

// A database of the first version moves to a vault, and a vault's to no key file that it does not know.
func TestADatabaseOfTheFirstVersionMovesToAnotherKey(t *testing.T) {
	shelf, c := new(keyringtest.Shelf), newClock()
	file, far := keyringtest.KEK(t), keyringtest.NewFar(t)
	root, err := file.Wrap(t.Context(), keyring.Random(32), []byte("keyring.root"))
	if err != nil {
		t.Fatal(err)
	}
	shelf.Set("keyring.root", root)
	before := keyringtest.Open(t, file, shelf, c.now)
	if !bytes.Equal(shelf.Records()["keyring.root"], root) {
		t.Error("a start rewrote it: the version before this one would not start any more")
	}
	if _, err := keyring.Open(t.Context(), far, shelf, c.now); !errors.Is(err, keyring.ErrKEKOther) || !strings.Contains(err.Error(), "root key file") {
		t.Errorf("a vault beside it: %v", err)
	}
	if err := rewrap(t, shelf, file, far); err != nil {
		t.Fatal(err)
	}
	agree(t, before, keyringtest.Open(t, far, shelf, c.now))
}

func TestAnOutageEndsWhatItsKeyOpened(t *testing.T) {
	shelf, c, far := new(keyringtest.Shelf), newClock(), keyringtest.NewFar(t)
	ring := keyringtest.Open(t, far, shelf, c.now)
	sealed, err := ring.Seal([]byte("x"), "t", "r", "c")
	if err != nil {
		t.Fatal(err)
	}
	opens := func() error { _, err := ring.Open(sealed, "t", "r", "c"); return err }
	seals := func() error { _, err := ring.Seal(nil, "t", "r", "c"); return err }
	brief := func() error { _, err := ring.SealBrief(nil, "t", "r", "c"); return err }
	rotates := func() error { return ring.RotateSigning(t.Context()) }
	state := func(at string, standing, open, seal, brf error) {
		t.Helper()
		for what, got := range map[string][2]error{"standing": {ring.Standing(), standing}, "open": {opens(), open}, "seal": {seals(), seal}, "rotate": {rotates(), seal}, "seal brief": {brief(), brf}} {
			if !errors.Is(got[0], got[1]) || got[1] == nil && got[0] != nil {
				t.Errorf("%s: %s gives %v, want %v", at, what, got[0], got[1])
			}
		}
	}
	state("in reach", nil, nil, nil, nil)
	for _, trouble := range []error{keyring.ErrKEKUnavailable, keyring.ErrKEKRefused, errors.New("the ciphertext does not open any more")} {
		if err := ring.Contact(t.Context()); err != nil {
			t.Fatal(err)
		}
		far.Fail(trouble)
		if err := ring.Contact(t.Context()); !errors.Is(err, trouble) {
			t.Errorf("contact gives %v", err)
		}
		state("away", keyring.ErrNothingNew, nil, keyring.ErrNothingNew, nil)
		c.pass(15*time.Minute - time.Nanosecond)
		state("just before", keyring.ErrNothingNew, nil, keyring.ErrNothingNew, nil)
		c.pass(time.Nanosecond)
		state("a quarter of an hour", keyring.ErrShut, keyring.ErrShut, keyring.ErrShut, keyring.ErrShut)
		if err := ring.Contact(t.Context()); err == nil {
			t.Error("still away")
		}
		state("still", keyring.ErrShut, keyring.ErrShut, keyring.ErrShut, keyring.ErrShut)
		far.Fail(nil)
		if err := ring.Contact(t.Context()); err != nil {
			t.Fatal(err)
		}
		state("back", nil, nil, nil, nil)
	}
	// Nobody looked for hours: a process that was stopped wakes up shut, not open.
	c.pass(3 * time.Hour)
	if ring.Usable(c.now()) {
		t.Error("usable although nobody has asked for hours")
	}
}

func TestAKeyFileHasNoOutage(t *testing.T) {
	c := newClock()
	ring := keyringtest.Open(t, keyringtest.KEK(t), new(keyringtest.Shelf), c.now)
	c.pass(1000 * time.Hour)
	if err := ring.Standing(); err != nil {
		t.Error(err)
	}
}

// Whoever answers another thing than was wrapped is not the key.
func TestAKeyThatOpensSomethingElseIsNoContact(t *testing.T) {
	c, far := newClock(), &liar{Far: keyringtest.NewFar(t)}
	ring := keyringtest.Open(t, far, new(keyringtest.Shelf), c.now)
	far.lies = true
	if err := ring.Contact(t.Context()); !errors.Is(err, keyring.ErrKEKRefused) {
		t.Errorf("contact gives %v", err)
	}
}

type liar struct {
	*keyringtest.Far
	lies bool
}

func (l *liar) Unwrap(ctx context.Context, wrapped, purpose []byte) ([]byte, error) {
	if l.lies {
		return []byte("keyward canary"), nil
	}
	return l.Far.Unwrap(ctx, wrapped, purpose)
}

// The follower says when the key goes and when it is back.
func TestTheFollowerTells(t *testing.T) {
	far := keyringtest.NewFar(t)
	ring := keyringtest.Open(t, far, new(keyringtest.Shelf), time.Now)
	ctx, stop := context.WithCancel(t.Context())
	told := make(chan error, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ring.FollowKEK(ctx, time.Millisecond, func(err error) { told <- err })
	}()
	far.Fail(keyring.ErrKEKUnavailable)
	if err := <-told; !errors.Is(err, keyring.ErrKEKUnavailable) {
		t.Errorf("told %v", err)
	}
	far.Fail(nil)
	for err := range told {
		if err == nil {
			break
		}
	}
	stop()
	<-done
}

// Every step of a move may fail: the database then opens with the old key, or with the new one, and the
// move can be made again.
func TestAMoveThatBreaksOffIsWholeOrNotAtAll(t *testing.T) {
	broken := errors.New("broken off here")
	for step := range 12 {
		t.Run(fmt.Sprintf("call %d to a key", step), func(t *testing.T) {
			shelf, c := new(keyringtest.Shelf), newClock()
			old, fresh := keyringtest.NewFar(t), keyringtest.NewFar(t)
			before := keyringtest.Open(t, old, shelf, c.now)
			n := 0
			count := func(k keyring.KEK) keyring.KEK {
				return &nth{KEK: k, fail: func() error {
					if n++; n-1 == step {
						return broken
					}
					return nil
				}}
			}
			err := rewrap(t, shelf, count(old), count(fresh))
			one, other := keyring.KEK(old), keyring.KEK(fresh)
			if err == nil {
				one, other = other, one
			}
			agree(t, before, keyringtest.Open(t, one, shelf, c.now))
			if _, err := keyring.Open(t.Context(), other, shelf, c.now); !errors.Is(err, keyring.ErrKEKOther) {
				t.Errorf("both keys open it, or neither: %v", err)
			}
			if err := rewrap(t, shelf, old, fresh); err != nil {
				t.Errorf("again: %v", err)
			}
			agree(t, before, keyringtest.Open(t, fresh, shelf, c.now))
		})
	}
}

type nth struct {
	keyring.KEK
	fail func() error
}

func (k *nth) Wrap(ctx context.Context, plain, purpose []byte) ([]byte, error) {
	if err := k.fail(); err != nil {
		return nil, err
	}
	return k.KEK.Wrap(ctx, plain, purpose)
}

func (k *nth) Unwrap(ctx context.Context, wrapped, purpose []byte) ([]byte, error) {
	if err := k.fail(); err != nil {
		return nil, err
	}
	return k.KEK.Unwrap(ctx, wrapped, purpose)
}

// Two operators move at once: one of them does.
func TestOfTwoMovesAtOnceOneCounts(t *testing.T) {
	shelf, c := new(keyringtest.Shelf), newClock()
	old, a, b := keyringtest.KEK(t), keyringtest.KEK(t), keyringtest.KEK(t)
	before := keyringtest.Open(t, old, shelf, c.now)
	first, err := keyring.Rewrap(t.Context(), shelf, old, a)
	if err != nil {
		t.Fatal(err)
	}
	if err := rewrap(t, shelf, old, b); err != nil {
		t.Fatal(err)
	}
	if err := first.Keep(func(name string, old, new []byte) (bool, error) { return shelf.SwapMeta(t.Context(), name, old, new) }); err == nil {
		t.Error("the slower move undid the quicker one")
	}
	agree(t, before, keyringtest.Open(t, b, shelf, c.now))
	if w, err := keyring.Rewrap(t.Context(), shelf, old, b); w != nil || err != nil {
		t.Errorf("moved again to where it is: %v, %v", w, err)
	}
}

// The record and its event are one transaction: without the event there is no move.
func TestAMoveWithoutItsEventDoesNotHappen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		old, fresh := keyringtest.KEK(t), keyringtest.KEK(t)
		before := keyringtest.Open(t, old, db, db.Now)
		log := audit.New(before)
		w, err := keyring.Rewrap(t.Context(), db, old, fresh)
		if err != nil {
			t.Fatal(err)
		}
		stop := errors.New("no event")
		if err := db.Update(t.Context(), store.Cause{Actor: "operator:test"}, func(tx *store.Tx) error {
			if err := w.Keep(tx.SwapMeta); err != nil {
				return err
			}
			return stop
		}); !errors.Is(err, stop) {
			t.Fatal(err)
		}
		agree(t, before, keyringtest.Open(t, old, db, db.Now))
		if err := db.Update(t.Context(), store.Cause{Actor: "operator:test"}, func(tx *store.Tx) error {
			if err := w.Keep(tx.SwapMeta); err != nil {
				return err
			}
			_, err := log.Append(tx, audit.Event{Action: "keyring.rewrapped", Target: "keyring:root", Payload: map[string]string{"from": w.From, "to": w.To}})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		agree(t, before, keyringtest.Open(t, fresh, db, db.Now))
	})
}
