package web

import (
	"encoding/json"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keyward/internal/account"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/edge"
	"keyward/internal/keyring/keyringtest"
	"keyward/internal/session"
	"keyward/internal/storetest"
)

// site is what answers to everybody, behind the rim it has in the server.
func site(t *testing.T, set Settings) http.Handler {
	t.Helper()
	db := storetest.SQLite(t)
	ring := keyringtest.Open(t, keyringtest.KEK(t), db, db.Now)
	log := audit.New(ring)
	devices, err := device.New(device.Config{RPID: "exchange.example", RPName: "Exchange", Origins: []string{set.PublicURL}, Now: db.Now}, ring, log)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(Parts{
		DB: db, Ring: ring, Log: log, Accounts: account.New(log, ring), Devices: devices, Renderer: renderer(t),
		Sessions: session.New(db, ring, log, session.DefaultLifetimes(), func() bool { return true }, session.Metrics{}),
	}, set)
	e, err := edge.New(edge.Options{Now: db.Now, PublicURL: set.PublicURL, Pages: s.Problem, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s.Routes(mux, e)
	return e.Handler(edge.Routes(mux))
}

var login = Settings{PublicURL: "https://login.exchange.example", Product: "Exchange", SecurityContact: "mailto:security@exchange.example"}

func visitPage(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A problem's "type" and "docs" must lead somewhere, for every code there is.
func TestEveryCodeOfTheTableIsExplained(t *testing.T) {
	h := site(t, login)
	for _, code := range []string{"en", "ko"} {
		w := visitPage(h, "/docs/errors", "Accept-Language", code)
		if w.Code != 200 {
			t.Fatalf("%s: %d", code, w.Code)
		}
		page := w.Body.String()
		checkReferences(t, checkWellFormed(t, page))
		for _, c := range edge.Codes(code) {
			if !strings.Contains(page, `id="`+c.Code+`"`) || !strings.Contains(page, `id="`+c.Anchor+`"`) || !strings.Contains(page, html.EscapeString(c.Title)) {
				t.Errorf("%s: %s (chapter %s) is not explained: name the chapter in views_docs.go", code, c.Code, c.Anchor)
			}
		}
	}
}

func TestARefusalLeadsToItsExplanation(t *testing.T) {
	h := site(t, login)
	var p struct{ Type, Docs string }
	if err := json.Unmarshal(visitPage(h, "/nowhere").Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	path, anchor, _ := strings.Cut(strings.TrimPrefix(p.Type, login.PublicURL), "#")
	if w := visitPage(h, path); w.Code != 200 || !strings.Contains(w.Body.String(), `id="`+anchor+`"`) {
		t.Errorf("%s leads to %d", p.Type, w.Code)
	}
}

func TestCrawlersStayOut(t *testing.T) {
	if w := visitPage(site(t, login), "/robots.txt"); w.Code != 200 || w.Body.String() != "User-agent: *\nDisallow: /\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}
