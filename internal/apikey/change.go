package apikey

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/store"
)

// Edit is what a key is to be. All of it stands there; what is left as it was read is
// no change.
type Edit struct {
	Purpose string
	Scopes  Scopes
	Symbols []string
	Allow   []netip.Prefix
	Deny    []netip.Prefix
	Expires time.Time
	PerMin  int
	DayCap  DayCap
}

// Edit is the key as it stands.
func (k Key) Edit() Edit {
	return Edit{k.Purpose, k.Scopes, k.Symbols, k.Allow, k.Deny, k.Expires, k.PerMin, k.DayCap}
}

// Widens reports whether an edit gives a key anything it did not have: a right, a
// symbol, a place, time or speed. Only taking away needs no touch.
func (k Key) Widens(e Edit) bool {
	symbols := len(k.Symbols) > 0 && (len(e.Symbols) == 0 || slices.ContainsFunc(e.Symbols, func(s string) bool { return !slices.Contains(k.Symbols, s) }))
	return e.Scopes&^k.Scopes != 0 || symbols || !covers(k.Allow, e.Allow) || !denies(e.Deny, k.Deny) || e.Expires.After(k.Expires) || e.PerMin > k.PerMin || k.DayCap.widens(e.DayCap)
}

// ChangeAct is what the touch for a change is bound to: the key as it stands and all
// that it is to become. A touch for an hour more gives no right.
func (k Key) ChangeAct(e Edit) device.Act {
	return device.Act{Kind: ActChange, Object: string(k.ID) + "~" + digestOf(strconv.FormatInt(k.Version, 10), strings.TrimSpace(e.Purpose), e.Scopes.String(), strings.Join(e.Symbols, " "),
		joinPlaces(e.Allow), joinPlaces(e.Deny), strconv.FormatInt(store.Micros(e.Expires), 10), strconv.Itoa(e.PerMin), e.DayCap.String())}
}

// OfAct is the key that a touch for a change, an unlock or a release is about, or a rotation and what follows it.
func OfAct(act device.Act) ID {
	switch act.Kind {
	case ActChange, device.ActBotKeyRotate, device.ActBotKeyKeep, device.ActBotKeyUndo:
		if i := strings.LastIndexByte(act.On(), '~'); i >= 0 {
			return ID(act.Object[:i])
		}
	}
	return ID(act.On())
}

// denies reports whether every place that was refused still is.
func denies(now, before []netip.Prefix) bool {
	return len(before) == 0 || len(now) > 0 && covers(now, before)
}

// Change makes a key what an edit says. Widening needs a touch for this key. It returns
// when the old form is refused everywhere.
func (s *Service) Change(ctx context.Context, cause store.Cause, by By, id ID, version int64, e Edit) (Key, error) {
	e.Purpose = strings.TrimSpace(e.Purpose)
	var k Key
	err := s.db.Update(ctx, cause, func(tx *store.Tx) (err error) {
		if k, err = s.ByID(tx, by.Account, id); err != nil {
			return err
		}
		if k.State(tx.Now) == Finished || k.Version != version {
			return ErrChanged
		}
		if err := k.fits(tx.Now, e); err != nil {
			return err
		}
		words, lockedBy := "narrowed", k.lockedBy
		if k.Widens(e) {
			if err := s.MayWiden(tx, by.Account); err != nil {
				return err
			}
			if _, err := s.need(tx, by, k.ChangeAct(e), k.Scopes|e.Scopes); err != nil {
				return err
			}
			// Whoever widens it is now the one who cannot finish alone: not the device that
			// once made the key, which a thief of another one does not need.
			words, lockedBy = "widened", by.Device
		}
		before := k.Edit()
		// The right to withdraw is born locked also where it is added later, and a change
		// of places locks it again: that is what a thief would do first.
		locked := e.Scopes&Withdraw != 0 && (k.Locked || k.Scopes&Withdraw == 0 || !slices.Equal(k.Allow, e.Allow))
		if locked && !k.Locked {
			lockedBy = by.Device
		}
		err = tx.Row(sqlChange, string(k.Account), string(id), version, e.Purpose, e.Scopes.String(), strings.Join(e.Symbols, " "), joinPlaces(e.Allow), joinPlaces(e.Deny),
			store.Micros(e.Expires), e.PerMin, locked, string(lockedBy), e.DayCap.Most, e.DayCap.Currency).Scan(&k.Version)
		if err == store.ErrNoRows {
			return ErrChanged
		}
		if err != nil {
			return err
		}
		k.Purpose, k.Scopes, k.Symbols, k.Allow, k.Deny, k.Expires, k.PerMin, k.DayCap, k.Locked, k.lockedBy = e.Purpose, e.Scopes, e.Symbols, e.Allow, e.Deny, e.Expires, e.PerMin, e.DayCap, locked, lockedBy
		_, err = s.log.Append(tx, audit.Event{
			Action: audit.Action("apikey." + words), Account: string(k.Account), Target: string(id), Effects: effect(id, k.Version),
			Payload: map[string]string{"purpose": k.Purpose, "scopes": k.Scopes.String(), "from": joinPlaces(k.Allow), "had": before.Scopes.String(), "had_from": joinPlaces(before.Allow)},
		})
		return err
	})
	if err != nil {
		return Key{}, err
	}
	return k, s.told(ctx)
}

// fits holds an edit to the rules of new keys.
func (k Key) fits(now time.Time, e Edit) error {
	n := NewKey{Purpose: e.Purpose, Sub: k.Sub, Profile: k.Profile, Alg: k.Alg, Scopes: e.Scopes, Symbols: e.Symbols, Allow: e.Allow, Deny: e.Deny, Window: k.Window, PerMin: e.PerMin, DayCap: e.DayCap, Partner: k.Partner}
	if n.Alg == Ed25519 {
		n.Public = placeholder // the key that signs is not what changes here
	}
	if _, err := n.Checked(); err != nil {
		return err
	}
	if !e.Expires.After(now) || e.Expires.After(now.Add(maxLife)) {
		return ErrLife
	}
	return nil
}

var placeholder = append([]byte{2}, make([]byte, 31)...)

// Unlock lets a key withdraw. It takes a touch on another device than the one that gave
// the right, or that widened the key last: whoever took that one over cannot finish alone.
func (s *Service) Unlock(ctx context.Context, cause store.Cause, by By, id ID) (Key, error) {
	var k Key
	act := device.Act{Kind: ActUnlock, Object: string(id)}
	err := s.db.Update(ctx, cause, func(tx *store.Tx) (err error) {
		if k, err = s.ByID(tx, by.Account, id); err != nil {
			return err
		}
		if !k.Locked || k.State(tx.Now) != Live {
			return ErrUnknown
		}
		if by.Device == "" || by.Device == k.lockedBy {
			return ErrSecondDevice
		}
		// A private window is a device too, and the same passkey signs in there. Only one
		// that was known before counts as another (DESIGN §5).
		switch d, err := s.devices.Device(tx, by.Account, by.Device); {
		case err != nil:
			return err
		case tx.Now.Sub(d.FirstSeen) < knownFor:
			return ErrSecondDevice
		}
		proof, err := s.need(tx, by, act, k.Scopes)
		if err != nil {
			return err
		}
		return s.unlock(tx, by, &k, proof)
	})
	if err != nil {
		return Key{}, err
	}
	return k, s.told(ctx)
}

func (s *Service) unlock(tx *store.Tx, by By, k *Key, proof device.Proof) error {
	act := device.Act{Kind: ActUnlock, Object: string(k.ID)}
	if !proof.For(tx, by.Account, act) {
		return device.StepUp(act)
	}
	if err := s.MayWiden(tx, by.Account); err != nil {
		return err
	}
	err := tx.Row(sqlUnlock, string(k.Account), string(k.ID), string(by.Device)).Scan(&k.Version)
	if err == store.ErrNoRows {
		return ErrSecondDevice
	}
	if err != nil {
		return err
	}
	k.Locked = false
	_, err = s.log.Append(tx, audit.Event{
		Action: "apikey.unlocked", Account: string(k.Account), Target: string(k.ID), Effects: effect(k.ID, k.Version),
		Payload: map[string]string{"purpose": k.Purpose, "agent": by.Agent},
	})
	return err
}

// Release takes a key out of quarantine: its owner says that nobody else has it. A touch
// is needed, since a thief would say the same.
func (s *Service) Release(ctx context.Context, cause store.Cause, by By, id ID) (Key, error) {
	var k Key
	err := s.db.Update(ctx, cause, func(tx *store.Tx) (err error) {
		if k, err = s.ByID(tx, by.Account, id); err != nil {
			return err
		}
		if k.Status != Quarantined {
			return ErrChanged
		}
		switch leak, err := s.Leak(tx, k.ID); {
		case err != nil:
			return err
		case leak.Live:
			return ErrLeaked // a touch says who asks, not that a stranger forgot the secret
		}
		if err := s.MayWiden(tx, by.Account); err != nil {
			return err
		}
		if _, err := s.need(tx, by, device.Act{Kind: ActFree, Object: string(id)}, k.Scopes); err != nil {
			return err
		}
		err = tx.Row(sqlRelease, string(k.Account), string(id), store.Micros(tx.Now)).Scan(&k.Version)
		if err == store.ErrNoRows {
			return ErrChanged
		}
		if err != nil {
			return err
		}
		k.Status = Active
		_, err = s.log.Append(tx, audit.Event{
			Action: "apikey.released", Account: string(k.Account), Target: string(id), Effects: effect(id, k.Version),
			Payload: map[string]string{"purpose": k.Purpose, "scopes": k.Scopes.String(), "agent": by.Agent},
		})
		return err
	})
	if err != nil {
		return Key{}, err
	}
	return k, s.told(ctx)
}

// Restored quarantines every key when a restored database is accepted: which of them
// were ended after the backup nobody knows any more. Their bots can look and cancel; each
// owner releases a key with a touch.
func Restored(tx *store.Tx) ([]audit.Effect, error) {
	n, err := tx.Exec(sqlQuarantineAll)
	if err != nil || n == 0 {
		return nil, err
	}
	return []audit.Effect{{Kind: "apikeys", ID: "all", Version: n}}, nil
}

// told waits until every process that answers from memory has heard of a change.
func (s *Service) told(ctx context.Context) error {
	if s.gates == nil {
		return nil
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.gates(after)
}
