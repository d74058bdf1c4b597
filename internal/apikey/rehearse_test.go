package apikey_test

import (
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

func (o *owner) rehearsal(id apikey.ID) (r apikey.Rehearsal) {
	o.t.Helper()
	o.w.Must(o.w.BotKeys.Flush(o.t.Context()))
	o.w.Must(o.w.BotKeys.FlushMeter(o.t.Context()))
	o.w.Must(o.w.DB.View(o.t.Context(), func(tx *store.Tx) (err error) {
		r, err = o.w.BotKeys.Rehearsal(tx, o.p.Key(id))
		return err
	}))
	return r
}

// twin makes a test key of the shape of another.
func (o *owner) twin(id apikey.ID) (*softkey.Bot, apikey.Created) {
	n := o.p.Key(id).Twin(nil)
	n.Alg = "" // Bot fills the public half in
	return o.p.Bot(n)
}

func TestARehearsalSaysWhatWouldBreak(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		_, key := o.p.Bot(trading)
		if r := o.rehearsal(key.ID); r.Stage != apikey.NoTwin || r.Passed {
			t.Errorf("%+v", r)
		}
		old, twin := o.twin(key.ID)
		if !twin.ID.IsTest() {
			t.Fatal(twin.ID)
		}
		if r := o.rehearsal(key.ID); r.Stage != apikey.NotBegun || r.Twin.ID != twin.ID {
			t.Errorf("%+v", r)
		}
		made, _ := o.p.Turn(old, twin.ID, apikey.Turn{Why: apikey.Cadence, Overlap: time.Hour})
		// The second program of this bot runs elsewhere, the first one has a bad clock.
		away := order
		away.peer = foreign
		slow := *made
		slow.Skew = -time.Minute
		o.want(o.request(made, away), trade, "IP_NOT_ALLOWED")
		o.want(o.request(&slow, order), trade, "TIMESTAMP_OUTSIDE_WINDOW")
		o.w.Clock.Sleep(55 * time.Minute)
		o.want(o.request(old, order), trade, "")
		o.w.Clock.Sleep(10 * time.Minute)
		o.want(o.request(old, order), trade, "(AUTH_FAILED)") // nobody told it
		o.want(o.request(old, away), trade, "(AUTH_FAILED)")  // anybody, from anywhere
		r := o.rehearsal(key.ID)
		found := map[apikey.What]apikey.Finding{}
		codes := map[apikey.Code]string{}
		for _, f := range r.Findings {
			found[f.What] = f
			if f.What == apikey.NewRefused {
				codes[f.Refused] = f.Addr
			}
		}
		if r.Stage != apikey.Done || r.Passed || codes[apikey.IPNotAllowed] != foreign.String() || codes[apikey.OutsideWindow] != home.String() ||
			found[apikey.OldUsed].Addr != home.String() || found[apikey.FailedAfter].N != 1 || found[apikey.NewUnseen].What == "" {
			t.Errorf("%+v", r)
		}
	})
}

func TestALiveKeyIsReplacedAfterARehearsal(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		_, key := o.p.Bot(trading)
		turn := inADay
		turn.Unrehearsed, turn.Public = false, softkey.NewBot(authority).Public()
		o.w.Refused(o.turns(key.ID, turn), apikey.ErrUnrehearsed)
		old, twin := o.twin(key.ID)
		made, _ := o.p.Turn(old, twin.ID, apikey.Turn{Why: apikey.Cadence, Overlap: time.Hour})
		o.want(o.request(old, order), trade, "")
		o.want(o.request(made, order), trade, "")
		if r := o.rehearsal(key.ID); r.Stage != apikey.Under || r.Passed {
			t.Errorf("%+v", r)
		}
		o.w.Clock.Sleep(11 * time.Minute)
		o.p.In()
		_, err := o.w.BotKeys.Retire(t.Context(), o.p.Cause(), o.p.By(), twin.ID, false)
		o.w.Must(err)
		o.want(o.request(made, order), trade, "")
		if r := o.rehearsal(key.ID); !r.Passed {
			t.Fatalf("%+v", r)
		}
		act := turn.Act(o.p.Key(key.ID))
		o.p.Touch(act.Kind, act.Object)
		o.w.Must(o.turns(key.ID, turn))
	})
}
