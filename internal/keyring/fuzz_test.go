package keyring

import (
	"strings"
	"testing"
)

// Whatever a vault answers, what comes out is of the form it must have, or nothing.
func FuzzTransitAnswer(f *testing.F) {
	for _, s := range []string{
		``, `null`, `{}`, `{"data":null}`, `{"data":{"ciphertext":"vault:v1:` + strings.Repeat("A", 60) + `"}}`, `{"data":{"plaintext":"cm9vdA=="}}`,
		`{"data":{"plaintext":""}}`, `{"auth":{"client_token":"s.x","lease_duration":3600,"renewable":true}}`, `{"auth":{"client_token":"a\nb","lease_duration":-1}}`,
		`{"data":{"ttl":9223372036854775807,"renewable":true}}`, `{"data":{"ttl":1e30}}`, `[[[[[[`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if c, err := readCiphertext(body); err == nil && (!ciphertextShape.Match(c) || len(c) > maxWrapped/8) {
			t.Errorf("a ciphertext %q", c)
		}
		if p, err := readPlaintext(body); err == nil && len(p) > 4096 {
			t.Errorf("%d bytes", len(p))
		}
		for _, read := range []func([]byte) (granted, error){readLogin, readLookup} {
			g, err := read(body)
			if err != nil {
				if strings.Contains(err.Error(), "data") && len(body) > 0 {
					t.Errorf("the error quotes: %v", err)
				}
				continue
			}
			if g.life < 0 || strings.ContainsAny(g.token, "\r\n\x00 ") {
				t.Errorf("%q for %s", g.token, g.life)
			}
		}
	})
}

// A record of the root that parses says what it was made of; what does not parse is refused or bare.
func FuzzWrappedRoot(f *testing.F) {
	whole, err := wrapped{KEK: "file:00", Canary: []byte("c"), Root: []byte("r")}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(wrappedMark))
	f.Add([]byte(wrappedMark + `{"kek":"x","probe":"AA==","root":"AA=="} `))
	f.Add([]byte("bare"))
	f.Fuzz(func(t *testing.T, record []byte) {
		w, bare, err := readWrapped(record)
		switch {
		case err != nil:
		case bare:
			if string(w.Root) != string(record) || w.KEK != "" || w.Canary != nil {
				t.Error("a bare record was read as more than that")
			}
		case w.KEK == "" || len(w.KEK) > maxKEKName || len(w.Canary) == 0 || len(w.Root) == 0:
			t.Error("a part is missing")
		}
	})
}
