package keyring

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrSealed says that a sealed value does not open here: changed, moved to another row or column, or
// sealed under another root. Which of them is nobody's business.
var ErrSealed = errors.New("keyring: sealed value does not open")

// sealing is the keyset that seals columns. Its last key is the next one: not used to seal yet, but known
// to every process, which is what lets one process rotate without the others failing to open.
type sealing struct {
	handle *keyset.Handle
	aead   tink.AEAD
	stored []byte
}

func newSealing() ([]byte, error) {
	m := keyset.NewManager()
	current, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	if err := m.SetPrimary(current); err != nil {
		return nil, err
	}
	return withNext(m)
}

// withNext adds the key that the following rotation will put to work, and gives the keyset in the clear,
// for wrapRecord.
func withNext(m *keyset.Manager) ([]byte, error) {
	if _, err := m.Add(aead.AES256GCMKeyTemplate()); err != nil {
		return nil, err
	}
	h, err := m.Handle()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewBinaryWriter(&out)); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func readSealing(plain []byte) (sealing, error) {
	h, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(plain)))
	if err != nil {
		return sealing{}, errors.New("keyset does not parse")
	}
	a, err := aead.New(h)
	if err != nil {
		return sealing{}, errors.New("keyset without a usable key")
	}
	return sealing{handle: h, aead: a}, nil
}

// Seal encrypts plain for one place: a table, the id of a row, a column. Only the same three open it, so
// whoever can write to the database cannot copy one account's secret into another's row.
//
// While the KEK is away it is ErrNothingNew: a secret made then would rest on a key that somebody may have
// switched off.
func (r *Ring) Seal(plain []byte, table, row, column string) ([]byte, error) {
	if err := r.Standing(); err != nil {
		return nil, err
	}
	return r.seal(plain, table, row, column)
}

// SealBrief is Seal for what is no key and lives a day at most: an answer that is kept for a repeated
// request, a ticket that travels. It works until the ring is shut, because freezing an account and ending
// sessions must not wait for a vault.
func (r *Ring) SealBrief(plain []byte, table, row, column string) ([]byte, error) {
	if !r.Usable(r.now()) {
		return nil, ErrShut
	}
	return r.seal(plain, table, row, column)
}

func (r *Ring) seal(plain []byte, table, row, column string) ([]byte, error) {
	sealed, err := r.live.Load().seal.aead.Encrypt(plain, place(table, row, column))
	if err != nil {
		return nil, fmt.Errorf("keyring: seal %s.%s failed", table, column)
	}
	return sealed, nil
}

// Open is the other way round.
func (r *Ring) Open(sealed []byte, table, row, column string) ([]byte, error) {
	if !r.Usable(r.now()) {
		return nil, ErrShut
	}
	plain, err := r.live.Load().seal.aead.Decrypt(sealed, place(table, row, column))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// RotateSeal seals with a new key from now on. Old ciphertexts stay readable; the old keys stay in the
// keyset for them.
func (r *Ring) RotateSeal(ctx context.Context) error {
	seen := r.live.Load().seal.primary()
	return r.change(ctx, metaSeal, func(plain []byte) ([]byte, error) {
		s, err := readSealing(plain)
		if err != nil {
			return nil, err
		}
		if s.primary() != seen {
			return nil, nil
		}
		m := keyset.NewManagerFromHandle(s.handle)
		if err := m.SetPrimary(s.next()); err != nil {
			return nil, errors.New("keyring: the next sealing key cannot be used")
		}
		return withNext(m)
	})
}

func (s sealing) primary() uint32 { return s.handle.KeysetInfo().GetPrimaryKeyId() }

func (s sealing) next() uint32 {
	info := s.handle.KeysetInfo().GetKeyInfo()
	return info[len(info)-1].GetKeyId()
}

// place frames the three names with their lengths: ("ab", "c") and ("a", "bc") are different places.
func place(table, row, column string) []byte {
	out := make([]byte, 0, 12+len(table)+len(row)+len(column))
	for _, s := range [...]string{table, row, column} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(s)))
		out = append(out, s...)
	}
	return out
}
