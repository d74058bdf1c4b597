package exchange

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// browser keeps the cookies of one person at the exchange.
type browser struct {
	t       *testing.T
	at      *Exchange
	cookies map[string]string
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.at.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" {
			b.t.Errorf("a cookie that others can read or plant: %v", c)
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return w
}

// start is what the exchange sends to Keyward.
func (b *browser) start() url.Values {
	b.t.Helper()
	to, err := url.Parse(b.get("/enter-start").Header().Get("Location"))
	if err != nil || to.Path != "/handoff" {
		b.t.Fatalf("sent to %v (%v)", to, err)
	}
	return to.Query()
}

// keyward knows one code, and the challenge of the browser it was made for.
type keyward struct{ challenge, acr, status string }

func (k *keyward) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		fmt.Fprint(w, `{"live":true}`)
		return
	}
	var in struct{ Code, Verifier string }
	json.NewDecoder(r.Body).Decode(&in)
	hash := sha256.Sum256([]byte(in.Verifier))
	if in.Code != "the-code" || base64.RawURLEncoding.EncodeToString(hash[:]) != k.challenge {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, `{"account":{"id":"acc_1","status":%q},"session":{"id":"ses_1","live":true,"acr":%q}}`, k.status, k.acr)
}

func TestWhoComesIn(t *testing.T) {
	for _, row := range []struct {
		name        string
		acr, status string
		way         func(owner, other *browser, state string) *browser // who walks in, having tried
		in          bool
	}{
		{name: "the browser that asked", in: true},
		{name: "with a key in attested hardware too", acr: "phrh", in: true},
		{name: "not with a recovery code", acr: "urn:keyward:fallback"},
		{name: "not with a way of signing in that we do not know", acr: "phrase"},
		{name: "not while the account is restricted", status: "restricted"},
		{name: "not without the state", way: func(owner, _ *browser, _ string) *browser {
			owner.get("/enter?code=the-code")
			return owner
		}},
		{name: "not with a state of somebody else", way: func(owner, other *browser, _ string) *browser {
			owner.get("/enter?code=the-code&state=" + other.start().Get("state"))
			return owner
		}},
		{name: "not in a browser that never asked: a code slipped in signs nobody in", way: func(_, other *browser, state string) *browser {
			other.get("/enter?code=the-code&state=" + state)
			return other
		}},
		{name: "not in another browser that asked too: its verifier is another", way: func(_, other *browser, _ string) *browser {
			other.get("/enter?code=the-code&state=" + other.start().Get("state"))
			return other
		}},
		{name: "and a stranger's link in between does not spoil it", in: true, way: func(owner, _ *browser, state string) *browser {
			owner.get("/enter?code=another&state=of-a-stranger")
			owner.get("/enter?code=the-code&state=" + state)
			return owner
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			k := &keyward{acr: "phr", status: "active"}
			if row.acr != "" {
				k.acr = row.acr
			}
			if row.status != "" {
				k.status = row.status
			}
			server := httptest.NewServer(k)
			defer server.Close()
			e := New(Config{Keyward: server.URL, Self: "https://exchange.example", Client: "exchange", Secret: "secret"})
			owner, other := &browser{t, e, map[string]string{}}, &browser{t, e, map[string]string{}}
			ask := owner.start()
			if ask.Get("to") != "https://exchange.example/enter" || len(ask.Get("state")) != 43 || len(ask.Get("challenge")) != 43 {
				t.Fatalf("asked with %v", ask)
			}
			k.challenge = ask.Get("challenge")
			who := owner
			if row.way == nil {
				owner.get("/enter?code=the-code&state=" + ask.Get("state"))
			} else {
				who = row.way(owner, other, ask.Get("state"))
			}
			if seen := strings.Contains(who.get("/").Body.String(), "0.42"); seen != row.in {
				t.Errorf("the balance is shown: %v, want %v", seen, row.in)
			}
			if row.in && who.cookies[startCookie] != "" {
				t.Error("the secret of the way in is kept after it was used")
			}
		})
	}
}
