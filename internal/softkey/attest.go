package softkey

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"sync"
	"time"
)

// attest makes an attestation object over auth and client (WebAuthn L3 §6.5.4,
// §8.2, §8.7).
func (a *Authenticator) attest(kind Statement, key signer, auth, client []byte, spoil func([]byte) []byte) []byte {
	hash := sha256.Sum256(client)
	signed := append(append([]byte(nil), auth...), hash[:]...)
	format, statement := "none", map[string]any{}
	switch kind {
	case Self:
		format = "packed"
		statement = map[string]any{"alg": key.alg, "sig": spoil(key.sign(signed))}
	case X5C:
		format = "packed"
		leaf, cert := Authority().issue(a.AAGUID)
		statement = map[string]any{"alg": ES256, "sig": spoil(leaf.sign(signed)), "x5c": []any{cert}}
	case AndroidKey:
		format = "android-key"
		statement = map[string]any{"alg": key.alg, "sig": spoil(key.sign(signed)), "x5c": a.Maker.Android(key.key.Public(), a.Phone(hash[:]))}
	case Unheard:
		format, statement = "unheard-of", map[string]any{"any": []byte("thing")}
	}
	return marshal(map[string]any{"fmt": format, "attStmt": statement, "authData": auth})
}

// CA is a certificate authority that nothing outside of tests may trust.
type CA struct {
	key  *ecdsa.PrivateKey
	Root *x509.Certificate
}

// Authority is the CA of this process. Its key is made at first use and is
// never written anywhere.
var Authority = sync.OnceValue(func() *CA {
	key := newSigner(ES256).key.(*ecdsa.PrivateKey)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: subject("softkey test root: trust nothing it signs"),
		NotBefore: notBefore, NotAfter: notAfter, BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	root, err := selfSigned(template, key)
	if err != nil {
		panic(err)
	}
	return &CA{key: key, Root: root}
})

// Fixed, so that no test depends on the day it runs.
var (
	notBefore = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2049, 12, 31, 0, 0, 0, 0, time.UTC)
)

// issue makes an attestation key with a certificate of the form WebAuthn L3
// §8.2.1 asks for.
func (ca *CA) issue(aaguid [16]byte) (signer, []byte) {
	leaf := newSigner(ES256)
	extension, err := asn1.Marshal(aaguid[:])
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(random(15)), Subject: subject("softkey"),
		NotBefore: notBefore, NotAfter: notAfter, BasicConstraintsValid: true,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: extension}},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, ca.Root, leaf.key.Public(), ca.key)
	if err != nil {
		panic(err)
	}
	return leaf, cert
}

func subject(name string) pkix.Name {
	return pkix.Name{Country: []string{"KR"}, Organization: []string{"Keyward softkey"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: name}
}

func selfSigned(template *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
