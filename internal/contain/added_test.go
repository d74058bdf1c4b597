package contain_test

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// scanning is the answer of a browser that says its key was made in a phone beside it.
// Nothing of that is signed: a real one and malware look alike.
func scanning(p *signintest.Person, keys *softkey.Authenticator) (session.Session, []byte) {
	p.W.T.Helper()
	p.Touch(device.ActKeysAdd, "")
	ses := p.Session()
	options, err := p.W.SignIn.BeginAddKey(p.W.T.Context(), ses)
	p.W.Must(err)
	answer, err := (&softkey.Browser{Origin: signintest.Origin, Keys: keys}).Create(options)
	p.W.Must(err)
	return ses, bytes.Replace(answer, []byte(`"authenticatorAttachment":"platform"`), []byte(`"authenticatorAttachment":"cross-platform"`), 1)
}

func scanned(p *signintest.Person, keys *softkey.Authenticator, name string) device.Key {
	p.W.T.Helper()
	ses, answer := scanning(p, keys)
	k, err := p.W.SignIn.FinishAddKey(p.W.T.Context(), p.Cause(), ses, name, answer, nil)
	p.W.Must(err)
	if k.Device != "" || k.AddedOn != ses.Device {
		p.W.T.Fatalf("the key lives on %q and was added on %q", k.Device, k.AddedOn)
	}
	return k
}

func ids(keys []device.Key) (out []device.KeyID) {
	for _, k := range keys {
		out = append(out, k.ID)
	}
	return out
}

// A laptop is infected. Malware waits for a touch that its owner gives anyway, makes a key
// of its own and says that it was scanned by a phone. Removing the laptop takes it along;
// the phone that its owner really scanned with stays, because they say so.
func TestAKeyThatMalwareAddedGoesWithItsDevice(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		laptop := p.Elsewhere().In()
		id := laptop.Session().Device
		phone, theirs := &softkey.Authenticator{}, &softkey.Authenticator{}
		real := scanned(laptop, phone, "Phone")
		evil := scanned(laptop, theirs, "Phone")
		thief := p.Elsewhere()
		thief.Keys = theirs
		thief.In()

		im := preview(p, id)
		if len(im.Keys) != 0 || !slices.Equal(ids(im.Added), []device.KeyID{real.ID, evil.ID}) || im.LastKey || im.LastKept {
			t.Errorf("the owner is shown %+v", im)
		}
		before := w.Events(p.Account)
		remove := func(keep ...device.KeyID) (contain.Effect, error) {
			return w.Contain.RemoveDevice(t.Context(), p.Cause(), p.Session(), id, contain.Keep{Keys: keep})
		}
		_, err := remove(real.ID)
		w.Refused(err, device.ErrStepUp)
		p.Touch(device.ActDevicesRemove, string(id))
		for _, slip := range []device.KeyID{"key_nothing", p.ListKeys()[0].ID} { // the second was never added from it
			_, err = remove(real.ID, slip)
			w.Refused(err, device.ErrKeyUnknown)
		}
		_, err = thief.Check()
		w.Must(err) // nothing of it was done

		e, err := remove(real.ID)
		w.Must(err)
		if e.Added != 1 {
			t.Errorf("the proof is %+v", e)
		}
		_, err = thief.Check()
		w.Refused(err, session.ErrEnded)
		w.Refused(thief.SignInWith(thief.From()), device.ErrKeyUnknown)
		owner := p.Elsewhere()
		owner.Keys = phone
		owner.In()
		if got := w.Events(p.Account); got != before+" session.stepped_up device.removed session.started" {
			t.Errorf("the log says %q", got)
		}
		for _, r := range w.Records(p.Account) {
			if r.Action == "device.removed" && (r.Payload["keys"] != "1" || r.Payload["added"] != "Phone") {
				t.Errorf("the event says %v", r.Payload)
			}
		}
		w.Seal()
	})
}

// Who names nothing keeps nothing: also a key that was added after the owner looked.
func TestAKeyAddedAfterTheOwnerLookedGoesToo(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		laptop := p.Elsewhere().In()
		id := laptop.Session().Device
		seen := scanned(laptop, &softkey.Authenticator{}, "Seen")
		if im := preview(p, id); len(im.Added) != 1 {
			t.Errorf("%+v", im.Added)
		}
		scanned(laptop, &softkey.Authenticator{}, "The thief's")
		p.Touch(device.ActDevicesRemove, string(id))
		_, err := w.Contain.RemoveDevice(t.Context(), p.Cause(), p.Session(), id, contain.Keep{Keys: []device.KeyID{seen.ID}})
		w.Must(err)
		if got := ids(p.ListKeys()); len(got) != 2 || !slices.Contains(got, seen.ID) {
			t.Errorf("left: %v", got)
		}
	})
}

// All keys came from one device: without one that is kept nobody could get in again.
func TestTheLastKeyStaysWhenTheDeviceItCameFromGoes(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		id := p.Session().Device
		phone := &softkey.Authenticator{}
		k := scanned(p, phone, "Phone")
		q := p.Elsewhere()
		q.Keys = phone
		q.In()
		if im := preview(q, id); !im.LastKept || im.LastKey || len(im.Keys) != 1 || len(im.Added) != 1 {
			t.Errorf("%+v", im)
		}
		q.Touch(device.ActDevicesRemove, string(id))
		_, err := w.Contain.RemoveDevice(t.Context(), q.Cause(), q.Session(), id, contain.Keep{})
		w.Refused(err, device.ErrLastKey)
		if got := len(q.ListKeys()); got != 2 {
			t.Fatalf("%d keys are left of an act that was refused", got)
		}
		if _, err := p.Check(); err != nil {
			t.Errorf("a session ended with an act that was refused: %v", err)
		}
		_, err = w.Contain.RemoveDevice(t.Context(), q.Cause(), q.Session(), id, contain.Keep{Keys: []device.KeyID{k.ID}})
		w.Must(err)
		if got := ids(q.ListKeys()); !slices.Equal(got, []device.KeyID{k.ID}) {
			t.Errorf("left: %v", got)
		}
		q.Session()
	})
}

// The owner changes phones: the old one adds the passkey of the new one by a scan. It is
// listed and it stays, and it counts as the new phone only once it was seen on a new device:
// a touch with it from the old one could be that of malware which waits there.
func TestTheNewPhonesPasskeyStaysWhenTheOldOneRetires(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.NewPerson()
		p.Keys = &softkey.Authenticator{Local: true}
		w.Must(p.SignUp())
		w.Clock.Sleep(30 * 24 * time.Hour)
		p.In()
		old := p.Session().Device
		keys := &softkey.Authenticator{Local: true}
		k := scanned(p, keys, "New phone")

		was := p.Keys
		p.Keys = keys
		p.Touch(device.ActConfirmMe, "").In() // in the old phone's own browser
		p.Keys = was
		h := plan(p, old)
		if len(h.New) != 1 || h.New[0].Tested || h.New[0].On.ID != "" || h.Tested() {
			t.Errorf("a key that was used on the old phone alone: %+v", h.New)
		}
		if !slices.Equal(ids(h.Added), []device.KeyID{k.ID}) {
			t.Errorf("listed: %+v", h.Added)
		}
		p.In()
		w.Refused(retire(p, old), contain.ErrUntested)

		phone := p.Elsewhere()
		phone.Keys = keys
		phone.In()
		if h = plan(phone, old); !h.Tested() || h.New[0].On.ID != phone.Session().Device {
			t.Errorf("seen on the new phone: %+v", h.New)
		}
		w.Clock.Sleep(25 * time.Hour) // for a day its key takes no older one away
		phone.In()
		w.Must(retire(phone, old))
		phone.In()
		if got := phone.ListKeys(); len(got) != 1 || got[0].ID != k.ID || got[0].AddedOn != old {
			t.Errorf("left: %+v", got)
		}
	})
}

// A device is removed while a passkey is being added from it, with a touch that was given
// before. Whoever is first: no key of that device signs in afterwards.
func TestNoPasskeyOutlivesTheDeviceItIsAddedFrom(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		added, refused := 0, 0
		for i := range 12 {
			p := w.Person()
			laptop := p.Elsewhere().In()
			id := laptop.Session().Device
			laptopSes, answer := scanning(laptop, &softkey.Authenticator{})
			p.Touch(device.ActDevicesRemove, string(id))
			cause, ses := laptop.Cause(), p.Session()
			var g sync.WaitGroup
			var addErr, removeErr error
			g.Go(func() {
				time.Sleep(time.Duration(i%4) * time.Millisecond)
				_, addErr = w.SignIn.FinishAddKey(t.Context(), cause, laptopSes, "", answer, nil)
			})
			g.Go(func() {
				time.Sleep(time.Duration(i%3) * time.Millisecond)
				_, removeErr = w.Contain.RemoveDevice(t.Context(), p.Cause(), ses, id, contain.Keep{})
			})
			g.Wait()
			w.Must(removeErr)
			switch {
			case addErr == nil:
				added++
			case errors.Is(addErr, device.ErrStepUp):
				refused++
			default:
				t.Fatal(addErr)
			}
			if got := p.ListKeys(); len(got) != 1 {
				t.Fatalf("%d keys, and the device is gone", len(got))
			}
		}
		t.Logf("%d were added and went, %d were refused", added, refused)

		// And in this order for certain.
		p := w.Person()
		laptop := p.Elsewhere().In()
		ses, answer := scanning(laptop, &softkey.Authenticator{})
		p.Touch(device.ActDevicesRemove, string(ses.Device))
		_, err := w.Contain.RemoveDevice(t.Context(), p.Cause(), p.Session(), ses.Device, contain.Keep{})
		w.Must(err)
		_, err = w.SignIn.FinishAddKey(t.Context(), laptop.Cause(), ses, "", answer, nil)
		w.Refused(err, device.ErrStepUp)
		if got := p.ListKeys(); len(got) != 1 {
			t.Errorf("%d keys", len(got))
		}
	})
}

// What is known of a device begins with the first key that signed in on it. A thief with a
// recovery code lets one lie for a week: it opens no key that withdraws, and holds money
// when a key is added from it.
func TestARecoveryCodeMakesNoDeviceKnown(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		code := p.Codes()[0]
		q := p.Elsewhere()
		w.Must(q.SignInByCode(code))
		w.Clock.Sleep(7 * 24 * time.Hour)
		p.In()
		q.In() // with a passkey that a manager brought
		strange := func(p *signintest.Person) (strange bool) {
			ses := p.Session()
			w.Must(w.DB.View(t.Context(), func(tx *store.Tx) (err error) {
				strange, err = w.SignIn.Strange(tx, ses)
				return err
			}))
			return strange
		}
		if !strange(q) {
			t.Error("a device that a recovery code aged is known")
		}
		if strange(p) {
			t.Error("the device the account was made on is strange")
		}
		_, made := p.Bot(apikey.NewKey{Scopes: apikey.ReadAccount | apikey.Withdraw, Allow: []netip.Prefix{netip.PrefixFrom(signintest.Home, 32)}})
		q.Touch(apikey.ActUnlock, string(made.ID))
		_, err := w.BotKeys.Unlock(t.Context(), q.Cause(), q.By(), made.ID)
		w.Refused(err, apikey.ErrSecondDevice)
		w.Clock.Sleep(25 * time.Hour)
		q.In()
		if strange(q) {
			t.Error("a device is strange a day after a passkey signed in on it")
		}
		q.Touch(apikey.ActUnlock, string(made.ID))
		_, err = w.BotKeys.Unlock(t.Context(), q.Cause(), q.By(), made.ID)
		w.Must(err)
	})
}
