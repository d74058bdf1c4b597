package signin

import (
	"keyward/internal/account"
	"keyward/internal/store"
)

// changeable refuses changes to what protects an account while it is frozen: the
// owner froze it because somebody may be inside, and a session that a passkey
// opened to lift the freeze must lift it first, with a touch for exactly that.
func (s *Service) changeable(tx *store.Tx, id account.ID) error {
	acc, err := s.accounts.ByID(tx, id)
	if err != nil {
		return err
	}
	switch acc.Status {
	case account.Frozen:
		return ErrFrozen
	case account.Closed:
		return ErrAccountClosed
	}
	return nil
}
