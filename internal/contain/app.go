package contain

import (
	"context"
	"strconv"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/session"
	"keyward/internal/store"
)

// EndGrant takes an app's access away: this grant, or with all every grant of the
// same app. It goes in the safe direction, so any session of the owner may. name is
// what the owner calls the app.
func (s *Service) EndGrant(ctx context.Context, cause store.Cause, acc account.ID, id session.GrantID, name string, all bool) (Effect, error) {
	return s.act(ctx, cause, func(tx *store.Tx) ([]audit.Effect, error) {
		end := s.sessions.EndGrant
		if all {
			end = s.sessions.EndGrantsLike
		}
		eff, err := end(tx, acc, id, session.EndedGrant)
		if err != nil {
			return nil, err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "grant.ended", Account: string(acc), Target: string(id), Effects: eff,
			Payload: map[string]string{"client": name, "n": strconv.Itoa(len(eff)), "by": "owner"},
		})
		return eff, err
	})
}
