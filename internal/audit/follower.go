package audit

import (
	"context"
	"errors"
	"time"

	"keyward/internal/store"
)

const (
	// followEvery: the pause between looks at the log when there is no news.
	followEvery = 200 * time.Millisecond

	// followBatch bounds one transaction: events looked at, not what comes of them.
	followBatch = 500
)

// Follower takes in the sealed events of a log, each batch once, by whichever of any
// number of processes comes first: mails, logout tokens, later webhooks. What must be
// heard at once is a [Watch]'s.
type Follower struct {
	DB     *store.DB
	Log    *Log
	Name   string            // of its place in the log; never renamed
	Wanted func(Action) bool // nobody is asked about the others

	// TakeIn does what comes of some events, in the transaction that moves the place
	// on: both happen or neither. It may run twice and must write by ids that are the
	// same each time, since a place can be lost.
	TakeIn func(*store.Tx, []Record) error
}

// Run follows until ctx ends. An event that cannot be taken in stops the follower
// there and is reported each time: it is late then, which is seen, and not lost,
// which is not.
func (f *Follower) Run(ctx context.Context, report func(error)) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		n, err := f.Follow(ctx)
		if err != nil && ctx.Err() == nil {
			report(err)
		}
		wait := followEvery
		if n == followBatch && err == nil {
			wait = 0 // more is waiting
		}
		pause.Reset(wait)
	}
}

// Follow takes in one batch of events and returns how many. When another process
// took the same batch first, nothing is done and nothing is lost.
func (f *Follower) Follow(ctx context.Context) (int, error) {
	at, err := f.At(ctx)
	if err != nil {
		return 0, err
	}
	// Only sealed events: they have their place, so none can appear before it later.
	events, last, err := f.Log.Sealed(ctx, f.DB, at, followBatch, f.Wanted)
	if err != nil || last == at {
		return 0, err
	}
	moved := false
	err = f.DB.Housekeeping(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(sqlMoveCursor, f.Name, at, last, store.Micros(tx.Now))
		if moved = n == 1; err != nil || !moved {
			return err
		}
		return f.TakeIn(tx, events)
	})
	if err != nil || !moved {
		return 0, err
	}
	return int(last - at), nil
}

// At is the index of the last event taken in, -1 before the first.
func (f *Follower) At(ctx context.Context) (at int64, err error) {
	err = f.DB.Get(ctx, sqlCursor, f.Name).Scan(&at)
	if !errors.Is(err, store.ErrNoRows) {
		return at, err
	}
	err = f.DB.Housekeeping(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(sqlStartCursor, f.Name, store.Micros(tx.Now)); err != nil {
			return err
		}
		return tx.Row(sqlCursor, f.Name).Scan(&at)
	})
	return at, err
}
