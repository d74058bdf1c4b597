package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/api"
	"keyward/internal/softkey"
	"keyward/internal/store"
	"keyward/internal/storetest"
)

// The story of a customer whom the exchange brings along.
func TestTheExchangeBringsACustomer(t *testing.T) {
	w := newWorld(t)
	dora := w.app()
	var acc api.BackendAccount
	step := func(name string, f func(t *testing.T)) {
		if !t.Run(name, func(t *testing.T) { w.in(t); f(t) }) {
			t.FailNow()
		}
	}
	enrol := func(ticket string, p *app) *response {
		var o api.Options
		r := p.send("POST", "/api/v1/enrolment", map[string]string{"ticket": ticket})
		if r.status != 200 {
			return r
		}
		r.want(200, &o)
		cred, err := p.browser.Create(o.Options)
		ok(t, err)
		return p.send("POST", "/api/v1/enrolment/finish", map[string]any{"ticket": ticket, "credential": json.RawMessage(cred)})
	}
	ticket := func(id string) api.Ticket {
		var k api.Ticket
		w.backend("registrar", "POST", "/api/v1/accounts/"+id+"/enrolment", nil, "").want(201, &k)
		return k
	}
	var first, second api.Ticket

	step("the exchange makes an account under its own id, and a retry makes no second one", func(t *testing.T) {
		body := map[string]string{"external_id": "customer-7", "mail": "dora@example.org", "lang": "ko", "brand": "pro", "jurisdiction": "KR"}
		r := w.backend("exchange", "POST", "/api/v1/accounts", body, "key-1").want(201, &acc)
		equal(t, "location", r.header.Get("Location"), "/api/v1/accounts/"+acc.ID)
		equal(t, "first answer", r.header.Get("Idempotent-Replayed"), "")
		again := w.backend("exchange", "POST", "/api/v1/accounts", ` { "lang":"ko","jurisdiction":"KR","brand":"pro","mail":"dora@example.org","external_id":"customer-7"}`, "key-1").want(201)
		equal(t, "same answer", string(again.body), string(r.body))
		equal(t, "said to be a replay", again.header.Get("Idempotent-Replayed"), "true")
		equal(t, "passkeys", acc.Passkeys, 0)
		var found api.BackendAccount
		w.backend("exchange", "GET", "/api/v1/accounts?external_id=customer-7", nil, "").want(200, &found)
		equal(t, "found", found, acc)
		w.backend("exchange", "GET", "/api/v1/accounts/"+acc.ID, nil, "").want(200, &found)
		equal(t, "read", found, acc)
	})
	step("it asks for two tickets, of which the customer uses one", func(t *testing.T) {
		first, second = ticket(acc.ID), ticket(acc.ID)
		enrol(second.Ticket, dora).want(201, &dora.tokens)
		equal(t, "account", dora.tokens.Account, acc.ID)
		var me api.WhoAmI
		dora.get("/api/v1/session", &me)
		equal(t, "external id", me.Account.ExternalID, "customer-7")
		equal(t, "acr", me.Session.ACR, "phr")
	})
	step("from then on no ticket opens the account, old or new", func(t *testing.T) {
		thief := w.app()
		enrol(first.Ticket, thief).refused(409, "credential_taken")
		enrol(second.Ticket, thief).refused(409, "credential_taken")
		w.backend("registrar", "POST", "/api/v1/accounts/"+acc.ID+"/enrolment", nil, "").refused(409, "credential_taken")
	})
	step("the passkey signs the customer in; a second passkey needs the first", func(t *testing.T) {
		dora.signIn()
		dora.send("POST", "/api/v1/passkeys", nil).refused(403, "step_up_required")
	})
	step("it asks whether the session lives, ends it, and asks again", func(t *testing.T) {
		path := "/api/v1/accounts/" + acc.ID + "/sessions/" + dora.tokens.Session
		var s api.Standing
		w.backend("gate", "GET", path, nil, "").want(200, &s)
		equal(t, "live", s.Live, true)
		var e api.Effect
		w.backend("watchman", "DELETE", path, nil, "").want(200, &e)
		equal(t, "ended", e.Sessions, 1)
		dora.send("GET", "/api/v1/session", nil).refused(401, "session_ended")
		w.backend("gate", "GET", path, nil, "").want(200, &s)
		equal(t, "live", s.Live, false)
		equal(t, "why", s.EndedWhy, "exchange")
		w.backend("watchman", "DELETE", path, nil, "").refused(404, "session_unknown")
	})
	step("a restriction ends every session in one act, and is taken back by whoever may", func(t *testing.T) {
		dora.signIn()
		var c api.Changed
		w.backend("watchman", "PATCH", "/api/v1/accounts/"+acc.ID, map[string]string{"status": "restricted"}, "r-1").want(200, &c)
		equal(t, "status", c.Account.Status, "restricted")
		equal(t, "ended", c.Effect.Sessions, 1)
		dora.send("GET", "/api/v1/session", nil).refused(401, "session_ended")
		var s api.Standing
		w.backend("gate", "GET", "/api/v1/accounts/"+acc.ID+"/sessions/"+dora.tokens.Session, nil, "").want(200, &s)
		equal(t, "live", s.Live, false)
		equal(t, "why", s.EndedWhy, "suspended")

		was := len(w.actions(acc.ID))
		w.backend("watchman", "PATCH", "/api/v1/accounts/"+acc.ID, map[string]string{"status": "restricted"}, "r-2").want(200)
		equal(t, "said twice, written once", len(w.actions(acc.ID)), was)
		w.backend("registrar", "PATCH", "/api/v1/accounts/"+acc.ID, map[string]string{"status": "active", "lang": "en"}, "r-3").want(200, &c)
		equal(t, "status", c.Account.Status, "active")
		equal(t, "language", c.Account.Lang, "en")
		equal(t, "one event", len(w.actions(acc.ID)), was+1)
	})
	step("the owner's freeze can be neither lifted nor replaced", func(t *testing.T) {
		dora.signIn()
		dora.send("POST", "/api/v1/freeze", nil).want(200)
		for i, status := range []string{"active", "restricted"} {
			w.backend("exchange", "PATCH", "/api/v1/accounts/"+acc.ID, map[string]string{"status": status}, fmt.Sprint("f-", i)).refused(403, "account_frozen")
		}
	})
	step("its owner lifts it with a touch", func(t *testing.T) {
		dora.signIn()
		dora.touch("freeze.lift", "")
		dora.send("POST", "/api/v1/freeze/lift", nil).want(204)
	})
	step("closing is for good", func(t *testing.T) {
		var c api.Changed
		w.backend("exchange", "PATCH", "/api/v1/accounts/"+acc.ID, map[string]string{"status": "closed"}, "c-1").want(200, &c)
		equal(t, "status", c.Account.Status, "closed")
		w.backend("exchange", "PATCH", "/api/v1/accounts/"+acc.ID, map[string]string{"status": "active"}, "c-2").refused(403, "account_closed")
		dora.tokens = api.Tokens{}
		dora.finishSignIn(map[string]any{}).refused(403, "account_closed")
	})
	step("the log tells it all, each act once, under the name of who did it", func(t *testing.T) {
		want := strings.Fields(`account.created key.added session.started session.ended session.started account.suspended account.updated
			session.started account.frozen session.started session.stepped_up account.unfrozen account.closed`)
		if got := w.actions(acc.ID); !slices.Equal(got, want) {
			t.Errorf("the log has\n%v\ninstead of\n%v", got, want)
		}
		recs, err := w.log.ForAccount(t.Context(), w.db, acc.ID, "", 100)
		ok(t, err)
		for _, r := range recs {
			if r.Action == "account.suspended" {
				equal(t, "actor", r.Actor, "client:watchman")
			}
			if r.Action == "key.added" {
				equal(t, "who vouched", r.Payload["client"], "registrar")
			}
		}
	})
}

// Before proof of the secret there is one answer.
func TestBackEndsAreKnownByTheirSecretAlone(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	get := func(h http.Header) *response {
		return w.do(request{"GET", "/api/v1/accounts/" + a.tokens.Account, nil, h})
	}
	with := func(v ...string) http.Header { return http.Header{"Authorization": v} }
	good := basic("exchange", "secret of exchange")
	get(with(good)).want(200)
	get(with("basic " + strings.TrimPrefix(good, "Basic "))).want(200)
	answers := map[string]*response{
		"nothing":                       get(nil),
		"a wrong secret":                get(with(basic("exchange", "secret of another"))),
		"an empty secret":               get(with(basic("exchange", ""))),
		"an unknown id":                 get(with(basic("exchange2", "secret of exchange"))),
		"the id in capitals":            get(with(basic("EXCHANGE", "secret of exchange"))),
		"an empty id":                   get(with(basic("", ""))),
		"the hash in place of secret":   get(with(basic("exchange", "3a5fb5ae1d5e2b8bd6fe3dd8b6c1e0f1d9d7b1b7b1d9d9d7b1b7b1d9d9d7b1b7"))),
		"a secret with a space":         get(with(basic("exchange", "secret of exchange "))),
		"a bearer token":                get(with("Bearer " + a.tokens.AccessToken)),
		"an account holder's token":     get(with("DPoP " + a.tokens.AccessToken)),
		"no base64":                     get(with("Basic !!!!")),
		"base64 of another spelling":    get(with(strings.TrimRight(good, "=") + "x")),
		"no colon":                      get(with("Basic " + base64.StdEncoding.EncodeToString([]byte("exchange")))),
		"a line break in the id":        get(with("Basic " + base64.StdEncoding.EncodeToString([]byte("exchange\n:secret of exchange")))),
		"two headers, one of them good": get(with(good, good)),
	}
	same(t, answers)
	answers["nothing"].refused(401, "client_unauthenticated")
	equal(t, "challenge", answers["nothing"].header.Get("Www-Authenticate"), `Basic realm="back ends", charset="UTF-8"`)
}

// A back end does what it was given, and nothing else follows from it.
func TestPowersImplyNothing(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	acc := "/api/v1/accounts/" + a.tokens.Account
	ses := acc + "/sessions/" + a.tokens.Session
	n := 0
	for _, row := range []struct {
		act, method, path string
		body              any
		power             string
		ok                int
	}{
		{"make an account", "POST", "/api/v1/accounts", map[string]string{"external_id": "%d"}, "provision", 201},
		{"find an account", "GET", "/api/v1/accounts?external_id=none", nil, "provision", 404},
		{"read an account", "GET", acc, nil, "provision", 200},
		{"change the language", "PATCH", acc, map[string]string{"lang": "ko"}, "provision", 200},
		{"set an account active", "PATCH", acc, map[string]string{"status": "active"}, "provision", 200},
		{"close an account", "PATCH", "/api/v1/accounts/acc_01jd8f00000000000000000000", map[string]string{"status": "closed"}, "provision", 404},
		{"restrict an account", "PATCH", "/api/v1/accounts/acc_01jd8f00000000000000000000", map[string]string{"status": "restricted"}, "end", 404},
		{"offer a first passkey", "POST", acc + "/enrolment", nil, "provision", 409},
		{"ask about a session", "GET", ses, nil, "introspect", 200},
		{"end a session", "DELETE", acc + "/sessions/ses_01jd8f00000000000000000000", nil, "end", 404},
	} {
		for client, power := range map[string]string{"registrar": "provision", "gate": "introspect", "watchman": "end"} {
			t.Run(fmt.Sprintf("%s with the power %s", row.act, power), func(t *testing.T) {
				w.in(t)
				n++
				r := w.backend(client, row.method, row.path, row.body, fmt.Sprint("p-", n))
				if power == row.power {
					r.want(row.ok)
					return
				}
				p := r.refused(404, "not_found")
				if !slices.Equal(p.Needs, []string{row.power}) {
					t.Errorf("it is not told what is missing: %v", p.Needs)
				}
			})
		}
	}
	t.Run("one change may need two powers", func(t *testing.T) {
		w.in(t)
		both := map[string]string{"status": "restricted", "lang": "ko"}
		p := w.backend("watchman", "PATCH", acc, both, "two").refused(404, "not_found")
		equal(t, "needs", fmt.Sprint(p.Needs), "[provision]")
		w.backend("exchange", "PATCH", acc, both, "two").want(200)
	})
}

// The refusals of what a back end asks for.
func TestWhatBackEndsAreRefused(t *testing.T) {
	w := newWorld(t)
	post := func(body any, key string) *response {
		return w.backend("exchange", "POST", "/api/v1/accounts", body, key)
	}
	post(map[string]string{"external_id": "taken"}, "k1").want(201)
	var acc api.BackendAccount
	post(map[string]string{"external_id": "other"}, "k2").want(201, &acc)
	patch := func(id string, body any, key string) *response {
		return w.backend("exchange", "PATCH", "/api/v1/accounts/"+id, body, key)
	}
	const never = "acc_01jd8f00000000000000000000"
	ticket := func() string {
		var k api.Ticket
		w.backend("exchange", "POST", "/api/v1/accounts/"+acc.ID+"/enrolment", nil, "").want(201, &k)
		return k.Ticket
	}
	for _, row := range []struct {
		name   string
		do     func() *response
		status int
		code   string
	}{
		{"an account without a key for retries", func() *response { return post(map[string]string{"external_id": "a"}, "") }, 400, "idempotency_key_missing"},
		{"a change without one", func() *response { return patch(acc.ID, map[string]string{"lang": "ko"}, "") }, 400, "idempotency_key_missing"},
		{"a key that was used for another account", func() *response { return post(map[string]string{"external_id": "a"}, "k1") }, 422, "idempotency_body_differs"},
		{"a key that was used for another act", func() *response { return patch(acc.ID, map[string]string{"lang": "ko"}, "k1") }, 422, "idempotency_body_differs"},
		{"a key of three hundred letters", func() *response {
			return post(map[string]string{"external_id": "a"}, strings.Repeat("k", 300))
		}, 400, "bad_request"},
		{"an id that is in use", func() *response { return post(map[string]string{"external_id": "taken"}, "k3") }, 409, "external_id_taken"},
		{"the same again with the same key", func() *response { return post(map[string]string{"external_id": "taken"}, "k3") }, 409, "external_id_taken"},
		{"an account without an id of the exchange", func() *response { return post(map[string]string{"mail": "a@example.org"}, "k4") }, 400, "bad_request"},
		{"an id of spaces", func() *response { return post(map[string]string{"external_id": "  "}, "k5") }, 400, "bad_request"},
		{"a brand with a slash", func() *response { return post(map[string]string{"external_id": "a", "brand": "a/b"}, "k6") }, 400, "bad_request"},
		{"a mail address that is none", func() *response { return post(map[string]string{"external_id": "a", "mail": "nobody"}, "k7") }, 400, "bad_request"},
		{"an account that never was", func() *response { return w.backend("exchange", "GET", "/api/v1/accounts/"+never, nil, "") }, 404, "account_unknown"},
		{"an id of the exchange that never was", func() *response {
			return w.backend("exchange", "GET", "/api/v1/accounts?external_id=never", nil, "")
		}, 404, "account_unknown"},
		{"a search for nothing", func() *response { return w.backend("exchange", "GET", "/api/v1/accounts", nil, "") }, 400, "bad_request"},
		{"a change of an account that never was", func() *response { return patch(never, map[string]string{"lang": "ko"}, "k8") }, 404, "account_unknown"},
		{"a change of nothing", func() *response { return patch(acc.ID, map[string]string{}, "k9") }, 400, "bad_request"},
		{"a change to null", func() *response { return patch(acc.ID, `{"status":null}`, "k10") }, 400, "bad_request"},
		{"a freeze by the exchange", func() *response { return patch(acc.ID, map[string]string{"status": "frozen"}, "k11") }, 400, "bad_request"},
		{"a field that is set at the beginning only", func() *response { return patch(acc.ID, map[string]string{"brand": "b"}, "k12") }, 400, "unknown_field"},
		{"closing and renaming at once", func() *response {
			return patch(acc.ID, map[string]string{"status": "closed", "lang": "ko"}, "k13")
		}, 400, "bad_request"},
		{"a ticket somebody made up", func() *response {
			return w.app().send("POST", "/api/v1/enrolment", map[string]string{"ticket": "AAAA"})
		}, 400, "challenge_expired"},
		{"a sign-up's ticket in its place", func() *response {
			var s api.SignUp
			w.app().send("POST", "/api/v1/sign-up", map[string]string{"mail": "a@example.org"}).want(200, &s)
			return w.app().send("POST", "/api/v1/enrolment", map[string]string{"ticket": s.Ticket})
		}, 400, "challenge_expired"},
		{"a ticket older than ten minutes", func() *response {
			old := ticket()
			w.clock.pass(10*time.Minute + time.Second)
			return w.app().send("POST", "/api/v1/enrolment", map[string]string{"ticket": old})
		}, 400, "challenge_expired"},
		{"a passkey made under one ticket, presented under another", func() *response {
			p, t1, t2 := w.app(), ticket(), ticket()
			var o api.Options
			p.send("POST", "/api/v1/enrolment", map[string]string{"ticket": t1}).want(200, &o)
			cred, err := p.browser.Create(o.Options)
			ok(t, err)
			return p.send("POST", "/api/v1/enrolment/finish", map[string]any{"ticket": t2, "credential": json.RawMessage(cred)})
		}, 401, "passkey_not_accepted"},
		{"a ticket of an account that was closed meanwhile", func() *response {
			k := ticket()
			patch(acc.ID, map[string]string{"status": "closed"}, "k14").want(200)
			return w.app().send("POST", "/api/v1/enrolment", map[string]string{"ticket": k})
		}, 403, "account_closed"},
		{"a new ticket for it", func() *response {
			return w.backend("exchange", "POST", "/api/v1/accounts/"+acc.ID+"/enrolment", nil, "")
		}, 403, "account_closed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w.in(t)
			row.do().refused(row.status, row.code)
		})
	}
}

// Sixteen servers of the exchange send the same request at once.
func TestOneAccountForSixteenParallelCalls(t *testing.T) {
	clock := &clock{}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := &world{t: t, clock: clock, db: db}
		w.serve()
		body := map[string]string{"external_id": "customer-16"}
		var (
			mu  sync.Mutex // guards ids
			ids = map[string]int{}
			wg  sync.WaitGroup
		)
		for range 16 {
			wg.Go(func() {
				for {
					r := w.backend("exchange", "POST", "/api/v1/accounts", body, "one-key")
					if r.status == 409 || r.status == 503 {
						time.Sleep(5 * time.Millisecond)
						continue
					}
					var acc api.BackendAccount
					if r.status != 201 || json.Unmarshal(r.body, &acc) != nil {
						t.Errorf("answered %d %s", r.status, r.body)
						return
					}
					mu.Lock()
					ids[acc.ID]++
					mu.Unlock()
					return
				}
			})
		}
		wg.Wait()
		if len(ids) != 1 {
			t.Fatalf("accounts: %v", ids)
		}
		for id, n := range ids {
			equal(t, "callers that got the one account", n, 16)
			equal(t, "events", fmt.Sprint(w.actions(id)), "[account.created]")
		}
	}, storetest.WithNow(clock.now))
}

// Eight apps finish the enrolment of one account at once: one passkey enters.
func TestOneFirstPasskey(t *testing.T) {
	clock := &clock{}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := &world{t: t, clock: clock, db: db}
		w.serve()
		var acc api.BackendAccount
		w.backend("exchange", "POST", "/api/v1/accounts", map[string]string{"external_id": "customer-8"}, "k").want(201, &acc)
		type ready struct {
			p    *app
			body map[string]any
		}
		var all []ready
		for range 8 {
			var k api.Ticket
			w.backend("exchange", "POST", "/api/v1/accounts/"+acc.ID+"/enrolment", nil, "").want(201, &k)
			p := w.app()
			var o api.Options
			p.send("POST", "/api/v1/enrolment", map[string]string{"ticket": k.Ticket}).want(200, &o)
			cred, err := p.browser.Create(o.Options)
			ok(t, err)
			all = append(all, ready{p, map[string]any{"ticket": k.Ticket, "credential": json.RawMessage(cred)}})
		}
		var (
			mu sync.Mutex // guards in
			in int
			wg sync.WaitGroup
		)
		for _, r := range all {
			wg.Go(func() {
				res := r.p.send("POST", "/api/v1/enrolment/finish", r.body)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case res.status == 201:
					in++
				case res.status != 409 && res.status != 403 && res.status != 503:
					t.Errorf("answered %d %s", res.status, res.body)
				}
			})
		}
		wg.Wait()
		equal(t, "passkeys that entered", in, 1)
		w.backend("exchange", "GET", "/api/v1/accounts/"+acc.ID, nil, "").want(200, &acc)
		equal(t, "passkeys", acc.Passkeys, 1)
	}, storetest.WithNow(clock.now))
}

// Sixteen copies of one request with one proof: one is answered.
func TestOneAnswerForOneProof(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	a.send("GET", "/api/v1/session", nil).want(200)
	h := http.Header{"Authorization": {"DPoP " + a.tokens.AccessToken}, "Dpop": {a.key.Proof(softkey.DPoP{
		Method: "GET", URL: public + "/api/v1/session", Token: a.tokens.AccessToken, Nonce: a.nonce}, w.clock.now())}}
	var (
		mu       sync.Mutex // guards answered
		answered int
		wg       sync.WaitGroup
	)
	for range 16 {
		wg.Go(func() {
			r := w.do(request{"GET", "/api/v1/session", nil, h.Clone()})
			mu.Lock()
			defer mu.Unlock()
			if r.status == 200 {
				answered++
			} else if !strings.Contains(string(r.body), "proof_replayed") {
				t.Errorf("answered %d %s", r.status, r.body)
			}
		})
	}
	wg.Wait()
	equal(t, "answered", answered, 1)
}
