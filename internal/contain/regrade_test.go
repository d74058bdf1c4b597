package contain_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"keyward/internal/attest"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

func revoked(t *testing.T, serials ...string) *attest.Revoked {
	t.Helper()
	text := `{"entries":{`
	for i, s := range serials {
		if i > 0 {
			text += ","
		}
		text += `"` + s + `":{"status":"REVOKED","reason":"KEY_COMPROMISE"}`
	}
	r, err := attest.ParseRevoked([]byte(text + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// proved gives the person another key, which stays on a phone and proves so, and a
// browser that came in by it.
func proved(p *signintest.Person) (*signintest.Person, device.Key) {
	keys := &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: signintest.Maker, Local: true, Phone: func(c []byte) softkey.Android {
		return softkey.Phone(c, "com.google.android.gms", [32]byte{9})
	}}
	k, err := p.Touch(device.ActKeysAdd, "").AddKey(keys, "Phone")
	p.W.Must(err)
	there := p.Elsewhere()
	there.Keys = keys
	there.In()
	return there, k
}

func key(w *signintest.World, p *signintest.Person, id device.KeyID) (k device.Key) {
	w.T.Helper()
	w.Must(w.DB.View(w.T.Context(), func(tx *store.Tx) (err error) {
		k, err = w.Devices.Key(tx, p.Account, id)
		return err
	}))
	return k
}

func TestAKeyThatFallsLosesAtOnceWhatItsGradeOpened(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		good := device.Lists{Revoked: revoked(t)}
		w.Devices.UseLists(good)
		p := w.Person()
		phone, k := proved(p)
		if k.Grade != device.Hardware || phone.Session().ACR != session.ACRPhrh {
			t.Fatalf("grade %s, acr %s", k.Grade, phone.Session().ACR)
		}
		phone.Touch(device.ActCodesNew, "") // kept, at the higher grade

		bad := device.Lists{Revoked: revoked(t, signintest.Maker.Middle().SerialNumber.Text(16))}
		var seen []device.Judged
		n, err := w.Contain.DryRegrade(t.Context(), bad, func(j device.Judged) { seen = append(seen, j) })
		w.Must(err)
		if n.Fell != 1 || len(seen) != 1 || seen[0].Key != k.ID || n.Keys < 2 {
			t.Errorf("the dry run says %+v of %v", n, seen)
		}
		if now := key(w, p, k.ID); now.Grade != device.Hardware || phone.Session().ACR != session.ACRPhrh {
			t.Fatal("the dry run changed something")
		}

		w.Devices.UseLists(bad)
		var wg sync.WaitGroup
		for range 4 { // several processes hear of the list
			wg.Go(func() {
				if _, err := w.Contain.Regrade(context.Background(), bad); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if events := strings.Count(w.Events(p.Account), "key.fell"); events != 1 {
			t.Errorf("%d events", events)
		}
		now := key(w, p, k.ID)
		if now.Grade != device.Claimed || len(now.Evidence.Faults) != 1 || now.Evidence.Faults[0] != attest.FaultRevoked {
			t.Errorf("the key is %s %v", now.Grade, now.Evidence.Faults)
		}
		_, err = phone.Check()
		w.Refused(err, session.ErrEnded)
		if kept := w.Count("device_proof"); kept != 0 {
			t.Errorf("%d touches are kept at the grade that was", kept)
		}
		p.Session() // what came in by another key goes on

		phone.In()
		if acr := phone.Session().ACR; acr != session.ACRPhr {
			t.Errorf("and comes back as %s", acr)
		}

		// Google took it back: the key is worth again what it was, and nobody is signed out.
		n, err = w.Contain.Regrade(t.Context(), good)
		w.Must(err)
		if n.Rose != 1 || key(w, p, k.ID).Grade != device.Hardware {
			t.Errorf("%+v", n)
		}
		phone.Session()
		if n, err = w.Contain.Regrade(t.Context(), good); err != nil || n.Fell+n.Rose+n.Others != 0 {
			t.Errorf("judged once more: %+v %v", n, err)
		}
	})
}

func TestRulesStopWhatTheyName(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		lists := device.Lists{Revoked: revoked(t)}
		w.Devices.UseLists(lists)
		p := w.Person()
		_, k := proved(p)
		for _, tc := range []struct {
			name  string
			rules device.Rules
			want  attest.Fault
		}{
			{"nothing", device.Rules{}, ""},
			{"a block of another format", device.Rules{Block: []device.Pattern{{Format: "packed"}}}, ""},
			{"a block of this format", device.Rules{Block: []device.Pattern{{Format: "android-key"}}}, attest.FaultBlocked},
			{"a list that has it", device.Rules{Allow: []device.Pattern{{Model: "x"}, {Format: "android-key"}}}, ""},
			{"a list that has others", device.Rules{Allow: []device.Pattern{{AAGUID: [16]byte{1}}}}, attest.FaultNotAllowed},
			{"updates of ten years", device.Rules{PatchMonths: 120}, ""},
			{"a pattern of nothing", device.Rules{Block: []device.Pattern{{}}}, ""},
		} {
			with := lists
			with.Rules = tc.rules
			var got attest.Fault
			_, err := w.Contain.DryRegrade(t.Context(), with, func(j device.Judged) {
				if j.Key == k.ID && j.Fell() {
					got = j.Now.Faults[0]
				}
			})
			w.Must(err)
			if got != tc.want {
				t.Errorf("%s: %q", tc.name, got)
			}
		}
		// Softkey's phones have the updates of October 2026; in two years those are old.
		w.Clock.Sleep(24 * 31 * 24 * 3600e9)
		with := lists
		with.Rules.PatchMonths = 6
		n, err := w.Contain.DryRegrade(t.Context(), with, func(device.Judged) {})
		w.Must(err)
		if n.Fell != 1 {
			t.Errorf("old updates: %+v", n)
		}
	})
}

// A file that cannot be read after a restart must not sign people out by the thousand.
func TestAMissingListIsNoNews(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		w.Devices.UseLists(device.Lists{Revoked: revoked(t)})
		p := w.Person()
		phone, k := proved(p)
		n, err := w.Contain.Regrade(t.Context(), device.Lists{})
		w.Must(err)
		if n.Fell+n.Rose+n.Others != 0 || key(w, p, k.ID).Grade != device.Hardware {
			t.Errorf("%+v", n)
		}
		phone.Session()
		// What the operator does not rely on falls all the same, and comes back with the rule.
		n, err = w.Contain.Regrade(t.Context(), device.Lists{Rules: device.Rules{Block: []device.Pattern{{Format: "android-key"}}}})
		w.Must(err)
		if n.Fell != 1 {
			t.Errorf("%+v", n)
		}
		n, err = w.Contain.Regrade(t.Context(), device.Lists{})
		w.Must(err)
		if n.Rose != 1 {
			t.Errorf("%+v", n)
		}
	})
}
