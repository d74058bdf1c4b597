package proof_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"keyward/internal/proof"
	"keyward/internal/proof/prooftest"
)

// jose reads a proof with go-jose, which shares no code with ours. All that we accept it must accept, and
// find the same key and the same claims in it.
func agreesWithJose(t *testing.T, header string, got proof.Proof) {
	t.Helper()
	jws, err := jose.ParseSignedCompact(header, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil {
		t.Fatalf("go-jose does not parse what we accept: %v\n%s", err, header)
	}
	key := jws.Signatures[0].Protected.JSONWebKey
	if key == nil || !key.IsPublic() || !key.Valid() {
		t.Fatalf("go-jose finds no valid public key in %s", header)
	}
	payload, err := jws.Verify(key)
	if err != nil {
		t.Fatalf("go-jose does not verify what we accept: %v\n%s", err, header)
	}
	thumb, err := key.Thumbprint(crypto.SHA256)
	if err != nil || base64.RawURLEncoding.EncodeToString(thumb) != got.JKT {
		t.Errorf("go-jose has another thumbprint: %x (%v), we %s", thumb, err, got.JKT)
	}
	if typ := jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; typ != "dpop+jwt" {
		t.Errorf("go-jose reads typ %v", typ)
	}
	var claims struct {
		JTI   string  `json:"jti"`
		IAT   float64 `json:"iat"`
		Nonce string  `json:"nonce"`
	}
	if err := josejson.Unmarshal(payload, &claims); err != nil {
		t.Fatalf("go-jose does not read the claims: %v\n%s", err, payload)
	}
	if claims.JTI != got.JTI || claims.Nonce != got.Nonce || int64(claims.IAT) != got.IAT.Unix() {
		t.Errorf("go-jose reads %+v, we %+v", claims, got)
	}
}

func TestEveryAcceptedCaseAgreesWithJose(t *testing.T) {
	ec, ed := prooftest.NewKey(), prooftest.NewEd25519Key()
	for _, c := range dpopCases {
		if c.err != nil {
			continue
		}
		key := ec
		if c.ed {
			key = ed
		}
		want := proof.Want{Method: "POST", URL: here}
		if c.want != nil {
			c.want(&want)
		}
		header := c.make(key)
		got, err := proof.VerifyDPoP(header, want, now)
		if err != nil {
			t.Fatal(c.name, err)
		}
		agreesWithJose(t, header, got)
	}
}

// FuzzDPoP feeds whole header values, as they come from the network.
func FuzzDPoP(f *testing.F) {
	ec, ed := prooftest.NewKey(), prooftest.NewEd25519Key()
	for _, c := range dpopCases {
		key := ec
		if c.ed {
			key = ed
		}
		f.Add(c.make(key))
	}
	f.Add(rfcTokenProof)
	want := proof.Want{Method: "POST", URL: here}
	f.Fuzz(func(t *testing.T, header string) {
		got, err := proof.VerifyDPoP(header, want, now)
		if err == nil {
			agreesWithJose(t, header, got)
			return
		}
		if !errors.Is(err, proof.ErrInvalid) || got != (proof.Proof{}) {
			t.Errorf("refused with %v and gave %+v", err, got)
		}
	})
}

// FuzzSignedDPoP signs whatever head and claims the fuzzer makes up, so that it gets past the signature.
func FuzzSignedDPoP(f *testing.F) {
	key := prooftest.NewKey()
	jwk, err := json.Marshal(key.JWK())
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range dpopCases {
		if parts := strings.Split(c.make(key), "."); len(parts) == 3 {
			head, err1 := base64.RawURLEncoding.DecodeString(parts[0])
			claims, err2 := base64.RawURLEncoding.DecodeString(parts[1])
			if err1 == nil && err2 == nil {
				// The key is put in at run time, because the next process has another one.
				f.Add(bytes.ReplaceAll(head, jwk, []byte("$jwk")), claims)
			}
		}
	}
	f.Add([]byte(goodHead), []byte(goodClaims))
	want := proof.Want{Method: "POST", URL: here}
	f.Fuzz(func(t *testing.T, head, claims []byte) {
		head = bytes.ReplaceAll(head, []byte("$jwk"), jwk)
		header := key.Sign(head, claims)
		got, err := proof.VerifyDPoP(header, want, now)
		if err != nil {
			return
		}
		if got.JKT != key.JKT() {
			t.Fatalf("accepted for %s, signed by %s: %q", got.JKT, key.JKT(), head)
		}
		agreesWithJose(t, header, got)
	})
}
