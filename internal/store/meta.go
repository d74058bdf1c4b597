package store

import (
	"context"
	"errors"
	"time"
)

const (
	sqlLoadMeta = `SELECT value FROM store_meta WHERE name = $1`
	// DO UPDATE rather than DO NOTHING: only so does RETURNING yield the row that was there.
	sqlCreateMeta = `INSERT INTO store_meta (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value`
	sqlAddMeta  = `INSERT INTO store_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
	sqlSwapMeta = `UPDATE store_meta SET value = $3 WHERE name = $1 AND value = $2`
)

// probe is the row that Probe writes. Its value is the time to the nanosecond:
// SQLite writes no page when a row stays as it is.
const probe = "store/probe"

const sqlProbe = `INSERT INTO store_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`

// Probe finds out whether a change could be kept right now, by keeping one. A
// disk that is full still answers every question.
func (db *DB) Probe(ctx context.Context) error {
	return db.Housekeeping(ctx, func(tx *Tx) error {
		_, err := tx.Exec(sqlProbe, probe, []byte(db.now().Format(time.RFC3339Nano)))
		return err
	})
}

// LoadMeta reads the small value kept under name.
func (db *DB) LoadMeta(ctx context.Context, name string) (v []byte, ok bool, err error) {
	err = db.Get(ctx, sqlLoadMeta, name).Scan(&v)
	if errors.Is(err, ErrNoRows) {
		return nil, false, nil
	}
	return v, err == nil, err
}

// CreateMeta stores v under name unless something is there, and returns what is
// there now: of two processes that start together both get the first one's value.
func (db *DB) CreateMeta(ctx context.Context, name string, v []byte) (kept []byte, err error) {
	if v == nil {
		v = []byte{}
	}
	err = db.Housekeeping(ctx, func(tx *Tx) error {
		kept = nil
		return tx.Row(sqlCreateMeta, name, v).Scan(&kept)
	})
	return kept, err
}

// SwapMeta is DB.SwapMeta inside of a transaction, for a change that is written to
// the log. old is what must be there.
func (tx *Tx) SwapMeta(name string, old, new []byte) (swapped bool, err error) {
	n, err := tx.Exec(sqlSwapMeta, name, old, new)
	return n == 1 && err == nil, err
}

// SwapMeta replaces old by new and reports whether old was there. A nil old
// means that nothing may be there yet.
func (db *DB) SwapMeta(ctx context.Context, name string, old, new []byte) (swapped bool, err error) {
	if new == nil {
		new = []byte{}
	}
	err = db.Housekeeping(ctx, func(tx *Tx) error {
		var n int64
		var err error
		if old == nil {
			n, err = tx.Exec(sqlAddMeta, name, new)
		} else {
			n, err = tx.Exec(sqlSwapMeta, name, old, new)
		}
		swapped = n == 1
		return err
	})
	return swapped && err == nil, err
}
