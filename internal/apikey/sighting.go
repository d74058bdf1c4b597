package apikey

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"keyward/internal/audit"
	"keyward/internal/store"
)

// A gate of its own may write no event and change no key: whoever takes one over must
// not be able to write history, or to end what others trade with. What it sees that its
// owner has to know goes into a row, and a server makes an event of it within a second
// or two.

// sighting is what a gate saw.
type sighting struct {
	kind string
	key  ID
	addr netip.Addr
	at   time.Time
	n    int64 // of a kind that is counted
}

const (
	sightBrowser = "in_browser"
	sightStale   = "stale"
	sightClock   = "clock" // n: how far ahead of ours, milliseconds
	sightFirst   = "first" // it was never used before

	sightEvery  = time.Second // a server looks
	maxSightOne = 200         // taken in at once
)

// sight writes down what was seen: one row of a kind, key and minute, so that a flood of
// it is one row. Nobody waits for more than the one statement.
func (s *Service) sight(ctx context.Context, seen sighting) error {
	addr := ""
	if seen.addr.IsValid() {
		addr = seen.addr.Unmap().WithZone("").String()
	}
	id := seen.kind + " " + string(seen.key) + " " + strconv.FormatInt(seen.at.Unix()/60, 10)
	return s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(sqlSight, id, seen.kind, string(seen.key), addr, store.Micros(seen.at), seen.n)
		return err
	})
}

// takeSightings makes events of what gates saw. A row that was taken and not acted on,
// because this process was killed in between, is written again by the next request.
func (s *Service) takeSightings(ctx context.Context) error {
	var seen []sighting
	err := s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		seen = seen[:0]
		rows, err := tx.Rows(sqlTakeSightings, maxSightOne)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var one sighting
			var addr string
			var at int64
			if err := rows.Scan(&one.kind, (*string)(&one.key), &addr, &at, &one.n); err != nil {
				return err
			}
			one.at = store.Time(at)
			one.addr, _ = netip.ParseAddr(addr) // "" is none
			seen = append(seen, one)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	var all error
	for _, one := range seen {
		all = errors.Join(all, s.tell(ctx, one))
	}
	return all
}

// tell makes an event of one sighting, if it still is one.
func (s *Service) tell(ctx context.Context, one sighting) error {
	switch one.kind {
	case sightBrowser:
		k, err := s.find(ctx, one.key)
		if err != nil || k == nil {
			return err
		}
		return s.inBrowser(ctx, k, one.addr)
	case sightClock:
		k, err := s.find(ctx, one.key)
		if err != nil || k == nil {
			return err
		}
		return s.clockIsOff(ctx, k, one)
	case sightFirst:
		return s.db.Housekeeping(ctx, func(tx *store.Tx) error { return tx.Later(sqlUsed, store.Micros(one.at), string(one.key)) })
	case sightStale:
		return s.db.Update(ctx, store.Cause{Actor: "system:gate"}, func(tx *store.Tx) error {
			_, err := s.log.Append(tx, audit.Event{Action: "gate.stale", Target: "gate", Payload: map[string]string{"requests": strconv.FormatInt(one.n, 10)}})
			return err
		})
	}
	return nil
}

// lookForSightings runs until ctx ends, at a server.
func (s *Service) lookForSightings(ctx context.Context, report func(error)) {
	t := time.NewTicker(sightEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := s.takeSightings(ctx); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
}
