package attest

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"keyward/internal/softkey"
)

// What is counted is taken up to its limit, and not one past it. The limits inside a
// KeyDescription are rows of TestAKeyDescriptionIsStrictDER, those of keys rows of
// TestHeavyKeysAreNotComputedWith.
func TestLimitsAtTheirEdges(t *testing.T) {
	leaf := maker.Android(newKey(t).Public(), good())[0]
	chain := func(n int) error { _, err := parseChain(slices.Repeat([][]byte{leaf}, n)); return err }
	certificate := func(size int) error {
		pad := size - 500
		for range 1000 { // the signature's length varies by a byte or two
			c := maker.Critical(newKey(t).Public(), asn1.ObjectIdentifier{1, 2, 3}, make([]byte, pad))[0]
			if len(c) == size {
				_, err := parseChain([][]byte{c})
				return err
			}
			pad += size - len(c)
		}
		t.Fatal("no certificate of that size")
		return nil
	}
	description := func(size int) error {
		a := good()
		pad := size - len(a.DER())
		a.Software = nil
		for i := range 3 {
			a.Software = append(a.Software, softkey.Member{Tag: 1000 + i, Value: softkey.Octets(make([]byte, pad/3))})
		}
		for last := pad / 3; len(a.DER()) != size; {
			last += size - len(a.DER())
			a.Software[2].Value = softkey.Octets(make([]byte, last))
		}
		_, err := ParseKeyDescription(a.DER())
		return err
	}
	members := func(n int) error { // of a map inside an App Attest object
		m := map[string]int{}
		for i := range n {
			m[fmt.Sprint(i)] = i
		}
		b, err := cbor.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var out map[string]int
		return strict.Unmarshal(b, &out)
	}
	nested := func(n int) error {
		var out any
		return strict.Unmarshal(append([]byte(strings.Repeat("\x81", n)), 0), &out)
	}
	list := func(size int) error {
		head, tail := `{"entries":{}`, `}`
		_, err := ParseRevoked([]byte(head + strings.Repeat(" ", size-len(head)-len(tail)) + tail))
		return err
	}
	serial := func(n int) error {
		_, err := ParseRevoked([]byte(`{"entries":{"` + strings.Repeat("a", n) + `":{}}}`))
		return err
	}
	roots := func(n int) error {
		e := mdsEntry{AAGUID: testModel}
		e.Statement.Roots = slices.Repeat([]string{""}, n)
		_, err := e.model()
		return err
	}
	for _, tc := range []struct {
		name string
		max  int
		try  func(int) error
	}{
		{"certificates in a chain", maxChain, chain},
		{"bytes of a certificate", maxCertificate, certificate},
		{"bytes of a key description", maxDescription, description},
		{"members of a map", maxMembers, members},
		{"levels of an object", maxNesting, nested},
		{"bytes of a status list", maxStatusList, list},
		{"digits of a serial number", 4 * maxSerial, serial},
		{"roots of a model", maxModelRoots, roots},
	} {
		if err := tc.try(tc.max); err != nil {
			t.Errorf("%d %s: %v", tc.max, tc.name, err)
		}
		if err := tc.try(tc.max + 1); err == nil {
			t.Errorf("%d %s are taken", tc.max+1, tc.name)
		}
	}
}

func TestMetadataHasAnEnd(t *testing.T) {
	fido := softkey.NewMaker()
	for n, taken := range map[int]bool{maxMDSEntries: true, maxMDSEntries + 1: false} {
		blob := fido.Metadata(mdsName, noon, payload(1, "2026-12-15", slices.Repeat([]any{map[string]any{}}, n)...))
		if _, err := ParseMDS(blob, []*x509.Certificate{fido.Root}, 0, noon); (err == nil) != taken {
			t.Errorf("%d entries: %v", n, err)
		}
	}
	for n, why := range map[int]string{maxMDSHeader: "go-jose", maxMDSHeader + 1: "not a JWT"} {
		if _, err := ParseMDS([]byte(strings.Repeat("e", n)+".e30.e30"), nil, 0, noon); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("a header of %d bytes: %v", n, err)
		}
	}
}
