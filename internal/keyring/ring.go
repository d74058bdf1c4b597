package keyring

import (
	"bytes"
	"context"
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

// Ring is all keys of one deployment. Safe for concurrent use.
type Ring struct {
	redacted
	shelf Shelf
	now   func() time.Time
	prk   []byte         // HKDF of the root secret; never changes
	wrap  *subtle.AESGCM // wraps the records below, under a key derived from the root

	reach reach // what is known of the KEK since

	subkeys sync.Map // name → [32]byte
	macs    sync.Map // name → *MAC

	safe Safe // of the secrets of API keys

	turn sync.Mutex // held by Reload and the Rotate methods, so that an older state never replaces a newer
	live atomic.Pointer[keys]
}

// keys is one state of everything that rotates, replaced as a whole. Each part remembers the stored record
// it was read from.
type keys struct {
	seal    sealing
	refresh refreshing
	signing signing
}

// Open unwraps the root secret, or makes one when the shelf has none yet. A KEK that does not open it is
// refused with ErrKeyForeign or ErrKEKOther: going on with a new root would lose what the old one sealed. One
// that is away is ErrKEKUnavailable, and no ring: there is no way on without it.
func Open(ctx context.Context, kek KEK, shelf Shelf, now func() time.Time) (*Ring, error) {
	asked := now()
	root, canary, err := openRoot(ctx, kek, shelf)
	if err != nil {
		return nil, err
	}
	prk, err := extract(root, []byte(deriveSalt))
	clear(root)
	if err != nil {
		return nil, fmt.Errorf("keyring: extract: %w", err)
	}
	r := &Ring{shelf: shelf, now: now, prk: prk}
	r.safe.ring = r
	r.reach.init(kek, canary, asked)
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

// Reload reads what other processes have rotated.
func (r *Ring) Reload(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	return r.reload(ctx)
}

// reload is Reload for those who hold the turn. A record that has not changed is not derived again: Follow
// comes by every half minute, and rotations every few weeks.
func (r *Ring) reload(ctx context.Context) error {
	var next keys
	var safe safeKeys
	if last := r.live.Load(); last != nil {
		next, safe = *last, *r.safe.keys.Load()
	}
	for _, part := range []struct {
		name string
		seen *[]byte
		read func(plain []byte) error
	}{
		{metaSeal, &next.seal.stored, func(p []byte) (err error) { next.seal, err = readSealing(p); return err }},
		{metaSafe, &safe.stored, func(p []byte) error {
			k, err := r.readSafe(p)
			if err == nil {
				safe = *k
			}
			return err
		}},
		{metaRefresh, &next.refresh.stored, func(p []byte) (err error) { next.refresh, err = r.readRefreshing(p); return err }},
		{metaSigning, &next.signing.stored, func(p []byte) (err error) { next.signing, err = r.readSigning(p); return err }},
	} {
		plain, stored, err := r.loadRecord(ctx, part.name)
		if err != nil {
			return err
		}
		if bytes.Equal(stored, *part.seen) {
			continue
		}
		if err := part.read(plain); err != nil {
			return fmt.Errorf("keyring: read %s: %w", part.name, err)
		}
		*part.seen = stored
	}
	r.safe.keys.Store(&safe)
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
