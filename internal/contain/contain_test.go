package contain_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

func endOthers(p *signintest.Person) (contain.Effect, error) {
	return p.W.Contain.EndOthers(context.Background(), p.Cause(), p.Session())
}

func freeze(p *signintest.Person) (contain.Effect, error) {
	return p.W.Contain.Freeze(context.Background(), p.Cause(), p.Account, "here")
}

func lift(p *signintest.Person) error {
	return p.W.Contain.Lift(context.Background(), p.Cause(), p.Session())
}

func end(p *signintest.Person, id session.ID) (contain.Effect, error) {
	return p.W.Contain.EndSession(context.Background(), p.Cause(), p.Session(), id)
}

func TestEndingOneSession(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		phone := p.Elsewhere().In()
		id := phone.Session().ID
		e, err := end(p, id)
		w.Must(err)
		if e.Sessions != 1 || e.EffectiveAt.IsZero() || e.Gates.Passed < 1 {
			t.Errorf("the proof of it is %+v", e)
		}
		_, err = phone.Check()
		w.Refused(err, session.ErrEnded)
		w.Refused(phone.Refresh(), session.ErrRefreshInvalid)
		p.Session()
		_, ended := p.Sessions()
		if len(ended) != 1 || ended[0].EndedWhy != session.EndedByOwner || ended[0].ReachMS < 0 {
			t.Errorf("the list says %+v", ended)
		}
		_, err = end(p, id)
		w.Refused(err, session.ErrUnknown) // it is over

		stranger := w.Person()
		_, err = end(stranger, p.Session().ID)
		w.Refused(err, session.ErrUnknown) // not theirs
		_, err = w.Contain.NotMe(t.Context(), stranger.Cause(), stranger.Session(), p.Session().ID)
		w.Refused(err, session.ErrUnknown)
		w.Refused(w.Contain.ThisWasMe(t.Context(), stranger.Cause(), stranger.Session(), p.Session().ID), session.ErrUnknown)

		tablet := p.Elsewhere().In()
		w.Must(w.Contain.ThisWasMe(t.Context(), p.Cause(), p.Session(), tablet.Session().ID))
		_, err = w.Contain.NotMe(t.Context(), p.Cause(), p.Session(), tablet.Session().ID)
		w.Must(err)
		_, err = end(p, p.Session().ID)
		w.Must(err)
		_, err = p.Check()
		w.Refused(err, session.ErrEnded)

		why := []string{}
		for _, r := range w.Records(p.Account) {
			if r.Action == "session.ended" {
				why = append(why, r.Payload["why"])
			}
		}
		if got := strings.Join(why, " "); got != "owner not_me sign_out" {
			t.Errorf("the log says they ended %s", got)
		}
		w.Seal()
	})
}

// With a stolen cookie alone a thief could otherwise sign the owner out.
func TestEndingAllOthersNeedsATouch(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		phone, tablet := p.Elsewhere().In(), p.Elsewhere().In()
		before := w.Events(p.Account)
		_, err := endOthers(p)
		w.Refused(err, device.ErrStepUp)
		p.Touch(device.ActFreezeLift, "")
		_, err = endOthers(p)
		w.Refused(err, device.ErrStepUp)
		phone.Session()
		if got := w.Events(p.Account); got != before+" session.stepped_up" {
			t.Errorf("refusals left %q", got)
		}

		p.Touch(device.ActSessionsEndAll, "")
		e, err := endOthers(p)
		w.Must(err)
		if e.Sessions != 2 {
			t.Errorf("%d sessions ended", e.Sessions)
		}
		for _, q := range []*signintest.Person{phone, tablet} {
			_, err := q.Check()
			w.Refused(err, session.ErrEnded)
			w.Refused(q.Refresh(), session.ErrRefreshInvalid)
		}
		p.Session()
		w.Must(p.Refresh())
		_, err = endOthers(p)
		w.Refused(err, device.ErrStepUp) // the touch was for once
	})
}

// A code session with nothing to end writes no event and makes no error.
func TestEndingNothing(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		code := p.Codes()[0]
		_, err := end(p, p.Session().ID)
		w.Must(err)
		w.Must(p.SignInByCode(code))
		before := w.Events(p.Account)
		e, err := endOthers(p)
		w.Must(err)
		if e.Sessions != 0 || w.Events(p.Account) != before {
			t.Errorf("%+v, the log says %q", e, w.Events(p.Account))
		}
	})
}

// Freezing ends everything, refuses codes, and lets the passkey in to lift it.
func TestFreezeAndLift(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		code := p.Codes()[0]
		phone := p.Elsewhere().In()
		e, err := freeze(p)
		w.Must(err)
		if e.Sessions != 2 || w.Status(p.Account) != account.Frozen {
			t.Errorf("%d sessions ended, the account is %s", e.Sessions, w.Status(p.Account))
		}
		for _, q := range []*signintest.Person{p, phone} {
			_, err := q.Check()
			w.Refused(err, session.ErrEnded)
			w.Refused(q.Refresh(), session.ErrRefreshInvalid)
		}
		w.Refused(p.Elsewhere().SignInByCode(code), signin.ErrFrozen)
		e, err = freeze(p) // pressed twice
		w.Must(err)
		if e.Sessions != 0 {
			t.Errorf("a second press ended %d sessions", e.Sessions)
		}

		p.In()
		w.Refused(lift(p), device.ErrStepUp)
		p.Touch(device.ActSessionsEndAll, "")
		w.Refused(lift(p), device.ErrStepUp)
		if w.Status(p.Account) != account.Frozen {
			t.Fatal("lifted without a touch for it")
		}
		p.Touch(device.ActFreezeLift, "")
		w.Must(lift(p))
		if w.Status(p.Account) != account.Active {
			t.Errorf("the account is %s", w.Status(p.Account))
		}
		w.Must(p.Elsewhere().SignInByCode(code))
		for _, r := range w.Records(p.Account) {
			if r.Action == "account.unfrozen" && !strings.Contains(audit.Sentence(r, "en"), p.ListKeys()[0].Name) {
				t.Errorf("the log says %q", audit.Sentence(r, "en"))
			}
		}
		w.Seal()
	})
}

// A freeze and a lift are no way out of a restriction that somebody else placed.
func TestLiftingGivesBackWhatWas(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		w.SetStatus(p.Account, account.Restricted)
		for range 2 { // also the second time
			_, err := freeze(p)
			w.Must(err)
			p.In().Touch(device.ActFreezeLift, "")
			w.Must(lift(p))
			if got := w.Status(p.Account); got != account.Restricted {
				t.Fatalf("a freeze and a lift made a restricted account %s", got)
			}
		}
		w.SetStatus(p.Account, account.Active)
		_, err := freeze(p)
		w.Must(err)
		p.In().Touch(device.ActFreezeLift, "")
		w.Must(lift(p))
		if got := w.Status(p.Account); got != account.Active {
			t.Errorf("the account is %s", got)
		}
	})
}

// Where nothing is frozen there is nothing to lift, and the touch stays unused.
func TestLiftingNothing(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person().Touch(device.ActFreezeLift, "")
		before := w.Events(p.Account)
		w.Must(lift(p))
		w.Must(lift(p))
		if w.Events(p.Account) != before || w.Count("device_proof") != 1 {
			t.Errorf("the log says %q, %d touches are kept", w.Events(p.Account), w.Count("device_proof"))
		}
	})
}

// The widening act itself cannot be called with anything but its own touch.
func TestLiftFreezeNeedsItsProof(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		_, err := freeze(p)
		w.Must(err)
		p.In().Touch(device.ActFreezeLift, "").Touch(device.ActCodesNew, "")
		ses := p.Session()
		var kept device.Proof
		redeem := func(act string, then func(tx *store.Tx, proof device.Proof) error) error {
			return w.DB.Update(t.Context(), p.Cause(), func(tx *store.Tx) error {
				proof, err := w.Devices.Need(tx, string(ses.ID), p.Account, device.Act{Kind: act})
				if err != nil {
					return err
				}
				return then(tx, proof)
			})
		}
		w.Refused(redeem(device.ActCodesNew, w.Contain.LiftFreeze), device.ErrStepUp)
		gone := errors.New("rolled back")
		w.Refused(redeem(device.ActFreezeLift, func(_ *store.Tx, proof device.Proof) error { kept = proof; return gone }), gone)
		w.Refused(w.DB.Update(t.Context(), p.Cause(), func(tx *store.Tx) error { return w.Contain.LiftFreeze(tx, kept) }), device.ErrStepUp)
		w.Refused(w.DB.Update(t.Context(), p.Cause(), func(tx *store.Tx) error { return w.Contain.LiftFreeze(tx, device.Proof{}) }), device.ErrStepUp)
		if w.Status(p.Account) != account.Frozen {
			t.Error("lifted")
		}
	})
}

// The owner reads who froze the account: themselves, or somebody they can ask why.
func TestTheOwnerReadsWhoFroze(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		for _, tc := range []struct {
			actor func(*signintest.Person) string
			how   string
			want  string
		}{
			{func(p *signintest.Person) string { return "account:" + string(p.Account) }, "here", "You froze this account."},
			{func(*signintest.Person) string { return "link:freeze" }, "link", "This account was frozen with the link in one of our mails."},
			{func(*signintest.Person) string { return "operator:lee" }, "operator", "Our staff froze this account."},
			{func(*signintest.Person) string { return "client:exchange" }, "exchange", "The exchange froze this account."},
			{func(*signintest.Person) string { return "system:risk" }, "system", "Our own checks froze this account."},
		} {
			p := w.Person()
			_, err := w.Contain.Freeze(t.Context(), store.Cause{Actor: tc.actor(p)}, p.Account, tc.how)
			w.Must(err)
			recs, err := w.Log.ForAccount(t.Context(), w.DB, string(p.Account), "", 1)
			w.Must(err)
			if got := audit.Sentence(recs[0], "en"); !strings.HasPrefix(got, tc.want) {
				t.Errorf("by %s: %q", tc.actor(p), got)
			}
		}
	})
}

// freezeToken is what a mail to the owner would carry now.
func freezeToken(p *signintest.Person) (token string) {
	p.W.T.Helper()
	p.W.Must(p.W.DB.View(context.Background(), func(tx *store.Tx) error {
		a, err := p.W.Accounts.ByID(tx, p.Account)
		token = p.W.Accounts.FreezeToken(a, tx.Now)
		return err
	}))
	return token
}

// The reader of an old mailbox freezes once and not after each lift.
func TestALiftEndsTheLinksMailedBefore(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		first, second := freezeToken(p), freezeToken(p)
		follow := func(token string) error {
			_, err := w.Contain.FreezeByLink(t.Context(), store.Cause{Actor: "link:freeze"}, token)
			return err
		}
		w.Must(follow(first))
		w.Must(follow(second)) // frozen already; not refused, and nothing changes
		during := freezeToken(p)
		p.In().Touch(device.ActFreezeLift, "")
		w.Must(lift(p))
		for name, dead := range map[string]string{"that was used": first, "from before": second, "made while frozen": during} {
			if err := follow(dead); !errors.Is(err, account.ErrLinkExpired) {
				t.Errorf("a link %s: %v", name, err)
			}
		}
		if w.Status(p.Account) != account.Active || strings.Count(w.Events(p.Account), "account.frozen") != 1 {
			t.Errorf("the account is %s, the log says %q", w.Status(p.Account), w.Events(p.Account))
		}
		w.Must(follow(freezeToken(p)))
		if w.Status(p.Account) != account.Frozen {
			t.Error("a new link does not freeze")
		}
	})
}

func TestFreezeByLink(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		token := freezeToken(p)
		follow := func(token string) error {
			_, err := w.Contain.FreezeByLink(t.Context(), store.Cause{Actor: "anonymous"}, token)
			return err
		}
		for name, bad := range map[string]string{"cut": token[:len(token)-4], "somebody else's": string(w.Person().Account) + token[strings.Index(token, "."):], "empty": ""} {
			if err := follow(bad); !errors.Is(err, account.ErrLinkInvalid) {
				t.Errorf("a link that is %s: got %v", name, err)
			}
		}
		p.Session()
		w.Must(follow(token))
		w.Must(follow(token))
		_, err := p.Check()
		w.Refused(err, session.ErrEnded)
		if w.Status(p.Account) != account.Frozen || strings.Count(w.Events(p.Account), "account.frozen") != 1 {
			t.Errorf("the account is %s, the log says %q", w.Status(p.Account), w.Events(p.Account))
		}
		w.Clock.Sleep(8 * 24 * time.Hour)
		w.Refused(follow(token), account.ErrLinkExpired)

		q := w.Person()
		w.SetStatus(q.Account, account.Closed)
		w.Refused(follow(freezeToken(q)), account.ErrClosed)
	})
}

func TestEndingAllAtTheWordOfAnOperator(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		phone := p.Elsewhere().In()
		e, err := w.Contain.EndAll(t.Context(), store.Cause{Actor: "operator:lee"}, p.Account)
		w.Must(err)
		if e.Sessions != 2 {
			t.Errorf("%d sessions ended", e.Sessions)
		}
		for _, q := range []*signintest.Person{p, phone} {
			_, err := q.Check()
			w.Refused(err, session.ErrEnded)
		}
		_, err = w.Contain.EndAll(t.Context(), store.Cause{Actor: "operator:lee"}, "acc_nobody")
		w.Refused(err, account.ErrUnknown)
		w.Must(p.SignInWith(p.From()))
	})
}

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
			return w.Contain.RemoveDevice(t.Context(), by.Cause(), by.Session(), id)
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
				g.Go(func() { _, errs[i] = w.Contain.RemoveDevice(t.Context(), desk.Cause(), ses, id) })
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

// A closed tab does not undo an end, nor cut its proof short.
func TestAClosedTabCutsNothingShort(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		phone := p.Elsewhere().In()
		ctx, cancel := context.WithCancel(t.Context())
		gates := leaving{cancel}
		c := contain.New(w.DB, w.Log, w.Accounts, w.Devices, w.Sessions, gates)
		e, err := c.EndSession(ctx, p.Cause(), p.Session(), phone.Session().ID)
		w.Must(err)
		if e.Sessions != 1 {
			t.Errorf("%+v", e)
		}
		if _, ended := p.Sessions(); len(ended) != 1 || ended[0].ReachMS < 0 {
			t.Errorf("the list says %+v", ended)
		}
	})
}

// leaving are gates during whose wait the client goes away.
type leaving struct{ cancel func() }

func (l leaving) WaitGates(ctx context.Context, since time.Time) (audit.Reach, error) {
	l.cancel()
	return audit.Reach{EffectiveAt: since, Passed: 1}, ctx.Err()
}

// Without the gates' word nothing is called done, although it is committed: to
// say "refused everywhere" without proof would be a lie.
func TestWithoutTheGatesNothingIsAcknowledged(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		phone := p.Elsewhere().In()
		c := contain.New(w.DB, w.Log, w.Accounts, w.Devices, w.Sessions, silent{})
		_, err := c.EndSession(t.Context(), p.Cause(), p.Session(), phone.Session().ID)
		w.Refused(err, errSilent)
		_, err = phone.Check()
		w.Refused(err, session.ErrEnded)
	})
}

var errSilent = errors.New("no gate answers")

type silent struct{}

func (silent) WaitGates(context.Context, time.Time) (audit.Reach, error) {
	return audit.Reach{}, errSilent
}
