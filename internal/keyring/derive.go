package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
)

// Purposes keep the families of derived keys apart: MAC("x"), Subkey("x") and refresh key 1 share nothing,
// whatever names callers choose. The version is in the text so that a changed derivation is a new key and
// never a silent reinterpretation of an old one.
const (
	deriveSalt    = "keyward root v1"
	forSubkey     = "keyward v1 subkey "
	forMAC        = "keyward v1 mac "
	forRefresh    = "keyward v1 refresh "
	forSigning    = "keyward v1 signing "
	forWrap       = "keyward v1 wrap"
	deriveKeySize = 32
)

// extract and expand are RFC 5869 §2.2 and §2.3 over SHA-256. Extraction runs once, at Open: what the Ring
// keeps is the pseudorandom key, not the root.
func extract(secret, salt []byte) ([]byte, error) { return hkdf.Extract(sha256.New, secret, salt) }

func expand(prk []byte, info string, size int) []byte {
	key, err := hkdf.Expand(sha256.New, prk, info, size)
	if err != nil {
		// Only for more than 255 blocks, or a short key in FIPS mode: constants of this package.
		panic("keyring: expand: " + err.Error())
	}
	return key
}

func (r *Ring) derive(purpose, name string) [deriveKeySize]byte {
	return [deriveKeySize]byte(expand(r.prk, purpose+name, deriveKeySize))
}
