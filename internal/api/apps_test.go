package api_test

import (
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/api"
	"keyward/internal/audit"
	"keyward/internal/oauth"
	"keyward/internal/session"
	"keyward/internal/store"
)

// grant gives a new app something of an account, as redeeming a code does.
func (w *world) grant(a *app, scope string) api.App {
	w.t.Helper()
	c, _, err := w.oauth.Register(w.t.Context(), store.Cause{Actor: "operator:test"}, oauth.NewClient{
		Name: "Portfolio View", Owner: "dev@app.example.net", Auth: oauth.AuthNone, Redirects: []string{"https://app.example.net/back"},
		Scopes: []string{"openid", "email", "offline_access", "read"}, Purpose: "To show all your holdings in one place.",
	})
	ok(w.t, err)
	var g session.Granted
	ok(w.t, w.db.Update(w.t.Context(), store.Cause{}, func(tx *store.Tx) error {
		var effects []audit.Effect
		g, effects, err = w.sessions.Give(tx, session.NewGrant{
			Session: session.Session{ID: session.ID(a.tokens.Session), Account: account.ID(a.tokens.Account)}, Client: string(c.ID), Scope: scope,
			Audience: public, Refresh: true, Offline: strings.Contains(scope, "offline_access"), Life: 90 * 24 * time.Hour,
		})
		if err != nil {
			return err
		}
		_, err = w.log.Append(tx, audit.Event{Action: "grant.given", Account: a.tokens.Account, Target: string(g.ID), Effects: effects})
		return err
	}))
	var all api.List[api.App]
	a.get("/api/v1/apps", &all)
	for _, x := range all.Items {
		if x.ID == string(g.ID) {
			return x
		}
	}
	w.t.Fatalf("%s is not in the list: %+v", g.ID, all)
	return api.App{}
}

func TestAppsAreListedNarrowedAndDisconnected(t *testing.T) {
	w := newWorld(t)
	alice := w.app().signUp("alice@example.org")
	app := w.grant(alice, "email offline_access openid read")
	equal(t, "name", app.Name, "Portfolio View")
	equal(t, "purpose", app.Purpose, "To show all your holdings in one place.")
	equal(t, "domain", app.Domain, "")
	equal(t, "session", app.Session, alice.tokens.Session)
	equal(t, "last used", app.LastUsed, app.CreatedAt)
	equal(t, "lasts", app.Expires.Sub(app.CreatedAt), 90*24*time.Hour)

	path := "/api/v1/apps/" + app.ID
	scopes := func(s ...string) map[string][]string { return map[string][]string{"scopes": append([]string{}, s...)} }
	alice.send("PATCH", path, scopes("read", "trade")).refused(409, "grant_wider")
	var left api.Narrowed
	alice.send("PATCH", path, scopes("offline_access", "read")).want(200, &left)
	equal(t, "what is left", strings.Join(left.App.Scopes, " "), "offline_access openid read")
	equal(t, "tokens that are out last", left.TokensUntil.Sub(w.clock.now()).Round(time.Minute), 5*time.Minute)
	alice.send("PATCH", path, scopes("email", "offline_access", "read")).refused(409, "grant_wider")
	var same api.Narrowed
	alice.send("PATCH", path, scopes("offline_access", "read")).want(200, &same)
	equal(t, "until, when nothing was taken", same.TokensUntil.IsZero(), true)

	var e api.Effect
	alice.send("DELETE", path, nil).want(200, &e)
	equal(t, "tokens elsewhere", e.OfflineUntil.Sub(e.EffectiveAt), 5*time.Minute)
	alice.send("DELETE", path, nil).refused(404, "grant_ended")
	alice.send("PATCH", path, scopes("read")).refused(404, "grant_ended")
	var none api.List[api.App]
	alice.get("/api/v1/apps", &none)
	equal(t, "apps", len(none.Items), 0)
	equal(t, "story", strings.Join(w.actions(alice.tokens.Account)[1:], " "), "grant.given grant.narrowed grant.ended")

	bare := w.grant(alice, "read")
	alice.send("PATCH", "/api/v1/apps/"+bare.ID, scopes()).refused(409, "grant_empty")
}
