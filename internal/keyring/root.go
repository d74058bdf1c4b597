package keyring

import (
	"context"
	"errors"
	"fmt"
)

// ErrRootLost means that the database has keys under a root that is no longer there. Making a new root
// would turn everything sealed so far into noise, quietly.
var ErrRootLost = errors.New("keyring: the root secret is gone from the database, while keys under it are still there: restore the database from its backup")

func openRoot(ctx context.Context, kek KEK, shelf Shelf) (root, canary []byte, err error) {
	record, found, err := shelf.LoadMeta(ctx, metaRoot)
	if err != nil {
		return nil, nil, fmt.Errorf("keyring: load root: %w", err)
	}
	if !found {
		if record, err = createRoot(ctx, kek, shelf); err != nil {
			return nil, nil, err
		}
	}
	return unwrapRoot(ctx, kek, record)
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
	mine, err := wrapRoot(ctx, kek, fresh)
	clear(fresh)
	if err != nil {
		return nil, err
	}
	// Another process may have been quicker: what is kept counts, ours is forgotten.
	kept, err := shelf.CreateMeta(ctx, metaRoot, mine)
	if err != nil {
		return nil, fmt.Errorf("keyring: keep root: %w", err)
	}
	return kept, nil
}
