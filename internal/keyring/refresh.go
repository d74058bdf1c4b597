package keyring

import (
	"context"
	"slices"
	"strconv"
	"time"
)

// refreshing is the refresh keys that are alive, by kid.
type refreshing struct {
	current uint32
	keys    map[uint32]refreshKey
	stored  []byte
}

type refreshKey struct {
	term
	mac *MAC
}

func (r *Ring) readRefreshing(plain []byte) (refreshing, error) {
	t, err := readTimetable(plain)
	if err != nil {
		return refreshing{}, err
	}
	out := refreshing{current: t.Current, keys: make(map[uint32]refreshKey, len(t.Terms))}
	for _, k := range t.Terms {
		key := r.derive(forRefresh, strconv.FormatUint(uint64(k.N), 10))
		out.keys[k.N] = refreshKey{term: k, mac: newMAC(key[:])}
	}
	return out, nil
}

// RefreshKey is the key that made the refresh tokens marked kid. False for a kid that never was, and for
// one whose time is over.
func (r *Ring) RefreshKey(kid uint32) (*MAC, bool) {
	k, ok := r.live.Load().refresh.keys[kid]
	if !ok || !k.alive(r.now().UnixMicro()) {
		return nil, false
	}
	return k.mac, true
}

// CurrentRefreshKID is the kid that new refresh tokens carry.
func (r *Ring) CurrentRefreshKID() uint32 { return r.live.Load().refresh.current }

// RefreshKID is one line of the list of refresh keys, for operators.
type RefreshKID struct {
	KID     uint32
	Created time.Time
	Until   time.Time // zero while the key is current or next
	Current bool
}

// RefreshKIDs lists the refresh keys that are alive, oldest first.
func (r *Ring) RefreshKIDs() []RefreshKID {
	live := r.live.Load().refresh
	at := r.now().UnixMicro()
	var out []RefreshKID
	for kid, k := range live.keys {
		if !k.alive(at) {
			continue
		}
		line := RefreshKID{KID: kid, Created: time.UnixMicro(k.Created).UTC(), Current: kid == live.current}
		if k.Until != 0 {
			line.Until = time.UnixMicro(k.Until).UTC()
		}
		out = append(out, line)
	}
	slices.SortFunc(out, func(a, b RefreshKID) int { return int(a.KID) - int(b.KID) })
	return out
}

// RotateRefresh puts the next refresh key to work. Tokens of the old one stay good for RefreshOverlap, so
// nobody is signed out. When another process rotated a moment earlier, its rotation is the one that counts.
func (r *Ring) RotateRefresh(ctx context.Context) error {
	return r.rotate(ctx, metaRefresh, r.CurrentRefreshKID(), RefreshOverlap)
}

// WithdrawRefresh ends a rotated refresh key before its time: every token that carries the kid is refused,
// here at once and elsewhere after the next Reload. For a key that is known to be out.
func (r *Ring) WithdrawRefresh(ctx context.Context, kid uint32) error {
	return r.withdraw(ctx, metaRefresh, kid)
}

func (r *Ring) rotate(ctx context.Context, name string, seen uint32, overlap time.Duration) error {
	return r.change(ctx, name, func(plain []byte) ([]byte, error) {
		t, err := readTimetable(plain)
		if err != nil {
			return nil, err
		}
		if t.Current != seen {
			return nil, nil
		}
		return t.rotate(r.now(), overlap).encode()
	})
}

func (r *Ring) withdraw(ctx context.Context, name string, n uint32) error {
	return r.change(ctx, name, func(plain []byte) ([]byte, error) {
		t, err := readTimetable(plain)
		if err != nil {
			return nil, err
		}
		if t, err = t.withdraw(n); err != nil {
			return nil, err
		}
		return t.encode()
	})
}
