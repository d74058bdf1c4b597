package session

import (
	"context"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// A DPoP proof is good once (RFC 9449 §11.1). What it was is remembered in a
// table and not in memory, so that a proof used at one process is refused by all,
// also after a restart. The row holds a hash, because a jti may say something
// about its client.

func jtiHash(jkt, jti string) [32]byte { return keyring.Hash(jkt + "|" + jti) }

// Spend uses a proof up inside the transaction that acts on it: of any number of
// transactions with the same proof one commits. If the act fails the proof is
// good again, and nothing has happened. Rows only.
func (s *Service) Spend(tx *store.Tx, jkt, jti string) error {
	if jkt == "" {
		return nil
	}
	id := jtiHash(jkt, jti)
	n, err := tx.Exec(sqlJTI, id[:], store.Micros(tx.Now.Add(proofWindow)))
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrProofReplayed
	}
	return nil
}

// SpendProof does so for a request that writes nothing else.
func (s *Service) SpendProof(ctx context.Context, jkt, jti string) error {
	if jkt == "" {
		return nil
	}
	return s.db.Housekeeping(ctx, func(tx *store.Tx) error { return s.Spend(tx, jkt, jti) })
}

// SpendUntil uses up any other single-use name: kind says whose, id is remembered
// until it could not be used any more anyway.
func (s *Service) SpendUntil(ctx context.Context, kind, id string, until time.Time) error {
	h := keyring.Hash(kind + "\x00" + id)
	return s.db.Housekeeping(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(sqlJTI, h[:], store.Micros(until.Add(proofWindow)))
		if err == nil && n == 0 {
			err = ErrProofReplayed
		}
		return err
	})
}
