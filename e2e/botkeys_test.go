package e2e

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"testing"

	"keyward/internal/softkey"
)

// confirm gives the touch on the page that a form was led to.
func (b *browser) confirm() {
	b.t.Helper()
	b.until("the touch is asked for", `location.pathname === '/stepup' && document.readyState === 'complete'`)
	b.click(`form[data-ceremony="step-up"] button`)
}

// put writes a whole text into a field at once, as pasting does.
func (b *browser) put(sel, text string) {
	b.t.Helper()
	quoted, _ := json.Marshal([]string{sel, text})
	eval[bool](b, `(([sel, text]) => { const at = document.querySelector(sel); at.value = text; return at.dispatchEvent(new Event('input', { bubbles: true })); })(`+string(quoted)+`)`)
}

// What was typed about a key survives the touch that leads away and back, and a private
// key that somebody pastes never leaves the page.
func TestAnAPIKeyIsMadeThroughATouchThatLeadsAwayAndBack(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.signUp(s, "mina@mail.example")
	b.click(`.doors a[href="/keys"]`)
	b.at("/keys")
	b.shows("No program has a key.")
	b.click(`a[href="/keys/new"]`)
	b.at("/keys/new")
	if was := eval[string](b, `document.querySelector('#places').value`); was != "" {
		t.Errorf("an address was filled in: %q", was)
	}
	b.fill("#purpose", "Grid bot, BTC and ETH")
	b.click(`[value="trade.spot"]`)
	b.click(`[data-fill]`)
	b.until("the key so far is beside the form", `document.querySelector('[data-so=purpose]').innerText === 'Grid bot, BTC and ETH' && document.querySelector('[data-so=places]').innerText.includes('127.0.0.1')`)

	b.put("#public", "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----")
	b.click(`form[data-keep] .end button`)
	b.shows("That is a private key. It was not sent.")
	if eval[bool](b, `document.querySelector('#public').value !== '' || JSON.stringify(sessionStorage).includes('PRIVATE')`) {
		t.Error("the private key is still there")
	}

	der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(softkey.NewBot("api.example.com").Public()))
	if err != nil {
		t.Fatal(err)
	}
	b.put("#public", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	b.press(`form[data-keep] .end button`, `location.pathname === '/stepup'`)
	b.confirm()
	b.at("/keys/new")
	b.shows("What you typed is still here.")
	if !eval[bool](b, `document.querySelector('#purpose').value === 'Grid bot, BTC and ETH' && document.querySelector('[value="trade.spot"]').checked && document.querySelector('#public').value.includes('PUBLIC KEY')`) {
		t.Error("what was typed is lost")
	}
	b.press(`form[data-keep] .end button`, `document.querySelector('[data-used]')`)
	b.shows("The key is made")
	b.shows("Start the bot.")
	b.click(`.end a[href^="/keys/kwk_"]`)

	b.until("the key's page is there", `document.querySelector('form[data-keep] [value="read.history"]') && document.readyState === 'complete'`)
	b.click(`[value="read.history"]`)
	b.press(`form[data-keep] .end button`, `location.pathname === '/stepup'`)
	b.shows("Grid bot, BTC and ETH")
	b.confirm()
	b.shows("Nothing was changed yet")
	b.press(`form[data-keep] .end button`, `document.querySelector('.receipt')`)
	b.shows("The key “Grid bot, BTC and ETH” is changed.")
	if eval[bool](b, `!document.querySelector('[data-kept]').hidden`) {
		t.Error("what was done already is offered again")
	}

	b.click(`.head a[href$="/end"]`)
	b.press(`form[action$="/end"] button`, `location.pathname === '/keys'`)
	b.shows("Ended everywhere in")
	b.shows("It was ended.")
}
