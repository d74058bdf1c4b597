package web

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/proof/prooftest"
	"keyward/internal/session"
	"keyward/internal/signin/signintest"
	"keyward/internal/store"
)

// jarred is a browser over plain HTTP: cookies, a WebCrypto key, a device key.
type jarred struct {
	f       front
	p       *signintest.Person
	jar     map[string]string
	web     *prooftest.Key
	device  *prooftest.Key
	nonce   string
	session string
	addr    string
}

// browserOf signs a person in at the pages.
func browserOf(t *testing.T, w *signintest.World, p *signintest.Person, keys bool) (*jarred, http.Header) {
	t.Helper()
	f := newFront(t, w)
	f.s.set.DeviceKeys = keys
	b := &jarred{f: f, p: p, jar: map[string]string{}, addr: signintest.Home.String(), web: prooftest.NewKey(), device: prooftest.NewKey()}
	res := b.passkey("/signin/finish", http.StatusOK, p)
	return b, res.Header()
}

// passkey touches and sends the answer somewhere.
func (b *jarred) passkey(to string, want int, p *signintest.Person) *httptest.ResponseRecorder {
	b.f.t.Helper()
	begun := b.send("POST", "/signin/begin", `{}`, http.StatusOK)
	var in struct{ Options json.RawMessage }
	b.f.w.Must(json.Unmarshal(begun.Body.Bytes(), &in))
	answer, err := p.Browser().Get(in.Options)
	b.f.w.Must(err)
	return b.send("POST", to, `{"credential":`+string(answer)+`,"to":"/devices"}`, want)
}

// send speaks as the browser does: with its jar, and with a proof where it posts.
func (b *jarred) send(method, path, body string, want int, header ...string) *httptest.ResponseRecorder {
	b.f.t.Helper()
	r := httptest.NewRequest(method, signintest.Origin+path, strings.NewReader(body))
	r.RemoteAddr = b.addr + ":1234"
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Accept", "text/html")
	if method == "POST" {
		r.Header.Set("Accept", "application/json")
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		if b.nonce != "" && !strings.HasPrefix(path, "/session/bound") {
			r.Header.Set("DPoP", b.web.Proof("POST", signintest.Origin+path, b.f.w.DB.Now(), prooftest.Nonce(b.nonce)))
		}
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for _, name := range slices.Sorted(maps.Keys(b.jar)) {
		r.AddCookie(&http.Cookie{Name: name, Value: b.jar[name]})
	}
	out := httptest.NewRecorder()
	b.f.h.ServeHTTP(out, r)
	if out.Code != want {
		b.f.t.Fatalf("%s %s is %d, not %d: %s", method, path, out.Code, want, out.Body)
	}
	if n := out.Header().Get("DPoP-Nonce"); n != "" {
		b.nonce = n
	}
	for _, c := range out.Result().Cookies() {
		if b.jar[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.jar, c.Name)
		}
	}
	return out
}

var (
	offered    = regexp.MustCompile(`^\(ES256\);path="(/[a-z/]+)";challenge="([^"]+)";authorization="([^"]+)"$`)
	challenged = regexp.MustCompile(`^"([^"]+)";id="(ses_[^"]+)"$`)
)

const bc = "__Host-kw_bc"

// binds registers the device key, and waits until that counts.
func (b *jarred) binds(h http.Header) *httptest.ResponseRecorder {
	b.f.t.Helper()
	m := offered.FindStringSubmatch(h.Get("Secure-Session-Registration"))
	if m == nil {
		b.f.t.Fatalf("the offer reads %q", h.Get("Secure-Session-Registration"))
	}
	res := b.send("POST", m[1], "", http.StatusOK, "Secure-Session-Response", b.device.Registration(m[2], m[3]))
	b.session = challenged.FindStringSubmatch(res.Header().Get("Secure-Session-Challenge"))[2]
	b.f.w.Clock.Sleep(11 * time.Second)
	return res
}

func (b *jarred) challenge(res *httptest.ResponseRecorder) string {
	b.f.t.Helper()
	m := challenged.FindStringSubmatch(res.Header().Get("Secure-Session-Challenge"))
	if m == nil || m[2] != b.session {
		b.f.t.Fatalf("the challenge reads %q", res.Header().Get("Secure-Session-Challenge"))
	}
	return m[1]
}

func (b *jarred) shows(want int, header ...string) *httptest.ResponseRecorder {
	b.f.t.Helper()
	return b.send("POST", "/session/bound", "", want, append([]string{"Sec-Secure-Session-Id", b.session}, header...)...)
}

func (b *jarred) ended(id string) (why string) {
	b.f.t.Helper()
	b.f.w.Must(b.f.w.DB.View(b.f.t.Context(), func(tx *store.Tx) error {
		ses, err := b.f.w.Sessions.ByID(tx, b.p.Account, session.ID(id))
		why = ses.EndedWhy
		return err
	}))
	return why
}

func TestASignInOffersABrowserToBindItsSession(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		b, h := browserOf(t, w, w.Person(), true)
		res := b.binds(h)
		var in struct {
			ID         string `json:"session_identifier"`
			RefreshURL string `json:"refresh_url"`
			Continue   *bool  `json:"continue"`
			Scope      struct {
				Origin        string `json:"origin"`
				IncludeSite   *bool  `json:"include_site"`
				Specification []struct{ Type, Domain, Path string }
			} `json:"scope"`
			Credentials []struct{ Type, Name, Attributes string } `json:"credentials"`
		}
		w.Must(json.Unmarshal(res.Body.Bytes(), &in))
		if !strings.HasPrefix(in.ID, "ses_") || in.RefreshURL != "/session/bound" || in.Continue != nil || in.Scope.Origin != signintest.Origin || in.Scope.IncludeSite == nil || *in.Scope.IncludeSite {
			t.Errorf("instructed with %s", res.Body)
		}
		if len(in.Credentials) != 1 || in.Credentials[0].Name != bc || in.Credentials[0].Type != "cookie" {
			t.Fatalf("credentials of %s", res.Body)
		}
		// What was announced is what was set, or the browser would miss it for ever.
		set := ""
		for _, line := range res.Header()["Set-Cookie"] {
			if strings.HasPrefix(line, bc+"=") {
				set = line
			}
		}
		for _, attribute := range strings.Split(in.Credentials[0].Attributes, "; ") {
			if !strings.Contains(set, "; "+attribute) {
				t.Errorf("%q is announced and not set: %s", attribute, set)
			}
		}
		if !strings.Contains(set, "; Max-Age=600;") {
			t.Errorf("set is %s", set)
		}
		b.f.wants(b.send("GET", "/devices", "", 200), 200, "Bound to this browser by the device’s own key since <time")
		if got := w.Events(b.p.Account); strings.Count(got, "session.bound") != 1 {
			t.Errorf("the log says %q", got)
		}
	})
}

func TestWithoutTheSettingNothingIsOffered(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		_, h := browserOf(t, w, w.Person(), false)
		if h.Get("Secure-Session-Registration") != "" {
			t.Error("offered")
		}
	})
}

// The endpoint of the refresh, spoken to with code of our own.
func TestOnlyTheDeviceKeyGetsACookie(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		b, h := browserOf(t, w, w.Person(), true)
		other, h2 := browserOf(t, w, w.Person(), true)
		b.binds(h)
		foreign := other.challenge(other.binds(h2))
		delete(b.jar, bc)
		none := func(res *httptest.ResponseRecorder) string {
			t.Helper()
			if b.jar[bc] != "" {
				t.Fatal("a cookie without a proof")
			}
			return b.challenge(res)
		}
		first := none(b.shows(403))
		none(b.shows(403, "Secure-Session-Skipped", `quota_exceeded;session_identifier="`+b.session+`"`)) // proves nothing
		none(b.shows(403, "Secure-Session-Response", b.device.Device(foreign)))
		none(b.shows(403, "Secure-Session-Response", b.device.Device("c1")))
		b.shows(401, "Secure-Session-Response", prooftest.NewKey().Device(first))
		b.shows(401, "Secure-Session-Response", b.device.Device(first, prooftest.Head("jwk", b.device.JWK())))
		b.shows(401, "Secure-Session-Response", "junk")
		b.shows(401, "Sec-Secure-Session-Id", "ses_1, ses_2")
		b.send("POST", "/session/bound", "", 401)
		b.send("POST", "/session/bound/new", "", 401)
		b.shows(403, "Sec-Fetch-Site", "cross-site")
		if b.jar[bc] != "" {
			t.Fatal("a cookie without a proof")
		}
		if got := w.Events(b.p.Account); strings.Count(got, "session.suspect") != 1 {
			t.Errorf("a foreign key with the session's own token: the log says %q", got)
		}

		jwt := b.device.Device(first)
		res := b.shows(200, "Sec-Secure-Session-Id", `"`+b.session+`"`, "Secure-Session-Response", `"`+jwt+`"`) // as the draft writes it
		next := b.challenge(res)
		if b.jar[bc] == "" {
			t.Fatal("no cookie for the key")
		}
		delete(b.jar, bc)
		none(b.shows(403, "Secure-Session-Response", jwt)) // replayed
		b.challenge(b.shows(200, "Secure-Session-Response", b.device.Device(next)))
		b.send("GET", "/devices", "", 200)

		// Signed out: the browser may forget it.
		next = b.challenge(b.shows(403))
		b.send("POST", "/signout", "", 303)
		if b.jar[bc] != "" {
			t.Error("signing out left the bound cookie")
		}
		res = b.shows(200, "Secure-Session-Response", b.device.Device(next))
		if !strings.Contains(res.Body.String(), `"continue":false`) || b.jar[bc] != "" {
			t.Errorf("after the end: %s", res.Body)
		}
	})
}

// Everything but the key of the device: refused, told, and a touch begins anew.
func TestWithoutTheDeviceKeyThereIsATouch(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		b, h := browserOf(t, w, w.Person(), true)
		b.binds(h)
		w.Must(b.send("GET", "/devices", "", 200).Result().Body.Close())
		delete(b.jar, bc)
		if to := b.send("GET", "/devices", "", 303).Header().Get("Location"); to != "/session/renew?to=%2Fdevices" {
			t.Errorf("led to %s", to)
		}
		b.send("GET", "/session/state", "", 200)
		for range 2 {
			res := b.send("POST", "/session/renew", "", 401, "Secure-Session-Skipped", `quota_exceeded;session_identifier="`+b.session+`"`)
			if !strings.Contains(res.Body.String(), `"bound_missing"`) {
				t.Errorf("refused with %s", res.Body)
			}
		}
		if got := w.Events(b.p.Account); strings.Count(got, "session.lapsed") != 1 || b.ended(b.session) != "" {
			t.Errorf("the log says %q, the session %q", got, b.ended(b.session))
		}
		b.f.wants(b.send("GET", "/session/touch?to=%2Fdevices", "", 200), 200, "your browser did not show it", "Confirm with a passkey")
		// Nobody proves anything to pull the brake.
		if to := b.send("GET", "/session/touch?to=%2Ffreeze", "", 303).Header().Get("Location"); to != "/freeze?out=yes" {
			t.Errorf("freezing leads to %s", to)
		}
		b.send("GET", "/freeze?out=yes", "", 200)

		// A thief with a passkey of their own gets into their own account, and the owner's
		// session stays.
		thief := *b
		thief.jar, thief.web = maps.Clone(b.jar), prooftest.NewKey()
		thief.passkey("/session/touch", 200, w.Person())
		if why := b.ended(b.session); why != "" {
			t.Fatalf("a thief ended the owner's session: %s", why)
		}

		res := b.passkey("/session/touch", 200, b.p)
		if res.Header().Get("Secure-Session-Registration") != "" {
			t.Error("a browser that failed at it is invited again")
		}
		if why := b.ended(b.session); why != session.EndedLapsed {
			t.Errorf("the session that lapsed: %q", why)
		}
		b.f.wants(b.send("GET", "/activity", "", 200), 200, "had not shown its device’s own key", "was used without its device’s own key")
		b.send("POST", "/session/renew", "", 200)
		// And there is nothing to touch for any more.
		if to := b.send("GET", "/session/touch?to=%2Fdevices", "", 303).Header().Get("Location"); to != "/devices" {
			t.Errorf("led to %s", to)
		}
	})
}

// The browser's own session of before is ended even when it has lost its device cookie.
func TestTheTouchEndsTheSessionThatLapsed(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		b, h := browserOf(t, w, w.Person(), true)
		b.binds(h)
		delete(b.jar, bc)
		delete(b.jar, "__Host-kw_device")
		b.passkey("/session/touch", 200, b.p)
		if why := b.ended(b.session); why != session.EndedLapsed {
			t.Errorf("the session that lapsed: %q", why)
		}
	})
}

// An owner closes the laptop, goes elsewhere and opens it before the bound cookie ended:
// the access cookie is gone, the bound one is of the other network. The page that renews
// asks first how things stand, and that answer has the browser show its key.
func TestWhoMovesWithALiveCookieIsAskedForTheKeyAndNotForATouch(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		b, h := browserOf(t, w, w.Person(), true)
		next := b.challenge(b.binds(h))
		b.send("GET", "/session/state", "", 200)
		if b.jar[bc] == "" {
			t.Fatal("a good cookie was taken away")
		}
		w.Clock.Sleep(6 * time.Minute)
		b.addr = "198.51.100.9"
		delete(b.jar, "__Host-kw_at")
		b.send("GET", "/session/state", "", 200)
		if b.jar[bc] != "" {
			t.Fatal("the cookie of another network stays, and the browser sees no reason to show its key")
		}
		b.shows(200, "Secure-Session-Response", b.device.Device(next))
		b.send("POST", "/session/renew", "", 200)
		b.send("GET", "/devices", "", 200)
		if got := w.Events(b.p.Account); strings.Contains(got, "lapsed") || strings.Contains(got, "suspect") {
			t.Errorf("the log says %q", got)
		}
	})
}
