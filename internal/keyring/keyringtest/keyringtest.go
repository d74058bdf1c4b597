package keyringtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"

	"keyward/internal/keyring"
)

// NewTestRing is a ring with a root of its own, on the wall clock.
func NewTestRing(tb testing.TB) *keyring.Ring {
	tb.Helper()
	return Open(tb, KEK(tb), new(Shelf), time.Now)
}

// Open is keyring.Open for a test that brings its own shelf, key or clock.
func Open(tb testing.TB, kek keyring.KEK, shelf keyring.Shelf, now func() time.Time) *keyring.Ring {
	tb.Helper()
	ring, err := keyring.Open(tb.Context(), kek, shelf, now)
	if err != nil {
		tb.Fatal(err)
	}
	return ring
}

// KEK is a fresh key-encryption key, different each time.
func KEK(tb testing.TB) keyring.KEK {
	tb.Helper()
	return KEKOf(tb, keyring.Random(32))
}

// KEKOf is the key-encryption key of known bytes.
func KEKOf(tb testing.TB, key []byte) keyring.KEK {
	tb.Helper()
	aead, err := subtle.NewAESGCM(key)
	if err != nil {
		tb.Fatal(err)
	}
	name := keyring.Hash(string(key))
	return &kek{name: "test:" + hex.EncodeToString(name[:8]), aead: aead}
}

type kek struct {
	name string
	aead *subtle.AESGCM
}

func (k *kek) Name() string { return k.name }
func (k *kek) Remote() bool { return false }

func (k *kek) Wrap(_ context.Context, plain, purpose []byte) ([]byte, error) {
	return k.aead.Encrypt(plain, purpose)
}

func (k *kek) Unwrap(_ context.Context, wrapped, purpose []byte) ([]byte, error) {
	return k.aead.Decrypt(wrapped, purpose)
}

// Far is a key that can be out of reach.
type Far struct {
	keyring.KEK
	Down  atomic.Pointer[error] // what every call fails with; nil: none does
	Calls atomic.Int64
}

// NewFar is a fresh one, in reach.
func NewFar(tb testing.TB) *Far { return &Far{KEK: KEK(tb)} }

// Fail makes every call fail with err; nil brings the key back.
func (f *Far) Fail(err error) {
	if err == nil {
		f.Down.Store(nil)
		return
	}
	f.Down.Store(&err)
}

func (f *Far) Remote() bool { return true }

func (f *Far) Wrap(ctx context.Context, plain, purpose []byte) ([]byte, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	return f.KEK.Wrap(ctx, plain, purpose)
}

func (f *Far) Unwrap(ctx context.Context, wrapped, purpose []byte) ([]byte, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	return f.KEK.Unwrap(ctx, wrapped, purpose)
}

func (f *Far) call() error {
	f.Calls.Add(1)
	if p := f.Down.Load(); p != nil {
		return *p
	}
	return nil
}

// Shelf keeps records in memory. The zero value is empty and ready.
type Shelf struct {
	mu      sync.Mutex // guards records
	records map[string][]byte
}

func (s *Shelf) LoadMeta(_ context.Context, name string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.records[name]
	return bytes.Clone(v), ok, nil
}

func (s *Shelf) CreateMeta(_ context.Context, name string, v []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept, ok := s.records[name]; ok {
		return bytes.Clone(kept), nil
	}
	s.put(name, v)
	return v, nil
}

func (s *Shelf) SwapMeta(_ context.Context, name string, old, new []byte) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept, ok := s.records[name]; !ok || !bytes.Equal(kept, old) {
		return false, nil
	}
	s.put(name, new)
	return true, nil
}

// Set overwrites a record behind everyone's back, as an intruder in the database would; nil deletes it.
func (s *Shelf) Set(name string, v []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v == nil {
		delete(s.records, name)
		return
	}
	s.put(name, v)
}

// Records is a copy of all that is stored.
func (s *Shelf) Records() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string][]byte, len(s.records))
	for k, v := range s.records {
		out[k] = bytes.Clone(v)
	}
	return out
}

func (s *Shelf) put(name string, v []byte) {
	if s.records == nil {
		s.records = map[string][]byte{}
	}
	s.records[name] = bytes.Clone(v)
}
