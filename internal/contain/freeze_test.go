package contain_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

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
				proof, err := w.Devices.Need(tx, ses.By(), device.Act{Kind: act})
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
