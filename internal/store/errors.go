package store

import "errors"

var (
	// ErrNoRows: the statement of a [Row] returned nothing.
	ErrNoRows = errors.New("store: no rows")

	// ErrUnaudited: an Update changed something without exactly one audit event.
	// It is a mistake in the program, and nothing was committed.
	ErrUnaudited = errors.New("store: changes without exactly one audit event")

	// ErrBusy: the queue is full, or retries were used up. Nothing was committed;
	// trying again later is right, and edge answers 503.
	ErrBusy = errors.New("store: busy")

	// ErrUnwritable: the disk is full, broken or read-only. Nothing was committed;
	// somebody has to make room, and edge answers 503 until then.
	ErrUnwritable = errors.New("store: the disk takes no more writes")

	// ErrClosed: the database is closed or closing.
	ErrClosed = errors.New("store: closed")

	// ErrSchemaNewer: the database was migrated by a newer program.
	ErrSchemaNewer = errors.New("store: the database schema is newer than this program")

	// ErrSchemaOlder: migrations are pending.
	ErrSchemaOlder = errors.New("store: the database schema is older than this program")

	// ErrLocked: another process has this SQLite database open.
	ErrLocked = errors.New("store: the database is in use by another process")

	// ErrUnique: a unique or primary key constraint refused the row.
	ErrUnique = errors.New("store: already exists")

	// ErrNested: a transaction was asked for inside another one.
	ErrNested = errors.New("store: transaction inside a transaction")

	errReadOnly = errors.New("store: this transaction only reads")
	errOver     = errors.New("store: the transaction is over")
	errRowsOpen = errors.New("store: rows of an earlier statement are still open; read them to the end or close them first")
)

// kept is an error that does not undo the changes made beside it.
type kept struct{ err error }

func (k *kept) Error() string { return k.err.Error() }
func (k *kept) Unwrap() error { return k.err }

// CommitWith keeps the changes of the transaction and still returns err to the
// caller of Update. It is for refusals that must stick: a reused refresh token
// revokes its family although the caller gets an error (RFC 9700 §4.14.2); a
// plain error would roll the revocation back and leave the thief's family alive.
func CommitWith(err error) error {
	if err == nil {
		return nil
	}
	return &kept{err}
}
