package audit

import (
	"context"
	"maps"
	"sync"
	"time"

	"keyward/internal/store"
)

// Reach says how far a revocation has got.
type Reach struct {
	EffectiveAt  time.Time // refused from here on by everybody who counts
	Passed       int       // processes that have confirmed it, this one included
	Lapsed       int       // processes whose right to answer from memory ran out
	OfflineUntil time.Time // verifiers without a tail may accept an old token until then
}

// still is how long a lease has stood where it stands, on our monotonic clock.
type still struct {
	n     int64
	since time.Duration // when it was first seen there
}

// gates remembers the leases between waits: the row of a process that was killed
// long ago is known to have lapsed, and nobody waits 600 ms for it again.
type gates struct {
	mu    sync.Mutex // guards still
	still map[string]still
}

// observe reads all leases. The clock is read after the rows: read before, a
// query that hung would date a lease back and have it lapse while it is valid.
func (g *gates) observe(tx *store.Tx, read func() instant) error {
	rows, err := tx.Rows(sqlLeases)
	if err != nil {
		return err
	}
	defer rows.Close()
	here := map[string]int64{}
	for rows.Next() {
		var id string
		var n int64
		if err := rows.Scan(&id, &n); err != nil {
			return err
		}
		here[id] = n
	}
	if err := rows.Err(); err != nil {
		return err
	}
	now := read().mono
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, n := range here {
		// Two reads may arrive in the wrong order; a count never goes back.
		if s, ok := g.still[id]; !ok || n > s.n {
			g.still[id] = still{n, now}
		}
	}
	for id := range g.still {
		if _, ok := here[id]; !ok {
			delete(g.still, id)
		}
	}
	return nil
}

func (g *gates) snapshot() map[string]still {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.still)
}

const gatePoll = 20 * time.Millisecond

// WaitGates waits until no process answers from a memory older than the commit
// that the caller has just made; since is the time of that commit. It takes at
// most about 700 ms. When ctx ends earlier it says how far it got, with the error.
//
// Why two steps of a lease: the first one may belong to a read that began before
// our commit; the second one is written after that turn, and the turn between
// read the tail after it.
func (w *Watch) WaitGates(ctx context.Context, since time.Time) (Reach, error) {
	reach := Reach{Passed: 1, OfflineUntil: since.Add(w.OfflineFor)}
	// Also where this process is alone with its database: resource servers that follow
	// the log from afar hold leases too (Log.Abroad).
	if err := w.readLeases(ctx); err != nil {
		return reach, err
	}
	first := w.gates.snapshot()
	delete(first, w.id) // our own caches heard of it before Update returned
	t := time.NewTicker(gatePoll)
	defer t.Stop()
	for {
		now, cur := w.read().mono, w.gates.snapshot()
		waiting := 0
		reach.Passed, reach.Lapsed = 1, 0
		for id, f := range first {
			switch c, ok := cur[id]; {
			case !ok, c.n >= f.n+2: // a process that left gave its lease up first
				reach.Passed++
			case now-c.since >= lapsedFor:
				reach.Lapsed++
			default:
				waiting++
			}
		}
		if waiting == 0 {
			reach.EffectiveAt = w.read().wall.UTC()
			return reach, nil
		}
		select {
		case <-ctx.Done():
			return reach, ctx.Err()
		case <-t.C:
		}
		if err := w.readLeases(ctx); err != nil {
			return reach, err
		}
	}
}

func (w *Watch) readLeases(ctx context.Context) error {
	return w.db.View(ctx, func(tx *store.Tx) error { return w.gates.observe(tx, w.read) })
}
