package store

import (
	"context"
	"io"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/stdlib"
)

// Trace writes every message between db and PostgreSQL to w.
func (db *DB) Trace(url string, w io.Writer) error {
	cfg, err := postgresConfig(url)
	if err != nil {
		return err
	}
	e := db.e.(*postgresEngine)
	old := e.db
	e.db = stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(func(_ context.Context, c *pgx.Conn) error {
		c.PgConn().Frontend().Trace(w, pgproto3.TracerOptions{SuppressTimestamps: true})
		return nil
	}))
	e.db.SetMaxOpenConns(1)
	return old.Close()
}

// Waiting is how many functions stand in the writer's queue.
func (db *DB) Waiting() int { return len(db.e.(*sqliteEngine).w.queue) }

// MigrateWith migrates to the schema in files instead of the embedded one.
func MigrateWith(ctx context.Context, o Options, files fs.FS) ([]string, error) {
	return migrate(ctx, o, files)
}

// PlanWith plans for the schema in files instead of the embedded one.
func PlanWith(ctx context.Context, o Options, files fs.FS) ([]string, error) {
	m, err := newMigrator(o.withDefaults())
	if err != nil {
		return nil, err
	}
	todo, err := plan(ctx, m, files)
	return names(todo), err
}

var Reads = reads
