package apikey_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/device"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
)

// An operator asks for a key that cannot leave its hardware wherever a right is given that
// money leaves by, or kept alive: making, widening and replacing alike.
func TestARightTakesWhatTheOperatorAsksFor(t *testing.T) {
	least := device.Least{Acts: map[string]device.Grade{"botkeys.unlock": device.Hardware}, Scopes: map[string]device.Grade{"transfer": device.Hardware, "withdraw": device.Hardware}}
	signintest.EachDemanding(t, least, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		phone, _ := p.HardwareKey()
		moving := wished(t, apikey.ReadAccount|apikey.TransferInternal)
		plain := wished(t, apikey.ReadAccount|apikey.TradeSpot)
		if act := w.BotKeys.For(moving.Act(), moving.Scopes); act.Object != moving.Act().Object+" phrh" {
			t.Errorf("asked for as %q", act.Object)
		}
		add := func(p *signintest.Person, n apikey.NewKey, tricks ...softkey.Trick) (apikey.Key, error) {
			act := w.BotKeys.For(n.Act(), n.Scopes)
			if err := p.StepUp(act.Kind, act.Object, tricks...); err != nil {
				return apikey.Key{}, err
			}
			c, err := w.BotKeys.Add(t.Context(), p.Cause(), p.By(), n)
			return c.Key, err
		}
		k, err := add(p, plain)
		w.Must(err)
		_, err = add(p, moving, softkey.Unlisted)
		w.Refused(err, device.ErrGradeLow)
		// A touch for the same key without the word is for something that nobody asks for.
		p.Touch(moving.Act().Kind, moving.Act().Object)
		_, err = w.BotKeys.Add(t.Context(), p.Cause(), p.By(), moving)
		w.Refused(err, device.ErrStepUp)
		m, err := add(phone, moving)
		w.Must(err)

		e := k.Edit()
		e.Scopes |= apikey.TransferInternal
		wide := w.BotKeys.For(k.ChangeAct(e), e.Scopes)
		w.Refused(p.StepUp(wide.Kind, wide.Object, softkey.Unlisted), device.ErrGradeLow)
		phone.Touch(wide.Kind, wide.Object)
		_, err = w.BotKeys.Change(t.Context(), phone.Cause(), phone.By(), k.ID, k.Version, e)
		w.Must(err)

		turn := apikey.Turn{Why: apikey.Cadence, Public: softkey.NewBot("api.example.com").Public(), Overlap: time.Hour, Unrehearsed: true}
		p.Touch(device.ActBotKeyRotate, turn.Act(m).Object)
		_, err = w.BotKeys.Rotate(t.Context(), p.Cause(), p.By(), m.ID, m.Version, turn)
		if !errors.Is(err, device.ErrStepUp) {
			t.Errorf("replaced with a touch of any key: %v", err)
		}
		again := w.BotKeys.For(turn.Act(m), m.Scopes)
		phone.Touch(again.Kind, again.Object)
		_, err = w.BotKeys.Rotate(t.Context(), phone.Cause(), phone.By(), m.ID, m.Version, turn)
		w.Must(err)
		w.Refused(p.StepUp(device.ActBotKeyUnlock, string(k.ID), softkey.Unlisted), device.ErrGradeLow)
	})
}

// wished is a key that works from one address, and is asked for with its defaults.
func wished(t *testing.T, scopes apikey.Scopes) apikey.NewKey {
	t.Helper()
	n, err := apikey.NewKey{
		Purpose: "Grid bot on my VPS", Scopes: scopes, Public: softkey.NewBot(signintest.API).Public(), Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")},
	}.Checked()
	if err != nil {
		t.Fatal(err)
	}
	return n
}
