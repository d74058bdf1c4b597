package edge

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Error is a refusal with two texts. The public one is constant and hangs off
// Code in the problem table; the cause is for the operator's log and has no
// way to the client. Domains declare theirs once:
//
//	var ErrLastKey = edge.E("last_key")
//
// All methods that add to an Error return a copy, so a sentinel is never
// changed, and errors.Is compares codes, so a copy is still the sentinel.
type Error struct {
	Code string

	cause      error
	credential string
	extension  map[string]any
	fields     []FieldError
	headers    [][2]string
	retryAfter time.Duration
}

// FieldError points into what the client sent (RFC 9457 §3: "errors").
type FieldError struct {
	Pointer string `json:"pointer,omitempty"` // JSON pointer, or the name of a form field
	Detail  string `json:"detail"`            // constant text or the client's own field name, never a cause
}

// E makes the sentinel of a code. A code that is not in the problem table is
// a mistake of the programmer; as sentinels are package variables, it stops
// the first test of that package and never waits for the first client.
func E(code string) *Error {
	if _, ok := table[code]; !ok {
		panic(fmt.Sprintf("edge: code %q is not in the problem table (internal/edge/codes.go)", code))
	}
	return &Error{Code: code}
}

// Error is for logs: clients get the table's text, see Fail.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Code
	}
	return e.Code + ": " + e.cause.Error()
}

func (e *Error) Unwrap() error { return e.cause }

// Is holds for any error of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Because keeps the cause for the log.
func (e *Error) Because(err error) *Error {
	c := e.clone()
	c.cause = err
	return c
}

// About names the credential of ours that was tried: an id, never what was
// presented. It is for Options.Refused; the client does not hear whether there
// is such a credential.
func (e *Error) About(id string) *Error {
	c := e.clone()
	c.credential = id
	return c
}

// With adds an extension member to the problem, such as the purpose and URL
// of step_up_required. The members of RFC 9457 and our own cannot be replaced.
func (e *Error) With(member string, value any) *Error {
	if reserved[member] {
		panic("edge: problem member " + member + " belongs to the table")
	}
	c := e.clone()
	if c.extension == nil {
		c.extension = make(map[string]any, 2)
	}
	c.extension[member] = value
	return c
}

// At names the part of the request that was refused.
func (e *Error) At(pointer, detail string) *Error {
	c := e.clone()
	c.fields = append(c.fields, FieldError{pointer, detail})
	return c
}

// RetryIn tells the client when the same request may work.
func (e *Error) RetryIn(d time.Duration) *Error {
	c := e.clone()
	c.retryAfter = d
	return c
}

// Header adds a response header that belongs to the refusal, for example
// DPoP-Nonce (RFC 9449 §8) or WWW-Authenticate (RFC 9470 §3).
func (e *Error) Header(name, value string) *Error {
	c := e.clone()
	c.headers = append(c.headers, [2]string{name, value})
	return c
}

func (e *Error) clone() *Error {
	c := *e
	c.extension = maps.Clone(e.extension)
	c.fields = slices.Clone(e.fields)
	c.headers = slices.Clone(e.headers)
	return &c
}

// reserved are the members no caller may set.
var reserved = map[string]bool{
	"type": true, "title": true, "status": true, "detail": true, "instance": true,
	"code": true, "request_id": true, "docs": true, "errors": true,
}

// Extra reads an extension member back, for callers that turn a refusal into
// something else than a problem (a redirect to the touch that is missing).
func (e *Error) Extra(member string) any { return e.extension[member] }
