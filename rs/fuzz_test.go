package rs_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"keyward/rs"
)

// FuzzToken feeds whole Authorization values, as they come from the network.
func FuzzToken(f *testing.F) {
	is := newIssuer(f)
	for _, c := range tokenCases(is) {
		f.Add("Bearer " + c.token)
	}
	for _, s := range []string{"", "Bearer", "DPoP x", "Basic YTpi", "bearer  a", "Bearer a,b"} {
		f.Add(s)
	}
	v := is.verifier(f)
	f.Fuzz(func(t *testing.T, field string) {
		r := bearer("")
		r.Header.Set("Authorization", field)
		tok, err := v.Check(r, rs.Need{})
		var e *rs.Error
		if (tok == nil) != errors.As(err, &e) {
			t.Fatalf("%v and %v", tok, err)
		}
		if err == nil {
			agreesWithJose(t, is, field[len("Bearer "):], tok)
		}
	})
}

// FuzzSignedToken signs whatever head and claims the fuzzer makes up, so that it gets past the signature.
func FuzzSignedToken(f *testing.F) {
	is := newIssuer(f)
	for _, c := range tokenCases(is) {
		if parts := strings.Split(c.token, "."); len(parts) == 3 {
			head, err1 := base64.RawURLEncoding.DecodeString(parts[0])
			body, err2 := base64.RawURLEncoding.DecodeString(parts[1])
			if err1 == nil && err2 == nil {
				// The address of the issuer is put in at run time, because the next process has another one.
				f.Add(string(head), strings.ReplaceAll(string(body), is.URL, "$issuer"))
			}
		}
	}
	v := is.verifier(f)
	f.Fuzz(func(t *testing.T, head, body string) {
		token := sign(is.key, head, strings.ReplaceAll(body, "$issuer", is.URL))
		if tok, err := v.Check(bearer(token), rs.Need{}); err == nil {
			agreesWithJose(t, is, token, tok)
		}
	})
}

// agreesWithJose: what we accept, a JOSE library accepts with the issuer's key, and reads the same out of it.
func agreesWithJose(t *testing.T, is *issuer, token string, tok *rs.Token) {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		// A key that the token brought along (jwk, x5c): we never read it, go-jose does
		// and finds fault with it. It is worth nothing either way.
		if text := strings.ToLower(err.Error()); strings.Contains(text, "jwk") || strings.Contains(text, "x5c") || strings.Contains(text, "x509") {
			return
		}
		t.Fatalf("go-jose does not read it: %v", err)
	}
	body, err := jws.Verify(&is.key.PublicKey)
	if err != nil {
		t.Fatalf("go-jose does not verify it: %v", err)
	}
	var c struct {
		Iss string `json:"iss"`
		Sub string `json:"sub"`
		JTI string `json:"jti"`
	}
	if err := json.Unmarshal(body, &c); err != nil || c.Iss != is.URL || c.Sub != tok.Subject || c.JTI != tok.ID {
		// encoding/json takes members whose names differ in case; then the two may differ, and ours is right.
		if strings.Count(strings.ToLower(string(body)), `"sub"`)+strings.Count(strings.ToLower(string(body)), `"jti"`)+strings.Count(strings.ToLower(string(body)), `"iss"`) == 3 && !strings.Contains(string(body), `\`) {
			t.Errorf("we read %+v, encoding/json %+v, %v", tok, c, err)
		}
	}
}
