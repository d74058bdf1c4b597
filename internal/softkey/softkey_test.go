package softkey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"keyward/internal/proof"
	"keyward/internal/softkey"
)

const page = "https://auth.example.com"

var (
	handle   = bytes.Repeat([]byte{7}, 32)
	creation = func(attestation string, exclude ...string) []byte {
		list := []map[string]string{}
		for _, id := range exclude {
			list = append(list, map[string]string{"type": "public-key", "id": id})
		}
		b, _ := json.Marshal(map[string]any{
			"rp": map[string]string{"id": "example.com", "name": "Example"}, "challenge": "AAAAAAAAAAAAAAAAAAAAAA",
			"user":             map[string]string{"id": base64.RawURLEncoding.EncodeToString(handle), "name": "kim"},
			"pubKeyCredParams": []map[string]any{{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -8}},
			"attestation":      attestation, "excludeCredentials": list,
		})
		return b
	}
	request = []byte(`{"challenge":"AQEBAQEBAQEBAQEBAQEBAQ","rpId":"example.com","userVerification":"required"}`)
)

type credential struct {
	ID       string `json:"id"`
	Response struct {
		ClientDataJSON, AttestationObject, AuthenticatorData, Signature, UserHandle string
	} `json:"response"`
}

func parse(t *testing.T, b []byte, err error) credential {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var c credential
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func raw(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSignaturesVerify checks what the authenticator makes with nothing but the
// standard library, so that a mistake shared with the verifier would show.
func TestSignaturesVerify(t *testing.T) {
	for _, tc := range []struct {
		name string
		keys *softkey.Authenticator
	}{
		{"ES256, no attestation", &softkey.Authenticator{}},
		{"EdDSA, no attestation", &softkey.Authenticator{Algorithm: softkey.EdDSA}},
		{"ES256, self attestation", &softkey.Authenticator{Statement: softkey.Self}},
		{"EdDSA, self attestation", &softkey.Authenticator{Algorithm: softkey.EdDSA, Statement: softkey.Self}},
		{"ES256, certificate", &softkey.Authenticator{Statement: softkey.X5C, AAGUID: [16]byte{1, 2}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := &softkey.Browser{Origin: page, Keys: tc.keys}
			answer, err := b.Create(creation("direct"))
			made := parse(t, answer, err)
			var object struct {
				Fmt      string `cbor:"fmt"`
				AuthData []byte `cbor:"authData"`
				Stmt     struct {
					Alg int64    `cbor:"alg"`
					Sig []byte   `cbor:"sig"`
					X5C [][]byte `cbor:"x5c"`
				} `cbor:"attStmt"`
			}
			if err := cbor.Unmarshal(raw(t, made.Response.AttestationObject), &object); err != nil {
				t.Fatal(err)
			}
			id := object.AuthData[55 : 55+32]
			var key map[int64]any
			if err := cbor.Unmarshal(object.AuthData[55+32:], &key); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(id, raw(t, made.ID)) || object.AuthData[32] != 0b0101_1101 {
				t.Errorf("id %x, flags %08b", id, object.AuthData[32])
			}
			signed := func(auth, client []byte) []byte {
				hash := sha256.Sum256(client)
				return append(bytes.Clone(auth), hash[:]...)
			}
			over := signed(object.AuthData, raw(t, made.Response.ClientDataJSON))
			switch {
			case object.Stmt.X5C != nil:
				leaf, err := x509.ParseCertificate(object.Stmt.X5C[0])
				if err != nil {
					t.Fatal(err)
				}
				if err := leaf.CheckSignature(x509.ECDSAWithSHA256, over, object.Stmt.Sig); err != nil {
					t.Error(err)
				}
				if err := leaf.CheckSignatureFrom(softkey.Authority().Root); err != nil {
					t.Error(err)
				}
			case object.Stmt.Sig != nil:
				if !verify(key, over, object.Stmt.Sig) {
					t.Error("the self attestation does not verify")
				}
			case object.Fmt != "none":
				t.Errorf("format %q without a signature", object.Fmt)
			}

			answer, err = b.Get(request)
			got := parse(t, answer, err)
			auth := raw(t, got.Response.AuthenticatorData)
			if !verify(key, signed(auth, raw(t, got.Response.ClientDataJSON)), raw(t, got.Response.Signature)) {
				t.Error("the assertion does not verify")
			}
			if !bytes.Equal(raw(t, got.Response.UserHandle), handle) {
				t.Errorf("user handle %s", got.Response.UserHandle)
			}
			if rp := sha256.Sum256([]byte("example.com")); !bytes.Equal(auth[:32], rp[:]) {
				t.Error("another relying party")
			}
		})
	}
}

func verify(key map[int64]any, message, sig []byte) bool {
	if y, ok := key[-3]; ok {
		digest := sha256.Sum256(message)
		point := append(append([]byte{4}, key[-2].([]byte)...), y.([]byte)...)
		pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		return err == nil && ecdsa.VerifyASN1(pub, digest[:], sig)
	}
	return ed25519.Verify(key[-2].([]byte), message, sig)
}

func TestTheBrowserKeepsTheRules(t *testing.T) {
	keys := &softkey.Authenticator{}
	b := &softkey.Browser{Origin: page, Keys: keys}
	if _, err := b.Get(request); !errors.Is(err, softkey.ErrNotAllowed) {
		t.Errorf("an empty authenticator answers: %v", err)
	}
	answer, err := b.Create(creation("none"))
	made := parse(t, answer, err)
	if _, err := b.Create(creation("none", made.ID)); !errors.Is(err, softkey.ErrInvalidState) {
		t.Errorf("an excluded credential: %v", err)
	}
	for _, other := range []string{"https://auth.example.com.evil.example", "https://notexample.com", "https://example.org"} {
		phish := &softkey.Browser{Origin: other, Keys: keys}
		if _, err := phish.Get(request); !errors.Is(err, softkey.ErrSecurity) {
			t.Errorf("%s: %v", other, err)
		}
		if _, err := phish.Create(creation("none")); !errors.Is(err, softkey.ErrSecurity) {
			t.Errorf("%s: %v", other, err)
		}
	}
	rsaOnly := bytes.ReplaceAll(bytes.ReplaceAll(creation("none"), []byte("-7"), []byte("-257")), []byte("-8"), []byte("-257"))
	if _, err := b.Create(rsaOnly); !errors.Is(err, softkey.ErrNotSupported) {
		t.Errorf("RSA: %v", err)
	}
	if _, err := b.Get([]byte(`{"publicKey":` + string(request) + `}`)); err != nil {
		t.Errorf("wrapped options: %v", err)
	}
}

func TestOnePasskeyPerUserAndSite(t *testing.T) {
	keys := &softkey.Authenticator{}
	b := &softkey.Browser{Origin: page, Keys: keys}
	answer, err := b.Create(creation("none"))
	first := parse(t, answer, err)
	answer, err = b.Create(creation("none"))
	second := parse(t, answer, err)
	answer, err = b.Get(request)
	if got := parse(t, answer, err); got.ID != second.ID || got.ID == first.ID || len(keys.Handles("example.com")) != 1 {
		t.Errorf("answered with %s of %s, %s", got.ID, first.ID, second.ID)
	}
	if _, err := b.Get(request, softkey.As([]byte("nobody"))); !errors.Is(err, softkey.ErrNotAllowed) {
		t.Errorf("somebody else: %v", err)
	}
	keys.Accept("example.com", handle, nil)
	if _, err := b.Get(request); !errors.Is(err, softkey.ErrNotAllowed) {
		t.Errorf("after the site took it off its list: %v", err)
	}
}

func TestTheBindingKeyMakesProofs(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	key := softkey.NewBindingKey()
	p, err := proof.VerifyDPoP(key.Proof(softkey.DPoP{Method: "POST", URL: page + "/session/refresh", Token: "kwa_x"}, now),
		proof.Want{Method: "POST", URL: page + "/session/refresh", AccessToken: "kwa_x", JKT: key.Thumbprint()}, now)
	if err != nil || p.JKT != key.Thumbprint() {
		t.Errorf("%+v, %v", p, err)
	}
	other := softkey.NewBindingKey()
	if _, err := proof.VerifyDPoP(other.Proof(softkey.DPoP{Method: "GET", URL: page}, now), proof.Want{Method: "GET", URL: page, JKT: key.Thumbprint()}, now); err == nil {
		t.Error("another key passes")
	}
}
