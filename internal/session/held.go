package session

import (
	"slices"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/store"
)

// Held is a grant as its owner sees it in a list.
type Held struct {
	Grant
	UsedAt time.Time // when its app last fetched a token: it tells nothing when it uses one (DESIGN §6.7)
	Device device.ID // where it was given
	Agent  device.UserAgent
}

// Grants lists what apps hold of an account, newest first, as far as it can still
// be used.
func (s *Service) Grants(tx *store.Tx, acc account.ID) ([]Held, error) {
	rows, err := tx.Rows(sqlGrants, string(acc), store.Micros(tx.Now))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Held
	for rows.Next() {
		var h Held
		var used int64
		var agent string
		if h.Grant, err = scanGrant(rows, &used, (*string)(&h.Device), &agent); err != nil {
			return nil, err
		}
		h.Agent = device.AgentOfWords(agent)
		if h.UsedAt = h.CreatedAt; store.Time(used).After(h.CreatedAt) {
			h.UsedAt = store.Time(used)
		}
		out = append(out, h)
	}
	return out, rows.Err()
}

// scopeOffline is what lets a grant outlive a sign-out (OIDC Core §11).
const scopeOffline = "offline_access"

// NarrowGrant takes rights from an app: keep is what it may do from now on. It never
// gives one: what is not in the grant already is refused (ErrWider), and of two who
// narrow at once neither undoes the other, because the scope that was read is a
// condition of the write. Rows only.
//
// Without offline access it lasts no longer than the session it was given in, and is
// over at once when its owner has signed out of that.
func (s *Service) NarrowGrant(tx *store.Tx, acc account.ID, id GrantID, keep []string) (Grant, []audit.Effect, error) {
	g, err := s.GrantByID(tx, id)
	if err != nil {
		return Grant{}, nil, err
	}
	if g.Account != acc {
		return Grant{}, nil, ErrGrantEnded // a guessed id looks like none
	}
	had := strings.Fields(g.Scope)
	keep = slices.Compact(slices.Sorted(slices.Values(keep)))
	if slices.ContainsFunc(keep, func(x string) bool { return !slices.Contains(had, x) }) {
		return Grant{}, nil, ErrWider
	}
	if len(keep) == 0 && g.Details == "" {
		return Grant{}, nil, ErrNothingLeft
	}
	was, stays := g.Scope, slices.Contains(keep, scopeOffline)
	g.Scope = strings.Join(keep, " ")
	var abs int64
	err = tx.Row(sqlNarrowGrant, g.Scope, g.Offline && stays, string(id), string(acc), was).Scan(&g.Version, &abs)
	if err == store.ErrNoRows {
		return Grant{}, nil, ErrGrantEnded
	}
	if err != nil {
		return Grant{}, nil, err
	}
	g.AbsExp = store.Time(abs)
	if g.Offline && !stays && g.Family != "" {
		idle := s.grantIdle(tx.Now, g.AbsExp, false)
		if g.Keeps {
			idle = g.AbsExp
		}
		if err := tx.Later(sqlNarrowFamily, abs, store.Micros(idle), g.Family); err != nil {
			return Grant{}, nil, err
		}
	}
	g.Offline = g.Offline && stays
	return g, []audit.Effect{{Kind: "grant", ID: string(id), Version: g.Version}}, nil
}

// EndGrantsLike ends a grant of an account and all others of the same app.
func (s *Service) EndGrantsLike(tx *store.Tx, acc account.ID, id GrantID, why string) ([]audit.Effect, error) {
	eff, err := s.endGrants(tx, sqlEndGrantsLike, why, string(acc), string(id))
	if err == nil && len(eff) == 0 {
		return nil, ErrGrantEnded
	}
	return eff, err
}
