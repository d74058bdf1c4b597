package edge

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"keyward/internal/store"
)

// crockford has no I, L, O, U: what people read out cannot be misheard.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newRequestID is 40 random bits as 8F3K-21XX. It is a name, not a secret:
// knowing one opens nothing. At a thousand requests a second for ninety days a
// search finds a second, unrelated one in fewer than one case of a hundred,
// and the time beside it tells them apart.
func newRequestID() string {
	n := rand.Uint64()
	var b [9]byte
	for i := range b {
		if i == 4 {
			b[i] = '-'
			continue
		}
		b[i] = crockford[n&31]
		n >>= 5
	}
	return string(b[:])
}

// adoptable: an id from a configured proxy is kept when it is plain. Anything
// else would let a log line be forged through a header.
func adoptable(id string) bool {
	if len(id) < requestIDMin || len(id) > requestIDMax {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '-':
		default:
			return false
		}
	}
	return true
}

// visited is the outermost handler: it makes the cause, and when the answer is
// out writes one line about it.
func (e *Edge) visited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := e.opts.Now()
		peer := peerAddr(r.RemoteAddr)
		id := ""
		if trusted(peer, e.opts.Proxies) && adoptable(r.Header.Get("X-Request-Id")) {
			id = r.Header.Get("X-Request-Id")
		} else {
			id = newRequestID()
		}
		w.Header().Set("X-Request-Id", id)

		v := &visit{edge: e, peer: peer, actor: Anonymous}
		s := scope{visit: v, cause: store.Cause{
			Actor:   Anonymous,
			Addr:    clientAddr(peer, r.Header["X-Forwarded-For"], e.opts.Proxies),
			Request: id,
		}}
		ctx := &patience{Context: context.WithValue(r.Context(), causeKey{}, s), limit: e.opts.Timeout}
		defer ctx.end()

		tw := &tallyWriter{ResponseWriter: w}
		defer func() { e.logVisit(r, s, tw, e.opts.Now().Sub(start)) }()
		next.ServeHTTP(tw, r.WithContext(ctx))
	})
}

// logVisit writes no path of a known route, no query, no header but the
// browser's name: links carry tokens, and a log is read by more people than a
// mailbox.
func (e *Edge) logVisit(r *http.Request, s scope, tw *tallyWriter, took time.Duration) {
	v := s.visit
	v.mu.Lock()
	actor, device, route, problem, why := v.actor, v.device, v.route, v.problem, v.why
	v.mu.Unlock()

	status := tw.status
	if status == 0 {
		status = http.StatusOK
	}
	e.opts.Metrics.observe(r.Method, route, status, took)

	level := slog.LevelInfo
	ctx := r.Context()
	// Whoever left before the answer was ready is no trouble of ours: a browser does so
	// at each press of "back", and an alarm that anybody can ring says nothing.
	if status >= 500 && !(errors.Is(why, context.Canceled) && ctx.Err() == context.Canceled) {
		level = slog.LevelError
	}
	if !e.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("request", s.cause.Request),
		slog.String("method", shortened(r.Method, 16)),
	)
	if route != "" {
		attrs = append(attrs, slog.String("route", route))
	} else {
		attrs = append(attrs, slog.String("path", shortened(r.URL.Path, 64)))
	}
	attrs = append(attrs,
		slog.Int("status", status),
		slog.Int64("bytes", tw.bytes),
		slog.Float64("ms", float64(took.Microseconds())/1000),
		slog.String("addr", s.cause.Addr.String()),
		slog.String("actor", actor),
	)
	if device != "" {
		attrs = append(attrs, slog.String("device", device))
	}
	if problem != "" {
		attrs = append(attrs, slog.String("problem", problem))
	}
	if why != nil && why.Error() != problem { // a bare refusal has no cause beside its code
		attrs = append(attrs, slog.String("cause", why.Error()))
	}
	attrs = append(attrs, slog.String("agent", shortened(r.UserAgent(), 160)))
	// Logger.LogAttrs would find out the line of the source first, which nobody prints.
	rec := slog.NewRecord(e.opts.Now(), level, "visit", 0)
	rec.AddAttrs(attrs...)
	_ = e.log.Handler().Handle(ctx, rec)
}

func shortened(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// tallyWriter remembers what was answered.
type tallyWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (t *tallyWriter) WriteHeader(status int) {
	if t.status == 0 && status >= 200 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *tallyWriter) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	n, err := t.ResponseWriter.Write(b)
	t.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach Flush and the deadlines.
func (t *tallyWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }
