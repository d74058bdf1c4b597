package session

import (
	"testing"
	"time"

	"keyward/internal/audit"
	"keyward/internal/store"
)

// A thief with a copied passkey opens as many sessions as they can, so that the
// owner's list and acts drown in them.
func TestACrowdOfSessionsHidesNobodyAndStopsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person()
		first := p.signIn(bound)
		for range maxLive + 5 {
			w.clock.sleep(time.Second)
			p.signIn(elsewhere)
		}
		w.clock.sleep(time.Second)
		own := p.signIn(elsewhere, bound)
		w.must(own.check())
		w.refused(first.check(), ErrEnded)

		var live []Session
		w.must(w.db.View(t.Context(), func(tx *store.Tx) (err error) {
			live, _, err = w.s.List(tx, p.acc.ID)
			return err
		}))
		if len(live) != maxLive {
			t.Errorf("%d sessions live, want %d", len(live), maxLive)
		}
		ended := 0
		w.must(w.update("sessions.ended_others", p.acc.ID, func(tx *store.Tx) ([]audit.Effect, error) {
			eff, err := w.s.EndOthers(tx, p.acc.ID, own.iss.Session, EndedByOwner)
			ended, _ = Ended(eff)
			return eff, err
		}))
		if ended != maxLive-1 {
			t.Errorf("%d sessions ended, want %d", ended, maxLive-1)
		}
		w.must(own.check())
	})
}

func TestAnEffectThatNamesTheAccountIsCountedAndHeard(t *testing.T) {
	many := []audit.Effect{{Kind: manyKind, ID: "acc_x", Version: 700}, {Kind: "session", ID: "ses_x", Version: 2}}
	if n, named := Ended(many); n != 701 || len(named) != 1 {
		t.Errorf("counted %d, named %v", n, named)
	}
	each(t, func(t *testing.T, w *world) {
		p := w.person()
		c := p.signIn(bound)
		w.must(c.check())
		if _, ok := w.s.cache.get(c.iss.Session, time.Now()); !ok {
			t.Fatal("a check left nothing in the cache")
		}
		w.s.Heard(audit.Effect{Kind: manyKind, ID: string(p.acc.ID)}, audit.Record{})
		if _, ok := w.s.cache.get(c.iss.Session, time.Now()); ok {
			t.Error("the cache did not forget the account")
		}
	})
}
