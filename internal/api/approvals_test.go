package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"keyward/executor"
	"keyward/internal/api"
)

const payTo = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"

func payment(acc, ses string) map[string]any {
	m := map[string]any{"account": acc, "asset": "BTC", "network": "bitcoin", "amount": "0.25", "max_fee": "0.0001", "address": payTo}
	if ses != "" {
		m["session"] = ses
	}
	return m
}

// intent is one that waits for a person's answer.
func (w *world) intent(a *app) string {
	w.t.Helper()
	var i api.BackendIntent
	w.backend("treasury", "POST", "/api/v1/intents", payment(a.tokens.Account, a.tokens.Session), "intent-of-"+a.tokens.Account).want(201, &i)
	return i.ID
}

func (w *world) executor() *executor.Verifier {
	w.t.Helper()
	keys := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(rw).Encode(w.ring.JWKS()) }))
	w.t.Cleanup(keys.Close)
	v, err := executor.New(executor.Config{Issuer: public, Audience: "treasury", RPID: rpID, Origins: []string{origin}, JWKSURL: keys.URL})
	ok(w.t, err)
	return v
}

// The owner's phone approves what was asked for at the exchange in a browser: the back end asks, the app shows, the
// touch key signs the words and the hash of every field, and whoever moves the money checks all of it.
func TestAPhoneApprovesWhatAnotherDeviceAskedFor(t *testing.T) {
	w := newWorld(t)
	verify := w.executor()
	want := executor.Withdrawal{Asset: "BTC", Network: "bitcoin", Amount: "0.25", MaxFee: "0.0001", Address: payTo}
	for _, tc := range []struct {
		name  string
		phone *phone
		rule  string
	}{
		{"a phone whose maker vouches for it", w.android(), "hardware"},
		{"a phone that is the second device", w.iphone(), "second_device"},
	} {
		p := tc.phone.signUp(tc.rule + "@example.org")
		want.Account = p.tokens.Account
		var i, again api.BackendIntent
		body := payment(p.tokens.Account, "")
		if tc.rule == "second_device" {
			laptop := w.laptopOf(p)
			w.clock.pass(25 * time.Hour)
			p.signIn().want(200)
			laptop.signIn()
			body["session"] = laptop.tokens.Session
		}
		w.backend("treasury", "POST", "/api/v1/intents", body, "pay-"+tc.rule).want(201, &i)
		w.backend("treasury", "POST", "/api/v1/intents", body, "pay-"+tc.rule).want(201, &again)
		equal(t, "a retry asks once", again.ID, i.ID)
		var list api.List[api.Approval]
		p.get("/api/v1/approvals", &list)
		equal(t, "waiting", len(list.Items), 1)
		equal(t, "address", list.Items[0].Address, payTo)
		equal(t, "first use", list.Items[0].First, true)

		var o api.Options
		path := "/api/v1/approvals/" + i.ID
		p.send("POST", path+"/begin", nil).want(200, &o)
		for name, shown := range map[string][2]string{"another act": {"sign-in", i.ID}, "another payment": {"confirm", "int_other"}} {
			wrong, err := p.keys.Sign(o.Options, shown[0], shown[1])
			ok(t, err)
			if r := p.send("POST", path+"/finish", map[string]any{"credential": json.RawMessage(wrong)}); r.status != 401 {
				t.Errorf("%s: %d %s", name, r.status, r.body)
			}
		}
		answer, err := p.keys.Sign(o.Options, "confirm", i.ID)
		ok(t, err)
		// Carried to another machine, that of a stranger who has a session of their own.
		thief := w.app().signUp("thief-" + tc.rule + "@example.org")
		thief.send("POST", path+"/finish", map[string]any{"credential": json.RawMessage(answer)}).refused(404, "intent_unknown")
		p.send("POST", path+"/finish", map[string]any{"credential": json.RawMessage(answer)}).want(200)
		p.send("POST", path+"/finish", map[string]any{"credential": json.RawMessage(answer)}).refused(409, "intent_decided")

		w.backend("treasury", "GET", "/api/v1/intents/"+i.ID, nil, "").want(200, &again)
		equal(t, "rule", again.Rule, tc.rule)
		c, err := verify.Verify(context.Background(), again.Proof, want, w.clock.now())
		ok(t, err)
		equal(t, "kind", c.Kind, "phone")
		if _, err := verify.Verify(context.Background(), again.Proof, want, w.clock.now()); !errors.Is(err, executor.ErrSpent) {
			t.Errorf("twice: %v", err)
		}
	}
}

// laptopOf signs the same person in with a passkey elsewhere, added with a touch of the phone.
func (w *world) laptopOf(p *phone) *app {
	t := w.t
	t.Helper()
	laptop := w.app()
	var o api.Options
	p.touch("keys.add", "", "").want(200)
	p.send("POST", "/api/v1/passkeys", nil).want(200, &o)
	cred, err := laptop.browser.Create(o.Options)
	ok(t, err)
	p.send("POST", "/api/v1/passkeys/finish", map[string]any{"credential": json.RawMessage(cred), "name": "Laptop"}).want(201)
	return laptop.signIn()
}

func TestAnOwnerRefusesAndFreezes(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	id := w.intent(a)
	p := a.send("POST", "/api/v1/approvals/"+id+"/begin", nil).refused(403, "confirmation_not_enough")
	if len(p.Needs) == 0 {
		t.Error("it does not say what would be enough")
	}
	a.send("POST", "/api/v1/approvals/int_01jd8f00000000000000000000/refuse", map[string]bool{"freeze": true}).refused(404, "intent_unknown")
	a.send("POST", "/api/v1/approvals/"+id+"/refuse", map[string]bool{"freeze": true}).want(204)
	a.send("GET", "/api/v1/session", nil).refused(401, "session_ended")
	var i api.BackendIntent
	w.backend("treasury", "GET", "/api/v1/intents/"+id, nil, "").want(200, &i)
	equal(t, "state", i.State, "refused")
	w.backend("treasury", "POST", "/api/v1/intents", payment(a.tokens.Account, ""), "again").refused(403, "account_frozen")

	// Each back end has its own power and its own intents.
	w.backend("exchange", "GET", "/api/v1/intents/"+id, nil, "").refused(404, "not_found")
	w.backend("treasury", "POST", "/api/v1/intents", payment(a.tokens.Account, ""), "").refused(400, "idempotency_key_missing")
	b := w.app().signUp("bob@example.org")
	bad := payment(b.tokens.Account, a.tokens.Session)
	w.backend("treasury", "POST", "/api/v1/intents", bad, "of-another").refused(404, "session_unknown")
	bad = payment(b.tokens.Account, "")
	bad["amount"] = "1e3"
	if p := w.backend("treasury", "POST", "/api/v1/intents", bad, "bad").refused(400, "bad_request"); len(p.Errors) != 1 || p.Errors[0].Pointer != "/amount" {
		t.Errorf("it does not say which field: %+v", p.Errors)
	}
}

// "Not me" about something that is over already freezes all the same, and the answer does not say that it failed: the
// app would tell its owner that their account is open.
func TestNotMeAboutWhatIsOverFreezes(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	id := w.intent(a)
	w.clock.pass(121 * time.Second)
	a.send("POST", "/api/v1/approvals/"+id+"/refuse", map[string]bool{}).refused(410, "intent_expired")
	a.send("POST", "/api/v1/approvals/"+id+"/refuse", map[string]bool{"freeze": true}).want(204)
	a.send("GET", "/api/v1/session", nil).refused(401, "session_ended")
}

// The owner ends the session that approved before the back end has fetched the proof.
func TestAnApprovalOfAnEndedSessionIsNotHandedOut(t *testing.T) {
	w := newWorld(t)
	p := w.iphone().signUp("alice@example.org")
	laptop := w.laptopOf(p)
	w.clock.pass(25 * time.Hour)
	p.signIn().want(200)
	laptop.signIn()
	var i api.BackendIntent
	w.backend("treasury", "POST", "/api/v1/intents", payment(p.tokens.Account, laptop.tokens.Session), "pay").want(201, &i)
	var o api.Options
	path := "/api/v1/approvals/" + i.ID
	p.send("POST", path+"/begin", nil).want(200, &o)
	answer, err := p.keys.Sign(o.Options, "confirm", i.ID)
	ok(t, err)
	p.send("POST", path+"/finish", map[string]any{"credential": json.RawMessage(answer)}).want(200)
	laptop.send("DELETE", "/api/v1/sessions/"+p.tokens.Session, nil).want(200)
	w.backend("treasury", "GET", "/api/v1/intents/"+i.ID, nil, "").refused(409, "approval_withdrawn")
}

// One key of a retry is one payment, and a body that two readers would understand differently is none.
func TestAnIntentIsAskedOnceAndAsItStands(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	body := payment(a.tokens.Account, a.tokens.Session)
	var first, again api.BackendIntent
	w.backend("treasury", "POST", "/api/v1/intents", body, "k1").want(201, &first)
	w.backend("treasury", "POST", "/api/v1/intents", body, "k1").want(201, &again)
	equal(t, "a retry", again.ID, first.ID)
	for field, value := range map[string]string{"amount": "25", "address": "bc1qthief", "memo": "7", "network": "lightning", "max_fee": "1"} {
		other := payment(a.tokens.Account, a.tokens.Session)
		other[field] = value
		w.backend("treasury", "POST", "/api/v1/intents", other, "k1").refused(422, "idempotency_body_differs")
	}
	raw := `{"account":"` + a.tokens.Account + `","asset":"BTC","network":"bitcoin","address":"` + payTo + `",`
	w.backend("treasury", "POST", "/api/v1/intents", raw+`"amount":"1","Amount":"100"}`, "k2").refused(400, "bad_request")
	w.backend("treasury", "POST", "/api/v1/intents", raw+`"amount":100}`, "k4").refused(400, "bad_request")
	w.backend("treasury", "POST", "/api/v1/intents", raw+`"amount":"1","amount":"100"}`, "k3").refused(400, "bad_request")
	var list api.List[api.Approval]
	a.get("/api/v1/approvals", &list)
	equal(t, "waiting", len(list.Items), 1)
}
