package api_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"keyward/internal/api"
	"keyward/internal/softkey"
)

// The exchange's app on phones whose maker this server trusts.
var phoneMaker = softkey.NewMaker()

const (
	phonePackage = "com.example.exchange"
	phoneAppID   = "TEAM123456.com.example.exchange"
)

// phone is an app with two keys of its own.
type phone struct {
	app
	keys *softkey.App
}

func (w *world) phone(keys *softkey.App) *phone {
	return &phone{app{w: w, key: keys.Session, addr: "192.0.2.7"}, keys}
}

func (w *world) android() *phone {
	return w.phone(softkey.NewAndroid(phoneMaker, phonePackage, [32]byte{}))
}
func (w *world) iphone() *phone {
	return w.phone(softkey.NewApple(phoneMaker, phoneAppID, w.clock.now))
}

func (p *phone) signUp(mail string) *phone {
	t := p.w.t
	t.Helper()
	var begun api.SignUp
	p.send("POST", "/api/v1/sign-up", map[string]string{"mail": mail, "lang": "en"}).want(200, &begun)
	answer, err := p.keys.Enrol(begun.Options)
	ok(t, err)
	p.send("POST", "/api/v1/sign-up/finish", map[string]any{"ticket": begun.Ticket, "credential": json.RawMessage(answer)}).want(201, &p.tokens)
	return p
}

func (p *phone) signIn() *response {
	t := p.w.t
	t.Helper()
	p.tokens = api.Tokens{}
	var o api.Options
	p.send("POST", "/api/v1/sign-in", nil).want(200, &o)
	answer, err := p.keys.Sign(o.Options, "sign-in", "")
	ok(t, err)
	r := p.send("POST", "/api/v1/sign-in/finish", map[string]any{"credential": json.RawMessage(answer)})
	if r.status == 200 {
		r.want(200, &p.tokens)
	}
	return r
}

// touch steps up for an act, of which the person was shown what stands in shown.
func (p *phone) touch(act, object, shown string) *response {
	t := p.w.t
	t.Helper()
	var o api.Options
	p.send("POST", "/api/v1/step-up", map[string]string{"act": act, "object": object}).want(200, &o)
	answer, err := p.keys.Sign(o.Options, act, shown)
	ok(t, err)
	r := p.send("POST", "/api/v1/step-up/finish", map[string]any{"act": act, "object": object, "credential": json.RawMessage(answer)})
	if r.status == 200 {
		r.want(200, &p.tokens)
	}
	return r
}

func TestAnAccountIsMadeAndKeptByAPhoneAlone(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		phone      *phone
		grade, acr string
	}{
		{w.android(), "hardware", "phrh"},
		{w.iphone(), "claimed", "phr"},
	} {
		p := tc.phone.signUp(tc.grade + "@example.org")
		for range 2 {
			p.signIn().want(200)
		}
		var me api.WhoAmI
		p.get("/api/v1/session", &me)
		equal(t, "acr", me.Session.ACR, tc.acr)
		equal(t, "bound", me.Session.Bound, true)
		var keys api.Passkeys
		p.get("/api/v1/passkeys", &keys)
		equal(t, "keys", len(keys.Items), 1)
		equal(t, "kind", keys.Items[0].Kind, "phone")
		equal(t, "grade", keys.Items[0].Grade, tc.grade)
		equal(t, "credentials for passkey managers", len(keys.Signals.Credentials), 0)
		var devices api.List[api.Device]
		p.get("/api/v1/devices", &devices)
		equal(t, "devices", len(devices.Items), 1)
		equal(t, "its keys", len(devices.Items[0].Passkeys), 1)

		// A touch for an act, and one that was shown another object than the act has.
		p.send("POST", "/api/v1/passkeys", nil).refused(403, "step_up_required")
		p.touch("keys.remove", keys.Items[0].ID, "key_another").refused(401, "passkey_not_accepted")
		p.touch("keys.remove", keys.Items[0].ID, keys.Items[0].ID).want(200)
		p.send("DELETE", "/api/v1/passkeys/"+keys.Items[0].ID, nil).refused(409, "last_key")
	}
}

// The owner has a passkey in the app and gives a phone keys of its own. It is a device that
// is new when it comes in, because nobody can tell which phone the app that asked was on.
func TestAnAppWithAPasskeyEnrolsItsPhone(t *testing.T) {
	w := newWorld(t)
	for _, p := range []*phone{w.android(), w.iphone()} {
		before := w.app().signUp(string(p.keys.Session.Thumbprint()[:6]) + "@example.org")
		before.touch("keys.add", "")
		var o api.Options
		before.send("POST", "/api/v1/passkeys", nil).want(200, &o)
		answer, err := p.keys.Enrol(o.Options)
		ok(t, err)
		var key api.Passkey
		before.send("POST", "/api/v1/passkeys/finish", map[string]any{"credential": json.RawMessage(answer), "name": "My phone"}).want(201, &key)
		equal(t, "kind", key.Kind, "phone")

		p.signIn().want(200)
		before.send("GET", "/api/v1/session", nil).want(200) // nobody is signed out by it
		var devices api.List[api.Device]
		p.get("/api/v1/devices", &devices)
		equal(t, "devices", len(devices.Items), 2)
		here := slices.IndexFunc(devices.Items, func(d api.Device) bool { return d.Current })
		equal(t, "its keys", len(devices.Items[here].Passkeys), 1)
		equal(t, "its sessions", len(devices.Items[here].Sessions), 1)
		var me api.WhoAmI
		p.get("/api/v1/session", &me)
		recs, err := w.log.ForAccount(t.Context(), w.db, me.Account.ID, "", 200)
		ok(t, err)
		equal(t, "said to be new", recs[0].Action == "session.started" && recs[0].Payload["new_device"] == "yes", true)
		p.signIn().want(200)
		recs, err = w.log.ForAccount(t.Context(), w.db, me.Account.ID, "", 200)
		ok(t, err)
		equal(t, "said so once", recs[0].Payload["new_device"], "")
	}
}

func TestATouchThatIsCarriedToAnotherMachineOpensNothing(t *testing.T) {
	w := newWorld(t)
	owner := w.android().signUp("kim@example.org")
	thief := w.app()
	var o api.Options
	thief.send("POST", "/api/v1/sign-in", nil).want(200, &o)
	answer, err := owner.keys.Sign(o.Options, "sign-in", "") // the owner was talked into a touch
	ok(t, err)
	thief.send("POST", "/api/v1/sign-in/finish", map[string]any{"credential": json.RawMessage(answer)}).refused(401, "passkey_not_accepted")
	// Nothing was spent, and the same touch in the owner's own hand is good.
	owner.tokens = api.Tokens{}
	owner.send("POST", "/api/v1/sign-in/finish", map[string]any{"credential": json.RawMessage(answer)}).want(200)
}

// A thief who has the owner's session and a touch for it adds a phone: it gets nothing of
// what the owner's device is known for, and a name makes it no older.
func TestAPhoneInheritsNothingFromTheOneThatLetItIn(t *testing.T) {
	w := newWorld(t)
	first := w.android().signUp("kim@example.org")
	w.clock.pass(30 * 24 * time.Hour)
	first.signIn().want(200)
	second := w.android()
	first.touch("keys.add", "", "").want(200)
	var o api.Options
	first.send("POST", "/api/v1/passkeys", nil).want(200, &o)
	answer, err := second.keys.Enrol(o.Options)
	ok(t, err)
	first.send("POST", "/api/v1/passkeys/finish", map[string]any{"credential": json.RawMessage(answer)}).want(201)
	var devices api.List[api.Device]
	first.get("/api/v1/devices", &devices)
	for _, d := range devices.Items {
		if !d.Current {
			first.send("PATCH", "/api/v1/devices/"+d.ID, map[string]string{"name": "My phone"}).want(200)
		}
	}
	w.clock.pass(48 * time.Hour)
	first.signIn().want(200)
	second.signIn().want(200)
	second.get("/api/v1/devices", &devices)
	for _, d := range devices.Items {
		if age := w.clock.now().Sub(d.FirstSeen); d.Current != (age < time.Minute) {
			t.Errorf("%s was first seen %v ago", d.Name, age)
		}
	}
	// Whoever removes one of them removes its key; that of the other was added from it, so it
	// stays where its owner says so, and the only other one is never taken.
	lost := slices.IndexFunc(devices.Items, func(d api.Device) bool { return !d.Current })
	second.touch("devices.remove", devices.Items[lost].ID, devices.Items[lost].ID).want(200)
	path := "/api/v1/devices/" + devices.Items[lost].ID
	var im api.Impact
	second.get(path+"/impact", &im)
	equal(t, "added from it", len(im.Added), 1)
	equal(t, "and needed", im.LastKept, true)
	equal(t, "which is on", im.Added[0].AddedOn != im.Added[0].Device && im.Added[0].AddedOn == devices.Items[lost].ID, true)
	second.send("DELETE", path, nil).refused(409, "last_key")
	second.send("DELETE", path+"?keep_keys="+im.Added[0].ID, nil).want(200)
	first.signIn().refused(404, "key_unknown")
	second.signIn().want(200)
}

func TestARemovedPhoneIsOutAtOnce(t *testing.T) {
	w := newWorld(t)
	owner := w.app().signUp("kim@example.org")
	p := w.android()
	owner.touch("keys.add", "")
	var o api.Options
	owner.send("POST", "/api/v1/passkeys", nil).want(200, &o)
	answer, err := p.keys.Enrol(o.Options)
	ok(t, err)
	var key api.Passkey
	owner.send("POST", "/api/v1/passkeys/finish", map[string]any{"credential": json.RawMessage(answer)}).want(201, &key)
	equal(t, "name", key.Name, "Android phone")
	p.signIn().want(200)
	owner.signIn()
	owner.touch("keys.remove", key.ID)
	owner.send("DELETE", "/api/v1/passkeys/"+key.ID, nil).want(200)
	p.send("GET", "/api/v1/session", nil).refused(401, "session_ended")
	p.signIn().refused(404, "key_unknown")
}
