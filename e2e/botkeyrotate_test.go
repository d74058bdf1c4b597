package e2e

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"keyward/internal/softkey"
)

// pairPEM is the public half of a new pair, as openssl prints it.
func pairPEM(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(softkey.NewBot("api.example.com").Public()))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// A key is replaced in a browser: what was typed survives the touch, the panel shows both
// versions, one tap keeps the old one, another goes back.
func TestAnAPIKeyIsReplacedInABrowser(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.signUp(s, "mina@mail.example")
	b.click(`.doors a[href="/keys"]`)
	b.at("/keys")
	b.click(`a[href="/keys/new"]`)
	b.at("/keys/new")
	b.fill("#purpose", "Grid bot, BTC and ETH")
	b.put("#public", pairPEM(t))
	b.press(`form[data-keep] .end button`, `location.pathname === '/stepup'`)
	b.confirm()
	b.at("/keys/new")
	b.press(`form[data-keep] .end button`, `document.querySelector('[data-used]')`)
	b.click(`.end a[href^="/keys/kwk_"]`)
	b.until("the key's page", `location.pathname.startsWith('/keys/kwk_') && document.readyState === 'complete'`)
	b.click(`dl a[href$="/rotate"]`)
	b.until("the form", `location.pathname.endsWith('/rotate') && document.readyState === 'complete'`)

	b.put("#public", "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----")
	b.click(`form[data-keep] .end button`)
	b.shows("That is a private key. It was not sent.")
	b.put("#public", pairPEM(t))
	b.put("#hours", "48")
	b.click(`#skip`)
	b.press(`form[data-keep] .end button`, `location.pathname === '/stepup'`)
	b.shows("Replace what signs for this API key?")
	b.confirm()
	b.until("back at the form", `location.pathname.endsWith('/rotate') && document.readyState === 'complete'`)
	b.shows("Nothing was changed yet")
	if !eval[bool](b, `document.querySelector('#hours').value === '48' && document.querySelector('#skip').checked && document.querySelector('#public').value.includes('PUBLIC KEY')`) {
		t.Error("what was typed is lost")
	}
	b.press(`form[data-keep] .end button`, `document.querySelector('[data-made]')`)
	b.shows("The new version is made")
	b.click(`.end a[href$="/rotate"]`)
	b.until("the panel", `document.querySelector('section.rotate progress') && document.readyState === 'complete'`)
	b.shows("Moving to version 2")
	b.shows("No call that the new version signed was let in yet.")

	b.press(`form[action$="/keep"] button`, `document.querySelector('.receipt')`)
	b.shows("works longer")
	b.press(`form[action$="/undo"] button`, `document.querySelector('.receipt') && !location.pathname.endsWith('/rotate')`)
	b.shows("is back at its old version")
}
