package apikey

import (
	"context"
	"net/netip"
	"time"

	"keyward/internal/account"
	"keyward/internal/store"
)

// Filter says which keys an incident is about. All that is set has to fit.
type Filter struct {
	Account account.ID
	Partner string       // exactly as it stands on the keys
	After   time.Time    // made at it or later
	Before  time.Time    // made earlier
	From    netip.Prefix // made from there, or let in from there in the last 90 days
}

// Empty reports a filter that nothing is said in: it would end every key there is.
func (f Filter) Empty() bool { return f == Filter{} }

// Matching lists live keys that a filter is about, by id, those after one. Honeytokens are
// never among them. next is where to go on; "" is the end.
func (s *Service) Matching(ctx context.Context, f Filter, after ID) (keys []Key, next ID, err error) {
	before := int64(1 << 62)
	if !f.Before.IsZero() {
		before = store.Micros(f.Before)
	}
	from := int64(0)
	if !f.After.IsZero() {
		from = store.Micros(f.After)
	}
	err = s.db.View(ctx, func(tx *store.Tx) error {
		keys, next = nil, ""
		page, err := s.page(tx, sqlMatching, string(after), string(f.Account), f.Partner, from, before)
		if err != nil {
			return err
		}
		for _, k := range page {
			next = k.ID
			fits, err := s.from(tx, k, f.From)
			if err != nil {
				return err
			}
			if fits {
				keys = append(keys, k)
			}
		}
		return nil
	})
	return keys, next, err
}

func (s *Service) page(tx *store.Tx, query string, args ...any) (keys []Key, err error) {
	rows, err := tx.Rows(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		k, err := scanKey(rows)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// from reports whether a key was made or used from a range.
func (s *Service) from(tx *store.Tx, k Key, where netip.Prefix) (bool, error) {
	if !where.IsValid() {
		return true, nil
	}
	inside := func(text string) bool {
		a, err := netip.ParseAddr(text)
		return err == nil && where.Contains(a.Unmap())
	}
	if inside(k.Made.Addr) {
		return true, nil
	}
	rows, err := tx.Rows(sqlUsedFrom, string(k.ID))
	if err != nil {
		return false, err
	}
	defer rows.Close()
	found := false
	for rows.Next() {
		var addr string
		if err := rows.Scan(&addr); err != nil {
			return false, err
		}
		found = found || inside(addr)
	}
	return found, rows.Err()
}
