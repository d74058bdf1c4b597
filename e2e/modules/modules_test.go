package modules

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

func TestFiveWakingTabsMakeOneRefresh(t *testing.T) {
	e := newEndpoints(t)
	e.slow = 150 * time.Millisecond
	b := start(t)
	var wg sync.WaitGroup
	for range 5 {
		tab, end := chromedp.NewContext(b)
		defer end()
		wg.Go(func() { walk(t, tab, e.url+"/session/renew?to=%2Fdone%3Fa%3D1", "/done?a=1") })
	}
	wg.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.renewals != 1 {
		t.Errorf("%d refreshes", e.renewals)
	}
	if len(e.keys) != 1 {
		t.Errorf("%d keys: all tabs of a browser hold one", len(e.keys))
	}
	for jti, n := range e.proofs {
		if n != 1 {
			t.Errorf("proof %s was used %d times", jti, n)
		}
	}
}

func TestRenewing(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []int
		to, at  string
	}{
		{"a faster tab is no end", []int{409}, "%2Fdone", "/done"},
		{"nor are two", []int{409, 409}, "%2Fdone", "/done"},
		{"a session that is over leads to the door and back", []int{401}, "%2Fdone", "/signin?note=ended&to=%2Fdone"},
		{"nobody is led to another site", nil, "%2F%2Fevil.example", "/"},
		{"nor by a backslash", nil, "%2F%5Cevil.example", "/"},
		{"nor by a scheme", nil, "javascript:alert(1)", "/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEndpoints(t)
			e.answers = c.answers
			walk(t, start(t), e.url+"/session/renew?to="+c.to, c.at)
		})
	}
}

func TestAServerOutOfReachIsNotASignOut(t *testing.T) {
	e := newEndpoints(t)
	e.answers = []int{500}
	b := start(t)
	do(t, b, chromedp.Navigate(e.url+"/session/renew?to=%2Fdone"))
	shows(t, b, "You are still signed in.")
	do(t, b, chromedp.Click(chromedp.CSS("[data-again]")))
	at(t, b, "/done")
}

func TestAFormRenewsBeforeItIsSentAndLosesNothing(t *testing.T) {
	e := newEndpoints(t)
	e.answers = []int{401}
	b := start(t)
	do(t, b, chromedp.Navigate(e.url+"/form"), chromedp.SetValue(chromedp.CSS("#name"), "Blue key"), chromedp.Click(chromedp.CSS("form[action$=rename] button")))
	shows(t, b, "Not sent: your session has ended.")
	if got := eval[string](t, b, `document.querySelector("#name").value`); got != "Blue key" {
		t.Errorf("the field holds %q", got)
	}
	do(t, b, chromedp.Click(chromedp.CSS("form[action$=rename] button"))) // signed in again elsewhere meanwhile
	at(t, b, "/done")
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.posted) != 1 || e.posted[0] != "Blue key" || e.renewals != 1 {
		t.Errorf("posted %q after %d refreshes", e.posted, e.renewals)
	}
}

func TestAutofillSignsInWithoutAButton(t *testing.T) {
	e := newEndpoints(t)
	b := start(t)
	enrol(t, b, e)
	do(t, b, chromedp.Navigate(e.url+"/signin?to=%2Fdevices")) // the software authenticator chooses the passkey by itself
	at(t, b, "/")                                              // and not //evil.example
	e.mu.Lock()
	defer e.mu.Unlock()
	if sent := e.got["/signin/finish"][0].(map[string]any); sent["remember"] != false || sent["to"] != "/devices" {
		t.Errorf("sent %v", sent)
	}
}

func TestSignInWithTheButton(t *testing.T) {
	e := newEndpoints(t)
	b := start(t)
	enrol(t, b, e)
	source := `PublicKeyCredential.isConditionalMediationAvailable = async () => false;`
	if _, err := chromedp.Call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: source}); err != nil {
		t.Fatal(err)
	}
	do(t, b, chromedp.Navigate(e.url+"/signin?to=%2Fdevices"), chromedp.Click(chromedp.CSS("[name=remember]")), chromedp.Click(chromedp.CSS("#door button")))
	at(t, b, "/")
	e.mu.Lock()
	defer e.mu.Unlock()
	sent := e.got["/signin/finish"][0].(map[string]any)
	if sent["remember"] != true || sent["to"] != "/devices" {
		t.Errorf("sent %v", sent)
	}
	if c := sent["credential"].(map[string]any); c["type"] != "public-key" || c["response"].(map[string]any)["userHandle"] == nil {
		t.Errorf("the credential is %v", c)
	}
}

func TestACancelledPasskeyIsNoError(t *testing.T) {
	e := newEndpoints(t)
	b := start(t)
	authenticator(t, b, false) // the person is not recognised
	do(t, b, chromedp.Navigate(e.url+"/signin"), chromedp.Click(chromedp.CSS("#door button")))
	shows(t, b, "Nothing was signed in. Try a phone nearby or another way.")
	if red := eval[bool](t, b, `Boolean(document.querySelector(".note.red, [aria-invalid]"))`); red {
		t.Error("cancelling looks like an error")
	}
}

func TestATouchIsTakenForTheActThePageNames(t *testing.T) {
	e := newEndpoints(t)
	b := start(t)
	enrol(t, b, e)
	do(t, b, chromedp.Navigate(e.url+"/remove"), chromedp.Click(chromedp.CSS("button.danger")))
	at(t, b, "/done")
	e.mu.Lock()
	defer e.mu.Unlock()
	want := map[string]any{"act": "keys.remove", "object": "key_1"}
	begun, _ := json.Marshal(e.got["/stepup/begin"])
	asked, _ := json.Marshal([]any{want})
	if string(begun) != string(asked) {
		t.Errorf("asked for %s, want %s", begun, asked)
	}
}

// The browser's key speaks before the touch and after it; the challenge of the withdrawal is what the passkey signs.
func TestAWithdrawalIsSignedInTheBrowser(t *testing.T) {
	e := newEndpoints(t)
	b := start(t)
	enrol(t, b, e)
	do(t, b, chromedp.Navigate(e.url+"/confirm/int_1"), chromedp.Click(chromedp.CSS(`form[data-ceremony="confirm"] button:not([form])`)))
	at(t, b, "/done")
	e.mu.Lock()
	sent := e.got["/confirm/int_1/finish"]
	renewals, begun := e.renewals, len(e.got["/confirm/int_1/begin"])
	e.mu.Unlock()
	if len(sent) != 1 || begun != 1 || renewals != 2 {
		t.Fatalf("%d begun, %d sent, %d renewals", begun, len(sent), renewals)
	}
	text := sent[0].(map[string]any)["credential"].(map[string]any)["response"].(map[string]any)["clientDataJSON"].(string)
	client, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !strings.Contains(string(client), `"challenge":"`+moneyChallenge+`"`) {
		t.Errorf("signed %s (%v)", client, err)
	}
	for _, form := range []string{"no", "notme"} {
		do(t, b, chromedp.Navigate(e.url+"/confirm/int_1"), chromedp.Click(chromedp.CSS(`button[form="`+form+`"]`)))
		at(t, b, "/done")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if strings.Join(e.posted, " ") != "/confirm/int_1/refuse /confirm/int_1/freeze" || len(e.got["/confirm/int_1/finish"]) != 1 {
		t.Errorf("posted %v", e.posted)
	}
}

func TestSigningOutThrowsTheKeyAway(t *testing.T) {
	e := newEndpoints(t)
	b := start(t)
	walk(t, b, e.url+"/session/renew?to=%2Fdone", "/done")
	do(t, b, chromedp.Navigate(e.url+"/signin?note=signed-out"), chromedp.Sleep(300*time.Millisecond))
	e.mu.Lock()
	e.fresh = false
	e.mu.Unlock()
	walk(t, b, e.url+"/session/renew?to=%2Fdone", "/done")
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.keys) != 2 {
		t.Errorf("%d keys over two sessions", len(e.keys))
	}
}

func TestTheKeyCannotBeTakenAway(t *testing.T) {
	e := newEndpoints(t)
	b := start(t)
	walk(t, b, e.url+"/session/renew?to=%2Fdone", "/done")
	got := eval[string](t, b, `new Promise((done) => { const open = indexedDB.open("keyward"); open.onsuccess = () => {
		const get = open.result.transaction("keys").objectStore("keys").get("browser");
		get.onsuccess = () => crypto.subtle.exportKey("jwk", get.result.privateKey).then(() => done("exported"), (e) => done(e.name));
	}; })`)
	if got != "InvalidAccessError" {
		t.Errorf("exporting the private key: %s", got)
	}
}

// ---- the browser

// One browser for all tests: each has a tab and, with its own port, an origin of its own, so keys and locks are apart.
var browser = sync.OnceValues(func() (context.Context, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		opts := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		)
		alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
		ctx, end := chromedp.NewContext(alloc)
		closeBrowser = func() { end(); stop() }
		return ctx, chromedp.Do(ctx)
	}
	return nil, exec.ErrNotFound
})

var closeBrowser = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	closeBrowser()
	os.Exit(code)
}

// start opens a tab.
func start(t *testing.T) context.Context {
	t.Helper()
	all, err := browser()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("KEYWARD_TEST_REQUIRE_ALL") != "1" {
		t.Skip("skipped: no Chromium found")
	}
	if err != nil {
		t.Fatal(err)
	}
	tab, end := chromedp.NewContext(all)
	t.Cleanup(end)
	do(t, tab)
	return tab
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func eval[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func walk(t *testing.T, ctx context.Context, from, to string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(from)); err != nil && !strings.Contains(err.Error(), "ERR_ABORTED") {
		t.Error(err)
		return
	}
	at(t, ctx, to)
}

// at waits until the address bar shows a path.
func at(t *testing.T, ctx context.Context, path string) {
	t.Helper()
	waitFor(t, ctx, "location.pathname + location.search === "+quote(path), "to be at "+path)
}

func shows(t *testing.T, ctx context.Context, text string) {
	t.Helper()
	waitFor(t, ctx, "document.body.innerText.includes("+quote(text)+")", "to read "+text)
}

func waitFor(t *testing.T, ctx context.Context, script, what string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script)); err == nil && is {
			return
		}
	}
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 600)`))
	t.Errorf("waited in vain %s; the page is %s", what, text)
}

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

func authenticator(t *testing.T, ctx context.Context, recognised bool) {
	t.Helper()
	if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	_, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: recognised, AutomaticPresenceSimulation: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// enrol puts a passkey for this site into the browser.
func enrol(t *testing.T, ctx context.Context, e *endpoints) {
	t.Helper()
	authenticator(t, ctx, true)
	do(t, ctx, chromedp.Navigate(e.url+"/done"))
	eval[bool](t, ctx, `navigator.credentials.create({ publicKey: {
		rp: { id: "localhost", name: "Keyward" }, user: { id: new Uint8Array(32), name: "owner", displayName: "owner" },
		challenge: new Uint8Array(16), pubKeyCredParams: [{ type: "public-key", alg: -7 }],
		authenticatorSelection: { residentKey: "required", userVerification: "required" },
	} }).then(() => true)`)
}
