package signin_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/keyring"
	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// newcomer is a browser that is signed in nowhere.
type newcomer struct {
	*signintest.Person
	addr netip.Addr
}

func arrive(w *signintest.World, addr string) newcomer {
	return newcomer{w.NewPerson(), netip.MustParseAddr(addr)}
}

func (n newcomer) from() signin.From {
	f := n.From()
	f.Addr, f.Agent = n.addr, device.UserAgent{Browser: "Safari", System: "iPhone"}
	return f
}

func (n newcomer) code() string {
	n.W.T.Helper()
	c, err := n.W.SignIn.ShowCode(context.Background(), n.from())
	n.W.Must(err)
	n.Cookie = c.DeviceCookie
	n.Secrets = append(n.Secrets, c.Text)
	return c.Text
}

func (n newcomer) state() signin.JoinState {
	n.W.T.Helper()
	s, err := n.W.SignIn.JoinOf(context.Background(), n.from())
	n.W.Must(err)
	if (s.For != "") != (s.State == signin.JoinAdmitted) {
		n.W.T.Errorf("%s, and the newcomer hears that it is %q's account", s.State, s.For)
	}
	return s.State
}

// comeIn makes a passkey in the newcomer's own browser.
func (n newcomer) comeIn() error {
	ctx := context.Background()
	options, err := n.W.SignIn.BeginJoin(ctx, n.from())
	if err != nil {
		return err
	}
	answer, err := n.Browser().Create(options)
	if err != nil {
		return err
	}
	in, err := n.W.SignIn.FinishJoin(ctx, store.Cause{Actor: "anonymous", Addr: n.addr, Request: "REQ-JOIN"}, n.from(), "", answer)
	if err == nil {
		n.Account, n.Iss = in.Account, in.Issued
	}
	return err
}

func typed(p *signintest.Person, code string) (signin.Join, error) {
	return p.W.SignIn.ClaimJoin(context.Background(), p.Cause(), p.Session(), code)
}

func yes(p *signintest.Person, id string) error {
	_, err := p.W.SignIn.AdmitJoin(context.Background(), p.Cause(), p.Session(), id)
	return err
}

func no(p *signintest.Person, id string) error {
	return p.W.SignIn.RefuseJoin(context.Background(), p.Cause(), p.Session(), id)
}

// letIn is the whole path up to the yes.
func letIn(p *signintest.Person, n newcomer) signin.Join {
	p.W.T.Helper()
	j, err := typed(p, n.code())
	p.W.Must(err)
	p.Touch(device.ActDevicesAdmit, j.ID)
	p.W.Must(yes(p, j.ID))
	return j
}

func TestANewDeviceJoinsByItsCode(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p, n := w.Person(), arrive(w, "203.0.113.9")
		code := n.code()
		if got := strings.ReplaceAll(code, "-", ""); len(got) != 10 {
			t.Fatalf("the code %q has %d digits of five bits", code, len(got))
		}
		if s := n.state(); s != signin.JoinShown {
			t.Errorf("the newcomer hears %q", s)
		}
		w.Refused(n.comeIn(), signin.ErrJoinWaiting)

		j, err := typed(p, strings.ToLower(strings.ReplaceAll(code, "-", " "))) // as hands type
		w.Must(err)
		if j.Addr != "203.0.113.9" || j.Agent.String() != "Safari on iPhone" {
			t.Errorf("the owner is shown %v at %q", j.Agent, j.Addr)
		}
		if s := n.state(); s != signin.JoinClaimed {
			t.Errorf("the newcomer hears %q", s)
		}
		w.Refused(n.comeIn(), signin.ErrJoinWaiting)
		w.Refused(yes(p, j.ID), device.ErrStepUp) // no yes without a touch
		p.Touch(device.ActDevicesAdmit, "joi_another")
		w.Refused(yes(p, j.ID), device.ErrStepUp) // nor with one for another
		p.Touch(device.ActDevicesAdmit, j.ID)
		w.Must(yes(p, j.ID))
		w.Refused(yes(p, j.ID), signin.ErrJoinGone)
		if s := n.state(); s != signin.JoinAdmitted {
			t.Errorf("the newcomer hears %q", s)
		}

		w.Must(n.comeIn())
		w.Refused(n.comeIn(), signin.ErrJoinGone)
		if n.Account != p.Account {
			t.Fatalf("the newcomer is in %q", n.Account)
		}
		ses := n.Session()
		keys := p.ListKeys()
		if len(keys) != 2 || keys[1].Device != ses.Device || ses.Device == p.Session().Device || !keys[1].LastUsed.IsZero() {
			t.Errorf("keys %+v, the newcomer on %s", keys, ses.Device)
		}
		w.Must(w.DB.View(t.Context(), func(tx *store.Tx) error {
			h, held, err := w.Accounts.Held(tx, p.Account, account.HoldWithdraw)
			if !held || h.Until.Sub(tx.Now) < 23*time.Hour || !strings.Contains(h.Because, "let in with a code") {
				t.Errorf("withdrawals: %v %+v", held, h)
			}
			return err
		}))
		want := "device.join_asked session.stepped_up session.stepped_up device.join_admitted key.added"
		if got := w.Events(p.Account); !strings.HasSuffix(got, want) {
			t.Errorf("the log says %q, want it to end in %q", got, want)
		}
		recs := w.Records(p.Account)
		if last := recs[len(recs)-1]; last.Payload["joined"] != "yes" || last.Payload["held"] == "" || last.Addr != "203.0.113.9" {
			t.Errorf("the key's event says %v from %q", last.Payload, last.Addr)
		}
		// Fifty bits can be searched: neither the code nor a hash of it alone is kept.
		var n2 int
		plain := keyring.Hash(code)
		w.Must(w.DB.Get(t.Context(), `SELECT COUNT(*) FROM signin_join WHERE code_hash = $1`, plain[:]).Scan(&n2))
		if n2 != 0 || strings.Contains(w.Logged.String(), code) {
			t.Error("the code lies in the database or a log")
		}
		w.Seal()
	})
}

// Somebody far away shows a code and talks the owner into typing it. The owner sees
// that browser and where it is, says no, and that is the end of it.
func TestARelayedCodeEndsAtTheOwnersNo(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p, thief := w.Person(), arrive(w, "198.51.100.66")
		code := thief.code()
		j, err := typed(p, code)
		w.Must(err)
		if j.Addr != "198.51.100.66" {
			t.Errorf("the owner is shown %q", j.Addr)
		}
		if s := thief.state(); s != signin.JoinClaimed {
			t.Errorf("the thief hears %q, and nothing of whose account it is", s)
		}
		w.Must(no(p, j.ID))
		w.Refused(no(p, j.ID), signin.ErrJoinGone)
		if s := thief.state(); s != signin.JoinExpired {
			t.Errorf("the thief hears %q: a no looks like a code that ran out", s)
		}
		w.Refused(thief.comeIn(), signin.ErrJoinGone)
		w.Refused(p.StepUp(device.ActDevicesAdmit, j.ID), nil)
		w.Refused(yes(p, j.ID), signin.ErrJoinGone)
		_, err = typed(p, code)
		w.Refused(err, signin.ErrJoinCode)
		recs := w.Records(p.Account)
		for _, r := range recs {
			if r.Action == "device.join_refused" && r.Payload["newcomer_addr"] != "198.51.100.66" {
				t.Errorf("the no says %v", r.Payload)
			}
		}
		if !strings.Contains(w.Events(p.Account), "device.join_refused") || len(p.ListKeys()) != 1 {
			t.Errorf("events %q, %d keys", w.Events(p.Account), len(p.ListKeys()))
		}

		// A yes is taken back the same way until the newcomer has come in.
		again := arrive(w, "198.51.100.66")
		j = letIn(p, again)
		w.Must(no(p, j.ID))
		w.Refused(again.comeIn(), signin.ErrJoinGone)
	})
}

// Whatever opens nothing gets one answer, and each row ends with the keys there were.
func TestWhatACodeDoesNotOpen(t *testing.T) {
	rows := []struct {
		name string
		try  func(w *signintest.World, p *signintest.Person, n newcomer) error
		want error
	}{
		{"one that never was shown", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			_, err := typed(p, "AAAAA-AAAAA")
			return err
		}, signin.ErrJoinCode},
		{"no code at all", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			_, err := typed(p, "drop table")
			return err
		}, signin.ErrJoinCode},
		{"one that is ten minutes old", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			code := n.code()
			w.Clock.Sleep(10 * time.Minute)
			_, err := typed(p.In(), code)
			return err
		}, signin.ErrJoinCode},
		{"the older of two of one browser", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			first := n.code()
			n.code()
			_, err := typed(p, first)
			return err
		}, signin.ErrJoinCode},
		{"typed a second time", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			code := n.code()
			j, err := typed(p, code)
			w.Must(err)
			w.Must(no(p, j.ID))
			_, err = typed(p, code)
			return err
		}, signin.ErrJoinCode},
		{"typed on another account before", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			code := n.code()
			_, err := typed(w.Person(), code)
			w.Must(err)
			_, err = typed(p, code)
			return err
		}, signin.ErrJoinCode},
		{"a second one while the first waits for an answer", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			_, err := typed(p, n.code())
			w.Must(err)
			_, err = typed(p, arrive(w, "203.0.113.80").code())
			return err
		}, signin.ErrJoinOpen},
		{"typed by who signed in with a recovery code", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			q := p.Elsewhere()
			w.Must(q.SignInByCode(p.Codes()[0]))
			_, err := typed(q, n.code())
			return err
		}, signin.ErrPower},
		{"typed while the account is frozen", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			w.SetStatus(p.Account, account.Frozen)
			_, err := typed(p, n.code())
			return err
		}, signin.ErrFrozen},
		{"a yes from another account", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			j, err := typed(p, n.code())
			w.Must(err)
			q := w.Person()
			q.Touch(device.ActDevicesAdmit, j.ID)
			return yes(q, j.ID)
		}, signin.ErrJoinUnknown},
		{"a yes from another session of the owner than the one that typed", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			j, err := typed(p, n.code())
			w.Must(err)
			q := p.Elsewhere().In()
			q.Touch(device.ActDevicesAdmit, j.ID)
			return yes(q, j.ID)
		}, signin.ErrJoinGone},
		{"a yes after ten minutes", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			j, err := typed(p, n.code())
			w.Must(err)
			w.Clock.Sleep(10 * time.Minute)
			w.Must(p.Refresh())
			p.Touch(device.ActDevicesAdmit, j.ID)
			return yes(p, j.ID)
		}, signin.ErrJoinGone},
		{"a key from another browser", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			letIn(p, n)
			return arrive(w, "203.0.113.9").comeIn()
		}, signin.ErrJoinGone},
		{"a key from a copy of the browser's cookie, without its key", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			letIn(p, n)
			thief := arrive(w, "198.51.100.66")
			thief.Cookie = n.Cookie
			return thief.comeIn()
		}, signin.ErrJoinGone},
		{"a key five minutes after the touch", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			letIn(p, n)
			w.Clock.Sleep(5 * time.Minute)
			return n.comeIn()
		}, signin.ErrJoinGone},
		{"a key after the session that said yes has ended", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			letIn(p, n)
			_, err := w.Contain.EndSession(context.Background(), p.Cause(), p.Session(), p.Session().ID)
			w.Must(err)
			return n.comeIn()
		}, signin.ErrJoinGone},
		{"a key after a freeze", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			letIn(p, n)
			w.SetStatus(p.Account, account.Frozen)
			return n.comeIn()
		}, signin.ErrJoinGone},
		{"a key after the passkey that said yes was removed", func(w *signintest.World, p *signintest.Person, n newcomer) error {
			first := p.ListKeys()[0].ID
			spare, _ := p.SecondKey()
			letIn(p, n)
			q := p.Elsewhere()
			q.Keys = spare
			q.In().Touch(device.ActKeysRemove, string(first))
			// With it goes the session that said yes: a touch makes its key the session's.
			_, err := w.Contain.RemoveKey(context.Background(), q.Cause(), q.Session(), first)
			w.Must(err)
			return n.comeIn()
		}, signin.ErrJoinGone},
	}
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		w.Listen()
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				w.In(t)
				p, n := w.Person(), arrive(w, "203.0.113.9")
				err := row.try(w, p, n)
				w.Refused(err, row.want)
				if strings.Contains(w.Events(p.Account), `"joined"`) || n.Account != "" {
					t.Error("somebody came in")
				}
			})
		}
	})
}

// A touch for a join is for that join: it adds no key in any other way, and none of
// another kind lets a newcomer in.
func TestTheTouchForAJoinOpensNothingElse(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p, n := w.Person(), arrive(w, "203.0.113.9")
		j, err := typed(p, n.code())
		w.Must(err)
		p.Touch(device.ActKeysAdd, "").Touch(device.ActConfirmMe, "")
		w.Refused(yes(p, j.ID), device.ErrStepUp)
		q := w.Person()
		m := arrive(w, "203.0.113.10")
		k, err := typed(q, m.code())
		w.Must(err)
		q.Touch(device.ActDevicesAdmit, k.ID)
		_, err = q.AddKey(&softkey.Authenticator{}, "")
		w.Refused(err, device.ErrStepUp)
		w.Must(yes(q, k.ID))
		_, err = q.AddKey(&softkey.Authenticator{}, "")
		w.Refused(err, device.ErrStepUp)
	})
}

// The same code typed on eight accounts at once, and then the newcomer's key sent
// eight times at once: one each.
func TestRacesAtTheDoorForNewDevices(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		n := arrive(w, "203.0.113.9")
		code := n.code()
		people := make([]*signintest.Person, 8)
		for i := range people {
			people[i] = w.Person()
		}
		var mu sync.Mutex // guards p, j
		var p *signintest.Person
		var j signin.Join
		var had atomic.Int64
		at := func(k int, f func(i int)) {
			var all sync.WaitGroup
			for i := range k {
				all.Go(func() { f(i) })
			}
			all.Wait()
		}
		at(len(people), func(i int) {
			got, err := typed(people[i], code)
			if err == nil {
				had.Add(1)
				mu.Lock()
				p, j = people[i], got
				mu.Unlock()
			} else if !errors.Is(err, signin.ErrJoinCode) {
				t.Errorf("typed: %v", err)
			}
		})
		if had.Load() != 1 {
			t.Fatalf("%d accounts have the code", had.Load())
		}
		p.Touch(device.ActDevicesAdmit, j.ID)
		w.Must(yes(p, j.ID))
		had.Store(0)
		answers := make([][]byte, 8)
		for i := range answers {
			options, err := w.SignIn.BeginJoin(t.Context(), n.from())
			w.Must(err)
			answers[i], err = (&softkey.Browser{Origin: signintest.Origin, Keys: &softkey.Authenticator{}}).Create(options)
			w.Must(err)
		}
		at(len(answers), func(i int) {
			_, err := w.SignIn.FinishJoin(context.Background(), store.Cause{Actor: "anonymous", Addr: n.addr}, n.from(), "", answers[i])
			if err == nil {
				had.Add(1)
			} else if !errors.Is(err, signin.ErrJoinGone) {
				t.Errorf("the key: %v", err)
			}
		})
		if had.Load() != 1 || len(p.ListKeys()) != 2 {
			t.Errorf("%d keys came in, the account has %d", had.Load(), len(p.ListKeys()))
		}
	})
}

// A key added from a device the account has known for less than a day holds
// withdrawals; in the first day of an account there is nothing to compare with.
func TestAKeyFromAStrangeDeviceHoldsWithdrawals(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		held := func(p *signintest.Person) (held bool) {
			w.Must(w.DB.View(t.Context(), func(tx *store.Tx) (err error) {
				_, held, err = w.Accounts.Held(tx, p.Account, account.HoldWithdraw)
				return err
			}))
			return held
		}
		p := w.Person()
		p.SecondKey()
		if held(p) {
			t.Error("a new account is held")
		}
		w.Clock.Sleep(25 * time.Hour)
		p.In().SecondKey()
		if held(p) {
			t.Error("a key from a device that is known is held")
		}
		p.Elsewhere().In().SecondKey()
		if !held(p) {
			t.Error("a key from a device met today is not held")
		}
		recs := w.Records(p.Account)
		if last := recs[len(recs)-1]; last.Payload["strange"] != "yes" {
			t.Errorf("the event says %v", last.Payload)
		}
	})
}

// What is over is forgotten within the hour, and erased with the account.
func TestJoinsAreForgotten(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p, n := w.Person(), arrive(w, "203.0.113.9")
		letIn(p, n)
		arrive(w, "203.0.113.10").code()
		w.Must(w.DB.Housekeeping(t.Context(), w.SignIn.SweepJoins))
		if got := w.Count("signin_join"); got != 2 {
			t.Errorf("%d rows", got)
		}
		w.Must(w.DB.Housekeeping(t.Context(), func(tx *store.Tx) error { return w.SignIn.Erase(tx, p.Account) }))
		if got := w.Count("signin_join"); got != 1 {
			t.Errorf("%d rows after the erasure", got)
		}
		w.Clock.Sleep(71 * time.Minute)
		w.Must(w.DB.Housekeeping(t.Context(), w.SignIn.SweepJoins))
		if got := w.Count("signin_join"); got != 0 {
			t.Errorf("%d rows after an hour", got)
		}
	})
}
