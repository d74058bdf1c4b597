package edge

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Limiter is GCRA in memory: per class and key one number, the theoretical
// arrival time (TAT) of the next request that would keep the sustained rate.
//
// Keys are kept as 64-bit seeded hashes, never as text: sixteen bytes each, no
// address book of our visitors in a core dump, and nobody outside can choose
// keys that collide. Memory is bounded. When a shard is full, entries whose TAT
// has passed are dropped (that forgets nothing: they are fully replenished).
// If none has, somebody is inventing keys, and the newcomer is counted in its
// class's one coarse bucket. Evicting the oldest instead would let a flood of
// invented keys wipe out the limits that hold real guessers.
type Limiter struct {
	now     func() time.Time
	seed    maphash.Seed
	gauge   [classCount][3]gcra // perKey, perNet, coarse
	metrics *Metrics
	shards  [limitShards]limitShard
}

type limitShard struct {
	mu    sync.Mutex // guards the rest
	tat   map[uint64]int64
	swept int64 // when the last sweep ended; sweeping is the costly part

	_ [64]byte // keeps neighbours' locks off this cache line
}

// gcra holds the rate as two durations.
type gcra struct {
	emit  int64 // nanoseconds that one request costs
	burst int64 // nanoseconds the TAT may run ahead of now
}

const (
	perKey = iota
	perNet
	coarse
)

// NewLimiter: factor multiplies every rate; zero means 1.
func NewLimiter(now func() time.Time, factor float64) *Limiter {
	if factor <= 0 {
		factor = 1
	}
	l := &Limiter{now: now, seed: maphash.MakeSeed()}
	for c, p := range policies {
		for i, r := range [...]rate{p.key, p.net, p.all} {
			l.gauge[c][i] = newGCRA(r, factor)
		}
	}
	for i := range l.shards {
		l.shards[i].tat = make(map[uint64]int64)
	}
	return l
}

func newGCRA(r rate, factor float64) gcra {
	n := max(1, int64(float64(r.burst)*factor))
	emit := int64(r.per) / n
	return gcra{emit: emit, burst: emit * n}
}

// Check is Allow as an error: nil, or the problem to answer with.
func (l *Limiter) Check(class Class, key string) error {
	if ok, wait := l.Allow(class, key); !ok {
		return l.Refusal(class, wait)
	}
	return nil
}

// CheckAddr is AllowAddr as an error.
func (l *Limiter) CheckAddr(class Class, addr netip.Addr) error {
	if ok, wait := l.AllowAddr(class, addr); !ok {
		return l.Refusal(class, wait)
	}
	return nil
}

// Refusal is the problem that belongs to a "no", with the fields of
// draft-ietf-httpapi-ratelimit-headers-10 (RateLimit-Policy, RateLimit) and
// Retry-After (RFC 9110 §10.2.3), which every client understands.
func (l *Limiter) Refusal(class Class, retryAfter time.Duration) *Error {
	name, g := policies[class].name, l.gauge[class][perKey]
	return errLimited.RetryIn(retryAfter).
		Header("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", name, g.burst/g.emit, g.burst/int64(time.Second))).
		Header("RateLimit", fmt.Sprintf("%q;r=0;t=%s", name, wholeSeconds(retryAfter)))
}

// Allow counts one request of the class under key: an account, a mail address,
// a client id. retryAfter is when the same request would pass.
func (l *Limiter) Allow(class Class, key string) (ok bool, retryAfter time.Duration) {
	var h maphash.Hash
	h.SetSeed(l.seed)
	h.WriteByte(byte(class))
	h.WriteByte('s')
	h.WriteString(key)
	return l.take(h.Sum64(), class, perKey)
}

// AllowAddr counts one request under the client's address and under the block
// it was rented with: /24 for IPv4; for IPv6 the /64 stands for the address
// (a household gets at least that much) and the /48 for the block.
//
// The narrow bucket comes first: otherwise one noisy address could keep
// emptying its neighbours' block after its own allowance is gone.
func (l *Limiter) AllowAddr(class Class, addr netip.Addr) (ok bool, retryAfter time.Duration) {
	addr = addr.Unmap().WithZone("")
	narrow, wide := 32, 24
	if addr.Is6() {
		narrow, wide = 64, 48
	}
	if ok, retryAfter = l.take(l.addrKey(class, addr, narrow), class, perKey); !ok {
		return false, retryAfter
	}
	return l.take(l.addrKey(class, addr, wide), class, perNet)
}

// WaitAddr is how long an address would have to wait now; it counts nothing.
func (l *Limiter) WaitAddr(class Class, addr netip.Addr) time.Duration {
	addr = addr.Unmap().WithZone("")
	narrow, wide := 32, 24
	if addr.Is6() {
		narrow, wide = 64, 48
	}
	return max(l.wait(l.addrKey(class, addr, narrow), class, perKey), l.wait(l.addrKey(class, addr, wide), class, perNet))
}

func (l *Limiter) wait(key uint64, class Class, level int) time.Duration {
	now := l.now().UnixNano()
	s := &l.shards[key%limitShards]
	s.mu.Lock()
	tat := s.tat[key]
	s.mu.Unlock()
	_, wait := l.gauge[class][level].next(tat, now)
	return wait
}

func (l *Limiter) addrKey(class Class, addr netip.Addr, bits int) uint64 {
	b := addr.As16() // the zero Addr is ::, one bucket for peers without address
	if addr.Is4() {
		bits += 96
	}
	clear(b[bits/8:])
	var h maphash.Hash
	h.SetSeed(l.seed)
	h.WriteByte(byte(class))
	h.WriteByte(byte(bits))
	h.Write(b[:])
	return h.Sum64()
}

func (l *Limiter) take(key uint64, class Class, level int) (bool, time.Duration) {
	now := l.now().UnixNano()
	s := &l.shards[key%limitShards]
	s.mu.Lock()
	tat, known := s.tat[key]
	if !known && len(s.tat) >= limitEntries && !s.sweep(now) {
		s.mu.Unlock()
		return l.takeCoarse(now, class)
	}
	next, wait := l.gauge[class][level].next(tat, now)
	if wait == 0 {
		s.tat[key] = next
	}
	s.mu.Unlock()
	if wait != 0 {
		l.metrics.limited(class)
	}
	return wait == 0, wait
}

// takeCoarse uses entries past the bound; there are classCount of them.
func (l *Limiter) takeCoarse(now int64, class Class) (bool, time.Duration) {
	key := uint64(class) // not a hash; a clash is as likely as with any other key
	s := &l.shards[key%limitShards]
	s.mu.Lock()
	next, wait := l.gauge[class][coarse].next(s.tat[key], now)
	if wait == 0 {
		s.tat[key] = next
	}
	s.mu.Unlock()
	if wait != 0 {
		l.metrics.limited(class)
	}
	return wait == 0, wait
}

// next is GCRA (ITU-T I.371): the TAT after one more request, or how long
// until it would conform.
func (g gcra) next(tat, now int64) (int64, time.Duration) {
	tat = max(tat, now) + g.emit
	if ahead := tat - now - g.burst; ahead > 0 {
		return 0, time.Duration(ahead)
	}
	return tat, 0
}

// sweep drops replenished entries, at most once per limitSweep so that a flood
// cannot make us scan for each of its requests. True when there is room.
func (s *limitShard) sweep(now int64) bool {
	if now-s.swept < int64(limitSweep) {
		return false
	}
	s.swept = now
	for k, tat := range s.tat {
		if tat <= now {
			delete(s.tat, k)
		}
	}
	return len(s.tat) < limitEntries
}
