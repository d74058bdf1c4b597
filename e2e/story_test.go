package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// signUp makes an account with a passkey in this browser and ends at home with
// recovery codes made and proved. It returns one of the codes.
func (b *browser) signUp(s *server, mail string) string {
	b.t.Helper()
	b.open(s.origin + "/signup")
	b.fill("#mail", mail)
	b.press(`form[action="/signup"] button`, `document.querySelector('form[data-ceremony="sign-up"]')`)
	// The exact domain stands there before the dialog of the system opens.
	b.shows(s.origin[strings.Index(s.origin, "://")+3:])
	b.click(`form[data-ceremony="sign-up"] button`)
	b.at("/codes/new?step=3")
	b.click(`form[action="/codes/new"] button`)
	b.until("the codes are shown", `document.querySelector('#codes')`)
	code := eval[string](b, `document.querySelector('#codes').innerText.match(/[0-9A-Z]{5}(-[0-9A-Z]{5}){4}/)[0]`)
	b.fill(`form[action="/codes/confirm"] [name=code]`, code)
	b.click(`form[action="/codes/confirm"] button:not([type=button])`)
	b.at("/")
	return code
}

// signOut signs out while the authenticator is out of reach: autofill would sign
// in again before anybody saw that the person was out.
func (b *browser) signOut() {
	b.t.Helper()
	b.presence(false)
	defer b.presence(true)
	b.press(`form[action="/signout"] button`, "location.pathname === '/signin'")
	b.at("/signin?note=signed-out")
}

// signInWithButton presses the button. The virtual authenticator also answers
// autofill by itself, so the page may be gone before the mouse is there: that is
// a sign-in as well.
func (b *browser) signInWithButton() {
	b.t.Helper()
	b.until("the page is ready", "document.readyState === 'complete'")
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(`form[data-ceremony="sign-in"] button.wide`)))
	if err != nil && !strings.Contains(b.where(), "at "+"http") {
		b.t.Fatal(err)
	}
}

func TestSignUpThenSignOutThenSignInWithTheButton(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.signUp(s, "mina@mail.example")
	b.signOut()
	b.signInWithButton()
	b.at("/")
	if got := b.cookies(s.origin)["__Host-kw_rt"]; !strings.HasPrefix(got, "kwr_") {
		t.Errorf("no refresh cookie after sign-in: %q", got)
	}
}

func TestAutofillSignsInWithoutAButton(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator() // picks the passkey that autofill offers and touches, by itself
	b.signUp(s, "mina@mail.example")
	family := func() string {
		parts := strings.Split(b.cookies(s.origin)["__Host-kw_rt"], ".")
		return strings.Join(parts[:min(2, len(parts))], ".")
	}
	before := family()
	b.click(`form[action="/signout"] button`)
	deadline := time.Now().Add(20 * time.Second)
	for family() == before || family() == "" {
		if time.Now().After(deadline) {
			t.Fatalf("autofill signed nobody in\n%s", b.where())
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.at("/")
}

// copyPasskeys gives another browser the same passkeys, as a password manager
// that syncs them does.
func copyPasskeys(from *browser, fromAuth webauthn.AuthenticatorID, to *browser, toAuth webauthn.AuthenticatorID) {
	for _, c := range call(from, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: fromAuth}).Credentials {
		addPasskey(to, toAuth, c)
	}
}

// addPasskey puts a passkey into an authenticator, without the members that it
// reports but does not take back.
func addPasskey(b *browser, auth webauthn.AuthenticatorID, c *webauthn.Credential) {
	b.t.Helper()
	raw, _ := json.Marshal(c)
	var m map[string]any
	json.Unmarshal(raw, &m)
	for name := range m {
		if strings.Contains(strings.ToLower(name), "cmtg") {
			delete(m, name)
		}
	}
	call(b, cdp.Command[map[string]any, cdp.Empty]{Method: "WebAuthn.addCredential"}, map[string]any{"authenticatorId": auth, "credential": m})
}

func TestTwoBrowsersSideBySideAndOneEndsTheOther(t *testing.T) {
	s := startDemo(t)
	mine, other := newBrowser(t), newBrowser(t)
	mineAuth, otherAuth := mine.authenticator(), other.authenticator()
	mine.signUp(s, "mina@mail.example")
	copyPasskeys(mine, mineAuth, other, otherAuth)
	other.open(s.origin + "/signin?to=%2Fdevices")
	other.signInWithButton()
	other.at("/devices")

	// The exchange shows a balance to the other browser.
	other.allow("favicon")
	other.open(s.exchange)
	other.click("a.button")
	other.shows("0.42")

	other.presence(false) // or autofill signs it in again before we look
	mine.open(s.origin + "/devices")
	mine.click(`a[href$="/not-me"]`)
	mine.click(`form[action$="/not-me"] button`)
	mine.at("/devices")
	mine.until("the effect and its time are shown", `/\d s|\d ms|0\.\d/.test(document.body.innerText)`)

	other.open(s.origin + "/passkeys")
	other.at("/signin?note=ended&to=%2Fpasskeys")
	other.open(s.exchange)
	other.shows("Your session was ended")

	for _, req := range other.requests() {
		if !strings.HasPrefix(req.host, "exchange.") {
			continue
		}
		for _, name := range req.cookies {
			if strings.Contains(name, "kw_") {
				t.Errorf("the cookie %s of Keyward reached %s", name, req.host)
			}
		}
	}
}

func (b *browser) requests() []sent {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]sent(nil), b.sent...)
}

func TestADeepLinkOpensAfterTheAccessCookieExpired(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.signUp(s, "mina@mail.example")
	before := b.cookies(s.origin)["__Host-kw_rt"]
	b.dropCookie(s.origin, "__Host-kw_at")
	b.open(s.origin + "/activity?kind=sign-in")
	b.at("/activity?kind=sign-in")
	if after := b.cookies(s.origin)["__Host-kw_rt"]; after == before || after == "" {
		t.Error("the refresh token was not turned over")
	}
}

func TestAFormSubmittedAfterTheAccessCookieExpiredLosesNothing(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.signUp(s, "mina@mail.example")
	b.open(s.origin + "/passkeys")
	b.click(`a[href$="/rename"]`)
	b.until("the form is there", `document.querySelector('form[action$="/rename"] [name=name]') && document.readyState === 'complete'`)
	eval[bool](b, `document.querySelector('[name=name]').value = '', true`)
	b.fill("[name=name]", "Kitchen laptop")
	// The minutes pass: the cookie goes, and the page learns of it by the clock.
	b.dropCookie(s.origin, "__Host-kw_at")
	// Only the look at the clock is late; a proof made later carries the true time.
	eval[bool](b, `(() => { const real = Date.now; Date.now = () => { Date.now = real; return real() + 6 * 60_000 }; return true })()`)
	b.click(`form[action$="/rename"] button:not([type=button])`)
	b.at("/passkeys")
	b.shows("Kitchen laptop")
}

func TestFiveTabsThatWakeTogetherMakeOneRefresh(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.signUp(s, "mina@mail.example")
	gen := func() string {
		return regexp.MustCompile(`^kwr_\d+\.[^.]+\.(\d+)\.`).FindStringSubmatch(b.cookies(s.origin)["__Host-kw_rt"])[1]
	}
	before := gen()
	b.dropCookie(s.origin, "__Host-kw_at")
	var wg sync.WaitGroup
	errs := make(chan error, 5)
	for i := range 5 {
		ctx, cancel := chromedp.NewContext(b.ctx)
		t.Cleanup(cancel)
		if err := chromedp.Do(ctx); err != nil { // the tab exists before the clock starts
			t.Fatal(err)
		}
		if err := chromedp.Listen(ctx, b.hear); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			path := fmt.Sprintf("/activity?tab=%d", i)
			if err := chromedp.Do(ctx, chromedp.Navigate(s.origin+path)); err != nil {
				errs <- err
				return
			}
			deadline := time.Now().Add(15 * time.Second)
			for {
				at, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location.pathname + location.search"))
				if err == nil && at == path {
					return
				}
				if time.Now().After(deadline) {
					errs <- fmt.Errorf("tab %d ended at %s: %v", i, at, err)
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if b4, now := before, gen(); now != plusOne(b4) {
		t.Errorf("five tabs turned the token from generation %s to %s; want one turn", b4, now)
	}
}

func plusOne(n string) string {
	var i int
	fmt.Sscan(n, &i)
	return fmt.Sprint(i + 1)
}

func TestACancelledPasskeyDialogIsNeutral(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	auth := b.authenticator()
	b.signUp(s, "mina@mail.example")
	// A user who fails verification ends the ceremony as a cancel does.
	call(b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: auth, IsUserVerified: false})
	b.signOut()
	b.signInWithButton()
	b.shows("Nothing was signed in")
	if red := eval[bool](b, `Boolean(document.querySelector('.note.red, [role=alert]'))`); red {
		t.Error("a cancel is shown as an error")
	}
}

func TestABogusSignatureIsRefused(t *testing.T)                 { refusedAnswer(t, true, false) }
func TestAnAnswerWithoutUserVerificationIsRefused(t *testing.T) { refusedAnswer(t, false, true) }

func refusedAnswer(t *testing.T, bogus, badUV bool) {
	s := startDemo(t)
	b := newBrowser(t)
	auth := b.authenticator()
	b.signUp(s, "mina@mail.example")
	b.allow("401") // the browser logs the refused request itself
	call(b, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: auth, IsBogusSignature: &bogus, IsBadUV: &badUV})
	b.signOut()
	b.signInWithButton()
	b.shows("not accepted")
	b.open(s.origin + "/devices")
	b.at("/signin?to=%2Fdevices")
}

func TestACounterSetBackIsRecordedAndAFlippedBackupFlagIsRefused(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	auth := b.authenticator()
	b.signUp(s, "mina@mail.example")
	for range 2 { // let the counter grow
		b.signOut()
		b.signInWithButton()
		b.at("/")
	}
	creds := call(b, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: auth}).Credentials
	clone := *creds[0]
	call(b, webauthn.RemoveCredential, webauthn.RemoveCredentialParams{AuthenticatorID: auth, CredentialID: clone.CredentialID})
	clone.SignCount = 1
	addPasskey(b, auth, &clone)
	b.signOut()
	b.signInWithButton()
	b.at("/")
	b.open(s.origin + "/activity")
	b.shows("counted backwards")

	b.allow("401")
	call(b, webauthn.RemoveCredential, webauthn.RemoveCredentialParams{AuthenticatorID: auth, CredentialID: clone.CredentialID})
	clone.BackupEligibility, clone.BackupState = !clone.BackupEligibility, false
	clone.SignCount = 1000
	addPasskey(b, auth, &clone)
	b.signOut()
	b.signInWithButton()
	b.shows("not accepted")
}

func TestASecondPasskeyIsAddedAndTheFirstRemovedWithATouchEach(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	first := b.authenticator()
	b.signUp(s, "mina@mail.example")
	b.open(s.origin + "/passkeys")
	b.click(`a[href$="/remove"]`)
	b.shows("so it stays until you have another")

	// First the touch with the passkey there is, then the dialog for the new one:
	// between the two the owner picks up the security key.
	b.open(s.origin + "/stepup?act=keys.add&to=%2Fpasskeys%2Fadd%3Fkind%3Dsecurity-key")
	b.click(`form[data-ceremony="step-up"] button:not(.plain)`)
	b.at("/passkeys/add?kind=security-key")
	call(b, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: first})
	usb := call(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: webauthn.AuthenticatorTransportUsb,
		HasResidentKey: true, HasUserVerification: true, AutomaticPresenceSimulation: true, IsUserVerified: true,
	}}).AuthenticatorID
	b.click(`form[action="/passkeys/add"] button:not([type=button])`)
	b.at("/passkeys")
	if n := len(call(b, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: usb}).Credentials); n != 1 {
		t.Fatalf("the security key holds %d passkeys, want 1", n)
	}
	if n := eval[int](b, `document.querySelectorAll('a[href$="/remove"]').length`); n != 2 {
		t.Fatalf("%d passkeys are listed, want 2", n)
	}
	b.click(`a[href$="/remove"]`)
	b.click(`form[action$="/remove"] button.danger`)
	b.at("/passkeys")
	if n := eval[int](b, `document.querySelectorAll('a[href$="/remove"]').length`); n != 1 {
		t.Errorf("%d passkeys are left, want 1", n)
	}
}

func TestARecoveryCodeLooksButCannotAddAPasskey(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	code := b.signUp(s, "mina@mail.example")
	other := newBrowser(t)
	other.authenticator()
	other.open(s.origin + "/signin/code")
	other.fill("[name=mail]", "mina@mail.example")
	other.fill("[name=code]", code)
	other.click(`form[action="/signin/code"] button:not([type=button])`)
	other.at("/")
	other.open(s.origin + "/devices")
	other.at("/devices")
	other.allow("403")
	other.allow("401")
	other.open(s.origin + "/passkeys/add")
	other.click(`form[action="/passkeys/add"] button:not([type=button])`)
	other.until("it is refused", `location.pathname !== '/passkeys'`)
	res := eval[string](other, `fetch('/passkeys/begin', {method: 'POST', headers: {'Content-Type': 'application/json', Accept: 'application/json'}, body: '{}'}).then(r => r.json()).then(p => p.code)`)
	if res != "insufficient_power" {
		t.Errorf("a recovery-code session began to add a passkey: %q", res)
	}
}

func TestFreezeStopsEverythingAndATouchLiftsIt(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.signUp(s, "mina@mail.example")
	b.open(s.origin + "/freeze")
	b.click(`form[action="/freeze"] button.danger, form[action="/freeze"] button`)
	b.until("it is frozen", `document.body.innerText.toLowerCase().includes('frozen')`)
	b.presence(false)
	b.open(s.origin + "/devices")
	b.until("the session is over", `location.pathname === '/signin'`)
	b.presence(true)
	b.signInWithButton()
	b.at("/devices")
	b.open(s.origin + "/freeze/lift")
	b.click(`form[action="/freeze/lift"] button:not(.plain)`)
	b.at("/")
	b.open(s.origin + "/activity")
	b.shows("lifted")
}

func TestTheMailCheckLinkWorksOnceAndCanOnlyVerify(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.signUp(s, "mina@mail.example")
	b.open(s.origin + "/demo/mail")
	b.until("the mail came", `document.querySelector('a[href^="/demo/mail/"]') || (setTimeout(() => location.reload(), 300), false)`)
	link := eval[string](b, `(async () => {
		for (const a of document.querySelectorAll('a[href^="/demo/mail/"]')) {
			const text = await (await fetch(a.href)).text();
			const m = text.match(/\/mail\/verify\?t=[^"<\s]+/);
			if (m) return m[0];
		}
		return '';
	})()`)
	if link == "" {
		t.Fatal("no mail carries the check link")
	}
	stranger := newBrowser(t) // the link needs no session and gives none
	stranger.allow("410")
	stranger.open(s.origin + link)
	stranger.click(`form[action="/mail/verify"] button`)
	stranger.at("/mail/verify")
	stranger.shows("Your mail address is confirmed")
	stranger.open(s.origin + link)
	stranger.shows("This link was used already")
	if again := eval[bool](stranger, `Boolean(document.querySelector('form[action="/mail/verify"]'))`); again {
		t.Error("a used link offers its button again")
	}
	stranger.open(s.origin + "/")
	stranger.at("/signin?to=%2F")
}

func TestPagesReadWithoutScriptAndKeepTheirPolicy(t *testing.T) {
	s := startDemo(t)
	for _, path := range []string{"/signin", "/signup", "/signin/code", "/freeze", "/lost-phone", "/official", "/help", "/demo", "/demo/mail"} {
		req, _ := http.NewRequest(http.MethodGet, s.origin+path, nil)
		req.Header.Set("Accept", "text/html")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, res.Status)
		}
		if csp := res.Header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
}

func TestASignInLeadsNowhereElse(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.signUp(s, "mina@mail.example")
	b.signOut()
	for _, to := range []string{"/.//evil.example/x", "/x/..//evil.example", "/%2e//evil.example", "//evil.example", "/\\evil.example"} {
		b.open(s.origin + "/signin?to=" + url.QueryEscape(to))
		b.until("somebody is signed in", `location.pathname !== '/signin'`)
		if at := eval[string](b, "location.origin"); at != s.origin {
			t.Errorf("to=%s led to %s", to, at)
		}
		b.signOut()
	}
}
