package keyring

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// The record of the root is a mark, and JSON: which key wrapped it, the root and a canary, both wrapped by
// it. Databases of the first version hold the bare ciphertext of a root key file; they stay as they are
// until they are rewrapped, so that the version before this one still starts on them.
const (
	wrappedMark = "keyward root 2\n"
	maxWrapped  = 64 << 10
	maxKEKName  = 300

	forRoot    = "root"
	forCanary  = "canary"
	canaryText = "keyward canary: worth nothing\n\x00\x01" // 32 bytes, as the root
)

type wrapped struct {
	KEK    string `json:"kek"`
	Canary []byte `json:"probe"`
	Root   []byte `json:"root"`
}

func (w wrapped) encode() ([]byte, error) {
	body, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	return append([]byte(wrappedMark), body...), nil
}

// readWrapped reads a record. bare: it is one of the first version.
func readWrapped(record []byte) (w wrapped, bare bool, err error) {
	body, ok := bytes.CutPrefix(record, []byte(wrappedMark))
	if !ok {
		return wrapped{Root: record}, true, nil
	}
	if len(record) > maxWrapped {
		return wrapped{}, false, errors.New("too long")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil || d.InputOffset() != int64(len(body)) || w.KEK == "" || len(w.KEK) > maxKEKName || len(w.Canary) == 0 || len(w.Root) == 0 {
		return wrapped{}, false, errors.New("does not parse")
	}
	return w, false, nil
}

// purpose is what a KEK binds: what it is for, under which record, of which form, and which key this was
// said to be. Each part goes in with its length.
func purpose(what, kek string) []byte {
	var out []byte
	for _, s := range [...]string{metaRoot, wrappedMark, what, kek} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(s)))
		out = append(out, s...)
	}
	return out
}

// wrapRoot makes the record of a root and proves that it opens, and opens for nothing else, before anybody
// relies on it.
func wrapRoot(ctx context.Context, kek KEK, root []byte) ([]byte, error) {
	name := kek.Name()
	w := wrapped{KEK: name}
	var err error
	// The canary first: where the key turns over between the two, the older version is the canary's, and
	// it stops opening before the root does.
	if w.Canary, err = kek.Wrap(ctx, []byte(canaryText), purpose(forCanary, name)); err != nil {
		return nil, fmt.Errorf("keyring: wrap: %w", err)
	}
	if w.Root, err = kek.Wrap(ctx, root, purpose(forRoot, name)); err != nil {
		return nil, fmt.Errorf("keyring: wrap: %w", err)
	}
	if bytes.Contains(w.Root, root) {
		return nil, fmt.Errorf("%w: it gives back what it was given", ErrKEKUnbound)
	}
	for _, part := range []struct{ sealed, plain, ad []byte }{
		{w.Canary, []byte(canaryText), purpose(forCanary, name)}, {w.Root, root, purpose(forRoot, name)},
	} {
		again, err := kek.Unwrap(ctx, part.sealed, part.ad)
		if err != nil {
			return nil, fmt.Errorf("keyring: the key does not open what it wrapped: %w", err)
		}
		if !Equal(again, part.plain) {
			return nil, fmt.Errorf("%w: it opens what it wrapped as something else", ErrKEKUnbound)
		}
	}
	// A vault that does not know associated data ignores it without a word, and a row could then be passed
	// off as another. The canary is asked for, so that the root travels no more than it must.
	_, err = kek.Unwrap(ctx, w.Canary, purpose(forRoot, name))
	switch {
	case err == nil:
		return nil, fmt.Errorf("%w: a vault needs a key of type aes256-gcm96 and a version that knows associated_data", ErrKEKUnbound)
	case isKEKTrouble(err):
		return nil, fmt.Errorf("keyring: the key was not proved: %w", err)
	}
	return w.encode()
}

// TryKEK finds out whether a deployment could begin under kek: by wrapping a root that nobody will use.
func TryKEK(ctx context.Context, kek KEK) error {
	_, err := wrapRoot(ctx, kek, Random(rootSize))
	return err
}

// unwrapRoot opens a record; the canary comes along where there is one.
func unwrapRoot(ctx context.Context, kek KEK, record []byte) (root, canary []byte, err error) {
	w, bare, err := readWrapped(record)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: its record %w: restore it from its backup", ErrKeyForeign, err)
	}
	ad := purpose(forRoot, w.KEK)
	switch {
	case bare && kek.Remote():
		return nil, nil, other("a root key file", kek)
	case bare:
		ad = []byte(metaRoot)
	case w.KEK != kek.Name():
		return nil, nil, other(w.KEK, kek)
	}
	root, err = kek.Unwrap(ctx, w.Root, ad)
	if isKEKTrouble(err) {
		return nil, nil, err
	}
	if err != nil || len(root) != rootSize {
		return nil, nil, fmt.Errorf("%w: configure the root key file (or the key of a vault or HSM, in a version that still opens) that this database was created with, or restore the database that belongs to this key", ErrKeyForeign)
	}
	if bare {
		return root, nil, nil
	}
	// Asked now and not by the first Contact: a canary that was changed would shut the ring in a quarter
	// of an hour, and nobody would know why.
	plain, err := kek.Unwrap(ctx, w.Canary, purpose(forCanary, w.KEK))
	if isKEKTrouble(err) {
		return nil, nil, err
	}
	if err != nil || !Equal(plain, []byte(canaryText)) {
		return nil, nil, fmt.Errorf("%w: its canary was changed: restore the record from its backup", ErrKeyForeign)
	}
	return root, w.Canary, nil
}

// other names both keys. The name in the record comes from the database and is shown as such.
func other(recorded string, kek KEK) error {
	return fmt.Errorf("%w: by %.*q, and configured is %q: configure that one again, or run `keyward kek rewrap` with it to move to the new one", ErrKEKOther, maxKEKName, recorded, kek.Name())
}

// isKEKTrouble: the KEK said nothing about what it was given.
func isKEKTrouble(err error) bool {
	return errors.Is(err, ErrKEKUnavailable) || errors.Is(err, ErrKEKRefused) || errors.Is(err, ErrKEKSettings) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// WrappedBy is the name of the key that wrapped the root, as the database remembers it: "" and false
// without a root, "a root key file" for a record of the first version.
func WrappedBy(ctx context.Context, shelf Shelf) (string, bool, error) {
	record, found, err := shelf.LoadMeta(ctx, metaRoot)
	if err != nil || !found {
		return "", false, err
	}
	w, bare, err := readWrapped(record)
	if err != nil {
		return "", false, fmt.Errorf("%w: its record %w: restore it from its backup", ErrKeyForeign, err)
	}
	if bare {
		return "a root key file", true, nil
	}
	return w.KEK, true, nil
}
