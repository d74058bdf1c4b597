package account

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"keyward/internal/store"
)

// What names a power that a hold takes away for a while.
type What string

// The powers. Stored, so never renamed.
const (
	HoldWithdraw What = "withdraw"
	HoldTransfer What = "transfer"
	HoldKeys     What = "keys"     // adding passkeys and API keys
	HoldFactors  What = "factors"  // recovery codes, TOTP
	HoldContacts What = "contacts" // changing addresses
)

// Hold is one power taken away until a moment. It ends by time alone.
type Hold struct {
	What     What
	Until    time.Time
	Because  string // for the owner, in plain words
	PlacedAt time.Time
}

// Hold takes a power away until a moment, or longer when an earlier hold lasts
// longer: until = max(until, new), in one statement, and nothing in this program
// moves it back. Not support, not an administrator, not the command line
// (MISSION D4). Rows only.
func (s *Service) Hold(tx *store.Tx, id ID, what What, until time.Time, because string) (Hold, error) {
	switch what {
	case HoldWithdraw, HoldTransfer, HoldKeys, HoldFactors, HoldContacts:
	default:
		return Hold{}, ErrInvalid.Because(errors.New("unknown hold " + string(what)))
	}
	because = strings.TrimSpace(because)
	if because == "" || utf8.RuneCountInString(because) > maxBecause || !plain(because) {
		return Hold{}, ErrInvalid.Because(errors.New("a hold says why in one sentence"))
	}
	if _, err := s.touch(tx, id); err != nil {
		return Hold{}, err
	}
	h := Hold{What: what}
	var untilAt, placedAt int64
	err := tx.Row(sqlHold, id, what, store.Micros(until), because, store.Micros(tx.Now)).Scan(&untilAt, &h.Because, &placedAt)
	h.Until, h.PlacedAt = store.Time(untilAt), store.Time(placedAt)
	return h, err
}

// Holds lists what is held right now.
func (s *Service) Holds(tx *store.Tx, id ID) ([]Hold, error) {
	rows, err := tx.Rows(sqlHolds, id, store.Micros(tx.Now))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Hold
	for rows.Next() {
		h, err := scanHold(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, rows.Err()
}

// Held reports whether one power is held right now.
func (s *Service) Held(tx *store.Tx, id ID, what What) (h Hold, held bool, err error) {
	h, err = scanHold(tx.Row(sqlHeld, id, store.Micros(tx.Now), what))
	if errors.Is(err, store.ErrNoRows) {
		return Hold{}, false, nil
	}
	return h, err == nil, err
}

func scanHold(r interface{ Scan(...any) error }) (Hold, error) {
	var (
		h             Hold
		until, placed int64
	)
	err := r.Scan(&h.What, &until, &h.Because, &placed)
	h.Until, h.PlacedAt = store.Time(until), store.Time(placed)
	return h, err
}
