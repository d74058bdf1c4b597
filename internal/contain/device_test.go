package contain_test

import (
	"errors"
	"sync"
	"testing"

	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

// Removing a passkey ends what it opened, but never the last one.
func TestRemovingAPasskey(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		first := p.ListKeys()[0]
		remove := func(id device.KeyID) (contain.Effect, error) {
			return w.Contain.RemoveKey(t.Context(), p.Cause(), p.Session(), id)
		}
		p.Touch(device.ActKeysRemove, string(first.ID))
		_, err := remove(first.ID)
		w.Refused(err, device.ErrLastKey)
		if n := w.Count("device_proof"); n != 1 {
			t.Error("the refusal used the touch up")
		}

		keys, spare := p.SecondKey()
		phone := p.Elsewhere()
		phone.Keys = keys
		phone.In()
		p.Touch(device.ActKeysRemove, string(spare.ID))
		e, err := remove(spare.ID)
		w.Must(err)
		if e.Sessions != 1 {
			t.Errorf("%d sessions ended", e.Sessions)
		}
		_, err = phone.Check()
		w.Refused(err, session.ErrEnded)
		w.Refused(phone.SignInWith(phone.From()), device.ErrKeyUnknown)
		p.Session()

		stranger := w.Person()
		stranger.SecondKey()
		stranger.Touch(device.ActKeysRemove, string(first.ID))
		_, err = w.Contain.RemoveKey(t.Context(), stranger.Cause(), stranger.Session(), first.ID)
		w.Refused(err, device.ErrKeyUnknown)
	})
}

func TestRemovingADevice(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		home := p.Session().Device
		remove := func(by *signintest.Person, id device.ID) (contain.Effect, error) {
			return w.Contain.RemoveDevice(t.Context(), by.Cause(), by.Session(), id, contain.Keep{})
		}
		preview := func(id device.ID) (im contain.Impact) {
			w.Must(w.DB.View(t.Context(), func(tx *store.Tx) (err error) {
				im, err = w.Contain.PreviewDevice(tx, p.Session(), id)
				return err
			}))
			return im
		}
		// The device that holds the only passkey.
		if im := preview(home); !im.LastKey || !im.Self || len(im.Sessions) != 1 || len(im.Keys) != 1 {
			t.Errorf("the preview says %+v", im)
		}
		_, err := remove(p, home)
		w.Refused(err, device.ErrStepUp)
		p.Touch(device.ActDevicesRemove, string(home))
		_, err = remove(p, home)
		w.Refused(err, device.ErrLastKey)
		p.Session()
		if n := w.Count("device_proof"); n != 1 {
			t.Error("the refusal used the touch up")
		}

		// Another one, with a passkey and two sessions of its own.
		phone := p.Elsewhere().In()
		phone.Keys, _ = phone.SecondKey()
		phone.In()
		away := phone.Session().Device
		if im := preview(away); im.LastKey || im.Self || len(im.Sessions) != 1 || len(im.Keys) != 1 {
			t.Errorf("the preview says %+v", im)
		}
		p.Touch(device.ActDevicesRemove, string(away))
		e, err := remove(p, away)
		w.Must(err)
		if e.Sessions != 1 || len(p.ListKeys()) != 1 {
			t.Errorf("%d sessions ended, %d keys are left", e.Sessions, len(p.ListKeys()))
		}
		_, err = phone.Check()
		w.Refused(err, session.ErrEnded)
		w.Refused(phone.SignInWith(phone.From()), device.ErrKeyUnknown)
		_, err = remove(p, away)
		w.Refused(err, device.ErrUnknown)
		p.Session()
		last := w.Records(p.Account)
		if r := last[len(last)-1]; r.Action != "device.removed" || r.Payload["sessions"] != "1" || r.Payload["keys"] != "1" {
			t.Errorf("the log says %+v", r)
		}

		stranger := w.Person().Touch(device.ActDevicesRemove, string(home))
		_, err = remove(stranger, home)
		w.Refused(err, device.ErrUnknown)
		w.Refused(w.Contain.NameDevice(t.Context(), stranger.Cause(), stranger.Session(), home, "mine"), device.ErrUnknown)
		w.Must(w.Contain.NameDevice(t.Context(), p.Cause(), p.Session(), home, "Desk"))
	})
}

// Two devices hold one passkey each and are removed at the same moment: one stays.
func TestTwoRemovalsNeverTakeTheLastKey(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for range 5 {
			p := w.Person()
			home := p.Session().Device
			phone := p.Elsewhere().In()
			phone.SecondKey()
			away := phone.Session().Device
			desk := p.Elsewhere().In() // a third one, from which both are removed
			desk.Touch(device.ActDevicesRemove, string(home)).Touch(device.ActDevicesRemove, string(away))
			ses := desk.Session()
			var g sync.WaitGroup
			errs := make([]error, 2)
			for i, id := range []device.ID{home, away} {
				g.Go(func() { _, errs[i] = w.Contain.RemoveDevice(t.Context(), desk.Cause(), ses, id, contain.Keep{}) })
			}
			g.Wait()
			if (errs[0] == nil) == (errs[1] == nil) {
				t.Fatalf("got %v and %v", errs[0], errs[1])
			}
			// The loser finds one key left, or that its touch was of the key that went.
			if err := errors.Join(errs...); !errors.Is(err, device.ErrLastKey) && !errors.Is(err, device.ErrStepUp) {
				t.Fatal(err)
			}
			if n := len(p.ListKeys()); n != 1 {
				t.Fatalf("%d keys are left", n)
			}
		}
	})
}
