package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"keyward/internal/store"
)

// maxUnsealed bounds what a tail takes in at once. More than this is waiting
// only when nobody has sealed for minutes, and a watch then fails closed.
const maxUnsealed = 20_000

// ErrBacklog: more events wait to be sealed than a tail reads at once.
var ErrBacklog = errors.New("audit: too many unsealed events")

// requestLimit: one request makes one event, a job a handful. Its index is not
// ordered, so the bound is there for a request id that somebody reuses on purpose.
const requestLimit = 200

// placed is an event and its place: -1 while it has none. A nil row means that
// the event is gone, which only an intruder can bring about.
type placed struct {
	n   int64
	id  string
	row *row
}

// scan reads rows of "columns".
func scan(rows *store.Rows, each func(*row)) error {
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.at, &r.action, &r.actor, &r.account, &r.target, &r.request, &r.shown,
			&r.effects, &r.payload, &r.salt, &r.payloadHash, &r.mac); err != nil {
			return err
		}
		each(&r)
	}
	return rows.Err()
}

// fetch reads the events of a list that has their ids, by a statement over ids.
func fetch(tx *store.Tx, events keyed, list []placed) error {
	keys, at := make([]string, len(list)), make(map[string]int, len(list))
	for i, p := range list {
		keys[i], at[p.id] = p.id, i
	}
	return events.each(keys, func(q string, args []any) error {
		rows, err := tx.Rows(q, args...)
		if err != nil {
			return err
		}
		return scan(rows, func(r *row) { list[at[r.id]].row = r })
	})
}

// sealed reads the events after a place, in order.
func sealed(tx *store.Tx, after int64, limit int) ([]placed, error) {
	return sealedBy(tx, sqlEvents, after, limit)
}

// told is how this log reads events for the tail.
func (l *Log) told() keyed {
	if l.mac == nil {
		return sqlEventsUntold
	}
	return sqlEvents
}

func sealedBy(tx *store.Tx, events keyed, after int64, limit int) (list []placed, err error) {
	rows, err := tx.Rows(sqlSealed, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p placed
		if err := rows.Scan(&p.n, &p.id); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return list, fetch(tx, events, list)
}

// unsealed reads the events without a place.
func unsealed(tx *store.Tx, limit int) ([]placed, error) { return unsealedBy(tx, sqlEvents, limit) }

func unsealedBy(tx *store.Tx, events keyed, limit int) (list []placed, err error) {
	rows, err := tx.Rows(sqlUnsealed, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		p := placed{n: -1}
		if err := rows.Scan(&p.id); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return list, fetch(tx, events, list)
}

// parsed are the records of a list, without those that are gone.
func parsed(list []placed) ([]Record, error) {
	recs := make([]Record, 0, len(list))
	for _, p := range list {
		if p.row == nil {
			continue
		}
		rec, err := p.row.record(p.n)
		if err != nil {
			return nil, err
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// find reads events by a query over audit_event and looks up their places.
func find(tx *store.Tx, list []placed, q string, args ...any) ([]placed, error) {
	rows, err := tx.Rows(q, args...)
	if err != nil {
		return nil, err
	}
	err = scan(rows, func(r *row) { list = append(list, placed{-1, r.id, r}) })
	return list, err
}

func locate(tx *store.Tx, list []placed) error {
	keys, at := make([]string, len(list)), make(map[string]int, len(list))
	for i, p := range list {
		keys[i], at[p.id] = p.id, i
	}
	return sqlPlaces.each(keys, func(q string, args []any) error {
		rows, err := tx.Rows(q, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n int64
			var id string
			if err := rows.Scan(&n, &id); err != nil {
				return err
			}
			list[at[id]].n = n
		}
		return rows.Err()
	})
}

// Tail returns at most limit sealed events with an index above after (-1: from
// the beginning), in order,
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

// Sealed returns the events with an index above after whose action is wanted, at
// most limit of all that stand there, and the index of the last one looked at
// (after itself when there is no news). A follower that cares for few kinds spares
// itself parsing the many.
func (l *Log) Sealed(ctx context.Context, db *store.DB, after int64, limit int, wanted func(Action) bool) (recs []Record, last int64, err error) {
	last = after
	events := sqlEvents
	if !slices.ContainsFunc(turns, wanted) {
		events = sqlEventsButTurns
	}
	err = db.View(ctx, func(tx *store.Tx) error {
		list, err := sealedBy(tx, events, after, limit)
		if err != nil || len(list) == 0 {
			return err
		}
		last = list[len(list)-1].n
		recs, err = parsed(slices.DeleteFunc(list, func(p placed) bool { return p.row == nil || !wanted(Action(p.row.action)) }))
		return err
	})
	return recs, last, err
}

func (l *Log) tail(tx *store.Tx, after int64, limit int) (inPlace, waiting []Record, err error) {
	list, err := sealedBy(tx, l.told(), after, limit)
	if err != nil {
		return nil, nil, err
	}
	if inPlace, err = parsed(list); err != nil {
		return nil, nil, err
	}
	if list, err = unsealedBy(tx, l.told(), maxUnsealed+1); err != nil {
		return nil, nil, err
	}
	if len(list) > maxUnsealed {
		return nil, nil, ErrBacklog
	}
	list = slices.DeleteFunc(list, func(p placed) bool { return p.row == nil || !l.ours(p.row) })
	waiting, err = parsed(list)
	return inPlace, waiting, err
}

// ForAccount returns an account's whole history, newest first. before is the id
// of the last event of the page above, "" for the first page.
func (l *Log) ForAccount(ctx context.Context, db *store.DB, account, before string, limit int) ([]Record, error) {
	return page(ctx, db, account, before, limit, true, false)
}

// Activity is ForAccount without the events that owners are not shown, such as
// every turn of a refresh token.
func (l *Log) Activity(ctx context.Context, db *store.DB, account, before string, limit int) ([]Record, error) {
	return page(ctx, db, account, before, limit, true)
}

// page merges walks over one index: an order over both kinds at once would
// read every refresh of the account to find its last ten events.
func page(ctx context.Context, db *store.DB, account, before string, limit int, shown ...bool) ([]Record, error) {
	if before == "" {
		before = "~" // every id sorts before it
	}
	return read(ctx, db, func(tx *store.Tx) (list []placed, err error) {
		for _, kind := range shown {
			if list, err = find(tx, list, sqlOfAccount, account, kind, before, limit); err != nil {
				return nil, err
			}
		}
		slices.SortFunc(list, func(a, b placed) int { return cmp.Compare(b.id, a.id) })
		return list[:min(limit, len(list))], nil
	})
}

// First returns the oldest event of an action that the owner is shown, or
// store.ErrNoRows.
func (l *Log) First(ctx context.Context, db *store.DB, account string, action Action) (Record, error) {
	recs, err := read(ctx, db, func(tx *store.Tx) ([]placed, error) { return find(tx, nil, sqlFirst, account, true, string(action)) })
	if err != nil {
		return Record{}, err
	}
	if len(recs) == 0 {
		return Record{}, fmt.Errorf("audit: no %s of %q: %w", action, account, store.ErrNoRows)
	}
	return recs[0], nil
}

// ByRequest returns what one request changed, in the order of the ids. Events that
// no owner is shown (a refresh) are found while they are among the newest 5,000.
func (l *Log) ByRequest(ctx context.Context, db *store.DB, request string) ([]Record, error) {
	return read(ctx, db, func(tx *store.Tx) ([]placed, error) {
		list, err := find(tx, nil, sqlByRequest, request, requestLimit)
		if err == nil && len(list) == 0 {
			list, err = find(tx, nil, sqlByRequestLately, request)
		}
		slices.SortFunc(list, func(a, b placed) int { return cmp.Compare(a.id, b.id) })
		return list, err
	})
}

// ByID returns one event, or store.ErrNoRows.
func (l *Log) ByID(ctx context.Context, db *store.DB, id string) (Record, error) {
	recs, err := read(ctx, db, func(tx *store.Tx) ([]placed, error) { return find(tx, nil, sqlByID, id) })
	if err != nil {
		return Record{}, err
	}
	if len(recs) == 0 {
		return Record{}, fmt.Errorf("audit: event %q: %w", id, store.ErrNoRows)
	}
	return recs[0], nil
}

func read(ctx context.Context, db *store.DB, events func(*store.Tx) ([]placed, error)) (recs []Record, err error) {
	err = db.View(ctx, func(tx *store.Tx) error {
		list, err := events(tx)
		if err != nil {
			return err
		}
		if err := locate(tx, list); err != nil {
			return err
		}
		recs, err = parsed(list)
		return err
	})
	return recs, err
}

// Last is the index of the newest sealed event, -1 when there is none.
func (l *Log) Last(ctx context.Context, db *store.DB) (int64, error) {
	n := int64(-1)
	err := db.Get(ctx, sqlLast).Scan(&n)
	return n, err
}
