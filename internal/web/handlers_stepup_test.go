package web

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"keyward/internal/device"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
)

// json sends what passkey.js does.
func (d *desk) json(path string, body any) *httptest.ResponseRecorder {
	d.t.Helper()
	text, err := json.Marshal(body)
	d.w.Must(err)
	return d.do(httptest.NewRequest("POST", path, strings.NewReader(string(text))), "Content-Type", "application/json", "Accept", "application/json")
}

// A new phone beside an old one: the pages say which passkey may, until when the new one
// may not, and the old phone goes by its own hand.
func TestPagesSayWhichPasskeysMay(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		old := deskIn(t, w, true)
		w.Clock.Sleep(30 * 24 * time.Hour)
		old.p.In()
		oldDevice := string(old.p.Session().Device)
		phone := *old
		phone.p = old.p.Elsewhere()
		phone.p.JKT = old.p.JKT
		phone.p.In()
		k, err := phone.p.AddKeyOnThisDevice()
		w.Must(err)
		w.Clock.Sleep(time.Hour)
		old.p.In()
		phone.p.In()
		until := `datetime="` + k.CreatedAt.Add(device.YoungFor).Format(time.RFC3339)

		page := phone.open("/stepup?act=codes.new")
		phone.says(page, "Works with", old.p.ListKeys()[0].Name, "has no power over what is older until", until)
		checkReferences(t, checkWellFormed(t, page.Body.String()))
		if page := old.open("/stepup?act=confirm.me").Body.String(); strings.Contains(page, "Works with") {
			t.Error("an act for every passkey names some")
		}
		if page := old.open("/stepup?act=codes.new").Body.String(); !strings.Contains(page, "Works with") {
			t.Error("the other browser may have the new one too")
		}

		// The browser is asked for the old one; who answers with the new one hears until when.
		answered := phone.json("/stepup/begin", map[string]string{"act": "codes.new"})
		var begun struct {
			Options json.RawMessage `json:"options"`
		}
		w.Must(json.Unmarshal(answered.Body.Bytes(), &begun))
		if !strings.Contains(string(begun.Options), "allowCredentials") {
			t.Errorf("%s", begun.Options)
		}
		cred, err := phone.p.Browser().Get(begun.Options, softkey.Unlisted)
		w.Must(err)
		refused := phone.json("/stepup/finish", map[string]any{"act": "codes.new", "object": "", "credential": json.RawMessage(cred), "to": "/"})
		if refused.Code != 403 || !strings.Contains(refused.Body.String(), `"key_too_new"`) || w.Count("device_proof") != 0 {
			t.Errorf("%d %s, %d touches kept", refused.Code, refused.Body, w.Count("device_proof"))
		}

		path := "/devices/change?old=" + url.QueryEscape(oldDevice)
		phone.says(phone.open(path), "only on your old device", until, "These may now:")
		page = old.open(path)
		old.says(page, "You will be signed out here")
		if strings.Contains(page.Body.String(), "only on your old device") {
			t.Error("the old device is told to use the old device")
		}
		old.p.Touch(device.ActDevicesRemove, oldDevice)
		done := old.form("/devices/" + oldDevice + "/retire")
		if done.Code != 303 || done.Header().Get("Location") != "/signin?note=retired" {
			t.Fatalf("%d %s", done.Code, done.Body)
		}
		old.says(old.open("/signin?note=retired"), "This device is retired")
	})
}

// An owner who has no key of the kind that the exchange asks for reads how to get one, and
// sees no button that would lead nowhere.
func TestAPageSaysHowToGetABetterPasskey(t *testing.T) {
	least := device.Least{Acts: map[string]device.Grade{device.ActCodesNew: device.Hardware}}
	signintest.EachDemanding(t, least, func(t *testing.T, w *signintest.World) {
		d := deskIn(t, w, true)
		page := d.open("/stepup?act=codes.new")
		d.says(page, "You have no passkey for this", `href="/passkeys/add"`)
		if strings.Contains(page.Body.String(), "Confirm with a passkey</button>") {
			t.Error("a button that leads nowhere")
		}
		if got := d.json("/stepup/begin", map[string]string{"act": "codes.new"}); got.Code != 403 || !strings.Contains(got.Body.String(), `"key_grade_low"`) {
			t.Errorf("%d %s", got.Code, got.Body)
		}
		_, k := d.p.HardwareKey()
		page = d.open("/stepup?act=codes.new")
		d.says(page, "Works with", k.Name, "cannot leave its device")
	})
}
