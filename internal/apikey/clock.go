package apikey

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
)

// A bot whose clock drifts works until it does not, and then in the middle of the night.
// Its owner hears of it when half of what its window allows is gone (section E5).
//
// How far a clock is off cannot be told from one request: what was long under way looks
// like a slow clock. Of a few requests the one that was least delayed says it best.

const (
	clockSamples = 8
	maxFirsts    = 4              // first uses that are written at once
	clockEvery   = 24 * time.Hour // an owner hears of one key's clock at most so often
)

// clockWatch is what was seen of a bot's clock since it was last judged.
type clockWatch struct {
	best atomic.Int32 // the skew that is furthest ahead, milliseconds
	n    atomic.Uint32
}

// saw takes one request in. ok is true when a judgement is due, of this skew.
func (w *clockWatch) saw(skew time.Duration) (judged time.Duration, ok bool) {
	ms := int32(skew.Milliseconds()) // within a window of a minute
	for {
		was := w.best.Load()
		if was != 0 && ms <= was || w.best.CompareAndSwap(was, ms) {
			break
		}
	}
	if w.n.Add(1)%clockSamples != 0 {
		return 0, false
	}
	return time.Duration(w.best.Swap(0)) * time.Millisecond, true
}

// off reports whether a clock is so far off that its owner has to know: half of the
// window behind, or half of what may be ahead.
func off(skew, window time.Duration) bool { return skew < -window/2 || skew > ahead/2 }

// watchClock looks at the clock of a request that was let in.
func (s *Service) watchClock(k *opened, skew, window time.Duration, peer netip.Addr, now time.Time) {
	judged, ok := k.clock.saw(skew)
	if !ok || !off(judged, window) || now.Sub(k.toldOfClock()) < clockEvery {
		return
	}
	if !k.once(now) {
		return
	}
	one := sighting{kind: sightClock, key: k.ID, addr: peer, at: now, n: judged.Milliseconds()}
	go func() { // nobody's order waits for it; what fails is seen again by a later request
		ctx, cancel := context.WithTimeout(context.Background(), claimPatience)
		defer cancel()
		if s.reader {
			_ = s.sight(ctx, one)
		} else {
			_ = s.tell(ctx, one)
		}
	}()
}

// firstUse writes at once that a key works: somebody sits before its page and waits.
func (s *Service) firstUse(k *opened, peer netip.Addr, now time.Time) {
	// A few at once: while the log is not heard a key is read anew for each request, and
	// every one is its first. Whoever finds no room is seen within a minute (Run).
	if s.firsts.Add(1) > maxFirsts {
		s.firsts.Add(-1)
		return
	}
	one := sighting{kind: sightFirst, key: k.ID, addr: peer, at: now}
	go func() {
		defer s.firsts.Add(-1)
		ctx, cancel := context.WithTimeout(context.Background(), claimPatience)
		defer cancel()
		// Whatever of it fails is done within a minute all the same (Run).
		if s.Flush(ctx) == nil && s.reader {
			_ = s.sight(ctx, one)
		}
	}()
}

func (s *Service) clockIsOff(ctx context.Context, k *opened, one sighting) error {
	return s.seen(ctx, k, one.addr, sqlClockOff, clockEvery, "apikey.clock_off", map[string]string{"skew": fmt.Sprintf("%+.1f s", float64(one.n)/1000)})
}
