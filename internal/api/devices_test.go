package api_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"keyward/internal/api"
	"keyward/internal/softkey"
)

// What the page does, a program does: the whole impact first, then one act that keeps what is named.
func TestALostDeviceOverTheAPI(t *testing.T) {
	w := newWorld(t)
	phone := w.app().signUp("alice@example.org")
	laptop := phone.another("198.51.100.9").signIn()
	grid, tax := w.botKey(laptop, "read.account"), w.botKey(laptop, "read.account")
	mine := w.botKey(phone, "read.account")
	path := "/api/v1/devices/" + grid.Device

	var im api.Impact
	phone.get(path+"/impact", &im)
	equal(t, "sessions", len(im.Sessions), 1)
	equal(t, "bound", im.Sessions[0].Bound, true)
	equal(t, "apps", len(im.Apps), 0)
	equal(t, "passkeys", len(im.Passkeys), 0)
	equal(t, "shared passkeys", len(im.Shared), 1)
	var ids []string
	for _, k := range im.APIKeys {
		ids = append(ids, k.ID)
	}
	slices.Sort(ids)
	want := []string{grid.ID, tax.ID}
	slices.Sort(want)
	equal(t, "API keys", slices.Equal(ids, want), true)

	phone.touchFor(phone.send("DELETE", path+"?keep_api_keys="+tax.ID, nil))
	for _, slip := range []string{"kwk_live_slip", mine.ID, tax.ID + "," + mine.ID} {
		phone.send("DELETE", path+"?keep_api_keys="+slip, nil).refused(404, "apikey_unknown")
	}
	phone.send("DELETE", path+"?keep="+tax.ID, nil).refused(400, "unknown_field")
	var e api.Effect
	phone.send("DELETE", path+"?keep_api_keys="+tax.ID, nil).want(200, &e)
	equal(t, "sessions ended", e.Sessions, 1)
	equal(t, "API keys ended", e.APIKeys, 1)
	equal(t, "said when", e.EffectiveAt.IsZero(), false)
	laptop.send("GET", "/api/v1/session", nil).refused(401, "session_ended")

	for id, state := range map[string]string{grid.ID: "ended", tax.ID: "active", mine.ID: "active"} {
		var k api.APIKey
		phone.get("/api/v1/keys/"+id, &k)
		equal(t, id, k.State, state)
		if state == "ended" {
			equal(t, "because", k.EndedWhy, "device_removed")
		}
	}
}

// A passkey that was added from a device and is said to be in a phone: it is listed before
// the touch, goes with the device, and stays where it is named.
func TestPasskeysAddedFromALostDeviceOverTheAPI(t *testing.T) {
	w := newWorld(t)
	phone := w.app().signUp("alice@example.org")
	laptop := phone.another("198.51.100.9").signIn()
	var me api.WhoAmI
	laptop.get("/api/v1/session", &me)
	add := func(name string) (k api.Passkey) {
		laptop.touch("keys.add", "")
		var o api.Options
		laptop.send("POST", "/api/v1/passkeys", nil).want(200, &o)
		cred, err := (&softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{}}).Create(o.Options)
		ok(t, err)
		cred = bytes.Replace(cred, []byte(`"authenticatorAttachment":"platform"`), []byte(`"authenticatorAttachment":"cross-platform"`), 1)
		laptop.send("POST", "/api/v1/passkeys/finish", map[string]any{"credential": json.RawMessage(cred), "name": name}).want(201, &k)
		return k
	}
	kept, gone := add("In my hand"), add("Whose is this")
	equal(t, "where it lives", kept.Device, "")
	equal(t, "where it was added", kept.AddedOn, me.Session.Device)

	path := "/api/v1/devices/" + me.Session.Device
	var im api.Impact
	phone.get(path+"/impact", &im)
	equal(t, "added from it", len(im.Added), 2)
	equal(t, "all that is left", im.LastKept, false)
	phone.touchFor(phone.send("DELETE", path+"?keep_keys="+kept.ID, nil))
	phone.send("DELETE", path+"?keep_keys="+kept.ID+",key_slip", nil).refused(404, "key_unknown")
	var e api.Effect
	phone.send("DELETE", path+"?keep_keys="+kept.ID, nil).want(200, &e)
	equal(t, "went too", e.Added, 1)
	var all api.Passkeys
	phone.get("/api/v1/passkeys", &all)
	for _, k := range all.Items {
		equal(t, "is left", k.ID != gone.ID, true)
	}
	equal(t, "left", len(all.Items), 2)
	equal(t, "removed", len(all.Removed), 1)
}
