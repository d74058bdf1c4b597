package contain_test

import (
	"bytes"
	"testing"
	"time"

	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

func plan(p *signintest.Person, old device.ID) (h contain.Handover) {
	p.W.T.Helper()
	p.W.Must(p.W.DB.View(p.W.T.Context(), func(tx *store.Tx) (err error) {
		h, err = p.W.Contain.PlanHandover(tx, p.Session(), old)
		return err
	}))
	return h
}

func retire(p *signintest.Person, old device.ID) error {
	p.Touch(device.ActDevicesRemove, string(old))
	_, err := p.W.Contain.RetireDevice(p.W.T.Context(), p.Cause(), p.Session(), old)
	return err
}

// The old phone's passkey can only be used there. The new one makes its own, and only
// when that was seen to work may the old one be retired.
func TestChangingPhonesIsEnrolThenTestThenRetire(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.NewPerson()
		p.Keys = &softkey.Authenticator{Local: true}
		w.Must(p.SignUp())
		laptop := p.Elsewhere().In()
		_, err := laptop.AddKeyOnThisDevice()
		w.Must(err)
		w.Clock.Sleep(30 * 24 * time.Hour)
		p.In()
		old := p.Session().Device

		h := plan(p, old)
		if !h.Self || len(h.Moves) != 0 || len(h.Stays) != 1 || len(h.Sessions) != 1 || len(h.New) != 0 || h.Tested() {
			t.Errorf("at first, with a laptop known for a month: %+v", h)
		}
		w.Refused(retire(p, old), contain.ErrUntested)

		phone := p.Elsewhere().In() // with the old phone held beside it
		phone.Touch(device.ActKeysAdd, "")
		keys := &softkey.Authenticator{Local: true}
		_, err = phone.AddKey(keys, "New phone")
		w.Must(err)
		if h = plan(p, old); len(h.New) != 1 || h.New[0].Tested || h.New[0].On.ID != phone.Session().Device {
			t.Errorf("enrolled: %+v", h.New)
		}
		w.Refused(retire(p, old), contain.ErrUntested)

		phone.Keys = keys
		phone.In()
		if h = plan(phone, old); !h.Tested() || h.Self || !h.Until.Equal(h.New[0].Key.CreatedAt.Add(device.YoungFor)) || len(h.With) != 2 {
			t.Errorf("tested: %+v", h)
		}
		// The new phone has no power over the old one yet; the old one has it over itself.
		act := device.Act{Kind: device.ActDevicesRemove, Object: string(old)}
		w.Refused(phone.StepUpOn(phone.Session(), act, softkey.Unlisted), device.ErrTooNew)
		w.Clock.Sleep(24*time.Hour - time.Second)
		p.In()
		phone.In()
		w.Refused(phone.StepUpOn(phone.Session(), act, softkey.Unlisted), device.ErrTooNew)
		w.Clock.Sleep(time.Second)
		if h = plan(phone, old); !h.Until.IsZero() {
			t.Errorf("after a day: until %v", h.Until)
		}
		w.Must(retire(phone, old))
		_, err = p.Check()
		w.Refused(err, session.ErrEnded)
		w.Refused(p.SignInWith(p.From()), device.ErrKeyUnknown)
		phone.In()
		recs := w.Records(p.Account)
		var said bool
		for _, r := range recs {
			said = said || r.Action == "device.removed" && r.Payload["retired"] == "yes" && r.Payload["keys"] == "1"
		}
		if !said || len(phone.ListKeys()) != 2 {
			t.Errorf("events %q, %d keys", w.Events(p.Account), len(phone.ListKeys()))
		}
	})
}

// On the old phone the touch is by its own key, and the change is done at once: it goes by
// its own hand, and what is left is the new one, which nothing is older than any more.
func TestTheOldPhoneRetiresItself(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.NewPerson()
		p.Keys = &softkey.Authenticator{Local: true}
		w.Must(p.SignUp())
		w.Clock.Sleep(30 * 24 * time.Hour)
		p.In()
		old := p.Session().Device
		phone := p.Elsewhere().In()
		_, err := phone.AddKeyOnThisDevice()
		w.Must(err)
		if h := plan(phone, old); h.Until.IsZero() || len(h.With) != 1 || h.With[0].Device != old {
			t.Errorf("on the new phone: %+v", h)
		}
		h := plan(p, old)
		if !h.Self || !h.Until.IsZero() || !h.Tested() {
			t.Errorf("on the old phone: %+v", h)
		}
		w.Must(retire(p, old))
		_, err = p.Check()
		w.Refused(err, session.ErrEnded)
		w.Refused(p.SignInWith(p.From()), device.ErrKeyUnknown)
		phone.In().Touch(device.ActCodesNew, "").Codes()
	})
}

// A passkey that its manager carries over needs no new one: the new phone signs in
// with it, and retiring the old phone leaves it.
func TestASharedPasskeyStaysWhenTheOldPhoneGoes(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		old := p.Session().Device
		w.Clock.Sleep(30 * 24 * time.Hour)
		p.In()
		if h := plan(p, old); len(h.Moves) != 1 || len(h.Stays) != 0 || h.Tested() {
			t.Errorf("at first: %+v", h)
		}
		phone := p.Elsewhere().In()
		if h := plan(phone, old); !h.Tested() || h.New[0].On.ID != phone.Session().Device {
			t.Errorf("signed in on the new one: %+v", h)
		}
		w.Must(retire(phone, old))
		phone.Session() // not ended with the device
		w.Refused(p.SignInWith(p.From()), nil)
		if keys := phone.ListKeys(); len(keys) != 1 || keys[0].Device != "" {
			t.Errorf("keys %+v", keys)
		}
	})
}

// A passkey made in a phone that stood beside the browser is the phone's: it stays
// when the device that showed the picture is removed.
func TestAPasskeyMadeInAPhoneNearbyIsNotOfTheBrowserThatAsked(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		p.Touch(device.ActKeysAdd, "")
		options, err := w.SignIn.BeginAddKey(t.Context(), p.Session())
		w.Must(err)
		answer, err := (&softkey.Browser{Origin: signintest.Origin, Keys: &softkey.Authenticator{}}).Create(options)
		w.Must(err)
		answer = bytes.Replace(answer, []byte(`"authenticatorAttachment":"platform"`), []byte(`"authenticatorAttachment":"cross-platform"`), 1)
		k, err := w.SignIn.FinishAddKey(t.Context(), p.Cause(), p.Session(), "Phone", answer, nil)
		w.Must(err)
		if k.Device != "" {
			t.Errorf("the key stands with %q", k.Device)
		}
		if h := plan(p, p.Session().Device); len(h.New) != 1 || h.New[0].Tested {
			t.Errorf("%+v", h.New)
		}
	})
}

// Coming in with a code is no test: the passkey was made and never used.
func TestComingInWithACodeIsNoTest(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		ctx := t.Context()
		p, n := w.Person(), w.NewPerson()
		old := p.Session().Device
		w.Clock.Sleep(time.Hour)
		p.In()
		code, err := w.SignIn.ShowCode(ctx, n.From())
		w.Must(err)
		j, err := w.SignIn.ClaimJoin(ctx, p.Cause(), p.Session(), code.Text)
		w.Must(err)
		p.Touch(device.ActDevicesAdmit, j.ID)
		_, err = w.SignIn.AdmitJoin(ctx, p.Cause(), p.Session(), j.ID)
		w.Must(err)
		options, err := w.SignIn.BeginJoin(ctx, n.From())
		w.Must(err)
		answer, err := n.Browser().Create(options)
		w.Must(err)
		var in signin.Entered
		in, err = w.SignIn.FinishJoin(ctx, n.Cause(), n.From(), "", answer)
		w.Must(err)
		n.Account, n.Iss = in.Account, in.Issued
		if h := plan(n, old); len(h.New) != 1 || h.Tested() {
			t.Errorf("%+v", h.New)
		}
		w.Refused(retire(p, old), contain.ErrUntested)
		n.Touch(device.ActConfirmMe, "")
		if h := plan(n, old); !h.Tested() {
			t.Errorf("after a touch on the new phone: %+v", h.New)
		}
		w.Must(retire(n, old))
	})
}
