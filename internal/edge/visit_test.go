package edge

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"keyward/internal/store"
)

func TestARequestIDIsShortUniqueAndReadable(t *testing.T) {
	shape := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$`)
	seen := make(map[string]bool)
	for range 10_000 {
		id := newRequestID()
		if !shape.MatchString(id) {
			t.Fatalf("%q", id)
		}
		seen[id] = true
	}
	if len(seen) < 9_999 {
		t.Errorf("%d of 10000 are distinct", len(seen))
	}
}

func TestOnlyAConfiguredProxyMayNameTheRequest(t *testing.T) {
	for _, tc := range []struct {
		name, peer, given string
		kept              bool
	}{
		{"a stranger", "203.0.113.9:1", "AAAA-BBBB", false},
		{"our proxy", "10.0.0.1:1", "AAAA-BBBB", true},
		{"our proxy, nginx style", "10.0.0.1:1", "4bf92f3577b34da6a3ce929d0e0e4736", true},
		{"our proxy passing on a forged line", "10.0.0.1:1", "AAAA-BBBB\" actor=\"admin", false},
		{"our proxy with a very short one", "10.0.0.1:1", "1", false},
		{"our proxy with a very long one", "10.0.0.1:1", strings.Repeat("a", 65), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t)
			var inside string
			g.mux.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) { inside = RequestID(r.Context()) })
			r := request("GET", "/x", "", "X-Request-Id", tc.given)
			r.RemoteAddr = tc.peer
			w := g.serve(r)
			out := w.Header().Get("X-Request-Id")
			if out != inside || (out == tc.given) != tc.kept {
				t.Errorf("out %q, inside %q, given %q", out, inside, tc.given)
			}
		})
	}
}

func TestTheCauseSaysWhoFromWhereOnWhichRequest(t *testing.T) {
	g := newRig(t)
	var before, after store.Cause
	g.mux.HandleFunc("POST /x", func(w http.ResponseWriter, r *http.Request) {
		before = CauseFrom(r.Context())
		after = CauseFrom(WithDevice(WithActor(r.Context(), "account:acc_1"), "dev_1"))
	})
	r := request("POST", "/x", "", "X-Forwarded-For", "198.51.100.1")
	r.RemoteAddr = "10.0.0.1:1"
	w := g.serve(r)
	if before.Actor != Anonymous || before.Addr.String() != "198.51.100.1" || before.Request != w.Header().Get("X-Request-Id") || before.Device != "" {
		t.Errorf("before proof: %+v", before)
	}
	if after.Actor != "account:acc_1" || after.Device != "dev_1" || after.Request != before.Request {
		t.Errorf("after proof: %+v", after)
	}
	if c := CauseFrom(t.Context()); c.Actor != Anonymous || c.Addr.IsValid() {
		t.Errorf("outside a request: %+v", c)
	}
	if c := CauseFrom(WithCause(t.Context(), store.Cause{Actor: "system:sealer"})); c.Actor != "system:sealer" {
		t.Errorf("a job's cause: %+v", c)
	}
}

// The canary stands wherever a client can put a secret. None may be logged.
func TestTheAccessLogTellsTheStoryAndNoSecret(t *testing.T) {
	const canary = "kwr_1.CANARY.7.CANARYCANARY.tag"
	g := newRig(t)
	g.mux.HandleFunc("POST /verify/{token}", func(w http.ResponseWriter, r *http.Request) {
		WithDevice(WithActor(r.Context(), "account:acc_1"), "dev_1")
		Fail(w, r, E("refresh_invalid").Because(errors.New("family of "+canary+" not found")))
	})
	r := request("POST", "/verify/CANARY?code=CANARY&state=CANARY", "token=CANARY",
		"Cookie", "__Host-kw_at=CANARY", "Authorization", "DPoP "+canary, "DPoP", "CANARY",
		"Referer", "https://id.example.com/?code=CANARY", "User-Agent", "Browser/1 "+canary, "X-Request-Id", "CANARY-CANARY")
	w := g.serve(r)

	line := g.log.String()
	if strings.Contains(line, "CANARY") {
		t.Errorf("a secret is in the log: %s", line)
	}
	if strings.Contains(w.Body.String(), "CANARY") || strings.Contains(w.Body.String(), "family") {
		t.Errorf("the cause reached the client: %s", w.Body)
	}
	var entry map[string]any
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		t.Fatalf("not one line: %v\n%s", err, line)
	}
	for key, want := range map[string]any{
		"msg": "visit", "request": w.Header().Get("X-Request-Id"), "method": "POST", "route": "POST /verify/{token}",
		"status": 401.0, "addr": "203.0.113.9", "actor": "account:acc_1", "device": "dev_1", "problem": "refresh_invalid",
		"bytes": float64(w.Body.Len()),
	} {
		if entry[key] != want {
			t.Errorf("%s = %v, want %v", key, entry[key], want)
		}
	}
	if cause, _ := entry["cause"].(string); !strings.Contains(cause, "not found") {
		t.Errorf("the operator does not learn the cause: %q", cause)
	}
}

func TestAnUnknownPathIsLoggedShort(t *testing.T) {
	g := newRig(t)
	g.serve(request("GET", "/"+strings.Repeat("x", 500), ""))
	if g.log.Len() > 700 || !strings.Contains(g.log.String(), `"path":"/xxx`) {
		t.Errorf("%d bytes: %s", g.log.Len(), g.log)
	}
}

func TestTheTimeOfAVisitIsItsOwn(t *testing.T) {
	g := newRig(t)
	g.mux.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) { g.clock.advance(1500 * time.Millisecond) })
	g.serve(request("GET", "/x", ""))
	if !strings.Contains(g.log.String(), `"ms":1500`) {
		t.Error(g.log)
	}
}

func TestStreamingStillWorksThroughTheRim(t *testing.T) {
	g := newRig(t)
	g.mux.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	if w := g.serve(request("GET", "/x", "")); !w.Flushed {
		t.Error("not flushed")
	}
}
