package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync/atomic"
)

// checkpointer copies the write-ahead log into the database, away from the
// commit path: a commit that had to do it took 12 to 17 ms instead of 0.2.
//
// It works beside the writer and never stops it (PASSIVE). Under constant load
// it never quite catches up, and the log only starts over from its beginning
// when it was copied to its end; so when the log has grown long the writer copies
// the short rest itself, between two groups.
type checkpointer struct {
	db   *sql.DB
	conn *sql.Conn
	log  *slog.Logger
	kick chan struct{}
	done chan struct{}

	rest atomic.Bool // the log is long: the writer is asked for the rest

	writes int // since the last kick; touched by the writer goroutine only
}

const (
	kickEvery = 4096  // writes between two checkpoints; a page that many of them changed is copied once
	longLog   = 16384 // pages, 64 MiB
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
	cp := &checkpointer{db: db, conn: conn, log: log, kick: make(chan struct{}, 1), done: make(chan struct{})}
	go cp.run()
	return cp, nil
}

const sqlCheckpoint = `PRAGMA wal_checkpoint(PASSIVE)`

func (cp *checkpointer) run() {
	defer close(cp.done)
	for range cp.kick {
		var blocked, pages, copied int
		err := cp.conn.QueryRowContext(never, sqlCheckpoint).Scan(&blocked, &pages, &copied)
		if err != nil {
			cp.log.Error("checkpoint failed", "error", err)
			continue
		}
		if pages > longLog {
			cp.rest.Store(true)
		}
	}
}

// wrote counts a write of the writer.
func (cp *checkpointer) wrote() {
	if cp.writes++; cp.writes < kickEvery {
		return
	}
	cp.writes = 0
	select {
	case cp.kick <- struct{}{}:
	default: // one is under way
	}
}

// help copies the rest of a long log, on the writer's connection between two groups.
func (cp *checkpointer) help(w *writer) {
	if !cp.rest.CompareAndSwap(true, false) || w.c == nil {
		return
	}
	if rows, err := w.c.query(sqlCheckpoint, nil); err != nil {
		cp.log.Error("checkpoint failed", "error", err)
	} else {
		rows.Close()
	}
}

// close runs after the writer has ended.
func (cp *checkpointer) close() error {
	close(cp.kick)
	<-cp.done
	return errors.Join(cp.conn.Close(), cp.db.Close())
}
