package gatekit_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"keyward/gatekit"
)

// FuzzDecision feeds tokens as they come from the network, and payloads that were signed so that they get past the
// tag. What is accepted has one spelling, and encoding/json reads the same out of it.
func FuzzDecision(f *testing.F) {
	good := key.Sign(decision())
	quoted := decision()
	quoted.Target = `/a?b=["c"]\`
	for _, token := range []string{good, key.Sign(quoted), "", "kwd1.", "kwd1..", "kwd1.e30.AAAA", good + "=", good[:20] + "\n" + good[20:]} {
		f.Add(token, false)
	}
	for _, edit := range [][2]string{{"", ""}, {`"v":1`, `"v":1.0`}, {"read", `r\u0065ad`}, {`"u"`, `"a":"x","u"`}, {"true", "null"}, {`"iat":`, `"iat":-`}, {"read trade", " read"}} {
		f.Add(strings.Replace(payload(f, good), edit[0], edit[1], 1), true)
	}
	v := gatekit.NewVerifier(key)
	f.Fuzz(func(t *testing.T, text string, sign bool) {
		token := text
		if sign {
			token = raw(key, text)
		}
		// Its own words about the request: the rest of Check is then all that can refuse.
		var said struct {
			M, P, D, A, U, K, S, B string
			Iat                    int64
		}
		if parts := strings.Split(token, "."); len(parts) == 3 {
			b, _ := base64.RawURLEncoding.DecodeString(parts[1])
			json.Unmarshal(b, &said)
		}
		d, err := v.Check(token, said.M, said.P, order, noon)
		if err != nil {
			if d != (gatekit.Decision{}) {
				t.Fatalf("%v came with %+v", err, d)
			}
			return
		}
		if again := key.Sign(d); again != token {
			t.Fatalf("two spellings of one decision:\n%s\n%s", token, again)
		}
		if d.ID != said.D || d.Account != said.A || d.Sub != said.U || d.Credential != said.K || d.Scopes != said.S || d.Issued.UnixMilli() != said.Iat ||
			base64.RawURLEncoding.EncodeToString(d.Body[:]) != said.B {
			t.Fatalf("we read %+v, encoding/json %+v", d, said)
		}
	})
}
