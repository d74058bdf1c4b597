package account

import (
	"time"

	"keyward/internal/store"
)

// statuses are all there are.
var statuses = [...]Status{Active, Frozen, Restricted, Closed}

// Standing is what an account may do just now: its status, and what is held until when;
// nil where nothing is.
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
	for rows.Next() {
		var what What
		var until int64
		if err := rows.Scan((*string)(&what), &until); err != nil {
			return "", nil, err
		}
		if held == nil { // gates remember many accounts, and most have none
			held = map[What]time.Time{}
		}
		held[what] = store.Time(until)
	}
	for _, one := range statuses {
		if status == one {
			status = one // the one text, not that of the row
		}
	}
	return status, held, rows.Err()
}
