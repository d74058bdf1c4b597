package rs_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"keyward/internal/proof/prooftest"
	"keyward/rs"
)

// joseReadsTheSame asks go-jose, which shares no code with ours. All that we accept it must accept, and find the
// same key and the same claims in it.
func joseReadsTheSame(t *testing.T, header string, got rs.Proof) {
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

// judged is what must hold of any header at all, where no token is presented. It reports whether it was accepted.
func judged(t *testing.T, header string, need rs.ProofNeed) (rs.Proof, bool) {
	t.Helper()
	got, err := rs.ReadProof(header, need, now)
	if err != nil {
		var e *rs.Error
		if !errors.As(err, &e) || e.Status != http.StatusUnauthorized || got != (rs.Proof{}) {
			t.Errorf("refused with %v and gave %+v", err, got)
		}
		return rs.Proof{}, false
	}
	joseReadsTheSame(t, header, got)
	if age := now.Sub(got.IAT); age > time.Minute || age < -10*time.Second || !got.Until.After(now) {
		t.Errorf("accepted %v after it was made, until %v", age, got.Until)
	}
	// The same proof is worth nothing at another door, with another key, or beside a token that it does not name.
	for _, other := range []func(*rs.ProofNeed){
		func(n *rs.ProofNeed) { n.Method = "DELETE" },
		func(n *rs.ProofNeed) { n.URL += "/x" },
		func(n *rs.ProofNeed) { n.URL = strings.Replace(n.URL, "https://", "https://x", 1) },
		func(n *rs.ProofNeed) { n.JKT = strings.Repeat("A", 43) },
		func(n *rs.ProofNeed) { n.AccessToken = "another" },
		func(n *rs.ProofNeed) { n.Nonce = func(string) bool { return false } },
	} {
		changed := need
		other(&changed)
		if _, err := rs.ReadProof(header, changed, now); err == nil {
			t.Errorf("%q was accepted for %+v too", header, changed)
		}
	}
	if _, err := rs.ReadProof(header, need, got.Until); err == nil {
		t.Errorf("%q is still good when nobody remembers it", header)
	}
	return got, true
}

// FuzzProof feeds whole DPoP headers, as they come from the network: to ReadProof, and to a Verifier beside a good
// token, which must say the same.
func FuzzProof(f *testing.F) {
	ec, ed := prooftest.NewKey(), prooftest.NewEd25519Key()
	for _, c := range readCases {
		f.Add(c.make(c.key(ec, ed)))
	}
	is, k := newIssuer(f), prooftest.NewKey()
	token := is.bound(k)
	for _, c := range proofCases(is, k, token) {
		f.Add(c.proof)
	}
	var n int
	v := is.verifier(f, func(c *rs.Config) { c.Replay = countingReplay{&n} })
	f.Fuzz(func(t *testing.T, header string) {
		judged(t, header, rs.ProofNeed{Method: "POST", URL: here})
		r := dpop(token, "")
		r.Header = http.Header{"Authorization": r.Header["Authorization"], "Dpop": {header}}
		_, err := v.Check(r, rs.Need{})
		agrees(t, header, token, k.JKT(), is.clock.now(), err)
	})
}

// FuzzSignedProof signs whatever head and claims the fuzzer makes up, so that it gets past the signature.
func FuzzSignedProof(f *testing.F) {
	key := prooftest.NewKey()
	jwk, err := json.Marshal(key.JWK())
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range readCases {
		if parts := strings.Split(c.make(key), "."); len(parts) == 3 {
			head, err1 := base64.RawURLEncoding.DecodeString(parts[0])
			claims, err2 := base64.RawURLEncoding.DecodeString(parts[1])
			if err1 == nil && err2 == nil {
				// The key is put in at run time, because the next process has another one.
				f.Add(bytes.ReplaceAll(head, jwk, []byte("$jwk")), claims)
			}
		}
	}
	f.Add([]byte(proofHead), []byte(proofClaims))
	f.Fuzz(func(t *testing.T, head, claims []byte) {
		head = bytes.ReplaceAll(head, []byte("$jwk"), jwk)
		got, ok := judged(t, key.Sign(head, claims), rs.ProofNeed{Method: "POST", URL: here})
		if ok && got.JKT != key.JKT() {
			t.Fatalf("accepted for %s, signed by %s: %q", got.JKT, key.JKT(), head)
		}
	})
}
