package keyring

import (
	"context"
	"errors"
	"fmt"
)

// Rewrapped is the root under a new KEK: proved to open, not yet kept.
type Rewrapped struct {
	redacted
	From, To string // names of the two KEKs
	old, new []byte
}

// Rewrap wraps the root anew, so that to opens it from the next start on. The root stays as it is, and so
// does everything below it. nil without an error: to wraps it already.
//
// Nothing is changed yet. Both KEKs are asked here, before anything is written: a transaction does not wait
// for a vault.
func Rewrap(ctx context.Context, shelf Shelf, from, to KEK) (*Rewrapped, error) {
	record, found, err := shelf.LoadMeta(ctx, metaRoot)
	if err != nil {
		return nil, fmt.Errorf("keyring: load root: %w", err)
	}
	if !found {
		return nil, fmt.Errorf("%w: there is no root secret in this database yet", ErrKeyMissing)
	}
	w, bare, err := readWrapped(record)
	if err == nil && !bare && w.KEK == to.Name() {
		root, _, err := unwrapRoot(ctx, to, record)
		clear(root)
		return nil, err
	}
	root, _, err := unwrapRoot(ctx, from, record)
	if err != nil {
		return nil, err
	}
	defer clear(root)
	out := &Rewrapped{From: w.KEK, To: to.Name(), old: record}
	if bare {
		out.From = from.Name()
	}
	if out.new, err = wrapRoot(ctx, to, root); err != nil {
		return nil, err
	}
	return out, nil
}

// errMeanwhile: somebody else rewrapped the root between the reading and the keeping.
var errMeanwhile = errors.New("keyring: the root was rewrapped by someone else meanwhile; nothing was changed")

// Keep replaces the record by compare-and-swap, in the transaction that swap belongs to.
func (w *Rewrapped) Keep(swap func(name string, old, new []byte) (bool, error)) error {
	swapped, err := swap(metaRoot, w.old, w.new)
	if err != nil {
		return fmt.Errorf("keyring: keep root: %w", err)
	}
	if !swapped {
		return errMeanwhile
	}
	return nil
}
