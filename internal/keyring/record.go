package keyring

import (
	"context"
	"fmt"
)

// create lays down the records of a new deployment; where they exist, nothing happens.
func (r *Ring) create(ctx context.Context) error {
	first := []struct {
		name string
		make func() ([]byte, error)
	}{
		{metaSeal, newSealing},
		{metaSafe, newSafeRecord},
		{metaRefresh, func() ([]byte, error) { return newTimetable(r.now()).encode() }},
		{metaSigning, func() ([]byte, error) { return newTimetable(r.now()).encode() }},
	}
	for _, f := range first {
		if _, there, err := r.shelf.LoadMeta(ctx, f.name); err != nil {
			return fmt.Errorf("keyring: load %s: %w", f.name, err)
		} else if there {
			continue
		}
		plain, err := f.make()
		if err != nil {
			return fmt.Errorf("keyring: make %s: %w", f.name, err)
		}
		wrapped, err := r.wrapRecord(f.name, plain)
		if err != nil {
			return err
		}
		if _, err := r.shelf.CreateMeta(ctx, f.name, wrapped); err != nil {
			return fmt.Errorf("keyring: keep %s: %w", f.name, err)
		}
	}
	return nil
}

// Records are wrapped even where they hold no secret: whoever can write to the database must not be able
// to bring a withdrawn key back to life.
func (r *Ring) wrapRecord(name string, plain []byte) ([]byte, error) {
	wrapped, err := r.wrap.Encrypt(plain, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("keyring: wrap %s: %w", name, err)
	}
	return wrapped, nil
}

func (r *Ring) loadRecord(ctx context.Context, name string) (plain, stored []byte, err error) {
	stored, found, err := r.shelf.LoadMeta(ctx, name)
	if err != nil {
		return nil, nil, fmt.Errorf("keyring: load %s: %w", name, err)
	}
	if !found {
		return nil, nil, fmt.Errorf("keyring: %s is gone from the database: restore it from its backup", name)
	}
	if plain, err = r.wrap.Decrypt(stored, []byte(name)); err != nil {
		return nil, nil, fmt.Errorf("%w: %s was written under another root", ErrKeyForeign, name)
	}
	return plain, stored, nil
}

// change rewrites one record. edit sees the stored state and returns the new one, or nil when it finds
// that another process has already done what was asked. A lost race is tried again on what won it.
func (r *Ring) change(ctx context.Context, name string, edit func(plain []byte) ([]byte, error)) error {
	if err := r.Standing(); err != nil {
		return err // a new key that nobody may vouch for
	}
	r.turn.Lock()
	defer r.turn.Unlock()
	for {
		plain, stored, err := r.loadRecord(ctx, name)
		if err != nil {
			return err
		}
		edited, err := edit(plain)
		if err != nil {
			return err
		}
		if edited == nil {
			return r.reload(ctx)
		}
		wrapped, err := r.wrapRecord(name, edited)
		if err != nil {
			return err
		}
		swapped, err := r.shelf.SwapMeta(ctx, name, stored, wrapped)
		if err != nil {
			return fmt.Errorf("keyring: keep %s: %w", name, err)
		}
		if swapped {
			return r.reload(ctx)
		}
	}
}
