package account_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
)

func TestAFreezeLinkNamesOneAccountForAWeek(t *testing.T) {
	accounts := newLinkWorld(t)
	id := account.ID("acc_01hzzzzzzzzzzzzzzzzzzzzzzz")
	sent := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	token := accounts.FreezeToken(id, sent)
	if got, err := accounts.OpenFreezeToken(token, sent.Add(7*24*time.Hour-time.Second)); err != nil || got != id {
		t.Errorf("in time: %s, %v", got, err)
	}
	if _, err := accounts.OpenFreezeToken(token, sent.Add(7*24*time.Hour)); err != account.ErrLinkExpired {
		t.Errorf("too late: %v", err)
	}
	_, rest, _ := strings.Cut(token, ".")
	for name, forged := range map[string]string{
		"nothing":                     "",
		"another account":             "acc_01hzzzzzzzzzzzzzzzzzzzzzz0." + rest,
		"another MAC":                 string(id) + "." + strings.Repeat("A", len(rest)),
		"a contact's link":            accounts.VerifyToken("cnt_01hzzzzzzzzzzzzzzzzzzzzzzz", sent),
		"moved from a contact's link": string(id) + "." + strings.SplitN(accounts.VerifyToken(string(id), sent), ".", 2)[1],
	} {
		if _, err := accounts.OpenFreezeToken(forged, sent); !errors.Is(err, account.ErrLinkInvalid) || errors.Unwrap(err) == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
