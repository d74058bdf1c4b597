package staff

import (
	"context"
	"errors"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

var (
	// ErrKey: the operator has no such passkey.
	ErrKey = edge.E("key_unknown")
	// ErrLastKey: without it nobody could come in as this operator.
	ErrLastKey = edge.E("last_key")
	// ErrTouchAnother: the touch came from the passkey that shall go.
	ErrTouchAnother = edge.E("touch_with_another")
)

// KeyID names a passkey of an operator: "opk_…".
type KeyID string

// Key is a passkey of an operator.
type Key struct {
	ID        KeyID
	Grade     device.Grade
	CreatedAt time.Time
	LastUsed  time.Time // zero: never, since it was made
}

// Keys lists one's own passkeys, oldest first.
func (s *Service) Keys(ctx context.Context, who Live) (all []Key, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Rows(sqlKeys, who.Operator.ID)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var (
				k             Key
				created, used int64
			)
			if err := rows.Scan(&k.ID, &k.Grade, &created, &used); err != nil {
				return err
			}
			k.CreatedAt = store.Time(created)
			if used > 0 {
				k.LastUsed = store.Time(used)
			}
			all = append(all, k)
		}
		return rows.Err()
	})
	return all, err
}

// KeyOptions begins the making of one more passkey for whoever asks. Nothing is
// written, and nothing will be without a touch of a passkey they have.
func (s *Service) KeyOptions(ctx context.Context, who Live) ([]byte, error) {
	f, err := s.registerFor(ctx, who)
	if err != nil {
		return nil, err
	}
	return s.keys.CreateOptions(f, who.purpose(addingKey))
}

var addingKey = device.Act{Kind: "keys.make"}

func (s *Service) registerFor(ctx context.Context, who Live) (f device.RegisterFor, err error) {
	f.UserName = who.Operator.Name
	err = s.db.View(ctx, func(tx *store.Tx) error {
		if err := tx.Row(sqlHandle, who.Operator.ID).Scan(&f.Handle); err != nil {
			return err
		}
		rows, err := tx.Rows(sqlCredentials, who.Operator.ID)
		if err != nil {
			return err
		}
		defer rows.Close()
		f.Exclude = nil
		for rows.Next() {
			var id []byte
			if err := rows.Scan(&id); err != nil {
				return err
			}
			f.Exclude = append(f.Exclude, id)
		}
		return rows.Err()
	})
	return f, err
}

// AddKeyAct is the act of adding the passkey that a browser just made.
func AddKeyAct(made, reason string) device.Act { return act("keys.add", made, reason) }

// AddKey adds a passkey to one's own. made is the browser's answer to KeyOptions, and
// the touch of a passkey that is already there is for exactly that answer: a cookie
// alone, or a page that swaps the new key, adds nothing.
func (s *Service) AddKey(ctx context.Context, cause store.Cause, by Live, made, reason string, t *Touch) (id KeyID, err error) {
	if reason, err = cleanReason(reason); err != nil {
		return "", err
	}
	f, err := s.registerFor(ctx, by)
	if err != nil {
		return "", err
	}
	key, err := s.keys.Registered(ctx, f, by.purpose(addingKey), []byte(made))
	if err != nil {
		return "", err
	}
	err = s.change(ctx, cause, by, KeepKeys, AddKeyAct(made, reason), t, func(tx *store.Tx) error {
		if err := spend(tx, key.Ticket); err != nil {
			return err
		}
		if id, err = insertKey(tx, by.Operator.ID, key); err != nil {
			return err
		}
		_, err := s.log.Append(tx, audit.Event{
			Action: "operator.key_added", Target: string(by.Operator.ID), Effects: []audit.Effect{{Kind: "operator_key", ID: string(id), Version: 1}},
			Payload: map[string]string{"operator": by.Operator.Name, "reason": reason},
		})
		return err
	})
	return id, err
}

func insertKey(tx *store.Tx, of ID, key device.Registration) (KeyID, error) {
	id := KeyID(keyring.NewID("opk_", tx.Now))
	n, err := tx.Exec(sqlInsertKey, id, of, key.CredentialID, key.PublicKey, key.Algorithm, key.AAGUID, key.Grade, key.BE, key.BS, int64(key.Counter),
		key.Transports, key.Object, key.ClientHash[:], key.Format, store.Micros(tx.Now))
	if err == nil && n == 0 {
		return "", device.ErrCredentialTaken
	}
	return id, err
}

// RemoveKeyAct is the act of removing one of one's own passkeys.
func RemoveKeyAct(id KeyID, reason string) device.Act { return act("keys.remove", string(id), reason) }

// RemoveKey removes one's own passkey, never the last, with a touch of one that
// stays: so nobody locks themselves out. A key that goes may be in other hands, and
// so may be sessions it opened: all but the one that asks end with it.
func (s *Service) RemoveKey(ctx context.Context, cause store.Cause, by Live, id KeyID, reason string, t *Touch) error {
	reason, err := cleanReason(reason)
	if err != nil {
		return err
	}
	return s.change(ctx, cause, by, KeepKeys, RemoveKeyAct(id, reason), t, func(tx *store.Tx) error {
		gone := audit.Effect{Kind: "operator_key", ID: string(id)}
		err := tx.Row(sqlRemoveKey, store.Micros(tx.Now), id, by.Operator.ID, t.key).Scan(&gone.Version)
		if errors.Is(err, store.ErrNoRows) {
			return whyKept(tx, by.Operator.ID, id)
		}
		if err != nil {
			return err
		}
		ended, err := endRows(tx, sqlEndOthers, store.Micros(tx.Now), by.Operator.ID, by.Session.ID)
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "operator.key_removed", Target: string(by.Operator.ID), Effects: append([]audit.Effect{gone}, ended...),
			Payload: map[string]string{"operator": by.Operator.Name, "reason": reason},
		})
		return err
	})
}

// whyKept names the condition that the statement met.
func whyKept(tx *store.Tx, of ID, id KeyID) error {
	var mine, all int
	if err := tx.Row(sqlCountKeys, of, id).Scan(&mine, &all); err != nil {
		return err
	}
	switch {
	case mine == 0:
		return ErrKey
	case all == 1:
		return ErrLastKey
	}
	return ErrTouchAnother
}
