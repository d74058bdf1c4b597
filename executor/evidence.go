package executor

import (
	"crypto/sha256"
	"errors"
	"slices"
)

// The person's own signature. It is what a server that was taken over cannot make.

var errEvidence = errors.New("executor: the person's key did not sign this")

// WebAuthn L3 §6.1.
const (
	flagUP = 1 << 0
	flagUV = 1 << 2
	flagBE = 1 << 3
	flagBS = 1 << 4
	flagAT = 1 << 6
)

// person verifies the evidence over challenge, for the intent called id, and returns the key as it was written.
func (v *Verifier) person(raw []byte, challenge [32]byte, id string) (kind string, cose []byte, err error) {
	m, err := readObject(raw)
	if err != nil {
		return "", nil, err
	}
	kind, _ = m.text("type")
	cose, ok := m.bytes("public_key")
	if !ok {
		return "", nil, errKey
	}
	key, err := parseKey(cose)
	if err != nil {
		return "", nil, err
	}
	switch kind {
	case "webauthn":
		err = v.webauthn(m, key, challenge)
	case "phone":
		err = v.phone(m, key, challenge, id)
	default:
		err = errEvidence
	}
	return kind, cose, err
}

// webauthn verifies an assertion (WebAuthn L3 §7.2 steps 10 to 21).
func (v *Verifier) webauthn(m object, key personKey, challenge [32]byte) error {
	client, ok1 := m.bytes("client_data_json")
	auth, ok2 := m.bytes("authenticator_data")
	signature, ok3 := m.bytes("signature")
	if !ok1 || !ok2 || !ok3 || len(auth) < 37 {
		return errEvidence
	}
	c, err := readObject(client)
	if err != nil {
		return err
	}
	typ, _ := c.text("type")
	asked, ok := c.bytes("challenge")
	origin, _ := c.text("origin")
	_, framed := c["topOrigin"]
	if cross, there := c["crossOrigin"]; there && string(cross) != "false" {
		framed = true
	}
	flags := auth[32]
	switch {
	case !ok || typ != "webauthn.get" || string(asked) != string(challenge[:]):
		return errEvidence
	case framed || !slices.Contains(v.conf.Origins, origin):
		return errEvidence
	case [32]byte(auth[:32]) != sha256.Sum256([]byte(v.conf.RPID)):
		return errEvidence
	case flags&flagUP == 0 || flags&flagUV == 0 || flags&flagAT != 0 || flags&flagBS != 0 && flags&flagBE == 0:
		return errEvidence
	}
	hash := sha256.Sum256(client)
	if !key.signed(append(slices.Clone(auth), hash[:]...), signature) {
		return errEvidence
	}
	return nil
}

// phone verifies the statement of a phone's touch key (docs/mobile.md): a compact JWS by ES256 in which the act stands
// in words.
func (v *Verifier) phone(m object, key personKey, challenge [32]byte, id string) error {
	text, ok := m.text("statement")
	if !ok || len(text) > maxPart || key.ec == nil {
		return errEvidence
	}
	head, body, signedText, signature, ok := splitJWS(text)
	if !ok {
		return errEvidence
	}
	h, err := readObject(head)
	if err != nil {
		return err
	}
	alg, _ := h.text("alg")
	typ, _ := h.text("typ")
	kid, _ := h.text("kid")
	if len(h) != 3 || alg != "ES256" || typ != "kw-touch+jwt" || kid != key.thumbprint() {
		return errEvidence
	}
	c, err := readObject(body)
	if err != nil {
		return err
	}
	audience, _ := c.text("aud")
	act, _ := c.text("act")
	about, _ := c.text("object")
	asked, ok := c.bytes("challenge")
	if !ok || audience != v.conf.RPID || act != "confirm" || about != id || string(asked) != string(challenge[:]) {
		return errEvidence
	}
	der, ok := derOf(signature)
	if !ok || !key.signed([]byte(signedText), der) {
		return errEvidence
	}
	return nil
}
