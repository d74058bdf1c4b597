package apikey

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

const shards = 64

// cache holds what this process looked up. It is honest for three reasons: the lease is
// asked before the lookup (DESIGN §7); a reader takes its place before it reads the
// database; and a change takes the place away, so what was read before it is filled
// into a place that nobody finds any more.
type cache[K ~string, V any] struct {
	most   int // of a shard
	seed   maphash.Seed
	shards [shards]struct {
		mu sync.RWMutex // guards m
		m  map[K]*atomic.Pointer[V]
	}
}

func (c *cache[K, V]) init(most int) {
	c.most = most / shards
	c.seed = maphash.MakeSeed()
	for i := range c.shards {
		c.shards[i].m = map[K]*atomic.Pointer[V]{}
	}
}

func (c *cache[K, V]) at(k K) int { return int(maphash.String(c.seed, string(k)) % shards) }

func (c *cache[K, V]) get(k K) *V {
	sh := &c.shards[c.at(k)]
	sh.mu.RLock()
	p := sh.m[k]
	sh.mu.RUnlock()
	if p == nil {
		return nil
	}
	return p.Load()
}

func (c *cache[K, V]) reserve(k K) *atomic.Pointer[V] {
	return c.keep(K(strings.Clone(string(k)))) // it may be part of a request's headers
}

// keep is reserve for a name that is ours to keep.
func (c *cache[K, V]) keep(k K) *atomic.Pointer[V] {
	p := new(atomic.Pointer[V])
	sh := &c.shards[c.at(k)]
	sh.mu.Lock()
	if len(sh.m) >= c.most {
		for other := range sh.m { // any one: map order is random enough for an eviction
			delete(sh.m, other)
			break
		}
	}
	sh.m[k] = p
	sh.mu.Unlock()
	return p
}

func (c *cache[K, V]) forget(k K) {
	sh := &c.shards[c.at(k)]
	sh.mu.Lock()
	delete(sh.m, k)
	sh.mu.Unlock()
}

func (c *cache[K, V]) forgetAll() {
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		sh.m = map[K]*atomic.Pointer[V]{}
		sh.mu.Unlock()
	}
}

// opened is a key as it is checked with: its secrets opened once, into keyed states.
type opened struct {
	Key
	versions []verifier    // the newest first
	tat      *atomic.Int64 // of the key, not of this reading of it
	*marks

	last atomic.Int32 // index of the version that signed last; what was packed has one

	room openedRoom // for what was packed
}

// marks change while a key is remembered.
type marks struct {
	probes  atomic.Int64
	clock   clockWatch
	told    atomic.Uint32 // unix minute in which its owner was told of its clock, 0: never; and used
	sighted atomic.Uint32 // unix second in which something of it was written down for a server
}

// used says that the first use of a key was written down. The minutes of the next
// thousand years leave the bit free, and a field of its own would cost every key four bytes.
const used = 1 << 31

// newMarks are the marks of a key that was just read.
func newMarks(k *Key) *marks {
	m := new(marks)
	var told uint32
	if !k.clockAt.IsZero() {
		told = uint32(k.clockAt.Unix() / 60)
	}
	if !k.UsedAt.IsZero() {
		told |= used
	}
	m.told.Store(told)
	return m
}

// first reports whether nobody wrote down yet that the key works, and takes it.
func (m *marks) first() bool {
	return m.told.Load()&used == 0 && m.told.Or(used)&used == 0
}

// toldOfClock is when its owner was told of its clock; long ago when never.
func (m *marks) toldOfClock() time.Time { return time.Unix(60*int64(m.told.Load()&^used), 0) }

// once reports whether nothing of a key was written down in this second, and takes it.
func (m *marks) once(now time.Time) bool {
	at := uint32(now.Unix())
	last := m.sighted.Load()
	return last != at && m.sighted.CompareAndSwap(last, at)
}

// verifier is one version of what signs: one of the two.
type verifier struct {
	n      int64
	name   string // the id its requests carry; "": the key's own
	ends   int64  // microseconds; 0: it is the one that stays
	public ed25519.PublicKey
	mac    *keyring.Keyed // nil: public holds
	secret keyring.KeyedKey

	passphrase [32]byte // SHA-256 of it; zero where the profile has none
}

func (v *verifier) holds(c *Claim) bool {
	if v.mac != nil {
		same := v.mac.Equal(v.secret, c.Sig, c.Signed)
		if c.Profile.Passphrase() {
			sent := keyring.Hash(c.Passphrase)
			same = keyring.Equal(sent[:], v.passphrase[:]) && same
		}
		return same
	}
	return len(v.public) == ed25519.PublicKeySize && len(c.Sig) == ed25519.SignatureSize && ed25519.Verify(v.public, c.Signed, c.Sig)
}

var mac256, mac384, mac512 = keyring.NewKeyed(sha256.New), keyring.NewKeyed(sha512.New384), keyring.NewKeyed(sha512.New)

// macOf is the MAC of an algorithm; nil: it is none.
func macOf(a Alg) *keyring.Keyed {
	switch a {
	case HMACSHA256:
		return mac256
	case HMACSHA384:
		return mac384
	case HMACSHA512:
		return mac512
	}
	return nil
}

// find looks a key up, from memory where that may be trusted. nil: there is none.
func (s *Service) find(ctx context.Context, id ID) (*opened, error) { return s.findFor(ctx, "", id) }

// findFor is find for a request in profile p. A name with a wrong checksum costs no look
// into the database, and one that is remembered costs no sum.
func (s *Service) findFor(ctx context.Context, p Profile, id ID) (*opened, error) {
	trusted := s.fresh == nil || s.fresh()
	if trusted {
		if k := s.keys.get(id); k != nil {
			return k, nil
		}
		if key := s.names.get(id); key != nil { // a name never becomes another key's
			id = *key
			if k := s.keys.get(id); k != nil {
				return k, nil
			}
		}
	}
	if !mayBeID(p, string(id)) {
		return nil, nil
	}
	if trusted && s.gone.get(id) != nil {
		return nil, nil // as quick as a key that is there: time must not tell them apart
	}
	id = ID(strings.Clone(string(id))) // one text for all that is kept under it; what is remembered must not hold a request's headers
	var place *keyPlace
	var none *atomic.Pointer[struct{}]
	if trusted {
		place, none = s.keys.reserve(id), s.gone.keep(id)
	}
	k, err := s.open(ctx, id)
	switch found := err == nil && k != nil && k.Status != Revoked; {
	case place == nil:
	case found && k.ID != id: // known by the id of a newer version
		key := k.ID // a copy: the name must not keep opened secrets alive
		s.names.reserve(id).Store(&key)
		s.keys.forget(id)
		s.gone.forget(id)
	case found:
		place.Store(k)
		s.gone.forget(id)
	default:
		s.keys.forget(id) // what is invented, or given up half way, must not fill the memory
		if err != nil {
			s.gone.forget(id)
		} else {
			none.Store(new(struct{}))
		}
	}
	if err != nil || k == nil || k.Status == Revoked {
		return nil, err
	}
	return k, nil
}

// open reads a key and opens its secrets. A secret that does not open (a row that was
// moved or written by somebody else) is an error and no key.
func (s *Service) open(ctx context.Context, id ID) (*opened, error) {
	var k opened
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		k = opened{}
		// Two reads for every id: one less or more would tell a key that there is not from one
		// that there is, a trap among them.
		k.Key, err = scanKey(tx.Row(sqlOpenKey, string(id)))
		if err == store.ErrNoRows {
			key, err := named(tx, id)
			if err != nil {
				return err
			}
			if k.Key, err = scanKey(tx.Row(sqlOpenKey, string(key))); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		if k.ID == id {
			k.ID = id // the one text, where there may be a million of them
		}
		rows, err := tx.Rows(sqlVersions, string(k.ID), store.Micros(tx.Now))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var v verifier
			var public, sealed []byte
			var n, ends int64
			var name string
			if err := rows.Scan(&n, &public, &sealed, &name, &ends); err != nil {
				return err
			}
			if k.Alg == Ed25519 {
				v.public = public
			} else if v, err = s.unseal(k.ID, n, k.Profile, k.Alg, sealed); err != nil {
				return err
			}
			v.n, v.ends, v.name = n, ends, name
			k.versions = append(k.versions, v)
		}
		return rows.Err()
	})
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	k.tat, k.marks = s.speeds.of(string(k.ID)), newMarks(&k.Key)
	return &k, nil
}

// standing is what the account of a key may do.
type standing struct {
	status account.Status
	held   map[account.What]time.Time // what is held, until when
	subs   map[string]part            // open ones, by id
	tat    *atomic.Int64              // of all its keys together
}

// holds reports how long a right waits because what it does is held (DESIGN §5: refused
// if frozen or held); 0: it does not.
func (st *standing) holds(need Scopes, now time.Time) time.Duration {
	var wait time.Duration
	if need&Withdraw != 0 {
		wait = st.held[account.HoldWithdraw].Sub(now)
	}
	if need&TransferInternal != 0 {
		wait = max(wait, st.held[account.HoldTransfer].Sub(now))
	}
	return max(wait, 0)
}

func (st *standing) active() bool { return st.status == account.Active }
func (st *standing) closed() bool { return st.status == account.Closed }

// standingAt is standing for a request that was found in a memory nobody vouches for, or
// not (stale 0).
func (s *Service) standingAt(ctx context.Context, acc account.ID, stale time.Duration) (*standing, error) {
	if stale == 0 {
		return s.standing(ctx, acc)
	}
	if st := s.people.get(acc); st != nil {
		return st, nil
	}
	return nil, store.ErrBusy
}

func (s *Service) standing(ctx context.Context, acc account.ID) (*standing, error) {
	trusted := s.fresh == nil || s.fresh()
	var place *atomic.Pointer[standing]
	if trusted {
		if st := s.people.get(acc); st != nil {
			return st, nil
		}
		acc = account.ID(strings.Clone(string(acc))) // of a key, which may be forgotten sooner
		place = s.people.keep(acc)
	}
	st, err := s.stand(ctx, acc)
	if err != nil {
		return nil, err
	}
	if place != nil {
		place.Store(st)
	}
	return st, nil
}

// stand reads it from the database.
func (s *Service) stand(ctx context.Context, acc account.ID) (st *standing, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		status, held, err := s.accounts.Standing(tx, acc)
		if err != nil {
			return err
		}
		st = &standing{status: status, held: held, tat: s.sums.of(string(acc))}
		st.subs, err = s.parts(tx, acc)
		return err
	})
	return st, err
}

// Heard takes in what the log tells: a key or its account has changed.
func (s *Service) Heard(e audit.Effect, r audit.Record) {
	switch e.Kind {
	case "apikey":
		s.keys.forget(ID(e.ID))
		s.gone.forget(ID(e.ID))
	case "account":
		s.people.forget(account.ID(e.ID))
	case "subaccount":
		s.people.forget(account.ID(r.Account)) // its sub-accounts stand with it
	case "everyone", "apikeys", "subaccounts":
		s.keys.forgetAll()
		s.gone.forgetAll()
		s.people.forgetAll()
	}
}

// take is the key's own speed. It answers how long to wait, 0 for "come in".
func (k *opened) take(now time.Time) time.Duration {
	emit := int64(time.Minute) / int64(k.PerMin)
	return late(k.tat, now, emit, emit*int64(max(10, k.PerMin/6)))
}

// probe bounds how often a signature from a foreign address is looked at.
func (k *opened) probe(now time.Time) time.Duration {
	return late(&k.probes, now, int64(probeEvery), int64(probeEvery)*probeBurst)
}

// late is GCRA: one number says when the next request would be on time.
func late(tat *atomic.Int64, now time.Time, emit, burst int64) time.Duration {
	at := now.UnixNano()
	for {
		was := tat.Load()
		next := max(was, at) + emit
		if wait := next - at - burst; wait > 0 {
			return time.Duration(wait)
		}
		if tat.CompareAndSwap(was, next) {
			return 0
		}
	}
}
