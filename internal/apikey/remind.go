package apikey

import (
	"context"
	"errors"
	"strconv"
	"time"

	"keyward/internal/audit"
	"keyward/internal/store"
)

// reminders: how many days before its end the owner of a key is told.
var reminders = []int64{1, 3, 7, 14} // the nearest first

// due is the reminder that a key is to get now, 0 for none: the nearest step that has
// come since there was something to remind of. A key that was made, or rotated, for five
// days is not told at once that it ends in fourteen; and after a night without a server
// one mail goes out and not three.
func due(now, expires, since time.Time, said int64) int64 {
	left := expires.Sub(now)
	for _, days := range reminders {
		step := time.Duration(days) * day
		if left > step {
			continue
		}
		if (said == 0 || days < said) && expires.Add(-step).After(since) {
			return days
		}
		return 0
	}
	return 0
}

// Remind tells owners of keys that end soon, each step of each end once: whoever writes
// the row writes the event. Any number of processes may run it.
func (s *Service) Remind(ctx context.Context) error {
	type ending struct {
		id      ID
		expires int64
		days    int64
	}
	var errs error
	for after := ""; ; {
		var list []ending
		n := 0
		err := s.db.View(ctx, func(tx *store.Tx) error {
			list, n = nil, 0
			rows, err := tx.Rows(sqlEnding, store.Micros(tx.Now), store.Micros(tx.Now.Add(14*day)), after)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var id string
				var expires, starts, made, said int64
				if err := rows.Scan(&id, &expires, &starts, &made, &said); err != nil {
					return err
				}
				n, after = n+1, id
				if days := due(tx.Now, store.Time(expires), store.Time(max(starts, made)), said); days > 0 {
					list = append(list, ending{ID(id), expires, days})
				}
			}
			return rows.Err()
		})
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := s.remind(ctx, e.id, e.expires, e.days); err != nil {
				errs = errors.Join(errs, err) // one that fails must not keep the others waiting
			}
		}
		if n < 200 {
			return errs
		}
	}
}

var errSaid = errors.New("apikey: it was said already")

func (s *Service) remind(ctx context.Context, id ID, expires, days int64) error {
	err := s.db.Update(ctx, store.Cause{Actor: "system:reminders"}, func(tx *store.Tx) error {
		rows, err := tx.Exec(sqlRemind, string(id), expires, days, store.Micros(tx.Now))
		if err != nil {
			return err
		}
		if rows == 0 {
			return errSaid
		}
		k, err := scanKey(tx.Row(sqlOpenKey, string(id)))
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "apikey.ends_soon", Account: string(k.Account), Target: string(id),
			Effects: []audit.Effect{{Kind: "apikey_reminder", ID: string(id), Version: days}},
			Payload: map[string]string{"purpose": k.Purpose, "days": strconv.FormatInt(days, 10), "ends": k.Expires.UTC().Format(time.RFC3339)},
		})
		return err
	})
	if errors.Is(err, errSaid) {
		return nil
	}
	return err
}

// RunReminders looks for keys that end soon, until ctx ends.
func (s *Service) RunReminders(ctx context.Context, report func(error)) {
	t := time.NewTicker(remindEvery)
	defer t.Stop()
	for {
		if err := s.Remind(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
