package account_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/store"
)

func (w *world) openFreeze(token string) (a account.Account, err error) {
	err = w.db.View(w.t.Context(), func(tx *store.Tx) error {
		a, err = w.accounts.OpenFreezeToken(tx, token)
		return err
	})
	return a, err
}

func TestAFreezeLinkNamesOneAccountForAWeek(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, other := w.create(account.NewAccount{}), w.create(account.NewAccount{})
		token := w.accounts.FreezeToken(a, w.now())
		_, rest, _ := strings.Cut(token, ".")
		for name, forged := range map[string]string{
			"nothing":                     "",
			"another account":             string(other.ID) + "." + rest,
			"another MAC":                 string(a.ID) + "." + strings.Repeat("A", len(rest)),
			"a contact's link":            w.accounts.VerifyToken("cnt_01hzzzzzzzzzzzzzzzzzzzzzzz", w.now()),
			"moved from a contact's link": string(a.ID) + "." + strings.SplitN(w.accounts.VerifyToken(string(a.ID), w.now()), ".", 2)[1],
		} {
			if _, err := w.openFreeze(forged); !errors.Is(err, account.ErrLinkInvalid) || errors.Unwrap(err) == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.sleep(7*24*time.Hour - time.Second)
		if got, err := w.openFreeze(token); err != nil || got.ID != a.ID {
			t.Errorf("in time: %s, %v", got.ID, err)
		}
		w.sleep(time.Second)
		if _, err := w.openFreeze(token); err != account.ErrLinkExpired {
			t.Errorf("too late: %v", err)
		}
	})
}

// Only the end of a freeze ends the links from before; other changes do not, or a
// thief who changes something would take the owner's links away.
func TestAFreezeLinkLivesUntilTheFirstLift(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.create(account.NewAccount{})
		token := w.accounts.FreezeToken(a, w.now())
		for _, step := range []struct {
			name string
			to   account.Status
			dead bool
		}{
			{"restricted", account.Restricted, false},
			{"active again", account.Active, false},
			{"frozen", account.Frozen, false},
			{"frozen twice", account.Frozen, false},
			{"lifted", account.Restricted, true},
			{"frozen once more", account.Frozen, true},
		} {
			w.must(w.update(func(tx *store.Tx) error { _, err := w.accounts.SetStatus(tx, a.ID, step.to); return err }))
			if _, err := w.openFreeze(token); (err != nil) != step.dead || err != nil && !errors.Is(err, account.ErrLinkExpired) {
				t.Errorf("%s: %v", step.name, err)
			}
		}
	})
}
