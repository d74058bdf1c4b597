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
	sightTurns  = 20          // of those, before other work goes on
)

// A gate that was taken over writes here whatever it likes, about keys that it never saw.
// So a server believes only what an honest gate could have seen, and acts on their word
// for few keys: thousands that sign in web pages at once, or whose clocks are off at
// once, are one gate that lies, or whose own clock is wrong. Nothing is lost by waiting:
// such requests are refused one by one all the same.
const (
	tellBurst  = 100
	tellEvery  = 10 * time.Second // one more
	sightKept  = time.Hour        // what waited longer is no news
	maxStaleOf = 1 << 40          // requests
)

// errManySightings reaches the operator's log.
var errManySightings = errors.New("apikey: gates report more keys than is likely; the rest waits. Look for a gate that was taken over, or whose clock is wrong")

// believable reports whether an honest gate can have written this.
func (one *sighting) believable(now time.Time) bool {
	if one.at.Before(now.Add(-sightKept)) || one.at.After(now.Add(clocksApart)) {
		return false
	}
	switch one.kind {
	case sightBrowser, sightFirst:
		return true
	case sightClock:
		// Of a request that was let in: no further behind than a window, nor ahead than that.
		return one.n >= -maxWindow.Milliseconds() && one.n <= ahead.Milliseconds()
	case sightStale:
		return one.n > 0 && one.n <= maxStaleOf
	}
	return false
}

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
func (s *Service) takeSightings(ctx context.Context) (all error) {
	stale := sighting{kind: sightStale}
	enough := map[string]bool{} // kinds of which gates said too much
	for range sightTurns {
		seen, n, err := s.takeSome(ctx)
		all = errors.Join(all, err)
		for _, one := range seen {
			if one.kind == sightStale { // one event, however many rows: the log only grows
				stale.n = min(stale.n+one.n, maxStaleOf)
				continue
			}
			if enough[one.kind] {
				continue
			}
			err := s.believe(ctx, one)
			enough[one.kind] = err == errManySightings
			all = errors.Join(all, err)
		}
		if n < maxSightOne {
			break
		}
	}
	if stale.n > 0 {
		all = errors.Join(all, s.tell(ctx, stale))
	}
	return all
}

// takeSome takes rows out and reads those that can be believed; n is how many were taken.
func (s *Service) takeSome(ctx context.Context) (seen []sighting, n int, err error) {
	err = s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		seen, n = nil, 0
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
			n++
			one.at = store.Time(at)
			if a, err := netip.ParseAddr(addr); err == nil { // "" is none
				one.addr = a.WithZone("") // which is free text, and would stand in the log
			}
			if one.believable(tx.Now) {
				seen = append(seen, one)
			}
		}
		return rows.Err()
	})
	return seen, n, err
}

// believe tells what a gate saw of a key, unless that was told or gates say too much.
func (s *Service) believe(ctx context.Context, one sighting) error {
	now := s.db.Now()
	if one.kind == sightFirst {
		return s.tell(ctx, one)
	}
	k, err := s.find(ctx, one.key)
	if err != nil || k == nil || k.Status != Active {
		return err
	}
	budget := &s.tellClock
	if one.kind == sightBrowser {
		budget = &s.tellBrowser
		if !k.browserAt.IsZero() && now.Sub(k.browserAt) < repeatAfter {
			return nil
		}
	} else if now.Sub(k.clockAt) < clockEvery {
		return nil
	}
	if late(budget, now, int64(tellEvery), int64(tellEvery)*tellBurst) > 0 {
		return errManySightings
	}
	return s.tell(ctx, one)
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
