package device

import (
	"encoding/json"
	"testing"

	"keyward/internal/softkey"
)

// seedAttestations are attestation objects of every kind a software authenticator makes.
func seedAttestations(tb testing.TB) (out [][]byte) {
	tb.Helper()
	options := []byte(`{"rp":{"id":"example.com"},"user":{"id":"AAAA","name":"kim"},"challenge":"AAAAAAAAAAAAAAAAAAAAAA",
		"pubKeyCredParams":[{"alg":-7},{"alg":-8}],"attestation":"direct"}`)
	for _, keys := range []*softkey.Authenticator{
		{}, {Algorithm: softkey.EdDSA}, {Statement: softkey.Self}, {Statement: softkey.X5C, Local: true},
	} {
		b := softkey.Browser{Origin: "https://example.com", Keys: keys}
		answer, err := b.Create(options)
		if err != nil {
			tb.Fatal(err)
		}
		var made struct {
			Response struct {
				AttestationObject string `json:"attestationObject"`
			} `json:"response"`
		}
		if err := json.Unmarshal(answer, &made); err != nil {
			tb.Fatal(err)
		}
		object, err := decode(made.Response.AttestationObject)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, object)
	}
	return out
}
