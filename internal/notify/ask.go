package notify

import (
	"errors"

	"keyward/internal/account"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// ask is what a job knows of a mail that no event tells of: a person typed an
// address, or pressed "send again".
type ask struct {
	Mail    string `json:"mail,omitempty"` // as typed; the account is looked up when sending
	At      int64  `json:"at"`
	Addr    string `json:"addr,omitempty"`
	Agent   string `json:"agent,omitempty"`
	Request string `json:"request,omitempty"`
}

func newAsk(tx *store.Tx, cause store.Cause, agent string) *ask {
	a := &ask{At: store.Micros(tx.Now), Agent: agent, Request: cause.Request}
	if cause.Addr.IsValid() {
		a.Addr = cause.Addr.String()
	}
	return a
}

// AskFreezeLink orders a mail with a link that can freeze the account of a typed
// address. Call it in Housekeeping: nothing is changed, and whether the address
// has an owner is not looked up here, so the statements, the answer and the time
// are the same for every address. agent is the browser and system in words.
func (s *Service) AskFreezeLink(tx *store.Tx, cause store.Cause, mail, agent string) error {
	mail, err := account.NormalizeMail(mail)
	if err != nil {
		return err
	}
	a := newAsk(tx, cause, agent)
	a.Mail = mail
	id := keyring.NewID("ask_", tx.Now)
	tx.AfterCommit(s.Kick)
	return enqueue(tx, order{ID: id, Event: id, Kind: FreezeLink, Ask: a}, 0)
}

// AskCheck orders the confirmation mail of a contact again. Call it in
// Housekeeping, for the account that is signed in.
func (s *Service) AskCheck(tx *store.Tx, cause store.Cause, acc account.ID, contactID string) error {
	contacts, err := s.Accounts.Contacts(tx, acc)
	if err != nil {
		return err
	}
	kind, found := SignUpCheck, false
	for _, c := range contacts {
		if c.Verified() {
			kind = ContactCheck
		}
		found = found || c.ID == contactID && !c.Verified()
	}
	if !found {
		return nil // confirmed or removed in another tab
	}
	id := keyring.NewID("ask_", tx.Now)
	tx.AfterCommit(s.Kick)
	return enqueue(tx, order{ID: id, Event: id, Kind: kind, Account: string(acc), Contact: contactID, Ask: newAsk(tx, cause, "")}, 0)
}

// prepareFreeze is for the link somebody asked for by typing an address.
func (s *Service) prepareFreeze(tx *store.Tx, o *order, r *ready) error {
	acc, err := s.Accounts.ByMail(tx, o.Ask.Mail)
	switch {
	case errors.Is(err, account.ErrUnknown):
		return mootUnowned
	case err != nil:
		return err
	case acc.Status == account.Closed:
		return mootClosed
	}
	r.owner(s, acc, tx.Now)
	r.to, o.Account = o.Ask.Mail, string(acc.ID)
	return nil
}
