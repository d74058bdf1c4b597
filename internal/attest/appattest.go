package attest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Environment is which of Apple's two services attested a key.
type Environment int

// Production is the zero value: a policy that says nothing refuses the keys that
// any developer can make with a copy of the app.
const (
	Production Environment = iota
	Development
)

func (e Environment) String() string {
	return map[Environment]string{Production: "production", Development: "development"}[e]
}

// The AAGUIDs of the two (Apple, "Validating apps that connect to your server", step 8).
var environments = map[Environment]string{
	Production:  "appattest\x00\x00\x00\x00\x00\x00\x00",
	Development: "appattestdevelop",
}

var oidAppleNonce = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 2}

// AppAttestPolicy is what an attestation or an assertion is judged by.
type AppAttestPolicy struct {
	Root        *x509.Certificate
	AppIDs      []string // "TEAMID1234.com.example.app"
	Environment Environment
}

// AppKey is an attested key of an app on an iPhone. It says that a genuine app on a
// genuine device made the key in its Secure Enclave, and nothing about who held it.
type AppKey struct {
	ID          [32]byte // SHA-256 of the public key's point
	Key         *ecdsa.PublicKey
	AppID       string
	Environment Environment
	Receipt     []byte // for Apple's fraud service; kept, not judged
}

// strict takes no duplicate names, no tags, no indefinite lengths and no more than
// an App Attest object needs.
var strict = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden, UTF8: cbor.UTF8RejectInvalid,
		MaxNestedLevels: maxNesting, MaxArrayElements: maxMembers, MaxMapPairs: maxMembers, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

type appAttestation struct {
	Format    string `cbor:"fmt"`
	Statement struct {
		Chain   [][]byte `cbor:"x5c"`
		Receipt []byte   `cbor:"receipt"`
	} `cbor:"attStmt"`
	AuthData []byte `cbor:"authData"`
}

type appAssertion struct {
	Signature []byte `cbor:"signature"`
	AuthData  []byte `cbor:"authenticatorData"`
}

// VerifyAppAttest judges an attestation object over the hash of what the app was
// asked to sign. The comments count Apple's steps. at is when it was made: leaves
// live for days to months.
func VerifyAppAttest(object []byte, keyID [32]byte, clientDataHash [32]byte, p AppAttestPolicy, at time.Time) (AppKey, error) {
	if len(object) > maxAppAttest {
		return AppKey{}, fmt.Errorf("an App Attest object of %d bytes", len(object))
	}
	var o appAttestation
	if err := strict.Unmarshal(object, &o); err != nil {
		return AppKey{}, fmt.Errorf("app attest: %w", err)
	}
	if o.Format != "apple-appattest" {
		return AppKey{}, fmt.Errorf("app attest: format %q", o.Format)
	}
	leaf, err := appleLeaf(o.Statement.Chain, p.Root, at) // 1
	if err != nil {
		return AppKey{}, err
	}
	nonce := appNonce(o.AuthData, clientDataHash) // 2, 3
	got, err := appleNonce(leaf)                  // 4
	if err != nil {
		return AppKey{}, err
	}
	if subtle.ConstantTimeCompare(got, nonce[:]) != 1 {
		return AppKey{}, errors.New("app attest: made over other data")
	}
	key, point, err := p256(leaf) // 5
	if err != nil {
		return AppKey{}, err
	}
	if sha256.Sum256(point) != keyID {
		return AppKey{}, errors.New("app attest: the key id is another key's")
	}
	a, rest, err := appAuthData(o.AuthData)
	if err != nil {
		return AppKey{}, err
	}
	appID, err := p.app(a.app) // 6
	if err != nil {
		return AppKey{}, err
	}
	if a.counter != 0 { // 7
		return AppKey{}, fmt.Errorf("app attest: a new key with the counter %d", a.counter)
	}
	if len(rest) < 18 || a.flags&0x40 == 0 {
		return AppKey{}, errors.New("app attest: no key in the authenticator data")
	}
	if string(rest[:16]) != environments[p.Environment] { // 8
		return AppKey{}, fmt.Errorf("app attest: a key of another environment than %s", p.Environment)
	}
	if err := attestedKey(rest[16:], keyID, point); err != nil { // 9
		return AppKey{}, err
	}
	return AppKey{ID: keyID, Key: key, AppID: appID, Environment: p.Environment, Receipt: o.Statement.Receipt}, nil
}

// ErrCounter: the signature holds, and a later one was seen before it.
var ErrCounter = errors.New("app attest: the counter has not grown")

// VerifyAppAssertion judges an assertion by an attested key. last is the counter of
// the one before, 0 at first; the counter it returns is larger and must be stored in
// the statement that acts, or a copy of the assertion is good for another one.
func VerifyAppAssertion(object []byte, key *ecdsa.PublicKey, clientDataHash [32]byte, last uint32, p AppAttestPolicy) (uint32, error) {
	if len(object) > maxAssertion {
		return 0, fmt.Errorf("an App Attest assertion of %d bytes", len(object))
	}
	var o appAssertion
	if err := strict.Unmarshal(object, &o); err != nil {
		return 0, fmt.Errorf("app attest: %w", err)
	}
	a, rest, err := appAuthData(o.AuthData)
	if err != nil {
		return 0, err
	}
	// The nonce is what is signed, and ECDSA hashes it once more.
	nonce := appNonce(o.AuthData, clientDataHash)
	digest := sha256.Sum256(nonce[:])
	switch {
	case key == nil || key.Curve != elliptic.P256() || !ecdsa.VerifyASN1(key, digest[:], o.Signature):
		return 0, errors.New("app attest: the signature does not hold")
	case len(rest) != 0:
		return 0, fmt.Errorf("app attest: %d bytes too many in an assertion", len(rest))
	case a.counter <= last:
		return 0, ErrCounter
	}
	if _, err := p.app(a.app); err != nil {
		return 0, err
	}
	return a.counter, nil
}

func appNonce(authData []byte, clientDataHash [32]byte) [32]byte {
	return sha256.Sum256(append(slices.Clip(authData), clientDataHash[:]...))
}

// appleLeaf verifies the chain, which Apple sends without the root.
func appleLeaf(ders [][]byte, root *x509.Certificate, at time.Time) (*x509.Certificate, error) {
	chain, err := parseChain(ders)
	if err != nil {
		return nil, fmt.Errorf("app attest: %w", err)
	}
	if root == nil {
		return nil, ErrNoRoot
	}
	if chain, err = anchored(chain, []*x509.Certificate{root}, at); err != nil {
		return nil, fmt.Errorf("app attest: %w", err)
	}
	return chain[0], nil
}

// appleNonce reads SEQUENCE { [1] EXPLICIT OCTET STRING } from the leaf.
func appleNonce(leaf *x509.Certificate) ([]byte, error) {
	value, ok := extension(leaf, oidAppleNonce)
	if !ok {
		return nil, errors.New("app attest: the certificate carries no nonce")
	}
	outer := reader{b: value}
	s := outer.sequence()
	inner := reader{s.take(classContext, 1, true), s.err}
	nonce := inner.octets()
	for _, r := range []*reader{&inner, s, &outer} {
		if err := r.end(); err != nil {
			return nil, fmt.Errorf("app attest: nonce: %w", err)
		}
	}
	return nonce, nil
}

func p256(leaf *x509.Certificate) (*ecdsa.PublicKey, []byte, error) {
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, nil, errors.New("app attest: not a P-256 key")
	}
	point, err := key.Bytes()
	return key, point, err
}

// app finds the one of ours that the hash names.
func (p *AppAttestPolicy) app(hash []byte) (string, error) {
	for _, id := range p.AppIDs {
		if sum := sha256.Sum256([]byte(id)); bytes.Equal(sum[:], hash) {
			return id, nil
		}
	}
	return "", errors.New("app attest: another app's")
}

type appData struct {
	app     []byte
	flags   byte
	counter uint32
}

func appAuthData(b []byte) (appData, []byte, error) {
	if len(b) < 37 || len(b) > maxAssertion {
		return appData{}, nil, fmt.Errorf("app attest: authenticator data of %d bytes", len(b))
	}
	return appData{b[:32], b[32], binary.BigEndian.Uint32(b[33:37])}, b[37:], nil
}

// attestedKey wants the credential id to be the key id and the COSE key to be the
// certificate's, to the last byte.
func attestedKey(b []byte, keyID [32]byte, point []byte) error {
	n := int(binary.BigEndian.Uint16(b))
	if n != len(keyID) || len(b) < 2+n || !bytes.Equal(b[2:2+n], keyID[:]) {
		return errors.New("app attest: the credential id is another key's")
	}
	var cose struct {
		Type      int    `cbor:"1,keyasint"`
		Algorithm int    `cbor:"3,keyasint"`
		Curve     int    `cbor:"-1,keyasint"`
		X         []byte `cbor:"-2,keyasint"`
		Y         []byte `cbor:"-3,keyasint"`
	}
	if err := strict.Unmarshal(b[2+n:], &cose); err != nil {
		return fmt.Errorf("app attest: public key: %w", err)
	}
	if cose.Type != 2 || cose.Algorithm != -7 || cose.Curve != 1 || !bytes.Equal(slices.Concat([]byte{4}, cose.X, cose.Y), point) {
		return errors.New("app attest: the public key is another one than the certificate's")
	}
	return nil
}
