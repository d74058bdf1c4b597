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
	}
	most int
}

const replayLife = maxWindow + 2*ahead

func newReplays(most int) *replays { return &replays{most: most / (2 * shards)} }

// claim takes the place of a request. first is the decision that had it before; ok is
// false when it is taken or when there is no room.
func (r *replays) claim(id, decision [16]byte, now time.Time) (first [16]byte, taken, ok bool) {
	sh := &r.shards[binary.LittleEndian.Uint64(id[:])%shards]
	at := now.UnixNano()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if at >= sh.turnAt {
		if at >= sh.turnAt+int64(replayLife) {
			sh.old = nil
		} else {
			sh.old = sh.new
		}
		sh.new, sh.turnAt = map[[16]byte][16]byte{}, at+int64(replayLife)
	}
	if first, taken = sh.new[id]; taken {
		return first, true, false
	}
	if first, taken = sh.old[id]; taken {
		return first, true, false
	}
	if len(sh.new) >= r.most {
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
