package session

import (
	"errors"
	"strings"
	"testing"
	"time"

	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

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
