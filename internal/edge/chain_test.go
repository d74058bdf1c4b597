package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keyward/internal/store"
)

func TestAPanicIsAnInternalErrorWithoutDetail(t *testing.T) {
	g := newRig(t)
	g.mux.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) { panic("nil map of secrets") })
	w := g.serve(request("GET", "/x", ""))
	p := wantProblem(t, w, 500, "internal")
	if strings.Contains(w.Body.String(), "nil map") {
		t.Errorf("the panic reached the client: %s", w.Body)
	}
	if !strings.Contains(g.log.String(), "nil map of secrets") || !strings.Contains(g.log.String(), "chain_test.go") {
		t.Errorf("the log lacks the panic or its stack: %s", g.log)
	}
	if p["request_id"] != w.Header().Get("X-Request-Id") || p["request_id"] == "" {
		t.Errorf("request_id = %v", p["request_id"])
	}
}

func TestAPanicInTheMiddleOfAnAnswerCutsTheConnection(t *testing.T) {
	g := newRig(t)
	g.mux.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half of ")
		http.NewResponseController(w).Flush()
		panic("oops")
	})
	s := httptest.NewServer(g.Handler(Routes(g.mux)))
	defer s.Close()
	res, err := http.Get(s.URL + "/x")
	if err == nil {
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
	}
	if err == nil {
		t.Error("half an answer looked whole")
	}
}

func TestABodyPastTheLimitIsRefusedBeforeItIsDecoded(t *testing.T) {
	g := newRig(t)
	reached := false
	g.mux.HandleFunc("POST /x", func(w http.ResponseWriter, r *http.Request) {
		var v struct{ A string }
		if err := ReadJSON(r, &v); err != nil {
			Fail(w, r, err)
			return
		}
		reached = true
	})
	large := `{"A":"` + strings.Repeat("a", bodyLimit) + `"}`
	w := g.serve(request("POST", "/x", large, "Content-Type", "application/json"))
	wantProblem(t, w, 413, "body_too_large")
	if w.Header().Get("Connection") != "close" {
		t.Error("the unread body stays on the connection")
	}

	chunked := request("POST", "/x", large, "Content-Type", "application/json")
	chunked.ContentLength = -1
	wantProblem(t, g.serve(chunked), 413, "body_too_large")
	if reached {
		t.Error("a body past the limit was decoded")
	}
}

func TestNULInAnAddressIsRefused(t *testing.T) {
	g := newRig(t)
	g.mux.HandleFunc("GET /x/{id}", func(w http.ResponseWriter, r *http.Request) {})
	wantProblem(t, g.serve(request("GET", "/x/a%00b", "")), 400, "nul_in_text")
	wantProblem(t, g.serve(request("GET", "/x/a?q=%00", "")), 400, "nul_in_text")
}

func TestCrossSiteWritesAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name, method string
		headers      []string
		ok           bool
	}{
		{"our own form", "POST", []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"our own form in a browser without Sec-Fetch-Site", "POST", []string{"Origin", "https://id.example.com"}, true},
		{"a program without either", "POST", nil, true},
		{"another site's form", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{"a sibling subdomain's form", "POST", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://www.example.com"}, false},
		{"another site's form in a browser without Sec-Fetch-Site", "POST", []string{"Origin", "https://evil.example"}, false},
		{"a sandboxed frame", "POST", []string{"Origin", "null"}, false},
		{"another site's link", "GET", []string{"Sec-Fetch-Site", "cross-site"}, true},
		{"another site deletes", "DELETE", []string{"Sec-Fetch-Site", "cross-site"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t)
			g.mux.HandleFunc("/x", func(w http.ResponseWriter, r *http.Request) {})
			r := request(tc.method, "/x", "", tc.headers...)
			r.Host = "10.0.0.5:7480" // a proxy that rewrites Host
			w := g.serve(r)
			if tc.ok && w.Code != 200 {
				t.Fatalf("refused: %s", w.Body)
			}
			if !tc.ok {
				wantProblem(t, w, 403, "cross_site_request")
			}
		})
	}
	g := newRig(t, func(o *Options) { o.CrossOrigin = []string{"POST /oauth/token"} })
	g.mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) {})
	if w := g.serve(request("POST", "/oauth/token", "", "Sec-Fetch-Site", "cross-site", "Origin", "https://app.example")); w.Code != 200 {
		t.Errorf("an address that is open to other origins refused: %s", w.Body)
	}
}

func TestSecurityHeadersStandOnEveryAnswer(t *testing.T) {
	g := newRig(t)
	g.mux.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) {})
	g.mux.HandleFunc("GET /static/keyward.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	})
	for _, path := range []string{"/page", "/static/keyward.css", "/nothing"} {
		h := g.serve(request("GET", path, "")).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'none'; connect-src 'self'; " +
				"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
			"X-Content-Type-Options":     "nosniff",
			"Referrer-Policy":            "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin",
			"Strict-Transport-Security":  "max-age=63072000",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s = %q", path, name, got)
			}
		}
		for _, want := range []string{"publickey-credentials-get=(self)", "publickey-credentials-create=(self)"} {
			if !strings.Contains(h.Get("Permissions-Policy"), want) {
				t.Errorf("%s: Permissions-Policy = %q", path, h.Get("Permissions-Policy"))
			}
		}
		if cached := h.Get("Cache-Control") != "no-store"; cached != (path == "/static/keyward.css") {
			t.Errorf("%s: Cache-Control = %q", path, h.Get("Cache-Control"))
		}
	}
	// On localhost not even over https: it would bind every port of that name.
	for _, public := range []string{"http://localhost:7480", "https://localhost:7480", "https://id.localhost:7480"} {
		g := newRig(t, func(o *Options) { o.PublicURL = public })
		if h := g.serve(request("GET", "/", "")).Header(); h.Get("Strict-Transport-Security") != "" {
			t.Errorf("HSTS at %s", public)
		}
	}
}

func TestUnknownAddressesAndMethodsAreProblems(t *testing.T) {
	g := newRig(t)
	g.mux.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) {})
	g.mux.HandleFunc("GET /own", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "mine", 404) })
	wantProblem(t, g.serve(request("GET", "/y", "")), 404, "not_found")
	w := g.serve(request("DELETE", "/x", ""))
	wantProblem(t, w, 405, "method_not_allowed")
	if w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow = %q", w.Header().Get("Allow"))
	}
	if w := g.serve(request("GET", "/own", "")); w.Body.String() != "mine\n" {
		t.Errorf("a handler's own answer was replaced: %s", w.Body)
	}
}

func TestALimitAnswersWithWhenToComeBack(t *testing.T) {
	g := newRig(t, func(o *Options) { o.Metrics = NewMetrics() })
	g.mux.Handle("POST /code", g.Limit(ClassCode, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})))
	for i := range 5 {
		if w := g.serve(request("POST", "/code", "")); w.Code != 200 {
			t.Fatalf("request %d: %s", i+1, w.Body)
		}
	}
	w := g.serve(request("POST", "/code", ""))
	wantProblem(t, w, 429, "rate_limited")
	for name, want := range map[string]string{
		"Retry-After": "180", "RateLimit": `"code";r=0;t=180`, "RateLimit-Policy": `"code";q=5;w=900`,
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	g.clock.advance(3 * time.Minute)
	if w := g.serve(request("POST", "/code", "")); w.Code != 200 {
		t.Errorf("after Retry-After: %s", w.Body)
	}
}

func TestWhatErrorsBecome(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"a domain's sentinel", E("last_key"), 409, "last_key"},
		{"a sentinel deep inside", fmt.Errorf("remove: %w", E("last_key")), 409, "last_key"},
		{"a refusal that commits", store.CommitWith(E("refresh_reused")), 401, "refresh_reused"},
		{"a full queue", fmt.Errorf("refresh: %w", store.ErrBusy), 503, "busy"},
		{"a closing database", store.ErrClosed, 503, "unavailable"},
		{"a deadline", fmt.Errorf("query: %w", context.DeadlineExceeded), 503, "unavailable"},
		{"a client that went away", context.Canceled, 503, "unavailable"},
		{"a body past the limit", &http.MaxBytesError{Limit: 1}, 413, "body_too_large"},
		{"anything else", errors.New("pq: password authentication failed for user kw"), 500, "internal"},
		{"forgotten audit", store.ErrUnaudited, 500, "internal"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t)
			g.mux.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) { Fail(w, r, tc.err) })
			w := g.serve(request("GET", "/x", ""))
			wantProblem(t, w, tc.status, tc.code)
			if (tc.status == 503) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("Retry-After = %q", w.Header().Get("Retry-After"))
			}
			if tc.code == "internal" && strings.Contains(w.Body.String(), tc.err.Error()) {
				t.Errorf("the cause is shown: %s", w.Body)
			}
			if CodeOf(tc.err) != tc.code {
				t.Errorf("CodeOf = %s", CodeOf(tc.err))
			}
			if !strings.Contains(g.log.String(), `"problem":"`+tc.code) {
				t.Errorf("not in the log: %s", g.log)
			}
		})
	}
}

func TestAHandlerThatHangsIsCutByItsContext(t *testing.T) {
	g := newRig(t, func(o *Options) { o.Timeout = 10 * time.Millisecond })
	g.mux.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		Fail(w, r, r.Context().Err())
	})
	wantProblem(t, g.serve(request("GET", "/x", "")), 503, "unavailable")
}
