package lang

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var placeholder = regexp.MustCompile(`\{[a-z-]+\}`)

// forms are the texts a key has in a language.
func (m message) forms() []string {
	if m.one == "" {
		return []string{m.other}
	}
	return []string{m.one, m.other}
}

func TestEveryMessageIsThereInBothLanguages(t *testing.T) {
	for _, pair := range [][2]string{{EN, KO}, {KO, EN}} {
		for _, key := range Keys(pair[0]) {
			if !Has(pair[1], key) {
				t.Errorf("%q is in %s and missing in %s", key, pair[0], pair[1])
			}
		}
	}
}

func TestBothLanguagesFillTheSamePlaces(t *testing.T) {
	places := func(text string) []string {
		return slices.Compact(slices.Sorted(slices.Values(placeholder.FindAllString(text, -1))))
	}
	for _, key := range Keys(EN) {
		want := places(catalog[EN][key].other)
		for _, code := range []string{EN, KO, Long} {
			for _, text := range catalog[code][key].forms() {
				got := places(text)
				if text == catalog[code][key].one {
					// "One thing to do." needs no {n}.
					got, want := slices.DeleteFunc(got, isN), slices.DeleteFunc(slices.Clone(want), isN)
					if !slices.Equal(got, want) {
						t.Errorf("%q for one in %s fills %v, not %v", key, code, got, want)
					}
					continue
				}
				if !slices.Equal(got, want) {
					t.Errorf("%q in %s fills %v, not %v", key, code, got, want)
				}
			}
		}
	}
}

func isN(p string) bool { return p == "{n}" }

// Each key must stand somewhere as it is, in quotes: keys are never put together from parts, so a search finds the place.
func TestEveryKeyIsUsedAndEveryUsedKeyExists(t *testing.T) {
	called := regexp.MustCompile(`(?:\bth?|\btext\(|\blang\.(?:T|HTML)\([a-zA-Z.]+,|\bT\(code,|\bt\()\s*"([a-z0-9._-]+)"`)
	var all strings.Builder
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		ext := filepath.Ext(path)
		if d.IsDir() && d.Name() == "testdata" {
			return filepath.SkipDir
		}
		if d.IsDir() || strings.HasSuffix(path, "_test.go") || ext != ".go" && ext != ".html" && ext != ".txt" {
			return nil
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		inWords := filepath.Base(filepath.Dir(path)) == "lang" || filepath.Base(filepath.Dir(path)) == "web" || strings.Contains(path, "templates")
		for _, m := range called.FindAllStringSubmatch(string(text), -1) {
			if inWords && !Has(EN, m[1]) {
				t.Errorf("%s asks for %q, which nobody wrote", path, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	used := all.String()
	for _, key := range Keys(EN) {
		if !strings.Contains(used, `"`+key+`"`) && !strings.HasPrefix(key, "mail.") {
			t.Errorf("%q is used nowhere", key)
		}
	}
}

// How we talk to people (look/LOOK.md, Words).
func TestWeTalkPlainly(t *testing.T) {
	never := map[string][]string{
		EN: {"biometric", "synced", "device-bound", "oops", "sorry", "invalid", "advanced", "!", "please"},
		KO: {"생체", "동기화", "!", "습니다", "십시오", "고급"},
	}
	tags := regexp.MustCompile(`</?[a-z]+>`)
	for code, words := range never {
		for _, key := range Keys(code) {
			if strings.HasPrefix(key, "mail.") {
				continue // the mails have rules of their own
			}
			for _, text := range catalog[code][key].forms() {
				for _, word := range words {
					if strings.Contains(strings.ToLower(text), word) {
						t.Errorf("%s %q says %q: %s", code, key, word, text)
					}
				}
				for _, tag := range tags.FindAllString(text, -1) {
					if !strings.HasSuffix(key, "_html") || tag != "<b>" && tag != "</b>" {
						t.Errorf("%s %q has markup %s", code, key, tag)
					}
				}
			}
		}
	}
	// A particle cannot fit a word it does not know: after a quoted or variable word there is none.
	hanging := regexp.MustCompile(`\{(?:name|agent|mail|host|maker|place)\}[”’]?(?:을|를|이|가|은|는|과|와|으로|로)(?:[^가-힣]|$)`)
	for _, key := range Keys(KO) {
		if strings.HasPrefix(key, "mail.") {
			continue
		}
		if m := hanging.FindString(catalog[KO][key].other); m != "" {
			t.Errorf("ko %q hangs a particle on a variable: %s", key, m)
		}
	}
}

func TestFilling(t *testing.T) {
	catalog[EN]["test.plural"] = message{one: "{n} key", other: "{n} keys"}
	catalog[EN]["test.bold_html"] = message{other: "<b>{name}</b> & more"}
	catalog[EN]["test.plain"] = message{other: "{name} < you"}
	defer func() {
		for _, k := range []string{"test.plural", "test.bold_html", "test.plain"} {
			delete(catalog[EN], k)
		}
	}()
	for _, c := range []struct{ what, got, want string }{
		{"one is told from many", T(EN, "test.plural", "n", 1), "1 key"},
		{"none is many", T(EN, "test.plural", "n", 0), "0 keys"},
		{"a map works like pairs", T(EN, "test.plural", map[string]any{"n": 2}), "2 keys"},
		{"an unknown language reads as English", T("fr", "test.plural", "n", 2), "2 keys"},
		{"a hole shows itself", T(EN, "test.none"), "⟦test.none⟧"},
		{"a missing argument shows itself", T(EN, "test.plain"), "{name} < you"},
		{"markup of ours stays, of others does not", string(HTML(EN, "test.bold_html", "name", "<i>")), "<b>&lt;i&gt;</b> & more"},
		{"a plain message has no markup", string(HTML(EN, "test.plain", "name", "x")), "x &lt; you"},
		{"a value with braces is not filled again", T(EN, "test.plain", "name", "{n}"), "{n} < you"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct{ what, header, cookie, want string }{
		{"what was chosen wins", "ko-KR,ko;q=0.9", EN, EN},
		{"a strange cookie is ignored", "ko", "xx-long", KO},
		{"the region does not matter", "ko-KR", "", KO},
		{"weights decide, not order", "en;q=0.5, ko;q=0.8", "", KO},
		{"the first of equals", "en, ko", "", EN},
		{"refused is refused", "ko;q=0", "", EN},
		{"none of ours is English", "fr, de;q=0.9", "", EN},
		{"nothing is English", "", "", EN},
		{"nonsense is English", ";;q=x,,", "", EN},
	} {
		if got := Match(c.header, c.cookie); got != c.want {
			t.Errorf("%s: %s", c.what, got)
		}
	}
}

func TestDates(t *testing.T) {
	at := time.Date(2026, 3, 7, 3, 20, 9, 0, time.FixedZone("KST", 9*3600))
	for _, c := range []struct {
		form   Form
		en, ko string
	}{
		{Full, "Sat 7 Mar 2026, 03:20 KST", "2026년 3월 7일(토) 03:20 KST"},
		{Stamp, "Sat 7 Mar 2026, 03:20:09 KST", "2026년 3월 7일(토) 03:20:09 KST"},
		{Short, "Sat 7 Mar, 03:20 KST", "3월 7일(토) 03:20 KST"},
		{Date, "7 Mar 2026", "2026년 3월 7일"},
		{Day, "Sat 7 Mar", "3월 7일(토)"},
		{LongDay, "Saturday 7 March", "3월 7일 토요일"},
		{WeekDay, "Sat 7", "7일(토)"},
		{Clock, "03:20", "03:20"},
	} {
		if en, ko := When(EN, at, c.form), When(KO, at, c.form); en != c.en || ko != c.ko {
			t.Errorf("%s: %q, %q", c.form, en, ko)
		}
	}
	for want, d := range map[string]time.Duration{"just now": 59 * time.Second, "1 minute ago": 119 * time.Second, "23 hours ago": 24*time.Hour - 1, "5 days ago": 5 * 24 * time.Hour, "5 Feb 2026": 30 * 24 * time.Hour} {
		if got := Ago(EN, at, at.Add(-d)); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	if got := fmt.Sprint(Took(EN, 812*time.Millisecond), Took(KO, time.Millisecond), Span(EN, 30*24*time.Hour), Span(KO, 5*time.Minute)); got != "0.8 s0.1초30 days5분" {
		t.Error(got)
	}
}

func TestTheLongLanguageIsLong(t *testing.T) {
	for _, key := range Keys(EN) {
		short, long := catalog[EN][key].other, catalog[Long][key].other
		if len(long)*100 < len(short)*130 {
			t.Errorf("%q grew only from %d to %d", key, len(short), len(long))
		}
	}
}
