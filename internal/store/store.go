package store

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// A Cause says who asked for a change, from where and on which request.
type Cause struct {
	Actor   string     // "account:acc_…", "client:<id>", "key:<id>", "operator:<name>", "system:<part>" or "anonymous"
	Addr    netip.Addr // the client as edge saw it; zero when there is none
	Request string     // request id
	Device  string     // dev_… when known
}

// Options say which database to open and how.
type Options struct {
	URL      string           // "sqlite:/dir/keyward.db" or "postgres://user@host/name"
	Now      func() time.Time // the clock; nil is the real one
	MaxConns int              // connections for PostgreSQL, readers for SQLite; 0 is the default
	Queue    int              // callers that may wait; one more gets ErrBusy; 0 is the default
	Logger   *slog.Logger     // nil discards
}

const (
	defaultMaxConns = 8
	defaultQueue    = 1024 // twice the 512 connections the load tests open

	// patience is how long an Update waits and retries when its caller set no
	// deadline. A person who waits longer has reloaded the page by then.
	patience = 2 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxConns <= 0 {
		o.MaxConns = defaultMaxConns
	}
	if o.Queue <= 0 {
		o.Queue = defaultQueue
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Dialect names the database behind a DB.
type Dialect int

// The two databases.
const (
	SQLite Dialect = iota + 1
	PostgreSQL
)

func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "SQLite"
	case PostgreSQL:
		return "PostgreSQL"
	}
	return "unknown"
}

// dialect reads the database kind and the rest of the address out of a URL.
func dialect(url string) (Dialect, string, error) {
	switch {
	case strings.HasPrefix(url, "sqlite:"):
		path := strings.TrimPrefix(url, "sqlite:")
		if path == "" || strings.HasPrefix(path, ":") {
			return 0, "", errors.New("store: a sqlite: URL needs the path of a file, for example sqlite:/var/lib/keyward/keyward.db")
		}
		return SQLite, path, nil
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		return PostgreSQL, url, nil
	}
	return 0, "", errors.New("store: the database URL must begin with sqlite: or postgres://")
}

// An engine is what the two databases do differently.
type engine interface {
	write(ctx context.Context, w *work) error
	view(ctx context.Context, tx *Tx, f func(*Tx) error) error
	get(ctx context.Context, q string, args, dst []any) error
	close() error
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	dialect Dialect
	now     func() time.Time
	log     *slog.Logger
	e       engine
}

// Open opens a migrated database. An older or newer schema is refused; on SQLite
// so is a database that another process has open.
func Open(ctx context.Context, o Options) (*DB, error) {
	o = o.withDefaults()
	d, addr, err := dialect(o.URL)
	if err != nil {
		return nil, err
	}
	db := &DB{dialect: d, now: o.Now, log: o.Logger}
	switch d {
	case SQLite:
		db.e, err = openSQLite(ctx, addr, o)
	case PostgreSQL:
		db.e, err = openPostgres(ctx, addr, o)
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

// Close waits for the writes that were accepted, refuses new ones and closes
// every connection.
func (db *DB) Close() error { return db.e.close() }

// Dialect tells which database this is.
func (db *DB) Dialect() Dialect { return db.dialect }

// Now is the clock that everybody above reads. It keeps the monotonic reading
// that leases compare; Tx.Now has none.
func (db *DB) Now() time.Time { return db.now() }

// stamp is the time of a transaction, no finer than what a row keeps, so that a
// time that was stored equals itself when it is read back.
func (db *DB) stamp() time.Time { return db.now().UTC().Truncate(time.Microsecond) }

// Update runs f in one serializable transaction and commits it durably. It fails
// with ErrUnaudited when f changed something without exactly one audit event,
// with ErrBusy when the queue is full or the deadline (2 s without one in ctx)
// passed before a try succeeded, and with the error of f otherwise.
func (db *DB) Update(ctx context.Context, cause Cause, f func(*Tx) error) error {
	return db.write(ctx, &work{db: db, cause: cause, f: f, audit: true})
}

// Housekeeping runs f in one transaction that needs no audit event.
func (db *DB) Housekeeping(ctx context.Context, f func(*Tx) error) error {
	return db.write(ctx, &work{db: db, f: f})
}

func (db *DB) write(ctx context.Context, w *work) error {
	if err := admit(ctx); err != nil {
		return err
	}
	return db.e.write(ctx, w)
}

// View runs f over one consistent snapshot that it cannot change.
func (db *DB) View(ctx context.Context, f func(*Tx) error) error {
	if err := admit(ctx); err != nil {
		return err
	}
	return db.e.view(ctx, &Tx{Now: db.stamp(), ctx: ctx, readOnly: true}, f)
}

// Get is one reading statement outside any transaction. It runs when the row is
// scanned.
func (db *DB) Get(ctx context.Context, q string, args ...any) *Row {
	if err := admit(ctx); err != nil {
		return &Row{err: err}
	}
	if !reads(q) {
		return &Row{err: errReadOnly}
	}
	if err := bind(args); err != nil {
		return &Row{err: err}
	}
	return &Row{later: func(dst []any) error { return db.e.get(ctx, q, args, dst) }}
}

// admit refuses a context that is done, and one that comes from inside a
// transaction: on SQLite the inner one would wait for the outer one for ever.
func admit(ctx context.Context) error {
	if ctx.Value(inside{}) != nil {
		return ErrNested
	}
	return ctx.Err()
}
