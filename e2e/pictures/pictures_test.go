package pictures

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"keyward/internal/web"
)

// policy is what the edge sends; see internal/edge/headers.go.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'none'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// before runs ahead of the page's own scripts: it stops the clock at the time of the fixtures, so that "5 minutes ago" stays
// that, and notes what the policy refuses.
const before = `Date.now = () => Date.parse("2026-03-12T14:07:31+09:00");
window.faults = [];
addEventListener("securitypolicyviolation", (e) => faults.push("policy: " + e.violatedDirective + " refuses " + e.blockedURI + " " + e.sample));
addEventListener("error", (e) => faults.push("script: " + e.message));`

// measure finds what a thumb or a narrow screen would trip over.
const measure = `(() => {
	const found = [...faults];
	const width = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth > width) {
		found.push("scrolls sideways to " + document.documentElement.scrollWidth);
		for (const e of document.querySelectorAll("body *")) {
			const r = e.getBoundingClientRect();
			if (r.right > width + 1 && r.width && getComputedStyle(e).position !== "absolute") { found.push("  " + e.outerHTML.slice(0, 90) + " ends at " + Math.round(r.right)); break; }
		}
	}
	for (const e of document.querySelectorAll("a, button, summary, input:not([type=hidden])")) {
		const r = (e.closest("label") ?? e).getBoundingClientRect();
		if (!r.width || e.classList.contains("skip")) continue;
		const inText = getComputedStyle(e).display === "inline"; // WCAG 2.2 2.5.8: links in sentences are excepted
		if (!inText && (r.height < 43.5 || r.width < 24)) found.push("target " + Math.round(r.width) + "x" + Math.round(r.height) + ": " + e.outerHTML.slice(0, 90));
	}
	return found;
})()`

func TestPictures(t *testing.T) {
	into := os.Getenv("KEYWARD_PICTURES")
	if into == "" {
		t.Skip("KEYWARD_PICTURES is not set")
	}
	axe := ""
	if path := os.Getenv("KEYWARD_AXE"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		axe = string(text)
	}
	only := regexp.MustCompile(os.Getenv("KEYWARD_PICTURES_ONLY"))
	pages := t.TempDir()
	draw := exec.Command("go", "test", "-count=1", "-run", "^TestWritePages$", "keyward/internal/web", "keyward/internal/console")
	draw.Env = append(os.Environ(), "KEYWARD_PAGES="+pages)
	if text, err := draw.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	site := serve(t, pages)
	ctx := browser(t)

	files, err := filepath.Glob(filepath.Join(pages, "*.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".html")
		parts := strings.Split(name, ".") // fixture, language, theme
		if !only.MatchString(parts[0]) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			url := site + "/" + name + ".html"
			if parts[2] == "light" {
				look(t, ctx, url, 320)
			}
			if parts[1] == "xx-long" {
				return
			}
			for _, width := range []int64{360, 768, 1280} {
				look(t, ctx, url, width)
				if axe != "" && width != 768 {
					inspect(t, ctx, axe)
				}
				png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(into, fmt.Sprintf("%s-%d-%s-%s.png", parts[0], width, parts[1], parts[2])), png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// look opens a page at a width and reports what it measures.
func look(t *testing.T, ctx context.Context, url string, width int64) {
	t.Helper()
	err := chromedp.Do(ctx,
		chromedp.EmulateViewport(width, 900),
		chromedp.Navigate(url),
		chromedp.Sleep(60*time.Millisecond), // the modules have run by then
	)
	if err != nil {
		t.Fatal(err)
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](measure))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range found {
		t.Errorf("at %d px: %s", width, fault)
	}
}

// inspect runs the accessibility rules of axe-core over the open page.
func inspect(t *testing.T, ctx context.Context, axe string) {
	t.Helper()
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](axe+`;
		axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] }).then((r) =>
			r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html.slice(0, 120) + " " + n.failureSummary.split("\n")[1])))`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range found {
		t.Errorf("accessibility: %s", fault)
	}
}

func serve(t *testing.T, pages string) string {
	r, err := web.NewRenderer("")
	if err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(pages))
	mux := http.NewServeMux()
	mux.Handle("GET /static/", r.Static())
	mux.HandleFunc("GET /session/state", func(w http.ResponseWriter, req *http.Request) { <-req.Context().Done() }) // renew stays to be looked at
	mux.HandleFunc("GET /", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		files.ServeHTTP(w, req)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.CloseClientConnections)
	return s.URL
}

// browser starts Chromium with an empty profile.
func browser(t *testing.T) context.Context {
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true),
	)
	if path := os.Getenv("KEYWARD_CHROMIUM"); path != "" {
		opts = append(opts, chromedp.ExecPath(path))
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, end := chromedp.NewContext(alloc)
	t.Cleanup(func() { end(); stop() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: before}); err != nil {
		t.Fatal(err)
	}
	return ctx
}
