package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// chromiumPath finds the browser; without one the test skips aloud, or fails
// where nothing may skip.
func chromiumPath(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
		t.Fatal("no Chromium found, and nothing may skip here: run make setup")
	}
	t.Skip("skipped: no Chromium found; make test installs it")
	return ""
}

// browser is one Chromium with its own profile: one person's computer.
type browser struct {
	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc

	authenticators []webauthn.AuthenticatorID // that authenticator() put in

	mu      sync.Mutex // guards the rest
	console []string   // errors and CSP violations of any tab
	allowed []string   // pieces of console text that this test provokes on purpose
	sent    []sent     // every request with its cookies
}

func newBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	opts := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	opts = append(opts, chromedp.ExecPath(chromiumPath(t)), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-first-run", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.WindowSize(1280, 900))
	opts = append(opts, more...)
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, stop := chromedp.NewContext(alloc)
	b := &browser{t: t, ctx: ctx, cancel: func() { stop(); stopAlloc() }}
	t.Cleanup(func() {
		b.cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, line := range b.console {
			t.Errorf("browser console: %s", line)
		}
	})
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	return b
}

// hear collects what no page of ours may cause: console errors, uncaught
// exceptions, CSP violations; and which cookies went to which host.
func (b *browser) hear(ev any) {
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.complain(fmt.Sprintf("exception: %s %+v", ev.ExceptionDetails.Text, ev.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError {
			b.complain(fmt.Sprintf("console.error: %s", ev.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError {
			b.complain(fmt.Sprintf("%s %s", ev.Entry.Text, ev.Entry.URL))
		}
	case *network.EventRequestWillBeSentExtraInfo:
		var names []string
		for _, c := range ev.AssociatedCookies {
			if len(c.BlockedReasons) == 0 {
				names = append(names, c.Cookie.Name)
			}
		}
		host := fmt.Sprint(ev.Headers["Host"])
		b.mu.Lock()
		b.sent = append(b.sent, sent{host, names})
		b.mu.Unlock()
	}
}

// sent is one request: where it went and our cookies with it.
type sent struct {
	host    string
	cookies []string
}

func (b *browser) complain(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.allowed {
		if strings.Contains(line, a) {
			return
		}
	}
	b.console = append(b.console, line)
}

// allow lets console lines with this text pass: a refused request is logged by
// the browser itself.
func (b *browser) allow(text string) {
	b.mu.Lock()
	b.allowed = append(b.allowed, text)
	b.mu.Unlock()
}

// step runs actions that return nothing.
func (b *browser) step(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.where())
	}
}

// call sends one protocol command.
func call[P, R any](b *browser, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	r, err := chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, cmd, params) })
	if err != nil {
		b.t.Fatalf("%v\n%s", err, b.where())
	}
	return r
}

// eval runs JavaScript, waiting for its promise.
func eval[T any](b *browser, js string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", js, err, b.where())
	}
	return v
}

// where says what the page shows, for a failing test.
func (b *browser) where() string {
	ctx, cancel := context.WithTimeout(b.ctx, 3*time.Second)
	defer cancel()
	s, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + '\n' + (document.body ? document.body.innerText.slice(0, 1500) : '')`))
	b.mu.Lock()
	defer b.mu.Unlock()
	return "at " + s + "\n" + strings.Join(b.console, "\n")
}

// authenticator puts a platform authenticator with user verification into this
// browser.
func (b *browser) authenticator() webauthn.AuthenticatorID {
	b.t.Helper()
	return b.authenticatorOn(webauthn.AuthenticatorTransportInternal)
}

// authenticatorOn puts one in that is reached another way: a browser takes one of its
// own, and any number of sticks.
func (b *browser) authenticatorOn(transport webauthn.AuthenticatorTransport) webauthn.AuthenticatorID {
	b.t.Helper()
	call(b, webauthn.Enable, webauthn.EnableParams{})
	id := call(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: transport,
		HasResidentKey: true, HasUserVerification: true, AutomaticPresenceSimulation: true, IsUserVerified: true,
		DefaultBackupEligibility: true, DefaultBackupState: true,
	}}).AuthenticatorID
	b.authenticators = append(b.authenticators, id)
	return id
}

// presence says whether the authenticators answer by themselves, as a person who
// touches them, or wait.
func (b *browser) presence(answers bool) {
	b.t.Helper()
	for _, id := range b.authenticators {
		call(b, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: id, Enabled: answers})
	}
}

// open goes to an address.
func (b *browser) open(url string) {
	b.t.Helper()
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	b.step(chromedp.Navigate(url))
	b.until("the page is ready", "document.readyState === 'complete'")
}

// until waits for a JavaScript condition.
func (b *browser) until(what, js string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 15*time.Second)
	defer cancel()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+js+")"))
		if err == nil && ok {
			return
		}
		if ctx.Err() != nil {
			b.t.Fatalf("waited in vain until %s (%s): %v\n%s", what, js, err, b.where())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// at waits until the address bar shows a path.
func (b *browser) at(path string) {
	b.t.Helper()
	b.until("the page is "+path, fmt.Sprintf("location.pathname + location.search === %q && document.readyState === 'complete'", path))
}

func (b *browser) shows(text string) {
	b.t.Helper()
	quoted, _ := json.Marshal(text)
	b.until("the page shows "+text, fmt.Sprintf("document.body && document.body.innerText.includes(%s)", quoted))
}

// click presses an element once it is there and the page's modules have run (they
// do before "complete"); the element first, because until it is there the page
// may still be the one before.
func (b *browser) click(sel string) {
	b.t.Helper()
	quoted, _ := json.Marshal(sel)
	b.until(sel+" is there and the page is ready", fmt.Sprintf("document.querySelector(%s) && document.readyState === 'complete'", quoted))
	b.step(chromedp.WaitVisible(chromedp.CSS(sel)), chromedp.Click(chromedp.CSS(sel)))
}

// press clicks until something came of it: a mouse that moved while a page was
// laid out clicks beside the button, as people do, who then click again.
func (b *browser) press(sel, js string) {
	b.t.Helper()
	for range 3 {
		b.click(sel)
		for range 60 {
			ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+js+")"))
			if err == nil && ok {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	b.t.Fatalf("pressed %s in vain, waiting for %s\n%s", sel, js, b.where())
}

func (b *browser) fill(sel, text string) {
	b.t.Helper()
	b.step(chromedp.WaitVisible(chromedp.CSS(sel)), chromedp.SendKeys(chromedp.CSS(sel), text))
}

// dropCookie removes a cookie, as an expired one disappears.
func (b *browser) dropCookie(origin, name string) {
	b.t.Helper()
	call(b, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: origin})
}

func (b *browser) cookies(origin string) map[string]string {
	b.t.Helper()
	out := map[string]string{}
	for _, c := range call(b, network.GetCookies, network.GetCookiesParams{URLs: []string{origin}}).Cookies {
		out[c.Name] = c.Value
	}
	return out
}
