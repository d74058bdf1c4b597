package rs

import (
	"net/url"
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	const want = "https://login.example.com/a/b%20c"
	for _, c := range []struct {
		name, claimed, want string
		same                bool
	}{
		{"letter by letter", want, want, true},
		{"scheme and host in upper case", "HTTPS://Login.EXAMPLE.com/a/b%20c", want, true},
		{"the default port written out", "https://login.example.com:443/a/b%20c", want, true},
		{"an empty port", "https://login.example.com:/a/b%20c", want, true},
		{"escapes in lower case", "https://login.example.com/a/b%2fc", "https://login.example.com/a/b%2Fc", true},
		{"a letter escaped for no reason", "https://login.example.com/%61/b%20c", want, true},
		{"dot segments", "https://login.example.com/x/.././a/./b%20c", want, true},
		{"escaped dot segments", "https://login.example.com/x/%2e%2E/a/b%20c", want, true},
		{"more dots than there are segments", "https://login.example.com/../../a/b%20c", want, true},
		{"a query", want + "?to=here", want, true},
		{"a fragment", want + "#top", want, true},
		{"a query here", want, want + "?code=1", true},
		{"no path and the root", "https://login.example.com", "https://login.example.com/", true},
		{"no path but a query", "https://login.example.com?x", "https://login.example.com/", true},
		{"IPv6 in upper case", "http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/", true},
		{"localhost with its port", "http://localhost:7480/oauth/token", "http://localhost:7480/oauth/token", true},

		{"another scheme", "http://login.example.com/a/b%20c", want, false},
		{"another port", "https://login.example.com:444/a/b%20c", want, false},
		{"http's port on https", "https://login.example.com:80/a/b%20c", want, false},
		{"a longer host", "https://login.example.com.evil.example/a/b%20c", want, false},
		{"our host as the user name of another", "https://login.example.com@evil.example/a/b%20c", want, false},
		{"a user name before our host", "https://me@login.example.com/a/b%20c", want, false},
		{"the path in upper case", "https://login.example.com/A/b%20c", want, false},
		{"a slash at the end", want + "/", want, false},
		{"two slashes for one", "https://login.example.com//a/b%20c", want, false},
		{"an escaped slash is not a slash", "https://login.example.com/a%2Fb%20c", want, false},
		{"escaped twice", "https://login.example.com/a/b%2520c", want, false},
		{"a prefix of the path", "https://login.example.com/a", want, false},
		{"a final dot segment means the folder", "https://login.example.com/a/.", "https://login.example.com/a", false},
		{"a final dot segment is the folder", "https://login.example.com/a/.", "https://login.example.com/a/", true},
		{"up to the folder", "https://login.example.com/a/b/..", "https://login.example.com/a/", true},
		{"a backslash", `https://login.example.com\a\b%20c`, want, false},
		{"a space", "https://login.example.com/a/b c", want, false},
		{"a letter outside ASCII", "https://login.example.com/a/b%20ç", want, false},
		{"half an escape", "https://login.example.com/a/b%2", "https://login.example.com/a/b", false},
		{"only a path", "/a/b%20c", want, false},
		{"an IPv6 address without its end", "http://[::", "http://[::/", false},
		{"something behind an IPv6 address", "http://[::1]x/", "http://[::1]/", false},
		{"a zone in an IPv6 address", "http://[fe80::1%25eth0]/", "http://[fe80::1]/", false},
		{"no host", "https:///a/b%20c", want, false},
		{"a port that is no number", "https://login.example.com:https/a/b%20c", want, false},
		{"a colon too many", "https://login.example.com:1:443/a/b%20c", want, false},
		{"another kind of address", "ftp://login.example.com/a/b%20c", want, false},
		{"nothing", "", want, false},
		{"nothing on both sides", "", "", false},
		{"only a query on both sides", "?a", "?b", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := sameURL(c.claimed, c.want); got != c.same {
				t.Errorf("%q and %q: %v", c.claimed, c.want, got)
			}
			if got := sameURL(c.want, c.claimed); got != c.same {
				t.Errorf("the other way round: %v", got)
			}
		})
	}
}

// Normalising twice changes nothing more, and net/url, which routes the request, reads the same host and
// path out of the normal form as out of the original.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"https://login.example.com/a/b%20c", "HTTP://[::1]:80/%7e/../x", "https://a:443", "https://a//./..//%2f", "http://a:b@c/", "https://a/%", "https://a%2eb/", "HTTP://[::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		normal, ok := normalURL(bare(s))
		if !ok {
			return
		}
		if again, ok := normalURL(normal); !ok || again != normal {
			t.Errorf("%q normalises to %q and then to %q, %v", s, normal, again, ok)
		}
		if !sameURL(s, normal) {
			t.Errorf("%q is not the same as its normal form %q", s, normal)
		}
		u, err := url.Parse(bare(s))
		if err != nil {
			return
		}
		v, err := url.Parse(normal)
		if err != nil {
			t.Fatalf("%q normalises to %q, which does not parse: %v", s, normal, err)
		}
		if u.User != nil || !strings.EqualFold(u.Hostname(), v.Hostname()) || !strings.EqualFold(u.Scheme, v.Scheme) {
			t.Errorf("%q is read as %q by net/url, as %q in normal form", s, u.Host, v.Host)
		}
		// net/url leaves dot segments in the path, so compare without those; and without escaped slashes,
		// which it does not tell from slashes.
		if !strings.Contains(u.Path, "//") && !strings.Contains(u.Path, "/.") && u.Path != "" && u.Path != v.Path {
			t.Errorf("%q has the path %q, in normal form %q", s, u.Path, v.Path)
		}
	})
}
