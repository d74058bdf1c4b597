package apikey

import (
	"context"
	"net/netip"
	"time"

	"keyward/internal/audit"
	"keyward/internal/store"
)

// repeatAfter: a page that loads sends many requests at once; the second time is one
// that the owner could have been told before.
const repeatAfter = time.Minute

// exposed notes that a key signs in a web page, where everybody can read it. Its owner is
// told the first time; when it goes on, the key may look and cancel until they act. The
// answer to the client does not wait for more than one statement, and is the same
// whether it worked: nothing was let in.
func (s *Service) exposed(ctx context.Context, k *opened, peer netip.Addr, now time.Time) {
	if k.Status != Active || !k.browserAt.IsZero() && now.Sub(k.browserAt) < repeatAfter {
		return
	}
	first := k.browserAt.IsZero()
	action, query := audit.Action("apikey.in_browser"), sqlInBrowser
	if !first {
		action, query = "apikey.quarantined", sqlQuarantineExposed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimPatience)
	defer cancel()
	cause := store.Cause{Actor: "system:gate"}
	if peer.IsValid() {
		cause.Addr = peer.Unmap()
	}
	err := s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var version int64
		err := tx.Row(query, store.Micros(tx.Now), string(k.ID), store.Micros(tx.Now.Add(-repeatAfter))).Scan(&version)
		if err == store.ErrNoRows {
			return nil // another request was quicker
		}
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: action, Account: string(k.Account), Target: string(k.ID), Effects: effect(k.ID, version),
			Payload: map[string]string{"purpose": k.Purpose, "scopes": k.Scopes.String()},
		})
		return err
	})
	if err != nil {
		s.keys.forget(k.ID) // ask the database anew: the next request says it again
	}
}
