package edge

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
)

var (
	errNotFound  = E("not_found")
	errMethod    = E("method_not_allowed")
	errNUL       = E("nul_in_text")
	errCrossSite = E("cross_site_request")
	errLimited   = E("rate_limited")
)

// recovered turns a panic into the same answer as any unknown error: the
// client learns the request id, the log the stack.
func (e *Edge) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			err := fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			if tw, ok := w.(*tallyWriter); ok && tw.status != 0 {
				// Half an answer is out. Cutting the connection is the only
				// honest way to say that it is not whole.
				visitFrom(r).note(func(v *visit) { v.problem, v.why = "internal", err })
				panic(http.ErrAbortHandler)
			}
			Fail(w, r, errInternal.Because(err))
		}()
		next.ServeHTTP(w, r)
	})
}

// bounded refuses what no handler should have to think of: bodies past the
// limit, before a byte is decoded, and U+0000 in addresses, which PostgreSQL
// cannot store in TEXT and SQLite can (the two must not differ).
func (e *Edge) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > e.opts.MaxBody {
			// The body stays unread, so the connection cannot be used again.
			w.Header().Set("Connection", "close")
			Fail(w, r, errTooLarge)
			return
		}
		if strings.Contains(r.URL.RawQuery, "%00") || strings.IndexByte(r.URL.Path, 0) >= 0 {
			Fail(w, r, errNUL)
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(unwrapped(w), r.Body, e.opts.MaxBody)
		}
		next.ServeHTTP(w, r)
	})
}

// unwrapped: MaxBytesReader closes the connection only through the server's
// own writer.
func unwrapped(w http.ResponseWriter) http.ResponseWriter {
	if tw, ok := w.(*tallyWriter); ok {
		return tw.ResponseWriter
	}
	return w
}

// sameSite refuses cross-site writes by Sec-Fetch-Site, or Origin against Host
// where a browser is too old for it. A request with neither passes: it is not
// a browser. Cookies are SameSite as well and JSON bodies need their content
// type, so three locks must fail together.
func (e *Edge) sameSite(next http.Handler) http.Handler { return e.cross.Handler(next) }

func crossOrigin(own string, bypass []string) (*http.CrossOriginProtection, error) {
	c := http.NewCrossOriginProtection()
	// Behind a proxy that rewrites Host the page's own Origin would look foreign.
	if err := c.AddTrustedOrigin(own); err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	for _, pattern := range bypass {
		c.AddInsecureBypassPattern(pattern)
	}
	c.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { Fail(w, r, errCrossSite) }))
	return c, nil
}

// Routes serves a mux with our own 404 and 405 and tells the access log which
// pattern matched.
func Routes(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mw := &missWriter{ResponseWriter: w, r: r}
		defer func() { visitFrom(r).note(func(v *visit) { v.route = r.Pattern }) }()
		mux.ServeHTTP(mw, r)
		switch mw.missed {
		case http.StatusNotFound:
			Fail(w, r, errNotFound)
		case http.StatusMethodNotAllowed:
			Fail(w, r, errMethod)
		}
	})
}

// missWriter swallows the mux's own text answers. The mux fills r.Pattern
// before it calls a handler of ours, so an empty one means nobody matched.
type missWriter struct {
	http.ResponseWriter
	r      *http.Request
	missed int
}

func (m *missWriter) WriteHeader(status int) {
	if m.r.Pattern == "" && (status == http.StatusNotFound || status == http.StatusMethodNotAllowed) {
		m.missed = status
		return
	}
	m.ResponseWriter.WriteHeader(status)
}

func (m *missWriter) Write(b []byte) (int, error) {
	if m.missed != 0 {
		return len(b), nil
	}
	return m.ResponseWriter.Write(b)
}

func (m *missWriter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// Limit counts every request of the routes against a class by client address.
func (e *Edge) Limit(class Class, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := e.Limiter.CheckAddr(class, CauseFrom(r.Context()).Addr); err != nil {
			Fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}
