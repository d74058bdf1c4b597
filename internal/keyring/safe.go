package keyring

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// Safe seals the secrets of API keys. They have keys of their own, apart from
// everything else that is sealed, because a gate must be able to open them and nothing
// more: who takes a gate over has no sessions, no mail links and no signing keys.
//
// A deployment's Ring has one (Ring.Safe), and a gate one from a file
// (OpenSafeFile), which only opens.
type Safe struct {
	redacted
	ring *Ring // nil: of a gate
	keys atomic.Pointer[safeKeys]
}

// safeKeys are the keys by their numbers, from 1. New secrets are sealed with current;
// the one after it is ready, so that a gate's file outlives one rotation.
type safeKeys struct {
	current uint32
	by      []*subtle.AESGCM // by[0] is number 1
	stored  []byte
}

// ErrSafeOnlyOpens: a gate seals nothing.
var ErrSafeOnlyOpens = errors.New("keyring: a gate's keys open secrets and seal none")

const (
	forSafe = "keyward v1 safe "

	// What the keyset of the Ring seals begins with 1, so a value says who sealed it.
	safeForm  = 2
	safeExtra = 1 + 4 // form and number

	maxSafeKeys = 1 << 10
)

type safeRecord struct {
	Current uint32 `json:"current"`
}

func newSafeRecord() ([]byte, error) { return json.Marshal(safeRecord{Current: 1}) }

// Safe is where the secrets of API keys are sealed.
func (r *Ring) Safe() *Safe { return &r.safe }

func (r *Ring) readSafe(plain []byte) (*safeKeys, error) {
	var rec safeRecord
	if err := json.Unmarshal(plain, &rec); err != nil || rec.Current == 0 || rec.Current >= maxSafeKeys {
		return nil, errors.New("the number of the keys for API keys does not parse")
	}
	out := &safeKeys{current: rec.Current}
	for n := uint32(1); n <= rec.Current+1; n++ {
		key := r.safeKey(n)
		a, err := subtle.NewAESGCM(key[:])
		if err != nil {
			return nil, err
		}
		out.by = append(out.by, a)
	}
	return out, nil
}

func (r *Ring) safeKey(n uint32) [deriveKeySize]byte { return r.derive(forSafe, fmt.Sprint(n)) }

// Usable reports whether what is sealed may be used at now (Ring.Usable). A gate's file is
// wrapped by nothing, so nothing shuts it.
func (s *Safe) Usable(now time.Time) bool { return s.ring == nil || s.ring.Usable(now) }

// Seal encrypts plain for one place, as [Ring.Seal] does, and like it not while the KEK
// is away.
func (s *Safe) Seal(plain []byte, table, row, column string) ([]byte, error) {
	if s.ring == nil {
		return nil, ErrSafeOnlyOpens
	}
	if err := s.ring.Standing(); err != nil {
		return nil, err
	}
	k := s.keys.Load()
	box, err := k.by[k.current-1].Encrypt(plain, place(table, row, column))
	if err != nil {
		return nil, fmt.Errorf("keyring: seal %s.%s failed", table, column)
	}
	return append(binary.BigEndian.AppendUint32([]byte{safeForm}, k.current), box...), nil
}

// Open is the other way round. What was sealed before there was a Safe opens too, but
// not at a gate.
func (s *Safe) Open(sealed []byte, table, row, column string) ([]byte, error) {
	if s.ring != nil && !s.ring.Usable(s.ring.now()) {
		return nil, ErrShut
	}
	if len(sealed) < safeExtra || sealed[0] != safeForm {
		if s.ring == nil {
			return nil, ErrSealed
		}
		return s.ring.Open(sealed, table, row, column)
	}
	k, n := s.keys.Load(), binary.BigEndian.Uint32(sealed[1:safeExtra])
	if n == 0 || uint64(n) > uint64(len(k.by)) {
		return nil, ErrSealed
	}
	plain, err := k.by[n-1].Decrypt(sealed[safeExtra:], place(table, row, column))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Old reports whether a value was sealed before there was a Safe: a gate cannot open it.
func (s *Safe) Old(sealed []byte) bool { return len(sealed) > 0 && sealed[0] != safeForm }

// RotateSafe seals the secrets of API keys with a new key from now on. Old ones stay
// readable. A gate's file that was written before the last but one rotation does not open
// what is sealed from now on.
func (r *Ring) RotateSafe(ctx context.Context) error {
	seen := r.safe.keys.Load().current
	return r.change(ctx, metaSafe, func(plain []byte) ([]byte, error) {
		var rec safeRecord
		if err := json.Unmarshal(plain, &rec); err != nil {
			return nil, errors.New("keyring: the number of the keys for API keys does not parse")
		}
		if rec.Current != seen {
			return nil, nil
		}
		if rec.Current+1 >= maxSafeKeys {
			return nil, errors.New("keyring: the keys for API keys were rotated too often")
		}
		return json.Marshal(safeRecord{Current: rec.Current + 1})
	})
}

// The file of a gate is one line of text: what it is, and the keys behind it.
const safeFileHead = "keyward-gate-keys-1 "

// WriteSafeFile writes what a gate needs to open the secrets of API keys, and nothing
// else, to a new file with mode 0600.
func (r *Ring) WriteSafeFile(path string) error {
	k := r.safe.keys.Load()
	raw := make([]byte, 0, len(k.by)*deriveKeySize)
	for n := range k.by {
		key := r.safeKey(uint32(n) + 1)
		raw = append(raw, key[:]...)
	}
	text := []byte(safeFileHead + base64.StdEncoding.EncodeToString(raw) + "\n")
	clear(raw)
	defer clear(text)
	return createKeyFile(path, text)
}

// OpenSafeFile reads such a file, under the rules of the root key file: nobody else may
// read or replace it.
func OpenSafeFile(path string, groupReadable bool) (*Safe, error) {
	text, err := readKeyFile(path, groupReadable, 0)
	if errors.Is(err, ErrKeyMissing) {
		return nil, &refusal{ErrKeyMissing, path, "write it where the server runs: `keyward keys gate FILE`"}
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	line, ok := strings.CutPrefix(strings.TrimSuffix(string(text), "\n"), safeFileHead)
	raw, err := base64.StdEncoding.Strict().DecodeString(line)
	if !ok || err != nil || len(raw) == 0 || len(raw)%deriveKeySize != 0 || len(raw) > maxSafeKeys*deriveKeySize {
		return nil, &refusal{ErrKeySize, path, "it is not what `keyward keys gate` wrote; write a new one"}
	}
	defer clear(raw)
	k := &safeKeys{}
	for ; len(raw) > 0; raw = raw[deriveKeySize:] {
		a, err := subtle.NewAESGCM(raw[:deriveKeySize])
		if err != nil {
			return nil, fmt.Errorf("keyring: gate's keys: %w", err)
		}
		k.by = append(k.by, a)
	}
	s := &Safe{}
	s.keys.Store(k)
	return s, nil
}
