package main

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyward/internal/config"
)

// A front that cannot hand the body over refuses at the start what needs it.
func TestAFrontThatKeepsBodiesRefusesWhatNeedsThem(t *testing.T) {
	key := filepath.Join(t.TempDir(), "upstream.key")
	if err := os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	peers := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	inBody := config.GateRoute{Method: "POST", Path: "/v1/orders", Scope: "trade.spot", Symbol: "body:symbol"}
	balance := config.GateRoute{Method: "GET", Path: "/v1/balance", Scope: "read.account"}
	for _, row := range []struct {
		name string
		gate config.Gate
		want string // in what the operator reads; "" when it starts
	}{
		{"a profile that signs the body, behind a front that keeps it", config.Gate{Peers: peers, Profiles: []string{"keyward-v1", "okx"}, Routes: []config.GateRoute{balance}}, "okx signs the body itself"},
		{"the same behind an Envoy that hands it over", config.Gate{Peers: peers, ExtAuthzBody: true, Profiles: []string{"okx"}, Routes: []config.GateRoute{balance}}, ""},
		{"the same behind the proxy alone", config.Gate{Profiles: []string{"okx"}, Routes: []config.GateRoute{balance}}, ""},
		{"a market in the body, behind a front that keeps it", config.Gate{Peers: peers, Routes: []config.GateRoute{inBody}}, "stands in the body"},
		{"the same behind an Envoy that hands it over", config.Gate{Peers: peers, ExtAuthzBody: true, Routes: []config.GateRoute{inBody}}, ""},
		{"a profile that signs no body", config.Gate{Peers: peers, Profiles: []string{"cdp-jwt", "keyward-v1"}, Routes: []config.GateRoute{balance}}, ""},
		{"a profile that nobody knows", config.Gate{Profiles: []string{"mtgox"}, Routes: []config.GateRoute{balance}}, "no way of signing that we know"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := config.Config{Gate: row.gate, Limits: config.Limits{BodyBytes: 1 << 16}}
			cfg.Gate.Listen, cfg.Gate.Authority, cfg.Gate.UpstreamKeyFile = "127.0.0.1:0", "api.example.com", key
			g, err := (&core{cfg: cfg}).newGate(&domains{}, nil, time.Now, slog.New(slog.DiscardHandler))
			var faults config.Faults
			switch {
			case row.want == "" && err != nil, row.want != "" && (!errors.As(err, &faults) || !strings.Contains(faults[0].What, row.want) || faults[0].Fix == ""):
				t.Fatalf("%v", err)
			case err != nil || len(row.gate.Peers) == 0:
				return
			}
			// What never has a body is not answered where bodies are expected.
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/gate/check", nil)
			r.RemoteAddr = "127.0.0.1:4711"
			gateHandler(g).ServeHTTP(w, r)
			if want := map[bool]int{true: http.StatusNotFound, false: http.StatusForbidden}[row.gate.ExtAuthzBody]; w.Code != want {
				t.Errorf("/gate/check: %d, want %d", w.Code, want)
			}
			w = httptest.NewRecorder()
			r = httptest.NewRequest("GET", "/gate/ext/v1/nothing", nil)
			r.RemoteAddr = "127.0.0.1:4711"
			if gateHandler(g).ServeHTTP(w, r); !strings.Contains(w.Body.String(), "ROUTE_UNKNOWN") {
				t.Errorf("/gate/ext: %d %s", w.Code, w.Body)
			}
		})
	}
}
