package api

import (
	"context"

	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

// sessions registers what is done to sessions from one of them.
func (s *Server) sessions() {
	add(s, operation{id: "sessions-list", call: "GET /sessions", tag: "sessions", access: holder, limit: edge.ClassAPI, summary: "Who is signed in, and who was in the last 30 days"}, s.sessionList)
	add(s, operation{
		id: "sessions-end", call: "DELETE /sessions/{id}", tag: "sessions", access: holder, limit: edge.ClassAPI,
		codes: "session_unknown", summary: "End a session", about: "Any session may end any other of the account. Answers when it is refused everywhere.",
	}, s.sessionEnd)
	add(s, operation{
		id: "sessions-end-others", call: "POST /sessions/end-others", tag: "sessions", access: holder, limit: edge.ClassAPI,
		codes: "step_up_required insufficient_power", summary: "End every other session",
		about: "Needs a touch for sessions.end_all, or a recovery code used in the last five minutes: with a stolen token alone a thief could otherwise sign the owner out.",
	}, s.sessionsEndOthers)
	add(s, operation{id: "sessions-mine", call: "POST /sessions/{id}/mine", tag: "sessions", access: holder, limit: edge.ClassAPI, codes: "session_unknown key_unknown key_too_new insufficient_power", summary: "\"This was me\""}, s.sessionMine)
	add(s, operation{
		id: "sessions-not-me", call: "POST /sessions/{id}/not-me", tag: "sessions", access: holder, limit: edge.ClassAPI,
		codes: "session_unknown", summary: "\"This was not me\"", about: "Ends the session. Look at the passkeys next, and freeze if one is not yours.",
	}, s.sessionNotMe)
}

// Sessions are those that can act and those that could.
type Sessions struct {
	Items []Session `json:"items" nullable:"false"`
	Ended []Session `json:"ended" nullable:"false" doc:"In the last 30 days, with the reason."`
}

type sessionsOut struct{ Body Sessions }

func (s *Server) sessionList(ctx context.Context, _ *none) (*sessionsOut, error) {
	by := caller(ctx)
	var live, ended []session.Session
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		live, ended, err = s.Sessions.List(tx, by.Account)
		return err
	})
	if err != nil {
		return nil, err
	}
	fact := func(x session.Session) Session { return sessionOf(x, by.ID) }
	return &sessionsOut{Sessions{Items: each(live, fact), Ended: each(ended, fact)}}, nil
}

func (s *Server) sessionEnd(ctx context.Context, in *idIn) (*effectOut, error) {
	e, err := s.Contain.EndSession(ctx, cause(ctx), caller(ctx).Session, session.ID(in.ID))
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}

func (s *Server) sessionsEndOthers(ctx context.Context, _ *none) (*effectOut, error) {
	e, err := s.Contain.EndOthers(ctx, cause(ctx), caller(ctx).Session)
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}

func (s *Server) sessionMine(ctx context.Context, in *idIn) (*none, error) {
	return nil, s.Contain.ThisWasMe(ctx, cause(ctx), caller(ctx).Session, session.ID(in.ID))
}

func (s *Server) sessionNotMe(ctx context.Context, in *idIn) (*effectOut, error) {
	e, err := s.Contain.NotMe(ctx, cause(ctx), caller(ctx).Session, session.ID(in.ID))
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}
