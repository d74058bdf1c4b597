package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"keyward/internal/api"
	"keyward/internal/softkey"
)

// fresh is an app on a device that holds nothing.
func (a *app) fresh(addr string) *app {
	b := a.another(addr)
	b.browser = &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{Local: true}}
	return b
}

// join is a new device that waits for the answer of who typed its code.
func (w *world) join(by *app) (j api.Join) {
	var code api.JoinCode
	by.fresh("192.0.2.30").send("POST", "/api/v1/join", nil).want(201, &code)
	by.send("POST", "/api/v1/joins", map[string]string{"code": code.Code}).want(201, &j)
	return j
}

func TestANewPhoneComesInByTheAPI(t *testing.T) {
	w := newWorld(t)
	old := w.app().signUp("alice@example.org")
	phone := old.fresh("192.0.2.8")

	var state api.JoinState
	phone.send("GET", "/api/v1/join", nil).want(200, &state)
	equal(t, "before any code", state.State, "expired")
	var code api.JoinCode
	phone.send("POST", "/api/v1/join", nil).want(201, &code)
	phone.get("/api/v1/join", &state)
	equal(t, "state", state.State, "shown")
	phone.send("POST", "/api/v1/join/begin", nil).refused(409, "join_waiting")

	old.send("POST", "/api/v1/joins", map[string]string{"code": "00000-00000"}).refused(404, "join_code_not_accepted")
	var j api.Join
	old.send("POST", "/api/v1/joins", map[string]string{"code": strings.ToLower(code.Code)}).want(201, &j)
	equal(t, "state", j.State, "claimed")
	equal(t, "address", j.Address, "192.0.2.8")
	equal(t, "beside", j.OwnAddress, "192.0.2.7")
	equal(t, "same network", j.SameNetwork, true)
	equal(t, "far", j.Far, false)
	equal(t, "hours", j.HeldHours, 24)
	phone.get("/api/v1/join", &state)
	equal(t, "state", state.State, "claimed")

	p := old.send("POST", "/api/v1/joins/"+j.ID+"/admit", nil).refused(403, "step_up_required")
	equal(t, "act", p.Purpose.Act, "devices.admit")
	equal(t, "object", p.Purpose.Object, j.ID)
	old.touch(p.Purpose.Act, p.Purpose.Object)
	old.send("POST", "/api/v1/joins/"+j.ID+"/admit", nil).want(200, &j)
	equal(t, "state", j.State, "admitted")

	phone.get("/api/v1/join", &state)
	equal(t, "whose account, after the yes", state.For, "alice@example.org")
	thief := old.fresh("192.0.2.8") // knows the code, has not the key
	thief.send("POST", "/api/v1/join/begin", nil).refused(410, "join_gone")

	var o api.Options
	phone.send("POST", "/api/v1/join/begin", nil).want(200, &o)
	cred, err := phone.browser.Create(o.Options)
	ok(t, err)
	phone.send("POST", "/api/v1/join/finish", map[string]any{"credential": json.RawMessage(cred), "name": "New phone"}).want(201, &phone.tokens)
	var me api.WhoAmI
	phone.get("/api/v1/session", &me)
	equal(t, "mail", me.Mail, "alice@example.org")
	old.send("GET", "/api/v1/joins/"+j.ID, nil).want(200, &j)
	equal(t, "state", j.State, "used")

	// Changing over: the old device is offered for retiring once the new key was seen.
	var was api.WhoAmI
	old.get("/api/v1/session", &was)
	path := "/api/v1/devices/" + was.Session.Device
	var h api.Handover
	phone.get(path+"/handover", &h)
	equal(t, "retire", h.Retire, false)
	equal(t, "new", len(h.New), 1)
	equal(t, "moves", len(h.Moves), 1)
	phone.touch("devices.remove", was.Session.Device)
	phone.get(path+"/handover", &h)
	equal(t, "retire, after a touch with the new key", h.Retire, true)
	phone.send("POST", path+"/retire", nil).want(200)
	old.send("GET", "/api/v1/session", nil).refused(401, "session_ended")
}

func TestANoEndsAJoin(t *testing.T) {
	w := newWorld(t)
	old := w.app().signUp("alice@example.org")
	far := old.fresh("198.51.100.66")
	var code api.JoinCode
	far.send("POST", "/api/v1/join", nil).want(201, &code)
	var j api.Join
	old.send("POST", "/api/v1/joins", map[string]string{"code": code.Code}).want(201, &j)
	equal(t, "same network", j.SameNetwork, false)
	equal(t, "far", j.Far, true) // in France, as the page says too
	old.send("POST", "/api/v1/joins", map[string]string{"code": code.Code}).refused(409, "join_open")
	w.app().signUp("bob@example.org").send("DELETE", "/api/v1/joins/"+j.ID, nil).refused(404, "join_unknown")
	old.send("DELETE", "/api/v1/joins/"+j.ID, nil).want(204)
	old.send("DELETE", "/api/v1/joins/"+j.ID, nil).refused(410, "join_gone")
	far.send("POST", "/api/v1/join/begin", nil).refused(410, "join_gone")
	var state api.JoinState
	far.get("/api/v1/join", &state)
	equal(t, "a no looks like time", state.State, "expired")
}

// A phone that shows its code in the Wi-Fi and leaves the house: it hears so before its
// passkey is made, and shows another code where it is now.
func TestAPhoneThatMovedShowsAnotherCode(t *testing.T) {
	w := newWorld(t)
	old := w.app().signUp("alice@example.org")
	phone := old.fresh("192.0.2.8")
	var j api.Join
	letIn := func() {
		var code api.JoinCode
		phone.send("POST", "/api/v1/join", nil).want(201, &code)
		old.send("POST", "/api/v1/joins", map[string]string{"code": code.Code}).want(201, &j)
		old.touch("devices.admit", j.ID)
		old.send("POST", "/api/v1/joins/"+j.ID+"/admit", nil).want(200)
	}
	letIn()
	phone.addr = "203.0.113.20"
	var state api.JoinState
	phone.get("/api/v1/join", &state)
	equal(t, "state", state.State, "moved")
	equal(t, "whose account", state.For, "")
	phone.send("POST", "/api/v1/join/begin", nil).refused(409, "join_moved")

	first := j.ID
	letIn()
	equal(t, "another network than the owner's, in the same country", !j.SameNetwork && !j.Far, true)
	old.get("/api/v1/joins/"+first, &j)
	equal(t, "the first one", j.State, "expired")
	var o api.Options
	phone.send("POST", "/api/v1/join/begin", nil).want(200, &o)
	cred, err := phone.browser.Create(o.Options)
	ok(t, err)
	finish := map[string]any{"credential": json.RawMessage(cred)}
	phone.addr = "192.0.2.8"
	phone.send("POST", "/api/v1/join/finish", finish).refused(409, "join_moved")
	phone.addr = "203.0.113.20"
	phone.send("POST", "/api/v1/join/finish", finish).want(201)
}

// Five tries in a quarter of an hour, by account from wherever, and by address for
// whatever account; nobody who is not signed in uses one up.
func TestCodesOfNewDevicesAreNotGuessed(t *testing.T) {
	w := newWorld(t, realLimits)
	old := w.app().signUp("alice@example.org")
	guess := map[string]string{"code": "00000-00000"}
	stranger := old.fresh("192.0.2.7")
	for range 8 {
		stranger.send("POST", "/api/v1/joins", guess).refused(401, "not_signed_in")
	}
	for i := range 5 {
		if i == 3 {
			old.addr = "198.51.100.20" // moving does not help
		}
		old.send("POST", "/api/v1/joins", guess).refused(404, "join_code_not_accepted")
	}
	old.send("POST", "/api/v1/joins", guess).refused(429, "rate_limited")
	bob := w.app().signUp("bob@example.org")
	bob.addr = "203.0.113.40"
	bob.send("POST", "/api/v1/joins", guess).refused(404, "join_code_not_accepted")
}

// The exchange's app on a new phone: it waits under a key of its own, and the keys that it
// makes once it was let in are the phone's.
func TestANewPhoneJoinsWithKeysOfItsOwn(t *testing.T) {
	w := newWorld(t)
	for _, keys := range []*phone{w.android(), w.iphone()} {
		old := w.app().signUp(keys.keys.Session.Thumbprint()[:6] + "@example.org")
		waiting := old.fresh("192.0.2.8")
		var code api.JoinCode
		waiting.send("POST", "/api/v1/join", nil).want(201, &code)
		var j api.Join
		old.send("POST", "/api/v1/joins", map[string]string{"code": code.Code}).want(201, &j)
		old.touch("devices.admit", j.ID)
		old.send("POST", "/api/v1/joins/"+j.ID+"/admit", nil).want(200, &j)
		var o api.Options
		waiting.send("POST", "/api/v1/join/begin", nil).want(200, &o)
		answer, err := keys.keys.Enrol(o.Options)
		ok(t, err)
		waiting.send("POST", "/api/v1/join/finish", map[string]any{"credential": json.RawMessage(answer), "name": "New phone"}).want(201, &waiting.tokens)

		keys.signIn().want(200)
		var all api.Passkeys
		keys.get("/api/v1/passkeys", &all)
		equal(t, "keys", len(all.Items), 2)
		var me api.WhoAmI
		keys.get("/api/v1/session", &me)
		var asked api.WhoAmI
		waiting.get("/api/v1/session", &asked)
		for _, k := range all.Items {
			equal(t, "the phone's key is on the phone", k.Kind == "phone", k.Device == me.Session.Device)
			equal(t, "and was added by the app that waited", k.Kind == "phone", k.AddedOn == asked.Session.Device)
		}
	}
}
