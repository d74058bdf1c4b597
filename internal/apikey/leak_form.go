package apikey

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
)

// privateKeys reads the forms in which the private half of an Ed25519 pair lies about:
// PKCS #8 in PEM (RFC 8410 §7) or its base64 alone, the seed or seed and public half
// (RFC 8032 §5.1.5) in base64 or hex. What is none of them is none: the caller then takes
// the token for a shared secret.
func privateKeys(token string) (out []ed25519.PrivateKey) {
	if block, _ := pem.Decode([]byte(token)); block != nil {
		return pkcs8(block.Bytes)
	}
	packed := strings.Map(func(c rune) rune {
		if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
			return -1
		}
		return c
	}, token)
	for _, read := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if raw, err := read(packed); err == nil {
			out = append(out, keysOf(raw)...)
		}
	}
	return out
}

func keysOf(raw []byte) []ed25519.PrivateKey {
	switch len(raw) {
	case ed25519.SeedSize, ed25519.PrivateKeySize:
		return []ed25519.PrivateKey{ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])}
	}
	return pkcs8(raw)
}

func pkcs8(der []byte) []ed25519.PrivateKey {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if private, ok := key.(ed25519.PrivateKey); ok && err == nil {
		return []ed25519.PrivateKey{private}
	}
	return nil
}
