package e2e

import (
	"database/sql"
	"strings"
	"testing"
)

// age makes the first passkey of each account two days older. Time itself does not run
// faster in a real browser.
func (s *server) age(t *testing.T) {
	t.Helper()
	s.rows(t, func(db *sql.DB) error {
		_, err := db.Exec(`UPDATE device_key SET created_at = created_at - 172800000000 WHERE source = 'first'`)
		return err
	})
}

// A new browser shows a code, the owner types it into theirs, looks, touches, and the
// new one makes its passkey. Then the old one is retired, once the new was tested.
func TestANewDeviceJoinsByACodeAndTheOldOneIsRetired(t *testing.T) {
	s := startDemo(t)
	mine, other := newBrowser(t), newBrowser(t)
	mine.authenticator()
	other.authenticator()
	mine.signUp(s, "mina@mail.example")

	other.open(s.origin + "/signin")
	other.presence(false) // autofill has nothing to offer here yet
	other.click(`a[href="/new"]`)
	other.at("/new")
	other.shows("First try the passkey of your phone")
	other.presence(true)
	other.press(`form[data-code] button`, `document.querySelector('.joincode')`)
	code := eval[string](other, `document.querySelector('.joincode').innerText.trim()`)
	if len(code) != 11 || strings.Contains(eval[string](other, `location.href`), code) {
		t.Fatalf("the code is %q", code)
	}
	if kept := eval[string](other, `document.cookie`); strings.Contains(kept, code) {
		t.Error("a script can read the code's cookie")
	}

	mine.open(s.origin + "/devices")
	mine.click(`.head a[href="/devices/add"]`)
	mine.at("/devices/add")
	mine.shows("Scan the code with your new phone")
	mine.fill("#code", strings.ToLower(strings.ReplaceAll(code, "-", "")))
	mine.press(`form[action="/devices/add"] button`, `location.pathname.startsWith('/joins/')`)
	mine.shows("Is this device yours?")
	mine.shows("The same network as yours")
	mine.shows("Withdrawals pause for 24 hours")
	other.shows("Now say yes on your other device") // by itself
	if eval[bool](other, `document.body.innerText.includes('mina')`) {
		t.Error("the newcomer learns whose account it is before the yes")
	}
	mine.press(`form[action$="/admit"] button`, `document.body.innerText.includes('Now make the passkey on the new device')`)
	other.shows("Make a passkey on this device")
	other.shows("mina@mail.example")
	other.press(`form[data-ceremony="join"] button`, `location.pathname === '/devices/change'`)
	mine.shows("The new device is in")

	// Changing phones, on the new one.
	other.shows("Which device are you leaving?")
	other.click(`.row:not(:has(.tag.accent)) .act a`)
	other.shows("Offered once the new device was seen to work")
	if eval[bool](other, `Boolean(document.querySelector('form[action$="/retire"]'))`) {
		t.Error("retiring is offered before the test")
	}
	other.click(`a[href^="/stepup?act=confirm.me"]`)
	other.until("the touch is asked for", `location.pathname === '/stepup' && document.readyState === 'complete'`)
	other.press(`form[data-ceremony="step-up"] button`, `location.pathname === '/devices/change'`)
	other.shows("It was seen to work.")
	other.press(`form[action$="/retire"] button`, `location.pathname === '/devices' && document.querySelector('.receipt')`)
	other.shows("You retired")
	mine.presence(false)
	mine.allow("401")
	mine.open(s.origin + "/passkeys")
	mine.until("the old device is signed out", `location.pathname === '/signin'`)
	other.open(s.origin + "/activity")
	other.shows("came in with a code that you typed")
}

// The owner's no ends it: the other browser hears that its code is over.
func TestTheOwnersNoEndsAJoinInTheBrowser(t *testing.T) {
	s := startDemo(t)
	mine, other := newBrowser(t), newBrowser(t)
	mine.authenticator()
	other.authenticator()
	mine.signUp(s, "mina@mail.example")
	other.open(s.origin + "/new")
	other.press(`form[data-code] button`, `document.querySelector('.joincode')`)
	code := eval[string](other, `document.querySelector('.joincode').innerText.trim()`)
	mine.open(s.origin + "/devices/add")
	mine.allow("422")
	mine.fill("#code", "00000-00000")
	mine.press(`form[action="/devices/add"] button`, `document.body.innerText.includes('This code opens nothing')`)
	mine.fill("#code", code)
	mine.press(`form[action="/devices/add"] button`, `location.pathname.startsWith('/joins/')`)
	mine.press(`form[action$="/refuse"] button`, `location.pathname === '/devices' && document.querySelector('.receipt')`)
	mine.shows("You refused a new device")
	other.shows("This code is over")
}

// A new phone beside one that is older: for a day it has no power over the old one, and
// the page says where it can be done now. The old one retires itself.
func TestTheOldPhoneIsRetiredOnItselfInTheBrowser(t *testing.T) {
	s := startDemo(t)
	mine, other := newBrowser(t), newBrowser(t)
	mine.authenticator()
	other.authenticator()
	mine.signUp(s, "mina@mail.example")
	other.open(s.origin + "/new")
	other.press(`form[data-code] button`, `document.querySelector('.joincode')`)
	code := eval[string](other, `document.querySelector('.joincode').innerText.trim()`)
	mine.open(s.origin + "/devices/add")
	mine.fill("#code", code)
	mine.press(`form[action="/devices/add"] button`, `location.pathname.startsWith('/joins/')`)
	mine.press(`form[action$="/admit"] button`, `document.body.innerText.includes('Now make the passkey on the new device')`)
	other.shows("Make a passkey on this device")
	other.press(`form[data-ceremony="join"] button`, `location.pathname === '/devices/change'`)
	s.age(t)

	other.open(s.origin + "/stepup?act=confirm.me&to=/devices/change")
	other.press(`form[data-ceremony="step-up"] button`, `location.pathname === '/devices/change'`)
	other.click(`.row:not(:has(.tag.accent)) .act a`)
	other.shows("only on your old device")
	other.press(`form[action$="/retire"] button`, `[...document.querySelectorAll('form[action$="/retire"] [data-status] [data-say="cancelled"]')].length > 0`)
	if at := eval[string](other, `location.pathname`); at != "/devices/change" {
		t.Errorf("the new device went on to %s", at)
	}
	other.open(s.origin + "/stepup?act=codes.new")
	other.shows("has no power over what is older until")

	// The old one: the browser is asked for its passkey alone, and has it.
	mine.open(s.origin + "/devices/change")
	mine.click(`.row:has(.tag.accent) .act a`)
	mine.shows("You will be signed out here")
	mine.press(`form[action$="/retire"] button`, `location.pathname === '/signin' && document.body.innerText.includes('This device is retired')`)
	other.open(s.origin + "/activity")
	other.shows("came in with a code that you typed")
}
