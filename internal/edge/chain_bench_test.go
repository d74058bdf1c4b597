package edge

import (
	"io"
	"log/slog"
	"net/http"
	"testing"
)

// discard is a ResponseWriter that costs next to nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkChain is what the rim adds to each request, the log line included.
func BenchmarkChain(b *testing.B) {
	for _, tc := range []struct {
		name string
		log  slog.Handler
	}{
		{"text log", slog.NewTextHandler(io.Discard, nil)},
		{"log off", slog.DiscardHandler},
	} {
		b.Run(tc.name, func(b *testing.B) {
			e, err := New(Options{Now: newClock().Now, PublicURL: "https://id.example.com", Proxies: proxyNet, Logger: slog.New(tc.log), Metrics: NewMetrics()})
			if err != nil {
				b.Fatal(err)
			}
			mux := http.NewServeMux()
			mux.Handle("GET /x", e.Limit(ClassAPI, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})))
			e.Limiter = NewLimiter(newClock().Now, 1e9)
			h := e.Handler(Routes(mux))
			r := request("GET", "/x", "", "X-Forwarded-For", "198.51.100.1", "User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")
			r.RemoteAddr = "10.0.0.1:5000"
			w := &discard{h: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
