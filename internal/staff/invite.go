package staff

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Invitation is a link that makes one operator. Secret stands in the link and
// nowhere else; the row has its hash.
type Invitation struct {
	Secret   string
	Operator ID // who it will make
	Name     string
	Roles    Roles
	Expires  time.Time
}

const bootstrap = "bootstrap"

// errNotFirst: there is an operator already, so there is nothing to begin.
var errNotFirst = errors.New("staff: there are operators")

// Bootstrap makes the link of the first admin while there is no operator at all,
// and voids the one before: of all links ever printed the last one alone works.
// made is false when there are operators. The caller prints the link for the
// person at the terminal; it must not reach a log.
func (s *Service) Bootstrap(ctx context.Context) (inv Invitation, made bool, err error) {
	none := func(tx *store.Tx) error {
		var n int
		if err := tx.Row(sqlAnyOperator).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return errNotFirst
		}
		return nil
	}
	if err = s.db.View(ctx, none); err == nil {
		err = s.db.Update(ctx, store.Cause{Actor: "system:keyward"}, func(tx *store.Tx) error {
			if err := none(tx); err != nil {
				return err
			}
			if _, err := tx.Exec(sqlVoidBootstrap, store.Micros(tx.Now)); err != nil {
				return err
			}
			inv, err = s.invite(tx, "Admin", Roles{Admin}, bootstrap, "the first start", bootstrapLife)
			return err
		})
	}
	if errors.Is(err, errNotFirst) {
		return Invitation{}, false, nil
	}
	return inv, err == nil, err
}

// InviteAct is the act of inviting somebody.
func InviteAct(name string, roles Roles, reason string) device.Act {
	return act("operators.invite", name, roles.stored(), reason)
}

// Invite makes the link of one more operator.
func (s *Service) Invite(ctx context.Context, cause store.Cause, by Live, name string, roles Roles, reason string, t *Touch) (inv Invitation, err error) {
	if name, err = cleanName(name); err != nil {
		return inv, err
	}
	if roles, reason, err = cleanRoles(roles, reason); err != nil {
		return inv, err
	}
	err = s.change(ctx, cause, by, ManageOperators, InviteAct(name, roles, reason), t, func(tx *store.Tx) error {
		inv, err = s.invite(tx, name, roles, string(by.Operator.ID), reason, inviteLife)
		return err
	})
	return inv, err
}

func (s *Service) invite(tx *store.Tx, name string, roles Roles, by, reason string, life time.Duration) (Invitation, error) {
	inv := Invitation{Secret: keyring.Secret(), Operator: ID(keyring.NewID("opr_", tx.Now)), Name: name, Roles: roles, Expires: tx.Now.Add(life)}
	if _, err := tx.Exec(sqlInsertInvite, hashOf(inv.Secret), inv.Operator, keyring.Random(32), name, roles.stored(), by == bootstrap, by,
		store.Micros(tx.Now), store.Micros(inv.Expires)); err != nil {
		return Invitation{}, err
	}
	_, err := s.log.Append(tx, audit.Event{
		Action: "operator.invited", Target: string(inv.Operator),
		Effects: []audit.Effect{{Kind: "operator_invite", ID: string(inv.Operator), Version: 1}},
		Payload: map[string]string{"operator": name, "roles": roles.String(), "reason": reason},
	})
	return inv, err
}

// JoinOptions begins the making of the first passkey of whoever holds the link.
func (s *Service) JoinOptions(ctx context.Context, secret string) ([]byte, error) {
	g, err := s.guest(ctx, secret)
	if err != nil {
		return nil, err
	}
	return s.keys.CreateOptions(g.who, g.purpose)
}

// Join makes the operator, the passkey and the first session, and uses the link
// up, all in one transaction: the statement decides, so of two who hold the link
// one joins.
func (s *Service) Join(ctx context.Context, cause store.Cause, secret string, answer []byte) (in Entered, err error) {
	g, err := s.guest(ctx, secret)
	if err != nil {
		return in, err
	}
	key, err := s.keys.Registered(ctx, g.who, g.purpose, answer)
	if err != nil {
		return in, err
	}
	token := keyring.Secret()
	cause.Actor = Operator{ID: g.operator}.actor()
	err = s.db.Update(ctx, cause, func(tx *store.Tx) error {
		g, err := scanGuest(tx.Row(sqlUseInvite, hashOf(secret), store.Micros(tx.Now)), secret)
		if err != nil {
			return err
		}
		if err := spend(tx, key.Ticket); err != nil {
			return err
		}
		if _, err := tx.Exec(sqlInsertOperator, g.operator, g.who.UserName, g.who.Handle, g.roles, g.invitedBy, store.Micros(tx.Now)); err != nil {
			return err
		}
		id, err := insertKey(tx, g.operator, key)
		if err != nil {
			return err
		}
		if in, err = s.start(tx, g.operator, token); err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "operator.joined", Target: string(g.operator),
			Effects: []audit.Effect{effect(in.Operator), {Kind: "operator_key", ID: string(id), Version: 1}, {Kind: "operator_session", ID: string(in.Session.ID), Version: 1}},
			Payload: map[string]string{"operator": in.Operator.Name, "roles": in.Operator.Roles.String()},
		})
		return err
	})
	return in, err
}

// guest is who holds an open link.
type guest struct {
	operator  ID
	roles     string
	invitedBy string
	who       device.RegisterFor
	purpose   device.Purpose
}

// guest looks a link up. What is unknown, used, voided and too old is one answer.
func (s *Service) guest(ctx context.Context, secret string) (g guest, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		g, err = scanGuest(tx.Row(sqlInvite, hashOf(secret), store.Micros(tx.Now)), secret)
		return err
	})
	return g, err
}

func scanGuest(r interface{ Scan(...any) error }, secret string) (g guest, err error) {
	var expires int64
	err = r.Scan(&g.operator, &g.who.Handle, &g.who.UserName, &g.roles, &g.invitedBy, &expires)
	if errors.Is(err, store.ErrNoRows) {
		return guest{}, ErrInvite
	}
	g.purpose = device.Purpose{Subject: string(g.operator), Act: device.Act{Kind: "operators.join"}, Bind: hex.EncodeToString(hashOf(secret))}
	return g, err
}
