package signin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

// An account made by the exchange has no key. An enrolment ticket lets its owner
// add the first one, and only the first: after that a key enters by an existing
// key or a recovery case (DESIGN §5).
//
// Nothing is stored. The ticket is sealed under the root key and lives minutes.
// It is used up by what it does: the statement that inserts a first key finds
// none "ever" (device.AddFirst, removed keys count, and a unique index stands
// behind it), so of any number of tickets of one account, used at once or later,
// one succeeds and all are dead from that transaction on.

// enrolmentLife: the exchange hands the ticket to a person it has just signed in
// itself; ten minutes cover the system dialog and a second try.
const enrolmentLife = 10 * time.Minute

// ErrHasKey: the account has or had a key, so no ticket opens it.
var ErrHasKey = edge.E("credential_taken")

// enrolment is what a ticket says.
type enrolment struct {
	Account account.ID `json:"a"`
	Client  string     `json:"c"` // the back end that vouched, for the event
	Exp     int64      `json:"e"` // unix seconds
}

// OfferEnrolment makes a ticket for an account that never had a key.
func (s *Service) OfferEnrolment(ctx context.Context, cause store.Cause, id account.ID) (ticket string, until time.Time, err error) {
	if err := s.db.View(ctx, func(tx *store.Tx) error {
		_, err := s.enrollable(tx, id)
		return err
	}); err != nil {
		return "", time.Time{}, err
	}
	until = s.db.Now().Add(enrolmentLife).UTC().Truncate(time.Second)
	plain, err := json.Marshal(enrolment{Account: id, Client: client(cause), Exp: until.Unix()})
	if err != nil {
		return "", time.Time{}, err
	}
	box, err := s.ring.SealBrief(plain, "signin", "ticket", "enrolment")
	if err != nil {
		return "", time.Time{}, err
	}
	return base64.RawURLEncoding.EncodeToString(box), until, nil
}

// BeginEnrolment returns creation options for the account of a ticket.
func (s *Service) BeginEnrolment(ctx context.Context, sealed string) ([]byte, error) {
	t, err := s.openEnrolment(sealed)
	if err != nil {
		return nil, err
	}
	var acc account.Account
	name := string(t.Account)
	if err := s.db.View(ctx, func(tx *store.Tx) error {
		if acc, err = s.enrollable(tx, t.Account); err != nil {
			return err
		}
		contacts, err := s.accounts.Contacts(tx, acc.ID)
		if len(contacts) > 0 {
			name = contacts[0].Value
		}
		return err
	}); err != nil {
		return nil, err
	}
	return s.devices.BeginRegister(device.RegisterFor{Account: acc.ID, Handle: acc.Handle, UserName: name, DisplayName: name}, bindTicket(sealed))
}

// FinishEnrolment adds the first key, the device and the first session in one
// transaction with one event.
func (s *Service) FinishEnrolment(ctx context.Context, cause store.Cause, sealed string, response []byte, f From) (Entered, error) {
	t, err := s.openEnrolment(sealed)
	if err != nil {
		return Entered{}, err
	}
	var acc account.Account
	if err := s.db.View(ctx, func(tx *store.Tx) error {
		acc, err = s.enrollable(tx, t.Account)
		return err
	}); err != nil {
		return Entered{}, err
	}
	att, err := s.devices.ParseRegister(ctx, device.RegisterFor{Account: acc.ID, Handle: acc.Handle, App: f.Kind == session.API, JKT: f.JKT}, bindTicket(sealed), response)
	if err != nil {
		return Entered{}, err
	}
	f.Remember = false
	f, fresh := f.withCookie()
	cause.Actor = "account:" + string(acc.ID)
	var in Entered
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		// Asked again inside: the account may have been closed, or enrolled by
		// another ticket, since the signature was checked.
		if _, err := s.enrollable(tx, acc.ID); err != nil {
			return err
		}
		if err := s.sessions.Spend(tx, f.JKT, f.JTI); err != nil {
			return err
		}
		dev, _, err := s.devices.Meet(tx, acc.ID, f.Cookie, f.Agent)
		if err != nil {
			return err
		}
		key, proof, err := s.devices.Found(tx, acc.ID, att, dev.ID, "")
		if err != nil {
			return err
		}
		var effects []audit.Effect
		if in, effects, err = s.enter(tx, acc.ID, f, &proof); err != nil {
			return err
		}
		effects = append(effects,
			audit.Effect{Kind: "key", ID: string(key.ID), Version: key.Version},
			audit.Effect{Kind: "device", ID: string(dev.ID), Version: in.Device.Version})
		p := seen(f, "passkey", false)
		p["key"], p["client"] = key.Name, t.Client
		_, err = s.log.Append(tx, audit.Event{Action: "key.added", Account: string(acc.ID), Target: string(key.ID), Effects: effects, Payload: p})
		return err
	})
	if err != nil {
		return Entered{}, err
	}
	in.DeviceCookie = fresh
	return in, nil
}

// enrollable finds an account whose owner may still add a first key.
func (s *Service) enrollable(tx *store.Tx, id account.ID) (account.Account, error) {
	acc, err := s.accounts.ByID(tx, id)
	if err != nil {
		return acc, err
	}
	switch acc.Status {
	case account.Active, account.Restricted:
	case account.Frozen:
		return acc, ErrFrozen
	default:
		return acc, ErrAccountClosed
	}
	for _, list := range []func(*store.Tx, account.ID) ([]device.Key, error){s.devices.Keys, s.devices.RemovedKeys} {
		keys, err := list(tx, id)
		if err != nil {
			return acc, err
		}
		if len(keys) > 0 {
			return acc, ErrHasKey
		}
	}
	return acc, nil
}

func (s *Service) openEnrolment(sealed string) (enrolment, error) {
	var t enrolment
	box, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(sealed) > 1024 {
		return t, ErrExpired
	}
	plain, err := s.ring.Open(box, "signin", "ticket", "enrolment")
	if err != nil {
		return t, ErrExpired.Because(err)
	}
	if err := json.Unmarshal(plain, &t); err != nil {
		return t, ErrExpired.Because(err)
	}
	if !s.db.Now().Before(time.Unix(t.Exp, 0)) {
		return t, ErrExpired
	}
	return t, nil
}
