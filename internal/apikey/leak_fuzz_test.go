package apikey

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// Whatever a stranger sends as a token, nothing panics, and no more than a few keys are
// read out of it: each costs a look into the database.
func FuzzReportedToken(f *testing.F) {
	seed := make([]byte, ed25519.SeedSize)
	for _, s := range []string{
		"", "kwk_live_624pQIqInkHVHkCi2Zzf8m1OGkRF", "kws_live_", hex.EncodeToString(seed), base64.StdEncoding.EncodeToString(seed),
		"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n",
		"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g", strings.Repeat("A", 4096),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		keys := privateKeys(token)
		if len(keys) > 5 {
			t.Fatalf("%d keys in %q", len(keys), token)
		}
		for _, k := range keys {
			if len(k) != ed25519.PrivateKeySize {
				t.Fatalf("half a key in %q", token)
			}
		}
	})
}

// What is kept of a place is one line of letters that a host or a path is made of.
func FuzzWhereFound(f *testing.F) {
	for _, s := range []string{"https://github.com/a/b/blob/c/d.py#L3", "javascript:alert(1)", "https://user:pass@evil.example/", "https://[::1]/", "//x", "https://a\n.b/", "https://xn--a.example/%00%2f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, via := range []Via{ViaGitHub, ViaReport} {
			got := whereFound(Report{Via: via, URL: raw})
			if len(got) > 150 || strings.ContainsFunc(got, func(r rune) bool {
				return r <= ' ' || r >= 0x7f || r == '<' || r == '>' || r == '"' || r == '@' && via == ViaReport
			}) {
				t.Fatalf("%q is kept of %q", got, raw)
			}
			if via == ViaReport && strings.ContainsAny(got, "/?#:") {
				t.Fatalf("more than a host: %q of %q", got, raw)
			}
		}
	})
}
