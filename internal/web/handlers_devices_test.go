package web

import (
	"strings"
	"testing"

	"keyward/internal/apikey"
	"keyward/internal/device"
	"keyward/internal/signin/signintest"
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
