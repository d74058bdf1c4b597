package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"keyward/internal/place"
	"keyward/internal/place/placetest"
	"keyward/internal/signin/signintest"
)

// tab is a browser without script.
type tab struct {
	front
	addr, agent string
	jar         map[string]string
}

func (f front) tab(addr, agent string) *tab { return &tab{f, addr, agent, map[string]string{}} }

func (b *tab) send(method, path string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(method, signintest.Origin+path, strings.NewReader(form.Encode()))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("User-Agent", b.agent)
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	out := b.front.send(r, b.addr)
	for _, c := range out.Result().Cookies() {
		if b.jar[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.jar, c.Name)
		}
	}
	return out
}

// TestTheJoinPagesWithoutScript goes from the code to the answer by forms and reloads.
// Each row is a newcomer and what the owner's page must, and must not, say of it.
func TestTheJoinPagesWithoutScript(t *testing.T) {
	const safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
	file := placetest.Write(t, placetest.Records{
		signintest.Home.String() + "/24": placetest.Named("Seoul", "서울", "South Korea", "대한민국"),
		"192.0.2.0/24":                   placetest.Named("Busan", "부산", "South Korea", "대한민국"),
		"198.51.100.0/24":                placetest.Named("Lyon", "리옹", "France", "프랑스"),
	})
	rows := []struct {
		name, addr string
		says, not  []string
	}{
		{"beside the owner", "203.0.113.99", []string{"The same network as yours", "Seoul, South Korea"}, []string{"somewhere else", "is on another network"}},
		{"on mobile data in the same country", "192.0.2.4", []string{"The new device is on another network", "Busan, South Korea"}, []string{"somewhere else"}},
		{"in another country", "198.51.100.66", []string{"The new device is somewhere else", "Lyon, France", "Seoul, South Korea"}, []string{"That is normal"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			signintest.Each(t, func(t *testing.T, w *signintest.World) {
				places, err := place.Open(file)
				w.Must(err)
				f := newFront(t, w, func(s *Server) { s.Places = places })
				p := w.NewPerson()
				p.JKT = ""
				w.Must(p.SignUp())
				mine := f.tab(signintest.Home.String(), "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
				mine.jar["__Host-kw_at"] = p.Iss.Access
				other := f.tab(row.addr, safari)

				f.wants(other.send("GET", "/new", nil), 200, "This is a new device", "Show a code", "Nobody from us ever asks for this code")
				if got := other.send("POST", "/new", nil); got.Code != 303 || strings.Contains(got.Header().Get("Location"), "-") {
					t.Fatalf("%d to %q", got.Code, got.Header().Get("Location"))
				}
				code := other.jar[joinCookie]
				f.wants(other.send("GET", "/new", nil), 200, code, "Type this code into your other device")
				f.wants(other.send("GET", "/new/state", nil), 200, `"shown"`)

				f.wants(mine.send("POST", "/devices/add", url.Values{"code": {"00000-00000"}}), 422, "This code opens nothing")
				got := mine.send("POST", "/devices/add", url.Values{"code": {code}})
				path := got.Header().Get("Location")
				if got.Code != 303 || !strings.HasPrefix(path, "/joins/joi_") {
					t.Fatalf("%d to %q: %s", got.Code, path, got.Body)
				}
				got = mine.send("GET", path, nil)
				f.wants(got, 200, append(row.says, "Safari on iPhone", row.addr, "Firefox on Linux", signintest.Home.String(), "Withdrawals pause for 24 hours", "Did somebody send you this code")...)
				// The safe answer comes first and is the filled button, whoever asks.
				safe, wide := strings.Index(got.Body.String(), "<button>No, that is not me"), strings.Index(got.Body.String(), `<button class="secondary">`)
				if safe < 0 || wide < safe || !strings.Contains(got.Body.String()[wide:], "Yes, this is mine") {
					t.Errorf("no stands at %d, yes at %d", safe, wide)
				}
				for _, word := range row.not {
					if strings.Contains(got.Body.String(), word) {
						t.Errorf("the page says %q", word)
					}
				}
				f.wants(other.send("GET", "/new", nil), 200, "Now say yes on your other device")
				moved := *other
				moved.addr = "2001:db8:9::1"
				f.wants(moved.send("GET", "/new", nil), 200, "This device is in another network now", "Show a code")
				f.wants(moved.send("GET", "/new/state", nil), 200, `"moved"`)
				if strings.Contains(other.send("GET", "/new", nil).Body.String(), p.Mail) {
					t.Error("the newcomer learns whose account it is")
				}
				// A yes without a touch leads to the page that asks for one, which names the newcomer.
				got = mine.send("POST", path+"/admit", nil)
				if to := got.Header().Get("Location"); got.Code != 303 || !strings.HasPrefix(to, "/stepup?act=devices.admit") {
					t.Fatalf("%d to %q", got.Code, to)
				} else {
					f.wants(mine.send("GET", to, nil), 200, "Let a new device in: Safari on iPhone", row.addr)
				}
				if got = mine.send("POST", path+"/refuse", nil); got.Code != 303 {
					t.Fatalf("%d: %s", got.Code, got.Body)
				}
				f.wants(mine.send("GET", path, nil), 200, "It was refused")
				f.wants(other.send("GET", "/new", nil), 200, "This code is over")
				f.wants(other.send("GET", "/new", nil), 200, "This is a new device")
				f.wants(mine.send("POST", "/devices/add", url.Values{"code": {code}}), 422, "This code opens nothing")
				for range 2 {
					mine.send("POST", "/devices/add", url.Values{"code": {code}})
				}
				f.wants(mine.send("POST", "/devices/add", url.Values{"code": {code}}), 429, "Too many tries")
			})
		})
	}
}

// A copied cookie of a session with a key types no code: the key has to have spoken.
func TestACopiedCookieTypesNoCode(t *testing.T) {
	signintest.Each(t, func(t *testing.T, w *signintest.World) {
		f := newFront(t, w)
		p := w.Person()
		thief := f.tab(signintest.Home.String(), "curl/8")
		thief.jar["__Host-kw_at"] = p.Iss.Access
		w.Clock.Sleep(2 * time.Minute)
		got := thief.send("POST", "/devices/add", url.Values{"code": {"00000-00000"}})
		if got.Code != 401 || !strings.Contains(got.Body.String(), "proof") {
			t.Errorf("%d: %s", got.Code, got.Body)
		}
	})
}
