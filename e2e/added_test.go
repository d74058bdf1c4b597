package e2e

import (
	"testing"

	"github.com/chromedp/cdproto/webauthn"
)

// A laptop scans a passkey into a phone, and is lost. On the phone its owner removes it:
// what was scanned from it would go too, and is the last way in. The one in use is ticked to
// stay, and without it nothing is done.
func TestAScannedPasskeyStaysWhereItsOwnerKeepsIt(t *testing.T) {
	s := startDemo(t)
	laptop, phone := newBrowser(t), newBrowser(t)
	own := laptop.authenticator()
	laptop.signUp(s, "mina@mail.example")
	laptop.open(s.origin + "/stepup?act=keys.add&to=%2Fdevices%2Fadd")
	laptop.click(`form[data-ceremony="step-up"] button:not(.plain)`)
	laptop.at("/devices/add")
	call(laptop, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: own})
	laptop.authenticators = nil
	nearby := laptop.authenticatorOn(webauthn.AuthenticatorTransportCable)
	laptop.press(`form[data-ceremony="add"] button[value="hybrid"]`, `location.pathname === '/passkeys'`)
	laptop.shows("from this device")
	if n := eval[int](laptop, `document.querySelectorAll('.row.ok').length`); n != 2 {
		t.Fatalf("%d passkeys are listed, want 2", n)
	}
	if here := eval[int](laptop, `document.querySelectorAll('.row.ok .tag.accent').length`); here != 1 {
		t.Fatalf("%d passkeys live on this device, want 1: the scanned one is in the phone", here)
	}

	made := call(laptop, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: nearby}).Credentials
	addPasskey(phone, phone.authenticator(), made[0])
	phone.open(s.origin + "/signin")
	phone.until("autofill signs in", `location.pathname === '/'`)
	phone.open(s.origin + "/devices")
	phone.click(`a[href^="/devices/"][href$="/remove"]`)
	phone.shows("1 passkey was added from here")
	phone.shows("You are using it now")
	phone.shows("Keep at least one of these")
	phone.click(`input[name="keepkey"]:checked`) // not any more
	phone.allow("409")
	phone.press(`form[action$="/remove"] button.danger`, `performance.getEntriesByType('navigation')[0].responseStatus === 409`)
	phone.shows("Keep at least one of these")
	phone.press(`form[action$="/remove"] button.danger`, `location.pathname === '/devices' && document.querySelector('.receipt')`)
	phone.open(s.origin + "/passkeys")
	phone.shows("from a device that was removed since")
	if n := eval[int](phone, `document.querySelectorAll('.row.ok').length`); n != 1 {
		t.Errorf("%d passkeys are left, want 1", n)
	}
	phone.signOut()
	phone.signInWithButton()
	phone.at("/")
}
