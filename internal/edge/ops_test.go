package edge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestReadinessDependsOnEachCheckAndNamesIt(t *testing.T) {
	var broken error
	var log strings.Builder
	o := NewOps(slog.New(slog.NewTextHandler(&log, nil)), nil,
		Check{"database", func(context.Context) error { return broken }},
		Check{"keys", func(context.Context) error { return nil }})
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		o.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	if w := get("/readyz"); w.Code != 200 || w.Body.String() != "database: ok\nkeys: ok\nready\n" {
		t.Errorf("whole: %d %s", w.Code, w.Body)
	}
	broken = errors.New("dial tcp db.internal: refused")
	w := get("/readyz")
	if w.Code != 503 || !strings.Contains(w.Body.String(), "database: failing") || strings.Contains(w.Body.String(), "db.internal") {
		t.Errorf("broken: %d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "db.internal") {
		t.Error("the operator does not learn the cause")
	}
	if w := get("/livez"); w.Code != 200 {
		t.Errorf("a process that waits for its database must not be killed: %d", w.Code)
	}
	broken = nil
	o.Drain()
	if w := get("/readyz"); w.Code != 503 || !strings.Contains(w.Body.String(), "draining") {
		t.Errorf("draining: %d %s", w.Code, w.Body)
	}
	if w := get("/metrics"); w.Code != 404 {
		t.Errorf("metrics that are off answer %d", w.Code)
	}
}

func TestAHangingCheckDoesNotHangReadiness(t *testing.T) {
	o := NewOps(slog.New(slog.DiscardHandler), nil, Check{"database", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
	done := make(chan int, 1)
	go func() {
		w := httptest.NewRecorder()
		o.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		done <- w.Code
	}()
	select {
	case code := <-done:
		if code != 503 {
			t.Errorf("%d", code)
		}
	case <-time.After(10 * checkTimeout):
		t.Error("hangs")
	}
}

func TestMetricsHaveTheNamesOfTheDesign(t *testing.T) {
	m := NewMetrics()
	g := newRig(t, func(o *Options) { o.Metrics = m })
	g.mux.HandleFunc("GET /x/{id}", func(w http.ResponseWriter, r *http.Request) {})
	g.serve(request("GET", "/x/acc_1", ""))
	g.serve(request("GET", "/nothing/acc_1", ""))
	g.serve(request("BREW", "/x/acc_1", ""))
	m.RefreshRetry()
	m.RefreshSuperseded()
	m.Reuse("unbound")
	m.PoPMismatch()
	for range 6 {
		g.Limiter.Allow(ClassCode, "a")
	}

	s := httptest.NewServer(NewOps(slog.New(slog.DiscardHandler), m).Handler())
	defer s.Close()
	res, err := http.Get(s.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nrefresh_retry_total 1\n", "\nrefresh_superseded_total 1\n", "\nreuse_total{class=\"unbound\"} 1\n", "\npop_mismatch_total 1\n",
		"\nrate_limited_total{class=\"code\"} 1\n",
		`http_request_duration_seconds_count{method="GET",route="GET /x/{id}",status="200"} 1`,
		`http_request_duration_seconds_count{method="GET",route="none",status="404"} 1`,
		`http_request_duration_seconds_count{method="other",route="none",status="405"} 1`,
		"go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("missing %q", want)
		}
	}
	if strings.Contains(string(body), "acc_1") {
		t.Error("an id became a label")
	}

	var none *Metrics // domains in tests have none
	none.RefreshRetry()
	none.RefreshSuperseded()
	none.Reuse("x")
	none.PoPMismatch()
}
