package api

import (
	"context"

	"keyward/internal/edge"
)

// rescue registers the freeze.
func (s *Server) rescue() {
	add(s, operation{
		id: "freeze", call: "POST /freeze", tag: "freeze", access: holder, limit: edge.ClassAPI,
		codes: "account_closed account_unknown", summary: "Freeze the account",
		about: "Ends every session, this one too. Only a passkey gets in afterwards, to lift it.",
	}, s.freeze)
	add(s, operation{
		id: "freeze-lift", call: "POST /freeze/lift", tag: "freeze", access: holder, limit: edge.ClassAPI,
		codes: "step_up_required account_closed account_unknown", summary: "Lift the freeze", about: "Needs a touch for freeze.lift.",
	}, s.lift)
}

func (s *Server) freeze(ctx context.Context, _ *none) (*effectOut, error) {
	e, err := s.Contain.Freeze(ctx, cause(ctx), caller(ctx).Account, "here")
	if err != nil {
		return nil, err
	}
	return &effectOut{effectOf(e)}, nil
}

func (s *Server) lift(ctx context.Context, _ *none) (*none, error) {
	return nil, s.Contain.Lift(ctx, cause(ctx), caller(ctx).Session)
}
