package apikey_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

const authority = signintest.API

var (
	home    = netip.MustParseAddr("203.0.113.7")
	foreign = netip.MustParseAddr("198.51.100.9")
)

// owner is a person with a bot.
type owner struct {
	t *testing.T
	w *signintest.World
	p *signintest.Person
}

// each runs a story over both databases, in a process that is older than any request.
func each(t *testing.T, story func(t *testing.T, o *owner)) {
	t.Helper()
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		o := &owner{t: t, w: w, p: w.NewPerson()}
		w.Must(o.p.SignUp())
		w.Clock.Sleep(time.Minute)
		story(t, o)
	})
}

type call struct {
	method, path, query, body string
	peer                      netip.Addr
	header                    http.Header // set after signing
}

func (o *owner) request(bot *softkey.Bot, c call) *apikey.Request {
	r := &http.Request{Method: c.method, URL: &url.URL{Path: c.path, RawQuery: c.query}, Header: http.Header{}}
	bot.Sign(r, []byte(c.body), o.w.DB.Now())
	for name, v := range c.header {
		r.Header[name] = v
	}
	if !c.peer.IsValid() {
		c.peer = home
	}
	return &apikey.Request{Method: c.method, Authority: authority, Path: c.path, Query: c.query, Header: r.Header, Body: []byte(c.body), Peer: c.peer}
}

var (
	balance = call{method: "GET", path: "/v1/balance"}
	order   = call{method: "POST", path: "/v1/orders", body: `{"symbol":"BTC-USD","side":"buy","quantity":"0.1","price":"100"}`}
	look    = apikey.Need{Scope: apikey.ReadAccount, Class: apikey.ClassRead}
	trade   = apikey.Need{Scope: apikey.TradeSpot, Class: apikey.ClassTrade, Symbol: "BTC-USD"}
	cancel  = apikey.Need{Scope: apikey.TradeCancel, Class: apikey.ClassCancel}
)

// answers says what a request gets: "" or a code, in brackets when it was told before proof.
func (o *owner) answers(r *apikey.Request, n apikey.Need) string {
	_, refused := o.w.BotKeys.Verify(context.Background(), r, n)
	switch {
	case refused == nil:
		return ""
	case !refused.Proved:
		return "(" + string(refused.Code) + ")"
	}
	return string(refused.Code)
}

func (o *owner) want(r *apikey.Request, n apikey.Need, want string) {
	o.t.Helper()
	if got := o.answers(r, n); got != want {
		o.t.Errorf("answered %q, want %q", got, want)
	}
}

var trading = apikey.NewKey{Scopes: apikey.ReadAccount | apikey.TradeSpot | apikey.TradeCancel, Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}}

func TestABotTrades(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		for _, alg := range []apikey.Alg{"", apikey.HMACSHA256} {
			n := trading
			n.Alg = alg
			bot, key := o.p.Bot(n)
			o.want(o.request(bot, balance), look, "")
			r := o.request(bot, order)
			d, refused := o.w.BotKeys.Verify(t.Context(), r, trade)
			if refused != nil || d.Key.ID != key.ID || !strings.HasPrefix(d.ID.String(), "dec_") {
				t.Fatalf("%+v, %v", d, refused)
			}
			_, again := o.w.BotKeys.Verify(t.Context(), r, trade)
			if again == nil || again.Code != apikey.Replayed || again.First != d.ID.String() {
				t.Errorf("the same order again: %+v, want REPLAYED of %s", again, d.ID)
			}
			same := o.request(bot, balance)
			o.want(same, look, "")
			o.want(same, look, "") // two equal reads are legal
		}
	})
}

func TestWhatIsRefusedBeforeAnythingIsProved(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(trading)
		n := trading
		n.Alg = apikey.HMACSHA256
		secretive, _ := o.p.Bot(n)
		stranger := softkey.NewBot(authority)
		stranger.ID = bot.ID
		elsewhere := *bot
		elsewhere.Authority = "api.evil.example"
		confused := &softkey.Bot{ID: bot.ID, Authority: authority, Secret: string(bot.Public())}
		header := func(r *apikey.Request, name string, values ...string) *apikey.Request {
			r.Header[name] = values
			return r
		}
		edit := func(r *apikey.Request, f func(*apikey.Request)) *apikey.Request { f(r); return r }
		in := func(r *apikey.Request) string { return r.Header.Get("Signature-Input") }
		for _, row := range []struct {
			name string
			r    *apikey.Request
		}{
			{"no signature", header(o.request(bot, order), "Signature")},
			{"a signature twice", header(o.request(bot, order), "Signature", "sig1=:AA==:", "sig1=:AA==:")},
			{"two inputs", edit(o.request(bot, order), func(r *apikey.Request) { r.Header["Signature-Input"] = []string{in(r), in(r)} })},
			{"another label", edit(o.request(bot, order), func(r *apikey.Request) { r.Header.Set("Signature-Input", "x"+in(r)) })},
			{"an unknown parameter", edit(o.request(bot, order), func(r *apikey.Request) { r.Header.Set("Signature-Input", in(r)+`;x=1`) })},
			{"a key that signs for another", o.request(stranger, order)},
			{"a public key as the secret of a MAC", o.request(confused, order)},
			{"signed for another host", o.request(&elsewhere, order)},
			{"a body that was changed", edit(o.request(bot, order), func(r *apikey.Request) { r.Body = bytes.Replace(r.Body, []byte("0.1"), []byte("9.9"), 1) })},
			{"a body that was added", edit(o.request(bot, call{method: "DELETE", path: "/v1/orders/1"}), func(r *apikey.Request) { r.Body = []byte("x") })},
			{"a method that was changed", edit(o.request(bot, order), func(r *apikey.Request) { r.Method = "PUT" })},
			{"a query that was added", edit(o.request(bot, balance), func(r *apikey.Request) { r.Query = "asset=BTC" })},
			{"a path spelled otherwise", edit(o.request(bot, balance), func(r *apikey.Request) { r.Path = "/v1/%62alance" })},
			{"an unknown key", o.request(&softkey.Bot{ID: "kwk_live_624pQIqInkHVHkCi2Zzf8m1OGkRF", Authority: authority, Secret: "x"}, order)},
			{"a key with a wrong checksum", o.request(&softkey.Bot{ID: "kwk_live_624pQIqInkHVHkCi2Zzf8m1OGkRG", Authority: authority, Secret: "x"}, order)},
			{"a foreign key from a foreign address", o.request(stranger, call{method: "GET", path: "/v1/balance", peer: foreign})},
			{"a wrong secret from a foreign address", o.request(&softkey.Bot{ID: secretive.ID, Authority: authority, Secret: "kws_"}, call{method: "GET", path: "/v1/balance", peer: foreign})},
		} {
			t.Run(row.name, func(t *testing.T) { (&owner{t, o.w, o.p}).want(row.r, trade, "(AUTH_FAILED)") })
		}
	})
}

func TestWhatIsToldOnceTheSignatureHolds(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := trading
		n.Alg, n.Symbols, n.PerMin = apikey.HMACSHA256, []string{"BTC-USD"}, 6000
		bot, _ := o.p.Bot(n)
		late, early := *bot, *bot
		late.Skew, early.Skew = -11*time.Second, 3*time.Second
		browser := order
		for _, row := range []struct {
			name string
			r    *apikey.Request
			need apikey.Need
			want string
		}{
			{"from a foreign address", o.request(bot, call{method: "GET", path: "/v1/balance", peer: foreign}), look, "IP_NOT_ALLOWED"},
			{"IPv4 in IPv6 is the same place", o.request(bot, call{method: "GET", path: "/v1/balance", peer: netip.MustParseAddr("::ffff:203.0.113.7")}), look, ""},
			{"signed too long ago", o.request(&late, order), trade, "TIMESTAMP_OUTSIDE_WINDOW"},
			{"signed in the future", o.request(&early, order), trade, "TIMESTAMP_OUTSIDE_WINDOW"},
			{"a right it does not have", o.request(bot, order), apikey.Need{Scope: apikey.Withdraw, Class: apikey.ClassWithdraw}, "SCOPE_MISSING"},
			{"a market it may not trade", o.request(bot, order), apikey.Need{Scope: apikey.TradeSpot, Class: apikey.ClassTrade, Symbol: "DOGE-USD"}, "SYMBOL_NOT_ALLOWED"},
			{"from a web page", o.request(bot, with(browser, "Sec-Fetch-Site", "cross-site")), trade, "KEY_IN_BROWSER"},
			{"from a page of ours", o.request(bot, with(browser, "Origin", "https://app.example.com")), trade, "KEY_IN_BROWSER"},
			{"from a program that fetches", o.request(bot, with(browser, "Sec-Fetch-Mode", "cors")), trade, ""},
		} {
			t.Run(row.name, func(t *testing.T) { (&owner{t, o.w, o.p}).want(row.r, row.need, row.want) })
		}
	})
}

func with(c call, name, value string) call {
	c.header = http.Header{name: {value}}
	return c
}

func TestAKeyThatLapsesCanStillCancel(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := trading
		n.Life = 24 * time.Hour
		bot, _ := o.p.Bot(n)
		o.w.Clock.Sleep(25 * time.Hour)
		o.want(o.request(bot, order), trade, "EXIT_ONLY")
		o.want(o.request(bot, balance), look, "")
		o.want(o.request(bot, call{method: "DELETE", path: "/v1/orders/1"}), cancel, "")
		o.w.Clock.Sleep(7 * 24 * time.Hour)
		o.want(o.request(bot, balance), look, "KEY_EXPIRED")
	})
}

func TestWhatTheOwnerEndsIsRefusedAtOnce(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(trading)
		o.want(o.request(bot, balance), look, "")
		_, err := o.w.Contain.EndBotKey(t.Context(), o.p.Cause(), o.p.Account, key.ID)
		o.w.Must(err)
		o.want(o.request(bot, balance), look, "(AUTH_FAILED)")
		_, err = o.w.Contain.EndBotKey(t.Context(), o.p.Cause(), o.p.Account, key.ID)
		o.w.Refused(err, apikey.ErrUnknown)
		if n := o.w.Count("apikey_version WHERE sealed IS NOT NULL"); n != 0 {
			t.Errorf("%d secrets are left of ended keys", n)
		}
	})
}

func TestAFreezeLeavesBotsTheWayOut(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(trading)
		o.want(o.request(bot, order), trade, "")
		_, err := o.w.Contain.Freeze(t.Context(), o.p.Cause(), o.p.Account, "page")
		o.w.Must(err)
		o.want(o.request(bot, order), trade, "ACCOUNT_FROZEN")
		o.want(o.request(bot, call{method: "DELETE", path: "/v1/orders/1"}), cancel, "")
	})
}

func TestLeastPowerIsWhereKeysBegin(t *testing.T) {
	pub := softkey.NewBot(authority).Public()
	here := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	for _, row := range []struct {
		name string
		n    apikey.NewKey
		want error
	}{
		{"to look, from anywhere", apikey.NewKey{Purpose: "tax", Public: pub, Scopes: apikey.ReadAccount}, nil},
		{"no purpose", apikey.NewKey{Public: pub, Scopes: apikey.ReadAccount}, apikey.ErrPurpose},
		{"no right", apikey.NewKey{Purpose: "tax", Public: pub}, apikey.ErrScopes},
		{"to trade from anywhere", apikey.NewKey{Purpose: "bot", Public: pub, Scopes: apikey.TradeSpot}, apikey.ErrNeedsPlaces},
		{"to trade from known addresses", apikey.NewKey{Purpose: "bot", Public: pub, Scopes: apikey.TradeSpot, Allow: here}, nil},
		{"to withdraw with a secret that two know", apikey.NewKey{Purpose: "bot", Alg: apikey.HMACSHA256, Scopes: apikey.Withdraw, Allow: here}, apikey.ErrWithdrawKey},
		{"to withdraw from anywhere", apikey.NewKey{Purpose: "bot", Public: pub, Scopes: apikey.Withdraw}, apikey.ErrWithdrawKey},
		{"to withdraw from a sub-account", apikey.NewKey{Purpose: "bot", Public: pub, Sub: "sub_1", Scopes: apikey.Withdraw, Allow: here}, apikey.ErrWithdrawKey},
		{"to withdraw for a partner", apikey.NewKey{Purpose: "bot", Public: pub, Partner: "Bot Shop", Scopes: apikey.Withdraw, Allow: here}, apikey.ErrWithdrawKey},
		{"with the public key of a point of small order", apikey.NewKey{Purpose: "bot", Public: make([]byte, 32), Scopes: apikey.ReadAccount}, apikey.ErrPublic},
		{"for two years", apikey.NewKey{Purpose: "bot", Public: pub, Scopes: apikey.ReadAccount, Life: 2 * 365 * 24 * time.Hour}, apikey.ErrLife},
	} {
		if _, err := row.n.Checked(); !errors.Is(err, row.want) && !(err == nil && row.want == nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

func TestAddressesAKeyCanBeTiedTo(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"203.0.113.7", "203.0.113.7/32"},
		{"203.0.113.0/24, 2001:db8::/64", "203.0.113.0/24 2001:db8::/64"},
		{"::ffff:203.0.113.7", "203.0.113.7/32"},
		{"203.0.0.0/16", "refused"}, // too wide to be a place
		{"0.0.0.0/0", "refused"},
		{"::/0", "refused"},
		{"203.0.113.7/24", "refused"}, // not what its owner meant
		{"fe80::1%eth0", "refused"},
		{"localhost", "refused"},
		{"203.0.113.07", "refused"},
	} {
		got := "refused"
		if list, err := apikey.ParsePlaces(row.text); err == nil {
			got = ""
			for i, p := range list {
				if i > 0 {
					got += " "
				}
				got += p.String()
			}
		}
		if got != row.want {
			t.Errorf("%s: %s, want %s", row.text, got, row.want)
		}
	}
}

func TestWideningTakesATouchAndNarrowingDoesNot(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(trading)
		e := key.Edit()
		e.Scopes = apikey.ReadAccount | apikey.TradeCancel
		k, err := o.w.BotKeys.Change(t.Context(), o.p.Cause(), o.p.By(), key.ID, key.Version, e)
		o.w.Must(err)
		o.want(o.request(bot, order), trade, "SCOPE_MISSING")
		e.Scopes |= apikey.TradeSpot
		_, err = o.w.BotKeys.Change(t.Context(), o.p.Cause(), o.p.By(), key.ID, key.Version, e)
		o.w.Refused(err, apikey.ErrChanged)
		_, err = o.w.BotKeys.Change(t.Context(), o.p.Cause(), o.p.By(), key.ID, k.Version, e)
		o.w.Refused(err, device.ErrStepUp)
		act := k.ChangeAct(e)
		o.p.Touch(act.Kind, act.Object)
		_, err = o.w.BotKeys.Change(t.Context(), o.p.Cause(), o.p.By(), key.ID, k.Version, e)
		o.w.Must(err)
		o.want(o.request(bot, order), trade, "")
	})
}

func TestATouchForOneKeyMakesNoOther(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := apikey.NewKey{Purpose: "tax report", Scopes: apikey.ReadAccount, Public: softkey.NewBot(authority).Public()}
		checked, err := n.Checked()
		o.w.Must(err)
		o.p.Touch(checked.Act().Kind, checked.Act().Object)
		wider := n
		wider.Scopes, wider.Allow = apikey.TradeSpot, trading.Allow
		_, err = o.w.BotKeys.Add(t.Context(), o.p.Cause(), o.p.By(), wider)
		o.w.Refused(err, device.ErrStepUp)
		o.w.Must(o.w.DB.Update(t.Context(), o.p.Cause(), func(tx *store.Tx) error {
			if _, err := o.w.Accounts.Hold(tx, o.p.Account, account.HoldKeys, tx.Now.Add(time.Hour), "A recovery is under way."); err != nil {
				return err
			}
			_, err := o.w.Log.Append(tx, audit.Event{Action: "account.updated", Account: string(o.p.Account), Target: string(o.p.Account),
				Effects: []audit.Effect{{Kind: "account", ID: string(o.p.Account), Version: 9}}})
			return err
		}))
		_, err = o.w.BotKeys.Add(t.Context(), o.p.Cause(), o.p.By(), n)
		o.w.Refused(err, apikey.ErrHeld)
	})
}

// knownPhone is a second device that has been known for more than a day; both are signed
// in anew.
func (o *owner) knownPhone() *signintest.Person {
	phone := o.p.Elsewhere().In()
	o.w.Clock.Sleep(25 * time.Hour)
	o.p.In()
	return phone.In()
}

func TestWithdrawingIsBornLockedAndOpensOnASecondDevice(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		phone := &owner{t, o.w, o.knownPhone()}
		bot, key := o.p.Bot(apikey.NewKey{Scopes: apikey.Withdraw, Allow: trading.Allow})
		need := apikey.Need{Scope: apikey.Withdraw, Class: apikey.ClassWithdraw}
		o.want(o.request(bot, order), need, "WITHDRAW_LOCKED")
		o.p.Touch(device.ActBotKeyUnlock, string(key.ID))
		_, err := o.w.BotKeys.Unlock(t.Context(), o.p.Cause(), o.p.By(), key.ID)
		o.w.Refused(err, apikey.ErrSecondDevice)
		fresh := o.p.Elsewhere().In() // a private window with the same passkey
		fresh.Touch(device.ActBotKeyUnlock, string(key.ID))
		_, err = o.w.BotKeys.Unlock(t.Context(), fresh.Cause(), fresh.By(), key.ID)
		o.w.Refused(err, apikey.ErrSecondDevice)
		_, err = o.w.BotKeys.Unlock(t.Context(), phone.p.Cause(), phone.p.By(), key.ID)
		o.w.Refused(err, device.ErrStepUp)
		phone.p.Touch(device.ActBotKeyUnlock, string(key.ID))
		_, err = o.w.BotKeys.Unlock(t.Context(), phone.p.Cause(), phone.p.By(), key.ID)
		o.w.Must(err)
		o.want(o.request(bot, order), need, "")
	})
}

func TestTheStoryOfAKey(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := trading
		n.Alg = apikey.HMACSHA256
		bot, key := o.p.Bot(n)
		for range 3 {
			o.want(o.request(bot, balance), look, "")
		}
		o.want(o.request(bot, call{method: "GET", path: "/v1/balance", peer: foreign}), look, "IP_NOT_ALLOWED")
		o.w.Must(o.w.BotKeys.Flush(t.Context()))
		o.w.Must(o.w.DB.View(t.Context(), func(tx *store.Tx) error {
			k, err := o.w.BotKeys.ByID(tx, o.p.Account, key.ID)
			if err != nil {
				return err
			}
			if k.UsedAt.IsZero() || k.UsedAddr != home.String() {
				t.Errorf("last used %v from %q", k.UsedAt, k.UsedAddr)
			}
			story, err := o.w.BotKeys.Story(tx, k, o.w.DB.Now().Add(-time.Hour), o.w.DB.Now().Add(time.Hour))
			if err != nil {
				return err
			}
			if len(story) != 2 || story[0].N+story[1].N != 4 {
				t.Errorf("%+v", story)
			}
			refused, err := o.w.BotKeys.Refusals(tx, k, o.w.DB.Now().Add(-time.Hour))
			if err == nil && (len(refused) != 1 || refused[0].Code != apikey.IPNotAllowed || refused[0].Addr != foreign.String()) {
				t.Errorf("%+v", refused)
			}
			return err
		}))
	})
}

func TestAProcessThatHasJustStartedTakesNoOrderItMightHaveTakenBefore(t *testing.T) {
	db := storetest.SQLite(t)
	w := signintest.New(t, db, nil)
	o := &owner{t: t, w: w, p: w.NewPerson()}
	w.Must(o.p.SignUp())
	bot, _ := o.p.Bot(trading)
	o.want(o.request(bot, order), trade, "STARTING")
	o.want(o.request(bot, balance), look, "")
}

func TestAfterARestoreKeysWaitForTheirOwners(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(trading)
		o.want(o.request(bot, order), trade, "")
		o.w.Must(o.w.DB.Update(t.Context(), store.Cause{Actor: "operator:test"}, func(tx *store.Tx) error {
			ended, err := apikey.Restored(tx)
			if err == nil {
				_, err = o.w.Log.Append(tx, audit.Event{Action: "audit.restore_accepted", Target: "log", Effects: ended, Payload: map[string]string{"size": "1", "anchor": "2"}})
			}
			return err
		}))
		o.want(o.request(bot, order), trade, "KEY_QUARANTINED")
		o.want(o.request(bot, balance), look, "")
		back := &owner{t, o.w, o.p.Elsewhere().In()}
		_, err := o.w.BotKeys.Release(t.Context(), back.p.Cause(), back.p.By(), key.ID)
		o.w.Refused(err, device.ErrStepUp)
		back.p.Touch(device.ActBotKeyRelease, string(key.ID))
		_, err = o.w.BotKeys.Release(t.Context(), back.p.Cause(), back.p.By(), key.ID)
		o.w.Must(err)
		o.want(o.request(bot, order), trade, "")
	})
}

func TestASecretInAWebPage(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(trading)
		page := func() *apikey.Request { return o.request(bot, with(order, "Origin", "https://portfolio.example")) }
		for range 3 { // one load of the page
			o.want(page(), trade, "KEY_IN_BROWSER")
		}
		o.want(o.request(bot, order), trade, "") // its owner's own bot goes on, and its owner is told
		o.w.Clock.Sleep(2 * time.Minute)
		o.want(page(), trade, "KEY_IN_BROWSER")
		o.want(o.request(bot, order), trade, "KEY_QUARANTINED")
		o.want(o.request(bot, call{method: "DELETE", path: "/v1/orders/1"}), cancel, "")
		// The request was refused, and what it brought about stays: read from the rows.
		if n := o.w.Count("apikey_key WHERE status = 'quarantined' AND ended_why = 'in_browser' AND browser_at > 0"); n != 1 {
			t.Errorf("%d keys are in quarantine in the database", n)
		}
		if got := o.w.Events(o.p.Account); strings.Count(got, "apikey.in_browser") != 1 || strings.Count(got, "apikey.quarantined") != 1 {
			t.Errorf("the log says %s", got)
		}
	})
}
