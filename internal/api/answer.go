package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"keyward/internal/edge"
)

// humaContext: an embedded field of type huma.Context would be called Context and
// hide the method of that name.
type humaContext = huma.Context

// answer is what huma writes to. It is sent when it is whole. When huma wants to
// write an error, of its own or of a handler, the error is kept and what is
// written is thrown away: the gate answers with the problem. So edge.Fail stays
// the only place where an error becomes an answer.
type answer struct {
	humaContext
	ctx     context.Context
	status  int
	body    bytes.Buffer
	refused error
}

func (a *answer) Context() context.Context { return a.ctx }

// Unwrap leads humago to the request.
func (a *answer) Unwrap() huma.Context { return a.humaContext }

// SetReadDeadline does nothing: the body is read, and the server set its bounds.
func (a *answer) SetReadDeadline(time.Time) error { return nil }

func (a *answer) SetStatus(code int)    { a.status = code }
func (a *answer) Status() int           { return a.status }
func (a *answer) BodyWriter() io.Writer { return &a.body }

// send writes a whole answer. A client that has gone is nobody's error.
func (a *answer) send(w http.ResponseWriter) {
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}

// refusal takes a handler's error through huma. It has no Unwrap on purpose:
// huma must not find anything inside that it knows.
type refusal struct{ err error }

func (r refusal) Error() string  { return r.err.Error() }
func (r refusal) GetStatus() int { return http.StatusInternalServerError }

var errUnwritten = errors.New("api: an error was to be written outside of an operation")

// catch is a huma.Transformer: it sees every value before it is written.
func catch(ctx huma.Context, _ string, v any) (any, error) {
	var err error
	switch v := v.(type) {
	case refusal:
		err = v.err
	case *huma.ErrorModel:
		err = unreadable(v)
	default:
		return v, nil
	}
	a, ok := ctx.(*answer)
	if !ok {
		return nil, errUnwritten
	}
	a.refused = err
	return nil, nil
}

var (
	errBadRequest   = edge.E("bad_request")
	errUnknownField = edge.E("unknown_field")
)

// unreadable turns what huma found wrong with a request into our problem. Its
// messages are constants of the library and of our schemas; the value that was
// sent stays out.
func unreadable(m *huma.ErrorModel) error {
	if m.Status >= http.StatusInternalServerError {
		return errors.New("api: " + m.Detail)
	}
	e := errBadRequest
	for _, d := range m.Errors {
		if d.Message == validation.MsgUnexpectedProperty || d.Message == "unknown query parameter" {
			e = errUnknownField
		}
	}
	if len(m.Errors) == 0 {
		return e.At("", m.Detail)
	}
	for _, d := range m.Errors {
		e = e.At(pointer(d.Location), d.Message)
	}
	return e
}

// pointer turns "body.contact.mail" into "/contact/mail" and "query.limit" into
// "limit".
func pointer(location string) string {
	in, rest, _ := strings.Cut(location, ".")
	if in != "body" {
		return rest
	}
	if rest == "" {
		return ""
	}
	return "/" + strings.ReplaceAll(rest, ".", "/")
}

// readStrictly holds the request against what edge demands of JSON and of
// queries before huma decodes it: exact names, once, no U+0000, no second value.
// encoding/json alone takes "Mail" for "mail" and the last of two equal names.
func readStrictly(r *http.Request, body reflect.Type) error {
	if !utf8.ValidString(r.URL.Path) {
		return errBadRequest.At("", "the path is not UTF-8")
	}
	if _, err := edge.DecodeForm(r.URL.RawQuery); err != nil {
		return err
	}
	if none := body == reflect.TypeFor[struct{}](); none && (r.Body == nil || r.ContentLength == 0) {
		return nil
	}
	var raw json.RawMessage
	if err := edge.ReadJSON(r, &raw); err != nil {
		return err
	}
	if err := edge.DecodeJSON(raw, reflect.New(body).Interface()); err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return nil
}
