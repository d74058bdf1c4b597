package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// checkpointer copies the write-ahead log into the database, away from the
// commit path: a commit that had to do it took 12 to 17 ms instead of 0.2.
//
// It works beside the writer and never stops it (PASSIVE). Under constant load
// it never quite catches up, and the log only starts over from its beginning
// when it was copied to its end; so when the log has grown long the writer copies
// the short rest itself, between two groups. Both go by pages, not by statements:
// one function may load a thousand rows.
type checkpointer struct {
	db   *sql.DB
	conn *sql.Conn
	log  *slog.Logger
	kick chan struct{}
	done chan struct{}

	// turn is held by whichever of the two copies. SQLite lets only one, and the
	// other's checkpoint does nothing: while this one had always just begun again,
	// the log of a load in bulk grew to 19 GB.
	turn sync.Mutex
	rest atomic.Bool // the writer waits for its turn: the checkpointer begins no other

	fresh int           // pages in the log since the last kick; this and the rest: writer goroutine only
	long  int           // since it was last asked to start over
	wait  time.Duration // for the readers that look at the log, next time
}

const (
	kickEvery = 8192  // pages between two checkpoints, 32 MiB
	longLog   = 16384 // pages, 64 MiB; at twice that all writes wait until it was copied

	// A reader that looks at the log keeps it from starting over. One that is longer
	// than usual is waited for the longer, the longer the log has grown.
	leastWait = 20 * time.Millisecond
	mostWait  = time.Second

	keptLog = 128 << 20 // bytes of the log's file that stay when it starts over
)

func openCheckpointer(ctx context.Context, path string, log *slog.Logger) (*checkpointer, error) {
	db, err := openFile(path, writing)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, err
	}
	cp := &checkpointer{db: db, conn: conn, log: log, wait: leastWait, kick: make(chan struct{}, 1), done: make(chan struct{})}
	go cp.run()
	return cp, nil
}

func (cp *checkpointer) run() {
	defer close(cp.done)
	for range cp.kick {
		if cp.rest.Load() {
			continue
		}
		cp.turn.Lock()
		_, err := cp.conn.ExecContext(never, `PRAGMA wal_checkpoint(PASSIVE)`)
		cp.turn.Unlock()
		if err != nil {
			cp.log.Error("checkpoint failed", "error", err)
		}
	}
}

// tend runs between two groups of the writer: it counts what the last one wrote,
// and sees to it that the log is copied.
func (cp *checkpointer) tend(w *writer) {
	if w.c == nil {
		return
	}
	n, err := w.c.written()
	if err != nil {
		cp.log.Error("pages of the log cannot be counted", "error", err)
		n = 1
	}
	cp.fresh += n
	cp.long += n
	switch {
	case cp.long > longLog:
		cp.startOver(w)
	case cp.fresh > kickEvery:
		cp.fresh = 0
		select {
		case cp.kick <- struct{}{}:
		default: // one is under way
		}
	}
}

// startOver copies the rest of a long log on the writer's connection, or leaves
// that until the checkpointer has ended its turn. It does not leave it for ever.
func (cp *checkpointer) startOver(w *writer) {
	cp.rest.Store(true)
	switch {
	case cp.turn.TryLock():
	case cp.long > 2*longLog:
		cp.turn.Lock()
	default:
		return
	}
	switch over, err := w.c.startLogOver(cp.wait); {
	case err != nil:
		cp.log.Error("checkpoint failed", "error", err)
	case over:
		cp.wait = leastWait
	default:
		cp.wait = min(2*cp.wait, mostWait)
	}
	cp.fresh, cp.long = 0, 0
	cp.rest.Store(false)
	cp.turn.Unlock()
}

// close runs after the writer has ended.
func (cp *checkpointer) close() error {
	close(cp.kick)
	<-cp.done
	return errors.Join(cp.conn.Close(), cp.db.Close())
}
