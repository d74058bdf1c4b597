package web

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

func pemOf(t *testing.T, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// wish is the form of a new key, changed.
func wish(t *testing.T, change ...string) []string {
	t.Helper()
	bot := softkey.NewBot("api.example.com")
	v := url.Values{"where": {"server"}, "purpose": {"Grid bot on my VPS"}, "scope": {"read.account"}, "places": {"203.0.113.7"}, "symbols": {""}, "days": {"90"},
		"kind": {"ed25519"}, "public": {pemOf(t, ed25519.PublicKey(bot.Public()))}}
	for i := 0; i < len(change); i += 2 {
		v[change[i]] = strings.Split(change[i+1], "+")
		if change[i] != "scope" {
			v[change[i]] = []string{change[i+1]}
		}
	}
	var pairs []string
	for name, values := range v {
		for _, value := range values {
			pairs = append(pairs, name, value)
		}
	}
	return pairs
}

// touchFor gives the touch that a form was led away for.
func (d *desk) touchFor(w *httptest.ResponseRecorder) {
	d.t.Helper()
	to, err := url.Parse(w.Header().Get("Location"))
	if w.Code != 303 || err != nil || to.Path != "/stepup" {
		d.t.Fatalf("not led to a touch: %d %s %s", w.Code, w.Header().Get("Location"), w.Body)
	}
	d.p.Touch(to.Query().Get("act"), to.Query().Get("object"))
}

var anID = regexp.MustCompile(`kwk_live_[0-9A-Za-z]{28}`)

// makes gives the touch for a key and makes it.
func (d *desk) makes(pairs []string) (apikey.ID, *httptest.ResponseRecorder) {
	d.t.Helper()
	d.touchFor(d.form("/keys/new", pairs...))
	w := d.form("/keys/new", pairs...)
	if w.Code != 200 {
		d.t.Fatalf("with the touch: %d %s", w.Code, w.Body)
	}
	return apikey.ID(anID.FindString(w.Body.String())), w
}

func (d *desk) keys() (keys []apikey.Key) {
	d.t.Helper()
	d.w.Must(d.w.DB.View(d.t.Context(), func(tx *store.Tx) (err error) {
		keys, err = d.w.BotKeys.List(tx, d.p.Account)
		return err
	}))
	return keys
}

// says checks that a page says each of the words.
func (d *desk) says(w *httptest.ResponseRecorder, words ...string) {
	d.t.Helper()
	for _, word := range words {
		if !strings.Contains(w.Body.String(), word) {
			d.t.Errorf("%d, without %q: %s", w.Code, word, w.Body)
		}
	}
}

func TestAKeyIsMadeWithATouchForExactlyIt(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		d := deskIn(t, w, true)
		d.says(d.open("/keys"), "No program has a key.")
		d.says(d.open("/keys/new"), `value="read.account" checked`, `value="90"`, "openssl genpkey -algorithm ed25519", "This browser comes from <bdi>"+signintest.Home.String()+"</bdi>")
		if strings.Contains(d.open("/keys/new").Body.String(), `">`+signintest.Home.String()+`</textarea>`) {
			t.Error("the address was filled in")
		}

		reading := wish(t)
		d.touchFor(d.form("/keys/new", reading...))
		if got := len(d.keys()); got != 0 {
			t.Fatalf("%d keys without a touch", got)
		}
		// The touch for a reading key makes no trading one.
		d.touchFor(d.form("/keys/new", wish(t, "scope", "read.account+trade.spot")...))
		made := d.form("/keys/new", reading...)
		d.says(made, "The key is made", "The bot signs with its private half", "Start the bot")
		keys := d.keys()
		if len(keys) != 1 || keys[0].Scopes != apikey.ReadAccount || keys[0].Alg != apikey.Ed25519 || keys[0].Expires.Sub(keys[0].Made.At) != 90*24*time.Hour {
			t.Fatalf("%+v", keys)
		}
		d.touchFor(d.form("/keys/new", reading...)) // the touch is used up
		d.says(d.open("/keys"), "Grid bot on my VPS", "If leaked: someone could see what you own.", "In 90 days", "<bdi>203.0.113.7</bdi>", "Never", string(keys[0].ID), "Firefox on Linux")
	})
}

func TestASecretIsShownOnce(t *testing.T) {
	d := newDesk(t, true)
	id, w := d.makes(wish(t, "kind", "hmac-sha256", "public", "", "places", ""))
	secret := regexp.MustCompile(`kws_live_[0-9A-Za-z]{49}`).FindString(w.Body.String())
	if !apikey.IsSecret(secret) || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("no secret, or one that is stored: %q %v", secret, w.Header())
	}
	d.says(w, "This is the only time it is shown.", "It works from anywhere.")
	for _, path := range []string{"/keys", "/keys/" + string(id), "/keys/" + string(id) + "/end", "/activity"} {
		if w := d.open(path); w.Code != 200 || strings.Contains(w.Body.String(), secret[9:30]) {
			t.Errorf("%s: %d, or it has the secret", path, w.Code)
		}
	}
	d.says(d.open("/keys"), "From anywhere", "works from anywhere. Name the addresses of its server.")
}

func TestWhatNoKeyCanBe(t *testing.T) {
	d := newDesk(t, true)
	pair, err := rsa.GenerateKey(rand.Reader, 2048)
	d.w.Must(err)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	d.w.Must(err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	d.w.Must(err)
	privatePEM := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	weak := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, c := range []struct {
		what   string
		change []string
		says   string
	}{
		{"a key without a purpose", []string{"purpose", " "}, "apikey_purpose"},
		{"a key that may do nothing", []string{"scope", ""}, "apikey_scopes"},
		{"a right that does not exist", []string{"scope", "read.all"}, "apikey_scopes"},
		{"a trading key that works from anywhere", []string{"scope", "trade.spot", "places", ""}, "apikey_needs_addresses"},
		{"a shared secret that could withdraw", []string{"scope", "withdraw", "kind", "hmac-sha256", "public", ""}, "apikey_withdraw"},
		{"a whole network as a place", []string{"places", "10.0.0.0/8"}, "apikey_address"},
		{"a key that lives for ten years", []string{"days", "3650"}, "apikey_limits"},
		{"a key that lives for a word", []string{"days", "ever"}, "apikey_limits"},
		{"a symbol that no exchange writes", []string{"symbols", "BTC KRW <b>"}, "apikey_scopes"},
		{"no public key", []string{"public", ""}, "apikey_public"},
		{"an RSA key", []string{"public", pemOf(t, &pair.PublicKey)}, "apikey_public"},
		{"two keys in one PEM", []string{"public", pemOf(t, private.Public()) + pemOf(t, private.Public())}, "apikey_public"},
		{"a key of small order, which any signature fits", []string{"public", weak}, "apikey_public"},
		{"a private key as PEM", []string{"public", privatePEM}, "That was a private key. We did not keep it."},
		{"a private key in bare base64", []string{"public", base64.StdEncoding.EncodeToString(der)}, "That was a private key. We did not keep it."},
		{"a private key of 64 bytes", []string{"public", base64.StdEncoding.EncodeToString(private)}, "That was a private key. We did not keep it."},
		{"an algorithm that we do not have", []string{"kind", "rsa", "public", ""}, "apikey_public"},
		{"a key in a web page", []string{"where", "page"}, "No key was made."},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := d.form("/keys/new", wish(t, c.change...)...)
			if w.Code < 400 || w.Code > 422 || !strings.Contains(w.Body.String(), c.says) || !strings.Contains(w.Body.String(), `action="/keys/new"`) {
				t.Errorf("%d, without %q: %s", w.Code, c.says, w.Body)
			}
			if c.what[:10] == "a private " && strings.Contains(w.Body.String(), base64.StdEncoding.EncodeToString(der)[20:40]) {
				t.Error("the private key stands in the page")
			}
		})
	}
	if got := len(d.keys()); got != 0 {
		t.Errorf("%d keys", got)
	}
}

func TestPublicKeysAreReadInAllTheirForms(t *testing.T) {
	public := softkey.NewBot("api.example.com").Public()
	whole := pemOf(t, ed25519.PublicKey(public))
	block, _ := pem.Decode([]byte(whole))
	for what, text := range map[string]string{
		"PEM": whole, "PEM with the line ends of Windows": strings.ReplaceAll(whole, "\n", "\r\n"), "PEM with space around it": "\n  " + whole + "\n\n",
		"32 bytes of base64": base64.StdEncoding.EncodeToString(public), "32 bytes of base64url": base64.RawURLEncoding.EncodeToString(public),
		"PEM without its lines": base64.StdEncoding.EncodeToString(block.Bytes),
	} {
		if got, err := publicKey(text); err != nil || string(got) != string(public) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAnothersKeyIsUnknown(t *testing.T) {
	w := signintest.New(t, storetest.SQLite(t), nil)
	alice, bob := deskIn(t, w, true), deskIn(t, w, true)
	id, _ := alice.makes(wish(t))
	const never = "kwk_live_00000000000000000000000000000"
	for _, path := range []string{"", "/end", "/used"} {
		for _, of := range []string{string(id), never} {
			if got := bob.open("/keys/" + of + path); got.Code != 404 || !strings.Contains(got.Body.String(), "There is no such key here") {
				t.Errorf("GET %s: %d", of+path, got.Code)
			}
		}
	}
	for path, form := range map[string][]string{
		"": {"version", "1", "purpose", "Mine now", "scope", "read.account", "until", "2026-05-30", "per_min", "60"}, "/end": nil, "/place": {"addr", "198.51.100.9", "version", "1"}, "/unlock": nil,
	} {
		for _, of := range []string{string(id), never} {
			if got := bob.form("/keys/"+of+path, form...); got.Code != 404 {
				t.Errorf("POST %s: %d %s", of+path, got.Code, got.Body)
			}
		}
	}
	if k := alice.keys()[0]; k.Status != apikey.Active || k.Version != 1 {
		t.Errorf("%+v", k)
	}
}

// A recovery code opens a session that may look and end, and never makes what acts.
func TestARecoveryCodeEndsAndMakesNothing(t *testing.T) {
	d := newDesk(t, true)
	id, _ := d.makes(wish(t))
	codes := d.p.Codes()
	d.w.Must(d.p.SignInByCode(codes[0]))
	if w := d.form("/keys/new", wish(t)...); w.Code != 403 || !strings.Contains(w.Body.String(), "insufficient_power") {
		t.Errorf("making: %d %s", w.Code, w.Body)
	}
	if w := d.open("/keys"); strings.Contains(w.Body.String(), `href="/keys/new"`) {
		t.Error("the page offers what it would refuse")
	}
	k := d.keys()[0]
	widen := d.changed(k, "scope", "read.account+trade.spot")
	if w := d.form("/keys/"+string(id), widen...); w.Code != 403 {
		t.Errorf("widening: %d", w.Code)
	}
	if w := d.form("/keys/" + string(id) + "/end"); w.Code != 303 {
		t.Errorf("ending: %d %s", w.Code, w.Body)
	}
	if k := d.keys()[0]; k.Status != apikey.Revoked {
		t.Errorf("%+v", k)
	}
}

// changed is the form of a key as it stands, changed.
func (d *desk) changed(k apikey.Key, change ...string) []string {
	f := BotKeyForm{Purpose: k.Purpose, Scopes: k.Scopes.Names(), Places: lines(k.Allow), Deny: lines(k.Deny), Symbols: strings.Join(k.Symbols, " ")}
	v := url.Values{"version": {strconv.FormatInt(k.Version, 10)}, "purpose": {f.Purpose}, "scope": f.Scopes, "places": {f.Places}, "deny": {f.Deny}, "symbols": {f.Symbols},
		"until": {k.Expires.UTC().Format(time.DateOnly)}, "per_min": {strconv.Itoa(k.PerMin)}}
	for i := 0; i < len(change); i += 2 {
		v[change[i]] = []string{change[i+1]}
		if change[i] == "scope" {
			v["scope"] = strings.Split(change[i+1], "+")
		}
	}
	var pairs []string
	for name, values := range v {
		for _, value := range values {
			pairs = append(pairs, name, value)
		}
	}
	return pairs
}

func TestAKeyIsNarrowedFreelyAndWidenedWithATouch(t *testing.T) {
	d := newDesk(t, true)
	id, _ := d.makes(wish(t, "scope", "read.account+read.orders+trade.spot"))
	path := "/keys/" + string(id)

	if w := d.form(path, d.changed(d.keys()[0])...); w.Code != 303 || d.keys()[0].Scopes.Names()[0] != "read.account" {
		t.Fatalf("a form that nobody touched: %d %s", w.Code, w.Body)
	}
	w := d.form(path, d.changed(d.keys()[0], "scope", "read.account", "purpose", "Only looks now")...)
	if w.Code != 303 || w.Header().Get("Location") != path {
		t.Fatalf("narrowing: %d %s", w.Code, w.Body)
	}
	if page := d.then(w); !strings.Contains(page, "The key “Only looks now” is changed.") {
		t.Errorf("no receipt: %s", page)
	}
	k := d.keys()[0]
	if k.Scopes != apikey.ReadAccount {
		t.Fatalf("%s", k.Scopes)
	}
	if w := d.form(path, d.changed(k, "places", "10.0.0.0/8")...); w.Code != 400 || !strings.Contains(w.Body.String(), "10.0.0.0/8</textarea>") || !strings.Contains(w.Body.String(), "apikey_address") {
		t.Errorf("a wrong address: %d %s", w.Code, w.Body)
	}
	d.says(d.open("/stepup?act=botkeys.change&object="+string(id)), "For the key", "Only looks now")
	if w := d.open("/stepup?act=botkeys.change&object=kwk_live_0000000000000000000000000000"); w.Code != 404 {
		t.Errorf("a touch for no key: %d", w.Code)
	}
	stale := d.changed(k, "scope", "read.account+trade.spot")
	d.touchFor(d.form(path, stale...))
	if w := d.form(path, stale...); w.Code != 303 || d.keys()[0].Scopes != apikey.ReadAccount|apikey.TradeSpot {
		t.Fatalf("with the touch: %d %s", w.Code, w.Body)
	}
	if w := d.form(path, stale...); w.Code != 409 || !strings.Contains(w.Body.String(), "apikey_changed") {
		t.Errorf("an old form: %d", w.Code)
	}
	longer := d.changed(d.keys()[0], "until", d.keys()[0].Expires.UTC().AddDate(0, 0, 10).Format(time.DateOnly))
	d.touchFor(d.form(path, longer...))
}

// A bot is refused at a new address; its owner sees where and why, and lets it in.
func TestARefusedAddressIsAddedFromTheList(t *testing.T) {
	d := newDesk(t, true)
	bot := softkey.NewBot("api.example.com")
	id, _ := d.makes(wish(t, "public", base64.StdEncoding.EncodeToString(bot.Public())))
	bot.ID = string(id)
	call := func(from string) *apikey.Refusal {
		r := httptest.NewRequest("GET", "https://api.example.com/balances", nil)
		now := d.w.DB.Now()
		bot.Sign(r, nil, now)
		_, refusal := d.w.BotKeys.Verify(t.Context(), &apikey.Request{Method: "GET", Authority: "api.example.com", Path: "/balances", Header: r.Header, Peer: netip.MustParseAddr(from)},
			apikey.Need{Scope: apikey.ReadAccount, Class: apikey.ClassRead})
		d.w.Must(d.w.BotKeys.Flush(t.Context()))
		return refusal
	}
	if err := call("198.51.100.9"); err == nil {
		t.Fatal("it was let in")
	}
	page := d.open("/keys")
	d.says(page, "1 call refused in 7 days", "The address is not on this key’s list.", "198.51.100.9", "IP_NOT_ALLOWED", `action="/keys/`+string(id)+`/place"`)
	if got := d.open("/keys/" + string(id) + "/used").Body.String(); !strings.Contains(got, `"used":false`) {
		t.Error(got)
	}
	d.touchFor(d.form("/keys/"+string(id)+"/place", "addr", "198.51.100.9", "version", "1"))
	w := d.form("/keys/"+string(id)+"/place", "addr", "198.51.100.9", "version", "1")
	if w.Code != 303 || !strings.Contains(d.then(w), "works from one more address") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := d.form("/keys/"+string(id)+"/place", "addr", "10.0.0.0/8", "version", "2"); w.Code != 400 {
		t.Errorf("a network: %d", w.Code)
	}
	if strings.Contains(d.open("/keys").Body.String(), "/place") {
		t.Error("the page offers what is there already")
	}
	if err := call("198.51.100.9"); err != nil {
		t.Fatalf("refused after it: %+v", err)
	}
	if got := d.open("/keys/" + string(id) + "/used").Body.String(); !strings.Contains(got, `"used":true`) || !strings.Contains(got, "198.51.100.9") {
		t.Error(got)
	}
	d.says(d.open("/keys/"+string(id)), "Looking, 1 call", "Let in", "Refused")
	if w := d.form("/keys/" + string(id) + "/end"); w.Code != 303 || !strings.Contains(d.then(w), "Ended everywhere in") {
		t.Errorf("ending: %d", w.Code)
	}
	if err := call("198.51.100.9"); err == nil {
		t.Error("it was let in after its end")
	}
	if w := d.open("/keys/" + string(id) + "/end"); w.Code != 404 {
		t.Errorf("ending it again: %d", w.Code)
	}
	d.says(d.open("/keys"), "It was ended.")
}

func TestTheLockOfWithdrawingOpensOnAnotherDevice(t *testing.T) {
	clock := signintest.NewClock()
	d := deskIn(t, signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock), true)
	phone := d.p.Elsewhere().In()
	clock.Sleep(25 * time.Hour) // known for a day
	d.p.In()
	id, _ := d.makes(wish(t, "scope", "read.account+withdraw"))
	path := "/keys/" + string(id)
	d.says(d.open(path), "This device gave the key this right or widened it last")
	d.p.Touch(apikey.ActUnlock, string(id))
	if w := d.form(path + "/unlock"); w.Code != 403 || !strings.Contains(w.Body.String(), "apikey_second_device") {
		t.Errorf("on the device that made it: %d %s", w.Code, w.Body)
	}
	d.p = phone.In()
	d.says(d.open(path), "Let this key withdraw", `data-act="botkeys.unlock"`)
	d.touchFor(d.form(path + "/unlock"))
	if w := d.form(path + "/unlock"); w.Code != 303 || d.keys()[0].Locked {
		t.Errorf("on another: %d %s", w.Code, w.Body)
	}
}

// With a copied access cookie and nothing else a thief stops no bot, and while the
// account is frozen nobody makes one.
func TestKeysOfBotsUnderAttack(t *testing.T) {
	clock := signintest.NewClock()
	w := signintest.New(t, storetest.SQLite(t, storetest.WithNow(clock.Now)), clock)
	d := deskIn(t, w, true)
	id, _ := d.makes(wish(t))
	clock.Sleep(keySpoke * 2) // the key of the browser spoke a while ago
	if w := d.form("/keys/" + string(id) + "/end"); w.Code != 401 {
		t.Errorf("ending: %d", w.Code)
	}
	if w := d.form("/keys/"+string(id), d.changed(d.keys()[0])...); w.Code != 401 {
		t.Errorf("narrowing: %d", w.Code)
	}
	if w := d.form("/keys/"+string(id)+"/place", "addr", "203.0.113.7", "version", "1"); w.Code != 401 {
		t.Errorf("an address that is there already: %d", w.Code)
	}
	pairs := wish(t)
	d.touchFor(d.form("/keys/new", pairs...))
	w.SetStatus(d.p.Account, account.Frozen)
	if w := d.form("/keys/new", pairs...); w.Code != 409 || !strings.Contains(w.Body.String(), "apikey_held") {
		t.Errorf("while frozen: %d %s", w.Code, w.Body)
	}
	d.says(d.open("/keys/new"), "New keys have to wait.")
	if len(d.keys()) != 1 {
		t.Error("a key was made")
	}
}

// A bot that was written for another exchange gets what its client expects.
func TestASecretForAClientOfAnotherExchange(t *testing.T) {
	d := newDesk(t, true)
	_, w := d.makes(wish(t, "kind", "hmac-sha256", "public", "", "profile", "okx"))
	d.says(w, "Its passphrase", "kws_live_")
	_, w = d.makes(wish(t, "kind", "hmac-sha256", "public", "", "profile", "kraken"))
	if strings.Contains(w.Body.String(), "Its passphrase") {
		t.Error("a passphrase that nobody asks for")
	}
	var algs []string
	for _, k := range d.keys() {
		algs = append(algs, string(k.Profile)+" "+string(k.Alg))
	}
	slices.Sort(algs)
	if got := strings.Join(algs, ", "); got != "kraken hmac-sha512, okx hmac-sha256" {
		t.Error(got)
	}
	d.says(d.open("/keys"), "Signs like", "OKX", "Kraken")
	for _, profile := range []string{"cdp-jwt", "nobody"} {
		if w := d.form("/keys/new", wish(t, "kind", "hmac-sha256", "public", "", "profile", profile)...); w.Code != 400 || !strings.Contains(w.Body.String(), "apikey_public") {
			t.Errorf("%s: %d", profile, w.Code)
		}
	}
}

// After a restore a key can only look and cancel until its owner says that it is theirs.
// Keys that were brought in have ids of any form; their pages are found all the same.
func TestASuspectedKeyIsReleasedWithATouch(t *testing.T) {
	d := newDesk(t, true)
	const id = "organizations/3f2504e0-4f89-11d3-9a0c-0305e82c3301/apiKeys/6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	_, err := d.w.BotKeys.Import(t.Context(), store.Cause{Actor: "operator:test"}, d.p.Account, apikey.Brought{ID: id, NewKey: apikey.NewKey{
		Profile: apikey.CDP, Purpose: "Old portfolio reader", Public: softkey.NewBot("api.example.com").Public(), Scopes: apikey.ReadAccount}})
	d.w.Must(err)
	d.w.Must(d.w.DB.Update(t.Context(), store.Cause{Actor: "operator:test"}, func(tx *store.Tx) error {
		effects, err := apikey.Restored(tx)
		if err != nil {
			return err
		}
		_, err = d.w.Log.Append(tx, audit.Event{Action: "audit.restore_accepted", Effects: effects, Payload: map[string]string{"size": "1", "anchor": "2"}})
		return err
	}))
	path := BotKey{ID: id}.Path()
	d.says(d.open("/"), "may have leaked")
	d.says(d.open("/keys"), "Can only look and cancel", "Brought in by the exchange", `href="`+path+`"`)
	d.says(d.open(path), "It may have leaked", "Our database was restored", `action="`+path+`/release"`, `data-object="`+id+`"`)
	if w := d.form(path, d.changed(d.keys()[0])...); w.Code != 409 {
		t.Errorf("changing it: %d", w.Code)
	}
	d.touchFor(d.form(path + "/release"))
	if w := d.form(path + "/release"); w.Code != 303 || w.Header().Get("Location") != path || d.keys()[0].Status != apikey.Active {
		t.Errorf("releasing it: %d %s", w.Code, w.Body)
	}
	if w := d.form(path + "/end"); w.Code != 303 {
		t.Errorf("ending it: %d", w.Code)
	}
}
