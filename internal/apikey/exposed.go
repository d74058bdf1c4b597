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
// whether it worked: nothing was let in, and the next request says it again.
func (s *Service) exposed(ctx context.Context, k *opened, peer netip.Addr, now time.Time) {
	if k.Status != Active || !k.browserAt.IsZero() && now.Sub(k.browserAt) < repeatAfter {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimPatience)
	defer cancel()
	if !s.reader {
		if s.inBrowser(ctx, k, peer) != nil {
			s.keys.forget(k.ID) // ask the database anew
		}
		return
	}
	if !k.once(now) {
		return // once a second and gate is enough
	}
	_ = s.sight(ctx, sighting{kind: sightBrowser, key: k.ID, addr: peer, at: now}) // the next request says it again
}

func (s *Service) inBrowser(ctx context.Context, k *opened, peer netip.Addr) error {
	action, query := audit.Action("apikey.in_browser"), sqlInBrowser
	if !k.browserAt.IsZero() {
		action, query = "apikey.quarantined", sqlQuarantineExposed
	}
	return s.seen(ctx, k, peer, query, repeatAfter, action, map[string]string{"scopes": k.Scopes.String()})
}

// seen writes down what a gate saw of a key, once in a while: query does nothing when that
// was done less than every ago, or the key has ended. The payload gets the key's purpose.
func (s *Service) seen(ctx context.Context, k *opened, peer netip.Addr, query string, every time.Duration, action audit.Action, payload map[string]string) error {
	cause := store.Cause{Actor: "system:gate"}
	if peer.IsValid() {
		cause.Addr = peer.Unmap()
	}
	return s.db.Update(ctx, cause, func(tx *store.Tx) error {
		var version int64
		err := tx.Row(query, store.Micros(tx.Now), string(k.ID), store.Micros(tx.Now.Add(-every))).Scan(&version)
		if err == store.ErrNoRows {
			return nil // another request was quicker
		}
		if err != nil {
			return err
		}
		var purpose string // not remembered with the key
		if err := tx.Row(sqlPurpose, string(k.ID)).Scan(&purpose); err != nil {
			return err
		}
		payload["purpose"] = purpose
		_, err = s.log.Append(tx, audit.Event{Action: action, Account: string(k.Account), Target: string(k.ID), Effects: effect(k.ID, version), Payload: payload})
		return err
	})
}
