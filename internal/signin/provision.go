package signin

import (
	"context"
	"strings"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/store"
)

// ErrExternalID: the exchange names its own accounts, or it could not find them
// again.
var ErrExternalID = account.ErrInvalid.At("external_id", "is needed: it is how you find the account again")

// Provision makes an account at the word of the exchange's back end, under the
// exchange's own id. It has no key and no session: its owner gets in by an
// enrolment ticket, once. A mail address brought along is a claim like any
// other; its owner confirms it by the link that notify sends.
func (s *Service) Provision(ctx context.Context, cause store.Cause, n account.NewAccount) (account.Account, error) {
	if strings.TrimSpace(n.ExternalID) == "" {
		return account.Account{}, ErrExternalID
	}
	n.Handle = nil // made by account, never by a caller
	var acc account.Account
	err := s.db.Update(ctx, cause, func(tx *store.Tx) (err error) {
		if acc, err = s.accounts.Create(tx, n); err != nil {
			return err
		}
		p := map[string]string{"client": client(cause)}
		if n.Mail != "" {
			if p["mail"], err = account.NormalizeMail(n.Mail); err != nil {
				return err
			}
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "account.created", Account: string(acc.ID), Target: string(acc.ID),
			Effects: []audit.Effect{{Kind: "account", ID: string(acc.ID), Version: acc.Version}}, Payload: p,
		})
		return err
	})
	return acc, err
}

// client is the back end behind a cause, "" when it is none.
func client(cause store.Cause) string {
	id, ok := strings.CutPrefix(cause.Actor, "client:")
	if !ok {
		return ""
	}
	return id
}
