package session

import (
	"testing"

	"keyward/internal/store"
)

// The owner's next touch gives the session new secrets. Whoever copied the old
// ones, refresh or access, has nothing (DESIGN §6.5, ASVS 7.2.4).
func TestATouchKillsEveryTokenOfBefore(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.person().signIn(bound)
		w.must(c.check()) // now it is in memory
		stolen := *c
		_, err := c.present(c.iss.Refresh, "key-of-the-thief")
		w.refused(err, ErrRefreshWrongKey)

		if c.iss, err = c.stepUp(""); err != nil {
			t.Fatal(err)
		}
		w.refused(stolen.check(), ErrEnded)
		w.refused(stolen.refresh(), ErrRefreshInvalid)
		w.must(c.check())
		w.must(c.refresh())
		if f := c.facts(); f.suspect || f.ended != "" {
			t.Errorf("after the owner's touch: %+v", f)
		}
		if ses := c.session(); ses.JKT != c.jkt || ses.ACR != ACRPhr {
			t.Errorf("the touch changed the session to key %q, %s", ses.JKT, ses.ACR)
		}
	})
}

// Two tabs step up with what they saw a while ago: each touch counts, and only the
// last one's secrets live.
func TestTheLastTouchWins(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.person().signIn(bound)
		first, err := c.stepUp("")
		w.must(err)
		second, err := c.stepUp("")
		w.must(err)
		c.iss = first
		w.refused(c.refresh(), ErrRefreshInvalid)
		w.refused(c.check(), ErrEnded)
		c.iss = second
		w.must(c.refresh())
		w.must(c.check())
	})
}

// What a refusal calls for comes a moment after it was decided. If the owner
// touches a key in between, the session has new secrets, and the old ones' replay
// concerns nobody any more.
func TestATouchBetweenAReplayAndItsEndSavesTheSession(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.person().signIn(bound)
		f := family{id: c.session().Family, jkt: c.jkt, ses: c.session()}
		var err error
		if c.iss, err = c.stepUp(""); err != nil {
			t.Fatal(err)
		}
		for _, refusal := range []error{ErrRefreshReused, errSnapshot, ErrRefreshWrongKey} {
			err := w.s.follow(t.Context(), store.Cause{}, &f, Refresh{JKT: c.jkt, JTI: jti()}, refusal)
			w.refused(err, refusal)
		}
		if got := c.facts(); got.ended != "" || got.suspect || got.events != "session.stepped_up" {
			t.Errorf("the database says %+v", got)
		}
		w.must(c.refresh())
	})
}
