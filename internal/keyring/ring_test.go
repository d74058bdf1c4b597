package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
)

// clock is the tests' time.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// agree checks that two rings are one deployment.
func agree(t *testing.T, a, b *keyring.Ring) {
	t.Helper()
	if a.Subkey("x") != b.Subkey("x") {
		t.Error("subkeys differ")
	}
	if a.MAC("x").Sum(nil, []byte("m")) != b.MAC("x").Sum(nil, []byte("m")) {
		t.Error("MACs differ")
	}
	if a.Signer().KID() != b.Signer().KID() {
		t.Error("signing keys differ")
	}
	if a.CurrentRefreshKID() != b.CurrentRefreshKID() {
		t.Error("current refresh keys differ")
	}
	ka, okA := a.RefreshKey(a.CurrentRefreshKID())
	kb, okB := b.RefreshKey(a.CurrentRefreshKID())
	if !okA || !okB || ka.Sum(nil, []byte("m")) != kb.Sum(nil, []byte("m")) {
		t.Error("refresh keys differ")
	}
	sealed, err := a.Seal([]byte("secret"), "t", "r", "c")
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := b.Open(sealed, "t", "r", "c"); err != nil || string(plain) != "secret" {
		t.Errorf("what one seals the other does not open: %v", err)
	}
}

func TestProcessesThatStartAtOnceAgree(t *testing.T) {
	shelf, kek, c := new(keyringtest.Shelf), keyringtest.KEK(t), newClock()
	rings := make([]*keyring.Ring, 8)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() {
			ring, err := keyring.Open(t.Context(), kek, shelf, c.now)
			if err != nil {
				t.Error(err)
			}
			rings[i] = ring
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, r := range rings[1:] {
		agree(t, rings[0], r)
		agree(t, r, rings[0])
	}
}

// The slower of two first starts finds the other's root where it wanted to put its own.
func TestARootMadeMeanwhileWins(t *testing.T) {
	kek, c := keyringtest.KEK(t), newClock()
	shelf := &lateShelf{}
	var first *keyring.Ring
	shelf.before = func() { first = keyringtest.Open(t, kek, &shelf.Shelf, c.now) }
	second := keyringtest.Open(t, kek, shelf, c.now)
	agree(t, first, second)
}

// lateShelf lets somebody else finish in between a look and the first CreateMeta.
type lateShelf struct {
	keyringtest.Shelf
	before func()
}

func (s *lateShelf) CreateMeta(ctx context.Context, name string, v []byte) ([]byte, error) {
	if s.before != nil {
		f := s.before
		s.before = nil
		f()
	}
	return s.Shelf.CreateMeta(ctx, name, v)
}

func TestARestartFindsTheSameKeys(t *testing.T) {
	shelf, kek, c := new(keyringtest.Shelf), keyringtest.KEK(t), newClock()
	before := keyringtest.Open(t, kek, shelf, c.now)
	c.pass(1000 * time.Hour)
	agree(t, before, keyringtest.Open(t, kek, shelf, c.now))
}

func TestTwoDeploymentsShareNothing(t *testing.T) {
	a, b := keyringtest.NewTestRing(t), keyringtest.NewTestRing(t)
	if a.Subkey("x") == b.Subkey("x") || a.Signer().KID() == b.Signer().KID() {
		t.Error("two roots give one key")
	}
	sealed, _ := a.Seal([]byte("secret"), "t", "r", "c")
	if _, err := b.Open(sealed, "t", "r", "c"); !errors.Is(err, keyring.ErrSealed) {
		t.Errorf("another deployment opens it: %v", err)
	}
}

func TestAnotherRootKeyIsRefused(t *testing.T) {
	shelf, c := new(keyringtest.Shelf), newClock()
	keyringtest.Open(t, keyringtest.KEK(t), shelf, c.now)
	before := shelf.Records()

	_, err := keyring.Open(t.Context(), keyringtest.KEK(t), shelf, c.now)
	if !errors.Is(err, keyring.ErrKEKOther) {
		t.Fatalf("error is %v", err)
	}
	if text := err.Error(); !strings.Contains(text, "configure that one again") || !strings.Contains(text, "keyward kek rewrap") {
		t.Errorf("no fix in the text: %s", text)
	}
	for name, v := range shelf.Records() {
		if !bytes.Equal(before[name], v) {
			t.Errorf("the refused key changed %s", name)
		}
	}
}

func TestDamagedRecordsAreRefusedAtStart(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*keyringtest.Shelf)
		want  error
	}{
		{"the root is gone, keys under it are there", func(s *keyringtest.Shelf) { s.Set("keyring.root", nil) }, keyring.ErrRootLost},
		{"the root has a flipped bit", func(s *keyringtest.Shelf) { flip(s, "keyring.root") }, keyring.ErrKeyForeign},
		{"the sealing keyset has a flipped bit", func(s *keyringtest.Shelf) { flip(s, "keyring.seal") }, keyring.ErrKeyForeign},
		{"the refresh timetable has a flipped bit", func(s *keyringtest.Shelf) { flip(s, "keyring.refresh") }, keyring.ErrKeyForeign},
		{"the signing timetable has a flipped bit", func(s *keyringtest.Shelf) { flip(s, "keyring.signing") }, keyring.ErrKeyForeign},
		{"one timetable is put in the place of the other", func(s *keyringtest.Shelf) {
			s.Set("keyring.signing", s.Records()["keyring.refresh"])
		}, keyring.ErrKeyForeign},
		{"the root is put in the place of the keyset", func(s *keyringtest.Shelf) {
			s.Set("keyring.seal", s.Records()["keyring.root"])
		}, keyring.ErrKeyForeign},
		{"the root is empty", func(s *keyringtest.Shelf) { s.Set("keyring.root", []byte{}) }, keyring.ErrKeyForeign},
	} {
		t.Run(c.name, func(t *testing.T) {
			shelf, kek, clk := new(keyringtest.Shelf), keyringtest.KEK(t), newClock()
			keyringtest.Open(t, kek, shelf, clk.now)
			c.spoil(shelf)
			if _, err := keyring.Open(t.Context(), kek, shelf, clk.now); !errors.Is(err, c.want) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
		})
	}
}

func flip(s *keyringtest.Shelf, name string) {
	v := s.Records()[name]
	v[len(v)/2] ^= 1
	s.Set(name, v)
}

func TestARecordThatVanishesStopsAReloadButNotTheRing(t *testing.T) {
	shelf, c := new(keyringtest.Shelf), newClock()
	ring := keyringtest.Open(t, keyringtest.KEK(t), shelf, c.now)
	shelf.Set("keyring.refresh", nil)
	if err := ring.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "restore") {
		t.Errorf("reload says %v", err)
	}
	if _, ok := ring.RefreshKey(ring.CurrentRefreshKID()); !ok {
		t.Error("a failed reload took away the keys at hand")
	}
}

// DESIGN §6: the database alone reveals nothing.
func TestTheShelfHoldsNoSecretInTheClear(t *testing.T) {
	shelf, kek, c := new(keyringtest.Shelf), &spyKEK{}, newClock()
	spied := keyringtest.KEK(t)
	kek.KEK = spied
	ring := keyringtest.Open(t, kek, shelf, c.now)
	sub := ring.Subkey("x")
	for name, v := range shelf.Records() {
		if bytes.Contains(v, kek.root) || bytes.Contains(v, sub[:]) {
			t.Errorf("%s holds a key in the clear", name)
		}
		if bytes.Contains(v, []byte("current")) || bytes.Contains(v, []byte("type.googleapis.com")) {
			t.Errorf("%s is readable, so it can be forged", name)
		}
	}
}

type spyKEK struct {
	keyring.KEK
	root []byte
}

func (s *spyKEK) Wrap(ctx context.Context, plain, purpose []byte) ([]byte, error) {
	s.root = bytes.Clone(plain) // the last: the canary comes before it
	return s.KEK.Wrap(ctx, plain, purpose)
}

func TestRewrapChangesTheKeyFileAndNothingElse(t *testing.T) {
	shelf, c := new(keyringtest.Shelf), newClock()
	old, fresh := keyringtest.KEK(t), keyringtest.KEK(t)
	before := keyringtest.Open(t, old, shelf, c.now)

	if err := rewrap(t, shelf, fresh, keyringtest.KEK(t)); !errors.Is(err, keyring.ErrKEKOther) {
		t.Errorf("rewrapping from the wrong key: %v", err)
	}
	if err := rewrap(t, shelf, old, fresh); err != nil {
		t.Fatal(err)
	}
	agree(t, before, keyringtest.Open(t, fresh, shelf, c.now))
	if _, err := keyring.Open(t.Context(), old, shelf, c.now); !errors.Is(err, keyring.ErrKEKOther) {
		t.Errorf("the old key still opens the database: %v", err)
	}
	if err := rewrap(t, new(keyringtest.Shelf), old, fresh); !errors.Is(err, keyring.ErrKeyMissing) {
		t.Errorf("rewrapping an empty database: %v", err)
	}
}

// rewrap wraps and keeps in one go.
func rewrap(t *testing.T, shelf keyring.Shelf, from, to keyring.KEK) error {
	t.Helper()
	w, err := keyring.Rewrap(t.Context(), shelf, from, to)
	if err != nil || w == nil {
		return err
	}
	return w.Keep(func(name string, old, new []byte) (bool, error) { return shelf.SwapMeta(t.Context(), name, old, new) })
}

func TestABrokenShelfIsReportedNotPapered(t *testing.T) {
	down := errors.New("connection lost")
	for _, c := range []struct {
		name   string
		broken *brokenShelf
	}{
		{"nothing can be read", &brokenShelf{load: down}},
		{"nothing can be created", &brokenShelf{create: down}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := keyring.Open(t.Context(), keyringtest.KEK(t), c.broken, time.Now); !errors.Is(err, down) {
				t.Errorf("error is %v", err)
			}
		})
	}
	t.Run("nothing can be swapped", func(t *testing.T) {
		shelf := new(brokenShelf)
		ring := keyringtest.Open(t, keyringtest.KEK(t), shelf, time.Now)
		shelf.swap = down
		before := ring.Signer().KID()
		if err := ring.RotateSigning(t.Context()); !errors.Is(err, down) {
			t.Errorf("error is %v", err)
		}
		if ring.Signer().KID() != before {
			t.Error("the key changed here although nobody else can know")
		}
	})
}

type brokenShelf struct {
	keyringtest.Shelf
	load, create, swap error
}

func (s *brokenShelf) LoadMeta(ctx context.Context, name string) ([]byte, bool, error) {
	if s.load != nil {
		return nil, false, s.load
	}
	return s.Shelf.LoadMeta(ctx, name)
}

func (s *brokenShelf) CreateMeta(ctx context.Context, name string, v []byte) ([]byte, error) {
	if s.create != nil {
		return nil, s.create
	}
	return s.Shelf.CreateMeta(ctx, name, v)
}

func (s *brokenShelf) SwapMeta(ctx context.Context, name string, old, new []byte) (bool, error) {
	if s.swap != nil {
		return false, s.swap
	}
	return s.Shelf.SwapMeta(ctx, name, old, new)
}
