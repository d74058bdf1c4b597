package api

import (
	"context"

	"keyward/internal/account"
	"keyward/internal/config"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

// handoff registers how the exchange learns who is signed in, and whether it is
// still so.
func (s *Server) handoff() {
	add(s, operation{
		id: "handoff-redeem", call: "POST /handoff/redeem", tag: "hand-off", access: backend, power: config.MayHandoff, limit: edge.ClassAPI,
		codes: "handoff_invalid", summary: "Learn who came back with a code",
		about: "A code is for one back end and one browser, lives a minute and works once. Compare the state with the browser's before you call. Show nothing unless acr is phr or phrh and the account is active; ask about the session, by its id, whenever it matters.",
	}, s.handoffRedeem)
	add(s, operation{
		id: "account-session-read", call: "GET /accounts/{id}/sessions/{session}", tag: "hand-off", access: backend, power: config.MayIntrospect, limit: edge.ClassAPI,
		codes: "session_unknown", summary: "Is this session alive right now",
	}, s.standing)
	add(s, operation{
		id: "account-session-end", call: "DELETE /accounts/{id}/sessions/{session}", tag: "hand-off", access: backend, power: config.MayEnd, limit: edge.ClassAPI,
		codes: "session_unknown", summary: "End a session", about: "Answers when it is refused everywhere.",
	}, s.standingEnd)
}

type redeemIn struct {
	Body struct {
		Code     string `json:"code" maxLength:"128"`
		Verifier string `json:"verifier" minLength:"43" maxLength:"128" pattern:"^[A-Za-z0-9._~-]+$" doc:"What the challenge was made of (RFC 7636 §4.1), kept for the browser that asked."`
	} `nameHint:"RedeemBody"`
}

// Standing is a session and whether it lives.
type Standing struct {
	Live bool `json:"live"`
	Session
}

func standingOf(x session.Session) Standing { return Standing{x.EndedAt.IsZero(), sessionOf(x, "")} }

// Redeemed is who a code stands for.
type Redeemed struct {
	Account BackendAccount `json:"account"`
	Session Standing       `json:"session"`
}

type redeemOut struct{ Body Redeemed }

func (s *Server) handoffRedeem(ctx context.Context, in *redeemIn) (*redeemOut, error) {
	r, err := s.SignIn.RedeemHandoff(ctx, cause(ctx), clientOf(ctx).ID, in.Body.Code, in.Body.Verifier)
	if err != nil {
		return nil, err
	}
	out := &redeemOut{Redeemed{Session: standingOf(r.Session)}}
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		out.Body.Account, err = s.backendAccount(tx, r.Account)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type standingIn struct {
	ID      string `path:"id" maxLength:"64"`
	Session string `path:"session" maxLength:"64"`
}

type standingOut struct{ Body Standing }

func (s *Server) standing(ctx context.Context, in *standingIn) (*standingOut, error) {
	out := &standingOut{}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		x, err := s.Sessions.ByID(tx, account.ID(in.ID), session.ID(in.Session))
		out.Body = standingOf(x)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Server) standingEnd(ctx context.Context, in *standingIn) (*effectOut, error) {
	e, err := s.Contain.EndFor(ctx, cause(ctx), account.ID(in.ID), session.ID(in.Session))
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}
