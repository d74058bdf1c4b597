package device

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"keyward/internal/attest"
	"keyward/internal/softkey"
)

// The attack on a good phone's certificate: everything in the statement holds, and it
// is about a key that the thief does not register.
func TestACertificateVouchesForItsOwnKeyAlone(t *testing.T) {
	maker := softkey.NewMaker()
	honest, err := parseAttestation(seedAttestations(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	ad, err := parseAuthData(honest.AuthData)
	if err != nil {
		t.Fatal(err)
	}
	client := []byte(`{"type":"webauthn.create","challenge":"AAAAAAAAAAAAAAAAAAAAAA","origin":"https://example.com"}`)
	cd, err := parseClientData(client)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(client)
	phone, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	st := site{rpID: "example.com", origins: []string{"https://example.com"}, trust: trust{
		google: []*x509.Certificate{maker.Root}, lists: Lists{Revoked: &attest.Revoked{}}, at: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
	}}
	judge := func(change func(statement map[string]any)) error {
		signed := sha256.Sum256(slices.Concat(honest.AuthData, hash[:]))
		sig, err := ecdsa.SignASN1(rand.Reader, phone, signed[:])
		if err != nil {
			t.Fatal(err)
		}
		stmt := map[string]any{"alg": -7, "sig": sig, "x5c": maker.Android(phone.Public(), softkey.Phone(hash[:], "app", [32]byte{}))}
		change(stmt)
		object, err := cbor.Marshal(map[string]any{"fmt": "android-key", "authData": honest.AuthData, "attStmt": stmt})
		if err != nil {
			t.Fatal(err)
		}
		_, err = st.judgeStatement(cd, &response{id: ad.credentialID, clientData: client, attestation: object})
		return err
	}
	for _, tc := range []struct {
		name   string
		change func(map[string]any)
		why    string
	}{
		{"a certificate about another key", func(map[string]any) {}, "about another key"},
		{"no certificate", func(m map[string]any) { delete(m, "x5c") }, "without certificates"},
		{"an algorithm of none", func(m map[string]any) { m["alg"] = -999 }, "algorithm -999"},
		{"another maker's word beside it", func(m map[string]any) { m["pad"] = 1 }, "about another key"}, // read all the same
		{"a chain that is text", func(m map[string]any) { m["x5c"] = "none" }, "no list"},
	} {
		if err := judge(tc.change); err == nil || !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.why)
		}
	}
}

// Every kind of key that may register is the same key to the certificate's reader.
func TestPublicKeysReadAlike(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs := rsaKey(2048, 65537)
	for name, tc := range map[string]struct {
		cose map[int]any
		want interface{ Equal(crypto.PublicKey) bool }
	}{
		"P-256":   {map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}, &ec.PublicKey},
		"Ed25519": {map[int]any{1: 1, 3: -8, -1: 6, -2: []byte(ed)}, ed},
		"RSA":     {map[int]any{1: 3, 3: -257, -1: rs.N.Bytes(), -2: []byte{1, 0, 1}}, &rsa.PublicKey{N: rs.N, E: rs.E}},
	} {
		b, err := cbor.Marshal(tc.cose)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := publicKeyOf(b); err != nil || !tc.want.Equal(got) {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

// ML-DSA in a chain: the certificate cannot be read for its key, and the person is not
// to blame.
func TestAKeyOfAnotherKindCostsTheGradeAndNothingElse(t *testing.T) {
	if err := (&weight{}).member("x5c", []any{[]byte("none")}); errors.Is(err, errOtherKind) {
		t.Error("bytes that are no certificate pass for a kind of key")
	}
	cert, err := x509.ParseCertificate(certificateFor(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	// An object id of a key kind that x509 does not know, in the place of id-ecPublicKey.
	der := slices.Clone(cert.Raw)
	id := []byte{0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01}
	at := strings.Index(string(der), string(id))
	if at < 0 {
		t.Fatal("no key in the certificate")
	}
	der[at+8] = 0x7f
	if err := checkCertificate(der); !errors.Is(err, errOtherKind) {
		t.Errorf("%v", err)
	}
}
