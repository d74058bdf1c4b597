package person

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// patience is how long a person looks at a page that does not do what it should.
const patience = 20 * time.Second

// Person sits at one browser with a profile and an authenticator of their own.
type Person struct {
	ctx  context.Context
	stop func()

	mu   sync.Mutex // guards said
	said []string   // errors of any page, from the browser's console
}

// Chromium is where the browser is on this machine.
func Chromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium found; make setup installs it")
}

// Sit starts a browser whose profile lies in an empty folder. The authenticator is
// a platform one that recognises its owner and answers by itself. Flags are further
// switches of the browser.
func Sit(ctx context.Context, profile string, flags ...string) (*Person, error) {
	path, err := Chromium()
	if err != nil {
		return nil, err
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.UserDataDir(profile),
		chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-first-run", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.WindowSize(1280, 900))
	for _, f := range flags {
		opts = append(opts, chromedp.Flag(f, true))
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(ctx, opts...)
	tab, stop := chromedp.NewContext(alloc)
	p := &Person{ctx: tab, stop: func() { stop(); stopAlloc() }}
	if err := p.begin(); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *Person) begin() error {
	if err := chromedp.Listen(p.ctx, p.hear); err != nil {
		return err
	}
	if _, err := call(p, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		return err
	}
	if _, err := call(p, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, AutomaticPresenceSimulation: true, IsUserVerified: true,
		DefaultBackupEligibility: true, DefaultBackupState: true,
	}}); err != nil {
		return err
	}
	if _, err := call(p, network.Enable, network.EnableParams{}); err != nil {
		return err
	}
	_, err := call(p, log.Enable, cdp.Empty{})
	return err
}

// Leave closes the browser.
func (p *Person) Leave() { p.stop() }

// Console is what pages complained about: errors, uncaught exceptions, violations of
// a content policy.
func (p *Person) Console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.said)
}

func (p *Person) hear(ev any) {
	line := ""
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		line = fmt.Sprintf("exception: %s %+v", ev.ExceptionDetails.Text, ev.ExceptionDetails.Exception)
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError {
			line = fmt.Sprintf("console.error: %s", ev.Args[0].Value)
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError {
			line = fmt.Sprintf("%s %s", ev.Entry.Text, ev.Entry.URL)
		}
	}
	if line != "" {
		p.mu.Lock()
		p.said = append(p.said, line)
		p.mu.Unlock()
	}
}

// call sends one command of the browser's protocol.
func call[P, R any](p *Person, cmd cdp.Command[P, R], params P) (R, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, cmd, params) })
}

// Eval runs a line of script in the page and waits for its promise.
func Eval[T any](p *Person, js string) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", js, err, p.where())
	}
	return v, err
}

// Open goes to an address.
func (p *Person) Open(address string) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		return fmt.Errorf("%s: %w\n%s", address, err, p.where())
	}
	return nil
}

// Until waits for a condition of the page.
func (p *Person) Until(js string) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+js+")"))
		if err == nil && ok {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("waited in vain for %s: %w\n%s", js, errors.Join(err, ctx.Err()), p.where())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Press clicks until something came of it: a mouse that moved while a page was laid
// out clicks beside the button, as people do, who then click again.
func (p *Person) Press(selector, js string) error {
	quoted, _ := json.Marshal(selector)
	if err := p.Until(fmt.Sprintf("(document.querySelector(%s) && document.readyState === 'complete') || (%s)", quoted, js)); err != nil {
		return err
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
		err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(selector)))
		cancel()
		for range 60 {
			if ok, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("Boolean("+js+")")); err == nil && ok {
				return nil
			}
			time.Sleep(50 * time.Millisecond)
		}
		if p.ctx.Err() != nil {
			return err
		}
	}
	return fmt.Errorf("pressed %s in vain, waiting for %s\n%s", selector, js, p.where())
}

// Fill types into a field.
func (p *Person) Fill(selector, text string) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text)); err != nil {
		return fmt.Errorf("%s: %w\n%s", selector, err, p.where())
	}
	return nil
}

// where says what is on the screen, for whoever reads a failure.
func (p *Person) where() string {
	ctx, cancel := context.WithTimeout(p.ctx, 3*time.Second)
	defer cancel()
	s, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + '\n' + (document.body ? document.body.innerText.slice(0, 1500) : '')`))
	return "at " + s + "\n" + strings.Join(p.Console(), "\n")
}
