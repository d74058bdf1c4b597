package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// ErrRootLost means that the database has keys under a root that is no longer there. Making a new root
// would turn everything sealed so far into noise, quietly.
var ErrRootLost = errors.New("keyring: the root secret is gone from the database, while keys under it are still there: restore the database from its backup")

func openRoot(ctx context.Context, kek KEK, shelf Shelf) ([]byte, error) {
	wrapped, found, err := shelf.LoadMeta(ctx, metaRoot)
	if err != nil {
		return nil, fmt.Errorf("keyring: load root: %w", err)
	}
	if !found {
		if wrapped, err = createRoot(ctx, kek, shelf); err != nil {
			return nil, err
		}
	}
	root, err := kek.Decrypt(wrapped, []byte(metaRoot))
	if err != nil || len(root) != rootSize {
		// The cause stays out: it says nothing that helps, and texts of remote KEKs are not ours to trust.
		return nil, fmt.Errorf("%w: configure the root key file (or vault key) that this database was created with, or restore the database that belongs to this key", ErrKeyForeign)
	}
	return root, nil
}

// createRoot makes the root of a new deployment and gives it as it is kept, wrapped.
func createRoot(ctx context.Context, kek KEK, shelf Shelf) ([]byte, error) {
	for _, name := range []string{metaSeal, metaSafe, metaRefresh, metaSigning} {
		_, there, err := shelf.LoadMeta(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("keyring: load %s: %w", name, err)
		}
		if !there {
			continue
		}
		// Keys without a root: lost, unless another process started the deployment after we looked for the
		// root. It wrote the root first, so a second look decides.
		wrapped, there, err := shelf.LoadMeta(ctx, metaRoot)
		if err != nil {
			return nil, fmt.Errorf("keyring: load root: %w", err)
		}
		if !there {
			return nil, ErrRootLost
		}
		return wrapped, nil
	}
	fresh := Random(rootSize)
	mine, err := kek.Encrypt(fresh, []byte(metaRoot))
	clear(fresh)
	if err != nil {
		return nil, fmt.Errorf("keyring: wrap root: %w", err)
	}
	// Another process may have been quicker: what is kept counts, ours is forgotten.
	kept, err := shelf.CreateMeta(ctx, metaRoot, mine)
	if err != nil {
		return nil, fmt.Errorf("keyring: keep root: %w", err)
	}
	return kept, nil
}

// Rewrap replaces the KEK: the root secret stays, so nothing below it changes. Every process keeps working
// and needs the new KEK at its next start.
func Rewrap(ctx context.Context, shelf Shelf, from, to KEK) error {
	old, found, err := shelf.LoadMeta(ctx, metaRoot)
	if err != nil {
		return fmt.Errorf("keyring: load root: %w", err)
	}
	if !found {
		return fmt.Errorf("%w: there is no root secret in this database yet", ErrKeyMissing)
	}
	root, err := from.Decrypt(old, []byte(metaRoot))
	if err != nil {
		return fmt.Errorf("%w: the old key was expected", ErrKeyForeign)
	}
	wrapped, err := to.Encrypt(root, []byte(metaRoot))
	if err != nil {
		return fmt.Errorf("keyring: wrap root: %w", err)
	}
	// Read back before the only other copy goes away.
	again, err := to.Decrypt(wrapped, []byte(metaRoot))
	if err != nil || !bytes.Equal(again, root) {
		return errors.New("keyring: the new key does not open what it wrapped; nothing was changed")
	}
	swapped, err := shelf.SwapMeta(ctx, metaRoot, old, wrapped)
	if err != nil {
		return fmt.Errorf("keyring: keep root: %w", err)
	}
	if !swapped {
		return errors.New("keyring: the root was rewrapped by someone else meanwhile; nothing was changed")
	}
	return nil
}
