package clients

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keyward/e2e/e2etest"
	"keyward/e2e/person"
)

// An app that is nothing but a page on another origin, in the person's own browser:
// what it asks of the server crosses origins, and its keys lie in IndexedDB.
func TestOIDCClientTSIsAnAppInTheBrowser(t *testing.T) {
	node(t) // the library comes with the npm clients
	t.Run("Keyward", func(t *testing.T) {
		s := e2etest.NewKeyward(t)
		c := add(t, s, "App in the browser", "none", "--redirect", "http://127.0.0.1/")
		s.Start()
		p := e2etest.NewPerson(t, nonceWanted, refusedAtLast)
		if err := p.SignUp(s.Origin, "mina@mail.example"); err != nil {
			t.Fatal(err)
		}
		appInTheBrowser(t, p, s.Origin, c)
	})
	t.Run("oidc-provider", func(t *testing.T) {
		clients, there := atProvider(t, map[string]string{"app": "none"})
		issuer := startProvider(t, there)
		appInTheBrowser(t, e2etest.NewPerson(t, nonceWanted, refusedAtLast), issuer, clients["app"])
	})
}

// The browser itself writes down each answer that is an error. Two kinds of them
// belong to the flow: the server wants a nonce, and after the sign-out it says no.
const (
	nonceWanted   = "the server responded with a status of 400"
	refusedAtLast = "the server responded with a status of 401"
)

func appInTheBrowser(t *testing.T, p *person.Person, issuer string, c client) {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir("spa")))
	mux.HandleFunc("/oidc-client-ts.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js")
	})
	mux.HandleFunc("/plan.json", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"issuer": issuer, "client_id": c.ID, "scope": scope})
	})
	app := httptest.NewServer(mux) // on 127.0.0.1: another site than localhost
	defer app.Close()

	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// says waits until the page says something of that name.
	says := func(name string) map[string]any {
		t.Helper()
		word := `JSON.parse(document.querySelector('#said')?.textContent || '{}')`
		must(p.Until(fmt.Sprintf(`%s.%s !== undefined || %s.failed`, word, name, word)))
		said, err := person.Eval[map[string]any](p, word)
		must(err)
		if said["failed"] != nil {
			t.Fatalf("the app: %v\n%s", said["failed"], strings.Join(p.Console(), "\n"))
		}
		return said
	}

	must(p.Open(app.URL + "/"))
	says("ready")
	if strings.HasPrefix(c.ID, "app_") { // at Keyward the person has something to do
		must(p.Press("#signin", fmt.Sprintf("location.host === %q", mustHost(issuer))))
		_, err := p.Onward(issuer, true)
		must(err)
	} else {
		must(p.Press("#signin", `!document.querySelector('#said')?.textContent.includes('ready')`))
	}
	in := says("signedIn")
	if in["type"] != "DPoP" || in["refresh"] != true || in["extractable"] != false {
		t.Errorf("signed in: %v", in)
	}
	must(p.Press("#userinfo", `document.querySelector('#said').textContent.includes('userinfo')`))
	if who, _ := says("userinfo")["userinfo"].(map[string]any); who["sub"] != in["signedIn"] || who["status"] != 200.0 {
		t.Errorf("userinfo: %v", who)
	}
	must(p.Press("#refresh", `document.querySelector('#said').textContent.includes('renewed')`))
	if again := says("renewed"); again["renewed"] != true || again["sub"] != in["signedIn"] {
		t.Errorf("renewed: %v", again)
	}
	must(p.Press("#userinfo", `document.querySelector('#said').textContent.includes('userinfo')`))
	if who, _ := says("userinfo")["userinfo"].(map[string]any); who["status"] != 200.0 {
		t.Errorf("userinfo after renewing: %v", who)
	}
	must(p.Press("#signout", `document.querySelector('#said').textContent.includes('signedOut')`))
	says("signedOut")
	_, err := person.Eval[bool](p, `(async () => { await again(); return true; })()`)
	must(err)
	if after := says("userinfo"); after["userinfo"] != "invalid_token" || after["refresh"] != "invalid_grant" {
		t.Errorf("after signing out: %v", after)
	}
}
