package device_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

func TestTheFirstKeyIsFirstOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		first := p.enrol()
		again := func() error {
			second := *p
			second.browser = &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{}}
			att, err := second.create()
			w.must(err)
			return w.update(func(tx *store.Tx) error {
				_, err := w.devices.AddFirst(tx, p.acc.ID, att, p.dev.ID, "")
				return err
			})
		}
		if err := again(); !errors.Is(err, device.ErrStepUp) {
			t.Errorf("a second first key: %v", err)
		}
		// Not even after the first one is gone: "ever" counts removed keys.
		_, err := p.addKey(&softkey.Authenticator{})
		w.must(err)
		w.must(p.remove(first.ID))
		if err := again(); !errors.Is(err, device.ErrStepUp) {
			t.Errorf("after removing the first key: %v", err)
		}
	})
}

func (p *person) remove(id device.KeyID) error {
	return p.prove(device.Act{Kind: device.ActKeysRemove, Object: string(id)}, func(tx *store.Tx, proof device.Proof) error {
		_, err := p.w.devices.Remove(tx, p.acc.ID, id, proof)
		return err
	})
}

func TestTwoFirstKeysAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for range 4 {
			other := *p
			other.browser = &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{}}
			att, err := other.create()
			w.must(err)
			wg.Go(func() {
				err := w.update(func(tx *store.Tx) error {
					_, err := w.devices.AddFirst(tx, p.acc.ID, att, p.dev.ID, "")
					return err
				})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made++
				} else if !errors.Is(err, device.ErrStepUp) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if live, _ := p.keys(); made != 1 || len(live) != 1 {
			t.Errorf("%d first keys, %d rows", made, len(live))
		}
	})
}

// TestAKeyEntersOnlyByAKey is DESIGN §2: a widening act is unwritable without
// a proof of exactly that act, of that account, in that transaction.
func TestAKeyEntersOnlyByAKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ann, ben := w.person(&softkey.Authenticator{}), w.person(&softkey.Authenticator{})
		ann.enrol()
		ben.enrol()
		fresh := func() *device.Attestation {
			second := *ann
			second.browser = &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{}}
			att, err := second.create()
			w.must(err)
			return att
		}
		add := func(tx *store.Tx, proof device.Proof) error {
			_, err := w.devices.Add(tx, ann.acc.ID, fresh(), ann.dev.ID, "", proof)
			return err
		}
		var old device.Proof
		w.must(ann.prove(device.Act{Kind: device.ActKeysAdd}, func(_ *store.Tx, proof device.Proof) error {
			old = proof
			return nil
		}))
		for name, err := range map[string]error{
			"no proof":                           w.update(func(tx *store.Tx) error { return add(tx, device.Proof{}) }),
			"a proof out of another transaction": w.update(func(tx *store.Tx) error { return add(tx, old) }),
			"a proof of a sign-in":               ann.prove(signIn, add),
			"a proof for another act":            ann.prove(device.Act{Kind: device.ActCodesNew}, add),
			"a proof with an object":             ann.prove(device.Act{Kind: device.ActKeysAdd, Object: "x"}, add),
			"somebody else's proof":              ben.prove(device.Act{Kind: device.ActKeysAdd}, add),
		} {
			if !errors.Is(err, device.ErrStepUp) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := ann.prove(device.Act{Kind: device.ActKeysAdd}, add); err != nil {
			t.Errorf("the owner's own proof: %v", err)
		}
	})
}

func TestAttestationsStayWithTheirAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ann, ben := w.person(&softkey.Authenticator{}), w.person(&softkey.Authenticator{})
		att, err := ann.create()
		w.must(err)
		addFirst := func(acc account.ID, att *device.Attestation) error {
			return w.update(func(tx *store.Tx) error {
				_, err := w.devices.AddFirst(tx, acc, att, ben.dev.ID, "")
				return err
			})
		}
		wantRefusal(t, addFirst(ben.acc.ID, att), "another account")
		wantRefusal(t, addFirst(ben.acc.ID, nil), "another account")

		// Made at a sign-up, which names a handle and no account yet.
		f := device.RegisterFor{Handle: ann.acc.Handle, UserName: "ann"}
		options, err := w.devices.BeginRegister(f, "ticket")
		w.must(err)
		answer, err := ann.browser.Create(options)
		w.must(err)
		signUp, err := w.devices.ParseRegister(context.Background(), f, "ticket", answer)
		w.must(err)
		wantRefusal(t, addFirst(ben.acc.ID, signUp), "another user handle")
		w.must(addFirst(ann.acc.ID, signUp))
	})
}

func TestACredentialIsRegisteredOnceInTheWorld(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ann, ben := w.person(&softkey.Authenticator{}), w.person(&softkey.Authenticator{})
		key := ann.enrol()
		// Ben's authenticator claims Ann's credential id: id, rawId and attested
		// data all say so, and without attestation nothing in it is signed.
		options, err := w.devices.BeginRegister(ben.registerFor(), "browser")
		w.must(err)
		answer, err := ben.browser.Create(options, softkey.CredentialID(key.CredentialID))
		w.must(err)
		att, err := w.devices.ParseRegister(context.Background(), ben.registerFor(), "browser", answer)
		w.must(err)
		take := func() error {
			return w.update(func(tx *store.Tx) error {
				_, err := w.devices.AddFirst(tx, ben.acc.ID, att, ben.dev.ID, "")
				return err
			})
		}
		if err := take(); !errors.Is(err, device.ErrCredentialTaken) {
			t.Errorf("while Ann has it: %v", err)
		}
		_, err = ann.addKey(&softkey.Authenticator{})
		w.must(err)
		w.must(ann.remove(key.ID))
		if err := take(); !errors.Is(err, device.ErrCredentialTaken) {
			t.Errorf("after Ann removed it: %v", err)
		}
	})
}

func TestRemovingKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		first := p.enrol()
		if err := p.remove(first.ID); !errors.Is(err, device.ErrLastKey) {
			t.Errorf("the last way in: %v", err)
		}
		second, err := p.addKey(&softkey.Authenticator{})
		w.must(err)
		if second.Version != 1 || second.Name == "" {
			t.Errorf("added %+v", second)
		}
		if err := p.remove("key_nobody_has"); !errors.Is(err, device.ErrKeyUnknown) {
			t.Errorf("a key that is not there: %v", err)
		}
		stranger := w.person(&softkey.Authenticator{})
		stranger.enrol()
		if err := stranger.remove(first.ID); !errors.Is(err, device.ErrKeyUnknown) {
			t.Errorf("somebody else's key: %v", err)
		}
		err = p.prove(device.Act{Kind: device.ActKeysRemove, Object: string(second.ID)}, func(tx *store.Tx, proof device.Proof) error {
			_, err := w.devices.Remove(tx, p.acc.ID, first.ID, proof)
			return err
		})
		if !errors.Is(err, device.ErrStepUp) {
			t.Errorf("a touch for removing another key: %v", err)
		}

		a, err := p.touch(signIn) // signed before the removal, proved after it
		w.must(err)
		w.must(p.remove(first.ID))
		live, removed := p.keys()
		if len(live) != 1 || len(removed) != 1 || removed[0].ID != first.ID || removed[0].RemovedAt.IsZero() || removed[0].Version < 2 {
			t.Errorf("live %+v\nremoved %+v", live, removed)
		}
		err = w.update(func(tx *store.Tx) error { _, err := w.devices.Prove(tx, a); return err })
		if !errors.Is(err, device.ErrKeyUnknown) {
			t.Errorf("a removed key signs in: %v", err)
		}
		if err := p.remove(first.ID); !errors.Is(err, device.ErrKeyUnknown) {
			t.Errorf("removing with and again a removed key: %v", err)
		}
		w.view(func(tx *store.Tx) error {
			ids, err := w.devices.AcceptedCredentialIDs(tx, p.acc.ID)
			if len(ids) != 1 || !bytes.Equal(ids[0], second.CredentialID) {
				t.Errorf("accepted credentials: %x", ids)
			}
			return err
		})
	})
}

func TestTwoRemovalsAtOnceLeaveAKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for range 5 {
			p := w.person(&softkey.Authenticator{})
			first := p.enrol()
			second, err := p.addKey(&softkey.Authenticator{})
			w.must(err)
			var touches []*device.Assertion
			ids := []device.KeyID{first.ID, second.ID}
			for _, id := range ids {
				a, err := p.touch(device.Act{Kind: device.ActKeysRemove, Object: string(id)})
				w.must(err)
				touches = append(touches, a)
			}
			var wg sync.WaitGroup
			errs := make([]error, len(ids))
			for i, id := range ids {
				wg.Go(func() {
					errs[i] = w.update(func(tx *store.Tx) error {
						proof, err := w.devices.Prove(tx, touches[i])
						if err != nil {
							return err
						}
						_, err = w.devices.Remove(tx, p.acc.ID, id, proof)
						return err
					})
				})
			}
			wg.Wait()
			live, _ := p.keys()
			if len(live) != 1 {
				t.Fatalf("%d keys left; %v", len(live), errs)
			}
		}
	})
}

func TestNamesOfKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		google := &softkey.Authenticator{AAGUID: [16]byte{0xea, 0x9b, 0x8d, 0x66, 0x4d, 0x01, 0x1d, 0x21, 0x3c, 0xe4, 0xb6, 0xb4, 0x8c, 0xb5, 0x75, 0xd4}}
		p := w.person(google)
		if key := p.enrol(); key.Name != "Google Password Manager" || key.Provider != key.Name {
			t.Errorf("a known provider is called %q", key.Name)
		}
		other := w.person(&softkey.Authenticator{AAGUID: [16]byte{1}})
		key := other.enrol()
		if key.Name != "Linux" || key.Provider != "" {
			t.Errorf("an unknown provider is called %q, after the platform Linux", key.Name)
		}
		rename := func(name string) (k device.Key, err error) {
			err = w.update(func(tx *store.Tx) error {
				k, err = w.devices.Rename(tx, other.acc.ID, key.ID, name)
				return err
			})
			return k, err
		}
		for name, want := range map[string]string{
			"  회사 노트북 ":             "회사 노트북",
			"O'Brien <b>":           "O'Brien <b>", // pages escape; names are text
			strings.Repeat("가", 64): strings.Repeat("가", 64),
			"":                      "",
			"   ":                   "",
			strings.Repeat("a", 65): "",
			"two\nlines":            "",
			"bell\a":                "",
			"nul\x00":               "",
			"turned \u202Etxet":     "",
			"broken \xff":           "",
			"zero\u200bwidth":       "",
		} {
			k, err := rename(name)
			switch {
			case want == "" && !errors.Is(err, device.ErrName):
				t.Errorf("%q: %v", name, err)
			case want != "" && (err != nil || k.Name != want):
				t.Errorf("%q became %q, %v", name, k.Name, err)
			}
		}
		err := w.update(func(tx *store.Tx) error {
			_, err := w.devices.Rename(tx, p.acc.ID, key.ID, "mine now")
			return err
		})
		if !errors.Is(err, device.ErrKeyUnknown) {
			t.Errorf("renaming somebody else's key: %v", err)
		}
	})
}

func TestAClosedAccountGetsNoKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{})
		att, err := p.create()
		w.must(err)
		err = w.update(func(tx *store.Tx) error {
			if _, err := w.accounts.SetStatus(tx, p.acc.ID, account.Closed); err != nil {
				return err
			}
			_, err := w.devices.AddFirst(tx, p.acc.ID, att, p.dev.ID, "")
			return err
		})
		if !errors.Is(err, account.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestEvidenceIsStoredWhole(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person(&softkey.Authenticator{Statement: softkey.X5C, Local: true})
		key := p.enrol()
		var object, clientHash []byte
		var format, source string
		w.view(func(tx *store.Tx) error {
			return tx.Row(`SELECT attestation, client_data_hash, format, source FROM device_key WHERE id = $1`, key.ID).Scan(&object, &clientHash, &format, &source)
		})
		if format != "packed" || source != "first" || !bytes.Contains(object, []byte("x5c")) || len(clientHash) != 32 {
			t.Errorf("format %q, source %q, %d bytes of evidence", format, source, len(object))
		}
		if key.Grade != device.Claimed {
			t.Errorf("a certificate nobody trusts earned %q", key.Grade)
		}
	})
}
