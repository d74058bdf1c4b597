package store

import (
	"context"
	"time"
)

// A session is one database connection that runs the statements of one
// transaction at a time.
type session interface {
	exec(q string, args []any) (int64, error)
	query(q string, args []any) (cursor, error)
	later(q string, args []any) error
}

// A cursor walks over the rows of one statement. *sql.Rows is one.
type cursor interface {
	Next() bool
	Scan(dst ...any) error
	Close() error
	Err() error
}

// A Tx is one transaction. It belongs to the goroutine that runs the function
// it was given to, and dies when that function returns.
type Tx struct {
	Now   time.Time // fixed when the transaction begins
	Cause Cause     // zero in Housekeeping and View

	ctx      context.Context
	s        session
	readOnly bool

	open    *Rows // rows that were not read to their end yet
	failed  error // the first error of a statement; nothing runs after it
	over    bool
	changes int64 // rows changed so far
	audited int   // calls of MarkAudited
	after   []func()
}

// Context is the caller's context, marked so that a transaction asked for with
// it inside this one is refused (ErrNested) instead of waiting for itself. On
// SQLite it is never cancelled.
func (tx *Tx) Context() context.Context { return context.WithValue(tx.ctx, inside{}, true) }

type inside struct{}

// MarkAudited tells the transaction that its audit event is written. Only
// audit.Append calls it.
func (tx *Tx) MarkAudited() { tx.audited++ }

// AfterCommit registers an in-memory follow-up, such as dropping a cache entry.
// It runs after the durable commit and before Update returns, and not at all
// when the transaction did not commit. On SQLite all follow-ups of the process
// run in the order of their commits; on PostgreSQL two transactions may run
// theirs in either order, so caches compare versions. It must neither block nor
// fail.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// ready reports why the next statement must not run.
func (tx *Tx) ready(q string, args []any, read bool) error {
	switch {
	case tx.over:
		return errOver
	case tx.failed != nil:
		return tx.failed
	case tx.open != nil:
		return tx.fail(errRowsOpen)
	case tx.readOnly && !read:
		return tx.fail(errReadOnly)
	}
	if err := bind(args); err != nil {
		return tx.fail(err)
	}
	return nil
}

// fail remembers the first error: both databases behave as PostgreSQL does,
// where nothing runs in a transaction after an error.
func (tx *Tx) fail(err error) error {
	if err != nil && tx.failed == nil {
		tx.failed = err
	}
	return err
}

// Exec runs one statement and returns how many rows it changed.
func (tx *Tx) Exec(q string, args ...any) (rows int64, err error) {
	read := reads(q)
	if err := tx.ready(q, args, read); err != nil {
		return 0, err
	}
	n, err := tx.s.exec(q, args)
	if err != nil {
		return 0, tx.fail(err)
	}
	if read {
		return 0, nil
	}
	tx.changes += n
	return n, nil
}

// Later runs a statement whose result nobody needs. Its effect is the same as
// that of Exec at this place, but the error may come with the next statement or
// with the commit: PostgreSQL gets it in the same round trip as those. It
// always counts as a change.
func (tx *Tx) Later(q string, args ...any) error {
	if err := tx.ready(q, args, false); err != nil {
		return err
	}
	if err := tx.s.later(q, args); err != nil {
		return tx.fail(err)
	}
	tx.changes++
	return nil
}

// Rows runs one statement and returns its rows, which the caller closes.
func (tx *Tx) Rows(q string, args ...any) (*Rows, error) {
	read := reads(q)
	if err := tx.ready(q, args, read); err != nil {
		return nil, err
	}
	c, err := tx.s.query(q, args)
	if err != nil {
		return nil, tx.fail(err)
	}
	tx.open = &Rows{tx: tx, c: c, counts: !read}
	return tx.open, nil
}

// Row runs one statement and returns its first row. The row must be scanned.
// UPDATE, DELETE and INSERT … RETURNING count as a change when a row came back.
func (tx *Tx) Row(q string, args ...any) *Row {
	rows, err := tx.Rows(q, args...)
	return &Row{rows: rows, err: err}
}

// finish closes what the function left open and returns the first error.
func (tx *Tx) finish() error {
	if tx.open != nil {
		tx.open.Close()
	}
	tx.over = true
	return tx.failed
}

// Rows are the rows of one statement.
type Rows struct {
	tx     *Tx
	c      cursor
	counts bool // each row is a change
	done   bool
	err    error
}

// Next moves to the next row. False means the end or an error; see Err.
func (r *Rows) Next() bool {
	if r.done {
		return false
	}
	if err := r.tx.ctx.Err(); err != nil && r.tx.readOnly {
		r.err = r.tx.fail(err)
		r.Close()
		return false
	}
	if r.c.Next() {
		if r.counts {
			r.tx.changes++
		}
		return true
	}
	r.Close()
	return false
}

// Scan copies the columns of the current row. A value that does not fit ends the
// transaction like any other error, as it does in the PostgreSQL driver.
func (r *Rows) Scan(dst ...any) error { return r.tx.fail(r.c.Scan(dst...)) }

// Err is the error that ended the rows early, if any.
func (r *Rows) Err() error { return r.err }

// Close ends the reading. Closing twice is fine.
func (r *Rows) Close() error {
	if r.done {
		return r.err
	}
	r.done = true
	if r.tx.open == r {
		r.tx.open = nil
	}
	// The rows of a change are changes whether or not anybody looks at them.
	for r.counts && r.c.Next() {
		r.tx.changes++
	}
	cerr := r.c.Close()
	if r.err == nil {
		r.err = r.c.Err()
	}
	if r.err == nil {
		r.err = cerr
	}
	r.tx.fail(r.err)
	return r.err
}

// A Row is the first row of one statement.
type Row struct {
	rows *Rows
	err  error

	later func(dst []any) error // DB.Get runs its statement here
}

// Scan copies the columns of the row, or returns [ErrNoRows].
func (r *Row) Scan(dst ...any) error {
	if r.err != nil {
		return r.err
	}
	if r.later != nil {
		return r.later(dst)
	}
	return r.rows.one(dst)
}

func (r *Rows) one(dst []any) error {
	if !r.Next() {
		if r.err != nil {
			return r.err
		}
		return ErrNoRows
	}
	serr := r.Scan(dst...)
	if err := r.Close(); err != nil && serr == nil {
		return err
	}
	return serr
}
