package api_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"keyward/internal/api"
	"keyward/internal/apikey"
	"keyward/internal/softkey"
)

// wish is what a new key is asked for with.
func wish(scopes string, change ...any) map[string]any {
	public := softkey.NewBot("api.example.com").Public()
	w := map[string]any{"purpose": "Grid bot on my VPS", "scopes": strings.Fields(scopes), "addresses": []string{"203.0.113.7"}, "public_key": base64.StdEncoding.EncodeToString(public)}
	for i := 0; i < len(change); i += 2 {
		if change[i+1] == nil {
			delete(w, change[i].(string))
			continue
		}
		w[change[i].(string)] = change[i+1]
	}
	return w
}

// touchFor gives the touch that an answer asks for.
func (a *app) touchFor(r *response) {
	a.w.t.Helper()
	p := r.refused(403, "step_up_required")
	a.touch(p.Purpose.Act, p.Purpose.Object)
}

// made makes a key with the touch for it.
func (a *app) made(wish map[string]any) api.CreatedKey {
	a.w.t.Helper()
	a.touchFor(a.send("POST", "/api/v1/keys", wish))
	var c api.CreatedKey
	a.send("POST", "/api/v1/keys", wish).want(201, &c)
	return c
}

func (w *world) botKey(a *app, scopes string) api.APIKey {
	w.t.Helper()
	return a.made(wish(scopes)).Key
}

func TestAPIKeysFromTheFirstToTheLastAct(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	c := alice.made(wish("read.account trade.spot"))
	equal(t, "secret of a pair", c.Secret, "")
	equal(t, "state", c.Key.State, "active")
	equal(t, "lives", c.Key.Expires.Sub(c.Key.CreatedAt), 90*24*time.Hour)
	equal(t, "works from", strings.Join(c.Key.Addresses, " "), "203.0.113.7/32")
	var all api.List[api.APIKey]
	alice.get("/api/v1/keys", &all)
	equal(t, "keys", len(all.Items), 1)
	var one api.APIKey
	path := "/api/v1/keys/" + c.Key.ID
	alice.get(path, &one)
	equal(t, "the same", one.ID, c.Key.ID)

	change := func(version int64, pairs ...any) map[string]any {
		m := map[string]any{"version": version}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	alice.send("PATCH", path, change(1, "scopes", []string{"read.account"})).want(200, &one)
	equal(t, "what is left", strings.Join(one.Scopes, " "), "read.account")
	equal(t, "the rest stays", one.Purpose, "Grid bot on my VPS")
	alice.send("PATCH", path, change(1, "scopes", []string{"read.account"})).refused(409, "apikey_changed")
	wider := change(2, "scopes", []string{"read.account", "trade.spot"})
	alice.touchFor(alice.send("PATCH", path, wider))
	alice.send("PATCH", path, wider).want(200, &one)
	alice.touchFor(alice.send("PATCH", path, change(3, "addresses", []string{"203.0.113.7", "198.51.100.9"})))
	alice.send("PATCH", path, change(3, "addresses", []string{})).refused(400, "apikey_needs_addresses")

	var story api.List[api.KeyMinute]
	alice.get(path+"/story", &story)
	equal(t, "lines of a key that was never used", len(story.Items), 0)

	var e api.Effect
	alice.send("DELETE", path, nil).want(200, &e)
	alice.send("DELETE", path, nil).refused(404, "apikey_unknown")
	alice.get(path, &one)
	equal(t, "state after it", one.State, "ended")
	var acts []string
	for _, a := range w.actions(alice.tokens.Account) {
		if strings.HasPrefix(a, "apikey.") {
			acts = append(acts, a)
		}
	}
	equal(t, "story of the account", strings.Join(acts, " "), "apikey.added apikey.narrowed apikey.widened apikey.revoked")
}

func TestASecretOfTheAPIIsSaidOnce(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	c := alice.made(wish("read.account", "alg", "hmac-sha256", "public_key", nil, "addresses", nil))
	if !apikey.IsSecret(c.Secret) || strings.Contains(c.String(), c.Secret) {
		t.Errorf("secret %q, printed as %s", c.Secret, c.String())
	}
	for _, path := range []string{"/api/v1/keys", "/api/v1/keys/" + c.Key.ID, "/api/v1/activity"} {
		if r := alice.send("GET", path, nil); r.status != 200 || strings.Contains(string(r.body), c.Secret[9:30]) {
			t.Errorf("%s: %d, or it has the secret", path, r.status)
		}
	}
}

func TestTheTouchIsForExactlyThisKey(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	reading, trading := wish("read.account"), wish("read.account trade.spot")
	trading["public_key"] = reading["public_key"]
	alice.touchFor(alice.send("POST", "/api/v1/keys", reading))
	alice.send("POST", "/api/v1/keys", trading).refused(403, "step_up_required")
	alice.send("POST", "/api/v1/keys", reading).want(201)
	alice.send("POST", "/api/v1/keys", reading).refused(403, "step_up_required")
}

func TestWhatTheAPIMakesNoKeyOf(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	for _, c := range []struct {
		what, code string
		wish       map[string]any
	}{
		{"no purpose", "apikey_purpose", wish("read.account", "purpose", "")},
		{"no right", "apikey_scopes", wish("")},
		{"two rights in one string", "apikey_scopes", wish("", "scopes", []string{"read.account trade.spot"})},
		{"a right twice", "apikey_scopes", wish("read.account read.account")},
		{"trading from anywhere", "apikey_needs_addresses", wish("trade.spot", "addresses", nil)},
		{"withdrawing with a shared secret", "apikey_withdraw", wish("withdraw", "alg", "hmac-sha256", "public_key", nil)},
		{"withdrawing for a sub-account", "apikey_withdraw", wish("withdraw", "sub_account", "Books")},
		{"a whole network", "apikey_address", wish("read.account", "addresses", []string{"10.0.0.0/8"})},
		{"ten years", "apikey_limits", wish("read.account", "days", 3650)},
		{"days that leave the range of a duration", "apikey_limits", wish("read.account", "days", int64(1)<<50)},
		{"no public key", "apikey_public", wish("read.account", "public_key", nil)},
		{"a public key that is not base64", "apikey_public", wish("read.account", "public_key", "-----BEGIN PUBLIC KEY-----")},
		{"an algorithm that we do not have", "apikey_public", wish("read.account", "alg", "rsa")},
	} {
		t.Run(c.what, func(t *testing.T) {
			w.in(t)
			alice.send("POST", "/api/v1/keys", c.wish).refused(400, c.code)
		})
	}
	var all api.List[api.APIKey]
	alice.get("/api/v1/keys", &all)
	equal(t, "keys", len(all.Items), 0)
}

func TestAnotherDeviceOpensTheLock(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	k := w.botKey(alice, "read.account withdraw")
	equal(t, "locked", k.Locked, true)
	path := "/api/v1/keys/" + k.ID + "/unlock"
	alice.touch("botkeys.unlock", k.ID).send("POST", path, nil).refused(403, "apikey_second_device")
	phone := alice.another("192.0.2.9").signIn()
	phone.send("POST", path, nil).refused(403, "apikey_second_device") // known since just now
	w.clock.pass(25 * time.Hour)
	phone = phone.signIn()
	phone.touchFor(phone.send("POST", path, nil))
	phone.send("POST", path, nil).want(200, &k)
	equal(t, "locked after it", k.Locked, false)
}

func TestASecretOfAnotherExchangeComesWithItsPassphrase(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	c := alice.made(wish("read.account", "profile", "okx", "public_key", nil))
	equal(t, "profile", c.Key.Profile, "okx")
	if c.Secret == "" || c.Passphrase == "" || strings.Contains(c.String(), c.Passphrase) {
		t.Errorf("%q %q", c.Secret, c.Passphrase)
	}
	alice.send("POST", "/api/v1/keys", wish("read.account", "profile", "nobody")).refused(400, "apikey_public")
	alice.touch("botkeys.release", c.Key.ID).send("POST", "/api/v1/keys/"+c.Key.ID+"/release", nil).refused(409, "apikey_changed")
}
