package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"keyward/internal/api"
	"keyward/internal/apikey"
)

// subaccount makes one with the touch for it.
func (a *app) subaccount(name string, more ...string) (sub api.Subaccount) {
	a.w.t.Helper()
	body := map[string]any{"name": name}
	if len(more) > 0 {
		body["transfers"] = more[0]
	}
	a.touchFor(a.send("POST", "/api/v1/subaccounts", body))
	a.send("POST", "/api/v1/subaccounts", body).want(201, &sub)
	return sub
}

func TestSubAccountsFromTheFirstToTheLastAct(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	sub := alice.subaccount("Market maker")
	equal(t, "rule", sub.Transfers, "none")
	equal(t, "status", sub.Status, "active")
	path := "/api/v1/subaccounts/" + sub.ID

	key := alice.made(wish("read.account trade.spot transfer.internal", "sub_account", sub.ID)).Key
	equal(t, "belongs to", key.Sub, sub.ID)
	alice.send("POST", "/api/v1/keys", wish("read.account withdraw", "sub_account", sub.ID)).refused(400, "apikey_withdraw")
	none := wish("read.account", "sub_account", "sub_01jd8f00000000000000000000")
	alice.touchFor(alice.send("POST", "/api/v1/keys", none))
	alice.send("POST", "/api/v1/keys", none).refused(409, "apikey_sub")
	var one api.Subaccount
	alice.get(path, &one)
	equal(t, "keys", one.Keys, 1)

	// Less takes no touch, more does.
	alice.send("PATCH", path, map[string]any{"version": sub.Version, "per_minute": 600}).want(200, &one)
	wider := map[string]any{"version": one.Version, "transfers": "to_main"}
	alice.touchFor(alice.send("PATCH", path, wider))
	alice.send("PATCH", path, wider).want(200, &one)
	equal(t, "rule", one.Transfers, "to_main")
	alice.send("PATCH", path, wider).refused(409, "sub_changed")

	alice.send("POST", path+"/freeze", nil).want(200, &map[string]any{})
	alice.send("POST", path+"/freeze", nil).refused(409, "sub_changed")
	alice.send("POST", path+"/empty", nil).refused(403, "step_up_required")
	alice.get(path, &one)
	thaw := map[string]any{"version": one.Version, "status": "active"}
	alice.touchFor(alice.send("PATCH", path, thaw))
	alice.send("PATCH", path, thaw).want(200, &one)
	alice.send("POST", path+"/empty", nil).want(200, &map[string]any{})
	alice.send("DELETE", path, nil).want(200, &map[string]any{})
	var all api.List[api.Subaccount]
	alice.get("/api/v1/subaccounts", &all)
	equal(t, "closed", all.Items[0].Status, "closed")
	var seen api.List[api.Subaccount]
	w.backend("exchange", "GET", "/api/v1/accounts/"+alice.tokens.Account+"/subaccounts", nil, "").want(200, &seen)
	equal(t, "the exchange sees", seen.Items[0].Status, "closed")
	w.backend("exchange", "GET", "/api/v1/accounts/acc_01jd8f00000000000000000000/subaccounts", nil, "").refused(404, "account_unknown")
	alice.send("GET", "/api/v1/accounts/"+alice.tokens.Account+"/subaccounts", nil).refused(401, "client_unauthenticated")
	var k api.APIKey
	alice.get("/api/v1/keys/"+key.ID, &k)
	equal(t, "its key", k.State, "ended")
	equal(t, "because", k.EndedWhy, "sub_closed")
	for _, bad := range []map[string]any{{"name": ""}, {"name": "a\nb"}, {"name": "x", "transfers": "out"}, {"name": "x", "max_keys": -1}, {"name": "x", "per_minute": 60_001}} {
		alice.send("POST", "/api/v1/subaccounts", bad).refused(400, "sub_form")
	}
}

func TestACapForADayInTheAPI(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	k := alice.made(wish("read.account trade.spot", "day_cap", map[string]string{"amount": "2500.50", "currency": "USD"})).Key
	if k.DayCap == nil || k.DayCap.Amount != "2500.5" || k.DayCap.Currency != "USD" {
		t.Fatalf("%+v", k.DayCap)
	}
	for _, amount := range []string{"1e999", "-1", "NaN", "0x1", "1000000000000.1", strings.Repeat("1", 32), ""} {
		alice.send("POST", "/api/v1/keys", wish("read.account", "day_cap", map[string]string{"amount": amount, "currency": "USD"})).refused(400, "apikey_day_cap")
	}
	path := "/api/v1/keys/" + k.ID
	alice.send("PATCH", path, map[string]any{"version": k.Version, "day_cap": map[string]string{"amount": "100", "currency": "USD"}}).want(200, &k)
	alice.send("PATCH", path, map[string]any{"version": k.Version, "day_cap": map[string]string{"amount": "", "currency": ""}}).refused(403, "step_up_required")
}

func TestTheSignedStoryOfAKeyIsItsOwners(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	k := w.botKey(alice, "read.account")
	var told struct {
		Items   []api.KeyMinute
		Changes []api.Event
	}
	alice.get("/api/v1/keys/"+k.ID+"/story", &told)
	if len(told.Changes) != 1 || told.Changes[0].Action != "apikey.added" {
		t.Errorf("%+v", told.Changes)
	}
	later := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	alice.get("/api/v1/keys/"+k.ID+"/story?from="+later, &told)
	equal(t, "changes of tomorrow", len(told.Changes), 0)
	r := alice.send("GET", "/api/v1/keys/"+k.ID+"/story/signed", nil)
	st, err := apikey.OpenStory([]byte(r.body), w.log.Key())
	if err != nil || len(st.Changes) != 1 || !json.Valid([]byte(r.body)) {
		t.Errorf("%v: %s", err, r.body)
	}
}
