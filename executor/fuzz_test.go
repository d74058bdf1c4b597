package executor

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// FuzzProof: whatever the issuer signs, a server that was taken over included, no other withdrawal than that of the
// seeds' own signatures is confirmed.
func FuzzProof(f *testing.F) {
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		f.Fatal(err)
	}
	var all struct {
		Vectors []struct {
			Token string
			Want  Withdrawal
		}
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		f.Fatal(err)
	}
	for _, x := range all.Vectors {
		_, body, _, _, ok := splitJWS(x.Token)
		if !ok {
			f.Fatal("a vector that is no JWS")
		}
		f.Add(string(body))
	}
	want := all.Vectors[0].Want
	want.Amount = "250"
	v := &Verifier{conf: Config{Issuer: "https://login.example.com", Audience: "treasury", RPID: "example.com", Origins: []string{"https://login.example.com"}}}
	f.Fuzz(func(t *testing.T, body string) {
		if _, err := v.read([]byte(body), want, time.Date(2026, 3, 12, 5, 7, 30, 0, time.UTC)); err == nil {
			t.Errorf("confirmed: %s", body)
		}
		// And the parts as they come, so that each reader sees them.
		for _, part := range strings.Split(body, `"`) {
			if b, ok := decode(part); ok {
				_, _ = parseKey(b)
				_, _ = readObject(b)
			}
		}
	})
}
