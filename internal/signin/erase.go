package signin

import (
	"keyward/internal/account"
	"keyward/internal/store"
)

// Erase drops what is kept here of an account: its codes. Rows
// only; wire it to contain.AlsoErase.
func (s *Service) Erase(tx *store.Tx, acc account.ID) error {
	for _, q := range []string{sqlDropCodes, sqlDropCodeSet} {
		if _, err := tx.Exec(q, string(acc)); err != nil {
			return err
		}
	}
	return nil
}
