package store

import (
	"context"
	"database/sql"
	"log/slog"
)

// checkpointer copies the write-ahead log into the database, away from the
// commit path: a commit that had to do it took 12 to 17 ms instead of 0.2.
type checkpointer struct {
	db   *sql.DB
	conn *sql.Conn
	log  *slog.Logger
	kick chan struct{}
	done chan struct{}
}

func openCheckpointer(path string, w *writer, log *slog.Logger) (*checkpointer, error) {
	db, err := openFile(path, false)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		db.Close()
		return nil, err
	}
	cp := &checkpointer{db: db, conn: conn, log: log, kick: w.committed, done: make(chan struct{})}
	go cp.run()
	return cp, nil
}

func (cp *checkpointer) run() {
	defer close(cp.done)
	for range cp.kick {
		if _, err := cp.conn.ExecContext(never, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
			cp.log.Error("checkpoint failed", "error", err)
		}
	}
}

// close runs after the writer has closed the channel.
func (cp *checkpointer) close() error {
	<-cp.done
	cp.conn.Close()
	return cp.db.Close()
}
