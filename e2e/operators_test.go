package e2e

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// Two people at the operators' door, each with a browser.
func TestOperatorsComeInByALinkAndATouch(t *testing.T) {
	s := startDemo(t)
	ada, ben := newBrowser(t), newBrowser(t)
	ada.authenticator()
	ben.authenticator()
	join := func(b *browser, link string) {
		t.Helper()
		b.open(link)
		b.until("the secret left the address bar", "location.hash === ''")
		b.click(`form[data-ceremony="join"] button`)
		b.at("/")
		b.shows("Session ends")
	}
	join(ada, s.firstLink)
	if eval[string](ada, `getComputedStyle(document.querySelector('.top')).backgroundColor`) != "rgb(20, 25, 28)" {
		t.Error("the bar of operators looks like that of accounts")
	}

	ada.open(s.operators + "/operators/invite")
	ada.fill("#name", "Ben")
	ada.click(`input[value=security]`)
	ada.fill("#why", "a new colleague")
	ada.click(`form[data-act] button`)
	ada.shows("/join#")
	join(ben, eval[string](ada, `document.querySelector('main .mono').innerText`))

	call(ben, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 320, Height: 800, DeviceScaleFactor: 1, Mobile: true})
	for _, path := range []string{"/", "/operators", "/requests", "/apps", "/apps/register", "/you", "/join"} {
		ben.open(s.operators + path)
		if w := eval[int](ben, "document.documentElement.scrollWidth"); w > 320 {
			t.Errorf("%s is %d px wide on a phone of 320", path, w)
		}
	}

	ada.press(`form[action="/signout"] button`, "location.pathname === '/signin'")
	ada.click(`form[data-ceremony="sign-in"] button`)
	ada.at("/")

	ada.open(s.operators + "/operators")
	ada.click(`li:has(.fact):not(:has(.tag.accent)) a`)
	ada.fill("#why-disable", "left the company")
	ada.click(`button.danger`)
	ada.at("/operators")
	ada.shows("Disabled")
	ben.open(s.operators + "/")
	ben.at("/signin")
}
