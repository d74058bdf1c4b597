package e2e

import "testing"

// An owner gives a bot a part of the account, stops it, lets it work again and closes it, with a
// real browser: what is more takes a touch, what is less does not.
func TestASubAccountFromTheFirstToTheLastPage(t *testing.T) {
	s := startDemo(t)
	b := newBrowser(t)
	b.authenticator()
	b.signUp(s, "mina@mail.example")
	b.click(`.doors a[href="/keys"]`)
	b.at("/keys")
	b.click(`a[href="/subaccounts"]`)
	b.at("/subaccounts")
	b.shows("There is no sub-account.")
	b.click(`a[href="/subaccounts/new"]`)
	b.at("/subaccounts/new")
	b.fill("#name", "Market maker")
	b.click(`[value="to_main"]`)
	b.press(`form[data-keep] .end button`, `location.pathname === '/stepup'`)
	b.shows("Make this sub-account?")
	b.confirm()
	b.at("/subaccounts/new")
	b.shows("What you typed is still here.")
	if !eval[bool](b, `document.querySelector('#name').value === 'Market maker' && document.querySelector('[value="to_main"]').checked`) {
		t.Error("what was typed is lost")
	}
	b.press(`form[data-keep] .end button`, `document.querySelector('.receipt')`)
	b.shows("You made the sub-account “Market maker”.")
	if eval[bool](b, `sessionStorage.getItem('key sub-new') !== null`) {
		t.Error("the next one would begin with what this one was")
	}

	b.click(`a[href^="/keys/new?sub=sub_"]`)
	b.until("the form knows whose key it is", `document.querySelector('#sub')?.selectedOptions[0].textContent === 'Market maker'`)
	b.click(`.end a[href="/keys"]`)
	b.at("/keys")
	b.click(`a[href="/subaccounts"]`)
	b.at("/subaccounts")
	b.click(`.row a[href^="/subaccounts/sub_"]`)

	b.press(`form[action$="/freeze"] button`, `document.querySelector('.receipt')`)
	b.shows("The sub-account “Market maker” is frozen.")
	b.press(`form[action$="/thaw"] button`, `document.querySelector('form[action$="/freeze"]') && document.querySelector('.receipt')`)
	b.shows("The sub-account “Market maker” works again.")

	b.click(`a[href$="/close"]`)
	b.until("what would stop is shown", `location.pathname.endsWith('/close') && document.readyState === 'complete'`)
	b.press(`form[action$="/close"] button`, `location.pathname === '/subaccounts'`)
	b.shows("is closed, and its keys have ended.")
}
