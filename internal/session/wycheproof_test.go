package session

import (
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/go-jose/go-jose/v4"
)

// Project Wycheproof's vectors go the way of an access token that comes back: as if the keys of each group were
// ours. They have no typ and their payload is no JSON, so typ is expected to be missing and nothing is decoded.
// Nothing that they call invalid may pass; of what they call valid, everything but ES256 is refused. Left out are
// keys that say of themselves that they are for something else: the ring makes its keys, and all are for signing.
func TestWycheproof(t *testing.T) {
	accepted, refused := 0, 0
	vectors(t, func(name, set, jws, result string) {
		for _, fault := range []string{"rejectWrongUse", "rejectWrongKeyOps", "mismatchedAlgAndCurve", "rejectsModifiedKey"} {
			if strings.Contains(name, fault) {
				return
			}
		}
		_, err := verified(jws, "", func(kid string) (*ecdsa.PublicKey, bool) {
			var keys jose.JSONWebKeySet
			if json.Unmarshal([]byte(set), &keys) != nil || len(keys.Key(kid)) != 1 {
				return nil, false
			}
			k, ok := keys.Key(kid)[0].Key.(*ecdsa.PublicKey) // the ring has no others
			return k, ok
		})
		switch {
		case err != nil:
			refused++
		case result != "valid":
			t.Errorf("%s was accepted", name)
		default:
			accepted++
		}
		// As it stands, none is an access token of ours.
		if _, err := verified(jws, TypAccess, func(string) (*ecdsa.PublicKey, bool) { t.Fatal("a key was looked up"); return nil, false }); err == nil {
			t.Errorf("%s passes for an access token", name)
		}
	})
	if accepted < 2 || refused < 400 {
		t.Errorf("%d accepted, %d refused: the vectors have changed", accepted, refused)
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
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
