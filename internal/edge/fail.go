package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"keyward/internal/keyring"
	"keyward/internal/store"
)

// Problem is RFC 9457 with our members. Pages render the same value.
type Problem struct {
	Type      string // URL of the page about this code
	Title     string
	Status    int
	Code      string
	Detail    string
	RequestID string
	Docs      string // URL of the chapter that explains the way out
	Errors    []FieldError
	Extension map[string]any
	Lang      string // of Title and Detail

	RetryAfter time.Duration // zero: not said
	headers    [][2]string
}

// MarshalJSON puts the extension members beside ours (RFC 9457 §3.2).
func (p Problem) MarshalJSON() ([]byte, error) {
	m := make(map[string]any, 8+len(p.Extension))
	maps.Copy(m, p.Extension)
	m["type"], m["title"], m["status"], m["detail"] = p.Type, p.Title, p.Status, p.Detail
	m["code"], m["docs"] = p.Code, p.Docs
	if p.RequestID != "" {
		m["request_id"] = p.RequestID
	}
	if len(p.Errors) > 0 {
		m["errors"] = p.Errors
	}
	return json.Marshal(m)
}

// Pages renders a problem for people. The headers and the security headers
// are set; it sets the content type, writes p.Status and the body.
type Pages func(w http.ResponseWriter, r *http.Request, p Problem)

// Fail answers with the problem that err stands for: as a page to somebody who
// looks at pages, as JSON to everything else. What is not an *Error, and not a
// known failure of the store, is "internal": the cause goes to the log and
// nowhere else.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	p := ProblemOf(r, err)
	v := visitFrom(r)
	Refused(r, err)
	if v == nil && p.Status >= 500 { // outside the chain nobody else will log it
		slog.ErrorContext(r.Context(), "request failed", "problem", p.Code, "cause", err)
	}

	h := w.Header()
	for _, kv := range p.headers {
		h.Set(kv[0], kv[1])
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", wholeSeconds(p.RetryAfter))
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Language", p.Lang)
	h.Del("Content-Length")
	h.Del("Etag")

	if wantsPage(r) {
		if v != nil && v.edge.opts.Pages != nil {
			v.edge.opts.Pages(w, r, p)
			return
		}
		plainPage(w, p)
		return
	}
	WriteProblem(w, p)
}

// beforeProof are the refusals that cost a stranger nothing, and the kind of
// credential they were about where nobody knows which one.
var beforeProof = map[string]string{
	"passkey_not_accepted":   "passkey",
	"passkey_unknown":        "passkey",
	"code_not_accepted":      "recovery-code",
	"refresh_invalid":        "refresh-token",
	"bound_refused":          "device-key",
	"client_unauthenticated": "client",
	"invite_not_accepted":    "operator-invite",
}

// Refused notes a refusal for the access log and the counters. Fail does it;
// pages that show a refusal in a form of their own call it themselves.
func Refused(r *http.Request, err error) {
	v := visitFrom(r)
	if v == nil {
		return
	}
	e := classify(err)
	v.note(func(v *visit) { v.problem, v.why = e.Code, err })
	kind, counts := beforeProof[e.Code]
	if counts && v.edge.opts.Refused != nil {
		v.edge.opts.Refused(cmp.Or(e.credential, kind), e.Code)
	}
}

// WriteProblem writes the JSON form, for callers that already chose it.
func WriteProblem(w http.ResponseWriter, p Problem) {
	body, err := json.Marshal(p)
	if err != nil { // an extension member that is not JSON: a programmer's mistake, still no empty answer
		p.Extension = nil
		body, _ = json.Marshal(p)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	w.Write(body)
}

// ProblemOf is Fail without the writing, for frameworks that write themselves.
func ProblemOf(r *http.Request, err error) Problem {
	e := classify(err)
	row := table[e.Code]
	lang := Lang(r)
	docs := docsBase(r)
	p := Problem{
		Type:       docs + e.Code,
		Title:      row.title.in(lang),
		Status:     row.status,
		Code:       e.Code,
		Detail:     row.detail.in(lang),
		RequestID:  RequestID(r.Context()),
		Docs:       docs + row.docsAnchor(e.Code),
		Errors:     e.fields,
		Extension:  e.extension,
		Lang:       lang,
		RetryAfter: e.retryAfter,
		headers:    e.headers,
	}
	if p.RetryAfter == 0 && retryable(p.Status) {
		p.RetryAfter = busyRetry
	}
	return p
}

var (
	errInternal    = E("internal")
	errBusy        = E("busy")
	errUnavailable = E("unavailable")
	errTooLarge    = E("body_too_large")
	errNothingNew  = E("no_new_keys")
	errShut        = E("keys_shut")
)

// classify finds the *Error in err, or decides which one it is.
func classify(err error) *Error {
	var e *Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &tooLarge):
		return errTooLarge
	case errors.Is(err, store.ErrBusy):
		return errBusy
	case errors.Is(err, keyring.ErrNothingNew):
		return errNothingNew
	case errors.Is(err, keyring.ErrShut):
		return errShut
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrUnwritable):
		return errUnavailable
	}
	return errInternal
}

// CodeOf is the code that Fail would answer with, for protocols that have a
// form of their own (OAuth, RFC 6749 §5.2) and for metrics.
func CodeOf(err error) string { return classify(err).Code }

// wantsPage: programs get JSON on their own addresses whatever they accept,
// and scripts of our pages (Accept: */*) get JSON as well.
func wantsPage(r *http.Request) bool {
	for _, prefix := range programPrefixes {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return false
		}
	}
	for _, accept := range r.Header["Accept"] {
		if strings.Contains(accept, "text/html") {
			return true
		}
	}
	return false
}

// programPrefixes never answer with HTML: a bot with a browser's Accept
// header must still be able to parse its refusal.
var programPrefixes = []string{"/api/", "/gate/", "/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke", "/oauth/userinfo", "/.well-known/"}

// plainPage stands in until pages are wired, and when they themselves fail.
func plainPage(w http.ResponseWriter, p Problem) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(p.Status)
	body := p.Title + "\n\n" + p.Detail + "\n"
	if p.RequestID != "" {
		body += "\n" + p.RequestID + "\n"
	}
	w.Write([]byte(body))
}

func docsBase(r *http.Request) string {
	if v := visitFrom(r); v != nil {
		return v.edge.opts.DocsBase
	}
	return defaultDocsBase
}

// wholeSeconds rounds up: "try again in 0 seconds" is a lie that loops.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
