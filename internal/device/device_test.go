package device_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

func TestADeviceIsMetOncePerAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ann, ben := w.person(&softkey.Authenticator{}), w.person(&softkey.Authenticator{})
		meet := func(p *person, cookie string, ua device.UserAgent) (d device.Device, isNew bool) {
			w.must(w.update(func(tx *store.Tx) (err error) {
				d, isNew, err = w.devices.Meet(tx, p.acc.ID, cookie, ua)
				return err
			}))
			return d, isNew
		}
		chrome := device.UserAgent{Browser: "Chrome", System: "Windows"}
		cookie := device.NewCookie()
		first, isNew := meet(ann, cookie, chrome)
		if !isNew || first.Name != "Chrome on Windows" || first.Version != 1 {
			t.Errorf("first met: new %v, %+v", isNew, first)
		}
		w.sleep(time.Hour)
		again, isNew := meet(ann, cookie, device.UserAgent{Browser: "Edge", System: "Windows"})
		if isNew || again.ID != first.ID || again.Browser != "Edge" || !again.FirstSeen.Equal(first.FirstSeen) || !again.LastSeen.Equal(w.now()) || again.Version != 2 {
			t.Errorf("met again: new %v, %+v", isNew, again)
		}
		bens, isNew := meet(ben, cookie, chrome)
		if !isNew || bens.ID == first.ID {
			t.Error("a shared browser tells one account of the other")
		}
		if _, isNew := meet(ann, device.NewCookie(), chrome); !isNew {
			t.Error("a browser without our cookie passes for a known one")
		}
	})
}

func TestRecognisingABrowser(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ann, ben := w.person(&softkey.Authenticator{}), w.person(&softkey.Authenticator{})
		for _, tc := range []struct {
			name   string
			cookie string
			p      *person
			known  bool
		}{
			{"her own browser", ann.cookie, ann, true},
			{"her browser, another account", ann.cookie, ben, false},
			{"no cookie", "", ann, false},
			{"a fresh cookie", device.NewCookie(), ann, false},
			{"not a cookie of ours", "hello", ann, false},
			{"a cookie with NUL", "\x00" + ann.cookie[1:], ann, false},
			{"a very long cookie", strings.Repeat("A", 5000), ann, false},
		} {
			w.view(func(tx *store.Tx) error {
				d, known, err := w.devices.Recognise(tx, tc.cookie, tc.p.acc.ID)
				if known != tc.known || known && d.ID != ann.dev.ID {
					t.Errorf("%s: known %v, %+v", tc.name, known, d)
				}
				return err
			})
		}
		err := w.update(func(tx *store.Tx) error {
			_, _, err := w.devices.Meet(tx, ann.acc.ID, "hello", device.UserAgent{})
			return err
		})
		if !errors.Is(err, device.ErrUnknown) {
			t.Errorf("meeting a device without a cookie of ours: %v", err)
		}
	})
}

func TestTheCookieIsStoredAsAHash(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		w.view(func(tx *store.Tx) error {
			var hash []byte
			err := tx.Row(`SELECT cookie_hash FROM device_device WHERE id = $1`, p.dev.ID).Scan(&hash)
			if len(hash) != 32 || strings.Contains(string(hash), p.cookie) {
				t.Errorf("stored %x", hash)
			}
			return err
		})
	})
}

func TestDevicesAreListedNamedAndForgotten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p, stranger := w.person(&softkey.Authenticator{}), w.person(&softkey.Authenticator{})
		rename := func(p *person, name string) (d device.Device, err error) {
			err = w.update(func(tx *store.Tx) error {
				d, err = w.devices.RenameDevice(tx, p.acc.ID, p.dev.ID, name)
				return err
			})
			return d, err
		}
		if d, err := rename(p, " My laptop "); err != nil || d.Name != "My laptop" || d.Version != 2 {
			t.Errorf("renamed to %+v, %v", d, err)
		}
		if _, err := rename(p, "\u2066"); !errors.Is(err, device.ErrName) {
			t.Errorf("an invisible name: %v", err)
		}
		stranger.dev = p.dev
		if _, err := rename(stranger, "mine"); !errors.Is(err, device.ErrUnknown) {
			t.Errorf("somebody else's device: %v", err)
		}
		w.sleep(time.Minute)
		w.must(w.db.Housekeeping(context.Background(), func(tx *store.Tx) error {
			if err := w.devices.Seen(tx, p.dev.ID, w.now()); err != nil {
				return err
			}
			return w.devices.Seen(tx, p.dev.ID, w.now().Add(-time.Hour)) // a late flush
		}))
		w.view(func(tx *store.Tx) error {
			list, err := w.devices.Devices(tx, p.acc.ID)
			if len(list) != 1 || !list[0].LastSeen.Equal(w.now()) || list[0].Name != "My laptop" || list[0].Version != 2 {
				t.Errorf("listed %+v", list)
			}
			return err
		})
		forget := func() error {
			return w.update(func(tx *store.Tx) error { return w.devices.Forget(tx, p.acc.ID, p.dev.ID) })
		}
		w.must(forget())
		if err := forget(); !errors.Is(err, device.ErrUnknown) {
			t.Errorf("forgotten twice: %v", err)
		}
	})
}

func TestRemovingADeviceTakesItsKeysAndNoOthers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		here, err := p.addKey(&softkey.Authenticator{})
		w.must(err)
		act := device.Act{Kind: device.ActDevicesRemove, Object: string(p.dev.ID)}
		removeWith := func(dev device.ID) error {
			return p.prove(act, func(tx *store.Tx, proof device.Proof) error {
				_, err := w.devices.RemoveWith(tx, p.acc.ID, here.ID, dev, proof)
				return err
			})
		}
		if err := removeWith("dev_other"); !errors.Is(err, device.ErrStepUp) {
			t.Errorf("a touch for another device: %v", err)
		}
		w.must(removeWith(p.dev.ID))
		if live, _ := p.keys(); len(live) != 1 {
			t.Errorf("%d keys left", len(live))
		}
		if err := removeWith(p.dev.ID); !errors.Is(err, device.ErrKeyUnknown) {
			t.Errorf("twice: %v", err)
		}
	})
}

func TestErasingLeavesTheRecordAndNoPerson(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{Statement: softkey.Self})
		key := p.enrol()
		p.keep(device.Act{Kind: device.ActCodesNew}, "ses_1")
		w.must(w.update(func(tx *store.Tx) error {
			if err := w.devices.Erase(tx, p.acc.ID); err != nil {
				return err
			}
			return w.accounts.Erase(tx, p.acc.ID)
		}))
		live, removed := p.keys()
		if len(live) != 0 || len(removed) != 1 || removed[0].ID != key.ID || removed[0].Name != "" {
			t.Errorf("live %+v, removed %+v", live, removed)
		}
		w.view(func(tx *store.Tx) error {
			var n int
			err := tx.Row(`SELECT COUNT(*) FROM device_key WHERE handle IS NOT NULL OR attestation IS NOT NULL OR client_data_hash IS NOT NULL`).Scan(&n)
			if n != 0 {
				t.Error("the evidence is still there")
			}
			return err
		})
		_, err := p.touch(device.Act{Kind: device.ActSignIn})
		wantRefusal(t, err, "user handle")
	})
}

func TestBrowsersInWords(t *testing.T) {
	for header, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36":                            "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0":              "Edge on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Whale/3.28.266.14 Safari/537.36":          "Whale on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15":                      "Safari on Mac",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:133.0) Gecko/20100101 Firefox/133.0":                                                       "Firefox on Mac",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1":    "Safari on iPhone",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0.0.0 Mobile/15E148 Safari/604.1": "Chrome on iPhone",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 KAKAOTALK 11.0.0":             "KakaoTalk on iPhone",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36":                            "Chrome on Android",
		"Mozilla/5.0 (Linux; Android 14; SM-S918N) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36": "Samsung Internet on Android",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36":                             "Chrome on ChromeOS",
		"Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0":                                                                     "Firefox on Linux",
		"okhttp/4.12.0":                       "an Android app",
		"curl/8.5.0":                          "curl",
		"":                                    "Unknown browser",
		"something nobody has seen":           "Unknown browser",
		strings.Repeat("x", 600) + "Chrome/1": "Unknown browser",
	} {
		if got := device.Agent(header).String(); got != want {
			t.Errorf("%q is called %q, want %q", header, got, want)
		}
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	now := func() time.Time { return time.Time{} }
	for name, cfg := range map[string]device.Config{
		"no domain":                                {RPName: "x", Origins: []string{origin}, Now: now},
		"a URL instead of a domain":                {RPID: "https://example.com", RPName: "x", Origins: []string{origin}, Now: now},
		"a domain in capitals":                     {RPID: "Example.com", RPName: "x", Origins: []string{origin}, Now: now},
		"an address":                               {RPID: "127.0.0.1", RPName: "x", Origins: []string{"https://127.0.0.1"}, Now: now},
		"no name":                                  {RPID: rpID, Origins: []string{origin}, Now: now},
		"no origin":                                {RPID: rpID, RPName: "x", Now: now},
		"no clock":                                 {RPID: rpID, RPName: "x", Origins: []string{origin}},
		"another site's origin":                    {RPID: rpID, RPName: "x", Origins: []string{"https://example.org"}, Now: now},
		"a name that ends with ours":               {RPID: rpID, RPName: "x", Origins: []string{"https://evilexample.com"}, Now: now},
		"an origin with a path":                    {RPID: rpID, RPName: "x", Origins: []string{origin + "/"}, Now: now},
		"an origin in capitals":                    {RPID: rpID, RPName: "x", Origins: []string{"https://AUTH.example.com"}, Now: now},
		"an origin with its default port":          {RPID: rpID, RPName: "x", Origins: []string{origin + ":443"}, Now: now},
		"an origin without TLS":                    {RPID: rpID, RPName: "x", Origins: []string{"http://auth.example.com"}, Now: now},
		"an origin with a user":                    {RPID: rpID, RPName: "x", Origins: []string{"https://a@auth.example.com"}, Now: now},
		"an app hash that is none":                 {RPID: rpID, RPName: "x", Origins: []string{"android:apk-key-hash:abc"}, Now: now},
		"statements asked for in a way of its own": {RPID: rpID, RPName: "x", Origins: []string{origin}, Now: now, Ask: "enterprise"},
		"another kind of app":                      {RPID: rpID, RPName: "x", Origins: []string{"ios:bundle-id:com.example"}, Now: now},
	} {
		if _, err := device.New(cfg, testRing(t), nil); err == nil {
			t.Errorf("accepted: %s", name)
		}
	}
	for _, o := range []string{"http://localhost:7480", "http://exchange.localhost:7490", "https://localhost:8443"} {
		if _, err := device.New(device.Config{RPID: "localhost", RPName: "x", Origins: []string{o}, Now: now}, testRing(t), nil); err != nil {
			t.Errorf("the demo's %s: %v", o, err)
		}
	}
}
