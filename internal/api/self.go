package api

import (
	"context"
	"errors"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/store"
)

// self registers what a session asks about itself.
func (s *Server) self() {
	add(s, operation{
		id: "session-read", call: "GET /session", tag: "session", access: holder, limit: edge.ClassAPI,
		codes: "account_unknown", summary: "Who am I",
	}, s.whoAmI)
	add(s, operation{
		id: "session-end", call: "DELETE /session", tag: "session", access: holder, limit: edge.ClassAPI,
		summary: "Sign out", about: "Answers when the session is refused everywhere.",
	}, s.signOut)
	add(s, operation{
		id: "step-up-begin", call: "POST /step-up", tag: "session", access: holder, limit: edge.ClassSignInBegin,
		codes: "insufficient_power " + powerCodes, summary: "Begin a touch for one act",
		about: "Say what step_up_required said in \"purpose\". Show the act to the person before the touch. Where not every key of the account may give this touch, the options list those that may; where none may, the answer says why.",
	}, s.stepUpBegin)
	add(s, operation{
		id: "step-up-finish", call: "POST /step-up/finish", tag: "session", access: holder, limit: edge.ClassSignInFinish,
		codes:   "passkey_not_accepted challenge_expired challenge_spent key_unknown session_unknown insufficient_power " + powerCodes,
		summary: "Keep the touch for one use within five minutes",
		about:   "The session gets new tokens; all it had before are dead.",
	}, s.stepUpFinish)
}

// Account is what its owner sees of it.
type Account struct {
	ID         string    `json:"id" example:"acc_01jd8f00000000000000000000"`
	ExternalID string    `json:"external_id,omitempty" doc:"The exchange's own id."`
	Status     string    `json:"status" enum:"active,frozen,restricted,closed"`
	Lang       string    `json:"lang,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
}

// WhoAmI is the caller as the server sees them.
type WhoAmI struct {
	Account       Account   `json:"account"`
	Session       Session   `json:"session"`
	Mail          string    `json:"mail,omitempty"`
	AccessExpires time.Time `json:"access_expires_at" doc:"Of the token that was sent."`
}

type whoAmIOut struct{ Body WhoAmI }

func (s *Server) whoAmI(ctx context.Context, _ *none) (*whoAmIOut, error) {
	live := caller(ctx)
	var acc account.Account
	var mail string
	if err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if acc, err = s.Accounts.ByID(tx, live.Account); err != nil {
			return err
		}
		contacts, err := s.Accounts.Contacts(tx, live.Account)
		if len(contacts) > 0 {
			mail = contacts[0].Value
		}
		return err
	}); err != nil {
		return nil, err
	}
	return &whoAmIOut{WhoAmI{
		Account: Account{string(acc.ID), acc.ExternalID, string(acc.Status), acc.Lang, acc.CreatedAt},
		Session: sessionOf(live.Session, live.ID), Mail: mail, AccessExpires: live.Expires,
	}}, nil
}

type effectOut struct{ Body Effect }

func (s *Server) signOut(ctx context.Context, _ *none) (*effectOut, error) {
	by := caller(ctx).Session
	e, err := s.Contain.EndSession(ctx, cause(ctx), by, by.ID)
	if errors.Is(err, session.ErrUnknown) { // ended from elsewhere since the check
		err = session.ErrEnded
	}
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}

// ActBody names an act.
type ActBody struct {
	Act    string `json:"act" enum:"keys.add,keys.remove,sessions.end_all,codes.new,contacts.change,botkeys.add,botkeys.change,botkeys.keep,botkeys.release,botkeys.rotate,botkeys.undo,botkeys.unlock,botkeys.wake,devices.remove,devices.admit,subs.make,subs.change,freeze.lift,confirm.me"`
	Object string `json:"object,omitempty" maxLength:"184" doc:"The key or device, where the act has one. Words after a space say how much the act gives; send them as they came."`
}

type stepUpIn struct{ Body ActBody }

func (s *Server) stepUpBegin(ctx context.Context, in *stepUpIn) (*optionsOut, error) {
	act, err := device.ParseAct(in.Body.Act, in.Body.Object)
	if err != nil {
		return nil, err
	}
	return optionsOf(s.SignIn.BeginStepUp(ctx, caller(ctx).Session, act))
}

type stepUpFinishIn struct {
	Body struct {
		ActBody
		Credential Credential `json:"credential"`
	} `nameHint:"StepUpFinishBody"`
}

func (s *Server) stepUpFinish(ctx context.Context, in *stepUpFinishIn) (*tokensOut, error) {
	act, err := device.ParseAct(in.Body.Act, in.Body.Object)
	if err != nil {
		return nil, err
	}
	by := caller(ctx).Session
	// The proof of this request was for the session's own key and is spent; no
	// other key comes in here, so the session stays bound as it is.
	f := signin.From{Addr: cause(ctx).Addr, Kind: session.API, Remember: by.Remember}
	return s.issuedOf(s.SignIn.FinishStepUp(ctx, cause(ctx), by, act, in.Body.Credential, f))
}
