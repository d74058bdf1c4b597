package keyring

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The SHA-256 cases of RFC 5869 appendix A.
func TestDerivationFollowsRFC5869(t *testing.T) {
	for _, c := range []struct {
		name, ikm, salt, info, prk, okm string
	}{
		{
			name: "A.1 basic case",
			ikm:  "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
			salt: "000102030405060708090a0b0c", info: "f0f1f2f3f4f5f6f7f8f9",
			prk: "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
			okm: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
		},
		{
			name: "A.2 longer inputs and outputs",
			ikm:  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
			salt: "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
			info: "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
			prk:  "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
			okm:  "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
		},
		{
			name: "A.3 no salt and no info",
			ikm:  "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
			prk:  "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
			okm:  "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			prk, err := extract(unhex(t, c.ikm), unhex(t, c.salt))
			if err != nil || !bytes.Equal(prk, unhex(t, c.prk)) {
				t.Fatalf("extract gave %x (%v), want %s", prk, err, c.prk)
			}
			okm := expand(prk, string(unhex(t, c.info)), len(c.okm)/2)
			if !bytes.Equal(okm, unhex(t, c.okm)) {
				t.Fatalf("expand gave %x, want %s", okm, c.okm)
			}
		})
	}
}

func TestPurposesShareNothing(t *testing.T) {
	r := &Ring{prk: bytes.Repeat([]byte{7}, 32)}
	seen := map[[32]byte]string{}
	for _, purpose := range []string{forSubkey, forMAC, forRefresh, forSigning, forWrap} {
		for _, name := range []string{"", "1", "2", "mac 1"} {
			key := r.derive(purpose, name)
			if before, ok := seen[key]; ok {
				t.Errorf("%q and %q give one key", before, purpose+name)
			}
			seen[key] = purpose + name
		}
	}
}
