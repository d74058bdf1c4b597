package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"keyward/internal/store"
)

// Every row is one of the rules of DESIGN §6: what is presented, what comes back,
// and what the database says afterwards, read again.
func TestRotationRules(t *testing.T) {
	var (
		one = facts{gen: 1}
		two = facts{gen: 2, events: "session.refreshed"}
		tre = facts{gen: 3, events: "session.refreshed session.refreshed"}
	)
	// turned has used its first token once; the answer arrived.
	turned := func(c *client) (first Issued) {
		first = c.iss
		c.w.must(c.refresh())
		return first
	}
	// same asks again with a token and holds the answer to the child it gave before.
	same := func(c *client, token string, child Issued) error {
		again, err := c.present(token, c.jkt)
		if err == nil && (again.Refresh != child.Refresh || !again.Retry) {
			return errors.New("another child than before")
		}
		return err
	}
	rules := []struct {
		name string
		how  []begin
		do   func(c *client) error
		want error
		then facts
		met  string // what was counted, when it matters
	}{
		{
			name: "rule 2: the current token gives its child, once",
			do:   func(c *client) error { return c.refresh() },
			then: two, met: "retry 0, superseded 0, mismatch 0, reuse 0 unbound 0 snapshot",
		},
		{
			name: "rule 2: a bound one too", how: []begin{bound},
			do:   func(c *client) error { return c.refresh() },
			then: two,
		},
		{
			name: "rule 2: an unbound family does not mind a key that comes along",
			do:   func(c *client) error { _, err := c.present(c.iss.Refresh, "some-key"); return err },
			then: two,
		},
		{
			name: "rule 3: a lost answer is given again, the same child and nothing written", how: []begin{bound},
			do:   func(c *client) error { first := turned(c); return same(c, first.Refresh, c.iss) },
			then: two, met: "retry 1, superseded 0, mismatch 0, reuse 0 unbound 0 snapshot",
		},
		{
			name: "rule 3: bound, also after an hour in a tunnel short of the idle end", how: []begin{bound},
			do: func(c *client) error {
				first := turned(c)
				c.w.clock.sleep(time.Hour - time.Second)
				return same(c, first.Refresh, c.iss)
			},
			then: two,
		},
		{
			name: "rule 3: a retry does not push the idle end out", how: []begin{bound},
			do: func(c *client) error {
				first := turned(c)
				c.w.clock.sleep(59 * time.Minute)
				c.w.must(same(c, first.Refresh, c.iss))
				c.w.clock.sleep(time.Minute)
				return same(c, first.Refresh, c.iss)
			},
			want: ErrRefreshInvalid, then: two,
		},
		{
			name: "rule 3: unbound, within ten seconds",
			do: func(c *client) error {
				first := turned(c)
				c.w.clock.sleep(10 * time.Second)
				return same(c, first.Refresh, c.iss)
			},
			then: two,
		},
		{
			name: "rule 3: the key K is rotated between the answer that was lost and the retry", how: []begin{bound},
			do: func(c *client) error {
				first := turned(c)
				c.w.must(c.w.ring.RotateRefresh(context.Background()))
				c.w.must(c.w.ring.RotateRefresh(context.Background()))
				c.w.must(same(c, first.Refresh, c.iss))
				return c.refresh() // and the child turns under the new K
			},
			then: tre,
		},
		{
			name: "rule 3: the retry of a retry", how: []begin{bound},
			do: func(c *client) error {
				first := turned(c)
				c.w.must(same(c, first.Refresh, c.iss))
				return same(c, first.Refresh, c.iss)
			},
			then: two,
		},
		{
			name: "rule 4: a late tab is superseded for thirty seconds, and nothing is touched", how: []begin{bound},
			do: func(c *client) error {
				first := turned(c)
				c.w.must(c.refresh())
				c.w.clock.sleep(30 * time.Second)
				_, err := c.present(first.Refresh, c.jkt)
				return err
			},
			want: ErrRefreshSuperseded, then: tre, met: "retry 0, superseded 1, mismatch 0, reuse 0 unbound 0 snapshot",
		},
		{
			name: "rule 4: a restored snapshot ends this session alone", how: []begin{bound},
			do: func(c *client) error {
				first := turned(c)
				c.w.must(c.refresh())
				c.w.clock.sleep(30*time.Second + time.Microsecond)
				_, err := c.present(first.Refresh, c.jkt)
				return err
			},
			want: ErrRefreshReused,
			then: facts{gen: 3, ended: EndedSnapshot, events: tre.events + " session.superseded_late"},
			met:  "retry 0, superseded 0, mismatch 0, reuse 0 unbound 1 snapshot",
		},
		{
			name: "rule 5: with a wrong key nothing turns, the session is marked and the owner told", how: []begin{bound},
			do:   func(c *client) error { _, err := c.present(c.iss.Refresh, "key-of-the-thief"); return err },
			want: ErrRefreshWrongKey, then: facts{gen: 1, suspect: true, events: "session.suspect"},
			met: "retry 0, superseded 0, mismatch 1, reuse 0 unbound 0 snapshot",
		},
		{
			name: "rule 5: without any key the same", how: []begin{bound},
			do:   func(c *client) error { _, err := c.present(c.iss.Refresh, ""); return err },
			want: ErrRefreshWrongKey, then: facts{gen: 1, suspect: true, events: "session.suspect"},
		},
		{
			name: "rule 5: a thief who tries a hundred times makes one event", how: []begin{bound},
			do: func(c *client) (err error) {
				for range 100 {
					_, err = c.present(c.iss.Refresh, "key-of-the-thief")
				}
				return err
			},
			want: ErrRefreshWrongKey, then: facts{gen: 1, suspect: true, events: "session.suspect"},
			met: "retry 0, superseded 0, mismatch 100, reuse 0 unbound 0 snapshot",
		},
		{
			name: "rule 5: a spent token with a wrong key ends nothing either", how: []begin{bound},
			do: func(c *client) error {
				first := turned(c)
				c.w.must(c.refresh())
				c.w.clock.sleep(time.Minute)
				_, err := c.present(first.Refresh, "key-of-the-thief")
				return err
			},
			want: ErrRefreshWrongKey,
			then: facts{gen: 3, suspect: true, events: tre.events + " session.suspect"},
		},
		{
			name: "rule 5: the owner goes on as if nothing had happened", how: []begin{bound},
			do: func(c *client) error {
				_, err := c.present(c.iss.Refresh, "key-of-the-thief")
				c.w.refused(err, ErrRefreshWrongKey)
				c.w.must(c.check())
				return c.refresh()
			},
			then: facts{gen: 2, suspect: true, events: "session.suspect session.refreshed"},
		},
		{
			name: "rule 6: unbound and outside its ten seconds, the family dies although the caller gets an error",
			do: func(c *client) error {
				first := turned(c)
				c.w.clock.sleep(10*time.Second + time.Microsecond)
				_, err := c.present(first.Refresh, "")
				return err
			},
			want: ErrRefreshReused,
			then: facts{gen: 2, ended: EndedReuse, events: two.events + " session.reuse"},
			met:  "retry 0, superseded 0, mismatch 0, reuse 1 unbound 0 snapshot",
		},
		{
			name: "rule 6: unbound and an older generation, at once",
			do: func(c *client) error {
				first := turned(c)
				c.w.must(c.refresh())
				_, err := c.present(first.Refresh, "")
				return err
			},
			want: ErrRefreshReused,
			then: facts{gen: 3, ended: EndedReuse, events: tre.events + " session.reuse"},
		},
		{
			name: "rule 6: the newest token of a reused family is dead too, and so is its access token",
			do: func(c *client) error {
				first := turned(c)
				c.w.must(c.refresh())
				_, err := c.present(first.Refresh, "")
				c.w.refused(err, ErrRefreshReused)
				c.w.refused(c.check(), ErrEnded)
				return c.refresh()
			},
			want: ErrRefreshInvalid,
			then: facts{gen: 3, ended: EndedReuse, events: tre.events + " session.reuse"},
		},
		{
			name: "a proof is good once: the same one again turns nothing", how: []begin{bound},
			do: func(c *client) error {
				r := Refresh{Presented: c.iss.Refresh, JKT: c.jkt, JTI: jti()}
				var err error
				c.iss, err = c.w.s.Rotate(context.Background(), store.Cause{}, r)
				c.w.must(err)
				_, err = c.w.s.Rotate(context.Background(), store.Cause{}, Refresh{Presented: c.iss.Refresh, JKT: c.jkt, JTI: r.JTI})
				return err
			},
			want: ErrProofReplayed, then: two,
		},
		{
			name: "a proof is good once: the same request again is not answered as a retry", how: []begin{bound},
			do: func(c *client) error {
				r := Refresh{Presented: c.iss.Refresh, JKT: c.jkt, JTI: jti()}
				var err error
				c.iss, err = c.w.s.Rotate(context.Background(), store.Cause{}, r)
				c.w.must(err)
				_, err = c.w.s.Rotate(context.Background(), store.Cause{}, r)
				return err
			},
			want: ErrProofReplayed, then: two,
		},
		{
			name: "a proof is good once: a thief with one old request cannot end the session with it", how: []begin{bound},
			do: func(c *client) error {
				copied := Refresh{Presented: c.iss.Refresh, JKT: c.jkt, JTI: jti()}
				var err error
				c.iss, err = c.w.s.Rotate(context.Background(), store.Cause{}, copied)
				c.w.must(err)
				c.w.must(c.refresh())
				c.w.clock.sleep(40 * time.Second) // past superseded, and the proof is not too old yet
				_, err = c.w.s.Rotate(context.Background(), store.Cause{}, copied)
				return err
			},
			want: ErrProofReplayed, then: tre,
		},
		{
			name: "an ended session turns nothing",
			do:   func(c *client) error { c.w.must(c.end(EndedByOwner)); return c.refresh() },
			want: ErrRefreshInvalid, then: facts{gen: 1, ended: EndedByOwner, events: "session.ended"},
		},
		{
			name: "nor does one that was ended with all others", how: []begin{bound},
			do:   func(c *client) error { c.p.endAll(); return c.refresh() },
			want: ErrRefreshInvalid, then: facts{gen: 1, events: "sessions.ended_all"},
		},
		{
			name: "a retry ends with the session", how: []begin{bound},
			do: func(c *client) error {
				first := turned(c)
				c.w.must(c.end(EndedByOwner))
				return same(c, first.Refresh, c.iss)
			},
			want: ErrRefreshInvalid, then: facts{gen: 2, ended: EndedByOwner, events: two.events + " session.ended"},
		},
		{
			name: "a replay after the end is no reuse: nothing is left to revoke, nobody to alarm",
			do: func(c *client) error {
				first := turned(c)
				c.w.must(c.refresh())
				c.w.must(c.end(EndedByOwner))
				_, err := c.present(first.Refresh, "")
				return err
			},
			want: ErrRefreshInvalid, then: facts{gen: 3, ended: EndedByOwner, events: tre.events + " session.ended"},
		},
		{
			name: "an hour without use is the idle end",
			do:   func(c *client) error { c.w.clock.sleep(time.Hour); return c.refresh() },
			want: ErrRefreshInvalid, then: one,
		},
		{
			name: "a moment less is not",
			do:   func(c *client) error { c.w.clock.sleep(time.Hour - time.Microsecond); return c.refresh() },
			then: two,
		},
		{
			name: "a day is the absolute end, however busy the session was",
			do: func(c *client) error {
				for c.w.clock.now().Before(c.session().CreatedAt.Add(24*time.Hour - 50*time.Minute)) {
					c.w.clock.sleep(50 * time.Minute)
					c.w.must(c.refresh())
				}
				c.w.clock.sleep(50 * time.Minute)
				return c.refresh()
			},
			want: ErrRefreshInvalid, then: facts{gen: -1},
		},
		{
			name: "a remembered device may sleep for weeks", how: []begin{remembered},
			do:   func(c *client) error { c.w.clock.sleep(30*24*time.Hour - time.Second); return c.refresh() },
			then: two,
		},
		{
			name: "and is asked again after thirty days", how: []begin{remembered},
			do:   func(c *client) error { c.w.clock.sleep(30 * 24 * time.Hour); return c.refresh() },
			want: ErrRefreshInvalid, then: one,
		},
		{
			name: "a database older than the token is no theft", how: []begin{bound},
			do: func(c *client) error {
				turned(c)
				token := c.iss.Refresh
				c.w.must(c.refresh())
				c.w.exec(`UPDATE session_family SET gen = 1, cur_hash = prev_hash, prev_hash = NULL, prev_at = 0 WHERE id = $1`, c.session().Family)
				_, err := c.present(c.iss.Refresh, c.jkt)
				c.w.refused(err, ErrRefreshInvalid)
				_, err = c.present(token, c.jkt)
				return err
			},
			// what was current once is current again; the later one is refused, and no harm is done
			then: facts{gen: 2, events: tre.events + " session.refreshed"},
		},
		{
			name: "a token whose row is gone is refused",
			do: func(c *client) error {
				family := c.session().Family
				c.w.exec(`UPDATE session_family SET id = 'gone' WHERE id = $1`, family)
				err := c.refresh()
				c.w.exec(`UPDATE session_family SET id = $1 WHERE id = 'gone'`, family)
				return err
			},
			want: ErrRefreshInvalid, then: one,
		},
	}
	each(t, func(t *testing.T, w *world) {
		for _, row := range rules {
			t.Run(row.name, func(t *testing.T) {
				w := process(t, w.db, w.ring, w.clock, nil)
				c := w.person().signIn(row.how...)
				if err := row.do(c); !errors.Is(err, row.want) {
					t.Fatalf("got %v, want %v", err, row.want)
				}
				row.then.events = sorted(row.then.events)
				if got := c.facts(); row.then.gen != -1 && got != row.then {
					t.Errorf("the database says %+v\nwant              %+v", got, row.then)
				}
				if row.met != "" && w.met.String() != row.met {
					t.Errorf("counted: %s\nwant:    %s", w.met, row.met)
				}
			})
		}
	})
}

// A restored snapshot of one device must not end the person's other devices.
func TestReplayEndsNoOtherSession(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person()
		phone, laptop := p.signIn(bound), p.signIn(bound, elsewhere)
		old := phone.iss
		w.must(phone.refresh())
		w.must(phone.refresh())
		w.clock.sleep(time.Minute)
		_, err := phone.present(old.Refresh, phone.jkt)
		w.refused(err, ErrRefreshReused)
		w.refused(phone.check(), ErrEnded)
		w.must(laptop.check())
		w.must(laptop.refresh())
	})
}

// A client that hangs up right after a replay does not prevent its consequence.
func TestAReplayEndsTheSessionAlsoWhenItsClientLeaves(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.person().signIn(bound)
		f := family{id: c.session().Family, jkt: c.jkt, ses: c.session()}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		w.refused(w.s.follow(gone, store.Cause{}, &f, Refresh{JKT: c.jkt, JTI: jti()}, errSnapshot), ErrRefreshReused)
		if got := c.facts(); got.ended != EndedSnapshot {
			t.Errorf("the database says %+v", got)
		}
	})
}
