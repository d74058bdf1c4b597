package staff

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

var (
	// ErrInvite is the one answer to a link that opens nothing, whatever the cause.
	ErrInvite = edge.E("invite_not_accepted")
	// ErrRole: none of the operator's roles has the power.
	ErrRole = edge.E("operator_role_missing")
	// ErrOwn: it takes somebody else.
	ErrOwn = edge.E("own_act")
	// ErrUnknown: no such operator that is active.
	ErrUnknown = edge.E("operator_unknown")
	// ErrSession: none of one's own has this id, or it ended.
	ErrSession = edge.E("session_unknown")
	// ErrNotSignedIn: no session, or one that ended.
	ErrNotSignedIn = edge.E("not_signed_in")
	// ErrClosed: the request was decided, ran out, or lost its requester.
	ErrClosed = edge.E("request_closed")
	// ErrRequest: no such request.
	ErrRequest = edge.E("request_unknown")
	// ErrTouch: the act needs a touch for exactly this act.
	ErrTouch = edge.E("step_up_required")

	errWords = edge.E("bad_request")
)

// ID names an operator: "opr_…".
type ID string

// Operator is a person who works here.
type Operator struct {
	ID        ID
	Name      string
	Roles     Roles
	Active    bool
	InvitedBy string // an operator's id, or "bootstrap"
	CreatedAt time.Time
	Version   int64
}

// Roles are sorted, each once, at least one.
type Roles []Role

// ParseRoles reads roles that somebody chose.
func ParseRoles(words []string) (Roles, error) {
	var r Roles
	for _, w := range words {
		if !slices.Contains(AllRoles, Role(w)) {
			return nil, errWords.At("roles", "not a role")
		}
		r = append(r, Role(w))
	}
	slices.Sort(r)
	if r = slices.Compact(r); len(r) == 0 {
		return nil, errWords.At("roles", "choose at least one")
	}
	return r, nil
}

func (r Roles) String() string {
	words := make([]string, len(r))
	for i, role := range r {
		words[i] = string(role)
	}
	return strings.Join(words, ", ")
}

func (r Roles) stored() string {
	b, _ := json.Marshal(r) // strings marshal
	return string(b)
}

// Service is the one owner of staff_* tables.
type Service struct {
	db   *store.DB
	log  *audit.Log
	keys *device.Verifier
}

// New wires the service. rp is the operators' own relying party.
func New(db *store.DB, ring *keyring.Ring, log *audit.Log, rp device.Config) (*Service, error) {
	rp.Now = db.Now
	keys, err := device.NewVerifier(rp, ring.MAC("staff/challenge"))
	if err != nil {
		return nil, err
	}
	return &Service{db: db, log: log, keys: keys}, nil
}

// Operators lists everybody, active ones first.
func (s *Service) Operators(ctx context.Context, who Live) (all []Operator, err error) {
	if !who.Operator.Roles.May(SeeOperators) {
		return nil, ErrRole
	}
	err = s.db.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Rows(sqlOperators, maxList)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			o, err := scanOperator(rows)
			if err != nil {
				return err
			}
			all = append(all, o)
		}
		return rows.Err()
	})
	return all, err
}

// Operator reads one. The name of whoever asked or decided is no secret among
// operators.
func (s *Service) Operator(ctx context.Context, id ID) (o Operator, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		o, err = scanOperator(tx.Row(sqlOperator, id))
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return Operator{}, ErrUnknown
	}
	return o, err
}

// RolesAct is the act of giving an operator other roles.
func RolesAct(id ID, roles Roles, reason string) device.Act {
	return act("operators.roles", string(id), roles.stored(), reason)
}

// ChangeRoles gives another operator other roles. They count from the next
// request on: a session has none of its own.
func (s *Service) ChangeRoles(ctx context.Context, cause store.Cause, by Live, id ID, roles Roles, reason string, t *Touch) (o Operator, err error) {
	if roles, reason, err = cleanRoles(roles, reason); err != nil {
		return o, err
	}
	err = s.change(ctx, cause, by, ManageOperators, RolesAct(id, roles, reason), t, func(tx *store.Tx) error {
		if o, err = scanOperator(tx.Row(sqlSetRoles, roles.stored(), id, by.Operator.ID)); err != nil {
			return whyNot(err, by, id)
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "operator.roles_changed", Target: string(id), Effects: []audit.Effect{effect(o)},
			Payload: map[string]string{"operator": o.Name, "roles": roles.String(), "reason": reason},
		})
		return err
	})
	return o, err
}

// DisableAct is the act of disabling an operator.
func DisableAct(id ID, reason string) device.Act { return act("operators.disable", string(id), reason) }

// Disable ends an operator for good: their sessions, their open links, their open
// requests. Nothing brings one back; who returns is invited anew.
func (s *Service) Disable(ctx context.Context, cause store.Cause, by Live, id ID, reason string, t *Touch) (o Operator, err error) {
	if reason, err = cleanReason(reason); err != nil {
		return o, err
	}
	err = s.change(ctx, cause, by, ManageOperators, DisableAct(id, reason), t, func(tx *store.Tx) error {
		if o, err = scanOperator(tx.Row(sqlDisable, id, by.Operator.ID)); err != nil {
			return whyNot(err, by, id)
		}
		ended, err := endRows(tx, sqlEndSessions, store.Micros(tx.Now), id)
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, audit.Event{
			Action: "operator.disabled", Target: string(id), Effects: append([]audit.Effect{effect(o)}, ended...),
			Payload: map[string]string{"operator": o.Name, "reason": reason},
		})
		return err
	})
	return o, err
}

func whyNot(err error, by Live, id ID) error {
	switch {
	case !errors.Is(err, store.ErrNoRows):
		return err
	case by.Operator.ID == id:
		return ErrOwn
	}
	return ErrUnknown
}

func effect(o Operator) audit.Effect {
	return audit.Effect{Kind: "operator", ID: string(o.ID), Version: o.Version}
}

// Restored ends what a restored backup could bring back: sessions that were ended
// since, links that were used, requests that were refused. It cannot know who was
// disabled since; docs/operations.md says where to look. Rows only.
func Restored(tx *store.Tx) ([]audit.Effect, error) {
	var touched int64
	for _, q := range []string{sqlEndEverySession, sqlVoidEveryInvite, sqlLetRequestsLapse} {
		n, err := tx.Exec(q, store.Micros(tx.Now))
		if err != nil {
			return nil, err
		}
		touched += n
	}
	return []audit.Effect{{Kind: "operator", ID: "all", Version: touched}}, nil
}

// Sweep forgets challenges that can no longer be used. Run it in Housekeeping.
func (s *Service) Sweep(tx *store.Tx) error {
	_, err := tx.Exec(sqlSweep, store.Micros(tx.Now))
	return err
}

func scanOperator(r interface{ Scan(...any) error }) (Operator, error) {
	var (
		o             Operator
		roles, status string
		created       int64
	)
	if err := r.Scan(&o.ID, &o.Name, &roles, &status, &o.InvitedBy, &created, &o.Version); err != nil {
		return Operator{}, err
	}
	o.Active, o.CreatedAt = status == "active", store.Time(created)
	return o, json.Unmarshal([]byte(roles), &o.Roles)
}

// cleanReason: the log keeps it whole and on one line, and a second person reads it.
func cleanReason(s string) (string, error) {
	s, ok := words(s)
	if !ok || len(s) > maxReason || utf8.RuneCountInString(s) < minReason {
		return "", errWords.At("reason", "must say why, in 4 characters at least and 160 bytes at most, on one line")
	}
	return s, nil
}

func cleanName(s string) (string, error) {
	s, ok := words(s)
	if !ok || s == "" || utf8.RuneCountInString(s) > maxName {
		return "", errWords.At("name", "must have 1 to 64 characters that can be shown")
	}
	return s, nil
}

func cleanRoles(roles Roles, reason string) (Roles, string, error) {
	list := make([]string, len(roles))
	for i, r := range roles {
		list[i] = string(r)
	}
	roles, err := ParseRoles(list)
	if err != nil {
		return nil, "", err
	}
	reason, err = cleanReason(reason)
	return roles, reason, err
}

// words refuses what could rewrite the facts beside it: line breaks, controls,
// marks that turn the reading direction.
func words(s string) (string, bool) {
	s = strings.TrimSpace(s)
	bad := strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) })
	return s, utf8.ValidString(s) && !bad
}
