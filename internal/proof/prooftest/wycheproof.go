package prooftest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
)

// Wycheproof shows Project Wycheproof's tests of JWS and JWK, each with the key set of its group.
func Wycheproof(t *testing.T, see func(name, set, jws, result string)) {
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
