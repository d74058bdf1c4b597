package staff

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/store"
)

// RequestID names a request: "req_…".
type RequestID string

// Change is one line of a diff: what it was and what it shall be.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// State of a request.
type State string

// The states there are. A request past its expiry is Expired whatever its row says.
const (
	Open     State = "open"
	Approved State = "approved"
	Refused  State = "refused"
	Expired  State = "expired"
)

// Request is a change that takes two operators.
type Request struct {
	ID        RequestID
	Kind      Kind
	Target    string // what it is about, an id of whoever owns the kind
	Diff      []Change
	Reason    string
	Requester ID
	MadeAt    time.Time
	ExpiresAt time.Time
	State     State

	DecidedBy     ID // "" while open
	DecidedAt     time.Time
	DecidedReason string
	Version       int64
}

// Act does what a request asks for, inside the transaction that approves it, and
// tells which objects it touched. It writes no event: the approval is the one. It may
// run twice, as whatever runs in a transaction.
type Act func(*store.Tx, Request) ([]audit.Effect, error)

// AskAct is the act of asking.
func AskAct(k Kind, target string, diff []Change, reason string) device.Act {
	b, _ := json.Marshal(diff) // strings marshal
	return act("requests.ask", string(k), target, string(b), reason)
}

// Ask writes a request down. Nothing changes until somebody else approves it.
func (s *Service) Ask(ctx context.Context, cause store.Cause, by Live, k Kind, target string, diff []Change, reason string, t *Touch) (r Request, err error) {
	if reason, err = cleanReason(reason); err != nil {
		return r, err
	}
	b, err := json.Marshal(diff)
	switch plain, ok := words(target); {
	case err != nil:
		return r, err
	case !k.Known():
		return r, errWords.At("kind", "no such request")
	case !ok || plain != target || target == "" || len(target) > maxTarget:
		return r, errWords.At("target", "not an id")
	case len(diff) == 0 || len(b) > maxDiff:
		return r, errWords.At("diff", "must name what changes, in 8 KiB at most")
	}
	err = s.change(ctx, cause, by, AskRequests, AskAct(k, target, diff, reason), t, func(tx *store.Tx) error {
		r = Request{
			ID: RequestID(keyring.NewID("req_", tx.Now)), Kind: k, Target: target, Diff: diff, Reason: reason, Requester: by.Operator.ID,
			MadeAt: tx.Now, ExpiresAt: tx.Now.Add(requestLife), State: Open, Version: 1,
		}
		if _, err := tx.Exec(sqlInsertRequest, r.ID, r.Kind, r.Target, string(b), r.Reason, r.Requester, store.Micros(r.MadeAt), store.Micros(r.ExpiresAt)); err != nil {
			return err
		}
		_, err := s.log.Append(tx, r.event("staff.request_made", reason))
		return err
	})
	return r, err
}

// ApproveAct is the act of approving one request. Its diff never changes, so the
// id stands for it.
func ApproveAct(id RequestID, reason string) device.Act {
	return act("requests.approve", string(id), reason)
}

// Approve decides for a request and does what it asks for, in one transaction. If
// the act fails nothing is approved.
func (s *Service) Approve(ctx context.Context, cause store.Cause, by Live, id RequestID, reason string, t *Touch, do Act) (r Request, err error) {
	if reason, err = cleanReason(reason); err != nil {
		return r, err
	}
	if do == nil {
		return r, errors.New("staff: an approval without an act would be a promise")
	}
	err = s.change(ctx, cause, by, DecideRequests, ApproveAct(id, reason), t, func(tx *store.Tx) error {
		r, err = scanRequest(tx.Row(sqlApprove, Approved, by.Operator.ID, store.Micros(tx.Now), reason, id), tx.Now)
		if errors.Is(err, store.ErrNoRows) {
			return s.whyNotApproved(tx, by, id, reason)
		}
		if err != nil {
			return err
		}
		effects, err := do(tx, r)
		if err != nil {
			return err
		}
		e := r.event("staff.request_approved", reason)
		e.Effects = append(e.Effects, effects...)
		_, err = s.log.Append(tx, e)
		return err
	})
	return r, err
}

// whyNotApproved names the condition that the statement met. Who approves a request
// of their own has proved who they are, so the try is an event, and it stays
// although they get an error.
func (s *Service) whyNotApproved(tx *store.Tx, by Live, id RequestID, reason string) error {
	r, err := scanRequest(tx.Row(sqlRequest, id), tx.Now)
	switch {
	case errors.Is(err, store.ErrNoRows):
		return ErrRequest
	case err != nil:
		return err
	case r.State != Open || r.Requester != by.Operator.ID:
		return ErrClosed
	}
	if _, err := s.log.Append(tx, r.event("staff.self_approval", reason)); err != nil {
		return err
	}
	return store.CommitWith(ErrOwn)
}

// RefuseAct is the act of refusing one request.
func RefuseAct(id RequestID, reason string) device.Act {
	return act("requests.refuse", string(id), reason)
}

// Refuse decides against a request. Whoever asked may do it too: that takes it back.
func (s *Service) Refuse(ctx context.Context, cause store.Cause, by Live, id RequestID, reason string, t *Touch) (r Request, err error) {
	if reason, err = cleanReason(reason); err != nil {
		return r, err
	}
	power := DecideRequests
	if own, err := s.Request(ctx, by, id); err == nil && own.Requester == by.Operator.ID {
		power = AskRequests // who asks never changes, so what was read outside still holds
	}
	err = s.change(ctx, cause, by, power, RefuseAct(id, reason), t, func(tx *store.Tx) error {
		r, err = scanRequest(tx.Row(sqlRefuse, Refused, by.Operator.ID, store.Micros(tx.Now), reason, id), tx.Now)
		if errors.Is(err, store.ErrNoRows) {
			return ErrClosed
		}
		if err != nil {
			return err
		}
		_, err = s.log.Append(tx, r.event("staff.request_refused", reason))
		return err
	})
	return r, err
}

// Request reads one.
func (s *Service) Request(ctx context.Context, who Live, id RequestID) (r Request, err error) {
	if !who.Operator.Roles.May(SeeRequests) {
		return r, ErrRole
	}
	err = s.db.View(ctx, func(tx *store.Tx) error {
		r, err = scanRequest(tx.Row(sqlRequest, id), tx.Now)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return r, ErrRequest
	}
	return r, err
}

// Requests lists the last ones, newest first.
func (s *Service) Requests(ctx context.Context, who Live) (all []Request, err error) {
	if !who.Operator.Roles.May(SeeRequests) {
		return nil, ErrRole
	}
	err = s.db.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Rows(sqlRequests, maxList)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scanRequest(rows, tx.Now)
			if err != nil {
				return err
			}
			all = append(all, r)
		}
		return rows.Err()
	})
	return all, err
}

func (r Request) event(a audit.Action, reason string) audit.Event {
	return audit.Event{
		Action: a, Target: string(r.ID), Effects: []audit.Effect{{Kind: "request", ID: string(r.ID), Version: r.Version}},
		Payload: map[string]string{"kind": string(r.Kind), "object": r.Target, "n": strconv.Itoa(len(r.Diff)), "reason": reason},
	}
}

func scanRequest(row interface{ Scan(...any) error }, now time.Time) (Request, error) {
	var (
		r                      Request
		diff                   string
		made, expires, decided int64
	)
	err := row.Scan(&r.ID, &r.Kind, &r.Target, &diff, &r.Reason, &r.Requester, &made, &expires, &r.State, &r.DecidedBy, &decided, &r.DecidedReason, &r.Version)
	if err != nil {
		return Request{}, err
	}
	r.MadeAt, r.ExpiresAt, r.DecidedAt = store.Time(made), store.Time(expires), store.Time(decided)
	if r.State == Open && !now.Before(r.ExpiresAt) {
		r.State = Expired
	}
	return r, json.Unmarshal([]byte(diff), &r.Diff)
}
