package account

import (
	"time"

	"keyward/internal/store"
)

// Standing is what an account may do just now: its status, and what is held until when.
// It reads no more than the database role of a gate may read; who somebody is and why
// something is held is none of a gate's business. ErrUnknown as for ByID.
func (s *Service) Standing(tx *store.Tx, id ID) (status Status, held map[What]time.Time, err error) {
	if err := tx.Row(sqlStatus, string(id)).Scan((*string)(&status)); err == store.ErrNoRows {
		return "", nil, ErrUnknown
	} else if err != nil {
		return "", nil, err
	}
	rows, err := tx.Rows(sqlHeldUntil, string(id), store.Micros(tx.Now))
	if err != nil {
		return "", nil, err
	}
	defer rows.Close()
	held = map[What]time.Time{}
	for rows.Next() {
		var what What
		var until int64
		if err := rows.Scan((*string)(&what), &until); err != nil {
			return "", nil, err
		}
		held[what] = store.Time(until)
	}
	return status, held, rows.Err()
}
