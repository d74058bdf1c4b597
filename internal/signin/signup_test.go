package signin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// A stranger becomes a customer in one transaction with one event.
func TestSignUp(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.Person()
		if got := w.Events(p.Account); got != "account.created" {
			t.Errorf("the log says %q", got)
		}
		ses := p.Session()
		if ses.Account != p.Account || ses.ACR != session.ACRPhr || ses.JKT != p.JKT || ses.Kind != session.Web || ses.Remember {
			t.Errorf("the session is %+v", ses)
		}
		keys := p.ListKeys()
		if len(keys) != 1 || keys[0].Device != ses.Device || ses.Key != keys[0].ID {
			t.Errorf("the keys are %+v, the session is on %s by %s", keys, ses.Device, ses.Key)
		}
		want := map[string]bool{"account": true, "key": true, "device": true, "session": true}
		for _, e := range w.Records(p.Account)[0].Effects {
			delete(want, e.Kind)
		}
		if len(want) > 0 {
			t.Errorf("the event does not name %v", slices.Collect(maps.Keys(want)))
		}
		w.Must(p.In().Refresh())
		w.Seal()
	})
}

// Whoever types the address of a customer learns nothing: the answers, the rows
// and the event are those of anybody else (ASVS 6.3.8).
func TestSignUpWithATakenAddressLooksTheSame(t *testing.T) {
	tables := []string{"account_account", "account_contact", "device_device", "device_key", "device_spent", "session_session", "session_family",
		"session_jti", "audit_event", "job_job", "signin_code", "device_proof"}
	type shape struct {
		options int
		ticket  int
		rows    map[string]int
		event   audit.Action
		payload []string
		effects int
	}
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		owner := w.NewPerson()
		owner.Mail = "owner@example.org"
		w.Must(owner.SignUp())
		owner.VerifyMail()

		try := func(mail string) (s shape) {
			before := map[string]int{}
			for _, name := range tables {
				before[name] = w.Count(name)
			}
			p := w.NewPerson()
			p.Mail = mail
			options, ticket, err := w.SignIn.BeginSignUp(t.Context(), mail, "en")
			w.Must(err)
			s.options, s.ticket = len(options), len(ticket)
			answer, err := p.Browser().Create(options)
			w.Must(err)
			in, err := w.SignIn.FinishSignUp(t.Context(), p.Cause(), ticket, answer, p.From())
			w.Must(err)
			s.rows = map[string]int{}
			for _, name := range tables {
				s.rows[name] = w.Count(name) - before[name]
			}
			rec := w.Records(in.Account)[0]
			s.event, s.payload, s.effects = rec.Action, slices.Sorted(maps.Keys(rec.Payload)), len(rec.Effects)
			return s
		}
		taken, free := try("owner@example.org"), try("nobod@example.org")
		if a, b := sprint(taken), sprint(free); a != b {
			t.Errorf("a taken address looks like\n%s\na free one like\n%s", a, b)
		}
		w.Must(owner.In().Refresh()) // and its owner is not touched
	})
}

// And so are the statements: the same ones in the same order, read off the wire. A
// server that asked whether an address is taken could be timed.
func TestSignUpWithATakenAddressRunsTheSameStatements(t *testing.T) {
	wire := storetest.Tap(t, storetest.PostgresURL(t))
	db, err := store.Open(t.Context(), store.Options{URL: wire.URL, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := signintest.New(t, db, nil)
	owner := w.Person()
	owner.VerifyMail()
	ran := func(mail string) []string {
		wire.Forget()
		p := w.NewPerson()
		p.Mail = mail
		w.Must(p.SignUp())
		return wire.Ran()
	}
	taken, free := ran(owner.Mail), ran("nobody-yet@example.org")
	if !slices.Equal(taken, free) {
		t.Errorf("for a taken address:\n%s\nfor a free one:\n%s", strings.Join(taken, "\n"), strings.Join(free, "\n"))
	}
	if len(taken) < 10 {
		t.Errorf("only %d statements were seen", len(taken))
	}
	known := ran(owner.Mail) // a second time, by the same stranger
	if !slices.Equal(known, free) {
		t.Errorf("for an address claimed twice:\n%s", strings.Join(known, "\n"))
	}
}

func sprint(v any) string { return strings.ReplaceAll(fmt.Sprintf("%+v", v), "map[", "\nmap[") }

func TestSignUpRefusals(t *testing.T) {
	for _, row := range []struct {
		name string
		try  func(w *signintest.World, p *signintest.Person) error
		want error
	}{
		{"an address that is none", func(w *signintest.World, p *signintest.Person) error {
			p.Mail = "not an address"
			return p.SignUp()
		}, account.ErrInvalid},
		{"while self sign-up is closed, at the beginning", func(w *signintest.World, p *signintest.Person) error {
			return closed(w, p, false)
		}, signin.ErrClosed},
		{"while self sign-up is closed, at the end", func(w *signintest.World, p *signintest.Person) error {
			return closed(w, p, true)
		}, signin.ErrClosed},
		{"a ticket that waited too long", func(w *signintest.World, p *signintest.Person) error {
			return finish(w, p, func(ticket string, answer []byte) (string, []byte) {
				w.Clock.Sleep(16 * time.Minute)
				return ticket, answer
			})
		}, signin.ErrExpired},
		{"a challenge that waited too long", func(w *signintest.World, p *signintest.Person) error {
			return finish(w, p, func(ticket string, answer []byte) (string, []byte) {
				w.Clock.Sleep(6 * time.Minute)
				return ticket, answer
			})
		}, device.ErrChallengeExpired},
		{"a ticket that was changed", func(w *signintest.World, p *signintest.Person) error {
			return finish(w, p, func(ticket string, answer []byte) (string, []byte) { return ticket[:len(ticket)-3] + "AAA", answer })
		}, signin.ErrExpired},
		{"no ticket", func(w *signintest.World, p *signintest.Person) error {
			return finish(w, p, func(_ string, answer []byte) (string, []byte) { return "", answer })
		}, signin.ErrExpired},
		{"an answer made for another ticket", func(w *signintest.World, p *signintest.Person) error {
			return finish(w, p, func(_ string, answer []byte) (string, []byte) {
				_, other, err := w.SignIn.BeginSignUp(context.Background(), p.Mail, "en")
				w.Must(err)
				return other, answer
			})
		}, signin.ErrNotAccepted},
		{"an answer from a look-alike page", func(w *signintest.World, p *signintest.Person) error {
			return p.SignUp(softkey.LookAlike)
		}, signin.ErrNotAccepted},
		{"without user verification", func(w *signintest.World, p *signintest.Person) error {
			return p.SignUp(softkey.NoVerification)
		}, signin.ErrNotAccepted},
		{"to be remembered in a browser without a key", func(w *signintest.World, p *signintest.Person) error {
			p.JKT = ""
			options, ticket, err := w.SignIn.BeginSignUp(context.Background(), p.Mail, "en")
			w.Must(err)
			answer, err := p.Browser().Create(options)
			w.Must(err)
			f := p.From()
			f.Remember = true
			_, err = w.SignIn.FinishSignUp(context.Background(), p.Cause(), ticket, answer, f)
			return err
		}, session.ErrUnbound},
		{"with a proof that was used before", func(w *signintest.World, p *signintest.Person) error {
			f := p.From()
			w.Must(w.Sessions.SpendProof(context.Background(), f.JKT, f.JTI))
			options, ticket, err := w.SignIn.BeginSignUp(context.Background(), p.Mail, "en")
			w.Must(err)
			answer, err := p.Browser().Create(options)
			w.Must(err)
			_, err = w.SignIn.FinishSignUp(context.Background(), p.Cause(), ticket, answer, f)
			return err
		}, session.ErrProofReplayed},
	} {
		t.Run(row.name, func(t *testing.T) {
			signintest.Each(t, func(t *testing.T, w *signintest.World) {
				w.Refused(row.try(w, w.NewPerson()), row.want)
				for _, table := range []string{"account_account", "account_contact", "device_key", "device_device", "device_spent", "session_session", "audit_event"} {
					if n := w.Count(table); n != 0 {
						t.Errorf("%d rows were written to %s", n, table)
					}
				}
			})
		})
	}
}

// finish goes through a sign-up and lets f change what comes back.
func finish(w *signintest.World, p *signintest.Person, f func(ticket string, answer []byte) (string, []byte)) error {
	options, ticket, err := w.SignIn.BeginSignUp(context.Background(), p.Mail, "en")
	w.Must(err)
	answer, err := p.Browser().Create(options)
	w.Must(err)
	ticket, answer = f(ticket, answer)
	_, err = w.SignIn.FinishSignUp(context.Background(), p.Cause(), ticket, answer, p.From())
	return err
}

func closed(w *signintest.World, p *signintest.Person, late bool) error {
	s := signin.New(signin.Parts{DB: w.DB, Ring: w.Ring, Log: w.Log, Accounts: w.Accounts, Devices: w.Devices, Sessions: w.Sessions})
	if !late {
		_, _, err := s.BeginSignUp(context.Background(), p.Mail, "en")
		return err
	}
	return finish(w, p, func(ticket string, answer []byte) (string, []byte) { w.SignIn = s; return ticket, answer })
}

// One ticket makes one account, however often and however close together its
// answer is sent.
func TestOneTicketMakesOneAccount(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		p := w.NewPerson()
		options, ticket, err := w.SignIn.BeginSignUp(t.Context(), p.Mail, "en")
		w.Must(err)
		answer, err := p.Browser().Create(options)
		w.Must(err)
		var made, refused atomic.Int64
		var g sync.WaitGroup
		for range 16 {
			g.Go(func() {
				switch _, err := w.SignIn.FinishSignUp(t.Context(), p.Cause(), ticket, answer, p.From()); {
				case err == nil:
					made.Add(1)
				case errors.Is(err, device.ErrChallengeSpent), errors.Is(err, account.ErrHandleTaken):
					refused.Add(1)
				default:
					t.Errorf("got %v", err)
				}
			})
		}
		g.Wait()
		if made.Load() != 1 || w.Count("account_account") != 1 || w.Count("session_session") != 1 {
			t.Errorf("%d accounts were made, %d tries refused", made.Load(), refused.Load())
		}
	})
}

// Sign-in begins the same for everybody and tells nothing about anybody.
func TestSignInOptionsSayNothing(t *testing.T) {
	w := signintest.New(t, storetest.Open(t), nil)
	before, err := w.SignIn.BeginSignIn(t.Context())
	w.Must(err)
	w.Person()
	after, err := w.SignIn.BeginSignIn(t.Context())
	w.Must(err)
	if len(before) != len(after) {
		t.Errorf("%d bytes before anybody signed up, %d after", len(before), len(after))
	}
	var o map[string]any
	w.Must(json.Unmarshal(after, &o))
	if _, ok := o["allowCredentials"]; ok || o["userVerification"] != "required" {
		t.Errorf("the options are %s", after)
	}
}
