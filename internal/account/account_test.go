package account_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"keyward/internal/account"
	"keyward/internal/store"
)

func TestAnAccountIsFoundByAllItsNames(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		made := w.create(account.NewAccount{ExternalID: "user-7", Mail: "Kim@Example.COM", Lang: "ko", Brand: "spot", Jurisdiction: "KR"})
		if made.Status != account.Active || made.Epoch != 1 || made.Version != 1 || len(made.Handle) != account.HandleLen || strings.Contains(string(made.Handle), string(made.ID)) {
			t.Errorf("made %+v", made)
		}
		if _, err := w.confirm(w.link(made.ID)); err != nil {
			t.Fatal(err)
		}
		made.Version = 2
		w.view(func(tx *store.Tx) error {
			for name, find := range map[string]func() (account.Account, error){
				"id":          func() (account.Account, error) { return w.accounts.ByID(tx, made.ID) },
				"external id": func() (account.Account, error) { return w.accounts.ByExternal(tx, "user-7") },
				"mail":        func() (account.Account, error) { return w.accounts.ByMail(tx, " Kim@example.com ") },
				"handle":      func() (account.Account, error) { return w.accounts.ByHandle(tx, made.Handle) },
			} {
				if got, err := find(); err != nil || !reflect.DeepEqual(got, made) {
					t.Errorf("by %s: %+v, %v\nwant %+v", name, got, err, made)
				}
			}
			for name, find := range map[string]func() (account.Account, error){
				"unknown id":           func() (account.Account, error) { return w.accounts.ByID(tx, "acc_nobody") },
				"empty external id":    func() (account.Account, error) { return w.accounts.ByExternal(tx, "") },
				"external id with NUL": func() (account.Account, error) { return w.accounts.ByExternal(tx, "user-7\x00") },
				"somebody's mail":      func() (account.Account, error) { return w.accounts.ByMail(tx, "lee@example.com") },
				"not a mail":           func() (account.Account, error) { return w.accounts.ByMail(tx, "kim") },
				"short handle":         func() (account.Account, error) { return w.accounts.ByHandle(tx, nil) },
				"other handle":         func() (account.Account, error) { return w.accounts.ByHandle(tx, bytes.Repeat([]byte{1}, 32)) },
			} {
				if got, err := find(); !errors.Is(err, account.ErrUnknown) {
					t.Errorf("by %s: %+v, %v", name, got, err)
				}
			}
			return nil
		})
	})
}

func TestNamesAreUniqueWhereTheyMustBe(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first := w.create(account.NewAccount{ExternalID: "user-7"})
		w.create(account.NewAccount{})
		w.create(account.NewAccount{}) // no external id is not an id
		err := w.update(func(tx *store.Tx) error {
			_, err := w.accounts.Create(tx, account.NewAccount{ExternalID: " user-7 "})
			return err
		})
		if !errors.Is(err, account.ErrExternalTaken) {
			t.Errorf("an external id twice: %v", err)
		}
		err = w.update(func(tx *store.Tx) error {
			_, err := w.accounts.Create(tx, account.NewAccount{ExternalID: "user-8", Handle: first.Handle})
			return err
		})
		if !errors.Is(err, account.ErrHandleTaken) {
			t.Errorf("a sign-up finished twice: %v", err)
		}
	})
}

func TestOneExternalID8TimesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() {
				errs[i] = w.update(func(tx *store.Tx) error {
					_, err := w.accounts.Create(tx, account.NewAccount{ExternalID: "user-7"})
					return err
				})
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
			} else if !errors.Is(err, account.ErrExternalTaken) {
				t.Error(err)
			}
		}
		if made != 1 {
			t.Errorf("%d accounts with one external id", made)
		}
	})
}

func TestWhatCannotBeAnAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for name, n := range map[string]account.NewAccount{
			"an external id with NUL":          {ExternalID: "a\x00b"},
			"an external id over two lines":    {ExternalID: "a\nb"},
			"an external id that is not UTF-8": {ExternalID: "\xff"},
			"an external id of 129 bytes":      {ExternalID: strings.Repeat("x", 129)},
			"a language that is a sentence":    {Lang: "ko KR"},
			"a brand with a tag":               {Brand: "<b>"},
			"a very long jurisdiction":         {Jurisdiction: strings.Repeat("x", 33)},
			"a mail that is none":              {Mail: "kim"},
			"a handle of another length":       {Handle: make([]byte, 64)},
		} {
			err := w.update(func(tx *store.Tx) error {
				_, err := w.accounts.Create(tx, n)
				return err
			})
			if !errors.Is(err, account.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestEveryChangeMovesTheVersion(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.create(account.NewAccount{Mail: "kim@example.com"})
		var extra account.Contact
		for _, step := range []struct {
			name string
			do   func(tx *store.Tx) error
		}{
			{"status", func(tx *store.Tx) error { _, err := w.accounts.SetStatus(tx, a.ID, account.Frozen); return err }},
			{"language", func(tx *store.Tx) error { _, err := w.accounts.SetLang(tx, a.ID, "en"); return err }},
			{"phrase", func(tx *store.Tx) error { _, err := w.accounts.SetPhrase(tx, a.ID, "푸른 고래"); return err }},
			{"epoch", func(tx *store.Tx) error { _, err := w.accounts.BumpEpoch(tx, a.ID); return err }},
			{"a contact added", func(tx *store.Tx) (err error) {
				extra, err = w.accounts.AddContact(tx, a.ID, "kim@example.net")
				return err
			}},
			{"a contact removed", func(tx *store.Tx) error { _, err := w.accounts.RemoveContact(tx, a.ID, extra.ID); return err }},
			{"a hold", func(tx *store.Tx) error {
				_, err := w.accounts.Hold(tx, a.ID, account.HoldKeys, tx.Now, "a new phone")
				return err
			}},
			{"erasure", func(tx *store.Tx) error { return w.accounts.Erase(tx, a.ID) }},
		} {
			before := w.byID(a.ID).Version
			w.must(w.update(step.do))
			if after := w.byID(a.ID); after.Version != before+1 {
				t.Errorf("%s: version %d after %d", step.name, after.Version, before)
			}
		}
	})
}

func TestAClosedAccountStaysClosed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.create(account.NewAccount{Mail: "kim@example.com"})
		set := func(status account.Status) error {
			return w.update(func(tx *store.Tx) error { _, err := w.accounts.SetStatus(tx, a.ID, status); return err })
		}
		w.must(set(account.Closed))
		for _, status := range []account.Status{account.Active, account.Frozen, account.Restricted, account.Closed} {
			if err := set(status); !errors.Is(err, account.ErrClosed) {
				t.Errorf("to %s: %v", status, err)
			}
		}
		if err := set("vip"); !errors.Is(err, account.ErrInvalid) {
			t.Errorf("to a status that is none: %v", err)
		}
		err := w.update(func(tx *store.Tx) error { _, err := w.accounts.AddContact(tx, a.ID, "kim@example.net"); return err })
		if !errors.Is(err, account.ErrClosed) {
			t.Errorf("a contact for a closed account: %v", err)
		}
		err = w.update(func(tx *store.Tx) error { _, err := w.accounts.SetStatus(tx, "acc_nobody", account.Active); return err })
		if !errors.Is(err, account.ErrUnknown) {
			t.Errorf("the status of nobody: %v", err)
		}
		_, err = w.confirm(w.link(a.ID))
		if !errors.Is(err, account.ErrClosed) {
			t.Errorf("a link of a closed account: %v", err)
		}
	})
}

func TestErasingLeavesNoPerson(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.create(account.NewAccount{ExternalID: "user-7", Mail: "kim@example.com", Lang: "ko", Brand: "spot", Jurisdiction: "KR"})
		token := w.link(a.ID)
		w.must(w.update(func(tx *store.Tx) error {
			_, err := w.accounts.Hold(tx, a.ID, account.HoldWithdraw, tx.Now.Add(1e12), "Kim's new phone")
			return err
		}))
		w.must(w.update(func(tx *store.Tx) error { return w.accounts.Erase(tx, a.ID) }))
		got := w.byID(a.ID)
		want := account.Account{ID: a.ID, Status: account.Closed, Epoch: 2, Version: 3, CreatedAt: a.CreatedAt, Handle: []byte{}}
		if got.Handle == nil {
			got.Handle = []byte{}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("left %+v", got)
		}
		if list := w.contacts(a.ID); len(list) != 0 {
			t.Errorf("contacts left: %+v", list)
		}
		w.view(func(tx *store.Tx) error {
			holds, err := w.accounts.Holds(tx, a.ID)
			if len(holds) != 1 || holds[0].Because != "" {
				t.Errorf("holds left: %+v", holds)
			}
			return err
		})
		if _, err := w.confirm(token); !errors.Is(err, account.ErrLinkInvalid) {
			t.Errorf("an old link: %v", err)
		}
		// What was unique is free again.
		w.create(account.NewAccount{ExternalID: "user-7", Handle: a.Handle})
		if err := w.update(func(tx *store.Tx) error { return w.accounts.Erase(tx, "acc_nobody") }); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("erasing nobody: %v", err)
		}
	})
}

func TestTheEffectIsTheAccountAsItStands(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.create(account.NewAccount{})
		w.must(w.update(func(tx *store.Tx) error {
			epoch, err := w.accounts.BumpEpoch(tx, a.ID)
			if err != nil {
				return err
			}
			e, err := w.accounts.Effect(tx, a.ID)
			if epoch != 2 || e.Kind != "account" || e.ID != string(a.ID) || e.Version != 2 {
				t.Errorf("epoch %d, effect %+v", epoch, e)
			}
			return err
		}))
	})
}
