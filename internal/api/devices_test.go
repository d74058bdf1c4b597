package api_test

import (
	"slices"
	"testing"

	"keyward/internal/api"
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
