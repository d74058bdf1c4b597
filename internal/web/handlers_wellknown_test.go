package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// exchange has apps of its own and a policy.
func exchange() Settings {
	set := login
	set.SecurityPolicy = "https://exchange.example/security"
	set.Origins = []string{login.PublicURL, "https://exchange.example", "android:apk-key-hash:NLsmkXlA3gDCv_s5aJp1nhWdYFzUFnyDKhrEqtIDKNI"}
	var cert, next [32]byte
	cert[0], cert[31], next[0] = 0xf7, 0x0c, 0xab
	set.Android = []AndroidApp{{Package: "example.exchange.app", Certs: [][32]byte{cert, next}}}
	set.IOS = []string{"TEAM123456.example.exchange.app"}
	set.Official = []OfficialHost{{Host: "login.exchange.example"}, {Host: "www.exchange.example"}}
	set.MailFrom = []string{"security@exchange.example"}
	return set
}

const zeros = ":00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:"

// Each file letter by letter, as its specification has it: who reads it is not ours to mend.
func TestWellKnownFiles(t *testing.T) {
	h := site(t, exchange())
	for _, row := range []struct{ name, path, kind, body string }{
		{"browsers hear which sites may use our passkeys, and no app among them", "webauthn", "application/json",
			`{"origins":["https://login.exchange.example","https://exchange.example"]}`},
		{"Android hears which app is ours and who signs it", "assetlinks.json", "application/json",
			`[{"relation":["delegate_permission/common.handle_all_urls","delegate_permission/common.get_login_creds"],"target":{"namespace":"android_app","package_name":"example.exchange.app","sha256_cert_fingerprints":["F7` + zeros + `0C","AB` + zeros + `00"]}}]`},
		{"Apple hears which app is ours", "apple-app-site-association", "application/json", `{"webcredentials":{"apps":["TEAM123456.example.exchange.app"]}}`},
		{"passkey managers find where to add one and where to look", "passkey-endpoints", "application/json",
			`{"enroll":"https://login.exchange.example/passkeys/add","manage":"https://login.exchange.example/passkeys"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := visitPage(h, "/.well-known/"+row.path)
			if w.Code != 200 || w.Body.String() != row.body+"\n" || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%d\n%s\nwant\n%s", w.Code, w.Body, row.body)
			}
			if w.Header().Get("Content-Type") != row.kind || w.Header().Get("Cache-Control") != "public, max-age=3600" {
				t.Errorf("%v", w.Header())
			}
			if w.Header().Get("Set-Cookie") != "" || w.Header().Get("Vary") != "" {
				t.Errorf("it is the same for everybody: %v", w.Header())
			}
		})
	}
	t.Run("finders of holes find whom to tell and by which rules", func(t *testing.T) {
		w := visitPage(h, "/.well-known/security.txt")
		fields := map[string]string{}
		for line := range strings.Lines(w.Body.String()) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			if fields[name] != "" {
				t.Errorf("%s twice", name)
			}
			fields[name] = value
		}
		until, err := time.Parse(time.RFC3339, fields["Expires"])
		if left := time.Until(until); err != nil || left < 24*time.Hour || left > 365*24*time.Hour { // RFC 9116 §2.5.5
			t.Errorf("expires %q: %v", fields["Expires"], err)
		}
		want := map[string]string{"Contact": "mailto:security@exchange.example", "Canonical": "https://login.exchange.example/.well-known/security.txt", "Preferred-Languages": "en, ko", "Policy": "https://exchange.example/security"}
		for name, value := range want {
			if fields[name] != value {
				t.Errorf("%s: %q", name, fields[name])
			}
		}
		if kind := w.Header().Get("Content-Type"); kind != "text/plain; charset=utf-8" || len(fields) != 5 { // RFC 9116 §3
			t.Errorf("type %s, %v", kind, fields)
		}
	})
	t.Run("password managers find where passkeys are replaced", func(t *testing.T) {
		w := visitPage(h, "/.well-known/change-password", "Accept", "text/html")
		if w.Code != 302 || w.Header().Get("Location") != "/passkeys" {
			t.Errorf("%d to %q", w.Code, w.Header().Get("Location"))
		}
	})
	t.Run("and see that a file nobody has is missing, or they would not believe the others", func(t *testing.T) {
		if w := visitPage(h, "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"); w.Code != 404 {
			t.Errorf("%d", w.Code)
		}
	})
	for _, path := range []string{"webauthn", "assetlinks.json", "apple-app-site-association", "passkey-endpoints", "change-password", "security.txt"} {
		for _, method := range []string{"HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
			t.Run(method+" "+path, func(t *testing.T) {
				get := visitPage(h, "/.well-known/"+path)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(method, "/.well-known/"+path, nil))
				switch {
				case method != "HEAD" && (w.Code != 405 || !strings.Contains(w.Header().Get("Allow"), "GET")):
					t.Errorf("%d %v", w.Code, w.Header())
				case method == "HEAD" && (w.Code != get.Code || w.Header().Get("Content-Type") != get.Header().Get("Content-Type") || w.Header().Get("Location") != get.Header().Get("Location")):
					t.Errorf("%d %v", w.Code, w.Header())
				}
			})
		}
	}
}

// What is not configured is not served: an empty list could still be read as one.
func TestWhatIsNotConfiguredIsNoFile(t *testing.T) {
	bare := login
	bare.SecurityContact = ""
	h := site(t, bare)
	for _, path := range []string{"security.txt", "assetlinks.json", "apple-app-site-association"} {
		if w := visitPage(h, "/.well-known/"+path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// The same list for people, whoever they are: a page that needs a sign-in would help
// nobody who doubts the sign-in.
func TestOfficialPlacesAreReadSignedOut(t *testing.T) {
	h := site(t, exchange())
	door := visitPage(h, "/signin", "Accept", "text/html")
	if door.Code != 200 || !strings.Contains(door.Body.String(), `href="/official"`) {
		t.Errorf("the sign-in page does not lead there: %d", door.Code)
	}
	for code, never := range map[string]string{"en": "What we never do", "ko": "저희가 절대 하지 않는 일"} {
		w := visitPage(h, "/official", "Accept-Language", code)
		page := w.Body.String()
		if w.Code != http.StatusOK || !strings.Contains(page, never) {
			t.Fatalf("%s: %d", code, w.Code)
		}
		for _, said := range []string{"www.exchange.example", "example.exchange.app", "security@exchange.example"} {
			if !strings.Contains(page, said) {
				t.Errorf("%s: it does not name %s", code, said)
			}
		}
		if n := strings.Count(page, `class="fact plainhost"`); n != 2 {
			t.Errorf("%s: %d sites, the page's own is named once", code, n)
		}
		checkReferences(t, checkWellFormed(t, page))
	}
}

func TestFingerprintsAreWrittenAsKeytoolDoes(t *testing.T) {
	var d [32]byte
	for i := range d {
		d[i] = byte(i * 9)
	}
	got := fingerprint(d)
	pairs := strings.Split(got, ":")
	if len(pairs) != 32 || got != strings.ToUpper(got) || slices.ContainsFunc(pairs, func(p string) bool { return len(p) != 2 }) || pairs[1] != "09" || pairs[31] != "17" {
		t.Error(got)
	}
}
