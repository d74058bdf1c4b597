package oauth

import (
	"encoding/json"
	"keyward/internal/proof/prooftest"
	"strings"
	"testing"
)

// Project Wycheproof's vectors go the way of a client assertion: the keys of each group are what an app wants to
// register, then the app shows the JWS. Its payload says nothing of an audience, and that is the first thing asked
// once the signature is good; so whatever gets as far as aud has passed. Nothing that they call invalid may, and of
// what they call valid, only what is not ES256 or EdDSA (FAPI 2.0 §5.4) is refused.
func TestWycheproof(t *testing.T) {
	accepted, refused, notRegistered := 0, 0, 0
	prooftest.Wycheproof(t, func(name, set, jws, result string) {
		if goodKeys(json.RawMessage(set)) != nil {
			notRegistered++
			return
		}
		err := (&Service{}).assertion(t.Context(), Client{ID: "app_1", JWKS: set}, jws, assertionClaims{})
		switch {
		case err == nil:
			t.Fatalf("%s: an assertion that says nothing was good", name)
		case !strings.HasSuffix(err.Error(), "assertion: aud"):
			refused++
		case result != "valid":
			t.Errorf("%s was accepted", name)
		default:
			accepted++
		}
	})
	if accepted < 2 || refused+notRegistered < 400 {
		t.Errorf("%d accepted, %d refused, %d with keys that cannot be registered: the vectors have changed", accepted, refused, notRegistered)
	}
	t.Logf("%d accepted, %d refused, %d with keys that cannot be registered", accepted, refused, notRegistered)
}
