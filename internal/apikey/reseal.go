package apikey

import (
	"context"
	"strconv"

	"keyward/internal/audit"
	"keyward/internal/store"
)

const resealAtOnce = 100

// Reseal seals secrets under the keys of the Safe that were sealed before there was one,
// and says how many: a gate of its own opens no others. What a secret is does not change,
// so nobody's bot notices, and it can be run again after it was interrupted.
func (s *Service) Reseal(ctx context.Context, cause store.Cause) (n int, err error) {
	type old struct {
		id     string
		n      int64
		sealed []byte
	}
	after := ""
	for {
		var found []old
		last := ""
		err := s.db.View(ctx, func(tx *store.Tx) error {
			found, last = nil, ""
			rows, err := tx.Rows(sqlSealed, after, resealAtOnce)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var o old
				if err := rows.Scan(&o.id, &o.n, &o.sealed); err != nil {
					return err
				}
				last = o.id
				if s.safe.Old(o.sealed) {
					found = append(found, o)
				}
			}
			return rows.Err()
		})
		if err != nil || last == "" {
			return n, err
		}
		if last == after {
			return n, nil
		}
		after = last
		if len(found) == 0 {
			continue
		}
		err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
			var effects []audit.Effect
			for _, o := range found {
				row := versionRow(ID(o.id), o.n)
				plain, err := s.safe.Open(o.sealed, "apikey_version", row, "sealed")
				if err != nil {
					return err
				}
				again, err := s.safe.Seal(plain, "apikey_version", row, "sealed")
				clear(plain)
				if err != nil {
					return err
				}
				// Not what was changed or ended since it was read.
				if _, err := tx.Exec(sqlReseal, o.id, o.n, o.sealed, again); err != nil {
					return err
				}
				effects = append(effects, effect(ID(o.id), 0)...)
			}
			_, err := s.log.Append(tx, audit.Event{Action: "apikey.resealed", Target: "apikeys", Effects: effects, Payload: map[string]string{"n": strconv.Itoa(len(found))}})
			return err
		})
		if err != nil {
			return n, err
		}
		n += len(found)
	}
}
