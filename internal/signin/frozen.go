package signin

import (
	"time"

	"keyward/internal/account"
	"keyward/internal/store"
)

// usable refuses what a frozen or closed account may not do at all.
func (s *Service) usable(tx *store.Tx, id account.ID) error {
	_, err := s.status(tx, id)
	return err
}

func (s *Service) status(tx *store.Tx, id account.ID) (account.Status, error) {
	acc, err := s.accounts.ByID(tx, id)
	switch {
	case err != nil:
		return "", err
	case acc.Status == account.Frozen:
		return "", ErrFrozen
	case acc.Status == account.Closed:
		return "", ErrAccountClosed
	}
	return acc.Status, nil
}

// changeable refuses changes to what protects an account while the account may
// not be in its owner's hands alone. Frozen: the owner froze it because somebody
// may be inside, and a session that a passkey opened to lift the freeze must lift
// it first, with a touch for exactly that. Restricted: somebody who may do so says
// that this is no time for changes. Held: a power the change needs, until its time.
func (s *Service) changeable(tx *store.Tx, id account.ID, powers ...account.What) error {
	switch status, err := s.status(tx, id); {
	case err != nil:
		return err
	case status == account.Restricted:
		return ErrRestricted
	}
	for _, what := range powers {
		h, held, err := s.accounts.Held(tx, id, what)
		if err != nil {
			return err
		}
		if held {
			return ErrHeld.With("until", h.Until.UTC().Format(time.RFC3339)).With("because", h.Because)
		}
	}
	return nil
}
