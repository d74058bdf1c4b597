package edge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Check is one thing the server needs in order to serve.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// Ops answers on the listener for operators, never on the public one:
// /livez (the process runs), /readyz (it can serve), /metrics.
type Ops struct {
	checks   []Check
	metrics  *Metrics
	log      *slog.Logger
	draining atomic.Bool
}

// checkTimeout: shorter than the second a load balancer waits by default.
const checkTimeout = 800 * time.Millisecond

// NewOps: metrics may be nil.
func NewOps(log *slog.Logger, m *Metrics, checks ...Check) *Ops {
	return &Ops{checks: checks, metrics: m, log: slog.New(Redact(log.Handler()))}
}

// Drain makes /readyz fail while open requests finish, so that a balancer
// sends no new ones.
func (o *Ops) Drain() { o.draining.Store(true) }

// Handler of the operators' listener.
func (o *Ops) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", o.ready)
	if o.metrics != nil {
		mux.Handle("GET /metrics", o.metrics.handler())
	}
	return mux
}

// ready names each check; the causes go to the log, for they may name hosts.
func (o *Ops) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	status := http.StatusOK
	var b strings.Builder
	if o.draining.Load() {
		status = http.StatusServiceUnavailable
		b.WriteString("draining\n")
	}
	for _, c := range o.checks {
		if err := c.Run(ctx); err != nil {
			status = http.StatusServiceUnavailable
			o.log.WarnContext(ctx, "not ready", "check", c.Name, "cause", err)
			fmt.Fprintf(&b, "%s: failing\n", c.Name)
			continue
		}
		fmt.Fprintf(&b, "%s: ok\n", c.Name)
	}
	if status == http.StatusOK {
		b.WriteString("ready\n")
	}
	writeText(w, status, b.String())
}

func writeText(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write([]byte(body))
}
