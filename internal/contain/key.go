package contain

import (
	"context"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/store"
)

// RemoveKey removes a passkey, never the last one, and ends the sessions that it
// opened, except the one that asks.
func (s *Service) RemoveKey(ctx context.Context, cause store.Cause, by session.Session, id device.KeyID) (Effect, error) {
	if !session.Reaches(by.ACR, session.ACRPhr) {
		return Effect{}, ErrPower
	}
	return s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		if err := s.changeable(tx, by.Account); err != nil {
			return nil, err
		}
		proof, err := s.devices.Need(tx, by.By(), device.Act{Kind: device.ActKeysRemove, Object: string(id)})
		if err != nil {
			return nil, err
		}
		key, err := s.devices.Remove(tx, by.Account, id, proof)
		if err != nil {
			return nil, err
		}
		eff, err := s.sessions.EndByKey(tx, by.Account, id, by.ID)
		if err != nil {
			return nil, err
		}
		eff = append(eff, audit.Effect{Kind: "key", ID: string(id), Version: key.Version})
		_, err = s.log.Append(tx, audit.Event{
			Action: "key.removed", Account: string(by.Account), Target: string(id), Effects: eff,
			Payload: map[string]string{"key": key.Name, "agent": by.Agent.String()},
		})
		return eff, err
	})
}

// changeable refuses to take passkeys away while the account is frozen or
// restricted: both keep what protects the account as it was. Ending sessions stays
// possible. A hold on keys is no reason: it is there against new ones.
func (s *Service) changeable(tx *store.Tx, id account.ID) error {
	acc, err := s.accounts.ByID(tx, id)
	switch {
	case err != nil:
		return err
	case acc.Status == account.Frozen:
		return ErrFrozen
	case acc.Status == account.Restricted:
		return ErrRestricted
	}
	return nil
}
