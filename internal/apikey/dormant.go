package apikey

import (
	"context"
	"strconv"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/store"
)

// Sleep is how far the rights of a key rest because nobody used it: the thefts of 2018
// worked with keys that were made, and then left alone for weeks.
type Sleep int64

// The steps. Stored, so never renumbered.
const (
	Awake        Sleep = iota
	MoneyAsleep        // transfer and withdraw
	TradeAsleep        // also trading, and replacing itself
	ReadingAwake       // all but reading
)

// Rights are what rests.
func (s Sleep) Rights() Scopes {
	switch s {
	case Awake:
		return 0
	case MoneyAsleep:
		return Money
	case TradeAsleep:
		return Money | Trading | RotateSelf
	}
	return all &^ Reading // also a step that only a later version knows
}

const (
	day = 24 * time.Hour

	// sleepWarning: the owner reads of a step this long before it, also where the server
	// stood still meanwhile and the time of the step is long past.
	sleepWarning = 3 * day

	// late tallies: other processes write their counts once a minute.
	talliesLate = 2 * flushEvery

	dormancyEvery = time.Hour
)

// sleepsAfter: section E9. What moves money rests first, what only looks never does.
var sleepsAfter = [...]time.Duration{MoneyAsleep: 30 * day, TradeAsleep: 60 * day, ReadingAwake: 90 * day}

// nextSleep is the next step that takes a right which the key still has; Awake: none does.
func (k *Key) nextSleep() Sleep {
	for step := k.Asleep + 1; int(step) < len(sleepsAfter); step++ {
		if k.Scopes&step.Rights()&^k.Asleep.Rights() != 0 {
			return step
		}
	}
	return Awake
}

// resting is a key that nobody used for long.
type resting struct {
	Key
	warned   Sleep
	warnedAt time.Time
	since    time.Time
}

// Dormancy warns owners of keys that nobody used, and lets rights rest. It looks once an
// hour, however often it is called. Every step is one statement that takes for granted
// nothing that was read.
func (s *Service) Dormancy(ctx context.Context) error {
	now := s.db.Now()
	last := s.slept.Load()
	if now.Sub(time.UnixMicro(last)) < dormancyEvery || !s.slept.CompareAndSwap(last, now.UnixMicro()) {
		return nil
	}
	if err := s.Flush(ctx); err != nil { // a call of this minute counts
		return err
	}
	changed := false
	for after := ID(""); ; {
		keys, err := s.idle(ctx, after, now)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		after = keys[len(keys)-1].ID
		if keys, err = s.unused(ctx, keys); err != nil {
			return err
		}
		for i := range keys {
			did, err := s.rest(ctx, &keys[i])
			if err != nil {
				return err
			}
			changed = changed || did
		}
	}
	if changed {
		return s.told(ctx)
	}
	return nil
}

func (s *Service) idle(ctx context.Context, after ID, now time.Time) (keys []resting, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		keys = nil
		rows, err := tx.Rows(sqlIdle, string(after), store.Micros(now), store.Micros(now.Add(-sleepsAfter[MoneyAsleep]+sleepWarning)))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r resting
			var warnedAt, since int64
			if r.Key, err = scanKey(also{rows, []any{(*int64)(&r.warned), &warnedAt, &since}}); err != nil {
				return err
			}
			r.warnedAt, r.since = orZero(warnedAt), store.Time(since)
			keys = append(keys, r)
		}
		return rows.Err()
	})
	return keys, err
}

// unused leaves out keys that gates counted a call of which no server noted on the key:
// servers may have stood still for longer than they look back.
func (s *Service) unused(ctx context.Context, keys []resting) (out []resting, err error) {
	err = s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		out = nil
		for _, k := range keys {
			var last int64
			if err := tx.Row(sqlLastUse, string(k.ID)).Scan(&last); err != nil {
				return err
			}
			if last <= store.Micros(k.since) {
				out = append(out, k)
			} else if err := tx.Later(sqlUsed, last, string(k.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// also scans columns behind those of a key.
type also struct {
	rows *store.Rows
	more []any
}

func (a also) Scan(dst ...any) error { return a.rows.Scan(append(dst, a.more...)...) }

// rest takes one key as far as is due: a warning, or a step of which was warned.
func (s *Service) rest(ctx context.Context, r *resting) (stepped bool, err error) {
	step := r.nextSleep()
	if step == Awake {
		return false, nil
	}
	err = s.db.Update(ctx, store.Cause{Actor: "system:keyward"}, func(tx *store.Tx) error {
		stepped = false
		at := r.since.Add(sleepsAfter[step])
		warned := r.warned == step && r.warnedAt.After(r.since)
		payload := map[string]string{"purpose": r.Purpose, "scopes": (r.Scopes & step.Rights()).String(), "since": r.since.UTC().Format(time.DateOnly)}
		event := audit.Event{Account: string(r.Account), Target: string(r.ID), Payload: payload}
		var row *store.Row
		used := int64(0)
		if !r.UsedAt.IsZero() {
			used = store.Micros(r.UsedAt)
		}
		switch {
		case !warned && !tx.Now.Before(at.Add(-sleepWarning)):
			if earliest := tx.Now.Add(sleepWarning); earliest.After(at) {
				at = earliest
			}
			event.Action, payload["on"] = "apikey.dormant", at.UTC().Format(time.DateOnly)
			row = tx.Row(sqlWarn, string(r.ID), r.Version, used, int64(step), store.Micros(tx.Now))
		case warned && !tx.Now.Before(at.Add(talliesLate)) && !tx.Now.Before(r.warnedAt.Add(sleepWarning)):
			event.Action, payload["n"] = "apikey.asleep", strconv.Itoa(int(tx.Now.Sub(r.since)/day))
			row = tx.Row(sqlStep, string(r.ID), r.Version, used, int64(step), store.Micros(r.since))
			stepped = true
		default:
			return nil
		}
		var version int64
		err := row.Scan(&version)
		if err == store.ErrNoRows {
			stepped = false
			return nil // used, changed or taken meanwhile: the next look sees
		}
		if err != nil {
			return err
		}
		event.Effects = effect(r.ID, version)
		_, err = s.log.Append(tx, event)
		return err
	})
	return stepped && err == nil, err
}

// Wake gives a key the rights back that rest. It widens, so it takes its owner's touch;
// withdrawing stays locked until another device opens that.
func (s *Service) Wake(ctx context.Context, cause store.Cause, by By, id ID) (Key, error) {
	var k Key
	err := s.db.Update(ctx, cause, func(tx *store.Tx) (err error) {
		if k, err = s.ByID(tx, by.Account, id); err != nil {
			return err
		}
		if k.Asleep == Awake || k.Status != Active || k.State(tx.Now) == Finished {
			return ErrChanged
		}
		if err := s.MayWiden(tx, by.Account); err != nil {
			return err
		}
		proof, err := s.need(tx, by, device.Act{Kind: ActWake, Object: string(id)}, k.Scopes)
		if err != nil {
			return err
		}
		return s.wake(tx, by, &k, proof)
	})
	if err != nil {
		return Key{}, err
	}
	return k, s.told(ctx)
}

func (s *Service) wake(tx *store.Tx, by By, k *Key, proof device.Proof) error {
	act := device.Act{Kind: ActWake, Object: string(k.ID)}
	if !proof.For(tx, by.Account, act) {
		return device.StepUp(act)
	}
	err := tx.Row(sqlWake, string(k.Account), string(k.ID), store.Micros(tx.Now)).Scan(&k.Version)
	if err == store.ErrNoRows {
		return ErrChanged
	}
	if err != nil {
		return err
	}
	k.Asleep, k.IdleSince, k.wokenAt = Awake, time.Time{}, tx.Now
	_, err = s.log.Append(tx, audit.Event{
		Action: "apikey.woken", Account: string(k.Account), Target: string(k.ID), Effects: effect(k.ID, k.Version),
		Payload: map[string]string{"purpose": k.Purpose, "scopes": k.Scopes.String(), "agent": by.Agent},
	})
	return err
}
