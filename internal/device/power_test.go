package device_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// lived is somebody whose account is a month old, and the thief who was let in an hour ago
// with a key on a device of their own.
func (w *world) lived() (owner, thief *person, old, young device.Key) {
	w.t.Helper()
	owner = w.person(&softkey.Authenticator{})
	old = owner.enrol()
	w.sleep(30 * 24 * time.Hour)
	second := *owner
	thief = &second
	thief.cookie, thief.browser = device.NewCookie(), &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{}}
	w.must(w.update(func(tx *store.Tx) (err error) {
		thief.dev, _, err = w.devices.Meet(tx, owner.acc.ID, thief.cookie, device.UserAgent{Browser: "Chrome", System: "Windows"})
		return err
	}))
	att, err := thief.create()
	w.must(err)
	w.must(owner.prove(device.Act{Kind: device.ActKeysAdd}, func(tx *store.Tx, proof device.Proof) (err error) {
		young, err = w.devices.Add(tx, owner.acc.ID, att, thief.dev.ID, "", proof)
		return err
	}))
	w.sleep(time.Hour)
	return owner, thief, old, young
}

func nothing(*store.Tx, device.Proof) error { return nil }

// The whole table of acts: what somebody may who was let in an hour ago.
func TestWhatAYoungKeyMay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		owner, thief, old, young := w.lived()
		rows := []struct {
			name string
			act  device.Act
			may  bool
		}{
			{"say that it is still them", device.Act{Kind: device.ActConfirmMe}, true},
			{"end all sessions, which is stopping", device.Act{Kind: device.ActSessionsEndAll}, true},
			{"remove itself", device.Act{Kind: device.ActKeysRemove, Object: string(young.ID)}, true},
			{"remove an older key", device.Act{Kind: device.ActKeysRemove, Object: string(old.ID)}, false},
			{"remove the device it is on", device.Act{Kind: device.ActDevicesRemove, Object: string(thief.dev.ID)}, true},
			{"remove an older device", device.Act{Kind: device.ActDevicesRemove, Object: string(owner.dev.ID)}, false},
			{"add a key", device.Act{Kind: device.ActKeysAdd}, false},
			{"let another device in", device.Act{Kind: device.ActDevicesAdmit, Object: "joi_1"}, false},
			{"replace the codes", device.Act{Kind: device.ActCodesNew}, false},
			{"change the addresses", device.Act{Kind: device.ActContactsChange}, false},
			{"lift a freeze", device.Act{Kind: device.ActFreezeLift}, false},
			{"let an app know who they are", device.Act{Kind: device.ActApp, Object: "app_1"}.Looking(), true},
			{"let an app trade", device.Act{Kind: device.ActApp, Object: "app_1"}, false},
			{"make an API key that reads", device.Act{Kind: device.ActBotKeyAdd, Object: "hash"}.Looking(), true},
			{"make an API key that trades", device.Act{Kind: device.ActBotKeyAdd, Object: "hash"}, false},
			{"change an API key, whatever word is added", device.Act{Kind: device.ActBotKeyChange, Object: "kwk_1~hash"}.Looking(), false},
			{"unlock one", device.Act{Kind: device.ActBotKeyUnlock, Object: "kwk_1"}, false},
			{"release one", device.Act{Kind: device.ActBotKeyRelease, Object: "kwk_1"}, false},
			{"wake one", device.Act{Kind: device.ActBotKeyWake, Object: "kwk_1"}, false},
			{"replace one", device.Act{Kind: device.ActBotKeyRotate, Object: "kwk_1~hash"}, false},
			{"keep an old version", device.Act{Kind: device.ActBotKeyKeep, Object: "kwk_1~hash"}, false},
			{"bring an old version back", device.Act{Kind: device.ActBotKeyUndo, Object: "kwk_1~hash"}, false},
			{"make a sub-account that moves nothing", device.Act{Kind: device.ActSubMake, Object: "hash"}.Looking(), true},
			{"make a sub-account", device.Act{Kind: device.ActSubMake, Object: "hash"}, false},
			{"change a sub-account", device.Act{Kind: device.ActSubChange, Object: "sub_1~hash"}, false},
			{"call itself something", device.Act{Kind: device.ActKeysRename, Object: string(young.ID)}, true},
			{"call an older key something", device.Act{Kind: device.ActKeysRename, Object: string(old.ID)}, false},
			{"name the device it is on", device.Act{Kind: device.ActDevicesRename, Object: string(thief.dev.ID)}, true},
			{"name an older device", device.Act{Kind: device.ActDevicesRename, Object: string(owner.dev.ID)}, false},
			{"say that a session was the owner's", device.Act{Kind: device.ActSessionsVouch, Object: "ses_1"}, false},
			{"do what nobody has thought of yet", device.Act{Kind: "keys.export"}, false},
		}
		tried := map[string]bool{"keys.export": true}
		for _, row := range rows {
			tried[row.act.Kind] = true
			err := thief.prove(row.act, nothing)
			var e *edge.Error
			switch {
			case row.may && err != nil:
				t.Errorf("%s: %v", row.name, err)
			case !row.may && !errors.As(err, &e), !row.may && !errors.Is(err, device.ErrTooNew):
				t.Errorf("%s: got %v", row.name, err)
			case !row.may && (e.Extra("until") != young.CreatedAt.Add(24*time.Hour).Format(time.RFC3339) || fmt.Sprint(e.Extra("keys")) != fmt.Sprint([]string{string(old.ID)})):
				t.Errorf("%s: until %v, by %v", row.name, e.Extra("until"), e.Extra("keys"))
			}
			if err := owner.prove(row.act, nothing); err != nil {
				t.Errorf("the owner's own key, to %s: %v", row.name, err)
			}
		}
		for _, kind := range device.Acts() {
			if !tried[kind] {
				t.Errorf("nobody tried %s", kind)
			}
		}

		w.sleep(23*time.Hour - time.Second)
		if err := thief.prove(device.Act{Kind: device.ActCodesNew}, nothing); !errors.Is(err, device.ErrTooNew) {
			t.Errorf("a second before its day is over: %v", err)
		}
		w.sleep(time.Second)
		for _, row := range rows {
			if err := thief.prove(row.act, nothing); err != nil {
				t.Errorf("after a day, to %s: %v", row.name, err)
			}
		}
	})
}

// Where nothing is older than a day nothing is young: a new account is its owner's at once.
func TestInANewAccountNothingIsYoung(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		keys := &softkey.Authenticator{}
		_, err := p.addKey(keys)
		w.must(err)
		second := *p
		second.browser = &softkey.Browser{Origin: origin, Keys: keys}
		if err := second.prove(device.Act{Kind: device.ActCodesNew}, nothing); err != nil {
			t.Error(err)
		}
	})
}

// A key that stands on the owner's own device does not remove that device: there is an
// older key on it.
func TestAYoungKeyOnAnOldDeviceStaysYoung(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		w.sleep(48 * time.Hour)
		keys := &softkey.Authenticator{}
		k, err := p.addKey(keys)
		w.must(err)
		thief := *p
		thief.browser = &softkey.Browser{Origin: origin, Keys: keys}
		if err := thief.prove(device.Act{Kind: device.ActDevicesRemove, Object: string(p.dev.ID)}, nothing); !errors.Is(err, device.ErrTooNew) {
			t.Errorf("got %v", err)
		}
		// Nor when the older key lives elsewhere and was added from that device: it would go along.
		w.exec(`UPDATE device_key SET device = '', added_on = '` + string(p.dev.ID) + `' WHERE id <> '` + string(k.ID) + `'`)
		if err := thief.prove(device.Act{Kind: device.ActDevicesRemove, Object: string(p.dev.ID)}, nothing); !errors.Is(err, device.ErrTooNew) {
			t.Errorf("beside an older key that was added from there: %v", err)
		}
		if err := thief.prove(device.Act{Kind: device.ActKeysRemove, Object: string(k.ID)}, nothing); err != nil {
			t.Error(err)
		}
	})
}

// A touch that was kept while its key had the power is worth nothing once it has not. Here
// the key was alone and so not young, and then an owner's old key is there again.
func TestAKeptTouchIsAskedAgainForItsPower(t *testing.T) {
	act := device.Act{Kind: device.ActCodesNew}
	each(t, func(t *testing.T, w *world) {
		_, thief, old, _ := w.lived()
		w.exec(`UPDATE device_key SET created_at = created_at + 5000000000000 WHERE id = '` + string(old.ID) + `'`)
		thief.keep(act, "ses_1")
		w.exec(`UPDATE device_key SET created_at = created_at - 5000000000000 WHERE id = '` + string(old.ID) + `'`)
		w.view(func(tx *store.Tx) error {
			kept, err := w.devices.Kept(tx, thief.by("ses_1"), act)
			if kept {
				t.Error("a page would say that the touch is there")
			}
			return err
		})
		if _, err := thief.redeem("ses_1", thief.acc.ID, act); !errors.Is(err, device.ErrTooNew) {
			t.Errorf("got %v", err)
		}
	})
}

func (w *world) exec(q string) {
	w.t.Helper()
	w.must(w.update(func(tx *store.Tx) error { _, err := tx.Exec(q); return err }))
}

// Whoever holds a kept touch of a device that was removed, or of a key, has nothing.
func TestAKeptTouchOpensNothingOnceItsDeviceOrItsKeyIsGone(t *testing.T) {
	for _, row := range []struct {
		name string
		gone func(tx *store.Tx, w *world, p *person, k device.Key) error
	}{
		{"the device it was given on was removed", func(tx *store.Tx, w *world, p *person, _ device.Key) error {
			return w.devices.Forget(tx, p.acc.ID, p.dev.ID)
		}},
		{"its key was removed", func(tx *store.Tx, w *world, p *person, k device.Key) error {
			_, err := tx.Exec(`UPDATE device_key SET removed_at = $2 WHERE id = $1`, k.ID, store.Micros(tx.Now))
			return err
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				p := w.person(&softkey.Authenticator{})
				k := p.enrol()
				kinds := device.Acts()
				for _, kind := range kinds {
					p.keep(device.Act{Kind: kind, Object: "x"}, "ses_1")
				}
				if _, err := p.redeem("ses_1", p.acc.ID, device.Act{Kind: kinds[0], Object: "x"}); err != nil {
					t.Fatal(err)
				}
				w.must(w.update(func(tx *store.Tx) error { return row.gone(tx, w, p, k) }))
				for _, kind := range kinds[1:] {
					if _, err := p.redeem("ses_1", p.acc.ID, device.Act{Kind: kind, Object: "x"}); !errors.Is(err, device.ErrStepUp) {
						t.Errorf("%s: %v", kind, err)
					}
				}
			})
		})
	}
	t.Run("a session of no device redeems nothing", func(t *testing.T) {
		each(t, func(t *testing.T, w *world) {
			p := w.person(&softkey.Authenticator{})
			p.enrol()
			act := device.Act{Kind: device.ActCodesNew}
			p.keep(act, "ses_1")
			err := w.update(func(tx *store.Tx) error {
				_, err := w.devices.Redeem(tx, device.By{Session: "ses_1", Account: p.acc.ID}, act)
				return err
			})
			if !errors.Is(err, device.ErrStepUp) {
				t.Errorf("got %v", err)
			}
		})
	})
}

// The history of a device that is removed while touches that were given on it are redeemed:
// what begins after the removal is refused, in whatever order the rest went.
func TestNoTouchIsRedeemedAfterARemoval(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		p.enrol()
		const touches = 24
		for i := range touches {
			p.keep(device.Act{Kind: device.ActKeysRemove, Object: fmt.Sprint("key_", i)}, "ses_1")
		}
		var mu sync.Mutex // guards gone
		var gone bool
		var wg sync.WaitGroup
		for half := range 2 {
			wg.Go(func() {
				for i := half; i < touches; i += 2 {
					mu.Lock()
					after := gone
					mu.Unlock()
					_, err := p.redeem("ses_1", p.acc.ID, device.Act{Kind: device.ActKeysRemove, Object: fmt.Sprint("key_", i)})
					if after && !errors.Is(err, device.ErrStepUp) {
						t.Errorf("touch %d after the removal: %v", i, err)
					}
				}
			})
		}
		wg.Go(func() {
			time.Sleep(2 * time.Millisecond)
			if err := w.update(func(tx *store.Tx) error { return w.devices.Forget(tx, p.acc.ID, p.dev.ID) }); err != nil {
				t.Error(err)
			}
			mu.Lock()
			gone = true
			mu.Unlock()
		})
		wg.Wait()
		if _, err := p.redeem("ses_1", p.acc.ID, device.Act{Kind: device.ActKeysRemove, Object: "key_0"}); !errors.Is(err, device.ErrStepUp) {
			t.Error(err)
		}
	})
}

// options of a touch for an act, as a browser gets them.
func (p *person) offered(act device.Act) (list []string, o device.Offer) {
	p.w.t.Helper()
	p.w.view(func(tx *store.Tx) (err error) {
		o, err = p.w.devices.Offer(tx, p.acc.ID, "", act)
		return err
	})
	if o.Refusal != nil {
		return nil, o
	}
	options, err := p.w.devices.BeginAssert(act, p.acc.ID, "browser", o)
	p.w.must(err)
	var read struct {
		Allow []struct{ ID string } `json:"allowCredentials"`
	}
	p.w.must(json.Unmarshal(options, &read))
	for _, d := range read.Allow {
		list = append(list, d.ID)
	}
	return list, o
}

func TestABrowserIsOfferedTheKeysThatMay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		owner, _, old, young := w.lived()
		if list, o := owner.offered(device.Act{Kind: device.ActConfirmMe}); list != nil || o.Narrow || len(o.Keys) != 2 {
			t.Errorf("an act for every key: %v", list)
		}
		codes := device.Act{Kind: device.ActCodesNew}
		list, o := owner.offered(codes)
		if len(list) != 1 || o.Keys[0].ID != old.ID || !o.Until.Equal(young.CreatedAt.Add(24*time.Hour)) {
			t.Errorf("an act for older ones: %v, until %v", list, o.Until)
		}
		// A key that was named may leave out whose it is (WebAuthn L3 §6.3.3); a sign-in may not.
		if _, err := owner.touch(codes, softkey.NoUserHandle); err != nil {
			t.Errorf("without a user handle: %v", err)
		}
		if _, err := owner.touch(device.Act{Kind: device.ActSignIn}, softkey.NoUserHandle); !errors.Is(err, device.ErrNotAccepted) {
			t.Errorf("a sign-in of nobody: %v", err)
		}
		if _, err := owner.touch(codes, softkey.OtherUserHandle([]byte("somebody else's handle"))); !errors.Is(err, device.ErrNotAccepted) {
			t.Errorf("another user handle: %v", err)
		}
	})
}

// An operator asks for a better key by act and by scope. It is only ever more.
func TestAnOperatorAsksForABetterKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		least := device.Least{
			Acts:   map[string]device.Grade{"botkeys.unlock": device.Hardware, "codes": device.Hardware, "keys.add": device.Hardware, "sessions.end_all": device.Hardware, "contacts.change": device.Synced},
			Scopes: map[string]device.Grade{"withdraw": device.Hardware, "trade": device.Hardware},
		}
		cfg := w.config()
		cfg.Least = least
		var err error
		w.devices, err = device.New(cfg, w.ring, w.log)
		w.must(err)
		w.devices.UseLists(device.Lists{Revoked: statusList(t, `{"entries":{}}`)})

		p := w.person(&softkey.Authenticator{})
		p.enrol()
		add := device.Act{Kind: device.ActBotKeyAdd, Object: "hash"}
		low := func(name string, p *person, act device.Act, keys int) {
			t.Helper()
			err := p.prove(act, nothing)
			var e *edge.Error
			if !errors.As(err, &e) || !errors.Is(err, device.ErrGradeLow) || e.Extra("acr") != "phrh" {
				t.Errorf("%s: %v", name, err)
			} else if ids := e.Extra("keys").([]string); len(ids) != keys {
				t.Errorf("%s: would do: %v", name, ids)
			}
			if _, o := p.offered(act); keys == 0 && !errors.Is(o.Refusal, device.ErrGradeLow) {
				t.Errorf("%s: asked for all the same: %v", name, o.Refusal)
			}
		}
		fine := func(name string, p *person, act device.Act) {
			t.Helper()
			if err := p.prove(act, nothing); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		unlock := device.Act{Kind: device.ActBotKeyUnlock, Object: "kwk_1"}
		low("unlocking", p, unlock, 0)
		low("of a group", p, device.Act{Kind: device.ActCodesNew}, 0)
		low("a key that withdraws", p, w.devices.ForScopes(add, "read.market", "withdraw"), 0)
		low("a key that trades futures, of the group", p, w.devices.ForScopes(add, "trade.futures"), 0)
		fine("a key that reads", p, w.devices.ForScopes(add.Looking(), "read.market"))
		fine("an act that nobody raised", p, device.Act{Kind: device.ActKeysRemove, Object: "key_1"})
		fine("raised to what every passkey is", p, device.Act{Kind: device.ActContactsChange})
		fine("stopping, whatever stands in the file", p, device.Act{Kind: device.ActSessionsEndAll})
		fine("the way to the first such key", p, device.Act{Kind: device.ActKeysAdd})

		good := &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: phones, Phone: goodPhone, Local: true}
		k, err := p.addKey(good)
		w.must(err)
		if k.Grade != device.Hardware {
			t.Fatal(k.Grade)
		}
		low("adding another one now", p, device.Act{Kind: device.ActKeysAdd}, 1)
		low("unlocking with the one that is synced", p, unlock, 1)
		if list, o := p.offered(unlock); len(list) != 1 || o.Keys[0].ID != k.ID {
			t.Errorf("offered %v", list)
		}
		holder := *p
		holder.browser = &softkey.Browser{Origin: origin, Keys: good}
		fine("unlocking with the one that stays", &holder, unlock)
		hard := w.devices.ForScopes(add, "withdraw")
		holder.keep(hard, "ses_1")
		proof, err := holder.redeem("ses_1", p.acc.ID, hard)
		w.must(err)
		if !strings.HasSuffix(proof.Act().Object, " phrh") {
			t.Error(proof.Act())
		}
		// A touch for less is no touch for more.
		p.keep(add, "ses_1")
		if _, err := p.redeem("ses_1", p.acc.ID, hard); !errors.Is(err, device.ErrStepUp) {
			t.Errorf("got %v", err)
		}
	})
}
