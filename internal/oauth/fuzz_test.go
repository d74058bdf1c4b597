package oauth

import (
	"strings"
	"testing"
)

// What is registered has one spelling, and matches itself and nothing with another host.
func FuzzRedirect(f *testing.F) {
	for _, s := range []string{"https://app.example.net/back", "http://127.0.0.1/cb", "http://[::1]:80/cb", "com.example.wallet:/cb", "https://a@b/c", "https://a/%2e%2e/b", "javascript:alert(1)", "http://exchange.localhost:7490/enter"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, registered, asked string) {
		if !goodRedirect(registered) {
			return
		}
		if !redirectMatches(registered, registered) {
			t.Fatalf("%q does not match itself", registered)
		}
		if asked != registered && redirectMatches(asked, registered) && !strings.HasPrefix(registered, "http://127.") && !strings.HasPrefix(registered, "http://[") {
			t.Fatalf("%q passes for %q", asked, registered)
		}
	})
}

func FuzzScope(f *testing.F) {
	f.Add("openid read")
	f.Add(" openid")
	f.Fuzz(func(t *testing.T, s string) {
		parts, ok := parseScope(s)
		if !ok {
			return
		}
		again, ok := parseScope(joinScope(parts))
		if !ok || joinScope(again) != joinScope(parts) {
			t.Fatalf("%q: %v then %v", s, parts, again)
		}
	})
}
