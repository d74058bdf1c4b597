package api_test

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"keyward/internal/api"
	"keyward/internal/softkey"
)

// attempt does everything a client can to carry a call out: where it is asked for a touch it
// gives one with the key it has, whatever the list of keys says. The outcome is the status,
// or the code that stopped it.
func (a *app) attempt(method, path string, body any) string {
	a.w.t.Helper()
	outcome := func(r *response) string {
		var p problem
		if r.status >= 400 {
			r.want(r.status, &p)
			return p.Code
		}
		return strconv.Itoa(r.status)
	}
	r := a.send(method, path, body)
	if outcome(r) != "step_up_required" {
		return outcome(r)
	}
	purpose := r.refused(403, "step_up_required").Purpose
	var o api.Options
	if r = a.send("POST", "/api/v1/step-up", purpose); r.status != 200 {
		return "begin: " + outcome(r)
	}
	r.want(200, &o)
	cred, err := a.browser.Get(o.Options, softkey.Unlisted)
	ok(a.w.t, err)
	r = a.send("POST", "/api/v1/step-up/finish", map[string]any{"act": purpose.Act, "object": purpose.Object, "credential": json.RawMessage(cred)})
	if r.status != 200 {
		return outcome(r)
	}
	r.want(200, &a.tokens)
	return outcome(a.send(method, path, body))
}

// Somebody talked the owner of an old account into one yes, an hour ago. What a key that is
// an hour old may do, call by call.
func TestWhatAKeyThatIsAnHourOldMayDo(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	w.clock.pass(40 * 24 * time.Hour)
	alice.signIn()
	bot := "/api/v1/keys/" + w.botKey(alice, "read.account trade.spot").ID
	reader := "/api/v1/keys/" + w.botKey(alice, "read.account").ID
	sub := alice.subaccount("Market maker")
	var was api.WhoAmI
	alice.get("/api/v1/session", &was)
	var keys api.Passkeys
	alice.get("/api/v1/passkeys", &keys)
	owners := keys.Items[0].ID
	var contacts api.List[api.Contact]
	alice.get("/api/v1/contacts", &contacts)

	var code api.JoinCode
	var j api.Join
	thief := alice.fresh("198.51.100.66")
	thief.send("POST", "/api/v1/join", nil).want(201, &code)
	alice.send("POST", "/api/v1/joins", map[string]string{"code": code.Code}).want(201, &j)
	alice.touch("devices.admit", j.ID).send("POST", "/api/v1/joins/"+j.ID+"/admit", nil).want(200)
	var o api.Options
	thief.send("POST", "/api/v1/join/begin", nil).want(200, &o)
	cred, err := thief.browser.Create(o.Options)
	ok(t, err)
	thief.send("POST", "/api/v1/join/finish", map[string]any{"credential": json.RawMessage(cred), "name": "Mine"}).want(201, &thief.tokens)
	w.clock.pass(time.Hour)
	thief.signIn()
	alice.signIn()
	alice.get("/api/v1/passkeys", &keys)
	var own api.Passkey
	for _, k := range keys.Items {
		if k.ID != owners {
			own = k
		}
	}
	var accomplice api.JoinCode
	alice.fresh("198.51.100.67").send("POST", "/api/v1/join", nil).want(201, &accomplice)
	thief.send("POST", "/api/v1/joins", map[string]string{"code": accomplice.Code}).want(201, &j)

	device := "/api/v1/devices/" + was.Session.Device
	public := base64.StdEncoding.EncodeToString(softkey.NewBot("api.example.com").Public())
	turn := map[string]any{"version": 1, "why": "cadence", "public_key": public, "days": 90, "without_rehearsal": true}
	for _, row := range []struct {
		name, method, path string
		body               any
		want               string
	}{
		{"look around", "GET", "/api/v1/devices", nil, "200"},
		{"say that it is still them, for new tokens", "POST", "/api/v1/step-up", map[string]string{"act": "confirm.me"}, "200"},
		{"remove the owner's passkey", "DELETE", "/api/v1/passkeys/" + owners, nil, "key_too_new"},
		{"remove the owner's device", "DELETE", device, nil, "key_too_new"},
		{"retire the owner's device", "POST", device + "/retire", nil, "key_too_new"},
		{"add another passkey", "POST", "/api/v1/passkeys", nil, "key_too_new"},
		{"let an accomplice in", "POST", "/api/v1/joins/" + j.ID + "/admit", nil, "key_too_new"},
		{"replace the recovery codes", "POST", "/api/v1/codes", nil, "key_too_new"},
		{"add an address for notices", "POST", "/api/v1/contacts", map[string]string{"mail": "thief@example.net"}, "key_too_new"},
		{"remove the owner's address", "DELETE", "/api/v1/contacts/" + contacts.Items[0].ID, nil, "key_too_new"},
		{"make an API key that trades", "POST", "/api/v1/keys", wish("read.account trade.spot"), "key_too_new"},
		{"make one that withdraws", "POST", "/api/v1/keys", wish("read.account withdraw"), "key_too_new"},
		{"make one that replaces itself", "POST", "/api/v1/keys", wish("read.account key.rotate_self"), "key_too_new"},
		{"make one that only looks", "POST", "/api/v1/keys", wish("read.account"), "201"},
		{"widen a key of the owner's", "PATCH", bot, map[string]any{"version": 1, "addresses": []string{"203.0.113.7", "198.51.100.66"}}, "key_too_new"},
		{"widen one that only looks", "PATCH", reader, map[string]any{"version": 1, "scopes": []string{"read.account", "read.orders"}}, "key_too_new"},
		{"put a pair of their own in its place", "POST", bot + "/rotate", turn, "key_too_new"},
		{"the same with one that only looks", "POST", reader + "/rotate", turn, "key_too_new"},
		{"make a sub-account that money can leave by", "POST", "/api/v1/subaccounts", map[string]any{"name": "Drain", "transfers": "both"}, "key_too_new"},
		{"make one that moves nothing", "POST", "/api/v1/subaccounts", map[string]any{"name": "Nothing", "transfers": "none"}, "201"},
		{"let a sub-account of the owner's move money", "PATCH", "/api/v1/subaccounts/" + sub.ID, map[string]any{"version": sub.Version, "transfers": "both"}, "key_too_new"},
		{"end the other sessions: stopping is never refused", "POST", "/api/v1/sessions/end-others", nil, "200"},
		{"freeze", "POST", "/api/v1/freeze", nil, "200"},
	} {
		if got := thief.attempt(row.method, row.path, row.body); got != row.want {
			t.Errorf("%s: %s instead of %s", row.name, got, row.want)
		}
	}
	thief.signIn() // a passkey gets in, to lift it: an older one
	equal(t, "lift the owner's freeze", thief.attempt("POST", "/api/v1/freeze/lift", nil), "key_too_new")
	alice.signIn()
	equal(t, "the owner lifts it", alice.attempt("POST", "/api/v1/freeze/lift", nil), "204")

	// The refusal says when, and which keys would do; the owner takes the thief out.
	p := thief.signIn().send("POST", "/api/v1/codes", nil).refused(403, "step_up_required")
	thief.send("POST", "/api/v1/step-up", p.Purpose).want(200, &o)
	cred, err = thief.browser.Get(o.Options, softkey.Unlisted)
	ok(t, err)
	var why struct {
		Until time.Time
		Keys  []string
	}
	thief.send("POST", "/api/v1/step-up/finish", map[string]any{"act": "codes.new", "credential": json.RawMessage(cred)}).want(403, &why)
	if len(why.Keys) != 1 || why.Keys[0] != owners || !why.Until.Equal(own.CreatedAt.Add(24*time.Hour).Truncate(time.Second)) {
		t.Errorf("%+v, of a key made at %v", why, own.CreatedAt)
	}
	equal(t, "the owner removes the thief's key", alice.attempt("DELETE", "/api/v1/passkeys/"+own.ID, nil), "200")
	thief.finishSignIn(map[string]any{}).refused(404, "key_unknown")
}
