package contain

import (
	"context"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/store"
)

// EndBotKey ends an API key. It goes in the safe direction, so any session of the owner
// may, and it returns when every gate refuses the key.
func (s *Service) EndBotKey(ctx context.Context, cause store.Cause, acc account.ID, id apikey.ID) (Effect, error) {
	return s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		k, err := s.botKeys.ByID(tx, acc, id)
		if err != nil {
			return nil, err
		}
		eff, err := s.botKeys.Revoke(tx, acc, id, "owner")
		if err != nil {
			return nil, err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "apikey.revoked", Account: string(acc), Target: string(id), Effects: eff,
			Payload: map[string]string{"purpose": k.Purpose, "why": "owner"},
		})
		return eff, err
	})
}
