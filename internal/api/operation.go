package api

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"keyward/internal/edge"
)

// access says who may call an operation.
type access int

const (
	open     access = iota // nobody has proved anything yet
	offering               // open; a DPoP proof is read when there is one
	binding                // open; a DPoP proof binds the session that begins
	holder                 // an account holder's session
	backend                // a back end of the exchange
)

// operation is what is said about an operation once, for the gate and for the
// document.
type operation struct {
	id      string // of the document: lower-case words
	call    string // "POST /sign-in/finish", below root
	tag     string
	summary string
	about   string

	access access
	power  string // what a back end must be given; "" when the handler asks
	limit  edge.Class
	codes  string // refusals of its own, space-separated codes of the problem table
	once   bool   // takes an Idempotency-Key
	status int    // 0: 200, or 204 without a body
}

// add puts one operation on the mux and into the document.
func add[I, O any](s *Server, op operation, h func(context.Context, *I) (*O, error)) {
	method, path, _ := strings.Cut(op.call, " ")
	body := bodyOf(reflect.TypeFor[I]())
	doc := huma.Operation{
		OperationID: op.id, Method: method, Path: root + path, Tags: []string{op.tag}, Summary: op.summary, Description: op.about,
		DefaultStatus: op.status, Middlewares: huma.Middlewares{s.gate(op, body)},
	}
	s.describe(&doc, op)
	huma.Register(s.huma, doc, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, refusal{err} // carries the error past huma to the gate, see answer.go
		}
		return out, nil
	})
}

// bodyOf is the type of the JSON body, an empty struct when none is declared: a
// body that nobody reads is refused field by field rather than ignored.
func bodyOf(input reflect.Type) reflect.Type {
	if f, ok := input.FieldByName("Body"); ok {
		return f.Type
	}
	return reflect.TypeFor[struct{}]()
}

// gate stands around every operation.
func (s *Server) gate(op operation, body reflect.Type) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(hc)
		if op.access != backend {
			// On every answer, also a refusal: the next proof needs no extra trip
			// (RFC 9449 §8.2).
			w.Header().Set("DPoP-Nonce", s.nonces.Mint(s.DB.Now()))
		}
		ctx, err := s.admit(r, op)
		if err == nil {
			err = readStrictly(r, body)
		}
		if err == nil {
			a := &answer{humaContext: hc, ctx: ctx}
			next(a)
			if err = a.refused; err == nil {
				a.send(w)
			}
		}
		if err != nil {
			s.refuse(w, r, op, err)
		}
	}
}

// admit counts the request and finds out who speaks.
func (s *Server) admit(r *http.Request, op operation) (context.Context, error) {
	ctx := context.WithValue(r.Context(), requestKey{}, r)
	if op.access == backend {
		return s.admitClient(ctx, r, op)
	}
	if err := s.Limiter.CheckAddr(op.limit, edge.CauseFrom(ctx).Addr); err != nil {
		return nil, err
	}
	switch op.access {
	case holder:
		return s.admitHolder(ctx, r)
	case offering, binding:
		return s.admitKey(ctx, r, op.access == binding)
	}
	return ctx, nil
}

// refuse answers with the problem. A 401 always says how to authenticate
// (RFC 9110 §15.5.2).
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, op operation, err error) {
	if p := edge.ProblemOf(r, err); p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge(op.access, p.Code, r.Header["Authorization"] != nil))
	}
	edge.Fail(w, r, err)
}

type requestKey struct{}

// request is the request of a handler's context, for what no parameter carries.
func request(ctx context.Context) *http.Request { return ctx.Value(requestKey{}).(*http.Request) }
