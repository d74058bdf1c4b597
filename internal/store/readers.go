package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// readers is a small pool of reading connections with their prepared
// statements. The last one given back is taken first, so that a quiet server
// warms the cache of one connection and not of all.
type readers struct {
	db    *sql.DB
	slots chan struct{} // one per connection in use
	gone  chan struct{} // closed by close
	bound int64         // callers that may wait for a connection
	queue atomic.Int64  // callers that do

	mu   sync.Mutex // guards idle
	idle []*sqliteConn
}

func openReaders(path string, a access, o Options) (*readers, error) {
	db, err := openFile(path, a)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(o.MaxConns)
	return &readers{
		db: db, bound: int64(o.Queue),
		slots: make(chan struct{}, o.MaxConns),
		gone:  make(chan struct{}),
	}, nil
}

func (r *readers) take(ctx context.Context) (*sqliteConn, error) {
	select {
	case <-r.gone:
		return nil, ErrClosed
	default:
	}
	select {
	case r.slots <- struct{}{}:
	default:
		if err := r.wait(ctx); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	if n := len(r.idle); n > 0 {
		c := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return c, nil
	}
	r.mu.Unlock()
	c, err := newConn(context.WithoutCancel(ctx), r.db)
	if err != nil {
		<-r.slots
		return nil, err
	}
	return c, nil
}

func (r *readers) wait(ctx context.Context) error {
	if r.queue.Add(1) > r.bound {
		r.queue.Add(-1)
		return ErrBusy
	}
	defer r.queue.Add(-1)
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-r.gone:
		return ErrClosed
	case <-late.C:
		return fmt.Errorf("%w: no reader within %s", ErrBusy, patience)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *readers) give(c *sqliteConn) {
	r.mu.Lock()
	r.idle = append(r.idle, c)
	r.mu.Unlock()
	<-r.slots
}

// drop closes a connection whose state is unknown.
func (r *readers) drop(c *sqliteConn) {
	c.close()
	<-r.slots
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
	if _, err := c.exec("BEGIN", nil); err != nil {
		r.drop(c)
		return err
	}
	defer rethrow()
	defer func() { // also after a panic
		tx.finish()
		if _, rerr := c.exec("ROLLBACK", nil); rerr != nil {
			r.drop(c)
			err = errors.Join(err, fmt.Errorf("store: end of a view: %w", rerr))
			return
		}
		r.give(c)
	}()
	tx.s = c
	err = f(tx)
	if failed := tx.finish(); err == nil {
		err = failed
	}
	return err
}

// close waits for the readers that are out.
func (r *readers) close() error {
	close(r.gone)
	for range cap(r.slots) {
		r.slots <- struct{}{}
	}
	for _, c := range r.idle {
		c.close()
	}
	return r.db.Close()
}
