package api

import (
	"context"
	"net/http"
	"time"

	"keyward/internal/edge"
	"keyward/internal/signin"
	"keyward/internal/store"
)

// codes registers what is done to recovery codes.
func (s *Server) codes() {
	add(s, operation{id: "codes-read", call: "GET /codes", tag: "codes", access: holder, limit: edge.ClassAPI, summary: "How many recovery codes are left", about: "Never the codes."}, s.codesState)
	add(s, operation{
		id: "codes-new", call: "POST /codes", tag: "codes", access: holder, limit: edge.ClassAPI, status: http.StatusCreated,
		codes: "step_up_required insufficient_power account_frozen account_restricted held", summary: "Make new recovery codes",
		about: "This answer is the only place they ever appear. Older codes stop working. The first set needs no touch of its own within five minutes of sign-up; every later one needs codes.new.",
	}, s.codesNew)
	add(s, operation{
		id: "codes-rehearse", call: "POST /codes/rehearse", tag: "codes", access: holder, limit: edge.ClassAPI,
		codes: "code_not_accepted insufficient_power", summary: "Prove that the codes were kept", about: "The code stays unused.",
	}, s.codesRehearse)
}

// CodeState is what may be known about the codes.
type CodeState struct {
	Left        int       `json:"left"`
	Total       int       `json:"total"`
	MadeAt      time.Time `json:"made_at,omitzero"`
	RehearsedAt time.Time `json:"rehearsed_at,omitzero"`
	LastUsed    time.Time `json:"last_used,omitzero"`
}

type codeStateOut struct{ Body CodeState }

func (s *Server) codesState(ctx context.Context, _ *none) (*codeStateOut, error) {
	var c signin.CodeState
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		c, err = s.SignIn.Codes(tx, caller(ctx).Account)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &codeStateOut{CodeState{
		Left: c.Left, Total: signin.CodesPerSet, MadeAt: ever(c.MadeAt), RehearsedAt: ever(c.RehearsedAt), LastUsed: ever(c.LastUsed),
	}}, nil
}

// Codes are shown once.
type Codes struct {
	Codes []string `json:"codes" nullable:"false"`
}

type codesOut struct{ Body Codes }

func (s *Server) codesNew(ctx context.Context, _ *none) (*codesOut, error) {
	codes, err := s.SignIn.NewCodes(ctx, cause(ctx), caller(ctx).Session)
	if err != nil {
		return nil, err
	}
	return &codesOut{Codes{codes}}, nil
}

type rehearseIn struct {
	Body struct {
		Code string `json:"code" maxLength:"200"`
	} `nameHint:"CodeBody"`
}

func (s *Server) codesRehearse(ctx context.Context, in *rehearseIn) (*codeStateOut, error) {
	if err := s.SignIn.Rehearse(ctx, cause(ctx), caller(ctx).Session, in.Body.Code); err != nil {
		return nil, err
	}
	return s.codesState(ctx, nil)
}
