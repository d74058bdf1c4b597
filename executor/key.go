package executor

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/big"
)

var errKey = errors.New("executor: not a public key that approvals are made with")

// personKey is a public key as authenticators write it (COSE_Key, RFC 9053): ES256, EdDSA or RS256.
type personKey struct {
	ec  *ecdsa.PublicKey
	ed  ed25519.PublicKey
	rsa *rsa.PublicKey
}

func parseKey(cose []byte) (personKey, error) {
	r := cborReader{cose}
	major, pairs, ok := r.head()
	if !ok || major != majorMap || pairs > 5 {
		return personKey{}, errKey
	}
	numbers, strings := map[int64]int64{}, map[int64][]byte{}
	for range pairs {
		label, ok := r.number()
		if !ok || len(r.b) == 0 {
			return personKey{}, errKey
		}
		if _, twice := numbers[label]; twice || strings[label] != nil {
			return personKey{}, errKey
		}
		if r.b[0]>>5 == majorBytes {
			strings[label], ok = r.bytes()
		} else {
			numbers[label], ok = r.number()
		}
		if !ok {
			return personKey{}, errKey
		}
	}
	if len(r.b) != 0 {
		return personKey{}, errKey
	}
	const kty, alg = 1, 3
	switch {
	case numbers[kty] == 2 && numbers[alg] == -7 && numbers[-1] == 1 && len(strings[-2]) == 32 && len(strings[-3]) == 32:
		point := append(append([]byte{4}, strings[-2]...), strings[-3]...)
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point) // refuses what is not on the curve
		if err != nil {
			return personKey{}, errKey
		}
		return personKey{ec: key}, nil
	case numbers[kty] == 1 && numbers[alg] == -8 && numbers[-1] == 6 && len(strings[-2]) == ed25519.PublicKeySize:
		return personKey{ed: ed25519.PublicKey(strings[-2])}, nil
	case numbers[kty] == 3 && numbers[alg] == -257:
		n, e := new(big.Int).SetBytes(strings[-1]), strings[-2]
		if bits := n.BitLen(); bits < 2048 || bits > 4096 || len(e) == 0 || len(e) > 4 {
			return personKey{}, errKey
		}
		exponent := binary.BigEndian.Uint32(append(make([]byte, 4-len(e)), e...))
		if exponent < 3 || exponent > 65537 || exponent&1 == 0 {
			return personKey{}, errKey
		}
		return personKey{rsa: &rsa.PublicKey{N: n, E: int(exponent)}}, nil
	}
	return personKey{}, errKey
}

// signed verifies a WebAuthn signature over what was signed (WebAuthn L3 §6.5.5).
func (k personKey) signed(what, signature []byte) bool {
	digest := sha256.Sum256(what)
	switch {
	case k.ec != nil:
		return ecdsa.VerifyASN1(k.ec, digest[:], signature)
	case k.ed != nil:
		return ed25519.Verify(k.ed, what, signature)
	case k.rsa != nil:
		return rsa.VerifyPKCS1v15(k.rsa, crypto.SHA256, digest[:], signature) == nil
	}
	return false
}

// thumbprint is that of RFC 7638 §3, as phones name their touch keys; "" for a key no phone has.
func (k personKey) thumbprint() string {
	if k.ec == nil {
		return ""
	}
	p, err := k.ec.Bytes()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + encode(p[1:33]) + `","y":"` + encode(p[33:]) + `"}`))
	return encode(sum[:])
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// decode reads base64url in its one spelling.
func decode(s string) ([]byte, bool) {
	for i := range len(s) {
		if s[i] == '\r' || s[i] == '\n' { // which Strict skips
			return nil, false
		}
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil
}
