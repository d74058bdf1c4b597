package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
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

// A forged tag costs one hash. The database is closed: if anybody asked it, the
// answer would be another.
func TestAForgedTokenReadsNoRow(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.person().signIn()
		tok, _ := w.s.parseRefresh(c.iss.Refresh)
		other := tok
		other.gen++
		foreign := keyringtest.NewTestRing(t)
		mac, _ := foreign.RefreshKey(foreign.CurrentRefreshKID())
		ours, _ := w.ring.RefreshKey(tok.kid)
		cut := func(s string) string { return s[:len(s)-1] }
		w.must(w.db.Close())

		_, err := c.present(c.iss.Refresh, "")
		w.refused(err, store.ErrClosed) // the real one does ask
		for name, token := range map[string]string{
			"nothing":                      "",
			"an access token":              c.iss.Access,
			"made with somebody else's K":  encodeRefresh(mac, tok),
			"the tag of another":           c.iss.Refresh[:len(c.iss.Refresh)-22] + encodeRefresh(ours, other)[len(encodeRefresh(ours, other))-22:],
			"a kid that never was":         "kwr_99" + c.iss.Refresh[len("kwr_1"):],
			"one byte short":               cut(c.iss.Refresh),
			"one byte long":                c.iss.Refresh + "A",
			"the spare bits of the tag":    cut(c.iss.Refresh) + flip(c.iss.Refresh),
			"a generation with a plus":     replaceGen(c.iss.Refresh, "+1"),
			"a generation with a zero":     replaceGen(c.iss.Refresh, "01"),
			"a generation below nothing":   replaceGen(c.iss.Refresh, "-1"),
			"a kid with a zero":            "kwr_0" + c.iss.Refresh[len("kwr_"):],
			"a line break at the end":      c.iss.Refresh + "\n",
			"ten thousand bytes of points": string(make([]byte, 10_000)),
		} {
			if _, err := c.present(token, ""); !errors.Is(err, ErrRefreshInvalid) {
				t.Errorf("%s: got %v, want %v", name, err, ErrRefreshInvalid)
			}
		}
	})
}

// flip gives the last character of a token another spelling of the same bytes.
func flip(token string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range digits {
		if digits[i] == token[len(token)-1] {
			return string(digits[i^1])
		}
	}
	panic("not base64url")
}

func replaceGen(token, gen string) string {
	n := 0
	for i := range token {
		if token[i] == '.' {
			if n++; n == 2 {
				return token[:i+1] + gen + token[i+2:]
			}
		}
	}
	panic("no generation")
}

// Withdrawing a key that is known to be out kills every token it made.
func TestAWithdrawnRefreshKeyKillsItsTokens(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.person().signIn(bound)
		old := w.ring.CurrentRefreshKID()
		w.must(w.ring.RotateRefresh(t.Context()))
		w.must(w.ring.WithdrawRefresh(t.Context(), old))
		w.refused(c.refresh(), ErrRefreshInvalid)
	})
}

// A process that has not heard of a rotation of K yet accepts what it made.
func TestARotationOfKNeedsNoMeeting(t *testing.T) {
	c := newClock()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		kek, shelf := keyringtest.KEK(t), new(keyringtest.Shelf)
		one := process(t, db, keyringtest.Open(t, kek, shelf, c.now), c, nil)
		two := process(t, db, keyringtest.Open(t, kek, shelf, c.now), c, nil)
		here := one.person().signIn(bound)
		one.must(one.ring.RotateRefresh(t.Context()))
		first := here.iss
		one.must(here.refresh())
		there := here.at(two)
		again, err := there.present(first.Refresh, here.jkt)
		two.must(err)
		if again.Refresh != here.iss.Refresh {
			t.Error("the process that had not heard of the rotation gave another child")
		}
		two.must(there.refresh())
	}, storetest.WithNow(func() time.Time { return c.now() }))
}

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

func TestWhoMayStartASession(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		kim, lee := w.person(), w.person()
		var old device.Proof // good in a transaction that is over
		for _, row := range []struct {
			name string
			act  device.Act
			edit func(b *Begin)
			want error
		}{
			{"with a touch for signing in", device.Act{Kind: device.ActSignIn}, func(b *Begin) { old = *b.Proof }, nil},
			{"to be remembered without a key", device.Act{Kind: device.ActSignIn}, func(b *Begin) { b.Remember = true }, ErrUnbound},
			{"as an app without a key", device.Act{Kind: device.ActSignIn}, func(b *Begin) { b.Kind = API }, ErrUnbound},
			{"with a touch that was for something else", device.Act{Kind: device.ActFreezeLift}, func(*Begin) {}, ErrNotSignedIn},
			{"with a touch of somebody else", device.Act{Kind: device.ActSignIn}, func(b *Begin) { b.Account = lee.acc.ID }, ErrNotSignedIn},
			{"with a touch of an earlier transaction", device.Act{Kind: device.ActSignIn}, func(b *Begin) { *b.Proof = old }, ErrNotSignedIn},
			{"with a touch and a code at once", device.Act{Kind: device.ActSignIn}, func(b *Begin) { b.Code = true }, ErrNotSignedIn},
			{"with neither", device.Act{Kind: device.ActSignIn}, func(b *Begin) { b.Proof = nil }, ErrNotSignedIn},
			{"with a touch that proves nothing", device.Act{Kind: device.ActSignIn}, func(b *Begin) { *b.Proof = device.Proof{} }, ErrNotSignedIn},
		} {
			as := kim.touch(row.act, "somewhere")
			err := w.update("session.started", kim.acc.ID, func(tx *store.Tx) ([]audit.Effect, error) {
				proof, err := w.devices.Prove(tx, as)
				if err != nil {
					return nil, err
				}
				b := Begin{Account: kim.acc.ID, Device: kim.dev.ID, Kind: Web, Proof: &proof, Addr: home, Agent: firefox}
				row.edit(&b)
				_, effects, err := w.s.Start(tx, b)
				return effects, err
			})
			if !errors.Is(err, row.want) {
				t.Errorf("%s: got %v, want %v", row.name, err, row.want)
			}
		}
	})
}

// A recovery code opens a session that no touch lifts: it never adds a key.
func TestACodeSessionIsNeverRaised(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.person()
		c := &client{p: p, w: w, addr: home}
		w.must(w.update("codes.used", p.acc.ID, func(tx *store.Tx) (effects []audit.Effect, err error) {
			c.iss, effects, err = w.s.Start(tx, Begin{Account: p.acc.ID, Device: p.dev.ID, Kind: Web, Code: true, Addr: home, Agent: firefox})
			return effects, err
		}))
		if ses := c.session(); ses.ACR != ACRFallback || ses.Key != "" {
			t.Fatalf("a code gave %s and key %q", ses.ACR, ses.Key)
		}
		_, err := c.stepUp("")
		w.refused(err, ErrWeak)
		if ses := c.session(); ses.ACR != ACRFallback {
			t.Errorf("a touch raised it to %s", ses.ACR)
		}
		w.must(c.refresh())
	})
}

func TestACRLadder(t *testing.T) {
	for _, row := range []struct {
		name      string
		has, want string
		reaches   bool
	}{
		{"a passkey reaches what a passkey must", ACRPhr, ACRPhr, true},
		{"attested hardware reaches that too", ACRPhrh, ACRPhr, true},
		{"a passkey is no attested hardware", ACRPhr, ACRPhrh, false},
		{"a recovery code is no passkey", ACRFallback, ACRPhr, false},
		{"the exchange's word is no passkey", ACRLegacy, ACRPhr, false},
		{"a word we do not know reaches nothing", "phishing-resistant", ACRFallback, false},
		{"nothing reaches a word we do not know", ACRPhrh, "phrhh", false},
	} {
		if got := Reaches(row.has, row.want); got != row.reaches {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

// Secrets have no way into a log, not even by printing the structs they are in.
func TestTokensPrintAsNothing(t *testing.T) {
	iss := Issued{Session: "ses_1", Access: "kwa_secret", Refresh: "kwr_secret"}
	r := Refresh{Presented: "kwr_secret", JTI: "secret"}
	for _, text := range printed(iss, r, &iss, &r, struct{ I Issued }{iss}) {
		if strings.Contains(text, "secret") {
			t.Errorf("a token in %q", text)
		}
	}
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
