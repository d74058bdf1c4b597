package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Two operators and an app that nobody vouched for: one asks, she cannot say yes to
// herself, the other does, and only then the app may ask for orders.
func TestTwoOperatorsVerifyAnApp(t *testing.T) {
	s := startDemo(t)
	ada, ben := newBrowser(t), newBrowser(t)
	for _, b := range []*browser{ada, ben} {
		b.authenticator()
	}
	join := func(b *browser, link string) {
		t.Helper()
		b.open(link)
		b.click(`form[data-ceremony="join"] button`)
		b.at("/")
	}
	join(ada, s.firstLink)
	ada.open(s.operators + "/operators/invite")
	ada.fill("#name", "Ben")
	ada.click(`input[value=security]`)
	ada.fill("#why", "a new colleague")
	ada.click(`form[data-act] button`)
	ada.shows("/join#")
	join(ben, eval[string](ada, `document.querySelector('main .mono').innerText`))

	// What is wrong is said beside the form, before anybody touches anything.
	ada.open(s.operators + "/apps/register")
	ada.fill("#name", "Portfolio View")
	ada.fill("#owner", "dev@app.example.org")
	ada.fill("#redirects", "https://*.example.org/back")
	for _, scope := range []string{"openid", "read", "trade"} {
		ada.click(`input[name=scopes][value=` + scope + `]`)
	}
	ada.fill("#why", "ticket 4711")
	ada.allowed = append(ada.allowed, "status of 400")
	ada.click(`form[data-act] button`)
	ada.shows("redirects are exact")
	ada.step(chromedp.SetValue(chromedp.CSS("#redirects"), "https://app.example.org/back\nhttps://app.example.org/other"))
	ada.click(`form[data-act] button`)
	ada.shows("The app is registered")
	id := eval[string](ada, `document.querySelector('#client-id').innerText`)

	// The app's own request: refused at its address, with the word of the standard.
	mayTrade := func() bool {
		t.Helper()
		q := url.Values{"response_type": {"code"}, "client_id": {id}, "redirect_uri": {"https://app.example.org/back"}, "scope": {"openid trade"}, "state": {"st-1"},
			"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"}}
		c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := c.Get(s.origin + "/oauth/authorize?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		to := res.Header.Get("Location")
		if strings.HasPrefix(to, "https://app.example.org/back?") {
			if !strings.Contains(to, "error=invalid_scope") {
				t.Errorf("refused with %s", to)
			}
			return false
		}
		return res.StatusCode < 400
	}
	if mayTrade() {
		t.Error("an app that nobody vouched for may ask for orders")
	}

	ada.open(s.operators + "/apps/" + id)
	ada.shows("Not verified")
	ada.fill("#domain", "app.example.org")
	ada.fill("#why-verify", "the DNS record is there")
	ada.click(`form[data-act="clients.ask_publisher"] button`)
	ada.shows("This is your own request")
	page := eval[string](ada, `location.pathname`)
	if eval[bool](ada, `Boolean(document.querySelector('[formaction$="/approve"]'))`) {
		t.Error("she is offered to approve her own request")
	}
	// She makes the button herself, and touches for it.
	eval[bool](ada, `{ const f = document.querySelector('form[data-act]'); f.dataset.act = 'requests.approve'; f.action = f.action.replace('/refuse', '/approve'); true }`)
	ada.allowed = append(ada.allowed, "status of 403")
	ada.fill("#why", "looks right to me")
	ada.click(`form[data-act] button`)
	ada.shows("Somebody else has to do this")
	if mayTrade() {
		t.Error("she approved her own request")
	}

	ben.open(s.operators + page)
	ben.shows("Portfolio View")
	ben.shows("app.example.org")
	ben.fill("#why", "I looked it up too")
	ben.click(`button[formaction$="/approve"]`)
	ben.shows("Approved and done")
	if !mayTrade() {
		t.Error("verified by two, and the app still may not ask")
	}
	ben.open(s.operators + "/apps/" + id)
	ben.shows("app.example.org")
	ben.fill("#why-off", "the owner closed it")
	ben.click(`form[data-act="clients.off"] button`)
	ben.until("it is off", `document.querySelector('h1') && !document.querySelector('form[data-act]') && document.readyState === 'complete'`)
	if mayTrade() {
		t.Error("an app that is off may ask")
	}
}

// An operator makes a spare passkey with a touch of the first, and takes the first away
// with a touch of the spare one.
func TestAnOperatorReplacesAPasskey(t *testing.T) {
	s := startDemo(t)
	ada := newBrowser(t)
	ada.authenticator()
	ada.open(s.firstLink)
	ada.click(`form[data-ceremony="join"] button`)
	ada.at("/")
	ada.open(s.operators + "/you")
	ada.shows("your only passkey")
	old := ada.authenticators[0]
	stick := ada.authenticatorOn(webauthn.AuthenticatorTransportUsb)
	touches := func(id webauthn.AuthenticatorID, answers bool) {
		call(ada, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: id, Enabled: answers})
	}

	// She makes it on the stick, and then touches the laptop.
	touches(old, false)
	eval[bool](ada, `{ const get = navigator.credentials.get.bind(navigator.credentials);
		navigator.credentials.get = async (o) => { while (!window.turned) await new Promise((r) => setTimeout(r, 20)); return get(o); }; true }`)
	ada.fill("#why", "a spare one")
	ada.click(`form[data-ceremony="add-key"] button`)
	ada.shows("First confirm with a passkey you have")
	touches(stick, false)
	touches(old, true)
	eval[bool](ada, `window.turned = true`)
	ada.until("there are two", `document.querySelectorAll('a[href^="/you/keys/"]').length === 2`)

	// The laptop is lost: its own touch does not remove it, that of the stick does.
	ada.click(`a[href^="/you/keys/"]`)
	ada.fill("#why", "lost the laptop")
	ada.allowed = append(ada.allowed, "status of 409")
	ada.click(`form[data-act] button`)
	ada.shows("Touch a passkey that stays")
	touches(old, false)
	touches(stick, true)
	ada.open(s.operators + "/you")
	ada.click(`a[href^="/you/keys/"]`)
	ada.fill("#why", "lost the laptop")
	ada.click(`form[data-act] button`)
	ada.shows("your only passkey")
	ada.press(`form[action="/signout"] button`, "location.pathname === '/signin'")
	ada.click(`form[data-ceremony="sign-in"] button`)
	ada.at("/")
}
