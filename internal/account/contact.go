package account

import (
	"errors"
	"time"

	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Contact is one way to reach the owner.
type Contact struct {
	ID         string // "cnt_…"
	Account    ID
	Kind       string    // "mail"
	Value      string    // normalised
	VerifiedAt time.Time // zero: claimed only
	AddedAt    time.Time
}

// Verified reports whether the owner has followed a link sent there.
func (c Contact) Verified() bool { return !c.VerifiedAt.IsZero() }

var (
	// ErrContactTaken: another account has verified this address.
	ErrContactTaken = edge.E("contact_taken")
	// ErrContactUnknown: no such contact of this account.
	ErrContactUnknown = edge.E("contact_unknown")
	// ErrContactLast: the only verified address stays.
	ErrContactLast = edge.E("bad_request").At("contact", "the only verified address stays; verify another one first")
	// ErrContactLimit: enough addresses.
	ErrContactLimit = edge.E("bad_request").At("contact", "an account has at most eight addresses; remove one first")
)

// Contacts lists the contacts of an account, oldest first.
func (s *Service) Contacts(tx *store.Tx, id ID) ([]Contact, error) {
	rows, err := tx.Rows(sqlContacts, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Contact
	for rows.Next() {
		c, err := scanContact(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// AddContact claims an address; it proves nothing until its link is followed.
// Claiming the same one again gives the same contact. Rows only.
func (s *Service) AddContact(tx *store.Tx, id ID, mail string) (Contact, error) {
	value, err := NormalizeMail(mail)
	if err != nil {
		return Contact{}, err
	}
	if _, err := s.touch(tx, id); err != nil {
		return Contact{}, err
	}
	return s.insertContact(tx, id, value)
}

// RemoveContact forgets an address. The last verified one stays (ErrContactLast).
// Rows only.
func (s *Service) RemoveContact(tx *store.Tx, id ID, contactID string) (Contact, error) {
	if _, err := s.touch(tx, id); err != nil {
		return Contact{}, err
	}
	c, err := scanContact(tx.Row(sqlRemoveContact, contactID, id))
	if !errors.Is(err, store.ErrNoRows) {
		return c, err
	}
	switch c, err = scanContact(tx.Row(sqlContact, contactID)); {
	case errors.Is(err, store.ErrNoRows) || err == nil && c.Account != id:
		return Contact{}, ErrContactUnknown
	case err != nil:
		return Contact{}, err
	}
	return Contact{}, ErrContactLast
}

// ConfirmContact verifies the contact a link was sent to. It works once, and it
// only verifies: a mailbox is not a key, so nobody is signed in by it
// (SP 800-63B-4 §3.1.3.1: mail is no authenticator). It appends the event
// contact.verified itself.
func (s *Service) ConfirmContact(tx *store.Tx, token string) (Contact, error) {
	id, err := s.readLink(token, tx.Now)
	if err != nil {
		return Contact{}, err
	}
	c, err := scanContact(tx.Row(sqlConfirm, id, store.Micros(tx.Now)))
	switch {
	case errors.Is(err, store.ErrUnique):
		// Two owners of one mailbox followed their links in the same instant.
		return Contact{}, ErrContactTaken.Because(err)
	case errors.Is(err, store.ErrNoRows):
		return Contact{}, s.whyNotConfirmed(tx, id)
	case err != nil:
		return Contact{}, err
	}
	version, err := s.touch(tx, c.Account)
	if err != nil {
		return Contact{}, err
	}
	_, err = s.log.Append(tx, audit.Event{
		Action: "contact.verified", Account: string(c.Account), Target: c.ID,
		Effects: []audit.Effect{
			{Kind: "contact", ID: c.ID, Version: version},
			{Kind: "account", ID: string(c.Account), Version: version},
		},
		Payload: map[string]string{"mail": c.Value},
	})
	return c, err
}

// PeekContact reads the contact that a link would confirm, and changes nothing.
// The same errors as ConfirmContact, except that it does not look for others who
// have the address: the answer to that is nobody's before the button is pressed.
func (s *Service) PeekContact(tx *store.Tx, token string) (Contact, error) {
	id, err := s.readLink(token, tx.Now)
	if err != nil {
		return Contact{}, err
	}
	switch c, err := scanContact(tx.Row(sqlContact, id)); {
	case errors.Is(err, store.ErrNoRows):
		return Contact{}, ErrLinkInvalid.Because(errors.New("the contact is gone"))
	case err == nil && c.Verified():
		return Contact{}, ErrLinkUsed
	default:
		return c, err
	}
}

func (s *Service) whyNotConfirmed(tx *store.Tx, contactID string) error {
	switch c, err := scanContact(tx.Row(sqlContact, contactID)); {
	case errors.Is(err, store.ErrNoRows):
		return ErrLinkInvalid.Because(errors.New("the contact is gone"))
	case err != nil:
		return err
	case c.Verified():
		return ErrLinkUsed
	}
	return ErrContactTaken
}

// insertContact adds a normalised address, or finds it when the account has it.
func (s *Service) insertContact(tx *store.Tx, id ID, value string) (Contact, error) {
	c := Contact{ID: keyring.NewID("cnt_", tx.Now), Account: id, Kind: "mail", Value: value, AddedAt: store.Time(store.Micros(tx.Now))}
	rows, err := tx.Exec(sqlInsertContact, c.ID, id, value, store.Micros(tx.Now), maxContacts)
	if err != nil || rows == 1 {
		return c, err
	}
	if c, err = scanContact(tx.Row(sqlContactByMail, id, value)); errors.Is(err, store.ErrNoRows) {
		return Contact{}, ErrContactLimit
	}
	return c, err
}

// touch bumps the version of an account that is not closed.
func (s *Service) touch(tx *store.Tx, id ID) (version int64, err error) {
	err = tx.Row(sqlTouch, id).Scan(&version)
	if errors.Is(err, store.ErrNoRows) {
		return 0, s.whyNot(tx, id)
	}
	return version, err
}

func scanContact(r interface{ Scan(...any) error }) (Contact, error) {
	var (
		c               Contact
		verified, added int64
	)
	if err := r.Scan(&c.ID, &c.Account, &c.Kind, &c.Value, &verified, &added); err != nil {
		return Contact{}, err
	}
	c.AddedAt = store.Time(added)
	if verified > 0 {
		c.VerifiedAt = store.Time(verified)
	}
	return c, nil
}
