package rs

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

const (
	algES256 = "ES256"
	algEdDSA = "EdDSA"
)

// publicKey is one of the two kinds of key that a proof may be made with; the issuer's are all ec.
type publicKey struct {
	ec *ecdsa.PublicKey  // ES256
	ed ed25519.PublicKey // EdDSA
	// canonical is the text that RFC 7638 §3.2 hashes.
	canonical string
}

// privateMembers are the members of a JWK that only a private or a shared key has (RFC 7518 §6.2.2, §6.3.2,
// §6.4; RFC 8037 §2).
var privateMembers = [...]string{"d", "k", "p", "q", "dp", "dq", "qi", "oth"}

func (m members) private() bool {
	for _, name := range privateMembers {
		if m.has(name) {
			return true
		}
	}
	return false
}

// keyFor reads a public key for alg. Coordinates must be written in full length and canonical base64url:
// otherwise one key would have several thumbprints and so several identities.
func (m members) keyFor(alg string) (publicKey, bool) {
	kty, _, _ := m.text("kty")
	crv, _, _ := m.text("crv")
	xText, _, _ := m.text("x")
	yText, _, _ := m.text("y")
	var x, y [32]byte
	if m.private() || !decodeInto(x[:], xText) {
		return publicKey{}, false
	}
	switch {
	case alg == algES256 && kty == "EC" && crv == "P-256":
		if !decodeInto(y[:], yText) {
			return publicKey{}, false
		}
		var point [65]byte
		point[0] = 4
		copy(point[1:], x[:])
		copy(point[33:], y[:])
		// Refuses points that are not on the curve.
		ec, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point[:])
		if err != nil {
			return publicKey{}, false
		}
		return publicKey{ec: ec, canonical: `{"crv":"P-256","kty":"EC","x":"` + xText + `","y":"` + yText + `"}`}, true
	case alg == algEdDSA && kty == "OKP" && crv == "Ed25519":
		return publicKey{ed: x[:], canonical: `{"crv":"Ed25519","kty":"OKP","x":"` + xText + `"}`}, true
	}
	return publicKey{}, false
}

// jkt is the RFC 7638 thumbprint with SHA-256.
func (k publicKey) jkt() string { return hash64(k.canonical) }

func (k publicKey) verify(signed, signature string) bool {
	var sig [64]byte // ES256: R ‖ S (RFC 7518 §3.4); Ed25519: R ‖ S (RFC 8032)
	if !decodeInto(sig[:], signature) {
		return false
	}
	if k.ed != nil {
		return ed25519.Verify(k.ed, []byte(signed), sig[:])
	}
	digest := sha256.Sum256([]byte(signed))
	var room [72]byte
	return ecdsa.VerifyASN1(k.ec, digest[:], asn1Signature(room[:0], sig))
}

// asn1Signature writes R ‖ S as the SEQUENCE of two INTEGERs that crypto/ecdsa verifies; its other form, two
// big.Int, costs ten allocations more. R and S are below 2^256, so every length fits one byte.
func asn1Signature(dst []byte, sig [64]byte) []byte {
	dst = append(dst, 0x30, 0)
	for _, n := range [...][]byte{sig[:32], sig[32:]} {
		for len(n) > 1 && n[0] == 0 {
			n = n[1:] // DER: no leading zeros,
		}
		if n[0] >= 0x80 {
			dst = append(dst, 0x02, byte(len(n)+1), 0) // but one before a high bit, which would mean minus
		} else {
			dst = append(dst, 0x02, byte(len(n)))
		}
		dst = append(dst, n...)
	}
	dst[1] = byte(len(dst) - 2)
	return dst
}

var strict = base64.RawURLEncoding.Strict()

// decodeInto fills dst from canonical unpadded base64url; false when the text is anything else. The check
// for line ends is ours, because encoding/base64 skips them.
func decodeInto(dst []byte, text string) bool {
	if len(text) != strict.EncodedLen(len(dst)) || strings.ContainsAny(text, "\r\n") {
		return false
	}
	n, err := strict.Decode(dst, []byte(text))
	return err == nil && n == len(dst)
}

func decodeText(text string) (string, bool) {
	if strings.ContainsAny(text, "\r\n") {
		return "", false
	}
	out, err := strict.DecodeString(text)
	return string(out), err == nil
}

// hash64 is how a thumbprint and ath are written: SHA-256 in base64url.
func hash64(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// splitJWS cuts a compact JWS in its three parts; signed is the first two with their dot.
func splitJWS(text string) (head, body, signed, signature string, ok bool) {
	last := strings.LastIndexByte(text, '.')
	signed = text[:max(last, 0)]
	head, body, ok = strings.Cut(signed, ".")
	return head, body, signed, text[last+1:], ok && strings.IndexByte(body, '.') < 0
}
