package session

import (
	"crypto/ecdsa"
	"encoding/json"
	"keyward/internal/proof/prooftest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Project Wycheproof's vectors go the way of an access token that comes back: as if the keys of each group were
// ours. They have no typ and their payload is no JSON, so typ is expected to be missing and nothing is decoded.
// Nothing that they call invalid may pass; of what they call valid, everything but ES256 is refused. Left out are
// keys that say of themselves that they are for something else: the ring makes its keys, and all are for signing.
func TestWycheproof(t *testing.T) {
	accepted, refused := 0, 0
	prooftest.Wycheproof(t, func(name, set, jws, result string) {
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
