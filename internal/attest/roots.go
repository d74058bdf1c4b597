package attest

import (
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"slices"
	"sync"
)

// The makers' own roots, byte for byte as they publish them. Each is matched by its
// key; the fingerprints are in roots_test.go.
var (
	//go:embed roots/google-rsa.pem
	googleRSA []byte // https://android.googleapis.com/attestation/root, RSA-4096, to 2042-03-15

	//go:embed roots/google-p384.pem
	googleP384 []byte // the same place, P-384, "Key Attestation CA1", 2025-07-17 to 2035-07-15

	//go:embed roots/apple-app-attest.pem
	appleAppAttest []byte // https://www.apple.com/certificateauthority/Apple_App_Attestation_Root_CA.pem, to 2045-03-15

	//go:embed roots/globalsign-r3.pem
	globalSignR3 []byte // signs the FIDO Metadata Service, to 2029-03-18

	//go:embed roots/globalsign-r46.pem
	globalSignR46 []byte // its successor, to 2046-03-20
)

var google = sync.OnceValue(func() []*x509.Certificate {
	return []*x509.Certificate{embedded(googleRSA), embedded(googleP384)}
})

var apple = sync.OnceValue(func() *x509.Certificate { return embedded(appleAppAttest) })

// GoogleRoots are the two roots of Android Key Attestation. The root of software
// attestation, which every emulator has, is not among them.
func GoogleRoots() []*x509.Certificate { return slices.Clone(google()) }

// AppleRoot is the root of App Attest. Receipts end in another root of Apple's,
// and are not judged here.
func AppleRoot() *x509.Certificate { return apple() }

var globalSign = sync.OnceValue(func() []*x509.Certificate {
	return []*x509.Certificate{embedded(globalSignR3), embedded(globalSignR46)}
})

// MDSRoots are the roots under which the FIDO Alliance signs its metadata.
func MDSRoots() []*x509.Certificate { return slices.Clone(globalSign()) }

func embedded(b []byte) *x509.Certificate {
	block, _ := pem.Decode(b)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		panic(err) // a constant
	}
	return c
}
