package web

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/store"
)

// The owner of a key that was found outside reads where, as text, and cannot be talked into
// giving it its power back.
func TestALeakedKeyIsTellingItsOwner(t *testing.T) {
	d := newDesk(t, true)
	bot, c := d.p.Bot(apikey.NewKey{Alg: apikey.HMACSHA256, Scopes: apikey.ReadAccount, Purpose: "Yearly tax export"})
	_, err := d.w.BotKeys.Reported(t.Context(), apikey.Report{Token: bot.Secret, Via: apikey.ViaGitHub, URL: "https://github.com/a/b/blob/c/<script>.py"})
	d.w.Must(err)
	path := BotKey{ID: string(c.ID)}.Path()
	d.says(d.open("/"), "may have leaked", "Its secret was found outside")
	d.says(d.open("/keys"), "was found outside")
	page := d.open(path)
	d.says(page, "Its secret was found outside", "Found by GitHub at", `<bdi class="mono">github.com/a/b/blob/c/%3Cscript%3E.py</bdi>`, "This is text and no link on purpose", `href="/keys/new"`)
	for _, never := range []string{`href="https://github.com`, `href="github.com`, path + "/release", bot.Secret} {
		if strings.Contains(page.Body.String(), never) {
			t.Errorf("the page has %q", never)
		}
	}
	d.touchFor(d.form("/keys/new", "purpose", "Another one", "scope", "read.account", "days", "90", "where", "server", "kind", "hmac-sha256")) // a touch for something else
	if w := d.form(path + "/release"); w.Code != 409 || !strings.Contains(w.Body.String(), "apikey_leaked") {
		t.Errorf("releasing it: %d %s", w.Code, w.Body)
	}
	d.says(d.open("/activity"), "GitHub found the secret of your API key for “Yearly tax export”")
}

func TestARestingKeyIsWokenWithATouch(t *testing.T) {
	d := newDesk(t, true)
	_, c := d.p.Bot(apikey.NewKey{Alg: apikey.HMACSHA256, Scopes: apikey.ReadAccount | apikey.TransferInternal, Purpose: "Yearly tax export", Life: 200 * 24 * time.Hour,
		Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}})
	path := BotKey{ID: string(c.ID)}.Path()
	d.w.Must(d.w.DB.Housekeeping(t.Context(), func(tx *store.Tx) error { // 35 days go by
		_, err := tx.Exec(`UPDATE apikey_key SET asleep = 1, idle_since = $1`, store.Micros(tx.Now.Add(-35*24*time.Hour)))
		return err
	}))
	d.says(d.open(path), "Some of its rights rest", "Move between your own sub-accounts", `action="`+path+`/wake"`, `data-act="botkeys.wake"`)
	d.says(d.open("/keys"), "some of its rights rest")
	d.touchFor(d.form(path + "/wake"))
	if w := d.form(path + "/wake"); w.Code != 303 || w.Header().Get("Location") != path || d.keys()[0].Asleep != apikey.Awake {
		t.Errorf("waking it: %d %s", w.Code, w.Body)
	}
	if page := d.open(path); strings.Contains(page.Body.String(), "Some of its rights rest") {
		t.Error("it still rests")
	}
}
