package staff

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

func TestFourEyes(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		if !ada.Operator.Roles.May(ManageOperators) || ada.Operator.InvitedBy != "bootstrap" {
			t.Fatalf("the first operator: %+v", ada.Operator)
		}
		ben := ada.invite("Ben", Security)
		r, err := ada.ask("clt_1")
		w.must(err)
		done := 0

		if _, err := ada.approve(r.ID, verified(&done)); !errors.Is(err, ErrOwn) || done != 0 {
			t.Errorf("approving one's own request: %v, done %d times", err, done)
		}
		if s := w.state(ada, r.ID); s.State != Open || s.Version != 1 {
			t.Errorf("after the refusal the request is %+v", s)
		}
		if tried := w.events("staff.self_approval"); len(tried) != 1 || tried[0].Actor != ada.Operator.actor() {
			t.Errorf("the try is not in the log: %+v", tried)
		}

		broken := errors.New("the client is gone")
		if _, err := ben.approve(r.ID, func(*store.Tx, Request) ([]audit.Effect, error) { return nil, broken }); !errors.Is(err, broken) {
			t.Errorf("an act that fails: %v", err)
		}
		if s := w.state(ben, r.ID); s.State != Open {
			t.Errorf("approved although nothing was done: %+v", s)
		}

		got, err := ben.approve(r.ID, verified(&done))
		w.must(err)
		if got.State != Approved || got.DecidedBy != ben.Operator.ID || done != 1 || fmt.Sprint(got.Diff) != fmt.Sprint(diff) {
			t.Errorf("approved: %+v, done %d times", got, done)
		}
		if _, err := ben.approve(r.ID, verified(&done)); !errors.Is(err, ErrClosed) || done != 1 {
			t.Errorf("approving it again: %v, done %d times", err, done)
		}
		e := w.events("staff.request_approved")
		if len(e) != 1 || e[0].Actor != "operator:"+string(ben.Operator.ID) || e[0].Payload["reason"] != "I looked it up too" || len(e[0].Effects) != 2 {
			t.Errorf("the event of the approval: %+v", e)
		}
		if asked := w.events("staff.request_made"); len(asked) != 1 || asked[0].Actor != ada.Operator.actor() || asked[0].Payload["reason"] == "" {
			t.Errorf("the event of the request: %+v", asked)
		}
	})
}

func TestOfTwoApproversOneWins(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		ben, cho := ada.invite("Ben", Security), ada.invite("Cho", Security)
		r, err := ada.ask("clt_1")
		w.must(err)
		touches := map[*person]*Touch{}
		for _, p := range []*person{ben, cho} {
			touches[p] = p.sure(ApproveAct(r.ID, "seen and checked"))
		}
		var (
			wg   sync.WaitGroup
			mu   sync.Mutex
			errs []error
		)
		for p, touch := range touches {
			wg.Go(func() {
				n := 0 // the function may run twice
				_, err := w.s.Approve(w.ctx(), cause, p.Live, r.ID, "seen and checked", touch, verified(&n))
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, ErrClosed) {
				t.Errorf("the loser hears %v", err)
			}
		}
		if n := len(w.events("staff.request_approved")); won != 1 || n != 1 {
			t.Errorf("%d approvals won, %d are in the log", won, n)
		}
	})
}

func TestRequestsThatCannotBeApproved(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		ben, cho := ada.invite("Ben", Security), ada.invite("Cho", Analyst)
		done := 0
		for _, c := range []struct {
			name string
			make func(Request) error
			by   *person
			want error
		}{
			{"refused before", func(r Request) error {
				_, err := w.s.Refuse(w.ctx(), cause, ben.Live, r.ID, "no such record", ben.sure(RefuseAct(r.ID, "no such record")))
				return err
			}, ben, ErrClosed},
			{"taken back by who asked", func(r Request) error {
				_, err := w.s.Refuse(w.ctx(), cause, cho.Live, r.ID, "my mistake", cho.sure(RefuseAct(r.ID, "my mistake")))
				return err
			}, ben, ErrClosed},
			{"the role of an analyst does not decide", func(Request) error { return nil }, cho, ErrRole},
			{"its requester is no operator any more", func(Request) error {
				_, err := w.s.Disable(w.ctx(), cause, ada.Live, cho.Operator.ID, "left the company", ada.sure(DisableAct(cho.Operator.ID, "left the company")))
				return err
			}, ben, ErrClosed},
		} {
			r, err := cho.ask("clt_" + strings.ReplaceAll(c.name, " ", "_"))
			w.must(err)
			w.must(c.make(r))
			if _, err := c.by.approve(r.ID, verified(&done)); !errors.Is(err, c.want) || done != 0 {
				t.Errorf("%s: %v, done %d times", c.name, err, done)
			}
		}
	})
}

func TestARequestLivesADay(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		ben := ada.invite("Ben", Security)
		r, err := ada.ask("clt_1")
		w.must(err)
		if life := r.ExpiresAt.Sub(r.MadeAt); life > 24*time.Hour {
			t.Errorf("it lives %v", life)
		}
		w.clock.Sleep(requestLife)
		ben.again()
		done := 0
		if _, err := ben.approve(r.ID, verified(&done)); !errors.Is(err, ErrClosed) || done != 0 {
			t.Errorf("a day later: %v, done %d times", err, done)
		}
		if s := w.state(ben, r.ID); s.State != Expired {
			t.Errorf("it is %s", s.State)
		}
	})
}

// again signs in with the passkey.
func (p *person) again(tricks ...softkey.Trick) {
	p.w.t.Helper()
	p.w.must(p.signIn(tricks...))
}

func (p *person) signIn(tricks ...softkey.Trick) error {
	options, err := p.w.s.SignInOptions()
	p.w.must(err)
	answer, err := p.browser.Get(options, tricks...)
	p.w.must(err)
	in, err := p.w.s.SignIn(p.w.ctx(), cause, answer, "")
	if err == nil {
		p.Entered = in
	}
	return err
}

func TestALinkMakesOneOperator(t *testing.T) {
	each(t, func(w *world) {
		old, _, err := w.s.Bootstrap(w.ctx())
		w.must(err)
		inv, made, err := w.s.Bootstrap(w.ctx())
		w.must(err)
		if !made || old.Secret == inv.Secret {
			t.Fatal("a restart must make another link")
		}
		refused := func(what, secret string) {
			t.Helper()
			if _, err := w.s.JoinOptions(w.ctx(), secret); !errors.Is(err, ErrInvite) {
				t.Errorf("%s: %v", what, err)
			}
		}
		refused("the link before the restart", old.Secret)
		refused("a link nobody made", "x")

		// Two hold the same link and both began.
		var answers [][]byte
		for range 2 {
			options, err := w.s.JoinOptions(w.ctx(), inv.Secret)
			w.must(err)
			b := &softkey.Browser{Origin: home, Keys: new(softkey.Authenticator)}
			answer, err := b.Create(options)
			w.must(err)
			answers = append(answers, answer)
		}
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i, a := range answers {
			wg.Go(func() { _, errs[i] = w.s.Join(w.ctx(), cause, inv.Secret, a) })
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), ErrInvite) {
			t.Errorf("two with one link: %v", errs)
		}
		refused("a link that was used", inv.Secret)
		if _, made, err := w.s.Bootstrap(w.ctx()); made || err != nil {
			t.Errorf("a link for a first admin beside an admin: %v, %v", made, err)
		}
		if n := len(w.events("operator.joined")); n != 1 {
			t.Errorf("%d joined", n)
		}
	})
}

func TestALinkDiesInTime(t *testing.T) {
	each(t, func(w *world) {
		inv, _, err := w.s.Bootstrap(w.ctx())
		w.must(err)
		w.clock.Sleep(bootstrapLife)
		if _, err := w.s.JoinOptions(w.ctx(), inv.Secret); !errors.Is(err, ErrInvite) {
			t.Errorf("the first link after its hour: %v", err)
		}
		ada := w.first()
		dan := ada.invite("Dan", Admin)
		one := func() Invitation {
			inv, err := w.s.Invite(w.ctx(), cause, dan.Live, "Eve", Roles{Admin}, "a friend", dan.sure(InviteAct("Eve", Roles{Admin}, "a friend")))
			w.must(err)
			return inv
		}
		eve := one()
		_, err = w.s.Disable(w.ctx(), cause, ada.Live, dan.Operator.ID, "left the company", ada.sure(DisableAct(dan.Operator.ID, "left the company")))
		w.must(err)
		if _, err := w.s.JoinOptions(w.ctx(), eve.Secret); !errors.Is(err, ErrInvite) {
			t.Errorf("the link of an admin who was disabled: %v", err)
		}
		if _, err := w.s.Check(w.ctx(), dan.Token); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("the session of an admin who was disabled: %v", err)
		}
		if err := dan.signIn(); !errors.Is(err, device.ErrNotAccepted) {
			t.Errorf("the passkey of an admin who was disabled: %v", err)
		}
	})
}

func TestASessionEndsByTwoClocks(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		began := ada.Session.StartedAt
		for w.db.Now().Sub(began) < sessionLife-idleLife {
			w.clock.Sleep(idleLife - time.Minute)
			if _, err := w.s.Check(w.ctx(), ada.Token); err != nil {
				t.Fatalf("in use, after %v: %v", w.db.Now().Sub(began), err)
			}
		}
		w.clock.Sleep(idleLife - time.Minute)
		if w.db.Now().Sub(began) < sessionLife {
			_, err := w.s.Check(w.ctx(), ada.Token)
			w.must(err)
			w.clock.Sleep(idleLife - time.Minute)
		}
		if _, err := w.s.Check(w.ctx(), ada.Token); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("in use, past 12 hours: %v", err)
		}
		ada.again()
		act := InviteAct("Ben", Roles{Security}, "a new colleague")
		touch := ada.sure(act)
		w.clock.Sleep(idleLife)
		if _, err := w.s.Check(w.ctx(), ada.Token); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("idle for 15 minutes: %v", err)
		}
		if _, err := w.s.Invite(w.ctx(), cause, ada.Live, "Ben", Roles{Security}, "a new colleague", touch); err == nil {
			t.Error("a session that ran out acted")
		}
		ada.again()
		was := ada.Token
		w.must(w.s.SignOut(w.ctx(), cause, ada.Live))
		if _, err := w.s.Check(w.ctx(), was); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("signed out: %v", err)
		}
		if n := len(w.events("operator.signed_out")); n != 1 {
			t.Errorf("%d sign-outs in the log", n)
		}
	})
}

func TestRolesAllowWhatTheTableSays(t *testing.T) {
	all := []Power{SeeOperators, ManageOperators, SeeRequests, AskRequests, DecideRequests, SeeClients, ManageClients, KeepKeys}
	for _, c := range []struct {
		name string
		role Role
		may  []Power
	}{
		{"support sees and asks", Support, []Power{SeeRequests, AskRequests, SeeClients, KeepKeys}},
		{"an analyst sees and asks", Analyst, []Power{SeeRequests, AskRequests, SeeClients, KeepKeys}},
		{"security decides, registers apps, and sees who is there", Security, []Power{SeeOperators, SeeRequests, AskRequests, DecideRequests, SeeClients, ManageClients, KeepKeys}},
		{"an admin says who is there, and decides", Admin, all},
		{"an auditor sees everything and changes nothing but passkeys of their own", Auditor, []Power{SeeOperators, SeeRequests, SeeClients, KeepKeys}},
		{"no role at all may nothing", "", nil},
	} {
		for _, p := range all {
			want := slices.Contains(c.may, p)
			if got := (Roles{c.role}).May(p); got != want {
				t.Errorf("%s: may %q = %v", c.name, p, got)
			}
		}
	}
	if (Roles{Admin}).May("something new") {
		t.Error("a power that is not in the table")
	}
}

func TestRolesAreReadInTheActingTransaction(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		ben := ada.invite("Ben", Admin)
		act := InviteAct("Eve", Roles{Admin}, "a friend")
		touch := ben.sure(act)
		_, err := w.s.ChangeRoles(w.ctx(), cause, ada.Live, ben.Operator.ID, Roles{Auditor}, "moves to audit", ada.sure(RolesAct(ben.Operator.ID, Roles{Auditor}, "moves to audit")))
		w.must(err)
		// ben.Live still says admin: it was read before.
		if _, err := w.s.Invite(w.ctx(), cause, ben.Live, "Eve", Roles{Admin}, "a friend", touch); !errors.Is(err, ErrRole) {
			t.Errorf("with a role that was taken away: %v", err)
		}
		if _, err := w.s.ChangeRoles(w.ctx(), cause, ada.Live, ada.Operator.ID, Roles{Admin, Security}, "I need it", ada.sure(RolesAct(ada.Operator.ID, Roles{Admin, Security}, "I need it"))); !errors.Is(err, ErrOwn) {
			t.Errorf("one's own roles: %v", err)
		}
		if _, err := w.s.Disable(w.ctx(), cause, ada.Live, ada.Operator.ID, "good bye", ada.sure(DisableAct(ada.Operator.ID, "good bye"))); !errors.Is(err, ErrOwn) {
			t.Errorf("disabling oneself: %v", err)
		}
		if e := w.events("operator.roles_changed"); len(e) != 1 || e[0].Payload["reason"] != "moves to audit" || e[0].Actor != ada.Operator.actor() {
			t.Errorf("the log: %+v", e)
		}
	})
}

func TestOperatorsTouchesThatAreRefused(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		ben := ada.invite("Ben", Admin)
		act := InviteAct("Eve", Roles{Support}, "a new colleague")
		for _, c := range []struct {
			name  string
			trick softkey.Trick
		}{
			{"a look-alike origin", softkey.LookAlike},
			{"the accounts' own origin", func() softkey.Trick { return softkey.Origin("https://example.com") }()},
			{"from inside another site's page", softkey.CrossOrigin},
			{"nobody was verified", softkey.NoVerification},
			{"nobody was present", softkey.NoPresence},
			{"a bogus signature", softkey.BogusSignature},
			{"made for another relying party", softkey.OtherRP("example.com")},
			{"another user handle", softkey.OtherUserHandle([]byte("somebody else"))},
			{"a flipped backup flag", softkey.FlipBackup},
		} {
			options, err := w.s.TouchOptions(ada.Live, act)
			w.must(err)
			answer, err := ada.browser.Get(options, c.trick)
			if err != nil {
				continue // the browser itself refuses
			}
			if _, err := w.s.Touched(w.ctx(), ada.Live, act, answer); !errors.Is(err, device.ErrNotAccepted) {
				t.Errorf("%s: %v", c.name, err)
			}
			if err := ada.signIn(c.trick); !errors.Is(err, device.ErrNotAccepted) {
				t.Errorf("%s, at sign-in: %v", c.name, err)
			}
		}

		invite := func(by *person, name string, touch *Touch) error {
			_, err := w.s.Invite(w.ctx(), cause, by.Live, name, Roles{Support}, "a new colleague", touch)
			return err
		}
		if err := invite(ada, "Eve", nil); !errors.Is(err, ErrTouch) {
			t.Errorf("without a touch: %v", err)
		}
		touch := ada.sure(act)
		if err := invite(ada, "Mallory", touch); !errors.Is(err, ErrTouch) {
			t.Errorf("a touch for another name: %v", err)
		}
		if err := invite(ben, "Eve", touch); !errors.Is(err, ErrTouch) {
			t.Errorf("a touch of another operator: %v", err)
		}
		w.must(invite(ada, "Eve", touch))
		if err := invite(ada, "Eve", touch); !errors.Is(err, device.ErrChallengeSpent) {
			t.Errorf("a touch used twice: %v", err)
		}
		late := ada.sure(act)
		w.clock.Sleep(5 * time.Minute)
		if err := invite(ada, "Eve", late); !errors.Is(err, device.ErrChallengeExpired) {
			t.Errorf("a touch of five minutes ago: %v", err)
		}
		if n := len(w.events("operator.invited")); n != 3 { // ada's, ben's, one Eve
			t.Errorf("%d invitations in the log", n)
		}
	})
}

func TestASignInOfAnOperatorWorksOnce(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		options, err := w.s.SignInOptions()
		w.must(err)
		answer, err := ada.browser.Get(options)
		w.must(err)
		in, err := w.s.SignIn(w.ctx(), cause, answer, ada.Token)
		w.must(err)
		if _, err := w.s.Check(w.ctx(), ada.Token); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("the session that was replaced: %v", err)
		}
		if _, err := w.s.SignIn(w.ctx(), cause, answer, ""); !errors.Is(err, device.ErrChallengeSpent) {
			t.Errorf("the answer again: %v", err)
		}
		_, err = w.s.Check(w.ctx(), in.Token)
		w.must(err)
	})
}

func TestARestoredBackupBringsNothingOfOperatorsBack(t *testing.T) {
	each(t, func(w *world) {
		ada := w.first()
		ben := ada.invite("Ben", Security)
		r, err := ada.ask("clt_1")
		w.must(err)
		inv, err := w.s.Invite(w.ctx(), cause, ada.Live, "Cho", Roles{Admin}, "a new colleague", ada.sure(InviteAct("Cho", Roles{Admin}, "a new colleague")))
		w.must(err)
		w.must(w.db.Update(w.ctx(), store.Cause{Actor: "system:test"}, func(tx *store.Tx) error {
			ended, err := Restored(tx)
			if err != nil {
				return err
			}
			_, err = w.log.Append(tx, audit.Event{Action: "audit.restore_accepted", Effects: ended})
			return err
		}))
		if _, err := w.s.Check(w.ctx(), ada.Token); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("a session: %v", err)
		}
		if _, err := w.s.JoinOptions(w.ctx(), inv.Secret); !errors.Is(err, ErrInvite) {
			t.Errorf("a link: %v", err)
		}
		ben.again()
		done := 0
		if _, err := ben.approve(r.ID, verified(&done)); !errors.Is(err, ErrClosed) || done != 0 {
			t.Errorf("a request: %v", err)
		}
	})
}

// What opens something is in no row, in no spelling.
func TestNoSecretOfOperatorsIsInAnyRow(t *testing.T) {
	each(t, func(w *world) {
		inv, _, err := w.s.Bootstrap(w.ctx())
		w.must(err)
		ada := w.join(inv.Secret)
		ada.invite("Ben", Security)
		_, err = ada.ask("clt_1")
		w.must(err)
		canaries := []string{inv.Secret, ada.Token}
		for _, table := range []string{"staff_operator", "staff_key", "staff_session", "staff_invite", "staff_spent", "staff_request"} {
			w.must(w.db.View(w.ctx(), func(tx *store.Tx) error {
				rows, err := tx.Rows(`SELECT * FROM ` + table)
				if err != nil {
					return err
				}
				defer rows.Close()
				cols := map[string]int{"staff_operator": 8, "staff_key": 19, "staff_session": 8, "staff_invite": 11, "staff_spent": 2, "staff_request": 13}[table]
				n := 0
				for rows.Next() {
					n++
					cells := make([]any, cols)
					for i := range cells {
						cells[i] = new(any)
					}
					if err := rows.Scan(cells...); err != nil {
						return err
					}
					var all bytes.Buffer
					for _, c := range cells {
						switch v := (*c.(*any)).(type) {
						case []byte:
							all.Write(v)
						default:
							fmt.Fprint(&all, v)
						}
						all.WriteByte(' ')
					}
					for _, canary := range canaries {
						if strings.Contains(all.String(), canary) {
							t.Errorf("%s holds a secret", table)
						}
					}
				}
				if n == 0 {
					t.Errorf("%s is empty, so nothing was looked at", table)
				}
				return rows.Err()
			}))
		}
		for _, a := range audit.Actions() {
			for _, e := range w.events(a) {
				for _, canary := range canaries {
					if strings.Contains(fmt.Sprint(e), canary) {
						t.Errorf("the event %s holds a secret", a)
					}
				}
			}
		}
	})
}

func TestReasonsAndNamesAreReadable(t *testing.T) {
	for _, c := range []struct{ name, reason string }{
		{"no reason", "   "},
		{"a dot", "."},
		{"longer than the log keeps", strings.Repeat("가", 54)},
		{"two lines", "all good\nApproved by everybody"},
		{"turned around", "all good \u202ekcehc on"},
	} {
		if _, err := cleanReason(c.reason); err == nil {
			t.Errorf("%s was taken", c.name)
		}
	}
	if _, err := cleanReason("DNS 기록을 직접 확인했어요"); err != nil {
		t.Error(err)
	}
	if _, err := ParseRoles([]string{"root"}); err == nil {
		t.Error("a role nobody knows")
	}
	if r, err := ParseRoles([]string{"security", "admin", "admin"}); err != nil || r.String() != "admin, security" {
		t.Errorf("%v, %v", r, err)
	}
}
