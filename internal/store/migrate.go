package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

//go:embed schema
var schema embed.FS

// A migration is one file of the schema folder, NNNN_owner.sql. A file that was
// released never changes again; the checksum holds it to that.
type migration struct {
	version  int
	name     string // "0001_store"
	text     string
	checksum string
}

// applied is one row of store_migration.
type applied struct {
	version        int
	name, checksum string
}

// A migrator reads and moves the schema of one database.
type migrator interface {
	folder() string
	applied(ctx context.Context) ([]applied, error) // in order; none when the table is missing
	apply(ctx context.Context, pending func(done []applied) ([]migration, error)) ([]string, error)
}

const sqlApplied = `SELECT version, name, checksum FROM store_migration ORDER BY version`

const sqlNoteMigration = `INSERT INTO store_migration (version, name, checksum, at) VALUES ($1, $2, $3, $4)`

const sqlMigrationTable = `CREATE TABLE IF NOT EXISTS store_migration (
	version  BIGINT PRIMARY KEY,
	name     TEXT   NOT NULL,
	checksum TEXT   NOT NULL,
	at       BIGINT NOT NULL
)`

// migrations reads a folder of the embedded schema, in order. Numbers may have
// gaps, but no number may appear twice.
func migrations(files fs.FS, folder string) ([]migration, error) {
	names, err := fs.Glob(files, path.Join("schema", folder, "*.sql"))
	if err != nil {
		return nil, err
	}
	var ms []migration // Glob sorts
	for _, n := range names {
		text, err := fs.ReadFile(files, n)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(path.Base(n), ".sql")
		number, _, _ := strings.Cut(name, "_")
		v, err := strconv.Atoi(number)
		if err != nil || len(number) != 4 {
			return nil, fmt.Errorf("store: schema file %s must be named NNNN_owner.sql", n)
		}
		if len(ms) > 0 && ms[len(ms)-1].version == v {
			return nil, fmt.Errorf("store: schema files %s and %s share a number", ms[len(ms)-1].name, name)
		}
		sum := sha256.Sum256(text)
		ms = append(ms, migration{v, name, string(text), hex.EncodeToString(sum[:])})
	}
	return ms, nil
}

// pending compares what a database has with what the program knows.
func pending(known []migration, done []applied) ([]migration, error) {
	byVersion := map[int]migration{}
	for _, m := range known {
		byVersion[m.version] = m
	}
	had := map[int]bool{}
	for _, d := range done {
		m, ok := byVersion[d.version]
		if !ok {
			return nil, fmt.Errorf("%w: it has %s; run the program that applied it, or a later one", ErrSchemaNewer, d.name)
		}
		if m.checksum != d.checksum {
			return nil, fmt.Errorf("store: migration %s was changed after it was applied to this database; restore the released file", m.name)
		}
		had[d.version] = true
	}
	var todo []migration
	for _, m := range known {
		if !had[m.version] {
			todo = append(todo, m)
		}
	}
	return todo, nil
}

func names(ms []migration) []string {
	var s []string
	for _, m := range ms {
		s = append(s, m.name)
	}
	return s
}

// checkSchema refuses a database that does not have exactly this program's schema.
func checkSchema(ctx context.Context, m migrator) error {
	todo, err := plan(ctx, m)
	if err != nil {
		return err
	}
	if len(todo) > 0 {
		return fmt.Errorf("%w: %d migrations are pending, the first is %s; run: keyward migrate apply", ErrSchemaOlder, len(todo), todo[0].name)
	}
	return nil
}

func plan(ctx context.Context, m migrator) ([]migration, error) {
	known, err := migrations(schema, m.folder())
	if err != nil {
		return nil, err
	}
	done, err := m.applied(ctx)
	if err != nil {
		return nil, err
	}
	return pending(known, done)
}

func newMigrator(o Options) (migrator, error) {
	d, addr, err := dialect(o.URL)
	if err != nil {
		return nil, err
	}
	if d == SQLite {
		return sqliteMigrator(addr, o), nil
	}
	return postgresMigrator(addr, o)
}

// Plan names the migrations that Migrate would apply. It changes nothing and
// may run beside a server.
func Plan(ctx context.Context, o Options) ([]string, error) {
	m, err := newMigrator(o.withDefaults())
	if err != nil {
		return nil, err
	}
	todo, err := plan(ctx, m)
	return names(todo), err
}

// Migrate brings the database to this program's schema, all pending files in
// one transaction, and names what it applied. A SQLite file is created when it
// does not exist. Two processes may call it at once: one applies, the other
// finds nothing to do.
func Migrate(ctx context.Context, o Options) ([]string, error) {
	m, err := newMigrator(o.withDefaults())
	if err != nil {
		return nil, err
	}
	known, err := migrations(schema, m.folder())
	if err != nil {
		return nil, err
	}
	return m.apply(ctx, func(done []applied) ([]migration, error) { return pending(known, done) })
}

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
	db, err := openFile(m.path, true)
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

func scanApplied(rows cursor) ([]applied, error) {
	defer rows.Close()
	var done []applied
	for rows.Next() {
		var a applied
		if err := rows.Scan(&a.version, &a.name, &a.checksum); err != nil {
			return nil, err
		}
		done = append(done, a)
	}
	return done, rows.Err()
}

func (m sqliteFile) apply(ctx context.Context, todo func([]applied) ([]migration, error)) ([]string, error) {
	lock, err := lockFile(m.path + ".lock")
	if err != nil {
		return nil, err
	}
	defer lock.unlock()
	if err := create(m.path); err != nil {
		return nil, err
	}
	db, err := openFile(m.path, false)
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
