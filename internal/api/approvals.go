package api

import (
	"context"
	"errors"
	"time"

	"keyward/internal/account"
	"keyward/internal/confirm"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

// approvals registers the owner's side, for apps.
func (s *Server) approvals() {
	add(s, operation{
		id: "approvals-list", call: "GET /approvals", tag: "approvals", access: holder, limit: edge.ClassAPI,
		summary: "What waits for an answer", about: "Show every field in full before you ask for a touch: the address in groups, never shortened.",
	}, s.approvalsList)
	add(s, operation{
		id: "approvals-read", call: "GET /approvals/{id}", tag: "approvals", access: holder, limit: edge.ClassAPI,
		codes: "intent_unknown intent_void", summary: "One of them, decided ones too",
	}, s.approvalRead)
	money := "intent_unknown intent_decided intent_expired intent_void confirmation_not_enough insufficient_power account_unknown account_frozen account_restricted account_closed held " + powerCodes
	add(s, operation{
		id: "approvals-begin", call: "POST /approvals/{id}/begin", tag: "approvals", access: holder, limit: edge.ClassSignInBegin, codes: money,
		summary: "Begin to approve it", about: "The challenge is a hash of every field. A phone's statement names the act confirm and this id. Refuses before the touch what would be refused after it.",
	}, s.approvalBegin)
	add(s, operation{
		id: "approvals-finish", call: "POST /approvals/{id}/finish", tag: "approvals", access: holder, limit: edge.ClassSignInFinish,
		codes: money + " passkey_not_accepted challenge_spent key_unknown session_unknown session_ended", summary: "Approve it, once",
	}, s.approvalFinish)
	add(s, operation{
		id: "approvals-refuse", call: "POST /approvals/{id}/refuse", tag: "approvals", access: holder, limit: edge.ClassAPI,
		codes: "intent_unknown intent_decided intent_expired account_closed account_unknown", summary: "Refuse it, for good",
		about: "Needs no touch. With freeze the account is frozen first: every session ends, this one too.",
	}, s.approvalRefuse)
}

// Approval is a withdrawal as its owner sees it.
type Approval struct {
	ID    string `json:"id" example:"int_01jd8f00000000000000000000"`
	State string `json:"state" enum:"pending,approved,refused,expired"`
	Withdrawal
	AskedBy     string    `json:"asked_by" doc:"The service of the exchange."`
	FromSession string    `json:"from_session,omitempty" doc:"Where it was asked from; absent when nobody said."`
	FromDevice  string    `json:"from_device,omitempty"`
	SameDevice  bool      `json:"same_device" doc:"It was asked from the device that reads this."`
	Created     time.Time `json:"created_at"`
	Expires     time.Time `json:"expires_at"`
	First       bool      `json:"first_use" doc:"Nothing was ever approved to this address: say so before the touch."`
	FirstAt     time.Time `json:"address_since" doc:"When the address was first asked for."`
	HoldUntil   time.Time `json:"address_hold_until"`
	Uses        int64     `json:"address_uses" doc:"Approved withdrawals to it."`
}

func approvalOf(i confirm.Intent, by session.Session) Approval {
	return Approval{
		ID: i.ID, State: string(i.State), Withdrawal: withdrawalOf(i), AskedBy: i.Client, FromSession: string(i.Session), FromDevice: string(i.Device),
		SameDevice: i.Device != "" && i.Device == by.Device, Created: i.CreatedAt, Expires: i.ExpiresAt,
		First: i.To.Uses == 0, FirstAt: i.To.FirstAt, HoldUntil: i.To.HoldUntil, Uses: i.To.Uses,
	}
}

type approvalsOut struct{ Body List[Approval] }

func (s *Server) approvalsList(ctx context.Context, _ *none) (*approvalsOut, error) {
	by := caller(ctx).Session
	out := &approvalsOut{}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		waiting, err := s.Confirm.Waiting(tx, by.Account)
		out.Body.Items = each(waiting, func(i confirm.Intent) Approval { return approvalOf(i, by) })
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type approvalOut struct{ Body Approval }

func (s *Server) approvalRead(ctx context.Context, in *idIn) (*approvalOut, error) {
	by := caller(ctx).Session
	out := &approvalOut{}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		i, err := s.Confirm.ByID(tx, account.ID(by.Account), in.ID)
		out.Body = approvalOf(i, by)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// answering: each request of an app is proved by the key of its session (caller.go).
func answering(ctx context.Context) confirm.By {
	return confirm.By{Session: caller(ctx).Session, Proved: true}
}

func (s *Server) approvalBegin(ctx context.Context, in *idIn) (*optionsOut, error) {
	return optionsOf(s.Confirm.Begin(ctx, answering(ctx), in.ID))
}

type approvalFinishIn struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Credential Credential `json:"credential"`
	} `nameHint:"ApprovalFinishBody"`
}

func (s *Server) approvalFinish(ctx context.Context, in *approvalFinishIn) (*approvalOut, error) {
	by := answering(ctx)
	i, err := s.Confirm.Approve(ctx, cause(ctx), by, in.ID, in.Body.Credential)
	if err != nil {
		return nil, err
	}
	return &approvalOut{approvalOf(i, by.Session)}, nil
}

type approvalRefuseIn struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Freeze bool `json:"freeze,omitempty" doc:"Freeze the account first."`
	} `nameHint:"ApprovalRefuseBody"`
}

func (s *Server) approvalRefuse(ctx context.Context, in *approvalRefuseIn) (*none, error) {
	by := caller(ctx).Session
	if !in.Body.Freeze {
		return nil, s.Confirm.Refuse(ctx, cause(ctx), by, in.ID)
	}
	// Whose it is first, so that a mistyped id freezes nobody.
	if err := s.DB.View(ctx, func(tx *store.Tx) error {
		_, err := s.Confirm.ByID(tx, by.Account, in.ID)
		if errors.Is(err, confirm.ErrVoid) {
			err = nil
		}
		return err
	}); err != nil {
		return nil, err
	}
	// The freeze is what counts: from then on nothing is approved, whatever becomes of the refusal.
	if _, err := s.Contain.Freeze(ctx, cause(ctx), by.Account, "here"); err != nil {
		return nil, err
	}
	err := s.Confirm.Refuse(ctx, cause(ctx), by, in.ID)
	if errors.Is(err, confirm.ErrDecided) || errors.Is(err, confirm.ErrExpired) {
		err = nil // the account is frozen, and that is what was asked for
	}
	return nil, err
}
