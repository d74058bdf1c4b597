package oauth

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
)

// Project Wycheproof's vectors go the way of a client assertion: the keys of each group are what an app wants to
// register, then the app shows the JWS. Its payload says nothing of an audience, and that is the first thing asked
// once the signature is good; so whatever gets as far as aud has passed. Nothing that they call invalid may, and of
// what they call valid, only what is not ES256 or EdDSA (FAPI 2.0 §5.4) is refused.
func TestWycheproof(t *testing.T) {
	accepted, refused, notRegistered := 0, 0, 0
	vectors(t, func(name, set, jws, result string) {
		if goodKeys(json.RawMessage(set)) != nil {
			notRegistered++
			return
		}
		err := (&Service{}).assertion(t.Context(), Client{ID: "app_1", JWKS: set}, jws, assertionClaims{})
		switch {
		case err == nil:
			t.Fatalf("%s: an assertion that says nothing was good", name)
		case !strings.HasSuffix(err.Error(), "assertion: aud"):
			refused++
		case result != "valid":
			t.Errorf("%s was accepted", name)
		default:
			accepted++
		}
	})
	if accepted < 2 || refused+notRegistered < 400 {
		t.Errorf("%d accepted, %d refused, %d with keys that cannot be registered: the vectors have changed", accepted, refused, notRegistered)
	}
	t.Logf("%d accepted, %d refused, %d with keys that cannot be registered", accepted, refused, notRegistered)
}

// vectors are Project Wycheproof's tests of one kind, each with the key set of its group.
func vectors(t *testing.T, see func(name, set, jws, result string)) {
	t.Helper()
	for _, name := range []string{"json_web_signature_test.json", "json_web_key_test.json"} {
		raw, err := fs.ReadFile(wycheproof.TestVectors, name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			NumberOfTests int
			TestGroups    []struct {
				Comment         string
				Public, Private json.RawMessage
				Tests           []struct {
					TcID    int
					Comment string
					JWS     any
					Result  string
				}
			}
		}
		if err := json.Unmarshal(raw, &file); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, g := range file.TestGroups {
			set := string(g.Public)
			if set == "" {
				set = string(g.Private) // HMAC secrets, as if somebody had registered or published them
			}
			var m map[string]json.RawMessage
			if json.Unmarshal([]byte(set), &m); m["keys"] == nil {
				set = `{"keys":[` + set + `]}`
			}
			for _, c := range g.Tests {
				n++
				text, _ := c.JWS.(string) // what is no text is in JSON serialisation, which has no way in here
				see(fmt.Sprintf("%s %d (%s, %s)", name, c.TcID, g.Comment, c.Comment), set, text, c.Result)
			}
		}
		if n != file.NumberOfTests {
			t.Errorf("%s: %d of %d tests were read", name, n, file.NumberOfTests)
		}
	}
}
