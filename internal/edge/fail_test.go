package edge

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"keyward/internal/store"
)

func TestEveryCodeIsWholeInBothLanguages(t *testing.T) {
	for code, r := range table {
		if r.status < 400 || r.status > 599 || http.StatusText(r.status) == "" {
			t.Errorf("%s: status %d", code, r.status)
		}
		if r.title.en == "" || r.title.ko == "" || !strings.HasSuffix(r.detail.en, ".") || !strings.HasSuffix(r.detail.ko, ".") {
			t.Errorf("%s: a text is missing or not a sentence", code)
		}
		if !strings.ContainsFunc(r.title.ko+r.detail.ko, func(c rune) bool { return unicode.Is(unicode.Hangul, c) }) {
			t.Errorf("%s: the Korean text is not Korean", code)
		}
		if strings.ContainsFunc(code, func(c rune) bool { return c != '_' && (c < 'a' || c > 'z') }) {
			t.Errorf("%s: not a code", code)
		}
	}
	for _, lang := range []string{"en", "ko"} {
		if got := len(Codes(lang)); got != len(table) {
			t.Errorf("Codes(%q) lists %d of %d", lang, got, len(table))
		}
	}
}

func TestAnUnknownCodeStopsTheFirstTest(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("E accepted a code that is not in the table")
		}
	}()
	E("no_such_code")
}

func TestAnErrorIsItsSentinelWhateverIsAddedToIt(t *testing.T) {
	sentinel := E("step_up_required")
	rich := sentinel.Because(io.ErrUnexpectedEOF).With("purpose", "keys.add").At("/key", "locked").RetryIn(time.Second).Header("X", "y")
	if !errors.Is(rich, sentinel) || !errors.Is(rich, io.ErrUnexpectedEOF) || errors.Is(rich, E("last_key")) {
		t.Error("errors.Is does not follow code and cause")
	}
	if sentinel.cause != nil || sentinel.extension != nil || sentinel.fields != nil || sentinel.headers != nil || sentinel.retryAfter != 0 {
		t.Errorf("the sentinel was changed: %+v", sentinel)
	}
	if rich.Error() != "step_up_required: unexpected EOF" {
		t.Errorf("log text %q", rich.Error())
	}
	defer func() {
		if recover() == nil {
			t.Error("an extension replaced the status")
		}
	}()
	sentinel.With("status", 200)
}

func TestAProblemForPrograms(t *testing.T) {
	g := newRig(t)
	g.mux.HandleFunc("GET /api/x", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"stale"`)
		Fail(w, r, E("step_up_required").With("purpose", "keys.add").With("url", "/step-up").
			At("/name", "too long").Header("WWW-Authenticate", `DPoP error="insufficient_user_authentication"`))
	})
	w := g.serve(request("GET", "/api/x", "", "Accept", "text/html"))
	p := wantProblem(t, w, 403, "step_up_required")
	id := w.Header().Get("X-Request-Id")
	for member, want := range map[string]any{
		"type":    "https://id.example.com/docs/errors#step_up_required",
		"docs":    "https://id.example.com/docs/errors#step-up",
		"title":   "Confirm with your passkey",
		"purpose": "keys.add", "url": "/step-up", "request_id": id,
	} {
		if p[member] != want {
			t.Errorf("%s = %v, want %v", member, p[member], want)
		}
	}
	if errs := p["errors"].([]any); errs[0].(map[string]any)["pointer"] != "/name" {
		t.Errorf("errors = %v", errs)
	}
	if w.Header().Get("ETag") != "" || w.Header().Get("WWW-Authenticate") == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", w.Header())
	}
}

func TestAProblemForPeople(t *testing.T) {
	var rendered Problem
	pages := func(w http.ResponseWriter, r *http.Request, p Problem) {
		rendered = p
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(p.Status)
		io.WriteString(w, "<h1>"+p.Title+"</h1>")
	}
	g := newRig(t, func(o *Options) { o.Pages = pages })
	g.mux.HandleFunc("/x", func(w http.ResponseWriter, r *http.Request) { Fail(w, r, E("account_frozen")) })

	w := g.serve(request("GET", "/x", "", "Accept", "text/html,*/*;q=0.8", "Accept-Language", "ko-KR,ko;q=0.9,en;q=0.8"))
	if w.Code != 403 || !strings.Contains(w.Body.String(), "동결된 계정입니다") || rendered.Lang != "ko" || w.Header().Get("Content-Language") != "ko" {
		t.Errorf("page: %d %s %+v", w.Code, w.Body, rendered)
	}
	if w := g.serve(request("POST", "/x", "", "Accept", "*/*")); w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("a script got a page: %s", w.Body)
	}

	bare := newRig(t)
	bare.mux.HandleFunc("/x", func(w http.ResponseWriter, r *http.Request) { Fail(w, r, E("account_frozen")) })
	w = bare.serve(request("GET", "/x", "", "Accept", "text/html"))
	if !strings.Contains(w.Body.String(), "This account is frozen") || !strings.Contains(w.Body.String(), w.Header().Get("X-Request-Id")) {
		t.Errorf("without pages: %s", w.Body)
	}
}

// Strangers' tries are counted under a credential of ours or its kind, and never
// under what they sent.
func TestRefusalsBeforeProofAreHeardOf(t *testing.T) {
	for _, row := range []struct {
		name       string
		err        *Error
		credential string // "" not counted
	}{
		{"a passkey nobody has", E("passkey_not_accepted"), "passkey"},
		{"a bad signature under a key of ours", E("passkey_not_accepted").About("key_1").Because(io.EOF), "key_1"},
		{"a wrong recovery code", E("code_not_accepted"), "recovery-code"},
		{"a refresh token with a forged tag", E("refresh_invalid"), "refresh-token"},
		{"a back end with a wrong secret", E("client_unauthenticated").About("exchange"), "exchange"},
		{"a session that has ended", E("session_ended"), ""},
		{"a limit", E("rate_limited"), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var heard []string
			g := newRig(t, func(o *Options) {
				o.Refused = func(credential, code string) { heard = append(heard, credential, code) }
			})
			g.mux.HandleFunc("/api/x", func(w http.ResponseWriter, r *http.Request) { Fail(w, r, row.err) })
			g.mux.HandleFunc("/shown", func(w http.ResponseWriter, r *http.Request) { Refused(r, row.err) })
			w := g.serve(request("POST", "/api/x", ""))
			if strings.Contains(w.Body.String(), "key_1") {
				t.Errorf("the client hears which credential it was: %s", w.Body)
			}
			g.serve(request("POST", "/shown", ""))
			var want []string
			if row.credential != "" {
				want = []string{row.credential, row.err.Code, row.credential, row.err.Code}
			}
			if !slices.Equal(heard, want) {
				t.Errorf("heard %v, want %v", heard, want)
			}
		})
	}
	Refused(request("POST", "/", ""), E("refresh_invalid")) // outside the chain nobody listens
}

func TestFailOutsideTheChainStillAnswers(t *testing.T) {
	r := request("GET", "/api/x", "")
	w := httptest.NewRecorder()
	Fail(w, r, errors.New("boom"))
	p := wantProblem(t, w, 500, "internal")
	if p["type"] != "/docs/errors#internal" {
		t.Errorf("type = %v", p["type"])
	}
}

func TestAnExtensionThatIsNotJSONDoesNotEmptyTheAnswer(t *testing.T) {
	w := httptest.NewRecorder()
	Fail(w, request("GET", "/api/x", ""), E("last_key").With("bad", func() {}))
	wantProblem(t, w, 409, "last_key")
}

func TestWhichLanguage(t *testing.T) {
	for _, tc := range []struct {
		name           string
		cookie, accept string
		deployment     string
		want           string
	}{
		{"nothing said: the deployment's", "", "", "ko", "ko"},
		{"the browser says Korean", "", "ko-KR", "en", "ko"},
		{"the browser's first language is not ours", "", "fr-FR,fr;q=0.9,ko;q=0.8,en;q=0.7", "en", "ko"},
		{"the person chose English in a Korean browser", "kw_lang=en", "ko", "ko", "en"},
		{"a cookie of nonsense", "kw_lang=xx", "ko", "en", "ko"},
		{"capitals", "", "KO", "en", "ko"},
		{"a header of nonsense", "", ";;,,*;q=1", "en", "en"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, func(o *Options) { o.Language = tc.deployment })
			var got string
			g.mux.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) { got = Lang(r) })
			g.serve(request("GET", "/x", "", "Cookie", tc.cookie, "Accept-Language", tc.accept))
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// The disk of the server is full: the request may be fine, and works later.
func TestADiskWithoutRoomIsNoMistakeOfTheRequest(t *testing.T) {
	g := newRig(t)
	g.mux.HandleFunc("POST /api/x", func(w http.ResponseWriter, r *http.Request) {
		Fail(w, r, fmt.Errorf("sign-in: %w", store.ErrUnwritable))
	})
	w := g.serve(request("POST", "/api/x", ""))
	wantProblem(t, w, 503, "unavailable")
	if w.Header().Get("Retry-After") == "" {
		t.Error("it does not say when to come back")
	}
}
