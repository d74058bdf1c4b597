package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
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

// Row 0 is no migration; PostgreSQL uses it as a lock.
const sqlApplied = `SELECT version, name, checksum FROM store_migration WHERE version > 0 ORDER BY version`

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
	todo, err := plan(ctx, m, schema)
	if err != nil {
		return err
	}
	if len(todo) > 0 {
		return fmt.Errorf("%w: %d migrations are pending, the first is %s; run: keyward migrate apply", ErrSchemaOlder, len(todo), todo[0].name)
	}
	return nil
}

func plan(ctx context.Context, m migrator, files fs.FS) ([]migration, error) {
	known, err := migrations(files, m.folder())
	if err != nil {
		return nil, err
	}
	done, err := m.applied(ctx)
	if err != nil {
		return nil, err
	}
	return pending(known, done)
}

// SchemaChecksum names the schema that this program carries for a database.
func SchemaChecksum(d Dialect) (string, error) {
	folder := map[Dialect]string{SQLite: "sqlite", PostgreSQL: "postgres"}[d]
	ms, err := migrations(schema, folder)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, m := range ms {
		fmt.Fprintln(h, m.name, m.checksum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func newMigrator(o Options) (migrator, error) {
	d, addr, err := dialect(o.URL)
	if err != nil {
		return nil, err
	}
	if d == SQLite {
		return sqliteMigrator(addr, o), nil
	}
	return postgresSchema{addr, o.Now}, nil
}

// Plan names the migrations that Migrate would apply. It changes nothing and
// may run beside a server.
func Plan(ctx context.Context, o Options) ([]string, error) {
	m, err := newMigrator(o.withDefaults())
	if err != nil {
		return nil, err
	}
	todo, err := plan(ctx, m, schema)
	return names(todo), err
}

// Migrate brings the database to this program's schema, all pending files in
// one transaction, and names what it applied. A SQLite file is created when it
// does not exist. Two processes may call it at once: one applies, the other
// finds nothing to do.
func Migrate(ctx context.Context, o Options) ([]string, error) {
	return migrate(ctx, o, schema)
}

func migrate(ctx context.Context, o Options, files fs.FS) ([]string, error) {
	m, err := newMigrator(o.withDefaults())
	if err != nil {
		return nil, err
	}
	known, err := migrations(files, m.folder())
	if err != nil {
		return nil, err
	}
	return m.apply(ctx, func(done []applied) ([]migration, error) { return pending(known, done) })
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
