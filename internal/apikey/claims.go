package apikey

import (
	"context"
	"sync"
	"time"

	"keyward/internal/store"
)

// claims are replay ids in PostgreSQL, where several gates stand before one API: what
// one let in no other lets in again, and neither does one that was killed and started
// anew. Whoever waits for a round trip lets others come along in the next: one
// statement and one durable commit for all of them.
type claims struct {
	db *store.DB

	mu   sync.Mutex // guards the rest
	next []*claiming
	busy bool
}

type claiming struct {
	id, decision [16]byte
	exp          int64
	done         chan struct{}

	first [16]byte
	taken bool
	err   error
}

const (
	claimPatience = 2 * time.Second // then nobody knows, and nobody is let in
	maxClaims     = 10_000          // waiting at once; past that the database is the bound
)

// claim is replays.claim, shared. An error is no "no": the caller refuses.
func (c *claims) claim(ctx context.Context, id, decision [16]byte, until time.Time) (first [16]byte, taken bool, err error) {
	one := &claiming{id: id, decision: decision, exp: store.Micros(until), done: make(chan struct{})}
	c.mu.Lock()
	if len(c.next) >= maxClaims {
		c.mu.Unlock()
		return first, false, store.ErrBusy
	}
	c.next = append(c.next, one)
	if !c.busy {
		c.busy = true
		go c.drain()
	}
	c.mu.Unlock()
	select {
	case <-one.done:
		return one.first, one.taken, one.err
	case <-ctx.Done():
		// It may have been claimed: the client is gone, and so is its request.
		return first, false, ctx.Err()
	}
}

func (c *claims) drain() {
	for {
		c.mu.Lock()
		n := min(len(c.next), maxClaimRows)
		batch := c.next[:n:n]
		c.next = c.next[n:]
		if n == 0 {
			c.busy, c.next = false, nil
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		err := c.together(batch)
		for _, one := range batch {
			one.err = err
			close(one.done)
		}
	}
}

func (c *claims) together(batch []*claiming) error {
	ctx, cancel := context.WithTimeout(context.Background(), claimPatience)
	defer cancel()
	return c.db.Housekeeping(ctx, func(tx *store.Tx) error {
		byID := make(map[[16]byte]*claiming, len(batch)) // of one id in a batch the first comes in
		for _, one := range batch {
			one.taken, one.first = true, [16]byte{}
			if byID[one.id] == nil {
				byID[one.id] = one
			}
		}
		if c.db.Dialect() == store.SQLite { // where a statement costs no round trip, and bytes have no cast
			return c.oneByOne(tx, batch)
		}
		q, size := sqlClaim.few, fewClaimRows
		if len(batch) > fewClaimRows {
			q, size = sqlClaim.many, maxClaimRows
		}
		args := make([]any, 0, 3*size)
		for i := range size {
			if i < len(batch) {
				args = append(args, batch[i].id[:], batch[i].decision[:], batch[i].exp)
			} else {
				args = append(args, nil, nil, int64(0))
			}
		}
		rows, err := tx.Rows(q, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id []byte
			if err := rows.Scan(&id); err != nil {
				return err
			}
			byID[[16]byte(id)].taken = false
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return found(tx, batch)
	})
}

// found fills in whose the places are that were taken before.
func found(tx *store.Tx, batch []*claiming) error {
	for _, one := range batch {
		if !one.taken {
			continue
		}
		var decision []byte
		if err := tx.Row(sqlClaimed, one.id[:]).Scan(&decision); err != nil {
			return err
		}
		one.first = [16]byte(decision)
	}
	return nil
}

func (c *claims) oneByOne(tx *store.Tx, batch []*claiming) error {
	for _, one := range batch {
		n, err := tx.Exec(sqlClaimOne, one.id[:], one.decision[:], one.exp)
		if err != nil {
			return err
		}
		one.taken = n == 0
	}
	return found(tx, batch)
}
