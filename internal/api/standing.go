package api

import (
	"context"

	"keyward/internal/account"
	"keyward/internal/config"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

// standing registers how the exchange asks whether a session goes on, and ends it.
func (s *Server) standings() {
	add(s, operation{
		id: "account-session-read", call: "GET /accounts/{id}/sessions/{session}", tag: "accounts", access: backend, power: config.MayIntrospect, limit: edge.ClassAPI,
		codes: "session_unknown", summary: "Is this session alive right now",
	}, s.standing)
	add(s, operation{
		id: "account-session-end", call: "DELETE /accounts/{id}/sessions/{session}", tag: "accounts", access: backend, power: config.MayEnd, limit: edge.ClassAPI,
		codes: "session_unknown", summary: "End a session", about: "Answers when it is refused everywhere.",
	}, s.standingEnd)
}

// Standing is a session and whether it lives.
type Standing struct {
	Live bool `json:"live"`
	Session
}

func standingOf(x session.Session) Standing { return Standing{x.EndedAt.IsZero(), sessionOf(x, "")} }

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
