package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// readers is a small pool of reading connections with their prepared
// statements. The last one given back is taken first, so that a quiet server
// warms the cache of one connection and not of all.
type readers struct {
	db   *sql.DB
	free chan struct{} // one token per connection that may be taken

	mu   sync.Mutex // guards idle and gone
	idle []*sqliteConn
	gone bool
}

func openReaders(path string, o Options) (*readers, error) {
	db, err := openFile(path, true)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(o.MaxConns)
	r := &readers{db: db, free: make(chan struct{}, o.MaxConns)}
	for range o.MaxConns {
		r.free <- struct{}{}
	}
	return r, nil
}

func (r *readers) take(ctx context.Context) (*sqliteConn, error) {
	select {
	case <-r.free:
	default:
		select {
		case <-r.free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r.mu.Lock()
	if r.gone {
		r.mu.Unlock()
		r.free <- struct{}{}
		return nil, ErrClosed
	}
	if n := len(r.idle); n > 0 {
		c := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return c, nil
	}
	r.mu.Unlock()
	c, err := newConn(ctx, r.db)
	if err != nil {
		r.free <- struct{}{}
		return nil, err
	}
	return c, nil
}

func (r *readers) give(c *sqliteConn) {
	r.mu.Lock()
	r.idle = append(r.idle, c)
	r.mu.Unlock()
	r.free <- struct{}{}
}

// drop closes a connection whose state is unknown.
func (r *readers) drop(c *sqliteConn) {
	c.close()
	r.free <- struct{}{}
}

func (r *readers) get(ctx context.Context, q string, args, dst []any) error {
	c, err := r.take(ctx)
	if err != nil {
		return err
	}
	defer r.give(c)
	rows, err := c.query(q, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return ErrNoRows
	}
	return rows.Scan(dst...)
}

func (r *readers) view(ctx context.Context, tx *Tx, f func(*Tx) error) (err error) {
	c, err := r.take(ctx)
	if err != nil {
		return err
	}
	clean := false
	defer func() { // also after a panic of f
		tx.finish()
		if _, rerr := c.exec("ROLLBACK", nil); rerr != nil && clean {
			err = errors.Join(err, fmt.Errorf("store: end of view: %w", rerr))
			r.drop(c)
			return
		}
		r.give(c)
	}()
	if _, err := c.exec("BEGIN", nil); err != nil {
		return err
	}
	tx.s = c
	err = f(tx)
	clean = true
	if failed := tx.finish(); err == nil {
		err = failed
	}
	return err
}

// close waits for the readers that are out.
func (r *readers) close() error {
	r.mu.Lock()
	r.gone = true
	r.mu.Unlock()
	for range cap(r.free) {
		<-r.free
	}
	for _, c := range r.idle {
		c.close()
	}
	return r.db.Close()
}
