package store

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Behold opens a migrated database to look at it. Nothing can be written, and on
// SQLite it needs no lock: an operator can look beside the running server.
func Behold(ctx context.Context, o Options) (*DB, error) {
	o = o.withDefaults()
	d, addr, err := dialect(o.URL)
	if err != nil {
		return nil, err
	}
	db := &DB{dialect: d, now: o.Now, log: o.Logger}
	switch d {
	case SQLite:
		db.e, err = beholdSQLite(ctx, addr, o)
	case PostgreSQL:
		var e *postgresEngine
		if e, err = openPostgres(ctx, addr, o); err == nil {
			db.e = onlooker{e}
		}
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

// onlooker is an engine that writes nothing.
type onlooker struct{ engine }

func (onlooker) write(context.Context, *work) error { return errReadOnly }

// fileOnlooker is the reading half of sqliteEngine.
type fileOnlooker struct{ *readers }

func (fileOnlooker) write(context.Context, *work) error { return errReadOnly }

func beholdSQLite(ctx context.Context, path string, o Options) (engine, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, missing(path)
		}
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := checkSchema(ctx, sqliteMigrator(path, o)); err != nil {
		return nil, err
	}
	r, err := openReaders(path, beholding, o)
	if err != nil {
		return nil, err
	}
	return fileOnlooker{r}, nil
}
