package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// Shelf keeps small records by name; *store.DB is one. CreateMeta inserts only when the name is free and
// returns what is stored afterwards, SwapMeta replaces old by new or reports false: with these two, any
// number of processes that start at once agree on the keys.
type Shelf interface {
	LoadMeta(ctx context.Context, name string) ([]byte, bool, error)
	CreateMeta(ctx context.Context, name string, v []byte) (kept []byte, err error)
	SwapMeta(ctx context.Context, name string, old, new []byte) (bool, error)
}

// ErrRootLost means that the database has keys under a root that is no longer there. Making a new root
// would turn everything sealed so far into noise, quietly.
var ErrRootLost = errors.New("keyring: the root secret is gone from the database, while keys under it are still there: restore the database from its backup")

// Ring is all keys of one deployment. Safe for concurrent use.
type Ring struct {
	redacted
	shelf Shelf
	now   func() time.Time
	prk   []byte         // HKDF of the root secret; never changes
	wrap  *subtle.AESGCM // wraps the records below, under a key derived from the root

	subkeys sync.Map // name → [32]byte
	macs    sync.Map // name → *MAC

	turn sync.Mutex // held by Reload and the Rotate methods, so that an older state never replaces a newer
	live atomic.Pointer[keys]
}

// keys is one state of everything that rotates, replaced as a whole.
type keys struct {
	seal    sealing
	refresh refreshing
	signing signing
}

// Open unwraps the root secret, or makes one when the shelf has none yet. A KEK that does not open it is
// refused with ErrKeyForeign: going on with a new root would lose what the old one sealed.
func Open(ctx context.Context, kek KEK, shelf Shelf, now func() time.Time) (*Ring, error) {
	root, err := openRoot(ctx, kek, shelf)
	if err != nil {
		return nil, err
	}
	prk, err := extract(root, []byte(deriveSalt))
	clear(root)
	if err != nil {
		return nil, fmt.Errorf("keyring: extract: %w", err)
	}
	r := &Ring{shelf: shelf, now: now, prk: prk}
	wrapKey := r.derive(forWrap, "")
	if r.wrap, err = subtle.NewAESGCM(wrapKey[:]); err != nil {
		return nil, fmt.Errorf("keyring: wrap: %w", err)
	}
	if err := r.create(ctx); err != nil {
		return nil, err
	}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

func openRoot(ctx context.Context, kek KEK, shelf Shelf) ([]byte, error) {
	wrapped, found, err := shelf.LoadMeta(ctx, metaRoot)
	if err != nil {
		return nil, fmt.Errorf("keyring: load root: %w", err)
	}
	if !found {
		for _, name := range []string{metaSeal, metaRefresh, metaSigning} {
			if _, there, err := shelf.LoadMeta(ctx, name); err != nil {
				return nil, fmt.Errorf("keyring: load %s: %w", name, err)
			} else if there {
				return nil, ErrRootLost
			}
		}
		fresh := Random(rootSize)
		mine, err := kek.Encrypt(fresh, []byte(metaRoot))
		clear(fresh)
		if err != nil {
			return nil, fmt.Errorf("keyring: wrap root: %w", err)
		}
		// Another process may have been quicker: what is kept counts, ours is forgotten.
		if wrapped, err = shelf.CreateMeta(ctx, metaRoot, mine); err != nil {
			return nil, fmt.Errorf("keyring: keep root: %w", err)
		}
	}
	root, err := kek.Decrypt(wrapped, []byte(metaRoot))
	if err != nil || len(root) != rootSize {
		// The cause stays out: it says nothing that helps, and texts of remote KEKs are not ours to trust.
		return nil, fmt.Errorf("%w: configure the root key file (or vault key) that this database was created with, or restore the database that belongs to this key", ErrKeyForeign)
	}
	return root, nil
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

// Subkey is a 256-bit key of its own for name, the same in every process of the deployment.
func (r *Ring) Subkey(name string) [32]byte {
	if key, ok := r.subkeys.Load(name); ok {
		return key.([32]byte)
	}
	key := r.derive(forSubkey, name)
	r.subkeys.Store(name, key)
	return key
}

// MAC is the keyed hash for name; asking again gives the same object. Names are constants of the program:
// they are cached for ever, so nothing from a request may become one.
func (r *Ring) MAC(name string) *MAC {
	if m, ok := r.macs.Load(name); ok {
		return m.(*MAC)
	}
	key := r.derive(forMAC, name)
	m, _ := r.macs.LoadOrStore(name, newMAC(key[:]))
	return m.(*MAC)
}

// create lays down the records of a new deployment; where they exist, nothing happens.
func (r *Ring) create(ctx context.Context) error {
	first := []struct {
		name string
		make func() ([]byte, error)
	}{
		{metaSeal, newSealing},
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

// Reload reads what other processes have rotated.
func (r *Ring) Reload(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	return r.reload(ctx)
}

// reload is Reload for those who hold the turn.
func (r *Ring) reload(ctx context.Context) error {
	var next keys
	for _, part := range []struct {
		name string
		read func(plain []byte) error
	}{
		{metaSeal, func(p []byte) (err error) { next.seal, err = readSealing(p); return err }},
		{metaRefresh, func(p []byte) (err error) { next.refresh, err = r.readRefreshing(p); return err }},
		{metaSigning, func(p []byte) (err error) { next.signing, err = r.readSigning(p); return err }},
	} {
		plain, _, err := r.loadRecord(ctx, part.name)
		if err != nil {
			return err
		}
		if err := part.read(plain); err != nil {
			return fmt.Errorf("keyring: read %s: %w", part.name, err)
		}
	}
	r.live.Store(&next)
	return nil
}

// Follow reloads at every tick until ctx ends, so that this process takes part in rotations made by
// others. A failed reload is reported and tried again: the keys at hand stay good meanwhile.
func (r *Ring) Follow(ctx context.Context, every time.Duration, report func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.Reload(ctx); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
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
