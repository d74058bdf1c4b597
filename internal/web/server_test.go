package web

import "testing"

func TestLocalPathKeepsPeopleOnThisSite(t *testing.T) {
	for _, c := range []struct{ name, to, want string }{
		{"a page of ours", "/devices", "/devices"},
		{"with a query that names another host", "/activity?kind=keys&x=//evil.example", "/activity?kind=keys&x=//evil.example"},
		{"another host without a scheme", "//evil.example", "/"},
		{"the same with a backslash", "/\\evil.example", "/"},
		{"a dot that browsers resolve first", "/.//evil.example/x", "/"},
		{"two dots", "/x/..//evil.example", "/"},
		{"an encoded dot", "/%2e//evil.example", "/"},
		{"an encoded slash", "/%2F/evil.example", "/"},
		{"a scheme", "https://evil.example", "/"},
		{"a script", "javascript:alert(1)", "/"},
		{"a tab that browsers drop", "/\t/evil.example", "/"},
		{"nothing", "", "/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := localPath(c.to); got != c.want {
				t.Errorf("localPath(%q) = %q, want %q", c.to, got, c.want)
			}
		})
	}
}
