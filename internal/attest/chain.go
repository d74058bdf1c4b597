package attest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
)

// ErrNoRoot: the chain holds in itself and ends in a root that is not ours. Told
// apart from broken evidence, because honest phones with other roots exist.
var ErrNoRoot = errors.New("the chain ends in no root that is trusted")

var oidAlternativeName = asn1.ObjectIdentifier{2, 5, 29, 17}

// parseChain parses what was presented, the leaf first, within the limits.
func parseChain(ders [][]byte) ([]*x509.Certificate, error) {
	if len(ders) == 0 || len(ders) > maxChain {
		return nil, fmt.Errorf("a chain of %d certificates", len(ders))
	}
	chain := make([]*x509.Certificate, 0, len(ders)+1)
	for i, der := range ders {
		if len(der) > maxCertificate {
			return nil, fmt.Errorf("certificate %d has %d bytes", i, len(der))
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i, err)
		}
		if err := weighKey(c.PublicKey); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i, err)
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// weighKey refuses keys whose use would cost too much, and kinds that nothing here
// can verify with.
func weighKey(key any) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA || k.E < 3 || k.E > maxExponent || k.E&1 == 0 {
			return fmt.Errorf("an RSA key of %d bits with the exponent %d", bits, k.E)
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return fmt.Errorf("a key of type %T", key)
	}
	return nil
}

// anchored verifies that each certificate was issued by the next and the last by
// one of roots, all in force at the time. What comes back ends in the root as we
// know it, in place of the copy that was presented: Google has issued several
// certificates for one root key, and phones carry the old ones.
//
// It follows the order presented and builds no other path, because which
// certificate is nearer to the root decides what counts.
func anchored(chain []*x509.Certificate, roots []*x509.Certificate, at time.Time) ([]*x509.Certificate, error) {
	last := chain[len(chain)-1]
	root := rootFor(last, roots)
	switch {
	case root == nil:
	case sameKey(last, root):
		chain = append(chain[:len(chain)-1:len(chain)-1], root)
	default:
		chain = append(chain[:len(chain):len(chain)], root)
	}
	if root == nil && len(chain) == 1 {
		return nil, ErrNoRoot
	}
	if len(chain) < 2 {
		return nil, errors.New("a root in place of a chain")
	}
	for i, c := range chain {
		// The root is a key we trust, not a certificate: phones were made under it before
		// the copy we carry was issued. When Google ends it, it ends.
		if at.After(c.NotAfter) || at.Before(c.NotBefore) && i+1 < len(chain) {
			return nil, fmt.Errorf("certificate %d is good from %s to %s", i, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
		}
		for _, id := range c.UnhandledCriticalExtensions {
			// A TPM's certificate must name its maker and model in a critical subject
			// alternative name (WebAuthn L3 §8.3.1). It narrows nothing.
			if i > 0 || !id.Equal(oidAlternativeName) {
				return nil, fmt.Errorf("certificate %d has the critical extension %v", i, id)
			}
		}
		if i+1 == len(chain) {
			break
		}
		if err := issuedBy(c, chain[i+1], i); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i, err)
		}
	}
	if root == nil {
		return nil, ErrNoRoot
	}
	return chain, nil
}

// issuedBy checks one link; below counts the certificates between c and the leaf.
func issuedBy(c, issuer *x509.Certificate, below int) error {
	switch {
	case !bytes.Equal(c.RawIssuer, issuer.RawSubject):
		return errors.New("the next certificate is not its issuer's")
	case !issuer.BasicConstraintsValid || !issuer.IsCA:
		return errors.New("its issuer may not issue")
	case issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New("its issuer's key is not for certificates")
	case (issuer.MaxPathLen > 0 || issuer.MaxPathLenZero) && below > issuer.MaxPathLen:
		return errors.New("deeper than its issuer allows")
	}
	return issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
}

// rootFor finds the root that last is a copy of or names as its issuer.
func rootFor(last *x509.Certificate, roots []*x509.Certificate) *x509.Certificate {
	for _, r := range roots {
		if sameKey(last, r) || bytes.Equal(last.RawIssuer, r.RawSubject) && r.CheckSignature(last.SignatureAlgorithm, last.RawTBSCertificate, last.Signature) == nil {
			return r
		}
	}
	return nil
}

func sameKey(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)
}
