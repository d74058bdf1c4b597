package edge

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestCookiesAreSetWithEveryProtection(t *testing.T) {
	for _, tc := range []struct {
		name string
		c    Cookie
		want string
	}{
		{"access", AccessCookie, "__Host-kw_at=v; Path=/; Max-Age=300; HttpOnly; Secure; SameSite=Lax"},
		{"refresh", RefreshCookie, "__Host-kw_rt=v; Path=/; Max-Age=300; HttpOnly; Secure; SameSite=Lax"},
		{"device", DeviceCookie, "__Host-kw_device=v; Path=/; Max-Age=300; HttpOnly; Secure; SameSite=Strict"},
		{"language", LangCookie, "kw_lang=v; Path=/; Max-Age=300; Secure; SameSite=Lax"},
		{"theme", ThemeCookie, "kw_theme=v; Path=/; Max-Age=300; Secure; SameSite=Lax"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			tc.c.Set(w, "v", 5*time.Minute)
			if got := w.Header().Get("Set-Cookie"); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			w = httptest.NewRecorder()
			tc.c.Clear(w)
			if got, want := w.Header().Get("Set-Cookie"), strings.Replace(strings.Replace(tc.want, "=v", "=", 1), "300", "0", 1); got != want {
				t.Errorf("cleared %s\nwant    %s", got, want)
			}
		})
	}
	w := httptest.NewRecorder()
	AccessCookie.Set(w, "v", 0)
	if strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age") {
		t.Error("a cookie of the browser's session has a Max-Age")
	}
}

var cookieRows = []struct {
	name, header string
	want         string
	ok           bool
}{
	{"it is there", "a=b; __Host-kw_at=kwa_x.y-z; c=d", "kwa_x.y-z", true},
	{"it is alone", "__Host-kw_at=x", "x", true},
	{"no blank after the semicolon", "a=b;__Host-kw_at=x", "x", true},
	{"it is not there", "a=b", "", false},
	{"no header", "", "", false},
	{"a longer name", "x__Host-kw_at=a; __Host-kw_atx=b", "", false},
	{"names are compared with case", "__host-kw_at=x", "", false},
	{"twice with one value", "__Host-kw_at=x; __Host-kw_at=x", "x", true},
	{"twice with two values: one was planted", "__Host-kw_at=x; __Host-kw_at=y", "", false},
	{"twice in two lines", "__Host-kw_at=x\n__Host-kw_at=y", "", false},
	{"an empty value", "__Host-kw_at=", "", false},
	{"a quoted value is not ours", `__Host-kw_at="x"`, "", false},
	{"a value with another cookie's sign", "__Host-kw_at=a=b", "", false},
	{"a value that is far too long", "__Host-kw_at=" + strings.Repeat("x", 2000), "", false},
	{"a NUL byte", "__Host-kw_at=a\x00", "", false},
}

func TestCookiesAreReadOnlyWhenThereIsNoDoubt(t *testing.T) {
	for _, tc := range cookieRows {
		t.Run(tc.name, func(t *testing.T) {
			r := request("GET", "/", "")
			r.Header["Cookie"] = strings.Split(tc.header, "\n")
			if got, ok := AccessCookie.Read(r); got != tc.want || ok != tc.ok {
				t.Errorf("got %q, %v", got, ok)
			}
		})
	}
}

func FuzzReadCookie(f *testing.F) {
	for _, tc := range cookieRows {
		f.Add(tc.header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, ok := readCookie([]string{header}, "kw")
		if !ok {
			if got != "" {
				t.Fatalf("%q without ok", got)
			}
			return
		}
		// The standard library must agree: a second reading is a second truth.
		r := http.Request{Header: http.Header{"Cookie": {header}}}
		c, err := r.Cookie("kw")
		if err != nil || c.Value != got {
			t.Fatalf("we read %q, net/http %v, %v", got, c, err)
		}
	})
}

func BenchmarkReadCookie(b *testing.B) {
	lines := []string{"kw_lang=ko; __Host-kw_device=abcdefghijklmnop; __Host-kw_at=kwa_x.y-z"}
	b.ReportAllocs()
	for b.Loop() {
		readCookie(lines, "__Host-kw_at")
	}
}
