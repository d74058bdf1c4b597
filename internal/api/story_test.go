package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/api"
	"keyward/internal/softkey"
)

// The story of one account, from sign-up to the session that is ended from afar.
// Each step stands on the ones before it.
func TestStory(t *testing.T) {
	w := newWorld(t)
	phone := w.app()
	tablet := phone.another("198.51.100.9")
	var codes api.Codes

	step := func(name string, f func(t *testing.T)) {
		if !t.Run(name, func(t *testing.T) { w.in(t); f(t) }) {
			t.FailNow()
		}
	}

	step("Alice signs up on her phone and is signed in", func(t *testing.T) {
		phone.signUp("alice@example.org")
		var me api.WhoAmI
		phone.get("/api/v1/session", &me)
		equal(t, "mail", me.Mail, "alice@example.org")
		equal(t, "acr", me.Session.ACR, "phr")
		equal(t, "kind", me.Session.Kind, "api")
		equal(t, "bound", me.Session.Bound, true)
		equal(t, "bound by", me.Session.BoundBy, "key")
		equal(t, "token type", phone.tokens.TokenType, "DPoP")
		equal(t, "about five minutes of access", phone.tokens.ExpiresIn > 290 && phone.tokens.ExpiresIn <= 300, true)
	})

	step("she makes recovery codes and proves that she kept them", func(t *testing.T) {
		phone.send("POST", "/api/v1/codes", nil).want(201, &codes)
		equal(t, "codes", len(codes.Codes), 10)
		var state api.CodeState
		phone.send("POST", "/api/v1/codes/rehearse", map[string]string{"code": strings.ToLower(codes.Codes[3])}).want(200, &state)
		equal(t, "left", state.Left, 10)
		equal(t, "rehearsed", state.RehearsedAt.IsZero(), false)
		phone.get("/api/v1/codes", &state)
		equal(t, "left", state.Left, 10)
	})

	step("she signs in on a tablet, which stays signed in", func(t *testing.T) {
		tablet.finishSignIn(map[string]any{"remember": true}).want(200, &tablet.tokens)
		equal(t, "remembered", tablet.tokens.Remembered, true)
		w.clock.pass(48 * time.Hour)
		tablet.refresh().want(200)
	})

	step("the phone was away for two days: it signs in again and is known as the same device", func(t *testing.T) {
		phone.send("GET", "/api/v1/session", nil).refused(401, "access_expired")
		phone.refresh().refused(401, "refresh_invalid")
		phone.signIn()
		var devices api.List[api.Device]
		phone.get("/api/v1/devices", &devices)
		equal(t, "devices", len(devices.Items), 2)
		for _, d := range devices.Items {
			equal(t, "sessions of "+d.ID, len(d.Sessions), 1)
		}
	})

	step("she says that the tablet is hers, and names it", func(t *testing.T) {
		phone.send("POST", "/api/v1/sessions/"+tablet.tokens.Session+"/mine", nil).want(204)
		var devices api.List[api.Device]
		tablet.get("/api/v1/devices", &devices)
		here := slices.IndexFunc(devices.Items, func(d api.Device) bool { return d.Current })
		var d api.Device
		tablet.send("PATCH", "/api/v1/devices/"+devices.Items[here].ID, map[string]string{"name": "Tablet in the kitchen"}).want(200, &d)
		equal(t, "name", d.Name, "Tablet in the kitchen")
	})

	step("a second passkey needs a touch for exactly that", func(t *testing.T) {
		p := phone.send("POST", "/api/v1/passkeys", nil).refused(403, "step_up_required")
		equal(t, "act", p.Purpose.Act, "keys.add")
		old := phone.tokens
		phone.touch(p.Purpose.Act, p.Purpose.Object)

		stale := *phone
		stale.tokens = old
		stale.send("GET", "/api/v1/session", nil).refused(401, "session_ended")

		var o api.Options
		phone.send("POST", "/api/v1/passkeys", nil).want(200, &o)
		spare := &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{Local: true}}
		cred, err := spare.Create(o.Options)
		ok(t, err)
		var k api.Passkey
		phone.send("POST", "/api/v1/passkeys/finish", map[string]any{"credential": json.RawMessage(cred), "name": "Spare"}).want(201, &k)
		equal(t, "name", k.Name, "Spare")
		equal(t, "grade", k.Grade, "claimed")
		phone.send("PATCH", "/api/v1/passkeys/"+k.ID, map[string]string{"name": "Spare in the safe"}).want(200, &k)
		equal(t, "name", k.Name, "Spare in the safe")

		var all api.Passkeys
		phone.get("/api/v1/passkeys", &all)
		equal(t, "passkeys", len(all.Items), 2)
		equal(t, "signals", len(all.Signals.Credentials), 2)
		equal(t, "relying party", all.Signals.RPID, rpID)

		// The touch was for one key: another one needs another touch.
		phone.send("POST", "/api/v1/passkeys", nil).refused(403, "step_up_required")
		phone.touch("keys.remove", k.ID)
		phone.send("DELETE", "/api/v1/passkeys/"+k.ID, nil).want(200)
		phone.get("/api/v1/passkeys", &all)
		equal(t, "passkeys", len(all.Items), 1)
		equal(t, "removed", len(all.Removed), 1)
	})

	step("an address is added with a touch and confirmed by its link, without a session", func(t *testing.T) {
		phone.send("POST", "/api/v1/contacts", map[string]string{"mail": "alice@example.net"}).refused(403, "step_up_required")
		phone.touch("contacts.change", "")
		var c api.Contact
		phone.send("POST", "/api/v1/contacts", map[string]string{"mail": "alice@EXAMPLE.net"}).want(201, &c)
		equal(t, "value", c.Value, "alice@example.net")
		equal(t, "verified", c.VerifiedAt.IsZero(), true)
		w.clock.pass(time.Millisecond) // the ids of events are ordered by the millisecond
		link := w.accounts.VerifyToken(c.ID, w.clock.now())
		var done api.Confirmed
		w.do(request{method: "POST", path: "/api/v1/contacts/confirm", body: map[string]string{"token": link}}).want(200, &done)
		equal(t, "confirmed", done.Mail, "alice@example.net")
		w.do(request{method: "POST", path: "/api/v1/contacts/confirm", body: map[string]string{"token": link}}).refused(410, "link_used")

		var all api.List[api.Contact]
		phone.get("/api/v1/contacts", &all)
		equal(t, "contacts", len(all.Items), 2)
		phone.touch("contacts.change", "")
		phone.send("DELETE", "/api/v1/contacts/"+all.Items[0].ID, nil).want(204)
	})

	step("the tablet is stolen: she ends its session from the phone, and it is over when the answer is there", func(t *testing.T) {
		tablet.send("GET", "/api/v1/session", nil).want(200)
		var e api.Effect
		phone.send("DELETE", "/api/v1/sessions/"+tablet.tokens.Session, nil).want(200, &e)
		equal(t, "sessions ended", e.Sessions, 1)
		equal(t, "gates passed", e.GatesPassed, 1)
		equal(t, "effective", e.EffectiveAt.IsZero(), false)
		equal(t, "offline bound", e.OfflineUntil.After(e.EffectiveAt), true)
		tablet.send("GET", "/api/v1/session", nil).refused(401, "session_ended")
		tablet.refresh().refused(401, "refresh_invalid")
		phone.send("DELETE", "/api/v1/sessions/"+tablet.tokens.Session, nil).refused(404, "session_unknown")

		var all api.Sessions
		phone.get("/api/v1/sessions", &all)
		equal(t, "live", len(all.Items), 1)
		equal(t, "why", all.Ended[slices.IndexFunc(all.Ended, func(s api.Session) bool { return s.ID == tablet.tokens.Session })].EndedWhy, "owner")
	})

	step("she removes the tablet, seeing first what that stops", func(t *testing.T) {
		var devices api.List[api.Device]
		phone.get("/api/v1/devices", &devices)
		i := slices.IndexFunc(devices.Items, func(d api.Device) bool { return !d.Current })
		id := devices.Items[i].ID
		var im api.Impact
		phone.get("/api/v1/devices/"+id+"/impact", &im)
		equal(t, "self", im.Self, false)
		equal(t, "last key", im.LastKey, false)
		p := phone.send("DELETE", "/api/v1/devices/"+id, nil).refused(403, "step_up_required")
		phone.touch(p.Purpose.Act, p.Purpose.Object)
		phone.send("DELETE", "/api/v1/devices/"+id, nil).want(200)
		phone.get("/api/v1/devices", &devices)
		equal(t, "devices", len(devices.Items), 1)
	})

	step("she reads what happened, page by page, in her language", func(t *testing.T) {
		var seen []string
		for before := ""; ; {
			var page api.List[api.Event]
			phone.get("/api/v1/activity?limit=5&lang=ko&before="+before, &page)
			for _, e := range page.Items {
				seen = append(seen, e.Action)
				if e.Sentence == "" || !strings.ContainsFunc(e.Sentence, func(r rune) bool { return r >= '가' && r <= '힣' }) {
					t.Errorf("%s: not Korean: %q", e.Action, e.Sentence)
				}
				equal(t, "request id of "+e.Action, e.RequestID == "", false)
			}
			if before = page.Next; before == "" {
				break
			}
			equal(t, "page size", len(page.Items), 5)
		}
		slices.Reverse(seen)
		if want := w.actions(phone.tokens.Account); !slices.Equal(seen, want) {
			t.Errorf("pages show %v, the log has %v", seen, want)
		}
		var english api.List[api.Event]
		phone.get("/api/v1/activity?limit=1", &english)
		equal(t, "English", english.Items[0].Sentence, "You removed the device “Tablet in the kitchen”. Its sessions and passkeys no longer work.")
	})

	step("somebody knows a recovery code: that session can look and freeze, and nothing more", func(t *testing.T) {
		thief := &app{w: w, key: softkey.NewBindingKey(), browser: &softkey.Browser{Origin: origin, Keys: &softkey.Authenticator{}}, addr: "203.0.113.4"}
		thief.send("POST", "/api/v1/sign-in/code", map[string]string{"mail": "alice@example.net", "code": codes.Codes[0]}).want(200, &thief.tokens)
		thief.send("GET", "/api/v1/devices", nil).want(200)
		thief.send("POST", "/api/v1/passkeys", nil).refused(403, "insufficient_power")
		thief.send("POST", "/api/v1/codes", nil).refused(403, "insufficient_power")
		thief.send("POST", "/api/v1/contacts", map[string]string{"mail": "thief@example.com"}).refused(403, "insufficient_power")
		thief.send("POST", "/api/v1/step-up", map[string]string{"act": "keys.add"}).refused(403, "insufficient_power")
		thief.send("POST", "/api/v1/codes/rehearse", map[string]string{"code": codes.Codes[2]}).refused(403, "insufficient_power")
		thief.send("POST", "/api/v1/sessions/"+thief.tokens.Session+"/mine", nil).refused(403, "insufficient_power")

		// Alice sees it and ends it.
		var e api.Effect
		phone.send("POST", "/api/v1/sessions/"+thief.tokens.Session+"/not-me", nil).want(200, &e)
		thief.send("GET", "/api/v1/devices", nil).refused(401, "session_ended")
	})

	step("she freezes the account; only a passkey gets in, and only a touch lifts it", func(t *testing.T) {
		var e api.Effect
		phone.send("POST", "/api/v1/freeze", nil).want(200, &e)
		phone.send("GET", "/api/v1/session", nil).refused(401, "session_ended")
		app := phone.another("192.0.2.7")
		app.send("POST", "/api/v1/sign-in/code", map[string]string{"mail": "alice@example.net", "code": codes.Codes[1]}).refused(403, "account_frozen")

		phone.signIn()
		var me api.WhoAmI
		phone.get("/api/v1/session", &me)
		equal(t, "status", me.Account.Status, "frozen")
		phone.send("POST", "/api/v1/freeze/lift", nil).refused(403, "step_up_required")
		phone.touch("freeze.lift", "")
		phone.send("POST", "/api/v1/freeze/lift", nil).want(204)
		phone.get("/api/v1/session", &me)
		equal(t, "status", me.Account.Status, "active")
	})

	step("she ends all other sessions, then signs out", func(t *testing.T) {
		tablet.signIn()
		phone.send("POST", "/api/v1/sessions/end-others", nil).refused(403, "step_up_required")
		phone.touch("sessions.end_all", "")
		var e api.Effect
		phone.send("POST", "/api/v1/sessions/end-others", nil).want(200, &e)
		equal(t, "ended", e.Sessions, 1)
		tablet.send("GET", "/api/v1/session", nil).refused(401, "session_ended")
		phone.send("DELETE", "/api/v1/session", nil).want(200, &e)
		phone.send("GET", "/api/v1/session", nil).refused(401, "session_ended")
	})

	step("every change is in the log once, in order", func(t *testing.T) {
		want := strings.Fields(`account.created codes.created codes.rehearsed session.started session.started session.vouched device.named
			session.stepped_up key.added key.renamed session.stepped_up key.removed session.stepped_up contact.added contact.verified
			session.stepped_up contact.removed session.ended session.stepped_up device.removed codes.used session.ended account.frozen
			session.started session.stepped_up account.unfrozen session.started session.stepped_up sessions.ended_others session.ended`)
		if got := w.actions(phone.tokens.Account); !slices.Equal(got, want) {
			t.Errorf("the log has\n%v\ninstead of\n%v", got, want)
		}
	})

	step("no secret went into the access log", func(t *testing.T) {
		for _, secret := range append(codes.Codes, "kwa_ses", "kwr_1", "eyJ0eXAi") {
			if strings.Contains(w.logged.String(), secret) {
				t.Errorf("the log shows %s…", secret[:4])
			}
		}
		if !strings.Contains(w.logged.String(), `"route":"DELETE /api/v1/sessions/{id}"`) {
			t.Error("the log does not tell which operation was called")
		}
	})
}

// A refresh token turns over on every use, and a lost answer costs nothing.
func TestRefresh(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	first := a.tokens.RefreshToken
	a.refresh().want(200)
	second := a.tokens.RefreshToken

	t.Run("the answer was lost: the same token gives the same child", func(t *testing.T) {
		w.in(t)
		var again api.Tokens
		a.present(first).want(200, &again)
		equal(t, "child", again.RefreshToken, second)
	})
	t.Run("a thief without the key turns nothing over and cannot sign the owner out", func(t *testing.T) {
		w.in(t)
		thief := &app{w: w, key: softkey.NewBindingKey(), addr: "203.0.113.4"}
		thief.present(second).refused(401, "refresh_wrong_key")
		r := w.do(request{method: "POST", path: "/api/v1/session/refresh", body: map[string]string{"refresh_token": second}})
		r.refused(401, "refresh_wrong_key")
		a.refresh().want(200)
		if got := w.actions(a.tokens.Account); !slices.Contains(got, "session.suspect") {
			t.Errorf("the owner is not told: %v", got)
		}
	})
	t.Run("a slower part of the app comes with an older token: nothing is revoked", func(t *testing.T) {
		w.in(t)
		a.present(first).refused(409, "refresh_superseded")
		a.send("GET", "/api/v1/session", nil).want(200)
	})
	t.Run("one proof refreshes once", func(t *testing.T) {
		w.in(t)
		proof := a.proof("POST", "/api/v1/session/refresh", "")
		h := http.Header{"Dpop": {proof}}
		body := map[string]string{"refresh_token": a.tokens.RefreshToken}
		w.do(request{"POST", "/api/v1/session/refresh", body, h}).want(200, &a.tokens)
		w.do(request{"POST", "/api/v1/session/refresh", body, h}).refused(401, "proof_replayed")
	})
	t.Run("a restored copy presents a token of long ago: its session ends", func(t *testing.T) {
		w.in(t)
		w.clock.pass(time.Minute)
		a.present(first).refused(401, "refresh_reused")
		a.send("GET", "/api/v1/session", nil).refused(401, "session_ended")
	})
}

// A device is recognised by the key its app proves, so no cookie is needed.
func TestDeviceIsTheKey(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	a.signIn().signIn()
	b := a.another("192.0.2.8").signIn()
	var devices api.List[api.Device]
	b.get("/api/v1/devices", &devices)
	equal(t, "devices", len(devices.Items), 2)
	news := 0
	var events api.List[api.Event]
	b.get("/api/v1/activity", &events)
	for _, e := range events.Items {
		if strings.Contains(e.Sentence, "not seen before") {
			news++
		}
	}
	equal(t, "new devices told", news, 1)
}
