package proof

import (
	"net/http"
	"time"

	"keyward/rs"
)

// Algorithms is what the server announces as dpop_signing_alg_values_supported.
func Algorithms() []string { return rs.ProofAlgorithms() }

// Proof is what a proof has shown: at IAT, the holder of the key JKT meant this very request. The caller
// still has to spend (JKT, JTI), once, before relying on it.
type Proof = rs.Proof

// Want is what the proof has to be about.
type Want struct {
	Method string // of the request, as it stands in the request line
	URL    string // of the request as the client sees it: our public origin and the path

	// AccessToken is the token presented together with the proof; empty where none is, as at the token
	// endpoint. With a token, ath is demanded.
	AccessToken string

	// JKT is the thumbprint that the token (or code, or family) is bound to; empty when there is none yet.
	JKT string

	// Nonce checks the server nonce of the proof, "" when it has none; nil means that none is demanded.
	Nonce func(nonce string) bool
}

// Header is the one DPoP header of a request (RFC 9449 §4.3 (1)): ErrAbsent when there is none, which at some
// doors is allowed, and a refusal when there are several.
func Header(h http.Header) (string, error) {
	if len(h["Dpop"]) == 0 {
		return "", ErrAbsent
	}
	text, err := rs.ProofHeader(h)
	return text, refused(err)
}

// VerifyDPoP runs the checks of RFC 9449 §4.3 on the value of a DPoP header, within the window of policy.go.
func VerifyDPoP(header string, want Want, now time.Time) (Proof, error) {
	p, err := rs.ReadProof(header, rs.ProofNeed{
		Method: want.Method, URL: want.URL, AccessToken: want.AccessToken, JKT: want.JKT, Nonce: want.Nonce,
		MaxAge: MaxAge, MaxAhead: MaxAhead,
	}, now)
	return p, refused(err)
}
