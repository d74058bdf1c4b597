package contain_test

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
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

func preview(p *signintest.Person, id device.ID) (im contain.Impact) {
	p.W.T.Helper()
	p.W.Must(p.W.DB.View(p.W.T.Context(), func(tx *store.Tx) (err error) {
		im, err = p.W.Contain.PreviewDevice(tx, p.Session(), id)
		return err
	}))
	return im
}

// atTheGate sends one signed request of a bot.
func atTheGate(w *signintest.World, bot *softkey.Bot) error {
	r := &http.Request{Method: "GET", URL: &url.URL{Path: "/v1/balance"}, Header: http.Header{}}
	bot.Sign(r, nil, w.DB.Now())
	_, no := w.BotKeys.Verify(w.T.Context(), &apikey.Request{Method: "GET", Authority: signintest.API, Path: "/v1/balance", Header: r.Header, Peer: signintest.Home},
		apikey.Need{Scope: apikey.ReadAccount, Class: apikey.ClassRead})
	if no != nil {
		return no
	}
	return nil
}

// A laptop is lost. The owner sees all that hangs on it before the touch; one act ends it,
// and what was ended is refused everywhere when the answer is there.
func TestOneActEndsAllThatALostDeviceCanDo(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		laptop := p.Elsewhere().In() // with a passkey of the owner's manager
		own, err := laptop.AddKeyOnThisDevice()
		w.Must(err)
		id := laptop.Session().Device
		grid, made := laptop.Bot(apikey.NewKey{Purpose: "Grid bot", Scopes: apikey.ReadAccount})
		tax, kept := laptop.Bot(apikey.NewKey{Purpose: "Tax report", Scopes: apikey.ReadAccount})
		home, mine := p.Bot(apikey.NewKey{Purpose: "At home", Scopes: apikey.ReadAccount})
		_, gone := laptop.Bot(apikey.NewKey{Purpose: "Ended long ago", Scopes: apikey.ReadAccount})
		_, err = w.Contain.EndBotKey(t.Context(), p.Cause(), p.Account, gone.ID)
		w.Must(err)
		for _, bot := range []*softkey.Bot{grid, tax, home} {
			w.Must(atTheGate(w, bot))
		}

		im := preview(p, id)
		if len(im.Sessions) != 1 || len(im.Keys) != 1 || im.Keys[0].ID != own.ID || im.LastKey || im.Self {
			t.Errorf("sessions and passkeys: %+v", im)
		}
		if im.Sessions[0].JKT == "" {
			t.Error("it does not say that the session is bound")
		}
		if len(im.BotKeys) != 2 || im.BotKeys[0].ID != kept.ID || im.BotKeys[1].ID != made.ID {
			t.Errorf("API keys: %+v", im.BotKeys)
		}
		if len(im.Shared) != 1 || im.Shared[0].ID != p.ListKeys()[0].ID {
			t.Errorf("passkeys that a manager brought there: %+v", im.Shared)
		}
		before := w.Events(p.Account)

		remove := func(keep ...apikey.ID) (contain.Effect, error) {
			return w.Contain.RemoveDevice(t.Context(), p.Cause(), p.Session(), id, contain.Keep{APIKeys: keep})
		}
		_, err = remove(kept.ID)
		w.Refused(err, device.ErrStepUp)
		p.Touch(device.ActDevicesRemove, string(id))
		for _, slip := range []apikey.ID{"kwk_live_nothing", mine.ID, gone.ID} {
			_, err = remove(slip)
			w.Refused(err, apikey.ErrUnknown)
		}
		w.Must(atTheGate(w, grid)) // nothing of it was done
		_, err = laptop.Check()
		w.Must(err)

		e, err := remove(kept.ID)
		w.Must(err)
		if e.Sessions != 1 || e.APIKeys != 1 || e.EffectiveAt.IsZero() {
			t.Errorf("the proof is %+v", e)
		}
		_, err = laptop.Check()
		w.Refused(err, session.ErrEnded)
		w.Refused(laptop.Refresh(), session.ErrRefreshInvalid)
		if err := atTheGate(w, grid); err == nil {
			t.Error("the key that was made from it is let in after the answer")
		}
		w.Must(atTheGate(w, tax))
		w.Must(atTheGate(w, home))
		if k := p.Key(made.ID); k.Status != apikey.Revoked || k.EndedWhy != "device_removed" {
			t.Errorf("%+v", k)
		}
		if got := w.Events(p.Account); got != before+" session.stepped_up device.removed" {
			t.Errorf("the log says %q", got)
		}
		last := w.Records(p.Account)
		if r := last[len(last)-1]; r.Payload["apikeys"] != "1" || r.Payload["sessions"] != "1" || r.Payload["keys"] != "1" {
			t.Errorf("the event says %+v", r.Payload)
		}
		w.Seal()
	})
}

// Who names nothing keeps nothing: also a key that was made after the owner looked.
func TestAKeyMadeAfterTheOwnerLookedEndsToo(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		laptop := p.Elsewhere().In()
		id := laptop.Session().Device
		_, seen := laptop.Bot(apikey.NewKey{Purpose: "Known", Scopes: apikey.ReadAccount})
		if im := preview(p, id); len(im.BotKeys) != 1 || len(im.Keys) != 0 {
			t.Errorf("%+v", im)
		}
		thief, _ := laptop.Bot(apikey.NewKey{Purpose: "The thief's", Scopes: apikey.ReadAccount})
		p.Touch(device.ActDevicesRemove, string(id))
		e, err := w.Contain.RemoveDevice(t.Context(), p.Cause(), p.Session(), id, contain.Keep{APIKeys: []apikey.ID{seen.ID}})
		w.Must(err)
		if e.APIKeys != 1 || atTheGate(w, thief) == nil {
			t.Errorf("%d ended", e.APIKeys)
		}
	})
}

// A device is removed while a key is being made from it, with a touch that was given
// before. Whoever is first: no key of that device works afterwards.
func TestNoKeyOutlivesTheDeviceItIsMadeFrom(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		made, refused := 0, 0
		for i := range 12 {
			p := w.Person()
			laptop := p.Elsewhere().In()
			id := laptop.Session().Device
			bot := softkey.NewBot(signintest.API)
			n := apikey.NewKey{Purpose: "Bot " + strconv.Itoa(i), Scopes: apikey.ReadAccount, Public: bot.Public()}
			checked, err := n.Checked()
			w.Must(err)
			laptop.Touch(checked.Act().Kind, checked.Act().Object)
			p.Touch(device.ActDevicesRemove, string(id))
			by, cause, ses := laptop.By(), laptop.Cause(), p.Session()
			var g sync.WaitGroup
			var addErr, removeErr error
			var e contain.Effect
			var c apikey.Created
			g.Go(func() {
				time.Sleep(time.Duration(i%4) * time.Millisecond)
				c, addErr = w.BotKeys.Add(t.Context(), cause, by, n)
			})
			g.Go(func() {
				time.Sleep(time.Duration(i%3) * time.Millisecond)
				e, removeErr = w.Contain.RemoveDevice(t.Context(), p.Cause(), ses, id, contain.Keep{})
			})
			g.Wait()
			w.Must(removeErr)
			switch {
			case addErr == nil:
				made++
				bot.ID = string(c.ID)
				if err := atTheGate(w, bot); err == nil || e.APIKeys != 1 {
					t.Fatalf("a key of the removed device is let in; %d ended", e.APIKeys)
				}
			case errors.Is(addErr, device.ErrStepUp):
				refused++
			default:
				t.Fatal(addErr)
			}
			if n := w.Count("apikey_key WHERE account = '" + string(p.Account) + "' AND status <> 'revoked'"); n != 0 {
				t.Fatalf("%d keys of the removed device are there", n)
			}
		}
		t.Logf("%d were made and ended, %d were refused", made, refused)

		// And in this order for certain.
		p := w.Person()
		laptop := p.Elsewhere().In()
		by, cause := laptop.By(), laptop.Cause()
		bot := softkey.NewBot(signintest.API)
		n := apikey.NewKey{Purpose: "Too late", Scopes: apikey.ReadAccount, Public: bot.Public()}
		checked, err := n.Checked()
		w.Must(err)
		laptop.Touch(checked.Act().Kind, checked.Act().Object)
		p.Touch(device.ActDevicesRemove, string(by.Device))
		_, err = w.Contain.RemoveDevice(t.Context(), p.Cause(), p.Session(), by.Device, contain.Keep{})
		w.Must(err)
		_, err = w.BotKeys.Add(t.Context(), cause, by, n)
		w.Refused(err, device.ErrStepUp)
		if n := w.Count("apikey_key WHERE account = '" + string(p.Account) + "'"); n != 0 {
			t.Errorf("%d keys", n)
		}
	})
}

// A planned change of devices ends no bot.
func TestAPlannedChangeEndsNoBot(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		old := p.Session().Device
		bot, _ := p.Bot(apikey.NewKey{Scopes: apikey.ReadAccount})
		w.Clock.Sleep(30 * 24 * time.Hour)
		p.In()
		phone := p.Elsewhere().In()
		if h := plan(phone, old); len(h.BotKeys) != 1 {
			t.Errorf("%+v", h.BotKeys)
		}
		w.Must(retire(phone, old))
		w.Must(atTheGate(w, bot))
	})
}
