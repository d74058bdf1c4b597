package web

import (
	"bytes"
	"strings"
	"testing"

	"keyward/internal/apikey"
	"keyward/internal/device"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

// The owner of a lost laptop sees what hangs on it, keeps one bot and ends the rest.
func TestALostDeviceOnItsPage(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		d := deskIn(t, w, true)
		laptop := d.p.Elsewhere().In()
		_, err := laptop.AddKeyOnThisDevice()
		w.Must(err)
		_, grid := laptop.Bot(apikey.NewKey{Purpose: "Grid <bot>", Scopes: apikey.ReadAccount})
		_, tax := laptop.Bot(apikey.NewKey{Purpose: "Tax report", Scopes: apikey.ReadAccount})
		id := string(laptop.Session().Device)
		path := "/devices/" + id + "/remove"

		page := d.open(path)
		d.says(page, "1 ends at once", "Bound to this device", "2 API keys made here end too", "Grid &lt;bot&gt;", "Tax report", `name="keep" value="`+string(tax.ID)+`"`,
			"goes on", "replace it", `data-act="devices.remove"`)
		if strings.Contains(page.Body.String(), " checked") {
			t.Error("a key is kept unless its owner says no: it has to be the other way")
		}
		checkReferences(t, checkWellFormed(t, page.Body.String()))

		d.touchFor(d.form(path, "keep", string(tax.ID)))
		if w := d.form(path, "keep", "kwk_live_slip"); w.Code != 404 || !strings.Contains(w.Body.String(), "apikey_unknown") {
			t.Errorf("a slip: %d", w.Code)
		}
		done := d.form(path, "keep", string(tax.ID))
		if done.Code != 303 || done.Header().Get("Location") != "/devices" {
			t.Fatalf("%d %s", done.Code, done.Body)
		}
		if got := d.then(done); !strings.Contains(got, "1 API key made from it ended too.") || !strings.Contains(got, "Ended everywhere in") {
			t.Error("the receipt does not say it")
		}
		states := map[apikey.ID]apikey.State{}
		for _, k := range d.keys() {
			states[k.ID] = k.State(w.DB.Now())
		}
		if states[grid.ID] != apikey.Finished || states[tax.ID] != apikey.Live {
			t.Errorf("%v", states)
		}
		d.says(d.open("/activity"), "nor do the API keys made from it: 1.")
		if w := d.open(path); w.Code != 404 {
			t.Errorf("removed: %d", w.Code)
		}
	})
}

// The page of a device that made nothing says nothing of bots.
func TestADeviceWithoutBotsIsAskedAboutNone(t *testing.T) {
	w := signintest.New(t, storetest.SQLite(t), nil)
	d := deskIn(t, w, true)
	laptop := d.p.Elsewhere().In()
	page := d.open("/devices/" + string(laptop.Session().Device) + "/remove").Body.String()
	if strings.Contains(page, `name="keep"`) || strings.Contains(page, "Grid") || !strings.Contains(page, device.ActDevicesRemove) {
		t.Error(page)
	}
}

// Passkeys that were added from a lost laptop stand on its page. The one that its owner is
// using is ticked to stay; the others go, and the list of passkeys says where each came from.
func TestPasskeysAddedFromALostDeviceOnItsPage(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		d := deskIn(t, w, true)
		laptop := d.p.Elsewhere().In()
		laptop.Touch(device.ActKeysAdd, "")
		phone := &softkey.Authenticator{}
		mine := scanFrom(laptop, phone, "Phone")
		laptop.Touch(device.ActKeysAdd, "")
		evil := scanFrom(laptop, &softkey.Authenticator{}, "Phone <2>")
		id := string(laptop.Session().Device)
		path := "/devices/" + id + "/remove"
		d.p.Keys = phone
		d.p.In() // the owner, with the phone in hand
		d.says(d.open("/passkeys"), "from <bdi>Firefox on Linux</bdi>", "from this device")

		page := d.open(path)
		d.says(page, "2 passkeys were added from here", "Keep “Phone”", "Keep “Phone &lt;2&gt;”", "You are using it now", "Some go unless you keep them",
			`name="keepkey" value="`+string(mine.ID)+`" autocomplete="off" checked`, `name="keepkey" value="`+string(evil.ID)+`" autocomplete="off">`)
		if strings.Contains(page.Body.String(), "Keep at least one") {
			t.Error("the account has another passkey, and the page says it has none")
		}
		checkReferences(t, checkWellFormed(t, page.Body.String()))

		d.touchFor(d.form(path, "keepkey", string(mine.ID)))
		if w := d.form(path, "keepkey", "key_slip"); w.Code != 404 || !strings.Contains(w.Body.String(), "key_unknown") {
			t.Errorf("a slip: %d", w.Code)
		}
		done := d.form(path, "keepkey", string(mine.ID))
		if done.Code != 303 || done.Header().Get("Location") != "/devices" {
			t.Fatalf("%d %s", done.Code, done.Body)
		}
		if got := d.then(done); !strings.Contains(got, "1 passkey added from it was removed too.") {
			t.Error("the receipt does not say it")
		}
		d.says(d.open("/passkeys"), "from a device that was removed since", "Phone &lt;2&gt;", "Removed by you")
		d.says(d.open("/activity"), "nor do the passkeys added from it: “Phone &lt;2&gt;”.")
		keys := d.p.ListKeys()
		if len(keys) != 2 || keys[1].ID != mine.ID {
			t.Errorf("left: %+v", keys)
		}
	})
}

// scanFrom adds a passkey that the browser says is in a phone beside it.
func scanFrom(p *signintest.Person, keys *softkey.Authenticator, name string) device.Key {
	p.W.T.Helper()
	options, err := p.W.SignIn.BeginAddKey(p.W.T.Context(), p.Session())
	p.W.Must(err)
	answer, err := (&softkey.Browser{Origin: signintest.Origin, Keys: keys}).Create(options)
	p.W.Must(err)
	answer = bytes.Replace(answer, []byte(`"authenticatorAttachment":"platform"`), []byte(`"authenticatorAttachment":"cross-platform"`), 1)
	k, err := p.W.SignIn.FinishAddKey(p.W.T.Context(), p.Cause(), p.Session(), name, answer, nil)
	p.W.Must(err)
	return k
}
