package attest

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"testing"
)

// The fingerprints as Google and Apple publish them beside the certificates.
func TestTheRootsAreTheMakersOwn(t *testing.T) {
	roots := append(GoogleRoots(), AppleRoot())
	for i, want := range []string{
		"cedb1cb6dc896ae5ec797348bce9286753c2b38ee71ce0fbe34a9a1248800dfc",
		"6d9db4ce6c5c0b293166d08986e05774a8776ceb525d9e4329520de12ba4bcc0",
		"1cb9823ba28ba6ad2d33a006941de2ae4f513ef1d4e831b9f7e0fa7b6242c932",
	} {
		r := roots[i]
		if got := sha256.Sum256(r.Raw); hex.EncodeToString(got[:]) != want {
			t.Errorf("%s has the fingerprint %x", r.Subject, got)
		}
		if !bytes.Equal(r.RawSubject, r.RawIssuer) || r.CheckSignature(r.SignatureAlgorithm, r.RawTBSCertificate, r.Signature) != nil {
			t.Errorf("%s has not signed itself", r.Subject)
		}
	}
	for i, want := range []string{
		"cbb522d7b7f127ad6a0113865bdf1cd4102e7d0759af635a7cf4720dc963c53b",
		"4fa3126d8d3a11d1c4855a4f807cbad6cf919d3a5a88b03bea2c6372d93c40c9",
	} {
		r := MDSRoots()[i]
		if got := sha256.Sum256(r.Raw); hex.EncodeToString(got[:]) != want || r.CheckSignature(r.SignatureAlgorithm, r.RawTBSCertificate, r.Signature) != nil {
			t.Errorf("%s has the fingerprint %x", r.Subject, got)
		}
	}
}

func TestNobodyAddsARoot(t *testing.T) {
	clear(GoogleRoots())
	for _, r := range GoogleRoots() {
		if r == (*x509.Certificate)(nil) {
			t.Fatal("a caller changed the roots of all others")
		}
	}
}
