package signin

import (
	"context"
	"errors"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// AddContact adds a mail address, unverified: notify reads the event and sends
// the check. It needs a touch, because a contact is where notices go.
func (s *Service) AddContact(ctx context.Context, cause store.Cause, ses session.Session, mail string) (account.Contact, error) {
	if !session.Reaches(ses.ACR, session.ACRPhr) {
		return account.Contact{}, ErrPower
	}
	mail, err := account.NormalizeMail(mail)
	if err != nil {
		return account.Contact{}, err
	}
	var c account.Contact
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if err := s.changeable(tx, ses.Account, account.HoldContacts); err != nil {
			return err
		}
		if _, err := s.need(tx, ses, device.Act{Kind: device.ActContactsChange}); err != nil {
			return err
		}
		if c, err = s.accounts.AddContact(tx, ses.Account, mail); err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "contact.added", Account: string(ses.Account), Target: c.ID,
			Effects: []audit.Effect{{Kind: "contact", ID: c.ID, Version: 1}},
			Payload: map[string]string{"mail": mail},
		})
		return err
	})
	return c, err
}

// RemoveContact removes a mail address, never the last verified one.
func (s *Service) RemoveContact(ctx context.Context, cause store.Cause, ses session.Session, id string) error {
	if !session.Reaches(ses.ACR, session.ACRPhr) {
		return ErrPower
	}
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		if err := s.changeable(tx, ses.Account, account.HoldContacts); err != nil {
			return err
		}
		if _, err := s.need(tx, ses, device.Act{Kind: device.ActContactsChange}); err != nil {
			return err
		}
		c, err := s.accounts.RemoveContact(tx, ses.Account, id)
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "contact.removed", Account: string(ses.Account), Target: id,
			Effects: []audit.Effect{{Kind: "contact", ID: id, Version: 2}},
			Payload: map[string]string{"mail": c.Value},
		})
		return err
	})
}

// ConfirmContact follows the link in the check mail. It works once and can only
// verify: no session is needed and none is given. Not while the account is frozen:
// the address may be the last thing that a thief added, and verified it would get
// the owner's notices. The link stays good for after the lift.
func (s *Service) ConfirmContact(ctx context.Context, cause store.Cause, token string) (account.Contact, error) {
	var c account.Contact
	err := s.db.Update(ctx, cause, func(tx *store.Tx) (err error) {
		if c, err = s.accounts.ConfirmContact(tx, token); err != nil {
			return err
		}
		return s.changeable(tx, c.Account, account.HoldContacts) // a plain error: nothing of the above stays
	})
	return c, err
}

// Claim is what a check link would confirm: whose address becomes whose.
type Claim struct {
	Mail   string
	MadeAt time.Time // when the account was made
	Agent  string    // the browser it was made in, in words; "" when the exchange made it
}

// PeekContact reads what the link in a check mail would confirm. Anybody may make
// an account with anybody's address; its mail looks like the one that the owner
// of the mailbox waits for, and a click on it gives the stranger's account a
// confirmed address. The date and the browser are what tells the two apart, and
// are words of ours, never the stranger's.
func (s *Service) PeekContact(ctx context.Context, token string) (c Claim, err error) {
	var acc account.Account
	if err := s.db.View(ctx, func(tx *store.Tx) error {
		contact, err := s.accounts.PeekContact(tx, token)
		if err != nil {
			return err
		}
		c.Mail = contact.Value
		acc, err = s.accounts.ByID(tx, contact.Account)
		return err
	}); err != nil {
		return Claim{}, err
	}
	c.MadeAt = acc.CreatedAt
	made, err := s.log.First(ctx, s.db, string(acc.ID), "account.created")
	if errors.Is(err, store.ErrNoRows) {
		return c, nil
	}
	c.Agent = made.Payload["agent"]
	return c, err
}
