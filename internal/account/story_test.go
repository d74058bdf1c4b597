package account_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/keyring"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// world is one deployment with a clock of its own.
type world struct {
	t        *testing.T
	db       *store.DB
	ring     *keyring.Ring
	log      *audit.Log
	accounts *account.Service

	mu sync.Mutex // guards at
	at time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) sleep(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// each tells one story on every database.
func each(t *testing.T, story func(t *testing.T, w *world)) {
	t.Helper()
	w := &world{at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w.t, w.db, w.ring = t, db, keyringtest.NewTestRing(t)
		w.log = audit.New(w.ring)
		w.accounts = account.New(w.log, w.ring)
		story(t, w)
	}, storetest.WithNow(w.now))
}

// update runs a transaction with an event, as every flow does.
func (w *world) update(f func(tx *store.Tx) error) error {
	return w.db.Update(context.Background(), store.Cause{Actor: "system:test"}, func(tx *store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		_, err := w.log.Append(tx, audit.Event{Action: "account.updated", Target: "test"})
		return err
	})
}

// bare runs a transaction whose function appends its own event.
func (w *world) bare(f func(tx *store.Tx) error) error {
	return w.db.Update(context.Background(), store.Cause{Actor: "anonymous"}, f)
}

func (w *world) view(f func(tx *store.Tx) error) {
	w.t.Helper()
	w.must(w.db.View(context.Background(), f))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) create(n account.NewAccount) (a account.Account) {
	w.t.Helper()
	w.must(w.update(func(tx *store.Tx) (err error) {
		a, err = w.accounts.Create(tx, n)
		return err
	}))
	return a
}

func (w *world) contacts(id account.ID) (list []account.Contact) {
	w.t.Helper()
	w.view(func(tx *store.Tx) (err error) {
		list, err = w.accounts.Contacts(tx, id)
		return err
	})
	return list
}

func (w *world) byID(id account.ID) (a account.Account) {
	w.t.Helper()
	w.view(func(tx *store.Tx) (err error) {
		a, err = w.accounts.ByID(tx, id)
		return err
	})
	return a
}

// confirm follows a link.
func (w *world) confirm(token string) (c account.Contact, err error) {
	err = w.bare(func(tx *store.Tx) error {
		c, err = w.accounts.ConfirmContact(tx, token)
		return err
	})
	return c, err
}

// link is the token of the mail sent now about an account's first address.
func (w *world) link(id account.ID) string {
	w.t.Helper()
	return w.accounts.VerifyToken(w.contacts(id)[0].ID, w.now())
}

// newLinkWorld is a service without a database: links need none.
func newLinkWorld(t testing.TB) *account.Service {
	ring := keyringtest.NewTestRing(t)
	return account.New(audit.New(ring), ring)
}
