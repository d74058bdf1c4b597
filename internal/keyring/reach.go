package keyring

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// reach is what is known of the KEK since the root was opened. The root itself stays in memory: this is how
// a process that could go on without its KEK keeps the word that it does not.
type reach struct {
	kek    KEK
	canary []byte // worthless, wrapped like the root and not later than it; nil where there is none

	turn  sync.Mutex   // held by Contact
	until atomic.Int64 // Unix nanoseconds; the ring is shut from then on
	away  atomic.Bool  // the last contact failed
}

func (h *reach) init(kek KEK, canary []byte, asked time.Time) {
	h.kek, h.canary = kek, canary
	h.until.Store(math.MaxInt64)
	if h.watched() {
		h.until.Store(asked.Add(KEKGrace).UnixNano())
	}
}

func (h *reach) watched() bool { return h.kek.Remote() && h.canary != nil }

// Usable reports whether what the KEK opened may be used at now: one load. It is false from KEKGrace after
// the last contact on, also in a process that was stopped meanwhile and in which nobody has looked since.
func (r *Ring) Usable(now time.Time) bool { return now.UnixNano() < r.reach.until.Load() }

// Standing is nil, ErrNothingNew or ErrShut.
func (r *Ring) Standing() error {
	switch {
	case !r.Usable(r.now()):
		return ErrShut
	case r.reach.away.Load():
		return ErrNothingNew
	}
	return nil
}

// KEK is the name of the key that opened this ring.
func (r *Ring) KEK() string { return r.reach.kek.Name() }

// Contact asks the KEK to open what it wrapped, and so proves that it still would open the root. Not the
// root: it would travel twice a minute for nothing. A key that is not remote is not asked.
func (r *Ring) Contact(ctx context.Context) error {
	h := &r.reach
	if !h.watched() {
		return nil
	}
	h.turn.Lock()
	defer h.turn.Unlock()
	asked := r.now() // before the question: an answer that took long vouches for when it was asked
	plain, err := h.kek.Unwrap(ctx, h.canary, purpose(forCanary, h.kek.Name()))
	if err == nil && !Equal(plain, []byte(canaryText)) {
		// Whoever answers something else is not the key, whatever it says.
		err = fmt.Errorf("%w: it opens what it wrapped as something else", ErrKEKRefused)
	}
	if err != nil {
		h.away.Store(true)
		return err
	}
	h.until.Store(asked.Add(KEKGrace).UnixNano())
	h.away.Store(false)
	return nil
}

// FollowKEK asks at every tick until ctx ends. What goes wrong is reported each time; so is what is right
// again, as nil.
func (r *Ring) FollowKEK(ctx context.Context, every time.Duration, report func(error)) {
	if !r.reach.watched() {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		was := r.reach.away.Load()
		if err := r.Contact(ctx); ctx.Err() == nil && (err != nil || was) {
			report(err)
		}
	}
}
