package apps

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"keyward/e2e/e2etest"
	"keyward/e2e/person"
)

func TestMain(m *testing.M) { e2etest.Main(m) }

// An app that nobody vouched for asks to read, for the mail address, and to go on
// alone. Its owner unticks the mail address, and later disconnects it.
func TestAnOwnerUnticksARightAndDisconnectsTheApp(t *testing.T) {
	s := e2etest.NewKeyward(t)
	var c struct {
		ID string `json:"client_id"`
	}
	must(t, json.Unmarshal(s.Run("--json", "client", "add", "--name", "Portfolio View", "--owner", "e2e", "--auth", "none", "--redirect", "http://127.0.0.1/callback",
		"--scope", "openid", "--scope", "email", "--scope", "offline_access", "--scope", "read"), &c))
	s.Start()
	p := e2etest.NewPerson(t, "the server responded with a status of 403") // the touch that was missing
	must(t, p.SignUp(s.Origin, "mina@mail.example"))

	back := make(chan url.Values, 1)
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/callback" {
			back <- r.URL.Query()
		}
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><title>App</title><p>Back at the app.`))
	}))
	defer door.Close()
	conf := oauth2.Config{
		ClientID: c.ID, RedirectURL: door.URL + "/callback", Scopes: []string{"openid", "email", "offline_access", "read"},
		Endpoint: oauth2.Endpoint{AuthURL: s.Origin + "/oauth/authorize", TokenURL: s.Origin + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	verifier := oauth2.GenerateVerifier()

	must(t, p.Open(conf.AuthCodeURL("state-1", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("max_age", "0"))))
	shows(t, p, "Nobody checked this app", "See your confirmed mail address", "Go on while you are away")
	must(t, p.Press(`input[value=email]`, `!document.querySelector('input[value=email]').checked`))
	// The touch it wants leads away and back, and what was unticked stays unticked.
	must(t, p.Press(`[data-allow]`, `location.pathname === '/stepup'`))
	must(t, p.Press(`form[data-ceremony="step-up"] button`, `document.readyState === 'complete' && document.querySelector('[data-allow]')`))
	must(t, p.Until(`!document.querySelector('input[value=email]').checked && document.querySelector('input[value=read]').checked`))
	must(t, p.Press(`[data-allow]`, `document.body.innerText.includes('Back at the app')`))
	answer := <-back
	if answer.Get("iss") != s.Origin || answer.Get("state") != "state-1" {
		t.Fatalf("came back with %v", answer)
	}
	tokens, err := conf.Exchange(t.Context(), answer.Get("code"), oauth2.VerifierOption(verifier))
	must(t, err)
	if got := tokens.Extra("scope"); got != "offline_access openid read" {
		t.Errorf("the app was given %q", got)
	}
	if id, _ := tokens.Extra("id_token").(string); strings.Contains(claims(t, id), "mina@mail.example") {
		t.Error("the ID token tells the address that was refused")
	}

	must(t, p.Open(s.Origin+"/"))
	must(t, p.Press(`.doors a[href="/apps"]`, `location.pathname === '/apps'`))
	shows(t, p, "Portfolio View", "See balances and past orders")
	if told, err := person.Eval[bool](p, `document.body.innerText.includes('mail address')`); err != nil || told {
		t.Errorf("the page lists a right that was not given (%v)", err)
	}
	must(t, p.Press(`main .acts a.danger`, `location.pathname.endsWith('/end')`))
	shows(t, p, "Disconnect “Portfolio View”?", "It can no longer")
	must(t, p.Press(`form button.danger`, `location.pathname === '/apps'`))
	shows(t, p, "“Portfolio View” is disconnected.", "Ended everywhere in", "No app is connected.")

	_, err = conf.TokenSource(t.Context(), &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token()
	if err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("after it the app renewed: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func shows(t *testing.T, p *person.Person, words ...string) {
	t.Helper()
	for _, w := range words {
		quoted, _ := json.Marshal(w)
		must(t, p.Until("document.body && document.body.innerText.includes("+string(quoted)+")"))
	}
}

// claims are the middle of a token, as it says them.
func claims(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("no token")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	return string(raw)
}
