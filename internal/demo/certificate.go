package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"keyward/internal/keyring"
)

// certificateLife: a demo is stopped long before; a forgotten CA file is
// worthless soon.
const certificateLife = 7 * 24 * time.Hour

// Certificate is the one that `keyward demo --tls` serves, and the authority that
// signed it. The authority's key is never written down: nobody can sign another
// certificate with it, also not for somebody who trusted its file.
type Certificate struct {
	CertFile, KeyFile string // for the server
	AuthorityFile     string // for browsers and curl --cacert

	roots *x509.CertPool
}

// randomness of keyring as a reader: there is one source in this program.
type randomness struct{}

func (randomness) Read(b []byte) (int, error) { return copy(b, keyring.Random(len(b))), nil }

// NewCertificate makes an authority and a certificate of it for the hosts, and
// writes what others need into dir.
func NewCertificate(dir string, now time.Time, hosts ...string) (*Certificate, error) {
	root := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Keyward demo authority, good for one run"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		// Should somebody trust the file, it can speak for this machine only
		// (RFC 5280 §4.2.1.10).
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{"localhost"},
	}
	leaf := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	rootKey, err1 := ecdsa.GenerateKey(elliptic.P256(), randomness{})
	leafKey, err2 := ecdsa.GenerateKey(elliptic.P256(), randomness{})
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	rootDER, err := x509.CreateCertificate(randomness{}, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	leafDER, err := x509.CreateCertificate(randomness{}, leaf, root, leafKey.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(rootDER)
	if err != nil {
		return nil, err
	}
	c := &Certificate{
		CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"), AuthorityFile: filepath.Join(dir, "tls-authority.crt"),
		roots: x509.NewCertPool(),
	}
	c.roots.AddCert(parsed)
	for _, f := range []struct {
		name, kind string
		der        []byte
	}{{c.CertFile, "CERTIFICATE", leafDER}, {c.KeyFile, "PRIVATE KEY", key}, {c.AuthorityFile, "CERTIFICATE", rootDER}} {
		if err := os.WriteFile(f.name, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func serial() *big.Int { return new(big.Int).SetBytes(keyring.Random(16)) }

// Transport trusts this certificate and no other.
func (c *Certificate) Transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: c.roots}
	return t
}
