package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"keyward/internal/audit"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

func TestCheck(t *testing.T) {
	addr := netip.MustParseAddr
	checks := []struct {
		name   string
		how    []begin
		before func(c *client) // between sign-in and check
		token  func(c *client) string
		from   netip.Addr
		proved string
		want   error
	}{
		{name: "a session that was just started is good", from: home},
		{name: "nothing presented is nobody", token: func(*client) string { return "" }, want: ErrNotSignedIn},
		{name: "a refresh token opens nothing by itself", token: func(c *client) string { return c.iss.Refresh }, want: ErrNotSignedIn},
		{name: "a token with one letter changed is none", token: func(c *client) string { return swapLast(c.iss.Access) }, want: ErrNotSignedIn},
		{name: "a token moved to another session is none", token: func(c *client) string {
			other := c.p.signIn(elsewhere)
			return strings.Replace(c.iss.Access, string(c.iss.Session), string(other.iss.Session), 1)
		}, want: ErrNotSignedIn},
		{name: "five minutes are its life", before: func(c *client) { c.w.clock.sleep(5 * time.Minute) }, want: ErrAccessExpired},
		{name: "a moment less is not", before: func(c *client) { c.w.clock.sleep(5*time.Minute - time.Microsecond) }},
		{name: "an older access token lives on after a refresh", before: func(c *client) { _, err := c.present(c.iss.Refresh, c.jkt); c.w.must(err) }},
		{name: "an ended session is over at the very next check", before: func(c *client) { c.w.must(c.check()); c.w.must(c.end(EndedByOwner)) }, want: ErrEnded},
		{name: "and so is one that was ended with all others", before: func(c *client) { c.w.must(c.check()); c.p.endAll() }, want: ErrEnded},
		{name: "a session of somebody else is not", before: func(c *client) { c.w.must(c.check()); c.w.person().endAll() }},
		{name: "a new sign-in on the same device takes the place of the old", before: func(c *client) { c.w.must(c.check()); c.p.signIn() }, want: ErrEnded},
		{name: "a sign-in on another device does not", before: func(c *client) { c.w.must(c.check()); c.p.signIn(elsewhere) }},
		{name: "a restored database ends everything", before: func(c *client) {
			c.w.must(c.check())
			c.w.must(c.w.update("audit.restore_accepted", "", func(tx *store.Tx) ([]audit.Effect, error) {
				return c.w.s.EndEverywhere(tx, EndedRestored)
			}))
		}, want: ErrEnded},

		{name: "unbound, the network does not matter", from: away},
		{name: "bound, the browser's own network is enough between two refreshes", how: []begin{bound}, from: home},
		{name: "bound, a neighbour in the same /24 is the same network", how: []begin{bound}, from: addr("203.0.113.250")},
		{name: "bound, the same address written for IPv6 is too", how: []begin{bound}, from: addr("::ffff:203.0.113.7")},
		{name: "bound, a copied cookie from another network is worth nothing", how: []begin{bound}, from: away, want: ErrProofMissing},
		{name: "bound, an address that is not known is another network", how: []begin{bound}, want: ErrProofMissing},
		{name: "bound, anywhere, with its key", how: []begin{bound}, from: away, proved: "key-of-the-owner"},
		{name: "bound, with another key, is refused even at home", how: []begin{bound}, from: home, proved: "key-of-the-thief", want: ErrProofMissing},
		{name: "an app proves its key on every call", how: []begin{app}, from: home, proved: "key-of-the-app"},
		{name: "an app that does not is refused, at home too", how: []begin{app}, from: home, want: ErrProofMissing},
	}
	each(t, func(t *testing.T, w *world) {
		for _, row := range checks {
			t.Run(row.name, func(t *testing.T) {
				w := process(t, w.db, w.ring, w.clock, nil)
				c := w.person().signIn(row.how...)
				if row.before != nil {
					row.before(c)
				}
				token := c.iss.Access
				if row.token != nil {
					token = row.token(c)
				}
				for _, when := range []string{"from the database", "from memory"} {
					live, err := w.s.Check(t.Context(), token, row.from, row.proved)
					if !errors.Is(err, row.want) {
						t.Fatalf("%s: got %v, want %v", when, err, row.want)
					}
					if err == nil && (live.ID != c.iss.Session || live.Account != c.p.acc.ID || live.ACR != ACRPhr || !live.Expires.Equal(c.iss.AccessExp)) {
						t.Errorf("%s: %+v", when, live)
					}
				}
			})
		}
	})
}

func swapLast(s string) string { return s[:len(s)-2] + string(s[len(s)-2]^1) + s[len(s)-1:] }

// An access token never outlives what its family could still do.
func TestAnAccessTokenEndsWithItsFamily(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.s.life = Lifetimes{Access: time.Hour, Idle: 40 * time.Minute, Absolute: 90 * time.Minute, Remember: 2 * time.Hour}
		c := w.person().signIn()
		if want := w.clock.now().Add(40 * time.Minute); !c.iss.AccessExp.Equal(want) {
			t.Errorf("expires %s, the family idles out at %s", c.iss.AccessExp, want)
		}
		abs := w.clock.now().Add(90 * time.Minute)
		w.clock.sleep(39 * time.Minute)
		w.must(c.refresh())
		w.clock.sleep(39 * time.Minute)
		w.must(c.refresh())
		if !c.iss.AccessExp.Equal(abs) || !c.iss.RefreshExp.Equal(abs) {
			t.Errorf("expires %s and %s, the session ends at %s", c.iss.AccessExp, c.iss.RefreshExp, abs)
		}
	})
}

// Without a valid lease a process may have missed an end, and asks the database.
func TestWithoutALeaseTheDatabaseIsAsked(t *testing.T) {
	c := newClock()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ring := keyringtest.NewTestRing(t)
		valid := true
		here := process(t, db, ring, c, nil)
		there := process(t, db, ring, c, func() bool { return valid })
		kim := here.person().signIn()
		there.must(kim.at(there).check()) // now it stands in the memory of the other process

		here.must(kim.end(EndedByOwner)) // of which it has not heard
		there.must(kim.at(there).check())
		valid = false
		there.refused(kim.at(there).check(), ErrEnded)
	}, storetest.WithNow(func() time.Time { return c.now() }))
}

// A process that starts reads the log from its end on. What it read from the
// database before that could have ended unheard, so it must not be kept.
func TestNothingIsKeptBeforeTheFirstLookAtTheLog(t *testing.T) {
	c := newClock()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ring := keyringtest.NewTestRing(t)
		valid := false
		here := process(t, db, ring, c, nil)
		there := process(t, db, ring, c, func() bool { return valid })
		kim := here.person().signIn()
		there.must(kim.at(there).check()) // started, but no lease yet
		here.must(kim.end(EndedByOwner))  // comes before the end of the log that it will read
		valid = true
		there.refused(kim.at(there).check(), ErrEnded)
	}, storetest.WithNow(func() time.Time { return c.now() }))
}

// The owner steps up at one process and comes back at another, which has not
// heard of it yet: bad news from memory is not believed.
func TestAStepUpIsGoodAtOnceEverywhere(t *testing.T) {
	c := newClock()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ring := keyringtest.NewTestRing(t)
		here, there := process(t, db, ring, c, nil), process(t, db, ring, c, nil)
		kim := here.person().signIn(bound)
		there.must(kim.at(there).check())
		old := *kim
		var err error
		if kim.iss, err = kim.stepUp(""); err != nil {
			t.Fatal(err)
		}
		there.must(kim.at(there).check())
		there.refused(old.at(there).check(), ErrEnded) // and the new one drove the old one out of memory
	}, storetest.WithNow(func() time.Time { return c.now() }))
}

// The owner's list tells what can act and why the rest cannot.
func TestList(t *testing.T) {
	type line struct {
		who  *client
		live bool
		why  string
		at   time.Duration // of the end, after the start of the story
	}
	each(t, func(t *testing.T, w *world) {
		p, stranger := w.person(), w.person()
		start := w.clock.now()
		after := func(d time.Duration) { w.clock.at = start.Add(d) }

		frozen := p.signIn(elsewhere)
		after(time.Minute)
		w.must(w.update("account.frozen", p.acc.ID, func(tx *store.Tx) ([]audit.Effect, error) { return w.s.EndAll(tx, p.acc.ID, EndedFreeze) }))
		after(2 * time.Minute)
		stranger.signIn()
		idle := p.signIn(elsewhere)
		replaced := p.signIn()
		after(3 * time.Minute)
		busy := p.signIn()
		kept := p.signIn(remembered, elsewhere)
		after(4 * time.Minute)
		signedOut := p.signIn(elsewhere)
		w.must(signedOut.end(EndedSignOut))
		after(30 * time.Minute)
		w.must(busy.refresh())
		after(65 * time.Minute)

		// A second end of what is over changes neither time nor reason.
		w.refused(frozen.end(EndedByOwner), ErrUnknown)
		w.must(idle.end(EndedByOwner)) // its row says so now, the list still says what came first
		w.refused(signedOut.end(EndedByOwner), ErrUnknown)

		want := []line{
			{who: busy, live: true}, {who: kept, live: true},
			{who: frozen, why: EndedFreeze, at: time.Minute},
			{who: idle, why: EndedIdle, at: 62 * time.Minute},
			{who: replaced, why: EndedReplaced, at: 3 * time.Minute},
			{who: signedOut, why: EndedSignOut, at: 4 * time.Minute},
		}
		var live, ended []Session
		list := func() {
			w.must(w.db.View(context.Background(), func(tx *store.Tx) (err error) {
				live, ended, err = w.s.List(tx, p.acc.ID)
				return err
			}))
		}
		list()
		if len(live) != 2 || len(ended) != 4 {
			t.Fatalf("%d live and %d ended", len(live), len(ended))
		}
		for _, l := range want {
			found := false
			for _, ses := range append(live, ended...) {
				if ses.ID != l.who.iss.Session {
					continue
				}
				found = true
				if ses.EndedAt.IsZero() != l.live || ses.EndedWhy != l.why || !l.live && !ses.EndedAt.Equal(start.Add(l.at)) {
					t.Errorf("session ended %q at %s, want %q at %s", ses.EndedWhy, ses.EndedAt, l.why, start.Add(l.at))
				}
			}
			if !found {
				t.Errorf("the session that ended by %q is missing", l.why)
			}
			if one := l.who.session(); one.EndedWhy != l.why {
				t.Errorf("by its id it ended %q, in the list %q", one.EndedWhy, l.why)
			}
		}

		// A month later only the one that was remembered so long is in the list.
		after(32 * 24 * time.Hour)
		list()
		if len(live) != 0 || len(ended) != 1 || ended[0].ID != kept.iss.Session || ended[0].EndedWhy != EndedAbsolute {
			t.Errorf("after a month: %d live, ended: %+v", len(live), ended)
		}
	})
}

// A session id is no power: with another account beside it, it names nothing.
func TestSessionsOfOthersAreUnknown(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		kim, lee := w.person(), w.person()
		theirs := kim.signIn()
		for name, f := range map[string]func(tx *store.Tx) ([]audit.Effect, error){
			"end": func(tx *store.Tx) ([]audit.Effect, error) {
				return w.s.End(tx, lee.acc.ID, theirs.iss.Session, EndedByOwner)
			},
			"vouch": func(tx *store.Tx) ([]audit.Effect, error) { return w.s.Vouch(tx, lee.acc.ID, theirs.iss.Session) },
			"read": func(tx *store.Tx) ([]audit.Effect, error) {
				_, err := w.s.ByID(tx, lee.acc.ID, theirs.iss.Session)
				return nil, err
			},
		} {
			if err := w.update("session.ended", lee.acc.ID, f); !errors.Is(err, ErrUnknown) {
				t.Errorf("%s: got %v, want %v", name, err, ErrUnknown)
			}
		}
		w.must(theirs.check())
	})
}

// Last uses are gathered in memory and written once a minute.
func TestLastSeen(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.person().signIn()
		w.clock.sleep(3 * time.Minute)
		seen := w.clock.now()
		w.must(c.check())
		w.must(c.check())
		w.clock.sleep(time.Minute)
		var live []Session
		w.must(w.db.View(t.Context(), func(tx *store.Tx) (err error) { live, _, err = w.s.List(tx, c.p.acc.ID); return err }))
		if !live[0].LastSeen.Equal(seen) {
			t.Errorf("the list says %s before it is written, want %s", live[0].LastSeen, seen)
		}
		w.must(w.s.FlushSeen(t.Context()))
		if got := c.session().LastSeen; !got.Equal(seen) {
			t.Errorf("the row says %s, want %s", got, seen)
		}
		if n := len(w.s.cache.unflushed()); n != 0 {
			t.Errorf("%d uses are written again", n)
		}
		if f := c.facts(); f.events != "" {
			t.Errorf("seeing somebody made events: %s", f.events)
		}
	})
}

// What was not written is not forgotten.
func TestLastSeenSurvivesAFailedWrite(t *testing.T) {
	w := newWorld(t, storetest.Open(t), nil)
	w.must(w.person().signIn().check())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.s.FlushSeen(gone); err == nil {
		t.Fatal("a write with a dead context succeeded")
	}
	if n := len(w.s.cache.unflushed()); n != 1 {
		t.Fatalf("%d uses wait to be written, want 1", n)
	}
	w.must(w.s.FlushSeen(t.Context()))
}

func TestSpentProofsAreSwept(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		count := func() (n int) {
			w.must(w.db.Get(t.Context(), `SELECT COUNT(*) FROM session_jti`).Scan(&n))
			return n
		}
		w.must(w.s.SpendProof(t.Context(), "key", "a"))
		w.refused(w.s.SpendProof(t.Context(), "key", "a"), ErrProofReplayed)
		w.must(w.s.SpendProof(t.Context(), "another key", "a")) // ids of two clients may coincide
		w.must(w.s.SpendProof(t.Context(), "", ""))             // no proof, nothing to spend
		w.clock.sleep(proofWindow)
		w.must(w.s.Sweep(t.Context()))
		w.refused(w.s.SpendProof(t.Context(), "key", "a"), ErrProofReplayed)
		w.clock.sleep(time.Microsecond)
		w.must(w.db.Housekeeping(t.Context(), func(tx *store.Tx) error { // more than one part of them
			for i := range 2*sweepPart + 7 {
				if err := tx.Later(sqlJTIOrFail, []byte(fmt.Sprint(i)), 1); err != nil {
					return err
				}
			}
			return nil
		}))
		w.must(w.s.Sweep(t.Context()))
		if n := count(); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}
