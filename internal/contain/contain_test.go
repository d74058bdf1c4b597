package contain_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/session"
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

// A closed tab does not undo an end, nor cut its proof short.
func TestAClosedTabCutsNothingShort(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		phone := p.Elsewhere().In()
		ctx, cancel := context.WithCancel(t.Context())
		gates := leaving{cancel}
		c := contain.New(w.DB, w.Log, w.Accounts, w.Devices, w.Sessions, w.BotKeys, gates)
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
		c := contain.New(w.DB, w.Log, w.Accounts, w.Devices, w.Sessions, w.BotKeys, silent{})
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
