package console

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"keyward/internal/softkey"
)

// KEYWARD_PAGES=dir writes these pages in both languages and themes, for e2e/pictures.
func TestWritePages(t *testing.T) {
	dir := os.Getenv("KEYWARD_PAGES")
	if dir == "" {
		t.Skip("KEYWARD_PAGES is not set")
	}
	d, ada, ben := two(t, "security", "analyst")
	ask := func(id, domain string) string {
		_, _, h := ada.touched("/apps/"+id+"/publisher", "clients.ask_publisher", url.Values{"object": {id}, "domain": {domain}, "reason": {"TXT record of 12 March, ticket 4711"}})
		return h.Get("Location")
	}
	decide := func(page, verb string) {
		ben.touched(page+"/"+verb, "requests."+verb, url.Values{"object": {page[len("/requests/"):]}, "reason": {"looked it up too"}})
	}
	id := registered(t, ada)
	decide(ask(id, "example.org"), "approve")
	waits := registered(t, ada)
	open := ask(waits, "portfolio-view.example.com")
	refused := ask(waits, "app.example.net")
	decide(refused, "refuse")
	off := registered(t, ada)
	ada.touched("/apps/"+off+"/off", "clients.off", url.Values{"object": {off}, "reason": {"closed"}})
	gone := ada.invite("Chae-won Park", "auditor")
	other := string(d.who(ben).Operator.ID)
	ada.touched("/operators/"+string(d.who(gone).Operator.ID)+"/disable", "operators.disable", url.Values{"object": {string(d.who(gone).Operator.ID)}, "reason": {"left the company"}})
	(&browser{d: d, keys: ada.keys}).signIn()
	var begun struct{ Options json.RawMessage }
	ada.json("/you/keys/begin", struct{}{}, &begun)
	made, err := (&softkey.Browser{Origin: origin, Keys: new(softkey.Authenticator)}).Create(begun.Options)
	d.must(err)
	ada.touched("/you/keys", "keys.add", url.Values{"made": {string(made)}, "reason": {"a spare one"}})
	keys, err := d.staff.Keys(t.Context(), d.who(ada))
	d.must(err)

	write := func(name, lang, theme string, body []byte) {
		d.must(os.WriteFile(filepath.Join(dir, name+"."+lang+"."+theme+".html"), body, 0o644))
	}
	for _, lang := range []string{"en", "ko"} {
		for _, theme := range []string{"light", "dark"} {
			for _, p := range []struct {
				name, path string
				by         *browser
			}{
				{"ops-home", "/", ada}, {"ops-operators", "/operators", ada}, {"ops-invite", "/operators/invite", ada}, {"ops-operator", "/operators/" + other, ada},
				{"ops-requests", "/requests", ben}, {"ops-request", open, ben}, {"ops-request-own", open, ada}, {"ops-request-done", refused, ada},
				{"ops-apps", "/apps", ada}, {"ops-register", "/apps/register", ada}, {"ops-app", "/apps/" + id, ada}, {"ops-app-waits", "/apps/" + waits, ada},
				{"ops-app-off", "/apps/" + off, ben}, {"ops-own", "/you", ada}, {"ops-own-one", "/you", ben}, {"ops-key", "/you/keys/" + string(keys[0].ID), ada},
				{"ops-join", "/join", nil}, {"ops-signin", "/signin", nil}, {"ops-error", "/requests/req_none", ada},
			} {
				r := httptest.NewRequest("GET", origin+p.path, nil)
				r.Header.Set("Accept", "text/html")
				cookie := "kw_lang=" + lang + "; kw_theme=" + theme
				if p.by != nil {
					cookie += "; __Host-kw_op=" + p.by.cookie
				}
				r.Header.Set("Cookie", cookie)
				w := httptest.NewRecorder()
				d.door.ServeHTTP(w, r)
				write(p.name, lang, theme, w.Body.Bytes())
			}
		}
	}
	_, text, _ := ada.touched("/operators/invite", "operators.invite", url.Values{"name": {"Dae-jung Kim"}, "roles": {"support"}, "reason": {"a new colleague"}})
	write("ops-invited", "en", "light", []byte(text))
	_, text, _ = ada.touched("/apps/register", "clients.register", app())
	write("ops-registered", "en", "light", []byte(text))
}
