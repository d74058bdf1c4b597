package softkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"

	"github.com/fxamacker/cbor/v2"
)

// canonical is CBOR as CTAP2 §8 wants it written.
var canonical = func() cbor.EncMode {
	m, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

// signer is a private key with its COSE algorithm.
type signer struct {
	alg int64
	key crypto.Signer
}

func newSigner(alg int64) signer {
	switch alg {
	case EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err) // the system has no randomness
		}
		return signer{EdDSA, key}
	default:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return signer{ES256, key}
	}
}

// sign is what goes into a signature member: DER for ECDSA (WebAuthn L3 §6.5.5).
func (s signer) sign(message []byte) []byte {
	var (
		sig []byte
		err error
	)
	if s.alg == EdDSA {
		sig, err = s.key.Sign(rand.Reader, message, crypto.Hash(0))
	} else {
		digest := sha256.Sum256(message)
		sig, err = s.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	if err != nil {
		panic(err)
	}
	return sig
}

// cose is the public key as a COSE_Key (RFC 9052 §7).
func (s signer) cose() []byte {
	switch pub := s.key.Public().(type) {
	case ed25519.PublicKey:
		return marshal(map[int64]any{1: 1, 3: EdDSA, -1: 6, -2: []byte(pub)})
	case *ecdsa.PublicKey:
		x, y := point(pub)
		return marshal(map[int64]any{1: 2, 3: ES256, -1: 1, -2: x, -3: y})
	}
	panic("softkey: a key of no known kind")
}

// point is the pair of coordinates of a P-256 key, 32 bytes each.
func point(pub *ecdsa.PublicKey) (x, y []byte) {
	raw, err := pub.Bytes() // 0x04 ‖ x ‖ y
	if err != nil {
		panic(err)
	}
	return raw[1:33], raw[33:65]
}

func marshal(v any) []byte {
	b, err := canonical.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
