package notify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/store"
)

func TestSignUpAsksTheAddressAndTheLinkOnlyConfirms(t *testing.T) {
	each(t, func(w *world) {
		acc := w.signsUp("kim@mail.example", "ko")
		w.settles()
		w.wants("kim@mail.example: 메일 주소를 확인해 주세요")
		mail := w.post.Mails()[0]
		_, token, found := strings.Cut(mail.Text, "https://login.exchange.example/mail/verify?t=")
		if !found {
			t.Fatalf("no link in %q", mail.Text)
		}
		token, _, _ = strings.Cut(token, "\n")
		if !strings.Contains(mail.HTML, token) {
			t.Error("HTML and text carry different links")
		}
		// One of two identical mails is a stranger's; this is what tells them apart.
		for _, word := range []string{"계정을 만든 때: 2026년 3월 7일", "Linux의 Firefox", "확인하지 마세요"} {
			if !strings.Contains(mail.Text, word) {
				t.Errorf("the mail does not say %q: %s", word, mail.Text)
			}
		}
		if strings.Contains(mail.Text, "freeze") || strings.Contains(mail.Text, "203.0.113.7") {
			t.Error("an address nobody confirmed learns about the account, or can act on it")
		}
		w.ok(w.db.Update(t.Context(), by(acc.ID), func(tx *store.Tx) error {
			c, err := w.accounts.ConfirmContact(tx, token)
			if err == nil && c.Account != acc.ID {
				err = fmt.Errorf("confirmed a contact of %s", c.Account)
			}
			return err
		}))
		err := w.db.Update(t.Context(), by(acc.ID), func(tx *store.Tx) error {
			_, err := w.accounts.ConfirmContact(tx, token)
			return err
		})
		if err == nil {
			t.Error("the link worked twice")
		}
	})
}

func TestSignUpWithATakenAddressTellsItsOwner(t *testing.T) {
	each(t, func(w *world) {
		owner := w.owner("lee@mail.example", "en")
		w.ok(w.db.Update(t.Context(), by(owner.ID), func(tx *store.Tx) error {
			if _, err := w.accounts.SetPhrase(tx, owner.ID, "two lamps"); err != nil {
				return err
			}
			_, err := w.log.Append(tx, audit.Event{Action: "account.updated", Account: string(owner.ID)})
			return err
		}))
		thief := w.signsUp("lee@mail.example", "ko") // another language, another brand: the owner's count
		w.settles()
		w.wants("lee@mail.example: You already have an account")
		mail := w.post.Mails()[0]
		if !strings.Contains(mail.Text, "two lamps") {
			t.Error("the owner's phrase is missing")
		}
		if strings.Contains(mail.Text, "/mail/verify") {
			t.Error("the owner was sent a link that confirms somebody else's account")
		}
		if got := w.told(thief.ID); !slices.Equal(got, []string{"taken_signup sent"}) {
			t.Errorf("told: %q", got)
		}
	})
}

func TestAddressConfirmedBetweenEventAndMail(t *testing.T) {
	each(t, func(w *world) {
		first := w.signsUp("park@mail.example", "en")
		second := w.signsUp("park@mail.example", "en")
		w.follows() // both are asked for …
		w.confirms(w.contact(first.ID, "park@mail.example"))
		w.works() // … and one of them is the owner when the mails are written
		w.wants("park@mail.example: You already have an account")
		if got := w.told(first.ID); !slices.Equal(got, []string{"signup_check moot"}) {
			t.Errorf("first: %q", got)
		}
		if got := w.told(second.ID); !slices.Equal(got, []string{"taken_signup sent"}) {
			t.Errorf("second: %q", got)
		}
	})
}

func TestTheOwnerHearsInOrder(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("choi@mail.example", "en")
		agent := map[string]string{"agent": "Firefox on Linux"}
		with := func(more ...string) map[string]string {
			p := map[string]string{"agent": "Firefox on Linux"}
			for i := 0; i < len(more); i += 2 {
				p[more[i]] = more[i+1]
			}
			return p
		}
		steps := []struct {
			action  audit.Action
			payload map[string]string
			subject string // "" when the owner is not mailed
		}{
			{"session.started", with("method", "passkey"), ""},
			{"session.started", with("method", "passkey", "new_device", "yes"), "A new device signed in"},
			{"session.refreshed", agent, ""},
			{"session.stepped_up", agent, ""},
			{"key.added", with("key", "Work phone"), "A passkey was added"},
			{"key.removed", with("key", "Work phone"), "A passkey was removed"},
			{"codes.created", agent, "Recovery codes were made"},
			{"codes.created", with("replaced", "yes"), "Your recovery codes are new"},
			{"codes.used", with("left", "7", "method", "code"), "A recovery code was used"},
			{"session.suspect", agent, "Someone may have a copy of your session"},
			{"session.reuse", agent, "We ended a session to be safe"},
			{"account.frozen", nil, "Your account is frozen"},
			{"account.unfrozen", nil, "The freeze was lifted"},
		}
		var want []string
		for _, s := range steps {
			w.does(acc.ID, s.action, "obj_1", s.payload)
			if s.subject != "" {
				want = append(want, "choi@mail.example: "+s.subject)
			}
			w.settles() // one by one: mails that are due together leave side by side
		}
		w.wants(want...)
		for _, m := range w.post.Mails() {
			frozen := strings.HasPrefix(m.Subject, "Your account is frozen")
			if strings.Contains(m.Text, "/freeze/link?t="+string(acc.ID)) == frozen {
				t.Errorf("%s: freeze link present: %v", m.Subject, !frozen)
			}
			if strings.Contains(m.Text, "8F3K-21") == false {
				t.Errorf("%s: no request id", m.Subject)
			}
		}
		if m := w.post.Mails()[4]; !strings.Contains(m.Text, "7 codes") {
			t.Errorf("codes left are missing in %q", m.Text)
		}
	})
}

// What an app gets is told, with what it may do; going on to the exchange is not.
func TestTheOwnerHearsOfApps(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("seo@mail.example", "en")
		app := func(more ...string) map[string]string {
			p := map[string]string{"client": "Portfolio View", "agent": "Firefox on Linux", "scope": "openid read trade"}
			for i := 0; i < len(more); i += 2 {
				p[more[i]] = more[i+1]
			}
			return p
		}
		for _, s := range []struct {
			action  audit.Action
			payload map[string]string
		}{
			{"grant.given", app("party", "own")},
			{"grant.given", app("party", "third")},
			{"grant.refreshed", nil},
			{"grant.narrowed", app()},
			{"grant.suspect", map[string]string{"client": "Portfolio View"}},
			{"grant.reuse", map[string]string{"client": "Portfolio View"}},
			{"grant.code_replayed", map[string]string{"client": "Portfolio View"}},
			{"grant.ended", app("by", "owner")},
		} {
			w.does(acc.ID, s.action, "grt_1", s.payload)
			w.settles()
		}
		w.wants("seo@mail.example: An app was connected to your account", "seo@mail.example: Someone may have a copy of an app’s token",
			"seo@mail.example: We disconnected an app to be safe", "seo@mail.example: We disconnected an app: its code came twice")
		for _, m := range w.post.Mails() {
			if !strings.Contains(m.Text, "App: Portfolio View") || !strings.Contains(m.Text, "/freeze/link?t=") {
				t.Errorf("%s: %s", m.Subject, m.Text)
			}
		}
		if m := w.post.Mails()[3]; !strings.Contains(m.Text, "May do: Know that you are signed in, and how · See balances and past orders · Place and cancel orders") {
			t.Errorf("it does not say what the app may do: %s", m.Text)
		}
	})
}

func TestContactChangesReachTheOldAddress(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("old@mail.example", "en")
		c := w.adds(acc.ID, "thief@mail.example")
		w.settles()
		got := w.got()
		slices.Sort(got)
		if !slices.Equal(got, []string{"old@mail.example: A mail address was added", "thief@mail.example: Confirm your new mail address"}) {
			t.Errorf("added: %q", got)
		}
		w.empties()

		w.confirms(c)
		w.settles()
		w.wants("old@mail.example: A mail address was confirmed")
		w.empties()

		w.removes(w.contact(acc.ID, "old@mail.example"))
		w.settles()
		got = w.got()
		slices.Sort(got)
		if !slices.Equal(got, []string{"old@mail.example: This mail address was removed", "thief@mail.example: A mail address was removed"}) {
			t.Errorf("removed: %q", got)
		}
		for _, m := range w.post.Mails() {
			if m.To == "old@mail.example" && !strings.Contains(m.Text, "/freeze/link?t=") {
				t.Error("the old address cannot freeze")
			}
		}
	})
}

func TestAMistypedAddressNeverGetsAButtonToFreeze(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("owner@mail.example", "en")
		c := w.adds(acc.ID, "onwer@mail.example")
		w.settles()
		w.empties()
		w.removes(c)
		w.settles()
		w.wants("owner@mail.example: A mail address was removed")
		if got := w.told(acc.ID); !slices.Contains(got, "contact_gone moot") {
			t.Errorf("told: %q", got)
		}
	})
}

func TestRemovingTheAddressDoesNotSilenceTheNoticeBeforeIt(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("old@mail.example", "en")
		w.confirms(w.adds(acc.ID, "thief@mail.example"))
		w.settles()
		w.empties()
		w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "Thief's phone"})
		w.follows()
		w.removes(w.contact(acc.ID, "old@mail.example")) // before the first mail left
		w.settles()
		got := w.got()
		if !slices.Contains(got, "old@mail.example: A passkey was added") {
			t.Errorf("the old address did not hear of the key: %q", got)
		}
	})
}

func TestAnOwnerWithoutAnAddressIsAFact(t *testing.T) {
	each(t, func(w *world) {
		acc := w.signsUp("never@mail.example", "en")
		w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "x"})
		w.settles()
		if got := w.told(acc.ID); !slices.Equal(got, []string{"key_added nobody", "signup_check sent"}) {
			t.Errorf("told: %q", got)
		}
	})
}

func TestStrangersCannotBuryAMailbox(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("victim@mail.example", "en")
		for range 5 {
			w.signsUp("victim@mail.example", "en")
		}
		w.settles()
		if n := len(w.post.Mails()); n != 3 {
			t.Errorf("%d mails in one hour", n)
		}
		for _, m := range w.post.Mails() {
			if !strings.Contains(m.Text, "/freeze/link?t="+string(acc.ID)) {
				t.Errorf("%s: no freeze link for the owner", m.Subject)
			}
		}
		w.empties()
		w.clock.pass(time.Hour + time.Minute)
		w.signsUp("victim@mail.example", "en")
		w.settles()
		w.wants("victim@mail.example: You already have an account")
	})
}

// A stranger who is about to break in first uses up what can be mailed to the
// owner. The freeze must still be there.
func TestStrangersCannotSwitchOffTheFreezeLink(t *testing.T) {
	each(t, func(w *world) {
		w.owner("victim@mail.example", "en")
		for range 5 {
			w.signsUp("victim@mail.example", "en")
		}
		w.settles()
		w.empties()
		for range 5 {
			w.ok(w.db.Housekeeping(t.Context(), func(tx *store.Tx) error {
				return w.service.AskFreezeLink(tx, by(""), "victim@mail.example", "Chrome on Windows")
			}))
		}
		w.works()
		const link = "victim@mail.example: Freeze your account"
		w.wants(link, link, link)
	})
}

func TestLimitNeverHoldsBackWhatTheOwnerMustKnow(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("victim@mail.example", "en")
		for range 5 {
			w.signsUp("victim@mail.example", "en")
		}
		w.settles()
		w.empties()
		for range 5 {
			w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "x"})
		}
		w.settles()
		if n := len(w.post.Mails()); n != 5 {
			t.Errorf("%d of 5 notices", n)
		}
	})
}

func TestFreezeLinkLeavesOnlyForOwnersAndTheRequestCannotTell(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("owner@mail.example", "en")
		for _, typed := range []string{"owner@mail.example", "nobody@mail.example"} {
			w.ok(w.db.Housekeeping(t.Context(), func(tx *store.Tx) error {
				return w.service.AskFreezeLink(tx, by(""), typed, "Chrome on Windows")
			}))
		}
		w.works()
		w.wants("owner@mail.example: Freeze your account")
		m := w.post.Mails()[0]
		_, token, _ := strings.Cut(m.Text, "/freeze/link?t=")
		token, _, _ = strings.Cut(token, "\n")
		w.ok(w.db.View(t.Context(), func(tx *store.Tx) error {
			got, err := w.accounts.OpenFreezeToken(tx, token)
			if got.ID != acc.ID {
				t.Errorf("the link freezes %q", got.ID)
			}
			return err
		}))
		if strings.Contains(m.Text, "/mail/verify") || strings.Count(m.Text, "https://") != 1 {
			t.Error("another link rides along")
		}
		var rows int
		w.ok(w.db.Get(t.Context(), `SELECT count(*) FROM notify_sent WHERE kind = 'freeze_link'`).Scan(&rows))
		if rows != 1 {
			t.Errorf("%d rows; whether a typed address has an owner must be in none", rows)
		}
	})
}

func TestAskingForTheCheckAgain(t *testing.T) {
	each(t, func(w *world) {
		acc := w.signsUp("again@mail.example", "en")
		w.settles()
		c := w.contact(acc.ID, "again@mail.example")
		again := func() {
			w.ok(w.db.Housekeeping(t.Context(), func(tx *store.Tx) error {
				return w.service.AskCheck(tx, by(acc.ID), acc.ID, c.ID)
			}))
			w.works()
		}
		again()
		w.wants("again@mail.example: Confirm your mail address", "again@mail.example: Confirm your mail address")
		if a, b := w.post.Mails()[0].ID, w.post.Mails()[1].ID; a == b {
			t.Error("two mails share a Message-ID")
		}
		w.confirms(c)
		w.empties()
		again()
		w.wants()
	})
}

func TestEachAccountReadsItsOwnLanguageAndBrand(t *testing.T) {
	each(t, func(w *world) {
		var acc account.Account
		w.ok(w.db.Update(t.Context(), by(""), func(tx *store.Tx) (err error) {
			if acc, err = w.accounts.Create(tx, account.NewAccount{Mail: "han@mail.example", Lang: "ko", Brand: "kr"}); err != nil {
				return err
			}
			_, err = w.log.Append(tx, audit.Event{Action: "account.created", Account: string(acc.ID)})
			return err
		}))
		w.settles()
		m := w.post.Mails()[0]
		if m.FromName != "예시 거래소" || !strings.Contains(m.HTML, `<html lang="ko">`) {
			t.Errorf("from %q", m.FromName)
		}
	})
}

func TestAnErasedEventIsNotMailed(t *testing.T) {
	each(t, func(w *world) {
		acc := w.owner("gone@mail.example", "en")
		w.does(acc.ID, "key.added", "key_1", map[string]string{"key": "x"})
		w.follows()
		w.ok(w.db.Update(t.Context(), by(acc.ID), func(tx *store.Tx) error {
			if err := w.accounts.Erase(tx, acc.ID); err != nil {
				return err
			}
			if err := w.log.Erase(tx, string(acc.ID)); err != nil {
				return err
			}
			_, err := w.log.Append(tx, audit.Event{Action: "account.erased", Account: string(acc.ID)})
			return err
		}))
		w.settles()
		w.wants()
	})
}
