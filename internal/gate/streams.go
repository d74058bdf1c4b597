package gate

import (
	"net/netip"
	"sync"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
)

// Bounds of what is open at once. Zero values take the defaults.
type Bounds struct {
	Streams int // in all
	PerKey  int
}

const (
	defaultStreams = 10_000
	defaultPerKey  = 100

	// A socket that has not logged in costs a connection and proves nothing.
	loginPatience = 10 * time.Second
	maxWaiting    = 1024
	maxWaitingAt  = 32 // of one address, or of one IPv6 network

	judgesAtOnce = 8

	tickEvery  = time.Second
	pingAfter  = 30 // ticks in which a client said nothing
	silentFor  = 90 // ticks; it did not answer two pings, and is gone
	hearsEvery = 50 * time.Millisecond
)

// streams are those that this process has open.
type streams struct {
	Bounds
	judges chan struct{} // as many places as may ask the database at once

	mu      sync.Mutex // guards the rest
	open    map[*stream]struct{}
	byKey   map[apikey.ID]map[*stream]struct{}
	of      map[account.ID]map[*stream]struct{}
	waiting map[netip.Prefix]int // before their login
	waits   int
	closed  bool
	ticking bool
	ends    sync.WaitGroup
}

func (l *streams) init(b Bounds) {
	if b.Streams == 0 {
		b.Streams = defaultStreams
	}
	if b.PerKey == 0 {
		b.PerKey = defaultPerKey
	}
	l.Bounds, l.judges = b, make(chan struct{}, judgesAtOnce)
	l.open, l.byKey, l.of, l.waiting = map[*stream]struct{}{}, map[apikey.ID]map[*stream]struct{}{}, map[account.ID]map[*stream]struct{}{}, map[netip.Prefix]int{}
}

// add takes a place for a stream; false: there is none.
func (l *streams) add(s *stream) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.open) >= l.Streams || s.decision != nil && len(l.byKey[s.decision.Key.ID]) >= l.PerKey {
		return false
	}
	l.open[s] = struct{}{}
	if s.decision != nil {
		put(l.byKey, s.decision.Key.ID, s)
		put(l.of, s.decision.Key.Account, s)
	}
	l.ends.Add(1)
	if !l.ticking {
		l.ticking = true
		go l.tick(s.g)
	}
	return true
}

func (l *streams) remove(s *stream) {
	l.mu.Lock()
	delete(l.open, s)
	if s.decision != nil {
		drop(l.byKey, s.decision.Key.ID, s)
		drop(l.of, s.decision.Key.Account, s)
	}
	l.mu.Unlock()
	l.ends.Done()
}

func put[K comparable](m map[K]map[*stream]struct{}, k K, s *stream) {
	if m[k] == nil {
		m[k] = map[*stream]struct{}{}
	}
	m[k][s] = struct{}{}
}

func drop[K comparable](m map[K]map[*stream]struct{}, k K, s *stream) {
	if delete(m[k], s); len(m[k]) == 0 {
		delete(m, k)
	}
}

func listed(m map[*stream]struct{}) []*stream {
	out := make([]*stream, 0, len(m))
	for s := range m {
		out = append(out, s)
	}
	return out
}

// wait takes a place for a socket before its login; the caller gives it back.
func (l *streams) wait(peer netip.Addr) (back func(), ok bool) {
	bits := 32
	if peer = peer.Unmap().WithZone(""); peer.Is6() {
		bits = 64
	}
	at, err := peer.Prefix(bits)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || l.closed || l.waits >= maxWaiting || l.waiting[at] >= maxWaitingAt {
		return nil, false
	}
	l.waits++
	l.waiting[at]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waits--
		if l.waiting[at]--; l.waiting[at] == 0 {
			delete(l.waiting, at)
		}
	}, true
}

// Heard takes in what the log tells: each stream that it may be about is held, and then
// judged by what the database says now. Register it with the watch behind the cache of
// keys, which has to forget first what it knew.
func (g *Gate) Heard(e audit.Effect, _ audit.Record) {
	l := &g.streams
	l.mu.Lock()
	var list []*stream
	switch e.Kind {
	case "apikey":
		list = listed(l.byKey[apikey.ID(e.ID)])
	case "account":
		list = listed(l.of[account.ID(e.ID)])
	case "everyone", "apikeys":
		list = listed(l.open)
	}
	l.mu.Unlock()
	for _, s := range list {
		s.hold()
	}
}

// tick pings the silent, and ends what outlives the hearing of the gate. It runs while
// there is something to look after.
func (l *streams) tick(g *Gate) {
	beat := time.NewTicker(hearsEvery)
	defer beat.Stop()
	deaf := 0
	for n := 1; ; n++ {
		<-beat.C
		if g.hears() {
			deaf = 0
		} else {
			deaf++
		}
		second := n%int(tickEvery/hearsEvery) == 0
		if !second && deaf == 0 {
			continue
		}
		l.mu.Lock()
		list := listed(l.open)
		if l.ticking = len(list) > 0; !l.ticking {
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		for _, s := range list {
			if deaf == 1 && s.decision != nil {
				s.nudge()
			}
			if deaf >= int(graceless/hearsEvery) && s.decision != nil {
				s.end(closeLater, "the gate has lost touch with what ends keys; open the stream again")
				continue
			}
			if !second {
				continue
			}
			switch silent := s.silent.Add(1); {
			case silent >= silentFor:
				s.end(closeGone, "the client does not answer")
			case silent%pingAfter == 0:
				s.ping()
			}
		}
	}
}

// nudge has writes that hang ask again whether they may.
func (s *stream) nudge() {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	if ready {
		s.client.nudge()
		s.upstream.nudge()
	}
}

// EndStreams closes all streams and lets no new one begin: the process stops. Clients
// read that they may come back at once.
func (g *Gate) EndStreams() {
	l := &g.streams
	l.mu.Lock()
	l.closed = true
	list := listed(l.open)
	l.mu.Unlock()
	for _, s := range list {
		s.end(closeRestart, "the gate restarts; open the stream again")
	}
	l.ends.Wait()
}

// Streams is how many are open.
func (g *Gate) Streams() int {
	g.streams.mu.Lock()
	defer g.streams.mu.Unlock()
	return len(g.streams.open)
}
