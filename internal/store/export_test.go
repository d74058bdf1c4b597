package store

import (
	"context"
	"io/fs"
)

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
