package signin

import (
	"keyward/internal/account"
	"keyward/internal/store"
)

// Erase drops what is kept here of an account: its codes, and the
// browsers that asked to be let in. Rows only; wire it to contain.AlsoErase.
func (s *Service) Erase(tx *store.Tx, acc account.ID) error {
	for _, q := range []string{sqlDropCodes, sqlDropCodeSet, sqlEraseJoins} {
		if _, err := tx.Exec(q, string(acc)); err != nil {
			return err
		}
	}
	return nil
}
