package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"keyward/internal/api"
)

// Broken object level authorisation (OWASP API1): whatever Alice asks about an
// object of Bob's, the answer is the one she gets for an object that never was.
// The routes come from the document, so a new one cannot be forgotten.
func TestAnothersObjectsLookLikeNone(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	bob := w.app().signUp("bob@example.org")
	bob.another("192.0.2.9").signIn()
	var (
		keys     api.Passkeys
		devices  api.List[api.Device]
		contacts api.List[api.Contact]
	)
	bob.get("/api/v1/passkeys", &keys).get("/api/v1/devices", &devices).get("/api/v1/contacts", &contacts)

	const never = "01jd8f00000000000000000000"
	kinds := map[string]struct{ bobs, unknown, act string }{
		"passkeys":    {keys.Items[0].ID, "key_" + never, "keys.remove"},
		"devices":     {devices.Items[0].ID, "dev_" + never, "devices.remove"},
		"sessions":    {bob.tokens.Session, "ses_" + never, ""},
		"apps":        {w.grant(bob, "openid read").ID, "grt_" + never, ""},
		"keys":        {w.botKey(bob, "read.account").ID, "kwk_live_0000000000000000000000000000", ""},
		"subaccounts": {bob.subaccount("Bob's").ID, "sub_" + never, ""},
		"joins":       {w.join(bob).ID, "joi_" + never, "devices.admit"},
		"approvals":   {w.intent(bob), "int_" + never, ""},
		"contacts":    {contacts.Items[0].ID, "cnt_" + never, "contacts.change"},
	}
	bodies := map[string]any{"PATCH": map[string]string{"name": "Mine now"}, "PATCH apps": map[string][]string{"scopes": {"read"}},
		"PATCH keys":        map[string]any{"version": 1, "purpose": "Mine now"},
		"PATCH subaccounts": map[string]any{"version": 1, "name": "Mine now"},
		"approvals-finish":  map[string]any{"credential": map[string]string{}}, "approvals-refuse": map[string]bool{"freeze": false},
		"keys-rotate": map[string]any{"version": 1, "why": "leak"}, "keys-retire": map[string]any{"force": true}, "keys-keep": map[string]any{"until": "2026-04-01T00:00:00Z"}}
	holdings := func() string {
		var all []string
		for _, path := range []string{"/passkeys", "/devices", "/contacts", "/sessions", "/apps", "/keys", "/subaccounts"} {
			var v any
			bob.get("/api/v1"+path, &v)
			raw, _ := json.Marshal(v)
			all = append(all, stripSeen(string(raw)))
		}
		return strings.Join(all, "\n")
	}
	before, history := holdings(), len(w.actions(bob.tokens.Account))

	tried := 0
	for path, ops := range w.doc.Paths {
		for method, op := range ops {
			if !strings.Contains(path, "{id}") || len(op.Security) == 0 || op.Security[0]["dpop"] == nil {
				continue
			}
			kind := kinds[strings.Split(path, "/")[3]]
			if kind.bobs == "" {
				t.Errorf("%s %s: this test knows no object of another account for it", method, path)
				continue
			}
			tried++
			t.Run(op.OperationID, func(t *testing.T) {
				w.in(t)
				ask := func(id string) *response {
					m := strings.ToUpper(method)
					body := bodies[m+" "+strings.Split(path, "/")[3]]
					if body == nil {
						body = bodies[m]
					}
					if own := bodies[op.OperationID]; own != nil {
						body = own
					}
					return alice.send(m, strings.Replace(path, "{id}", id, 1), body)
				}
				plain := map[string]*response{"Bob's": ask(kind.bobs), "nobody's": ask(kind.unknown)}
				for whose, r := range plain {
					if r.status != 404 && r.status != 403 {
						t.Errorf("%s object: answered %d %s", whose, r.status, r.body)
					}
				}
				same(t, stripIDs(plain, kind.bobs, kind.unknown))
				if kind.act == "" {
					return
				}
				// And with the touch the act needs, given for exactly that object.
				object := func(id string) string {
					if kind.act == "contacts.change" {
						return ""
					}
					return id
				}
				alice.touch(kind.act, object(kind.bobs))
				touched := map[string]*response{"Bob's": ask(kind.bobs)}
				alice.touch(kind.act, object(kind.unknown))
				touched["nobody's"] = ask(kind.unknown)
				for whose, r := range touched {
					equal(t, whose+" object after a touch", r.status, 404)
				}
				same(t, touched)
			})
		}
	}
	equal(t, "routes with an object", tried, 39)
	equal(t, "what Bob has", holdings(), before)
	equal(t, "what Bob was told", len(w.actions(bob.tokens.Account)), history)
}

// stripIDs takes the ids that Alice sent herself out of what she got back
// (step_up_required repeats what to touch for).
func stripIDs(in map[string]*response, ids ...string) map[string]*response {
	out := map[string]*response{}
	for name, r := range in {
		c := *r
		for _, id := range ids {
			c.body = []byte(strings.ReplaceAll(string(c.body), id, "ID"))
		}
		c.header = r.header.Clone()
		c.header.Del("Content-Length")
		out[name] = &c
	}
	return out
}

// stripSeen removes the one fact that moves by looking.
func stripSeen(s string) string {
	for {
		i := strings.Index(s, `"last_seen":"`)
		if i < 0 {
			return s
		}
		rest := s[i+len(`"last_seen":"`):]
		s = s[:i] + rest[strings.IndexByte(rest, '"')+1:]
	}
}

// A back end may ask about every account, and still a session belongs to one.
func TestASessionIsFoundUnderItsOwnAccountOnly(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org").tokens
	bob := w.app().signUp("bob@example.org").tokens
	for _, method := range []string{"GET", "DELETE"} {
		same(t, map[string]*response{
			"another account's session": w.backend("exchange", method, "/api/v1/accounts/"+alice.Account+"/sessions/"+bob.Session, nil, ""),
			"a session that never was":  w.backend("exchange", method, "/api/v1/accounts/"+alice.Account+"/sessions/ses_01jd8f00000000000000000000", nil, ""),
			"an account that never was": w.backend("exchange", method, "/api/v1/accounts/acc_01jd8f00000000000000000000/sessions/"+bob.Session, nil, ""),
		})
	}
	var s api.Standing
	w.backend("exchange", "GET", "/api/v1/accounts/"+bob.Account+"/sessions/"+bob.Session, nil, "").want(200, &s)
	equal(t, "live", s.Live, true)
}
