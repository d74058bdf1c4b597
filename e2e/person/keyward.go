package person

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// SignUp makes an account with a passkey and keeps one of its recovery codes.
func (p *Person) SignUp(origin, mail string) error {
	if err := p.Open(origin + "/signup"); err != nil {
		return err
	}
	if err := p.Fill("#mail", mail); err != nil {
		return err
	}
	if err := p.Press(`form[action="/signup"] button`, `document.querySelector('form[data-ceremony="sign-up"]')`); err != nil {
		return err
	}
	if err := p.Press(`form[data-ceremony="sign-up"] button`, `document.querySelector('form[action="/codes/new"]')`); err != nil {
		return err
	}
	if err := p.Press(`form[action="/codes/new"] button`, `document.querySelector('#codes')`); err != nil {
		return err
	}
	code, err := Eval[string](p, `document.querySelector('#codes').innerText.match(/[0-9A-Z]{5}(-[0-9A-Z]{5}){4}/)[0]`)
	if err != nil {
		return err
	}
	if err := p.Fill(`form[action="/codes/confirm"] [name=code]`, code); err != nil {
		return err
	}
	return p.Press(`form[action="/codes/confirm"] button:not([type=button])`, `location.pathname === '/'`)
}

// What a person does on each page between an app's button and the app's answer, by
// what is there to be pressed.
const (
	signInButton = `form[data-ceremony="sign-in"] button.wide`
	touchButton  = `form[data-ceremony="step-up"] button`
	allowButton  = `[data-allow]`
	denyLink     = `[data-authorize] .end a.secondary`
)

// Answer goes to where an app sends people and comes out with the app's answer.
func (p *Person) Answer(address string, agree bool) (came string, err error) {
	if err := p.Open(address); err != nil {
		return "", err
	}
	return p.Onward(address, agree)
}

// Onward does what the server's pages ask for, agrees or not, and says at which
// address the browser comes out. The browser is at the server.
func (p *Person) Onward(server string, agree bool) (came string, err error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	answer := allowButton
	if !agree {
		answer = denyLink
	}
	ctx, cancel := context.WithTimeout(p.ctx, 2*patience)
	defer cancel()
	look := fmt.Sprintf(`location.host !== %q && location.host ? 'out ' + location.href
		: document.readyState !== 'complete' ? ''
		: [%q, %q, %q].find((s) => document.querySelector(s + ':not(:disabled)')) || ''`, u.Host, signInButton, touchButton, answer)
	for pressed, rounds := "", 0; ctx.Err() == nil; rounds++ {
		seen, err := chromedp.Run(ctx, chromedp.Evaluate[string](look))
		came, out := strings.CutPrefix(seen, "out ")
		switch {
		case err != nil || seen == "": // between two pages
		case out:
			return came, nil
		case seen != pressed || rounds > 60: // three seconds without an effect: once more
			once, end := context.WithTimeout(ctx, 2*time.Second)
			_ = chromedp.Do(once, chromedp.Click(chromedp.CSS(seen))) // the page may have gone on by itself, as autofill does
			end()
			pressed, rounds = seen, 0
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", fmt.Errorf("the browser stays with the server\n%s", p.where())
}
