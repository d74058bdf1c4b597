package web

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

func (d *desk) sub(name string) (sub account.Sub) {
	d.t.Helper()
	d.w.Must(d.w.DB.View(d.t.Context(), func(tx *store.Tx) error {
		all, err := d.w.Accounts.Subs(tx, d.p.Account)
		for _, x := range all {
			if x.Name == name {
				sub = x
			}
		}
		return err
	}))
	return sub
}

// An owner makes a sub-account, gives it a key, stops it, lets it work again and closes it.
func TestASubAccountOnItsPages(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		d := deskIn(t, w, true)
		d.says(d.open("/keys"), `href="/subaccounts"`)
		d.says(d.open("/subaccounts"), "There is no sub-account.")
		form := []string{"name", "Market maker", "transfers", "to_main", "max_keys", "2", "per_min", ""}
		d.touchFor(d.form("/subaccounts/new", form...))
		w1 := d.form("/subaccounts/new", form...)
		sub := d.sub("Market maker")
		path := "/subaccounts/" + string(sub.ID)
		if w1.Code != 303 || w1.Header().Get("Location") != path || sub.MaxKeys != 2 || sub.PerMin != 0 {
			t.Fatalf("%d %s %+v", w1.Code, w1.Header().Get("Location"), sub)
		}
		if got := d.then(w1); !strings.Contains(got, "You made the sub-account") {
			t.Error(got)
		}
		if w := d.form("/subaccounts/new", "name", "Market maker", "transfers", "none"); w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/stepup") {
			t.Errorf("the touch was for another: %d", w.Code)
		}
		for _, bad := range []string{"0", "-1", "31", "1e1", "ten"} {
			if w := d.form("/subaccounts/new", "name", "x", "transfers", "none", "max_keys", bad); w.Code != 400 || !strings.Contains(w.Body.String(), "sub_form") {
				t.Errorf("%s keys: %d", bad, w.Code)
			}
		}

		d.says(d.open("/keys/new?sub="+string(sub.ID)), `value="`+string(sub.ID)+`" selected`)
		bot := softkey.NewBot("api.example.com")
		id, made := d.makes(wish(t, "sub", string(sub.ID), "cap", "2500", "cap_in", "usd", "public", base64.StdEncoding.EncodeToString(bot.Public())))
		if strings.Contains(made.Body.String(), "kws_") || d.keys()[0].Sub != string(sub.ID) || d.keys()[0].DayCap.String() != "2500 USD" {
			t.Errorf("%+v", d.keys()[0])
		}
		d.says(d.open("/keys/"+string(id)), "Market maker", "0 USD of 2500 today", "Who made and changed it", "You made an API key", `href="/keys/`+string(id)+`/story"`)
		d.says(d.open(path), "Grid bot on my VPS", `action="`+path+`/freeze"`, `href="`+path+`/close"`)

		if w := d.form(path + "/freeze"); w.Code != 303 || !strings.Contains(d.then(w), "is frozen") {
			t.Fatalf("freezing: %d", w.Code)
		}
		if w := d.form(path + "/empty"); w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/stepup") {
			t.Errorf("out of a freeze without a touch: %d", w.Code)
		}
		d.says(d.open(path), `data-act="subs.change"`)
		version := "2"
		d.touchFor(d.form(path+"/thaw", "version", version))
		d.says(d.open("/stepup?act=subs.change&object="+d.object(path)), "Market maker", "Give this sub-account more?")
		if w := d.form(path+"/thaw", "version", version); w.Code != 303 || d.sub("Market maker").Status != account.SubActive {
			t.Errorf("with the touch: %d %s", w.Code, w.Body)
		}

		// Less needs no touch, more does.
		if w := d.form(path, "version", "3", "name", "Maker", "transfers", "none", "max_keys", "1"); w.Code != 303 || d.sub("Maker").Transfers != account.TransferNone {
			t.Errorf("narrowing: %d %s", w.Code, w.Body)
		}
		d.touchFor(d.form(path, "version", "4", "name", "Maker", "transfers", "both", "max_keys", "1"))
		if w := d.form(path, "version", "3", "name", "Maker", "transfers", "none"); w.Code != 409 {
			t.Errorf("an old form: %d", w.Code)
		}

		d.says(d.open(path+"/close"), "Grid bot on my VPS", "Only the exchange knows")
		if w := d.form(path + "/close"); w.Code != 303 || !strings.Contains(d.then(w), "is closed") {
			t.Errorf("closing: %d", w.Code)
		}
		if k := d.keys()[0]; k.State(w.DB.Now()) != apikey.Finished || k.EndedWhy != "sub_closed" {
			t.Errorf("%+v", k)
		}
		d.says(d.open("/subaccounts"), "Closed", "Maker")
		if w := d.open(path + "/close"); w.Code != 409 {
			t.Errorf("closing it again: %d", w.Code)
		}
	})
}

// object is that of the touch which a page asks for.
func (d *desk) object(path string) string {
	d.t.Helper()
	page := d.open(path).Body.String()
	_, rest, _ := strings.Cut(page, `data-object="`)
	object, _, _ := strings.Cut(rest, `"`)
	return strings.ReplaceAll(object, "~", "%7E")
}

func TestTheSubAccountsOfOthersAreNotThere(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		d := deskIn(t, w, true)
		other := w.NewPerson()
		w.Must(other.SignUp())
		theirs := other.Sub(account.SubForm{Name: "Theirs"})
		path := "/subaccounts/" + string(theirs.ID)
		for _, at := range []string{path, path + "/close"} {
			if w := d.open(at); w.Code != 404 {
				t.Errorf("%s: %d", at, w.Code)
			}
		}
		for _, at := range []string{path + "/freeze", path + "/empty", path + "/close"} {
			if w := d.form(at); w.Code != 404 {
				t.Errorf("%s: %d", at, w.Code)
			}
		}
		if w := d.form(path, "version", "1", "name", "Mine", "transfers", "none"); w.Code != 404 {
			t.Errorf("changing it: %d", w.Code)
		}
		if w := d.form(path+"/thaw", "version", "1"); w.Code != 404 {
			t.Errorf("thawing it: %d", w.Code)
		}
		if w := d.open("/stepup?act=subs.change&object=" + string(theirs.ID) + "%7Ex"); w.Code != 404 {
			t.Errorf("a touch for it: %d", w.Code)
		}
	})
}

func TestTheSignedStoryIsAFileOfItsOwner(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		d := deskIn(t, w, true)
		id, _ := d.makes(wish(t))
		w.Seal()
		w.Clock.Sleep(time.Minute)
		file := d.open("/keys/" + string(id) + "/story")
		st, err := apikey.OpenStory(file.Body.Bytes(), w.Log.Key())
		if err != nil || st.Key != string(id) || len(st.Changes) != 1 || !strings.HasPrefix(file.Header().Get("Content-Disposition"), "attachment") {
			t.Errorf("%v %s %v", err, file.Body, file.Header())
		}
		d.says(d.open("/keys/"+string(id)+"?from=2020-01-01&to=2020-01-02"), "2020-01-01 to 2020-01-02, by minute", "Nothing in this time.", "?from=2020-01-01&amp;to=2020-01-02")
		d.says(d.open("/keys/"+string(id)+"?from=yesterday&to=2020-01-02"), "The last seven days", "You made an API key")
		old := d.open("/keys/" + string(id) + "/story?from=2020-01-01&to=2020-01-02")
		if st, err := apikey.OpenStory(old.Body.Bytes(), w.Log.Key()); err != nil || len(st.Changes) != 0 {
			t.Errorf("two days of 2020: %v %s", err, old.Body)
		}
		other := w.NewPerson()
		w.Must(other.SignUp())
		_, theirs := other.Bot(apikey.NewKey{Scopes: apikey.ReadAccount})
		if w := d.open("/keys/" + string(theirs.ID) + "/story"); w.Code != 404 {
			t.Errorf("somebody else's: %d", w.Code)
		}
	})
}
