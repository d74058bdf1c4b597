package apikey

import (
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"keyward/internal/account"
	"keyward/internal/store"
)

// packed is a key as it lies in memory, where there may be a million of them: the fields
// that decide about a request and no others, as small as they can be. A key with one
// version, at most one place of IPv4, no list of markets and no cap for a day, as most are,
// is written out; of any other one the whole is kept.
//
// TestWhatDecidesSurvivesPacking holds the two forms to each other, field by field: one
// that is new in Key is packed, or listed there as not needed for a decision.
type packed struct {
	id      ID            // the same text as the name that it is found by
	text    string        // account, sub-account, and the secret or the public key
	whole   *opened       // not nil: nothing else counts
	tat     *atomic.Int64 // of the key, not of this reading of it
	starts  int64         // unix microseconds, as stored
	expires int64
	marks   marks
	perMin  int32
	version int32
	window  uint16 // milliseconds
	n       uint16 // of the one version
	scopes  Scopes
	place   [4]byte // the one place, of IPv4
	kind    uint8   // profile and algorithm in the lists below, and whether it is locked
	where   uint8   // status in its list, and the bits of the place; anywhere: there is none
	account uint8   // length of it
	sub     uint8
}

// A key takes 112 bytes: with one more the next size that memory comes in is 128.

var (
	packedProfiles = Profiles()
	packedAlgs     = []Alg{Ed25519, HMACSHA256, HMACSHA384, HMACSHA512, ES256}
	packedStatuses = []Status{Active, Quarantined, Revoked}
)

const (
	anywhere = 1<<6 - 1

	algAt, lockedBit, statusAt = 4, 1 << 7, 6
)

// pack makes the small form. What k counts it counts there from then on.
func pack(id ID, k *opened) *packed {
	p := &packed{id: id, tat: k.tat, scopes: k.Scopes, starts: store.Micros(k.Starts), expires: store.Micros(k.Expires)}
	profile, alg, status := slices.Index(packedProfiles, k.Profile), slices.Index(packedAlgs, k.Alg), slices.Index(packedStatuses, k.Status)
	whole := k.honey || k.Asleep != Awake || profile < 0 || alg < 0 || status < 0 || len(k.versions) != 1 || len(k.Allow) > 1 || len(k.Deny) > 0 || len(k.Symbols) > 0 || k.DayCap != (DayCap{}) || !k.browserAt.IsZero() || k.ID != id ||
		len(k.Account) > math.MaxUint8 || len(k.Sub) > math.MaxUint8 || k.Window > math.MaxUint16*time.Millisecond || k.Window%time.Millisecond != 0 || k.PerMin > math.MaxInt32 || k.Version > math.MaxInt32 ||
		!store.Time(p.starts).Equal(k.Starts) || !store.Time(p.expires).Equal(k.Expires)
	if !whole {
		v := &k.versions[0]
		whole = v.name != "" || v.ends != 0 || v.passphrase != [32]byte{} || v.n > math.MaxUint16 || v.mac == nil && len(v.public) != len(k.room.public)
	}
	if !whole && len(k.Allow) == 1 {
		whole = !k.Allow[0].Addr().Is4() || !k.Allow[0].IsValid()
	}
	if whole {
		p.whole = k
		note := k.Purpose
		defer func() {
			if k.honey {
				k.Purpose = note // for the alarm
			}
		}()
		k.Purpose, k.Partner, k.Made, k.UsedAt, k.UsedAddr, k.EndedAt, k.EndedWhy, k.lockedBy = "", "", Made{}, time.Time{}, "", time.Time{}, "", ""
		return p
	}
	p.marks.told.Store(k.told.Load())
	k.marks = &p.marks
	v := &k.versions[0]
	secret := v.secret.Reveal()
	if v.mac == nil {
		secret = string(v.public)
	}
	p.text = string(k.Account) + k.Sub + secret
	p.account, p.sub = uint8(len(k.Account)), uint8(len(k.Sub))
	p.window, p.perMin, p.version, p.n = uint16(k.Window.Milliseconds()), int32(k.PerMin), int32(k.Version), uint16(v.n)
	bits := anywhere
	if len(k.Allow) == 1 {
		p.place, bits = k.Allow[0].Addr().As4(), k.Allow[0].Bits()
	}
	p.kind, p.where = uint8(profile|alg<<algAt), uint8(status<<statusAt|bits)
	if k.Locked {
		p.kind |= lockedBit
	}
	return p
}

// openedRoom is where the parts of an unpacked key lie that are no text.
type openedRoom struct {
	versions [1]verifier
	allow    [1]netip.Prefix
	public   [32]byte
}

var openeds = sync.Pool{New: func() any { return new(opened) }}

// opened unpacks a key. It is good until it is released.
func (p *packed) opened() *opened {
	if p.whole != nil {
		return p.whole
	}
	k := openeds.Get().(*opened)
	a, b := int(p.account), int(p.account)+int(p.sub)
	k.Key = Key{ID: p.id, Account: account.ID(p.text[:a]), Sub: p.text[a:b], Profile: packedProfiles[p.kind&(1<<algAt-1)], Alg: packedAlgs[p.kind&(lockedBit-1)>>algAt], Status: packedStatuses[p.where>>statusAt], Scopes: p.scopes,
		Starts: store.Time(p.starts), Expires: store.Time(p.expires), Window: time.Duration(p.window) * time.Millisecond, PerMin: int(p.perMin), Version: int64(p.version), Locked: p.kind&lockedBit != 0}
	k.tat, k.marks = p.tat, &p.marks
	v := &k.room.versions[0]
	*v = verifier{n: int64(p.n), mac: macOf(k.Alg)}
	if v.mac == nil {
		copy(k.room.public[:], p.text[b:])
		v.public = k.room.public[:]
	} else {
		v.secret = v.mac.Key(p.text[b:])
	}
	k.versions = k.room.versions[:]
	if bits := int(p.where & anywhere); bits != anywhere {
		k.room.allow[0] = netip.PrefixFrom(netip.AddrFrom4(p.place), bits)
		k.Allow = k.room.allow[:]
	}
	return k
}

// release gives the room of an unpacked key back. Nothing of it may be used afterwards but
// its texts.
func release(k *opened) {
	if k != nil && len(k.versions) > 0 && &k.versions[0] == &k.room.versions[0] {
		k.room = openedRoom{} // no secret stays behind
		openeds.Put(k)
	}
}

// decided is the key without what lies in the room.
func (k *opened) decided() Key {
	out := k.Key
	out.Allow, out.Deny = nil, nil
	return out
}

// keyCache holds keys in their small form.
type keyCache struct{ cache[ID, packed] }

// keyPlace is a place that was taken before the database was read.
type keyPlace struct {
	id ID
	p  *atomic.Pointer[packed]
}

func (c *keyCache) get(id ID) *opened {
	if p := c.cache.get(id); p != nil {
		return p.opened()
	}
	return nil
}

func (c *keyCache) reserve(id ID) *keyPlace { return &keyPlace{id, c.keep(id)} }

// Store fills the place. What decided the request that read it goes on deciding it.
func (p *keyPlace) Store(k *opened) { p.p.Store(pack(p.id, k)) }
