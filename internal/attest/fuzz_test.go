package attest

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"keyward/internal/softkey"
)

// FuzzKeyDescription: no panic, and whatever reads is also DER to the standard
// library, with nothing after it.
func FuzzKeyDescription(f *testing.F) {
	f.Add(good().DER())
	f.Add(good().With(softkey.TagRootOfTrust, softkey.Boot(false, 2)).With(999, softkey.Null()).DER())
	f.Add([]byte{0x30, 0x80})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseKeyDescription(b)
		if err != nil {
			return
		}
		var raw struct {
			Version  int
			Level    asn1.Enumerated
			KeyMint  int
			Rank     asn1.Enumerated
			Asked    []byte
			Unique   []byte
			Software asn1.RawValue
			Hardware asn1.RawValue
		}
		if k.AttestationVersion < 1<<31 && k.KeyMintVersion < 1<<31 {
			rest, err := asn1.Unmarshal(b, &raw)
			if err != nil || len(rest) != 0 {
				t.Fatalf("%x reads here and not in the library: %v", b, err)
			}
			if !bytes.Equal(raw.Asked, k.Challenge) || SecurityLevel(raw.Level) != k.AttestationLevel || SecurityLevel(raw.Rank) != k.KeyMintLevel {
				t.Fatalf("%x reads in two ways", b)
			}
		}
		if _, err := ParseKeyDescription(append(bytes.Clone(b), 0)); err == nil {
			t.Fatal("a byte more reads too")
		}
	})
}

// FuzzAppAttest: nothing that was not minted holds, and nothing panics.
func FuzzAppAttest(f *testing.F) {
	apple, p := softkey.NewMaker(), softkey.NewIPhone()
	data := sha256.Sum256([]byte("data"))
	object, assertion := apple.AppAttest(p, appID, softkey.AppleProduction, data, noon), p.Assert(appID, data)
	f.Add(object)
	f.Add(assertion)
	f.Add(softkey.AppleNonce(data))
	f.Add([]byte{0xa0})
	policy := AppAttestPolicy{Root: apple.Root, AppIDs: []string{appID}}
	f.Fuzz(func(t *testing.T, b []byte) {
		// The parts behind the signatures, which no change of the whole can reach.
		_, _ = appleNonce(&x509.Certificate{Extensions: []pkix.Extension{{Id: oidAppleNonce, Value: b}}})
		if len(b) >= 18 {
			if attestedKey(b, p.ID, p.Point()) == nil && !bytes.Equal(b[2:34], p.ID[:]) {
				t.Fatal("another key's id passes")
			}
		}
		if key, err := VerifyAppAttest(b, p.ID, data, policy, noon); err == nil && !key.Key.Equal(p.Public()) {
			t.Fatal("another key holds")
		}
		if _, err := VerifyAppAssertion(b, p.Public(), data, 0, policy); err == nil && !bytes.Equal(b, assertion) && bytes.Contains(assertion, b) {
			t.Fatal("a part of an assertion holds")
		}
		if _, err := VerifyAppAssertion(b, p.Public(), data, 1, policy); err == nil {
			t.Fatal("an assertion holds twice")
		}
	})
}

// FuzzMetadata: nothing but the BLOB that was signed reads.
func FuzzMetadata(f *testing.F) {
	fido := softkey.NewMaker()
	blob := fido.Metadata(mdsName, noon, payload(1, "2026-12-15", softkey.MetadataEntry(testModel, "x", "hardware", maker.Root)))
	f.Add(blob)
	f.Add([]byte("a.b.c"))
	f.Add([]byte(`{"payload":"","signatures":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := ParseMDS(b, []*x509.Certificate{fido.Root}, 0, noon); err == nil && !bytes.Equal(bytes.TrimSpace(b), blob) {
			t.Fatalf("%q reads", b)
		}
	})
}

func FuzzRevoked(f *testing.F) {
	f.Add([]byte(`{"entries":{"cc66e9a9":{"status":"REVOKED","reason":"KEY_COMPROMISE"}}}`))
	f.Add([]byte(`{"entries":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseRevoked(b); err == nil && r.entries == nil {
			t.Fatal("a list without entries")
		}
	})
}
