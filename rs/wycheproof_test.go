package rs

import (
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
)

// Project Wycheproof's vectors go through the same steps as a token: the key set is read as a fetched one, the
// head by open, the signature by the key that kid names. Their payload is "foo" and they have no typ, so the
// claims are left out and any typ is good. They call valid what somebody's library should accept; what we
// refuse of that on purpose is in refusedOnPurpose, and nothing that they call invalid may pass.
func TestWycheproof(t *testing.T) {
	// Everything but ES256, the only algorithm of our issuer; and one head (HS256 too) with a character that is
	// not of base64, which lax decoders skip.
	refusedOnPurpose := func(jws string) bool {
		text, _, _, _, _ := splitJWS(jws)
		head, isText := decodeText(text)
		m, _ := readObject(head, nil)
		alg, _, _ := m.text("alg")
		return !isText || alg != algES256
	}
	accepted, byDesign, refused := 0, 0, 0
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
		seen := 0
		for _, g := range file.TestGroups {
			set := string(g.Public)
			if set == "" {
				set = string(g.Private) // HMAC secrets: as if an issuer had published them
			}
			if m, ok := readObject(set, nil); ok && !m.has("keys") {
				set = `{"keys":[` + set + `]}`
			}
			keys, setErr := readKeys(set)
			for _, c := range g.Tests {
				seen++
				text, isText := c.JWS.(string)
				pass := false
				if isText && setErr == nil {
					if jws, e := open(text, func(string) bool { return true }); e == nil && keys[jws.kid] != nil {
						pass = jws.by(keys[jws.kid])
					}
				}
				switch {
				case pass && c.Result == "valid":
					accepted++
				case pass:
					t.Errorf("%s %d (%s, %s) was accepted", name, c.TcID, g.Comment, c.Comment)
				case c.Result == "valid" && (!isText || refusedOnPurpose(text)):
					byDesign++
				case c.Result == "valid":
					t.Errorf("%s %d (%s, %s) was refused: %v", name, c.TcID, g.Comment, c.Comment, setErr)
				default:
					refused++
				}
			}
		}
		if seen != file.NumberOfTests {
			t.Errorf("%s: %d of %d tests were read", name, seen, file.NumberOfTests)
		}
	}
	if accepted < 2 || refused < 100 {
		t.Errorf("only %d were accepted and %d refused: the vectors have changed", accepted, refused)
	}
	t.Logf("%d accepted, %d refused, %d refused on purpose (another algorithm than ES256)", accepted, refused, byDesign)
}
