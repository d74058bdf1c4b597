package e2e

import "testing"

// signUp makes an account with a passkey in this browser and ends at home with
// recovery codes made and proved.
func (b *browser) signUp(s *server, mail string) {
	b.t.Helper()
	b.open(s.origin + "/signup")
	b.fill("#mail", mail)
	b.click(`form[action="/signup"] button`)
	b.shows("localhost")
	b.click(`form[data-ceremony="sign-up"] button`)
	b.at("/codes/new?step=3")
	b.click(`form[action="/codes/new"] button`)
	b.until("the codes are shown", `document.querySelector('#codes')`)
	code := eval[string](b, `document.querySelector('#codes').innerText.match(/[0-9A-Z]{5}(-[0-9A-Z]{5}){4}/)[0]`)
	b.fill(`form[action="/codes/confirm"] [name=code]`, code)
	b.click(`form[action="/codes/confirm"] button:not([type=button])`)
	b.at("/")
}

func TestSignUpThenSignOutThenSignInWithTheButton(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.signUp(s, "mina@mail.example")
	b.click(`form[action="/signout"] button`)
	b.at("/signin?note=signed-out")
	b.click(`form[data-ceremony="sign-in"] button.wide`)
	b.at("/")
}
