package softkey

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"time"
)

// Metadata signs a metadata BLOB as the FIDO Alliance does, as name and for a year
// from at.
func (m *Maker) Metadata(name string, at time.Time, payload any) []byte {
	key := newP256()
	leaf := sign(&x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: subject(name), DNSNames: []string{name}, NotBefore: at.Add(-time.Hour), NotAfter: at.AddDate(1, 0, 0),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}, m.middle, key.Public(), m.key)
	header, err := json.Marshal(map[string]any{"alg": "ES256", "typ": "JWT", "x5c": [][]byte{leaf.Raw, m.middle.Raw}})
	if err != nil {
		panic(err)
	}
	body, err := json.Marshal(payload)
	if err != nil {
		panic(err)
	}
	signed := encode(header) + "." + encode(body)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return []byte(signed + "." + encode(sig))
}

// MetadataEntry is one model in a BLOB. statuses are in force since 2021.
func MetadataEntry(aaguid, name, protection string, root *x509.Certificate, statuses ...string) map[string]any {
	var reports []map[string]any
	for _, s := range statuses {
		reports = append(reports, map[string]any{"status": s, "effectiveDate": "2021-01-01"})
	}
	return map[string]any{
		"aaguid": aaguid, "statusReports": reports,
		"metadataStatement": map[string]any{
			"description": name, "keyProtection": []string{protection},
			"attestationRootCertificates": []string{base64.StdEncoding.EncodeToString(root.Raw)},
		},
	}
}
