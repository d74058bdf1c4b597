package apikey

import (
	"context"
	"strconv"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/store"
)

// Retire ends the old version before its time. It takes away and needs no touch. While
// it is still used, or the new one was never let in, it does so only when told to
// (force): ErrStillUsed names what would stop. It returns when the old version is refused
// everywhere.
func (s *Service) Retire(ctx context.Context, cause store.Cause, by By, id ID, force bool) (Key, error) {
	if err := s.FlushMeter(ctx); err != nil {
		return Key{}, err // what this process knows must not be missing from the question
	}
	var k Key
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		versions, err := s.replacing(tx, by, id, &k)
		if err != nil {
			return err
		}
		old := versions[1]
		var n int64
		err = tx.Row(sqlRetire, string(id), store.Micros(tx.Now), old.N, force, store.Micros(tx.Now.Add(-quietFor)), versions[0].N).Scan(&n)
		if err == store.ErrNoRows {
			return s.stillUsed(tx, k)
		}
		if err != nil {
			return err
		}
		if err := s.touched(tx, &k); err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "apikey.retired", Account: string(k.Account), Target: string(id), Effects: effect(id, k.Version),
			Payload: map[string]string{"purpose": k.Purpose, "n": strconv.FormatInt(n, 10), "forced": strconv.FormatBool(force)},
		})
		return err
	})
	if err != nil {
		return Key{}, err
	}
	return k, s.told(ctx)
}

// stillUsed says of what is in the way of an early end.
func (s *Service) stillUsed(tx *store.Tx, k Key) error {
	m, err := s.Meter(tx, k)
	if err != nil {
		return err
	}
	if len(m.Blockers) == 0 {
		return ErrStillUsed
	}
	f := m.Blockers[0] // what to do something about first
	e := ErrStillUsed.With("blocker", string(f.What))
	if f.Addr != "" {
		e = e.With("address", f.Addr)
	}
	if !f.At.IsZero() {
		e = e.With("last_used", f.At.UTC().Format(time.RFC3339))
	}
	return e
}

// KeepAct is what the touch for keeping the old version until a time is bound to.
func KeepAct(k Key, old Version, until time.Time) device.Act {
	return device.Act{Kind: device.ActBotKeyKeep, Object: string(k.ID) + "~" + digestOf("keep", strconv.FormatInt(k.Version, 10), strconv.FormatInt(old.N, 10), strconv.FormatInt(store.Micros(until), 10))}
}

// Keep lets the old version sign until a later time, thirty days after the rotation at
// most. It gives time to something that was to end, and is refused to a copied cookie:
// whoever found the old secret could otherwise keep it alive. So it takes a touch, which
// is one tap as well.
func (s *Service) Keep(ctx context.Context, cause store.Cause, by By, id ID, until time.Time) (Key, error) {
	var k Key
	until = store.Time(store.Micros(until)) // as it will be stored
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		versions, err := s.replacing(tx, by, id, &k)
		if err != nil {
			return err
		}
		old := versions[1]
		if !until.After(old.Ends) || until.After(versions[0].Began.Add(maxOverlap)) {
			return ErrLife
		}
		if err := s.MayWiden(tx, by.Account); err != nil {
			return err
		}
		proof, err := s.need(tx, by, KeepAct(k, old, until), k.Scopes)
		if err != nil {
			return err
		}
		return s.keep(tx, &k, old, until, proof)
	})
	if err != nil {
		return Key{}, err
	}
	return k, s.told(ctx)
}

func (s *Service) keep(tx *store.Tx, k *Key, old Version, until time.Time, proof device.Proof) error {
	if act := KeepAct(*k, old, until); !proof.For(tx, k.Account, act) {
		return device.StepUp(act)
	}
	var n int64
	err := tx.Row(sqlKeep, string(k.ID), store.Micros(tx.Now), old.N, store.Micros(until)).Scan(&n)
	if err == store.ErrNoRows {
		return ErrNotReplacing
	}
	if err != nil {
		return err
	}
	if err := s.touched(tx, k); err != nil {
		return err
	}
	_, err = s.log.Append(tx, audit.Event{
		Action: "apikey.old_kept", Account: string(k.Account), Target: string(k.ID), Effects: effect(k.ID, k.Version),
		Payload: map[string]string{"purpose": k.Purpose, "n": strconv.FormatInt(n, 10), "ends": until.UTC().Format(time.RFC3339)},
	})
	return err
}

// UndoAct is what the touch for going back to the old version is bound to.
func UndoAct(k Key, versions []Version) device.Act {
	return device.Act{Kind: device.ActBotKeyUndo, Object: string(k.ID) + "~" + digestOf("undo", strconv.FormatInt(k.Version, 10), strconv.FormatInt(versions[0].N, 10), strconv.FormatInt(versions[1].N, 10))}
}

// Undo ends the new version at once and lets the old one stay: for a rotation that the
// owner did not want, by a bot that is not theirs any more, or that nothing can sign
// with. The end of the key is again what it was. What was to end lives on, so it takes
// a touch: a thief of the old secret would ask for the same.
func (s *Service) Undo(ctx context.Context, cause store.Cause, by By, id ID) (Key, error) {
	var k Key
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		versions, err := s.replacing(tx, by, id, &k)
		if err != nil {
			return err
		}
		if k.Status != Active {
			return ErrSuspected
		}
		if err := s.MayWiden(tx, by.Account); err != nil {
			return err
		}
		proof, err := s.need(tx, by, UndoAct(k, versions), k.Scopes)
		if err != nil {
			return err
		}
		return s.undo(tx, &k, versions, proof)
	})
	if err != nil {
		return Key{}, err
	}
	return k, s.told(ctx)
}

func (s *Service) undo(tx *store.Tx, k *Key, versions []Version, proof device.Proof) error {
	if act := UndoAct(*k, versions); !proof.For(tx, k.Account, act) {
		return device.StepUp(act)
	}
	made, old := versions[0], versions[1]
	if made.hadExpires.Before(k.Expires) {
		k.Expires = made.hadExpires
	}
	err := tx.Row(sqlBackExpires, string(k.Account), string(k.ID), k.Version, store.Micros(k.Expires)).Scan(&k.Version)
	if err == store.ErrNoRows {
		return ErrChanged
	}
	if err != nil {
		return err
	}
	for _, step := range []struct {
		query string
		n     int64
	}{{sqlDropOne, made.N}, {sqlBack, old.N}} {
		var n int64
		err := tx.Row(step.query, string(k.ID), store.Micros(tx.Now), step.n).Scan(&n)
		if err == store.ErrNoRows {
			return ErrNotReplacing
		}
		if err != nil {
			return err
		}
	}
	_, err = s.log.Append(tx, audit.Event{
		Action: "apikey.rotation_undone", Account: string(k.Account), Target: string(k.ID), Effects: effect(k.ID, k.Version),
		Payload: map[string]string{"purpose": k.Purpose, "n": strconv.FormatInt(old.N, 10)},
	})
	return err
}

// replacing reads a key of which one version is replacing another. ErrNotReplacing when
// none is.
func (s *Service) replacing(tx *store.Tx, by By, id ID, k *Key) ([]Version, error) {
	var err error
	if *k, err = s.ByID(tx, by.Account, id); err != nil {
		return nil, err
	}
	if k.State(tx.Now) == Finished {
		return nil, ErrNotReplacing
	}
	versions, err := s.Versions(tx, *k)
	if err == nil && len(versions) != 2 {
		err = ErrNotReplacing
	}
	return versions, err
}

// touched gives a key whose versions changed a version of its own, so that memories drop
// what they had.
func (s *Service) touched(tx *store.Tx, k *Key) error {
	err := tx.Row(sqlTouched, string(k.Account), string(k.ID), k.Version).Scan(&k.Version)
	if err == store.ErrNoRows {
		return ErrChanged
	}
	return err
}
