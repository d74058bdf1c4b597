package web

import (
	"crypto/ed25519"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyward/internal/apikey"
	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
	"keyward/internal/storetest"
)

// turn is the form that replaces what signs for the newest key.
func (d *desk) turn(k apikey.Key, change ...string) []string {
	d.t.Helper()
	form := []string{"version", strconv.FormatInt(k.Version, 10), "why", "cadence", "hours", "24", "days", "90"}
	if k.Alg == apikey.Ed25519 {
		form = append(form, "public", pemOf(d.t, ed25519.PublicKey(softkey.NewBot("api.example.com").Public())))
	}
	for i := 0; i < len(change); i += 2 {
		found := false
		for j := 0; j < len(form); j += 2 {
			if form[j] == change[i] {
				form[j+1], found = change[i+1], true
			}
		}
		if !found {
			form = append(form, change[i], change[i+1])
		}
	}
	return form
}

func TestAKeyIsReplacedOnItsPage(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		d := deskIn(t, w, true)
		id, _ := d.makes(wish(t))
		path := "/keys/" + string(id)
		d.says(d.open(path), `href="`+path+`/rotate"`)
		d.says(d.open(path+"/rotate"), "There is no test key of the same shape yet.", "I have not rehearsed this.", "bot-next.pem", `href="`+path+`/rehearse"`)
		if got := d.form(path+"/rotate", d.turn(d.keys()[0])...); got.Code != 409 || !strings.Contains(got.Body.String(), "This was not rehearsed") {
			t.Fatalf("without a rehearsal: %d %s", got.Code, got.Body)
		}
		form := d.turn(d.keys()[0], "skip", "yes")
		d.touchFor(d.form(path+"/rotate", form...))
		// The touch is for exactly this public key.
		d.touchFor(d.form(path+"/rotate", d.turn(d.keys()[0], "skip", "yes")...))
		made := d.form(path+"/rotate", form...)
		d.says(made, "The new version is made", "Your bot signs with the new private key", "The id stays as it is.", "or when you say so.")
		page := d.open(path + "/rotate")
		d.says(page, "Moving to version 2", "You asked for it.", "0 % of calls have moved", "No call that the new version signed was let in yet", "End it anyway", "Keep the old version longer", "Go back to the old version", "End all versions and make a new one")
		d.says(d.open("/keys"), "Being replaced", "See how far it is")

		if got := d.form(path + "/retire"); got.Code != 409 || !strings.Contains(got.Body.String(), "The old version is still needed") {
			t.Errorf("ended in passing: %d", got.Code)
		}
		until := regexp.MustCompile(`name="until" value="(\d+)"`).FindStringSubmatch(page.Body.String())[1]
		before := d.p.Versions(id)[1].Ends
		d.touchFor(d.form(path+"/keep", "until", until))
		if got := d.form(path+"/keep", "until", until); got.Code != 303 || !d.p.Versions(id)[1].Ends.Equal(before.Add(7*24*time.Hour)) {
			t.Errorf("kept longer: %d %s", got.Code, got.Body)
		}
		d.touchFor(d.form(path + "/undo"))
		got := d.form(path + "/undo")
		if got.Code != 303 || len(d.p.Versions(id)) != 1 || d.p.Versions(id)[0].N != 1 {
			t.Errorf("gone back: %d %s", got.Code, got.Body)
		}
		if page := d.then(got); !strings.Contains(page, "is back at its old version") {
			t.Errorf("no receipt: %s", page)
		}
		form = d.turn(d.keys()[0], "why", "leak")
		d.touchFor(d.form(path+"/rotate", form...))
		d.says(d.form(path+"/rotate", form...), "The old version ended at once.")
		if v := d.p.Versions(id); len(v) != 1 || v[0].N != 3 {
			t.Errorf("%+v", v)
		}
	})
}

func TestANewSecretIsShownOnce(t *testing.T) {
	d := newDesk(t, true)
	id, _ := d.makes(wish(t, "kind", "hmac-sha256", "public", "", "places", ""))
	path := "/keys/" + string(id)
	form := d.turn(d.keys()[0], "skip", "yes")
	d.touchFor(d.form(path+"/rotate", form...))
	w := d.form(path+"/rotate", form...)
	secret := regexp.MustCompile(`kws_live_[0-9A-Za-z]{49}`).FindString(w.Body.String())
	if !apikey.IsSecret(secret) || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("no secret, or one that is stored: %q %v", secret, w.Header())
	}
	for _, at := range []string{"/keys", path, path + "/rotate", path + "/rehearse", "/activity"} {
		if w := d.open(at); w.Code != 200 || strings.Contains(w.Body.String(), secret[9:30]) {
			t.Errorf("%s: %d, or it has the secret", at, w.Code)
		}
	}
}

func TestARehearsalIsDoneFromThePages(t *testing.T) {
	d := newDesk(t, true)
	id, _ := d.makes(wish(t))
	path := "/keys/" + string(id)
	d.says(d.open(path+"/rehearse"), "There is no test key of the same shape yet.", "Make the test key")
	half := pemOf(t, ed25519.PublicKey(softkey.NewBot("api.example.com").Public()))
	d.touchFor(d.form(path+"/rehearse", "public", half))
	d.says(d.form(path+"/rehearse", "public", half), "The key is made", "kwk_test_")
	d.says(d.open(path+"/rehearse"), "There is a test key. It was not replaced yet.")
	twin := d.keys()[0]
	if !twin.ID.IsTest() {
		twin = d.keys()[1]
	}
	// A test key needs no rehearsal of its own.
	at := "/keys/" + string(twin.ID)
	if w := d.open(at + "/rotate"); strings.Contains(w.Body.String(), "I have not rehearsed") {
		t.Error("a rehearsal of a rehearsal")
	}
	form := d.turn(twin)
	d.touchFor(d.form(at+"/rotate", form...))
	d.says(d.form(at+"/rotate", form...), "The new version is made")
	d.says(d.open(path+"/rehearse"), "The test key is being replaced.", "No call that the new version signed was let in yet.")
	if w := d.form(at+"/retire", "force", "yes"); w.Code != 303 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	d.says(d.open(path+"/rehearse"), "this would have broken:", "Nothing signed with the old version after the new one was made")
	if w := d.open(at + "/rehearse"); w.Code != 404 {
		t.Errorf("a rehearsal of a test key: %d", w.Code)
	}
}

func TestNobodyReplacesAnothersKey(t *testing.T) {
	w := signintest.New(t, storetest.SQLite(t), nil)
	alice, bob := deskIn(t, w, true), deskIn(t, w, true)
	id, _ := alice.makes(wish(t))
	k := alice.keys()[0]
	const never = "kwk_live_00000000000000000000000000000"
	for _, of := range []string{string(id), never} {
		for _, path := range []string{"/rotate", "/rehearse"} {
			if got := bob.open("/keys/" + of + path); got.Code != 404 {
				t.Errorf("GET %s: %d", of+path, got.Code)
			}
		}
		for path, form := range map[string][]string{"/rotate": bob.turn(k, "skip", "yes"), "/retire": {"force", "yes"}, "/keep": {"until", "1900000000000000"}, "/undo": nil, "/rehearse": {"public", ""}} {
			if got := bob.form("/keys/"+of+path, form...); got.Code != 404 {
				t.Errorf("POST %s: %d %s", of+path, got.Code, got.Body)
			}
		}
	}
	if v := alice.p.Versions(id); len(v) != 1 || alice.keys()[0].Version != k.Version {
		t.Errorf("%+v", v)
	}
}

// A copied cookie ends nothing, and a recovery code makes nothing.
func TestWhatReplacingAKeyTakesOnAPage(t *testing.T) {
	d := newDesk(t, true)
	id, _ := d.makes(wish(t))
	path := "/keys/" + string(id)
	if got := d.form(path+"/rotate", d.turn(d.keys()[0], "skip", "yes", "public", "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----")...); got.Code != 400 || strings.Contains(got.Body.String(), "MC4CAQAw") {
		t.Errorf("a private key: %d", got.Code)
	}
	for _, row := range []struct{ sentence, name, value string }{{"an overlap of a year", "hours", "8760"}, {"a life of ten years", "days", "3650"}, {"no number", "hours", "x"}, {"no reason", "why", "boredom"}} {
		if got := d.form(path+"/rotate", d.turn(d.keys()[0], "skip", "yes", row.name, row.value)...); got.Code != 400 {
			t.Errorf("%s: %d", row.sentence, got.Code)
		}
	}
	codes := d.p.Codes()
	d.w.Must(d.p.SignInByCode(codes[0]))
	if got := d.form(path+"/rotate", d.turn(d.keys()[0], "skip", "yes")...); got.Code != 403 {
		t.Errorf("by a code: %d", got.Code)
	}
	if w := d.open(path + "/rotate"); strings.Contains(w.Body.String(), "data-keep") {
		t.Error("the page offers what it would refuse")
	}
}
