package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"keyward/internal/audit"
	"keyward/internal/softkey"
	"keyward/internal/staff"
	"keyward/internal/store"
)

// who is the operator of a browser.
func (d *desk) who(b *browser) staff.Live {
	d.t.Helper()
	l, err := d.staff.Check(d.t.Context(), b.cookie)
	d.must(err)
	return l
}

// two operators at a new desk, the second with these roles.
func two(t *testing.T, roles ...string) (d *desk, ada, ben *browser) {
	t.Helper()
	d = newDesk(t)
	inv, _, err := d.staff.Bootstrap(t.Context())
	d.must(err)
	ada = d.browser()
	ada.join(JoinLink(origin, inv))
	return d, ada, ada.invite("Ben", roles...)
}

func (b *browser) invite(name string, roles ...string) *browser {
	b.d.t.Helper()
	_, text, _ := b.touched("/operators/invite", "operators.invite", url.Values{"name": {name}, "roles": roles, "reason": {"a new colleague"}})
	other := b.d.browser()
	if code := other.join(shownLink.FindString(text)); code != http.StatusOK {
		b.d.t.Fatalf("%s joins: %d %s", name, code, text)
	}
	return other
}

// app is a form that registers a server of somebody else's.
func app(change ...string) url.Values {
	f := url.Values{"name": {"Portfolio View"}, "owner": {"dev@app.example.org"}, "auth": {"client_secret_basic"}, "days": {"30"}, "profile": {""},
		"redirects": {"https://app.example.org/back\nhttps://app.example.org/other"}, "scopes": {"openid", "read", "trade"}, "reason": {"ticket 4711"}}
	for i := 0; i < len(change); i += 2 {
		f.Set(change[i], change[i+1])
	}
	return f
}

var shownID = regexp.MustCompile(`id="client-id">(app_[0-9a-z]+)<`)

func registered(t *testing.T, b *browser) string {
	t.Helper()
	code, text, _ := b.touched("/apps/register", "clients.register", app())
	m := shownID.FindStringSubmatch(text)
	if code != http.StatusOK || m == nil {
		t.Fatalf("registering: %d %s", code, text)
	}
	return m[1]
}

// events of an action, oldest first.
func (d *desk) events(a audit.Action) (all []audit.Record) {
	d.t.Helper()
	var ids []string
	d.must(d.db.View(d.t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Rows(`SELECT id FROM audit_event WHERE action = $1 ORDER BY id`, string(a))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	}))
	for _, id := range ids {
		r, err := d.log.ByID(d.t.Context(), d.db, id)
		d.must(err)
		all = append(all, r)
	}
	return all
}

func (d *desk) clients() int {
	d.t.Helper()
	all, err := d.oauth.Clients(d.t.Context())
	d.must(err)
	return len(all)
}

func TestAnOperatorRegistersAnAppAndSwitchesItOff(t *testing.T) {
	d, ada, _ := two(t, "security")
	code, text, _ := ada.touched("/apps/register", "clients.register", app())
	secret := regexp.MustCompile(`kws_[A-Za-z0-9_-]{43}`).FindString(text)
	if code != http.StatusOK || secret == "" {
		t.Fatalf("registering: %d %s", code, text)
	}
	id := shownID.FindStringSubmatch(text)[1]
	c, err := d.oauth.Registered(t.Context(), id)
	d.must(err)
	if c.Owner != "dev@app.example.org" || len(c.Redirects) != 2 || c.Life.Hours() != 30*24 || c.Domain != "" || c.FirstParty {
		t.Errorf("what stands in the row: %+v", c)
	}
	e := d.events("client.registered")
	if len(e) != 1 || e[0].Actor != "operator:"+string(d.who(ada).Operator.ID) || e[0].Payload["operator"] != "Admin" || e[0].Payload["reason"] != "ticket 4711" ||
		audit.Sentence(e[0], "en") != "The operator “Admin” registered the app “Portfolio View”. Reason: ticket 4711." {
		t.Errorf("the event: %+v", e)
	}
	for _, path := range []string{"/apps", "/apps/" + id} {
		if code, text := ada.get(path); code != http.StatusOK || !strings.Contains(text, "Portfolio View") || !strings.Contains(text, "Not verified") || strings.Contains(text, secret) {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if strings.Contains(d.logged.String(), secret) {
		t.Error("the secret is in the log")
	}

	off := url.Values{"object": {id}, "reason": {"the owner closed it"}}
	if code, text, _ := ada.touched("/apps/"+id+"/off", "clients.off", off); code != http.StatusSeeOther {
		t.Fatalf("off: %d %s", code, text)
	}
	if c, err := d.oauth.Registered(t.Context(), id); err != nil || !c.Off {
		t.Errorf("after it the row says %+v, %v", c, err)
	}
	if e := d.events("client.off"); len(e) != 1 || e[0].Payload["reason"] != "the owner closed it" || e[0].Payload["client"] != "Portfolio View" {
		t.Errorf("the event: %+v", e)
	}
	if _, text := ada.get("/apps/" + id); strings.Contains(text, "/off\"") || strings.Contains(text, "/publisher\"") {
		t.Error("an app that is off still offers acts")
	}
}

func TestRegistrationsOfOperatorsThatAreRefused(t *testing.T) {
	d, ada, sec := two(t, "security")
	sam, ana, aud := ada.invite("Sam", "support"), ada.invite("Ana", "analyst"), ada.invite("Aud", "auditor")
	for _, c := range []struct {
		name string
		by   *browser
		form url.Values
		want int
	}{
		{"support", sam, app(), http.StatusForbidden},
		{"an analyst", ana, app(), http.StatusForbidden},
		{"an auditor", aud, app(), http.StatusForbidden},
		{"no reason", sec, app("reason", " "), http.StatusBadRequest},
		{"a redirect with a wildcard", sec, app("redirects", "https://*.example.org/back"), http.StatusBadRequest},
		{"a private key in the set", sec, app("auth", "private_key_jwt", "jwks", `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}`), http.StatusBadRequest},
		{"keys that are no JSON", sec, app("auth", "private_key_jwt", "jwks", "-----BEGIN"), http.StatusBadRequest},
		{"a life of no days", sec, app("days", "0"), http.StatusBadRequest},
		{"FAPI without a key", sec, app("profile", "fapi2"), http.StatusBadRequest},
	} {
		if code, text, _ := c.by.touched("/apps/register", "clients.register", c.form); code != c.want {
			t.Errorf("%s: %d %s", c.name, code, text)
		}
		if n := d.clients(); n != 0 {
			t.Fatalf("%s left %d apps", c.name, n)
		}
	}

	// A touch for one form does not carry another.
	ask := app()
	ask.Set("act", "clients.register")
	_, text, _ := sec.form("/touch", ask)
	var begun struct{ Options json.RawMessage }
	d.must(json.Unmarshal([]byte(text), &begun))
	answer, err := sec.keys.Get(begun.Options)
	d.must(err)
	other := app("redirects", "https://evil.example/back", "credential", string(answer))
	if code, _, _ := sec.form("/apps/register", other); code == http.StatusOK || d.clients() != 0 {
		t.Errorf("another address with the same touch: %d, %d apps", code, d.clients())
	}
	if code, _, _ := sec.form("/apps/register", app()); code != http.StatusForbidden || d.clients() != 0 {
		t.Errorf("without a touch: %d, %d apps", code, d.clients())
	}
	if n := len(d.events("client.registered")); n != 0 {
		t.Errorf("%d events", n)
	}
	for name, b := range map[string]*browser{"support": sam, "an analyst": ana, "an auditor": aud} {
		if code, _ := b.get("/apps"); code != http.StatusOK {
			t.Errorf("%s cannot see apps: %d", name, code)
		}
		if code, _ := b.get("/apps/register"); code != http.StatusForbidden {
			t.Errorf("%s sees the form: %d", name, code)
		}
	}
}

// Whoever narrows does not need a second person; the second person's yes does not
// outlive what it was about.
func TestAVerificationIsForTheAppAsItWas(t *testing.T) {
	d, ada, ben := two(t, "security")
	domain := func(id string) string {
		t.Helper()
		c, err := d.oauth.Registered(t.Context(), id)
		d.must(err)
		return c.Domain
	}
	ask := func(id, domain string) string {
		t.Helper()
		code, text, h := ada.touched("/apps/"+id+"/publisher", "clients.ask_publisher", url.Values{"object": {id}, "domain": {domain}, "reason": {"seen in DNS"}})
		if code != http.StatusSeeOther {
			t.Fatalf("asking for %s: %d %s", domain, code, text)
		}
		return h.Get("Location")
	}
	approve := func(page string) int {
		code, _, _ := ben.touched(page+"/approve", "requests.approve", url.Values{"object": {strings.TrimPrefix(page, "/requests/")}, "reason": {"seen too"}})
		return code
	}
	state := func(page string) staff.State {
		r, err := d.staff.Request(t.Context(), d.who(ada), staff.RequestID(strings.TrimPrefix(page, "/requests/")))
		d.must(err)
		return r.State
	}

	one := registered(t, ada)
	first, second := ask(one, "example.org"), ask(one, "example.net")
	if code := approve(first); code != http.StatusSeeOther || domain(one) != "example.org" {
		t.Fatalf("the first: %d, domain %q", code, domain(one))
	}
	if code := approve(second); code != http.StatusConflict || domain(one) != "example.org" || state(second) != staff.Open {
		t.Errorf("a request that began at another domain: %d, domain %q, %s", code, domain(one), state(second))
	}

	drop := url.Values{"object": {one}, "reason": {"the domain was sold"}}
	if code, text, _ := ada.touched("/apps/"+one+"/publisher/drop", "clients.drop_publisher", drop); code != http.StatusSeeOther || domain(one) != "" {
		t.Errorf("taking it back: %d %s, domain %q", code, text, domain(one))
	}
	if e := d.events("client.publisher_dropped"); len(e) != 1 || e[0].Payload["reason"] != "the domain was sold" || e[0].Payload["operator"] != "Admin" {
		t.Errorf("the event: %+v", e)
	}

	gone := registered(t, ada)
	page := ask(gone, "example.org")
	ada.touched("/apps/"+gone+"/off", "clients.off", url.Values{"object": {gone}, "reason": {"closed"}})
	if _, text := ben.get(page); strings.Contains(text, "/approve\"") || !strings.Contains(text, "switched off") {
		t.Error("the page offers to approve for an app that is off")
	}
	if code := approve(page); code != http.StatusBadRequest || domain(gone) != "" || state(page) != staff.Open {
		t.Errorf("approving for an app that is off: %d, domain %q, %s", code, domain(gone), state(page))
	}
	if n := len(d.events("staff.request_approved")); n != 1 {
		t.Errorf("%d approvals are in the log", n)
	}
	for _, bad := range []string{"example", "Example.org", "https://example.org", "127.0.0.1", "example.org/x", ""} {
		if code, _, _ := ada.touched("/apps/"+one+"/publisher", "clients.ask_publisher", url.Values{"object": {one}, "domain": {bad}, "reason": {"seen in DNS"}}); code != http.StatusBadRequest {
			t.Errorf("the domain %q: %d", bad, code)
		}
	}
}

// sent sends a body of the API with its touch.
func (b *browser) sent(path, act, object string, in map[string]any, out any) int {
	b.d.t.Helper()
	ask := map[string]any{"act": act, "object": object}
	for k, v := range in {
		ask[k] = v
	}
	var begun struct{ Options json.RawMessage }
	if code := b.json("/api/touch", ask, &begun); code != http.StatusOK {
		return code
	}
	answer, err := b.keys.Get(begun.Options)
	b.d.must(err)
	in["credential"] = json.RawMessage(answer)
	return b.json(path, in, out)
}

func TestTheOperatorsAPIDoesWhatThePagesDo(t *testing.T) {
	d, ada, ben := two(t, "security")
	in := map[string]any{"reason": "ticket 4712", "app": map[string]any{
		"client_name": "Robot", "owner": "bots@example.org", "token_endpoint_auth_method": "client_secret_basic", "redirect_uris": []string{"https://bot.example.org/back"},
		"scope": "openid read trade", "grant_days": 10, "first_party": false,
	}}
	if code := ada.json("/api/apps", in, nil); code != http.StatusForbidden || d.clients() != 0 {
		t.Errorf("without a touch: %d, %d apps", code, d.clients())
	}
	var made struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if code := ada.sent("/api/apps", "clients.register", "", in, &made); code != http.StatusOK || !strings.HasPrefix(made.Secret, "kws_") || d.clients() != 1 {
		t.Fatalf("registering: %d %+v", code, made)
	}
	code, text := ada.get("/api/apps/" + made.ID)
	var got struct {
		State string `json:"state"`
		Live  int    `json:"live_grants"`
		Scope string `json:"scope"`
	}
	d.must(json.Unmarshal([]byte(text), &got))
	if code != http.StatusOK || got.State != "on" || got.Scope != "openid read trade" || strings.Contains(text, made.Secret) {
		t.Errorf("reading it: %d %s", code, text)
	}
	var r struct{ ID, State string }
	ask := map[string]any{"reason": "seen in DNS", "domain": "example.org"}
	if code := ada.sent("/api/apps/"+made.ID+"/publisher", "clients.ask_publisher", made.ID, ask, &r); code != http.StatusOK || r.State != "open" {
		t.Fatalf("asking: %d %+v", code, r)
	}
	_, text = ben.get("/api/requests/" + r.ID)
	if !strings.Contains(text, "https://bot.example.org/back") || !strings.Contains(text, "Robot") {
		t.Errorf("what the second person sees: %s", text)
	}
	domain := func() string {
		c, err := d.oauth.Registered(t.Context(), made.ID)
		d.must(err)
		return c.Domain
	}
	if code := ada.sent("/api/requests/"+r.ID+"/approve", "requests.approve", r.ID, map[string]any{"reason": "me again"}, nil); code != http.StatusForbidden || domain() != "" {
		t.Errorf("approving one's own: %d, %q", code, domain())
	}
	if code := ben.sent("/api/requests/"+r.ID+"/approve", "requests.approve", r.ID, map[string]any{"reason": "seen too"}, &r); code != http.StatusOK || r.State != "approved" || domain() != "example.org" {
		t.Errorf("the second approves: %d %+v, %q", code, r, domain())
	}
	if code := ben.sent("/api/apps/"+made.ID+"/off", "clients.off", made.ID, map[string]any{"reason": "closed"}, nil); code != http.StatusOK {
		t.Errorf("off: %d", code)
	}
	if code := d.browser().json("/api/apps", in, nil); code != http.StatusUnauthorized {
		t.Errorf("without a session: %d", code)
	}
	// What is no session of an operator opens nothing, in a header neither.
	stranger := d.browser()
	stranger.cookie = made.Secret
	if code, _ := stranger.get("/api/apps"); code == http.StatusOK {
		t.Error("a secret of an app opens the API")
	}
}

func TestOnesOwnPasskeysAndSessions(t *testing.T) {
	d, ada, _ := two(t, "security")
	keys := func() []staff.Key {
		t.Helper()
		all, err := d.staff.Keys(t.Context(), d.who(ada))
		d.must(err)
		return all
	}
	only := keys()[0].ID
	if code, text := ada.get("/you"); code != http.StatusOK || !strings.Contains(text, "your only passkey") || strings.Contains(text, "/you/keys/opk_") {
		t.Errorf("with one passkey: %d %s", code, text)
	}

	// A second one, made on another authenticator, with a touch of the first.
	var begun struct{ Options json.RawMessage }
	if code := ada.json("/you/keys/begin", struct{}{}, &begun); code != http.StatusOK {
		t.Fatal(code)
	}
	stick := &softkey.Browser{Origin: origin, Keys: new(softkey.Authenticator)}
	made, err := stick.Create(begun.Options)
	d.must(err)
	f := url.Values{"made": {string(made)}, "reason": {"a spare one"}}
	if code, _, _ := ada.form("/you/keys", f); code != http.StatusForbidden || len(keys()) != 1 {
		t.Errorf("without a touch: %d, %d keys", code, len(keys()))
	}
	if code, text, _ := ada.touched("/you/keys", "keys.add", f); code != http.StatusSeeOther || len(keys()) != 2 {
		t.Fatalf("adding: %d %s", code, text)
	}

	// Another browser signs in with it; removing the first ends that session.
	other := &browser{d: d, keys: stick}
	if code := other.signIn(); code != http.StatusOK {
		t.Fatalf("signing in with the second: %d", code)
	}
	page := "/you/keys/" + string(only)
	if code, text := ada.get(page); code != http.StatusOK || !strings.Contains(text, page+"/remove") {
		t.Errorf("the page that removes: %d %s", code, text)
	}
	gone := url.Values{"object": {string(only)}, "reason": {"lost the laptop"}}
	if code, text, _ := ada.touched(page+"/remove", "keys.remove", gone); code != http.StatusConflict || !strings.Contains(text, "touch_with_another") || len(keys()) != 2 {
		t.Errorf("removing a passkey by its own touch: %d", code)
	}
	if code, text, _ := other.touched(page+"/remove", "keys.remove", gone); code != http.StatusSeeOther {
		t.Fatalf("removing: %d %s", code, text)
	}
	if code, _, _ := ada.do("GET", "/", "", ""); code != http.StatusSeeOther {
		t.Errorf("the session of before: %d", code)
	}
	if code := ada.signIn(); code != http.StatusUnauthorized {
		t.Errorf("signing in with the removed one: %d", code)
	}

	// Two browsers: one ends the other.
	third := &browser{d: d, keys: stick}
	third.signIn()
	all, err := d.staff.Sessions(t.Context(), d.who(other))
	d.must(err)
	i := slices.IndexFunc(all, func(s staff.Session) bool { return s.ID == d.who(third).Session.ID })
	if len(all) != 2 || i < 0 {
		t.Fatalf("sessions: %+v", all)
	}
	if code, _, _ := other.form("/you/sessions/"+string(all[i].ID)+"/end", url.Values{}); code != http.StatusSeeOther {
		t.Errorf("ending it: %d", code)
	}
	if code, _, _ := third.do("GET", "/", "", ""); code != http.StatusSeeOther {
		t.Errorf("the ended one: %d", code)
	}
	if e := d.events("operator.key_removed"); len(e) != 1 || e[0].Payload["reason"] != "lost the laptop" {
		t.Errorf("the event: %+v", e)
	}
}
