package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
)

// Two browsers at the exchange: the owner's comes in, and what is copied from it
// brings the other nothing.
func TestTwoBrowsersAndWhatIsCopiedOnTheWayToTheExchange(t *testing.T) {
	s := startDemo(t)
	mine, other := newBrowser(t), newBrowser(t)
	mine.authenticator()
	mine.signUp(s, "mina@mail.example")
	mine.allow("favicon")
	other.allow("favicon")

	mine.open(s.exchange)
	mine.click("a.button")
	mine.shows("0.42")

	// A copied cookie, on the owner's own network.
	yes := true
	for name, value := range mine.cookies(s.origin) {
		if strings.HasPrefix(name, "__Host-") {
			call(other, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: s.origin, Secure: &yes, HTTPOnly: &yes, Path: "/"})
		}
	}
	other.open(s.origin + "/devices")
	other.at("/devices") // it opens pages for its minutes
	other.allow("401")
	other.open(s.exchange)
	other.click("a.button")
	other.until("the code is refused", `location.pathname === '/oauth/authorize' && document.querySelector('[data-status]').innerText.includes('key is missing')`)
	other.open(s.exchange)
	if eval[bool](other, `document.body.innerText.includes('0.42')`) {
		t.Error("a copied cookie became a session at the exchange")
	}

	// A code that somebody slips in, without the browser having asked or with a state it never had.
	mine.allow("403")
	for _, way := range []string{"/enter?code=of-the-thief", "/enter?code=of-the-thief&state=of-the-thief-too"} {
		mine.open(s.exchange + way)
		mine.shows("did not ask for this sign-in")
	}
	mine.open(s.exchange)
	mine.shows("0.42")
}

// A browser that keeps no keys proves with a touch instead.
func TestABrowserWithoutAKeyIsAskedForATouchOnTheWayToTheExchange(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.allow("favicon")
	b.open(s.origin + "/signin")
	b.click(`form[action="/demo/signin"] button`) // the software passkey of the demo: its session is bound to no key
	b.at("/")
	b.allow("403")
	b.open(s.exchange)
	b.click("a.button")
	b.until("a touch is asked for", `location.pathname === '/stepup'`)
	b.shows("Connect this app?")
	b.click(`form[action="/demo/touch"] button`)
	b.shows("0.42")
}
