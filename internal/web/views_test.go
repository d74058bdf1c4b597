package web

import (
	"bytes"
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"keyward/internal/lang"
)

var update = flag.Bool("update", false, "write testdata/golden anew; read the diff before you commit it")

func renderer(t testing.TB) *Renderer {
	t.Helper()
	r, err := NewRenderer("")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// drawn is a fixture as the browser gets it.
func drawn(t testing.TB, r *Renderer, f fixture, code string) string {
	t.Helper()
	w := httptest.NewRecorder()
	if err := r.Render(w, 200, f.view(code)); err != nil {
		t.Fatalf("%s in %s: %v", f.name, code, err)
	}
	return w.Body.String()
}

// The golden pages are what reviewers read: each page in both languages, with the version of the static files taken out.
func TestPagesMatchTheGoldenFiles(t *testing.T) {
	r := renderer(t)
	for _, f := range fixtures {
		for _, code := range []string{lang.EN, lang.KO} {
			page := strings.ReplaceAll(drawn(t, r, f, code), r.version, "VERSION")
			name := filepath.Join("testdata", "golden", f.name+"."+code+".html")
			if *update {
				if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			golden, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if string(golden) != page {
				t.Errorf("%s differs from %s at %s; if it should, run with -update and read the diff", f.name, name, firstDifference(string(golden), page))
			}
		}
	}
}

func firstDifference(want, got string) string {
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			from, to := max(0, i-40), i+60
			return "…" + got[from:min(to, len(got))] + "…"
		}
	}
	return "the end"
}

// Every page struct has a fixture, so that no page goes unseen.
func TestEveryPageHasAFixture(t *testing.T) {
	r := renderer(t)
	seen := map[string]bool{}
	for _, f := range fixtures {
		name, _ := f.view(lang.EN).page()
		seen[name] = true
	}
	for name := range r.pages {
		if !seen[name] {
			t.Errorf("templates/pages/%s.html has no fixture", name)
		}
	}
}

// KEYWARD_PAGES=dir writes all pages in all languages and both themes, for e2e/pictures.
func TestWritePages(t *testing.T) {
	dir := os.Getenv("KEYWARD_PAGES")
	if dir == "" {
		t.Skip("KEYWARD_PAGES is not set")
	}
	r := renderer(t)
	for _, f := range fixtures {
		for _, code := range []string{lang.EN, lang.KO, lang.Long} {
			page := drawn(t, r, f, code)
			for _, theme := range []string{"light", "dark"} {
				name := filepath.Join(dir, f.name+"."+code+"."+theme+".html")
				themed := strings.Replace(page, "<html ", `<html data-theme="`+theme+`" `, 1)
				if err := os.WriteFile(name, []byte(themed), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestAPageIsWrittenWholeOrNotAtAll(t *testing.T) {
	r := renderer(t)
	w := httptest.NewRecorder()
	if err := r.Render(w, 200, &Home{}); err == nil { // a security home of nobody
		t.Fatal("a home without Who was rendered")
	}
	if w.Body.Len() != 0 || len(w.Header()) != 0 {
		t.Errorf("after an error %d bytes and headers %v were sent", w.Body.Len(), w.Header())
	}
}

func TestNamesPeopleTypeStayNames(t *testing.T) {
	r := renderer(t)
	const evil = `<script>alert(1)</script>"'&`
	v := &Passkeys{Base: in(lang.EN, "/passkeys"), Keys: []Passkey{{ID: "key_1", Name: evil, Kind: OnPhone, Maker: evil, Grade: Shared, LastOn: Agent{evil, evil}, LastUsed: at(1, 1, 1)}}}
	v.Who.Mail = evil
	v.Receipt = &Receipt{Did: DidRenamePasskey, Name: evil}
	var b bytes.Buffer
	if err := r.write(&b, v); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script>alert") {
		t.Error("a name became markup")
	}
}

func TestLinksStayOnTheSite(t *testing.T) {
	for _, c := range []struct{ what, to string }{
		{"a path with a query survives as one value", "/devices?a=1&b=2"},
		{"a quote cannot leave the attribute", `/"><script>`},
	} {
		t.Run(c.what, func(t *testing.T) {
			var b bytes.Buffer
			if err := renderer(t).write(&b, &Renew{Base: out(lang.EN, "/"), To: c.to}); err != nil {
				t.Fatal(err)
			}
			checkWellFormed(t, b.String())
			if !strings.Contains(b.String(), `href="/signin?to=%2F`) {
				t.Error("the way back is not one encoded value")
			}
		})
	}
}

func TestWeekSortsSignInsIntoTheOwnersDays(t *testing.T) {
	now := time.Date(2026, 3, 12, 1, 0, 0, 0, seoul) // the 11th in UTC
	days := Week(now, seoul, []Mark{
		{At: time.Date(2026, 3, 11, 23, 59, 0, 0, seoul)}, {At: time.Date(2026, 3, 12, 0, 1, 0, 0, seoul), New: true},
		{At: time.Date(2026, 3, 5, 23, 59, 0, 0, seoul)}, // eight days ago
	})
	var got []int
	for _, d := range days {
		got = append(got, len(d.Marks))
	}
	if want := []int{0, 0, 0, 0, 0, 1, 1}; !reflect.DeepEqual(got, want) || !days[6].HasNew() || days[6].Day.Day() != 12 {
		t.Errorf("marks per day %v, want %v; last day %v", got, want, days[6].Day)
	}
}

func TestActivityIsGroupedByTheOwnersDay(t *testing.T) {
	v := &Activity{Base: out(lang.EN, "/"), Entries: []Entry{{At: at(12, 0, 30)}, {At: at(11, 23, 30)}, {At: at(11, 9, 0)}}}
	days := v.Days()
	if len(days) != 2 || !days[0].Today || days[1].Today || len(days[1].Entries) != 2 {
		t.Errorf("days: %+v", days)
	}
}

func TestTheLastWayInCannotBeOfferedForRemoval(t *testing.T) {
	r := renderer(t)
	var b bytes.Buffer
	if err := r.write(&b, &Impact{Base: in(lang.EN, "/"), Of: OfPasskey, ID: "key_1", Name: "x", Passkeys: []string{"x"}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), `action="/passkeys/key_1/remove"`) {
		t.Error("the page offers to remove the last passkey")
	}
}

func TestOnlyAddressesOfThisHostBecomeLinksInACaughtMail(t *testing.T) {
	m := &MailMessage{Origin: "http://localhost:7480", Text: "a http://localhost:7480/x?t=1\nb http://localhost:7480.evil.example/y javascript:alert(1)"}
	var links []string
	for _, p := range m.Parts() {
		if p.Mark == Strong {
			links = append(links, p.Text)
		}
	}
	if !reflect.DeepEqual(links, []string{"http://localhost:7480/x?t=1"}) {
		t.Errorf("links: %q", links)
	}
}

func TestStaticFilesAreKeptForEverUnderTheirVersionOnly(t *testing.T) {
	r := renderer(t)
	for _, c := range []struct {
		what, path, cache string
		status            int
	}{
		{"today's version is immutable", r.asset("page.js"), "public, max-age=31536000, immutable", 200},
		{"a page from before an upgrade still finds its modules, and asks again", "/static/0123456789ab/bind.js", "no-cache", 200},
		{"what is not for browsers is not served", "/static/" + r.version + "/README.md", "", 404},
		{"no way out of the folder", "/static/" + r.version + "/../render.go", "", 404},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := httptest.NewRecorder()
			r.Static().ServeHTTP(w, httptest.NewRequest("GET", c.path, nil))
			if w.Code != c.status || w.Header().Get("Cache-Control") != c.cache {
				t.Errorf("%d %q", w.Code, w.Header().Get("Cache-Control"))
			}
		})
	}
	req := httptest.NewRequest("GET", r.asset("pico.min.css"), nil)
	req.Header.Set("Accept-Encoding", "gzip, br")
	w := httptest.NewRecorder()
	r.Static().ServeHTTP(w, req)
	if w.Header().Get("Content-Encoding") != "gzip" || w.Body.Len() > 20_000 {
		t.Errorf("the sheet went out with %d bytes", w.Body.Len())
	}
}

// 60 kB of script on all pages together is the promise; nobody waits for a security page.
func TestScriptsStaySmall(t *testing.T) {
	sum := 0
	for name, f := range renderer(t).assets {
		if strings.HasSuffix(name, ".js") {
			sum += len(f.body)
		}
	}
	if sum > 60_000 {
		t.Errorf("%d bytes of script", sum)
	}
}
