package contain_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"keyward/internal/account"
	"keyward/internal/device"
	"keyward/internal/session"
	"keyward/internal/signin"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// onURL tells a story on each database, by its address, so that it can be dumped.
func onURL(t *testing.T, story func(t *testing.T, url string, w *signintest.World)) {
	for name, address := range map[string]func(testing.TB) string{"SQLite": storetest.SQLiteURL, "PostgreSQL": storetest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			url := address(t)
			clock, logged := signintest.NewClock(), new(signintest.Logged)
			db, err := store.Open(t.Context(), store.Options{URL: url, Now: clock.Now, Logger: logged.Logger()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			w := signintest.New(t, db, clock)
			w.Logged = logged
			story(t, url, w)
		})
	}
}

// live goes through everything a customer can do here, and returns the person at
// the end of it, signed in.
func live(t *testing.T, w *signintest.World, p *signintest.Person) {
	t.Helper()
	ctx := context.Background()
	w.Must(p.SignUp())
	p.VerifyMail()
	codes := p.Codes()
	w.Must(w.SignIn.Rehearse(ctx, p.Cause(), p.Session(), codes[0]))
	w.Must(p.Refresh())
	lost := *p // an answer that never arrived, and the retry
	w.Must(p.Refresh())
	w.Must(lost.Refresh())
	keys, spare := p.SecondKey()
	w.Must(w.SignIn.RenameKey(ctx, p.Cause(), p.Session(), spare.ID, "canary-key-name"))
	w.Must(w.Contain.NameDevice(ctx, p.Cause(), p.Session(), p.Session().Device, "canary-device-name"))
	p.Touch(device.ActContactsChange, "")
	_, err := w.SignIn.AddContact(ctx, p.Cause(), p.Session(), "canary-second@example.org")
	w.Must(err)

	thief := *p
	thief.JKT = "key-of-the-thief"
	w.Refused(thief.Refresh(), session.ErrRefreshWrongKey)
	phone := p.Elsewhere()
	phone.Keys = keys
	phone.In()
	weak := p.Elsewhere()
	w.Must(weak.SignInByCode(codes[1]))
	w.Refused(weak.SignInByCode(codes[1]), signin.ErrCodeNotAccepted)
	w.Must(w.Contain.ThisWasMe(ctx, p.Cause(), p.Session(), phone.Session().ID))
	p.Touch(device.ActSessionsEndAll, "")
	_, err = w.Contain.EndOthers(ctx, p.Cause(), p.Session())
	w.Must(err)
	p.Touch(device.ActKeysRemove, string(spare.ID))
	_, err = w.Contain.RemoveKey(ctx, p.Cause(), p.Session(), spare.ID)
	w.Must(err)
	_, err = w.Contain.Freeze(ctx, p.Cause(), p.Account, "here")
	w.Must(err)
	p.In().Touch(device.ActFreezeLift, "")
	w.Must(w.Contain.Lift(ctx, p.Cause(), p.Session()))
	p.Touch(device.ActCodesNew, "") // a touch that is kept and not used
	for _, q := range []*signintest.Person{&lost, &thief, phone, weak} {
		p.Secrets = append(p.Secrets, q.Secrets...)
	}
	w.Must(w.Sessions.FlushSeen(ctx))
}

// Nothing secret that anybody was handed lies in the database, not in its files,
// and not in the log output: whoever reads a backup can sign in as nobody (I12).
func TestNoSecretIsKept(t *testing.T) {
	onURL(t, func(t *testing.T, url string, w *signintest.World) {
		p := w.NewPerson()
		live(t, w, p)
		w.Seal()
		tables, files, err := signintest.Dump(url)
		w.Must(err)
		if !strings.Contains(tables, string(p.Account)) || !strings.Contains(tables, "canary-key-name") {
			t.Fatal("the dump does not show what it must")
		}
		slices.Sort(p.Secrets)
		for _, s := range slices.Compact(p.Secrets) {
			for _, form := range append(signintest.Spellings(s), s) {
				switch {
				case strings.Contains(tables, form):
					t.Errorf("a table holds the secret %q (as %q)", s, form)
				case strings.Contains(string(files), form):
					t.Errorf("the files hold the secret %q (as %q)", s, form)
				case strings.Contains(w.Logged.String(), form):
					t.Errorf("the log output holds the secret %q (as %q)", s, form)
				}
			}
		}
		if len(p.Secrets) < 40 {
			t.Errorf("only %d secrets were looked for", len(p.Secrets))
		}
	})
}

// Erasure takes the person out of every table. What remains proves that something
// happened and when, to nobody in particular, and the log still verifies (G4).
func TestErasureLeavesNobody(t *testing.T) {
	onURL(t, func(t *testing.T, url string, w *signintest.World) {
		p := w.NewPerson()
		p.Mail = "canary-first@example.org"
		live(t, w, p)
		stays := w.Person()
		_, err := w.Contain.Freeze(t.Context(), p.Cause(), p.Account, "here") // erased while frozen
		w.Must(err)
		p.In()
		w.Seal()
		events := w.Count("audit_event")

		w.Must(w.Contain.Erase(t.Context(), store.Cause{Actor: "operator:lee"}, p.Account))
		_, err = p.Check()
		w.Refused(err, session.ErrEnded)
		w.Refused(p.Refresh(), session.ErrRefreshInvalid)
		if err := p.SignInWith(p.From()); err == nil {
			t.Error("an erased account signs in")
		}
		w.Seal()
		if n := w.Count("audit_event"); n != events+2 { // sessions.ended_all, account.erased
			t.Errorf("%d events became %d", events, n)
		}
		tables, _, err := signintest.Dump(url)
		w.Must(err)
		for _, personal := range []string{
			"canary", "Firefox", "Linux", signintest.Home.String(), p.Mail, p.Cookie,
		} {
			for line := range strings.Lines(tables) {
				if strings.Contains(line, personal) && !strings.Contains(line, string(stays.Account)) {
					t.Errorf("%q is left in %s", personal, line)
				}
			}
		}
		for _, table := range []string{"signin_code", "signin_codeset", "device_proof", "account_contact", "contain_freeze"} {
			for line := range strings.Lines(tables) {
				if strings.HasPrefix(line, table+" ") && strings.Contains(line, string(p.Account)) {
					t.Errorf("a row is left: %s", line)
				}
			}
		}
		stays.Session() // and nobody else is touched
		w.Must(stays.In().Refresh())
		w.Refused(w.Contain.Erase(t.Context(), store.Cause{Actor: "operator:lee"}, "acc_nobody"), account.ErrUnknown)
	})
}
