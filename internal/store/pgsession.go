package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	commitSQL   = `COMMIT`
	rollbackSQL = `ROLLBACK`

	// commitPatience is how long the answer to a COMMIT that was sent is waited
	// for, whatever the caller's deadline: leaving earlier would only make the
	// outcome unknown.
	commitPatience = 10 * time.Second
	// rollbackPatience is shorter: a connection that does not answer is dropped,
	// which rolls back too.
	rollbackPatience = 2 * time.Second
)

// postgresSession runs the statements of one transaction.
//
// Round trips cost more than the disk: five of them commit 5 k times a second
// where one commits 14 k. So BEGIN and every statement whose result nobody
// waits for travel with the next statement, or with COMMIT, in one pipeline. A
// transaction that reads once, writes and appends its event is two trips.
type postgresSession struct {
	ctx     context.Context
	pc      *pgx.Conn
	pending []pendingStmt // not sent yet
	unknown bool          // COMMIT was sent and its answer did not come
}

type pendingStmt struct {
	q    string
	args []any
}

func newPostgresSession(ctx context.Context, pc *pgx.Conn, begin string) *postgresSession {
	s := &postgresSession{ctx: ctx, pc: pc, pending: make([]pendingStmt, 1, 4)}
	s.pending[0].q = begin
	return s
}

// prepare makes sure that q is a prepared statement of the connection.
//
// The driver's own cache would do it too, but it forgets every statement of a
// pipeline in which one failed. Under SERIALIZABLE failing is everyday, and each
// conflict would cost all the trips of preparing anew.
func (s *postgresSession) prepare(ctx context.Context, q string) error {
	_, err := s.pc.Prepare(ctx, q, q)
	return postgresError(err)
}

// send puts what is pending and one statement more on the wire and reads the
// answers up to those of the last.
func (s *postgresSession) send(ctx context.Context, q string, args []any) (pgx.BatchResults, error) {
	b := &pgx.Batch{}
	for _, p := range s.pending {
		if err := s.prepare(ctx, p.q); err != nil {
			return nil, err
		}
		b.Queue(p.q, p.args...)
	}
	if err := s.prepare(ctx, q); err != nil {
		return nil, err
	}
	b.Queue(q, args...)
	br := s.pc.SendBatch(ctx, b)
	for range s.pending {
		if _, err := br.Exec(); err != nil {
			br.Close()
			return nil, postgresError(err)
		}
	}
	s.pending = s.pending[:0]
	return br, nil
}

func (s *postgresSession) exec(q string, args []any) (int64, error) {
	if len(s.pending) == 0 {
		if err := s.prepare(s.ctx, q); err != nil {
			return 0, err
		}
		tag, err := s.pc.Exec(s.ctx, q, args...)
		return tag.RowsAffected(), postgresError(err)
	}
	br, err := s.send(s.ctx, q, args)
	if err != nil {
		return 0, err
	}
	tag, err := br.Exec()
	if cerr := br.Close(); err == nil {
		err = cerr
	}
	return tag.RowsAffected(), postgresError(err)
}

func (s *postgresSession) query(q string, args []any) (cursor, error) {
	if len(s.pending) == 0 {
		if err := s.prepare(s.ctx, q); err != nil {
			return nil, err
		}
		rows, err := s.pc.Query(s.ctx, q, args...)
		if err != nil {
			return nil, postgresError(err)
		}
		return &postgresRows{Rows: rows}, nil
	}
	br, err := s.send(s.ctx, q, args)
	if err != nil {
		return nil, err
	}
	rows, err := br.Query()
	if err != nil {
		br.Close()
		return nil, postgresError(err)
	}
	return &postgresRows{Rows: rows, br: br}, nil
}

// maxPending bounds what one trip carries.
const maxPending = 256

// later keeps the statement for the next trip. Bytes are copied: on SQLite the
// statement would have run already, so the caller may reuse its buffer.
func (s *postgresSession) later(q string, args []any) error {
	if len(s.pending) == maxPending {
		_, err := s.exec(q, args)
		return err
	}
	for i, a := range args {
		if b, ok := a.([]byte); ok {
			args[i] = bytes.Clone(b)
		}
	}
	s.pending = append(s.pending, pendingStmt{q, args})
	return nil
}

// commit sends what is pending with the COMMIT. A transaction in which nothing
// ran sends nothing at all.
func (s *postgresSession) commit() error {
	if len(s.pending) == 1 && s.pc.PgConn().TxStatus() == 'I' {
		return nil // only the BEGIN
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), commitPatience)
	defer cancel()
	if err := s.prepare(ctx, commitSQL); err != nil {
		return err
	}
	br, err := s.send(ctx, commitSQL, nil)
	if err != nil {
		// Without an answer to what came before it the COMMIT may still have been
		// obeyed: it was on the same wire.
		s.unknown = s.pc.IsClosed()
		return err
	}
	tag, err := br.Exec()
	if cerr := br.Close(); err == nil {
		err = cerr
	}
	if err == nil && tag.String() != commitSQL {
		err = fmt.Errorf("store: the server answered COMMIT with %s", tag)
	}
	if err != nil {
		s.unknown = s.pc.IsClosed()
		if s.unknown {
			err = fmt.Errorf("store: the outcome of the commit is unknown: %w", err)
		}
		return postgresError(err)
	}
	return nil
}

// rollback ends the transaction if one is open, and drops a connection that
// does not obey.
func (s *postgresSession) rollback() {
	if s.pc.IsClosed() || s.pc.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), rollbackPatience)
	defer cancel()
	if _, err := s.pc.Exec(ctx, rollbackSQL); err != nil {
		s.pc.Close(ctx)
	}
}

// passing reports whether trying the whole transaction again may help, and
// cannot do it twice.
func (s *postgresSession) passing(err error) bool {
	if s.unknown {
		return false
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch e.Code {
		case "40001", "40P01": // serialization failure, deadlock
			return true
		case "57P01", "57P02", "57P03": // the server shuts down or starts
			return true
		case "0A000": // a prepared plan that a migration beside us made stale
			ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), rollbackPatience)
			defer cancel()
			s.pc.Close(ctx)
			return true
		}
		return false
	}
	return s.pc.IsClosed() && s.ctx.Err() == nil // the connection broke, not the caller's patience
}

// postgresRows are the rows of a statement, and the pipeline they came in.
type postgresRows struct {
	pgx.Rows
	br pgx.BatchResults
}

func (r *postgresRows) Err() error { return postgresError(r.Rows.Err()) }

func (r *postgresRows) Close() error {
	r.Rows.Close()
	if r.br == nil {
		return nil
	}
	return postgresError(r.br.Close())
}

// postgresError gives the errors of PostgreSQL that callers distinguish their names.
func postgresError(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) || errors.Is(err, ErrUnique) || errors.Is(err, ErrUnwritable) {
		return err
	}
	switch e.Code {
	case "23505":
		return fmt.Errorf("%w: %w", ErrUnique, err)
	case "53100", "58030", "25006": // disk_full, io_error, read_only_sql_transaction: a standby, or one that an operator closed
		return fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	return err
}
