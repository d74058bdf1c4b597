package edge

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics has a registry of its own: nothing a library registers by itself is
// shown. All methods work on nil, so a domain in a test needs none. Labels
// never carry ids or addresses, and routes are patterns, so series are bounded.
type Metrics struct {
	Registry *prometheus.Registry

	requests          *prometheus.HistogramVec
	refreshRetry      prometheus.Counter
	refreshSuperseded prometheus.Counter
	reuse             *prometheus.CounterVec
	popMismatch       prometheus.Counter
	deviceKeys        *prometheus.CounterVec
	refused           *prometheus.CounterVec
	honeytokens       *prometheus.CounterVec
}

// NewMetrics registers the names of DESIGN §6 and those of the rim.
func NewMetrics() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Time from the first byte of a request to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route", "method", "status"}),
		refreshRetry:      counter("refresh_retry_total", "Refreshes answered with the same child again after a lost answer."),
		refreshSuperseded: counter("refresh_superseded_total", "Refreshes refused because another tab or process had just refreshed."),
		reuse: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reuse_total", Help: "Spent refresh tokens presented again, by what was concluded.",
		}, []string{"class"}),
		popMismatch: counter("pop_mismatch_total", "Bound tokens presented with another key or none."),
		deviceKeys: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "device_keys_total", Help: "Browsers that bind sessions to a key of the device (DBSC), by what came of it.",
		}, []string{"what"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rate_limited_total", Help: "Requests refused by a rate limit.",
		}, []string{"class"}),
	}
	m.honeytokens = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "honeytoken_total", Help: "Uses of API keys that are traps, by whether the secret was there.",
	}, []string{"proved"})
	m.Registry.MustRegister(m.honeytokens, m.requests, m.refreshRetry, m.refreshSuperseded, m.reuse, m.popMismatch, m.deviceKeys, m.refused,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

// RefreshRetry counts a lost answer that was given again.
func (m *Metrics) RefreshRetry() {
	if m != nil {
		m.refreshRetry.Inc()
	}
}

// RefreshSuperseded counts a late tab.
func (m *Metrics) RefreshSuperseded() {
	if m != nil {
		m.refreshSuperseded.Inc()
	}
}

// Reuse counts a spent token; class is one of a few constants of session.
func (m *Metrics) Reuse(class string) {
	if m != nil {
		m.reuse.WithLabelValues(class).Inc()
	}
}

// PoPMismatch counts a bound token that came with the wrong key.
func (m *Metrics) PoPMismatch() {
	if m != nil {
		m.popMismatch.Inc()
	}
}

// DeviceKey counts what came of a device key; what is one of a few constants of session.
func (m *Metrics) DeviceKey(what string) {
	if m != nil {
		m.deviceKeys.WithLabelValues(what).Inc()
	}
}

// Honeytoken counts a use of a key that is a trap.
func (m *Metrics) Honeytoken(proved bool) {
	if m != nil {
		m.honeytokens.WithLabelValues(strconv.FormatBool(proved)).Inc()
	}
}

func (m *Metrics) limited(class Class) {
	if m != nil {
		m.refused.WithLabelValues(class.String()).Inc()
	}
}

func (m *Metrics) observe(method, route string, status int, took time.Duration) {
	if m == nil {
		return
	}
	switch method { // a stranger's invented method would be a new series each
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		method = "other"
	}
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{Registry: m.Registry})
}
