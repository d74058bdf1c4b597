package keyringtest

import (
	"bytes"
	"context"
	"sync"
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
	kek, err := subtle.NewAESGCM(keyring.Random(32))
	if err != nil {
		tb.Fatal(err)
	}
	return kek
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
