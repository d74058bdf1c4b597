package api

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

func TestAuthorizationHeader(t *testing.T) {
	for _, row := range []struct {
		name  string
		lines []string
		want  credentials
		bad   bool
	}{
		{"no header", nil, credentials{}, false},
		{"a token", []string{"DPoP kwa_abc.def"}, credentials{"dpop", "kwa_abc.def"}, false},
		{"the scheme in any case", []string{"dPOP x"}, credentials{"dpop", "x"}, false},
		{"several spaces (RFC 9110 §11.4: 1*SP)", []string{"Bearer   x"}, credentials{"bearer", "x"}, false},
		{"padding at the end", []string{"Basic eDp5eg=="}, credentials{"basic", "eDp5eg=="}, false},
		{"two headers", []string{"DPoP x", "DPoP y"}, credentials{}, true},
		{"an empty header", []string{""}, credentials{}, true},
		{"a scheme alone", []string{"DPoP"}, credentials{}, true},
		{"a scheme and a space", []string{"DPoP "}, credentials{}, true},
		{"a token alone", []string{" x"}, credentials{}, true},
		{"padding alone", []string{"Basic =="}, credentials{}, true},
		{"padding in the middle", []string{"Basic a=b"}, credentials{}, true},
		{"two tokens", []string{"DPoP x y"}, credentials{}, true},
		{"a list", []string{"DPoP x, Bearer y"}, credentials{}, true},
		{"parameters", []string{`Digest username="x"`}, credentials{}, true},
		{"a tab in place of the space", []string{"DPoP\tx"}, credentials{}, true},
		{"a line break", []string{"DPoP x\r\nX: y"}, credentials{}, true},
		{"a letter outside ASCII", []string{"DPoP é"}, credentials{}, true},
		{"a scheme outside ASCII", []string{"DPоP x"}, credentials{}, true},
		{"a thousand letters", []string{"DPoP " + strings.Repeat("a", 1024)}, credentials{}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := readAuthorization(http.Header{"Authorization": row.lines})
			if got != row.want || (err != nil) != row.bad {
				t.Errorf("read as %+v, %v", got, err)
			}
		})
	}
}

func TestBasicCredentials(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, row := range []struct {
		name, value, id, secret string
		ok                      bool
	}{
		{"id and secret", encode("id:secret"), "id", "secret", true},
		{"a secret with colons", encode("id:a:b:c"), "id", "a:b:c", true},
		{"an empty secret", encode("id:"), "id", "", true},
		{"UTF-8", encode("id:비밀"), "id", "비밀", true},
		{"no colon", encode("id"), "", "", false},
		{"U+0000", encode("id\x00:x"), "", "", false},
		{"a line break", encode("id:x\n"), "", "", false},
		{"Latin-1", encode("id:\xe9"), "", "", false},
		{"no padding", "aWQ6eA", "", "", false},
		{"the alphabet of URLs", base64.URLEncoding.EncodeToString([]byte("id:\xef\xbf\xbd>>>???")), "", "", false},
		{"spare bits set", "aWQ6eB==", "", "", false},
		{"nothing", "", "", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			id, secret, ok := readBasic(row.value)
			if ok != row.ok || ok && (id != row.id || secret != row.secret) {
				t.Errorf("read as %q, %q, %v", id, secret, ok)
			}
		})
	}
}

// FuzzAuthorization: whatever stands in the header, it is read in one way or not
// at all, and what is read says what was written.
func FuzzAuthorization(f *testing.F) {
	for _, s := range []string{
		"DPoP kwa_a.b.c.d", "Bearer x", "Basic aWQ6c2VjcmV0", "basic  aWQ6c2VjcmV0", "Basic aWQ6c2VjcmV0 ", "DPoP x, y", "", " ", "Basic ==",
		"Basic aWQ6c2VjcmV0\n", "Digest a=b", "D\x00P x", "Basic " + strings.Repeat("A", 1100),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		cred, err := readAuthorization(http.Header{"Authorization": {line}})
		if err != nil {
			if cred != (credentials{}) {
				t.Fatalf("refused and still read: %+v", cred)
			}
			return
		}
		if cred.scheme != strings.ToLower(cred.scheme) || cred.scheme == "" || strings.ContainsAny(cred.scheme+cred.value, " \t\r\n\x00,\"") {
			t.Fatalf("read as %+v", cred)
		}
		if !strings.EqualFold(line[:len(cred.scheme)], cred.scheme) || !strings.HasSuffix(line, " "+cred.value) {
			t.Fatalf("%q was read as %+v", line, cred)
		}
		id, secret, ok := readBasic(cred.value)
		if !ok {
			return
		}
		// One spelling: writing it again gives the same header value.
		if again := base64.StdEncoding.EncodeToString([]byte(id + ":" + secret)); again != cred.value || strings.Contains(id, ":") {
			t.Fatalf("%q and %q are also written %q", cred.value, again, id)
		}
	})
}
