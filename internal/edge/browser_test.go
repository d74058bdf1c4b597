package edge

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The policy must let our own pages live and stop what an injected page would
// try. Only a browser can say so.
func TestTheSecurityPolicyInARealBrowser(t *testing.T) {
	tab := browser(t)

	exchange := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<title>back at the exchange</title>")
	}))
	defer exchange.Close()
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<title>somewhere else</title>")
	}))
	defer foreign.Close()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<!doctype html><title>page</title><link rel=stylesheet href=/style.css>
			<p id=p>text</p><div id=injected><script>document.title = "inline ran"</script></div>
			<form id=own method=post action=/go-exchange></form>
			<form id=evil method=post action=`+foreign.URL+`></form>
			<script type=module src=/main.mjs></script>`)
	})
	mux.HandleFunc("GET /style.css", asset("text/css", `#p { color: rgb(1, 2, 3) }`))
	mux.HandleFunc("GET /part.mjs", asset("text/javascript", `export const word = "imported"`))
	mux.HandleFunc("GET /late.mjs", asset("text/javascript", `export const word = "late"`))
	mux.HandleFunc("GET /main.mjs", asset("text/javascript", `
		import { word } from "/part.mjs"
		const late = await import("/late.mjs")
		const answer = await fetch("/data", { method: "POST" })
		const seen = { word, late: late.word, data: await answer.text(),
			color: getComputedStyle(document.getElementById("p")).color, title: document.title }
		try { document.getElementById("p").innerHTML = "<b>x</b>"; seen.innerHTML = "allowed" } catch (e) { seen.innerHTML = e.name }
		try { eval("1"); seen.eval = "allowed" } catch (e) { seen.eval = e.name }
		try { await fetch("`+foreign.URL+`", { mode: "no-cors" }); seen.foreign = "allowed" } catch (e) { seen.foreign = e.name }
		seen.webauthn = typeof PublicKeyCredential.parseRequestOptionsFromJSON
		document.body.dataset.seen = new URLSearchParams(seen).toString()
		document.body.dataset.done = "yes"`))
	mux.HandleFunc("POST /data", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fetched") })
	mux.HandleFunc("POST /go-exchange", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, exchange.URL, http.StatusSeeOther) })

	ours := httptest.NewUnstartedServer(nil)
	base := "http://localhost:" + portOf(ours.Listener.Addr().String()) // localhost is a secure context
	e, err := New(Options{Now: newClock().Now, PublicURL: base, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ours.Config.Handler = e.Handler(Routes(mux))
	ours.Start()
	defer ours.Close()

	open := func() {
		t.Helper()
		if err := chromedp.Do(tab, chromedp.Navigate(base+"/"), chromedp.WaitReady("[data-done]")); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(expression string) string {
		t.Helper()
		answer, err := chromedp.Run(tab, chromedp.Evaluate[string](expression))
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	open()
	seen := ask(`document.body.dataset.seen`)
	got, _ := url.ParseQuery(seen)
	for what, want := range map[string]string{
		"word": "imported", "late": "late", "data": "fetched", "color": "rgb(1, 2, 3)", "webauthn": "function",
		"title": "page", "innerHTML": "TypeError", "eval": "EvalError", "foreign": "TypeError",
	} {
		if got.Get(what) != want {
			t.Errorf("%s: %q, want %q", what, got.Get(what), want)
		}
	}

	for _, tc := range []struct{ form, where string }{
		{"own", "page"},  // a redirect after a form of ours, to another site: nothing happens
		{"evil", "page"}, // an injected form: neither
	} {
		open()
		ask(`document.getElementById("` + tc.form + `").submit(), ""`)
		time.Sleep(500 * time.Millisecond) // "nothing happens" has no event to wait for
		if got := ask(`document.title`); got != tc.where {
			t.Errorf("after the form %q we are at %q, want %q", tc.form, got, tc.where)
		}
	}
}

func asset(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		io.WriteString(w, body)
	}
}

func portOf(hostport string) string { return hostport[strings.LastIndexByte(hostport, ':')+1:] }

// browser starts a headless one, or skips aloud.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
			t.Fatal("no Chromium, and KEYWARD_TEST_REQUIRE_ALL is set")
		}
		t.Skip("no Chromium: the security policy is not tried in a browser")
	}
	// Chromium's sandbox refuses to run as root and in most containers; the page is ours.
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
