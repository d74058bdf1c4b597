package apikey

import (
	"encoding/binary"
	"sync"
	"time"
)

// replays remembers what was let in, for as long as it could come again. Two
// generations: what is older than the longest window is dropped with its map, not one
// by one. Full means refuse: a request that might be a second time is not let in.
type replays struct {
	shards [shards]struct {
		mu       sync.Mutex // guards the rest
		new, old map[[16]byte][16]byte
		turnAt   int64 // unix nanoseconds
		from     int64 // all that was let in since is still known
	}
	most int
}

const replayLife = maxWindow + 2*ahead

func newReplays(most int) *replays { return &replays{most: most / (2 * shards)} }

// claim takes the place of a request. first is the decision that had it before; ok is
// false when it is taken, when there is no room, or when it was signed before all that is
// still known: that happens only after the clock was set back.
func (r *replays) claim(id, decision [16]byte, signed, now time.Time) (first [16]byte, taken, ok bool) {
	sh := &r.shards[binary.LittleEndian.Uint64(id[:])%shards]
	at := now.UnixNano()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if at >= sh.turnAt {
		if at >= sh.turnAt+int64(replayLife) {
			sh.old, sh.from = nil, sh.turnAt
		} else {
			sh.old, sh.from = sh.new, sh.turnAt-int64(replayLife)
		}
		sh.new, sh.turnAt = map[[16]byte][16]byte{}, at+int64(replayLife)
	}
	if first, taken = sh.new[id]; taken {
		return first, true, false
	}
	if first, taken = sh.old[id]; taken {
		return first, true, false
	}
	if signed.UnixNano() <= sh.from+int64(ahead) || len(sh.new) >= r.most {
		return first, false, false
	}
	sh.new[id] = decision
	return first, false, true
}

// seen looks a request up without taking its place.
func (r *replays) seen(id [16]byte) (first [16]byte, ok bool) {
	sh := &r.shards[binary.LittleEndian.Uint64(id[:])%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if first, ok = sh.new[id]; !ok {
		first, ok = sh.old[id]
	}
	return first, ok
}
