package signin_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"keyward/internal/device"
	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// A thief copied the device cookie of the owner's laptop and shows a code under it. With
// the owner's yes they would come in as that laptop: known for a month, under its name. The
// code is that of a new device, whatever cookie came.
func TestACodeUnderACopiedCookieIsThatOfANewDevice(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		w.Clock.Sleep(30 * 24 * time.Hour)
		p.In()
		laptop := p.Session().Device
		thief := arrive(w, "203.0.113.9")
		thief.Cookie = p.Cookie
		c, err := w.SignIn.ShowCode(t.Context(), thief.from())
		w.Must(err)
		if c.DeviceCookie == "" || c.DeviceCookie == p.Cookie {
			t.Fatalf("the code is shown under the cookie %q", c.DeviceCookie)
		}
		j, err := typed(p, c.Text)
		w.Must(err)
		p.Touch(device.ActDevicesAdmit, j.ID)
		w.Must(yes(p, j.ID))
		w.Refused(thief.comeIn(), signin.ErrJoinGone) // the copied cookie opens nothing
		thief.Cookie = c.DeviceCookie
		w.Must(thief.comeIn())
		ses := thief.Session()
		if ses.Device == laptop {
			t.Error("it came in as the laptop")
		}
		w.Must(w.DB.View(t.Context(), func(tx *store.Tx) error {
			strange, err := w.SignIn.Strange(tx, ses)
			if !strange {
				t.Error("what came in with a code a moment ago is known")
			}
			return err
		}))
		if k := thief.ListKeys()[1]; k.Device != ses.Device || k.AddedOn != ses.Device {
			t.Errorf("its key lives on %q and was added on %q", k.Device, k.AddedOn)
		}
	})
}

// A browser that signed in while its code was being looked at is a device of the account
// already. A key by code would make it one that was there before.
func TestACodeLetsInNoDeviceThatIsThereAlready(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p, n := w.Person(), w.NewPerson()
		n.Keys, n.Account, n.Mail = p.Keys, p.Account, p.Mail
		here := newcomer{n, signintest.Home}
		letIn(p, here)
		w.Must(n.SignInWith(here.from()))
		n.Keys = &softkey.Authenticator{}
		w.Refused(here.comeIn(), signin.ErrJoinGone)
		if got := len(p.ListKeys()); got != 1 {
			t.Errorf("%d keys", got)
		}
	})
}

// The owner looked at one network and said yes to it.
func TestAKeyByCodeComesFromTheNetworkOfTheCode(t *testing.T) {
	rows := []struct {
		name, shown, comes string
		want               error
	}{
		{"the same address", "203.0.113.9", "203.0.113.9", nil},
		{"another address of the same block", "203.0.113.9", "203.0.113.201", nil},
		{"the next block", "203.0.113.9", "203.0.114.9", signin.ErrJoinMoved},
		{"from Wi-Fi to the carrier", "203.0.113.9", "2001:db8:7::1", signin.ErrJoinMoved},
		{"a privacy address of the same home", "2001:db8:7:1::a", "2001:db8:7:2::b", nil},
		{"another home of the same carrier", "2001:db8:7::a", "2001:db8:8::a", signin.ErrJoinMoved},
		{"IPv4 written as IPv6", "203.0.113.9", "::ffff:203.0.113.10", nil},
	}
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				w.In(t)
				p, n := w.Person(), arrive(w, row.shown)
				j := letIn(p, n)
				n.addr = netip.MustParseAddr(row.comes)
				w.Refused(n.comeIn(), row.want)
				if row.want == nil {
					return
				}
				if s := n.state(); s != signin.JoinMoved { // and not whose account it is
					t.Errorf("the newcomer hears %q", s)
				}
				if got := len(p.ListKeys()); got != 1 {
					t.Fatalf("%d keys", got)
				}
				// Back in the first network it comes in, and nothing was used up.
				back := n
				back.addr = netip.MustParseAddr(row.shown)
				w.Must(back.comeIn())
				if got, err := joinOf(w, p, j.ID); err != nil || got.State != signin.JoinUsed {
					t.Errorf("%v %v", got.State, err)
				}
			})
		}
	})
}

// A browser that began in one network and answers from another: the options are not enough.
func TestTheNetworkIsAskedAgainWhenTheKeyIsThere(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p, n := w.Person(), arrive(w, "203.0.113.9")
		letIn(p, n)
		options, err := w.SignIn.BeginJoin(t.Context(), n.from())
		w.Must(err)
		answer, err := n.Browser().Create(options)
		w.Must(err)
		n.addr = netip.MustParseAddr("198.51.100.66")
		_, err = w.SignIn.FinishJoin(t.Context(), store.Cause{Actor: "anonymous", Addr: n.addr}, n.from(), "", answer)
		w.Refused(err, signin.ErrJoinMoved)
		if got := len(p.ListKeys()); got != 1 {
			t.Errorf("%d keys", got)
		}
	})
}

// Who moved shows another code. The one that waits for the owner's answer is over with
// that, so that the new one can be typed at once; a copied cookie ends nobody's.
func TestANewCodeGivesUpTheOneBefore(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for _, said := range []string{"typed", "admitted"} {
			t.Run(said, func(t *testing.T) {
				w.In(t)
				p, n := w.Person(), arrive(w, "203.0.113.9")
				j, err := typed(p, n.code())
				w.Must(err)
				if said == "admitted" {
					p.Touch(device.ActDevicesAdmit, j.ID)
					w.Must(yes(p, j.ID))
				}
				thief := arrive(w, "198.51.100.66")
				thief.Cookie = n.Cookie
				thief.code()
				if got, err := joinOf(w, p, j.ID); err != nil || got.State == signin.JoinExpired {
					t.Fatalf("a copy of the cookie ended it: %v %v", got.State, err)
				}
				first := n.Cookie
				n.addr = netip.MustParseAddr("198.51.100.7")
				j2, err := typed(p, n.code())
				w.Must(err)
				if got, err := joinOf(w, p, j.ID); err != nil || got.State != signin.JoinExpired {
					t.Errorf("the first one is %v %v", got.State, err)
				}
				w.Refused(yes(p, j.ID), signin.ErrJoinGone)
				old := newcomer{n.Person.At(w), netip.MustParseAddr("203.0.113.9")}
				old.Cookie = first
				w.Refused(old.comeIn(), signin.ErrJoinGone)
				p.Touch(device.ActDevicesAdmit, j2.ID)
				w.Must(yes(p, j2.ID))
				w.Must(n.comeIn())
			})
		}
	})
}

// Nor does a copied cookie take a code away that nobody has typed yet.
func TestACopiedCookieTakesNoCodeAway(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p, n := w.Person(), arrive(w, "203.0.113.9")
		code := n.code()
		thief := arrive(w, "198.51.100.66")
		thief.Cookie = n.Cookie
		thief.code()
		if s := n.state(); s != signin.JoinShown {
			t.Errorf("the newcomer hears %q", s)
		}
		_, err := typed(p, code)
		w.Must(err)
	})
}

func joinOf(w *signintest.World, p *signintest.Person, id string) (j signin.Join, err error) {
	err = w.DB.View(context.Background(), func(tx *store.Tx) (err error) {
		j, err = w.SignIn.JoinByID(tx, p.Account, id)
		return err
	})
	return j, err
}
