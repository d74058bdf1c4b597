package device

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/attest"
)

// refusedVectors are those of the specification that a server with our policy
// refuses, with the reason its log gives. Everything else must verify, and what
// lacks user verification must be refused for that alone.
var refusedVectors = map[string]struct{ why, log string }{
	"sctn-test-vectors-none-es256-crossOrigin": {"our pages are never framed by another origin", "another origin"},
	"sctn-test-vectors-none-es256-topOrigin":   {"our pages are never framed by another site", "another origin"},
	"sctn-test-vectors-packed-es384":           {"ES384 is not asked for", "algorithm -35"},
	"sctn-test-vectors-packed-es512":           {"ES512 is not asked for", "algorithm -36"},
	"sctn-test-vectors-packed-ed448":           {"Ed448 is not asked for, and the standard library has none", "algorithm -53"},
}

// unbelieved are vectors whose statement nobody we trust stands behind: the key
// registers with the lowest grade.
var unbelieved = map[string]struct {
	why   string
	fault attest.Fault
}{
	"sctn-test-vectors-tpm-es256":         {"the TPM vendor is made up", attest.FaultUnchecked},
	"sctn-test-vectors-android-key-es256": {"the chain ends in a made-up root, not Google's", attest.FaultUnknownMaker},
	"sctn-test-vectors-apple-es256":       {"the chain ends in a made-up root, not Apple's", attest.FaultUnchecked},
	"sctn-test-vectors-packed-es256":      {"no list knows the model", attest.FaultUnknownMaker},
	"sctn-test-vectors-packed-eddsa":      {"no list knows the model", attest.FaultUnknownMaker},
	"sctn-test-vectors-packed-rs256":      {"no list knows the model", attest.FaultUnknownMaker},
	"sctn-test-vectors-fido-u2f-es256":    {"a U2F key has no model", attest.FaultUnknownMaker},
}

type vectorFile struct {
	RPID    string `json:"rp_id"`
	Origin  string `json:"origin"`
	Vectors []struct {
		ID    string              `json:"id"`
		Title string              `json:"title"`
		Steps []map[string]string `json:"steps"`
	} `json:"vectors"`
}

// TestW3CLevel3Vectors runs the test vectors of WebAuthn Level 3 (section "Test
// Vectors") through the judgement that ParseRegister and ParseAssert make, and
// then every one-bit change of what they sign.
func TestW3CLevel3Vectors(t *testing.T) {
	folder := os.Getenv("KEYWARD_VECTORS")
	if folder == "" {
		t.Skip("KEYWARD_VECTORS does not name the folder with the published vectors; make vectors runs them")
	}
	raw, err := os.ReadFile(filepath.Join(folder, "webauthn", "w3c-level3.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	policy := site{rpID: file.RPID, origins: []string{file.Origin}, trust: trust{google: attest.GoogleRoots(), at: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}}
	st := policy
	st.unverified = true
	seen, pairs, verified, changes := map[string]bool{}, 0, 0, 0
	for _, v := range file.Vectors {
		if len(v.Steps) < 2 || v.Steps[0]["attestationObject"] == "" {
			continue // the root certificate and the PRF extension are no ceremonies
		}
		pairs++
		t.Run(v.ID, func(t *testing.T) {
			reg, get := readVector(t, v.Steps[0]), readVector(t, v.Steps[1])
			made, err := reg.create(st)
			if refused, ok := refusedVectors[v.ID]; ok {
				seen[v.ID] = true
				if err == nil || !strings.Contains(err.Error(), refused.log) {
					t.Errorf("refused with %v; want %q, because %s", err, refused.log, refused.why)
				}
				t.Logf("refused as it should be, because %s: %v", refused.why, err)
				return
			}
			if err != nil {
				t.Fatalf("registration: %v", err)
			}
			if made.evidence.grade(made.has(flagBE)) == Hardware {
				t.Errorf("a made-up maker earned hardware: %+v", made.evidence)
			}
			var faults []attest.Fault
			if doubt, ok := unbelieved[v.ID]; ok {
				seen[v.ID] = true
				faults = []attest.Fault{doubt.fault}
				t.Logf("the lowest grade, because %s", doubt.why)
			}
			if !slices.Equal(made.evidence.Faults, faults) {
				t.Errorf("faults %v, want %v", made.evidence.Faults, faults)
			}
			if _, err := reg.readKey(policy); made.has(flagUV) != (err == nil) {
				t.Errorf("UV %v, and with it demanded: %v", made.has(flagUV), err)
			}
			if want := unhex(t, v.Steps[0]["credential_id"]); !bytes.Equal(made.credentialID, want) {
				t.Errorf("credential id %x", made.credentialID)
			}
			get.r.id = made.credentialID
			ad, err := get.get(st, made)
			if err != nil {
				t.Fatalf("assertion: %v", err)
			}
			if _, err := get.get(policy, made); ad.has(flagUV) != (err == nil) {
				t.Errorf("UV %v, and with it demanded: %v", ad.has(flagUV), err)
			}
			verified++
			signed := !slices.Contains(made.evidence.Faults, attest.FaultUnchecked)
			changes += reg.flipCreate(t, st, signed) + get.flipGet(t, st, made)
			for _, other := range []site{{rpID: "example.com", origins: st.origins}, {rpID: st.rpID, origins: []string{"https://example.com"}}} {
				if _, err := reg.create(other); err == nil {
					t.Errorf("registers at %+v", other)
				}
				if _, err := get.get(other, made); err == nil {
					t.Errorf("signs in at %+v", other)
				}
			}
		})
	}
	if want := len(refusedVectors) + len(unbelieved); len(seen) != want {
		t.Errorf("%d vectors were refused or doubted, %d are listed", len(seen), want)
	}
	t.Logf("%d pairs: %d verified, of these %d with a statement that earns nothing; %d refused on purpose; %d one-bit changes refused",
		pairs, verified, len(unbelieved), len(refusedVectors), changes)
}

// TestOnlyTestsWaiveUserVerification holds the one switch that vectors need to
// this file: a found phone must never be a found account.
func TestOnlyTestsWaiveUserVerification(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	set := regexp.MustCompile(`unverified(: true|\s*=[^=])`)
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") && set.Match(b) {
			t.Errorf("%s waives user verification", name)
		}
	}
	c, err := newCeremonies(Config{RPID: "example.com", RPName: "x", Origins: []string{"https://example.com"}, Now: time.Now}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.site().unverified {
		t.Error("the service waives user verification")
	}
}

// vector is one ceremony of the file.
type vector struct {
	challenge []byte
	r         response
}

func readVector(t *testing.T, step map[string]string) vector {
	t.Helper()
	return vector{unhex(t, step["challenge"]), response{
		id: unhex(t, step["credential_id"]), clientData: unhex(t, step["clientDataJSON"]), attestation: unhex(t, step["attestationObject"]),
		authData: unhex(t, step["authenticatorData"]), signature: unhex(t, step["signature"]),
	}}
}

func (v vector) create(st site) (created, error) {
	return st.create(context.Background(), make(bench, 1), v.challenge, v.client(), &v.r)
}

func (v vector) readKey(st site) (created, error) {
	return st.readKey(v.challenge, v.client(), &v.r)
}

// client reads the client data; what does not parse names no ceremony and is
// refused for its type.
func (v vector) client() clientData {
	cd, err := parseClientData(v.r.clientData)
	if err != nil {
		return clientData{}
	}
	return cd
}

func (v vector) get(st site, key created) (authData, error) {
	return st.get(v.challenge, v.client(), &v.r, key.publicKey, key.has(flagBE))
}

// flipCreate changes one bit at a time of what a registration is judged by, and
// wants each change refused: every bit of the challenge, the origin, the rpIdHash
// and, where there is one, the signature of the statement.
func (v vector) flipCreate(t *testing.T, st site, statement bool) int {
	f := flipper{t: t, what: "registration", judge: func(c vector) error {
		if statement {
			_, err := c.create(st)
			return err
		}
		_, err := c.readKey(st)
		return err
	}}
	f.everyBit("challenge", v.challenge, 0, len(v.challenge), func(b []byte) vector { c := v; c.challenge = b; return c })
	from, to := originIn(t, v.r.clientData)
	f.everyBit("origin", v.r.clientData, from, to, func(b []byte) vector { c := v; c.r.clientData = b; return c })
	object := func(b []byte) vector { c := v; c.r.attestation = b; return c }
	obj, err := parseAttestation(v.r.attestation)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(v.r.attestation, obj.AuthData[:32])
	f.everyBit("rpIdHash", v.r.attestation, at, at+32, object)
	var stmt map[string]any
	if err := strict.Unmarshal(obj.Statement, &stmt); err != nil {
		t.Fatal(err)
	}
	if sig, ok := stmt["sig"].([]byte); ok && statement {
		at := bytes.Index(v.r.attestation, sig)
		f.everyBit("signature of the statement", v.r.attestation, at, at+len(sig), object)
	}
	return f.n
}

// flipGet does so for an assertion: every bit of its signature, challenge, origin
// and rpIdHash, and one bit of every other byte, for all of it is signed.
func (v vector) flipGet(t *testing.T, st site, key created) int {
	f := flipper{t: t, what: "assertion", judge: func(c vector) error { _, err := c.get(st, key); return err }}
	f.everyBit("challenge", v.challenge, 0, len(v.challenge), func(b []byte) vector { c := v; c.challenge = b; return c })
	f.everyBit("signature", v.r.signature, 0, len(v.r.signature), func(b []byte) vector { c := v; c.r.signature = b; return c })
	from, to := originIn(t, v.r.clientData)
	client := func(b []byte) vector { c := v; c.r.clientData = b; return c }
	f.everyBit("origin", v.r.clientData, from, to, client)
	f.everyByte("client data", v.r.clientData, client)
	auth := func(b []byte) vector { c := v; c.r.authData = b; return c }
	f.everyBit("rpIdHash", v.r.authData, 0, 32, auth)
	f.everyByte("authenticator data", v.r.authData, auth)
	return f.n
}

type flipper struct {
	t     *testing.T
	what  string
	judge func(vector) error
	n     int
}

func (f *flipper) everyBit(part string, b []byte, from, to int, with func([]byte) vector) {
	for i := from; i < to; i++ {
		for bit := range 8 {
			f.flip(part, b, i, bit, with)
		}
	}
}

func (f *flipper) everyByte(part string, b []byte, with func([]byte) vector) {
	for i := range b {
		f.flip(part, b, i, i%8, with)
	}
}

func (f *flipper) flip(part string, b []byte, i, bit int, with func([]byte) vector) {
	changed := bytes.Clone(b)
	changed[i] ^= 1 << bit
	f.n++
	if f.judge(with(changed)) == nil {
		f.t.Errorf("the %s verifies with bit %d of byte %d of its %s changed", f.what, bit, i, part)
	}
}

// originIn is where the value of origin stands in client data.
func originIn(t *testing.T, b []byte) (from, to int) {
	t.Helper()
	key := []byte(`"origin":"`)
	from = bytes.Index(b, key) + len(key)
	to = from + bytes.IndexByte(b[from:], '"')
	if from < len(key) || to <= from {
		t.Fatal("no origin in the client data")
	}
	return from, to
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(fmt.Errorf("%q: %w", s, err))
	}
	return b
}
