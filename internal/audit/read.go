package audit

import (
	"context"
	"errors"
	"fmt"
	"math"

	"keyward/internal/store"
)

// maxUnsealed bounds what a tail takes in at once. More than this is waiting
// only when nobody has sealed for minutes, and a watch then fails closed.
const maxUnsealed = 20_000

// ErrBacklog: more events wait to be sealed than a tail reads at once.
var ErrBacklog = errors.New("audit: too many unsealed events")

// requestLimit: one request makes one event, a job a handful.
const requestLimit = 200

// scan reads rows of "n, columns".
func scan(rows *store.Rows, each func(n int64, r *row) error) error {
	defer rows.Close()
	for rows.Next() {
		var n int64
		var r row
		if err := rows.Scan(&n, &r.id, &r.at, &r.action, &r.actor, &r.account, &r.target, &r.request, &r.shown,
			&r.effects, &r.payload, &r.salt, &r.payloadHash, &r.mac); err != nil {
			return err
		}
		if err := each(n, &r); err != nil {
			return err
		}
	}
	return rows.Err()
}

func query(tx *store.Tx, q string, args ...any) (recs []Record, err error) {
	rows, err := tx.Rows(q, args...)
	if err != nil {
		return nil, err
	}
	err = scan(rows, func(n int64, r *row) error {
		rec, err := r.record(n)
		recs = append(recs, rec)
		return err
	})
	return recs, err
}

func records(ctx context.Context, db *store.DB, q string, args ...any) (recs []Record, err error) {
	err = db.View(ctx, func(tx *store.Tx) error {
		recs, err = query(tx, q, args...)
		return err
	})
	return recs, err
}

// Tail returns at most limit sealed events with an index above after, in order,
// and every event that has no place yet. An event is seen unsealed first and
// sealed later; followers that act once go by the sealed ones, caches by both.
//
// Both are read from one snapshot: an event sealed between two reads would be in
// neither. Unsealed events that we did not write are left out; the sealer
// refuses them.
func (l *Log) Tail(ctx context.Context, db *store.DB, after int64, limit int) (sealed, unsealed []Record, err error) {
	err = db.View(ctx, func(tx *store.Tx) error {
		sealed, unsealed, err = l.tail(tx, after, limit)
		return err
	})
	return sealed, unsealed, err
}

func (l *Log) tail(tx *store.Tx, after int64, limit int) (sealed, unsealed []Record, err error) {
	if sealed, err = query(tx, sqlSealed, after, limit); err != nil {
		return nil, nil, err
	}
	rows, err := tx.Rows(sqlUnsealed, maxUnsealed+1)
	if err != nil {
		return nil, nil, err
	}
	seen := 0
	err = scan(rows, func(n int64, r *row) error {
		if seen++; seen > maxUnsealed {
			return ErrBacklog
		}
		if !l.ours(r) {
			return nil
		}
		rec, err := r.record(n)
		unsealed = append(unsealed, rec)
		return err
	})
	return sealed, unsealed, err
}

// ForAccount returns an account's whole history, newest first. before is the id
// of the last event of the page above, "" for the first page.
func (l *Log) ForAccount(ctx context.Context, db *store.DB, account, before string, limit int) ([]Record, error) {
	return records(ctx, db, sqlForAccount, account, orNewest(before), limit)
}

// Activity is ForAccount without the events that owners are not shown, such as
// every turn of a refresh token.
func (l *Log) Activity(ctx context.Context, db *store.DB, account, before string, limit int) ([]Record, error) {
	return records(ctx, db, sqlActivity, account, orNewest(before), limit)
}

// orNewest: every id sorts before "~".
func orNewest(before string) string {
	if before == "" {
		return "~"
	}
	return before
}

// ByRequest returns what one request changed.
func (l *Log) ByRequest(ctx context.Context, db *store.DB, request string) ([]Record, error) {
	return records(ctx, db, sqlByRequest, request, requestLimit)
}

// ByID returns one event, or store.ErrNoRows.
func (l *Log) ByID(ctx context.Context, db *store.DB, id string) (Record, error) {
	recs, err := records(ctx, db, sqlByID, id)
	if err != nil {
		return Record{}, err
	}
	if len(recs) == 0 {
		return Record{}, fmt.Errorf("audit: event %q: %w", id, store.ErrNoRows)
	}
	return recs[0], nil
}

// Last is the index of the newest sealed event, -1 when there is none.
func (l *Log) Last(ctx context.Context, db *store.DB) (int64, error) {
	n := int64(math.MinInt64)
	err := db.Get(ctx, sqlLast).Scan(&n)
	return n, err
}
