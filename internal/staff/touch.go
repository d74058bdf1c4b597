package staff

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Touch is a verified signature of an operator's passkey, for one act of one
// session. Only [Service.Touched] makes one. It proves nothing until the
// transaction of that act has spent it.
type Touch struct {
	ticket   device.Ticket
	act      device.Act
	operator ID
	session  SessionID
	key      string
	backedUp bool
	counter  uint32
}

// act names an act with everything in it: the challenge is bound to the hash, so
// a page cannot show one change and have another one signed.
func act(kind string, content ...string) device.Act {
	for i, c := range content {
		content[i] = strings.TrimSpace(c) // as the changes themselves read what was typed
	}
	b, _ := json.Marshal(content) // strings marshal, and no two lists alike
	sum := sha256.Sum256(b)
	return device.Act{Kind: kind, Object: hex.EncodeToString(sum[:])}
}

// TouchOptions asks the operator's browser for a touch for an act. Nothing is written.
func (s *Service) TouchOptions(who Live, act device.Act) ([]byte, error) {
	return s.keys.GetOptions(who.purpose(act))
}

func (l Live) purpose(act device.Act) device.Purpose {
	return device.Purpose{Subject: string(l.Operator.ID), Act: act, Bind: string(l.Session.ID)}
}

// Touched verifies the answer to TouchOptions for the same session and act,
// outside any transaction.
func (s *Service) Touched(ctx context.Context, who Live, act device.Act, answer []byte) (*Touch, error) {
	t, err := s.asserted(ctx, who.purpose(act), answer)
	if err != nil {
		return nil, err
	}
	if t.operator != who.Operator.ID {
		return nil, device.ErrNotAccepted.About(t.key).Because(errors.New("a key of another operator"))
	}
	t.session = who.Session.ID
	return t, nil
}

func (s *Service) asserted(ctx context.Context, p device.Purpose, answer []byte) (*Touch, error) {
	t := Touch{act: p.Act}
	a, err := s.keys.Asserted(ctx, p, answer, func(ctx context.Context, credential []byte) (k device.Stored, err error) {
		err = s.db.Get(ctx, sqlForAssert, credential).Scan(&t.key, &t.operator, &k.Handle, &k.PublicKey, &k.BE)
		k.Name = t.key
		return k, err
	})
	t.ticket, t.backedUp, t.counter = a.Ticket, a.BackedUp, a.Counter
	return &t, err
}

// use spends a touch in the acting transaction: of any number of transactions with
// the same challenge one commits. The key must be live and its operator active.
// regressed says that the key's counter did not grow; as everywhere that is a
// signal and no refusal.
func (s *Service) use(tx *store.Tx, t *Touch) (regressed bool, err error) {
	if err := spend(tx, t.ticket); err != nil {
		return false, err
	}
	var before, version int64
	err = tx.Row(sqlUseKey, int64(t.counter), t.backedUp, store.Micros(tx.Now), t.key, t.operator).Scan(&before, &version)
	if errors.Is(err, store.ErrNoRows) {
		return false, device.ErrNotAccepted.About(t.key).Because(errors.New("the key was removed, or its operator disabled"))
	}
	return (before != 0 || t.counter != 0) && int64(t.counter) <= before, err
}

func spend(tx *store.Tx, t device.Ticket) error {
	if !tx.Now.Before(t.Until) {
		return device.ErrChallengeExpired
	}
	n, err := tx.Exec(sqlSpend, t.Hash[:], store.Micros(t.Forget()))
	if err == nil && n == 0 {
		return device.ErrChallengeSpent
	}
	return err
}

// change is the one way an operator changes something: in one transaction the
// session is read again (it may have ended since the request came in), its
// operator's roles are, the touch is for exactly this act and session, and it is
// spent. fn writes the change and its event.
func (s *Service) change(ctx context.Context, cause store.Cause, by Live, p Power, act device.Act, t *Touch, fn func(*store.Tx) error) error {
	if !by.Operator.Roles.May(p) {
		return ErrRole
	}
	if t == nil || t.act != act || t.operator != by.Operator.ID || t.session != by.Session.ID {
		return ErrTouch.With("purpose", map[string]string{"act": act.Kind})
	}
	cause.Actor = by.Operator.actor()
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		now, err := readLive(tx, by.Session.ID)
		switch {
		case err != nil:
			return err
		case now.Operator.ID != by.Operator.ID:
			return ErrNotSignedIn
		case !now.Operator.Roles.May(p):
			return ErrRole
		}
		if _, err := s.use(tx, t); err != nil {
			return err
		}
		return fn(tx)
	})
}

func (o Operator) actor() string { return "operator:" + string(o.ID) }

// hashOf is how secrets of links and cookies lie in rows. They are 256 random bits,
// so a slow hash would protect nothing more.
func hashOf(secret string) []byte {
	h := keyring.Hash(secret)
	return h[:]
}
