package rs

import (
	"encoding/hex"
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

// A proof brings its key along and has a head of its own, so no JWS of others can be one. What can be: the key and
// the signature. These go the way of the jwk of a proof and of its third part.
func TestWycheproofSignatures(t *testing.T) {
	for _, of := range []struct{ name, alg string }{{"ecdsa_secp256r1_sha256_p1363_test.json", algES256}, {"ed25519_test.json", algEdDSA}} {
		raw, err := fs.ReadFile(wycheproof.TestVectors, of.name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			NumberOfTests int
			TestGroups    []struct {
				PublicKey struct{ Uncompressed, PK string }
				Tests     []struct {
					TcID                      int
					Comment, Msg, Sig, Result string
				}
			}
		}
		if err := json.Unmarshal(raw, &file); err != nil {
			t.Fatal(err)
		}
		accepted, refused := 0, 0
		for _, g := range file.TestGroups {
			point, err := hex.DecodeString(g.PublicKey.PK + g.PublicKey.Uncompressed)
			if err != nil {
				t.Fatal(err)
			}
			jwk := `{"kty":"OKP","crv":"Ed25519","x":"` + strict.EncodeToString(point) + `"}`
			if of.alg == algES256 {
				jwk = `{"kty":"EC","crv":"P-256","x":"` + strict.EncodeToString(point[1:33]) + `","y":"` + strict.EncodeToString(point[33:]) + `"}`
			}
			m, _ := readWithin(proofBounds, jwk, nil)
			key, hasKey := m.keyFor(of.alg)
			for _, c := range g.Tests {
				msg, err1 := hex.DecodeString(c.Msg)
				sig, err2 := hex.DecodeString(c.Sig)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				pass := hasKey && key.verify(string(msg), strict.EncodeToString(sig))
				if pass != (c.Result == "valid") {
					t.Errorf("%s %d (%s): %v, want %s", of.name, c.TcID, c.Comment, pass, c.Result)
				}
				if pass {
					accepted++
				} else {
					refused++
				}
			}
		}
		if accepted+refused != file.NumberOfTests || accepted < 80 || refused < 40 {
			t.Errorf("%s: %d of %d accepted, %d refused", of.name, accepted, file.NumberOfTests, refused)
		}
		t.Logf("%s: %d accepted, %d refused", of.name, accepted, refused)
	}
}
