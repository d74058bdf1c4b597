package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteEngine is one SQLite file: a writer with a connection of its own, a few
// readers, and a checkpointer.
type sqliteEngine struct {
	lock    *fileLock
	w       *writer
	readers *readers
	cp      *checkpointer

	closing sync.Once
}

// An access is what a connection to the file is for.
type access int

const (
	writing   access = iota
	reading          // statements that change something fail
	beholding        // touches nothing, not even the journal mode; beside a running server
)

// pragmas of a connection.
//
// synchronous=FULL: an acknowledged write survives the loss of power, one
// fdatasync per commit. wal_autocheckpoint=0: a commit never pays for copying
// the log into the database; the checkpointer does that. cache_size is an upper
// bound in KiB that fills with use, so that the idle server stays below 40 MB.
// secure_delete=FAST: what audit erases is overwritten where that costs no write.
func (a access) pragmas() []string {
	ps := []string{busy(patiently), "trusted_schema=OFF", "foreign_keys=ON", "temp_store=MEMORY"}
	switch a {
	case writing:
		ps = append(ps, "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0", fmt.Sprintf("journal_size_limit=%d", keptLog), "cache_size=-16384", "secure_delete=FAST")
	case reading:
		ps = append(ps, "journal_mode=WAL", "cache_size=-4096", "query_only=ON")
	case beholding:
		ps = append(ps, "query_only=ON")
	}
	return ps
}

// patiently is how long a statement waits for other connections.
const patiently = 5 * time.Second

func busy(wait time.Duration) string { return fmt.Sprintf("busy_timeout=%d", wait.Milliseconds()) }

// openFile returns a handle on the SQLite file at path.
func openFile(path string, a access) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	q := url.Values{"_pragma": a.pragmas()}
	if a == beholding {
		q.Set("mode", "ro")
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	// SQLite's own build asks for fdatasync where the system has it: the file's
	// times, which fsync would force out too, are of no use to recovery.
	_, _ = sqlite.Fdatasync(true)
	return db, nil
}

// create makes the database file before SQLite does, readable by its owner
// only. The log beside it inherits the mode.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return f.Close()
}

func openSQLite(ctx context.Context, path string, o Options) (_ *sqliteEngine, err error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, missing(path)
		}
		return nil, fmt.Errorf("store: %w", err)
	}
	e := &sqliteEngine{}
	if e.lock, err = lockFile(path + ".lock"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if err := checkSchema(ctx, sqliteMigrator(path, o)); err != nil {
		return nil, err
	}
	if e.cp, err = openCheckpointer(ctx, path, o.Logger); err != nil {
		return nil, err
	}
	if e.w, err = openWriter(ctx, path, e.cp, o); err != nil {
		return nil, err
	}
	if e.readers, err = openReaders(path, reading, o); err != nil {
		return nil, err
	}
	return e, nil
}

// missing says what to do about a file that is not there. Its folder is left to
// the operator: what cannot be created may be a disk that is not mounted.
func missing(path string) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %s does not exist, nor does its folder; if no disk is missing, run: mkdir -m 700 %s && keyward migrate apply", ErrSchemaOlder, path, dir)
	}
	return fmt.Errorf("%w: %s does not exist yet; run: keyward migrate apply", ErrSchemaOlder, path)
}

func (e *sqliteEngine) write(ctx context.Context, w *work) error { return e.w.do(ctx, w) }

func (e *sqliteEngine) view(ctx context.Context, tx *Tx, f func(*Tx) error) error {
	return e.readers.view(ctx, tx, f)
}

func (e *sqliteEngine) get(ctx context.Context, q string, args, dst []any) error {
	return e.readers.get(ctx, q, args, dst)
}

// close ends the writer first, so that nothing accepted is lost, and lets go of
// the lock last.
func (e *sqliteEngine) close() error {
	var err error
	e.closing.Do(func() {
		if e.w != nil {
			err = e.w.close()
		}
		if e.cp != nil {
			err = errors.Join(err, e.cp.close())
		}
		if e.readers != nil {
			err = errors.Join(err, e.readers.close())
		}
		err = errors.Join(err, e.lock.unlock())
	})
	return err
}

// sqliteConn is one connection with its prepared statements.
type sqliteConn struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// maxStmts bounds the statements kept per connection. The texts are constants of
// the program, far fewer than this; the bound is for a mistake.
const maxStmts = 512

func newConn(ctx context.Context, db *sql.DB) (*sqliteConn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &sqliteConn{conn: c, stmts: map[string]*sql.Stmt{}}, nil
}

// never is the context of every SQLite statement. A cancelled statement can
// roll the whole transaction back, and with it the functions of other callers.
var never = context.Background()

func (c *sqliteConn) stmt(q string) (*sql.Stmt, error) {
	if s, ok := c.stmts[q]; ok {
		return s, nil
	}
	if len(c.stmts) >= maxStmts {
		c.forget()
	}
	s, err := c.conn.PrepareContext(never, q)
	if err != nil {
		return nil, sqliteError(err)
	}
	c.stmts[q] = s
	return s, nil
}

func (c *sqliteConn) forget() {
	for _, s := range c.stmts {
		s.Close()
	}
	clear(c.stmts)
}

func (c *sqliteConn) exec(q string, args []any) (int64, error) {
	s, err := c.stmt(q)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(never, args...)
	if err != nil {
		return 0, sqliteError(err)
	}
	return r.RowsAffected()
}

// later runs at once: there is no wire to save a trip on.
func (c *sqliteConn) later(q string, args []any) error {
	_, err := c.exec(q, args)
	return err
}

func (c *sqliteConn) query(q string, args []any) (cursor, error) {
	s, err := c.stmt(q)
	if err != nil {
		return nil, err
	}
	r, err := s.QueryContext(never, args...)
	if err != nil {
		return nil, sqliteError(err)
	}
	return sqliteRows{r}, nil
}

// written is how many pages the connection has put into the log since it was last
// asked, those of a transaction that was rolled back included.
func (c *sqliteConn) written() (pages int, err error) {
	err = c.conn.Raw(func(dc any) error {
		pages, _, err = dc.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, true)
		return err
	})
	return pages, sqliteError(err)
}

// startLogOver copies what is left of the log, so that the next commit begins it
// anew, and waits that long for the readers that look at it. It reports whether
// they had gone.
//
// Only PASSIVE may meet readers that come and go: a RESTART waits for the place of
// an older reader, and never gets it while newer ones take it over from each other.
// Once all was copied they look into the database alone, and a RESTART waits for
// nobody but those who came before.
func (c *sqliteConn) startLogOver(wait time.Duration) (over bool, err error) {
	var late <-chan time.Time
	for {
		all, err := c.checkpoint(`PRAGMA wal_checkpoint(PASSIVE)`)
		if err != nil {
			return false, err
		}
		if all {
			break
		}
		if late == nil {
			late = time.After(wait)
		}
		select {
		case <-late:
			return false, nil
		case <-time.After(time.Millisecond):
		}
	}
	if err := c.wait(wait); err != nil {
		return false, err
	}
	over, err = c.checkpoint(`PRAGMA wal_checkpoint(RESTART)`)
	return over, errors.Join(err, c.wait(patiently))
}

// checkpoint reports whether the whole log is in the database, and whether nobody
// kept the statement from what it was to do.
func (c *sqliteConn) checkpoint(pragma string) (all bool, err error) {
	var blocked, pages, copied int
	err = c.conn.QueryRowContext(never, pragma).Scan(&blocked, &pages, &copied)
	return blocked == 0 && copied == pages, sqliteError(err)
}

// wait sets how long a statement waits for other connections. It is never among the
// prepared ones: SQLite sets it when the text is compiled.
func (c *sqliteConn) wait(d time.Duration) error {
	_, err := c.conn.ExecContext(never, "PRAGMA "+busy(d))
	return sqliteError(err)
}

func (c *sqliteConn) close() error {
	c.forget()
	return c.conn.Close()
}

type sqliteRows struct{ *sql.Rows }

func (r sqliteRows) Err() error { return sqliteError(r.Rows.Err()) }

// sqliteError gives the errors of SQLite that callers distinguish their names.
func sqliteError(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return fmt.Errorf("%w: %w", ErrUnique, err)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY: // another program, such as an operator's sqlite3, holds the file
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	return fmt.Errorf("store: %w", err)
}
