package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// sqliteFile migrates one SQLite file.
type sqliteFile struct {
	path string
	now  func() int64
}

func sqliteMigrator(path string, o Options) migrator {
	return sqliteFile{path, func() int64 { return Micros(o.Now()) }}
}

func (sqliteFile) folder() string { return "sqlite" }

func (m sqliteFile) applied(ctx context.Context) ([]applied, error) {
	if _, err := os.Stat(m.path); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	db, err := openFile(m.path, beholding)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	c, err := newConn(ctx, db)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return readApplied(c)
}

func readApplied(c *sqliteConn) ([]applied, error) {
	rows, err := c.query(`SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'store_migration'`, nil)
	if err != nil {
		return nil, err
	}
	n := 0
	if rows.Next() {
		err = rows.Scan(&n)
	}
	rows.Close()
	if err != nil || n == 0 {
		return nil, err
	}
	rows, err = c.query(sqlApplied, nil)
	if err != nil {
		return nil, err
	}
	return scanApplied(rows)
}

func (m sqliteFile) apply(ctx context.Context, todo func([]applied) ([]migration, error)) ([]string, error) {
	if _, err := os.Stat(filepath.Dir(m.path)); errors.Is(err, os.ErrNotExist) {
		return nil, missing(m.path)
	}
	lock, err := lockFile(m.path + ".lock")
	if err != nil {
		return nil, err
	}
	defer lock.unlock()
	if err := create(m.path); err != nil {
		return nil, err
	}
	db, err := openFile(m.path, writing)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	c, err := newConn(ctx, db)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if _, err := c.exec("BEGIN IMMEDIATE", nil); err != nil {
		return nil, err
	}
	defer c.exec("ROLLBACK", nil) // after the COMMIT it fails, and that is as good
	done, err := readApplied(c)
	if err != nil {
		return nil, err
	}
	ms, err := todo(done)
	if err != nil || len(ms) == 0 {
		return nil, err
	}
	if _, err := c.exec(sqlMigrationTable, nil); err != nil {
		return nil, err
	}
	for _, f := range ms {
		if _, err := c.conn.ExecContext(never, f.text); err != nil {
			return nil, fmt.Errorf("store: migration %s: %w", f.name, err)
		}
		if _, err := c.exec(sqlNoteMigration, []any{f.version, f.name, f.checksum, m.now()}); err != nil {
			return nil, fmt.Errorf("store: migration %s: %w", f.name, err)
		}
	}
	if _, err := c.exec("COMMIT", nil); err != nil {
		return nil, err
	}
	return names(ms), nil
}
