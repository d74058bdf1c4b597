package confirm

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"keyward/internal/store"
)

// How large a withdrawal is, by the operator's limits of its asset. What was approved in the last day counts with it:
// a limit on one at a time is none for who can ask twenty times.

// size of a withdrawal. Without limits nothing is small and nothing is above.
type size struct {
	above bool      // nothing but a second device is enough
	small bool      // any passkey is, from then on
	from  time.Time // when the address is past its hold and the day's sum leaves room
}

// spent is something that was approved lately.
type spent struct {
	amount *big.Rat
	rule   string
	at     time.Time
}

func (s *Service) size(tx *store.Tx, i Intent) (z size, err error) {
	small, above := s.limits(i.Asset)
	if small == nil && above == nil {
		return z, nil
	}
	amount, ok := new(big.Rat).SetString(i.Amount)
	if !ok {
		return size{above: true}, nil // an amount that cannot be read is above everything
	}
	lately, err := s.lately(tx, i)
	if err != nil {
		return z, err
	}
	if above != nil {
		// What a second device approved was seen there; it makes nothing else large.
		at, fits := room(lately, above, amount, func(r string) bool { return r != RuleSecondDevice })
		z.above = !fits || tx.Now.Before(at)
	}
	if small != nil {
		at, fits := room(lately, small, amount, func(r string) bool { return r == RuleSmall })
		if z.small, z.from = fits, i.To.HoldUntil; at.After(z.from) {
			z.from = at
		}
	}
	return z, nil
}

// limits of an asset. What loosens is for exactly this ticker. What tightens is for every way to write it: else "btc"
// would have no limit where "BTC" has one.
func (s *Service) limits(asset string) (small, above *big.Rat) {
	small = s.set.Limits[asset].Small
	for name, l := range s.set.Limits {
		if strings.EqualFold(name, asset) && l.SecondDeviceAbove != nil && (above == nil || l.SecondDeviceAbove.Cmp(above) < 0) {
			above = l.SecondDeviceAbove
		}
	}
	return small, above
}

// lately reads what was approved of the asset in the last day, the oldest first. Two approvals at once cannot both miss
// each other here: the transaction that reads is the one that approves, and transactions are serializable.
func (s *Service) lately(tx *store.Tx, i Intent) (out []spent, err error) {
	rows, err := tx.Rows(sqlApproved, i.Account, store.Micros(tx.Now.Add(-sumOver)), i.Asset)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var amount, rule string
		var at int64
		if err := rows.Scan(&amount, &rule, &at); err != nil {
			return nil, err
		}
		n, ok := new(big.Rat).SetString(amount)
		if !ok {
			return nil, fmt.Errorf("confirm: an approved amount of %q", amount)
		}
		out = append(out, spent{n, rule, store.Time(at)})
	}
	return out, rows.Err()
}

// room says from when amount stays within limit together with those of lately that count; the zero time is now. It
// never fits when it is too much alone.
func room(lately []spent, limit, amount *big.Rat, counts func(rule string) bool) (at time.Time, fits bool) {
	if amount.Cmp(limit) > 0 {
		return at, false
	}
	sum := new(big.Rat).Set(amount)
	for _, x := range lately {
		if counts(x.rule) {
			sum.Add(sum, x.amount)
		}
	}
	for _, x := range lately {
		if sum.Cmp(limit) <= 0 {
			break
		}
		if counts(x.rule) {
			sum.Sub(sum, x.amount)
			at = x.at.Add(sumOver)
		}
	}
	return at, true
}
