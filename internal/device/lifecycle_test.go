package device_test

import (
	"errors"
	"flag"
	"testing"

	"pgregory.net/rapid"

	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// TestNeverWithoutAWayIn plays random lives of an account's keys against a
// model: after every step the account has a live key, the keys it lists are the
// ones the model has, and every live key signs in while no removed one does.
//
// Twenty lives of thirty steps by default; -rapid.checks asks for more.
func TestNeverWithoutAWayIn(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
		if err := f.Value.Set("20"); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{}
	w.on(t, storetest.SQLite(t))
	w.at = w.db.Now()
	rapid.Check(t, func(rt *rapid.T) {
		p := w.person(&softkey.Authenticator{})
		model := map[device.KeyID]*softkey.Authenticator{p.enrol().ID: p.browser.Keys}
		var gone []*softkey.Authenticator

		anyKey := func(rt *rapid.T) (device.KeyID, *softkey.Authenticator) {
			live, _ := p.keys()
			k := rapid.SampledFrom(live).Draw(rt, "key")
			return k.ID, model[k.ID]
		}
		signsIn := func(keys *softkey.Authenticator) error {
			with := *p
			with.browser = &softkey.Browser{Origin: origin, Keys: keys}
			return with.prove(signIn, func(*store.Tx, device.Proof) error { return nil })
		}
		rt.Repeat(map[string]func(*rapid.T){
			"add a key, touching an old one": func(rt *rapid.T) {
				_, p.browser.Keys = anyKey(rt)
				keys := &softkey.Authenticator{Local: rapid.Bool().Draw(rt, "local")}
				k, err := p.addKey(keys)
				if err != nil {
					rt.Fatal(err)
				}
				model[k.ID] = keys
			},
			"remove a key, touching one": func(rt *rapid.T) {
				_, p.browser.Keys = anyKey(rt)
				id, keys := anyKey(rt)
				err := p.remove(id)
				switch {
				case len(model) == 1 && !errors.Is(err, device.ErrLastKey):
					rt.Fatalf("removing the last key: %v", err)
				case len(model) > 1 && err != nil:
					rt.Fatal(err)
				case len(model) > 1:
					delete(model, id)
					gone = append(gone, keys)
				}
			},
			"touch a removed key": func(rt *rapid.T) {
				if len(gone) == 0 {
					rt.Skip()
				}
				if err := signsIn(rapid.SampledFrom(gone).Draw(rt, "removed")); !errors.Is(err, device.ErrKeyUnknown) {
					rt.Fatalf("a removed key: %v", err)
				}
			},
			"sign in": func(rt *rapid.T) {
				_, keys := anyKey(rt)
				if err := signsIn(keys); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				live, removed := p.keys()
				if len(live) == 0 {
					rt.Fatal("no way in")
				}
				if len(live) != len(model) || len(removed) != len(gone) {
					rt.Fatalf("%d live and %d removed keys, the model has %d and %d", len(live), len(removed), len(model), len(gone))
				}
				for _, k := range live {
					if model[k.ID] == nil {
						rt.Fatalf("key %s is live", k.ID)
					}
				}
			},
		})
	})
}
