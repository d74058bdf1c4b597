package softkey

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"time"
)

// The AAGUIDs of Apple's two environments.
var (
	AppleProduction  = [16]byte([]byte("appattest\x00\x00\x00\x00\x00\x00\x00"))
	AppleDevelopment = [16]byte([]byte("appattestdevelop"))
)

// IPhone is a key that an app made in a Secure Enclave that is none.
type IPhone struct {
	ID      [32]byte
	key     *ecdsa.PrivateKey
	counter uint32
}

// NewIPhone makes a key.
func NewIPhone() *IPhone {
	p := &IPhone{key: newP256()}
	p.ID = sha256.Sum256(p.Point())
	return p
}

// Public is the key's public half.
func (p *IPhone) Public() *ecdsa.PublicKey { return &p.key.PublicKey }

// Point is the uncompressed point of the public key, whose hash is the id.
func (p *IPhone) Point() []byte {
	b, err := p.key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return b
}

// AppAttest attests the key for an app; the certificate is good for three days.
func (m *Maker) AppAttest(p *IPhone, appID string, environment [16]byte, clientDataHash [32]byte, at time.Time) []byte {
	x, y := point(&p.key.PublicKey)
	app := sha256.Sum256([]byte(appID))
	auth := slices.Concat(app[:], []byte{flagAT, 0, 0, 0, 0}, environment[:], []byte{0, 32}, p.ID[:],
		marshal(map[int64]any{1: 2, 3: ES256, -1: 1, -2: x, -3: y}))
	nonce := sha256.Sum256(append(slices.Clone(auth), clientDataHash[:]...))
	leaf := m.leaf("softkey app attest", p.key.Public(), at.Add(-time.Hour), at.AddDate(0, 0, 3), oidApple, AppleNonce(nonce))
	return marshal(map[string]any{
		"fmt": "apple-appattest", "authData": auth,
		"attStmt": map[string]any{"x5c": [][]byte{leaf, m.middle.Raw}, "receipt": []byte("receipt")},
	})
}

// Assert signs with the next counter.
func (p *IPhone) Assert(appID string, clientDataHash [32]byte) []byte {
	p.counter++
	auth := head(appID, 0x40, p.counter)
	nonce := sha256.Sum256(append(slices.Clone(auth), clientDataHash[:]...))
	digest := sha256.Sum256(nonce[:])
	sig, err := ecdsa.SignASN1(rand.Reader, p.key, digest[:])
	if err != nil {
		panic(err)
	}
	return marshal(map[string]any{"signature": sig, "authenticatorData": auth})
}

// AppleNonce writes the extension that carries the nonce.
func AppleNonce(nonce [32]byte) []byte { return tlv(0x30, tlv(0xa1, Octets(nonce[:]))) }
