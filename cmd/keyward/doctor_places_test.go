package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyward/internal/config"
	"keyward/internal/notify"
	"keyward/internal/store"
)

// placesOf is a real server with apps of its own, behind whatever a proxy makes of it.
func placesOf(t *testing.T) (http.Handler, config.Config) {
	t.Helper()
	dir := t.TempDir()
	cfg, err := config.Config{
		PublicURL: "https://id.example.com", BehindProxy: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, SecurityContact: "mailto:security@example.com", SecurityPolicy: "https://example.com/security",
		RP:       config.RP{ID: "example.com", Origins: []string{"https://id.example.com", "https://www.example.com", "android:apk-key-hash:NLsmkXlA3gDCv_s5aJp1nhWdYFzUFnyDKhrEqtIDKNI"}},
		Limits:   config.Limits{RateFactor: 20}, // one address asks for all
		Database: config.Database{URL: "sqlite:" + filepath.Join(dir, "keyward.db")}, KeyFile: filepath.Join(dir, "keyward.key"), AnchorFile: filepath.Join(dir, "keyward.anchor"),
		Apps: config.Apps{Android: []config.AndroidApp{{Package: "com.example.exchange", SHA256: []string{"f7" + strings.Repeat("0C", 31)}}}, IOS: []string{"TEAM123456.com.example.exchange"}},
	}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Migrate(t.Context(), store.Options{URL: cfg.Database.URL}); err != nil {
		t.Fatal(err)
	}
	a, err := newApp(t.Context(), cfg, slog.New(slog.DiscardHandler), extras{mailer: notify.NewCatcher()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.close() })
	return a.public, cfg
}

// lookThrough asks doctor about a server that is reached under every name.
func lookThrough(t *testing.T, h http.Handler, cfg config.Config) (failed map[string]string, looked int) {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	defer srv.Close()
	tr := srv.Client().Transport.(*http.Transport).Clone()
	tr.TLSClientConfig.ServerName = "example.com" // whom the test's certificate speaks for
	tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", srv.Listener.Addr().String())
	}
	defer tr.CloseIdleConnections()
	public, err := url.Parse(cfg.PublicURL)
	if err != nil {
		t.Fatal(err)
	}
	failed = map[string]string{}
	for _, f := range lookAtPlaces(t.Context(), tr, cfg, public, time.Now()) {
		looked++
		if f.err == nil {
			continue
		}
		if f.fix == "" || !strings.Contains(f.fix, f.what[strings.LastIndexByte(f.what, '/')+1:]) {
			t.Errorf("%s: the fix says %q", f.what, f.fix)
		}
		failed[f.what] = f.err.Error()
	}
	return failed, looked
}

func TestDoctorBelievesAServerThatTellsTheTruth(t *testing.T) {
	h, cfg := placesOf(t)
	failed, looked := lookThrough(t, h, cfg)
	if len(failed) > 0 || looked != 10 { // six at the public URL, four at the RP ID
		t.Errorf("%d looked at, failed: %v", looked, failed)
	}
	t.Run("and one without apps and contact, which has no such files", func(t *testing.T) {
		bare := cfg
		bare.Apps.Android, bare.Apps.IOS, bare.SecurityContact, bare.SecurityPolicy = nil, nil, "", ""
		missing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path[len("/.well-known/"):] {
			case "assetlinks.json", "apple-app-site-association", "security.txt":
				http.NotFound(w, r)
			default:
				h.ServeHTTP(w, r)
			}
		})
		if failed, _ := lookThrough(t, missing, bare); len(failed) > 0 {
			t.Errorf("%v", failed)
		}
	})
}

func TestDoctorFindsEachLieAboutOfficialPlaces(t *testing.T) {
	h, cfg := placesOf(t)
	const id, rp = "https://id.example.com/.well-known/", "https://example.com/.well-known/"
	cert := "F7" + strings.Repeat(":0C", 31)
	link := func(pkg, certs, relations string) string {
		return `[{"relation":[` + relations + `],"target":{"namespace":"android_app","package_name":"` + pkg + `","sha256_cert_fingerprints":[` + certs + `]}}]`
	}
	const both = `"delegate_permission/common.handle_all_urls","delegate_permission/common.get_login_creds"`
	says := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Write([]byte(body))
		}
	}
	jsonSays := func(body string) http.HandlerFunc { return says("application/json", body) }
	security := func(lines ...string) http.HandlerFunc {
		return says("text/plain; charset=utf-8", strings.Join(lines, "\n")+"\n")
	}
	const contact, canonical, policy = "Contact: mailto:security@example.com", "Canonical: https://id.example.com/.well-known/security.txt", "Policy: https://example.com/security"
	soon := "Expires: " + time.Now().Add(48*time.Hour).UTC().Format(time.RFC3339)
	for _, row := range []struct {
		name, at string
		lie      http.HandlerFunc
		finds    string
	}{
		{"the file is not there", id + "assetlinks.json", http.NotFound, "404"},
		{"the proxy redirects to www", id + "apple-app-site-association", http.RedirectHandler("https://www.example.com/x", http.StatusMovedPermanently).ServeHTTP, "redirects to \"https://www.example.com/x\""},
		{"the domain of the passkeys redirects to the public URL", rp + "assetlinks.json", http.RedirectHandler(id+"assetlinks.json", http.StatusFound).ServeHTTP, "none is allowed"},
		{"the domain of the passkeys has a page for everything", rp + "passkey-endpoints", says("text/html", "<p>Hello"), "its type is"},
		{"JSON that calls itself plain text", id + "webauthn", says("text/plain", `{"origins":[]}`), "its type is"},
		{"a file of megabytes", id + "webauthn", jsonSays(strings.Repeat(" ", placeMost+2)), "larger than 128 KiB"},
		{"not JSON", id + "webauthn", jsonSays("origins"), "not the JSON of WebAuthn"},
		{"an origin of somebody else", id + "webauthn", jsonSays(`{"origins":["https://id.example.com","https://www.example.com","https://evil.example"]}`), `"https://evil.example", which is not in the configuration`},
		{"an origin of somebody else on the domain of the passkeys", rp + "webauthn", jsonSays(`{"origins":["https://id.example.com","https://www.example.com","https://evil.example"]}`), "evil.example"},
		{"an origin too few", id + "webauthn", jsonSays(`{"origins":["https://id.example.com"]}`), "https://www.example.com is not in it"},
		{"somebody else's page for passkeys", id + "passkey-endpoints", jsonSays(`{"enroll":"https://evil.example/","manage":"https://id.example.com/passkeys"}`), "enroll is"},
		{"and for looking at them", id + "passkey-endpoints", jsonSays(`{"enroll":"https://id.example.com/passkeys/add","manage":"https://evil.example/"}`), "manage is"},
		{"another app", id + "assetlinks.json", jsonSays(link("com.evil", `"`+cert+`"`, both)), `speaks for "com.evil"`},
		{"a site beside the app", id + "assetlinks.json", jsonSays(`[{"relation":[` + both + `],"target":{"namespace":"web","site":"https://evil.example"}}]`), `"https://evil.example"`},
		{"no app at all", id + "assetlinks.json", jsonSays(`[]`), "com.example.exchange is not in it"},
		{"another certificate", id + "assetlinks.json", jsonSays(link("com.example.exchange", `"AA`+strings.Repeat(":0C", 31)+`"`, both)), "is not in it"},
		{"another certificate beside ours", id + "assetlinks.json", jsonSays(link("com.example.exchange", `"`+cert+`","AA`+strings.Repeat(":0C", 31)+`"`, both)), "not in the configuration"},
		{"a fingerprint in lower case, which Android does not take", id + "assetlinks.json", jsonSays(link("com.example.exchange", `"`+strings.ToLower(cert)+`"`, both)), "is not in it"},
		{"passkeys are not allowed to the app", id + "assetlinks.json", jsonSays(link("com.example.exchange", `"`+cert+`"`, `"delegate_permission/common.get_login_creds"`)), "no relation delegate_permission/common.handle_all_urls"},
		{"another team's app", id + "apple-app-site-association", jsonSays(`{"webcredentials":{"apps":["EVIL123456.com.example.exchange"]}}`), "TEAM123456.com.example.exchange is not in it"},
		{"links alone", id + "apple-app-site-association", jsonSays(`{"applinks":{"details":[]}}`), "is not in it"},
		{"reports of holes go to somebody else too", id + "security.txt", security(contact, "Contact: mailto:a@evil.example", soon, canonical, policy), "a@evil.example"},
		{"nobody reads reports any more", id + "security.txt", security(contact, "Expires: 2024-01-01T00:00:00Z", canonical, policy), "expired"},
		{"it never ends", id + "security.txt", security(contact, canonical, policy), "0 lines of Expires"},
		{"a copy of another site's", id + "security.txt", security(contact, soon, "Canonical: https://example.com/security.txt", policy), "canonical"},
		{"without the policy", id + "security.txt", security(contact, soon, canonical), "policy"},
		{"passwords are changed elsewhere", id + "change-password", http.RedirectHandler("https://evil.example/", http.StatusFound).ServeHTTP, "leads to"},
		{"for good, which clients keep", id + "change-password", http.RedirectHandler("/passkeys", http.StatusMovedPermanently).ServeHTTP, "not with a redirect of the moment"},
		{"everything exists, so nothing is believed", id + "resource-that-should-not-exist-whose-status-code-should-not-be-200", says("text/html", "hello"), "do not believe"},
	} {
		t.Run(row.name, func(t *testing.T) {
			failed, _ := lookThrough(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if "https://"+r.Host+r.URL.Path == row.at {
					row.lie(w, r)
					return
				}
				h.ServeHTTP(w, r)
			}), cfg)
			at := row.at
			if strings.Contains(at, "resource-that") {
				at = id + "change-password"
			}
			if len(failed) != 1 || !strings.Contains(failed[at], row.finds) {
				t.Errorf("found %v, want %q at %s", failed, row.finds, at)
			}
		})
	}
	t.Run("an app that nobody configured", func(t *testing.T) {
		bare := cfg
		bare.Apps.Android, bare.Apps.IOS = nil, nil
		failed, _ := lookThrough(t, h, bare)
		if len(failed) != 4 {
			t.Errorf("%v", failed)
		}
	})
	t.Run("a host that answers nobody is told once", func(t *testing.T) {
		failed, looked := lookThrough(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host == "example.com" {
				panic(http.ErrAbortHandler)
			}
			h.ServeHTTP(w, r)
		}), cfg)
		if len(failed) != 1 || looked != 7 {
			t.Errorf("%d looked at: %v", looked, failed)
		}
	})
}
