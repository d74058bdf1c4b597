package proof

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"

	jose "github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
)

// Touch is the statement that the touch key of a phone signs: a compact JWS (RFC 7515) of the type kw-touch+jwt,
// by ES256. The phone asks for a finger or a face before it lets the key sign, so the act stands in it in words:
// what is signed is what the person was shown.
type Touch struct {
	Key       string // kid: RFC 7638 thumbprint of the touch key
	Session   string // thumbprint of the session key beside it
	Audience  string // the relying party id
	Challenge string // as the server gave it out
	Act       string
	Object    string

	jws *jose.JSONWebSignature
}

const (
	touchType = "kw-touch+jwt"
	maxTouch  = 2 << 10 // bytes; one with the longest object is below 1 KiB
)

// ParseTouch reads a statement. Nothing in it is true before SignedBy says so.
func ParseTouch(text string) (*Touch, error) {
	if len(text) > maxTouch {
		return nil, errors.New("proof: a touch statement that is too long")
	}
	// Our own list decides, never what the sender suggests (RFC 8725 §3.1).
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, errors.New("proof: a touch statement that is no compact JWS by ES256")
	}
	// typ keeps a proof for a request from passing for a touch (RFC 8725 §3.11): the two keys
	// of a phone are of one kind. A key that comes along in the header is nobody's (§3.10).
	h := jws.Signatures[0].Protected
	if typ := h.ExtraHeaders[jose.HeaderType]; typ != touchType || len(h.ExtraHeaders) != 1 || h.JSONWebKey != nil || h.KeyID == "" {
		return nil, errors.New("proof: the header of a touch statement is alg, typ and kid")
	}
	// Exact names, and none twice: encoding/json would take any case of them, and the last.
	var c struct {
		Audience  string `json:"aud"`
		Session   string `json:"session"`
		Challenge string `json:"challenge"`
		Act       string `json:"act"`
		Object    string `json:"object"`
	}
	if err := josejson.Unmarshal(jws.UnsafePayloadWithoutVerification(), &c); err != nil {
		return nil, errors.New("proof: the claims of a touch statement are aud, session, challenge, act and object")
	}
	return &Touch{Key: h.KeyID, Session: c.Session, Audience: c.Audience, Challenge: c.Challenge, Act: c.Act, Object: c.Object, jws: jws}, nil
}

// SignedBy verifies the signature.
func (t *Touch) SignedBy(key *ecdsa.PublicKey) error {
	if key == nil || key.Curve != elliptic.P256() {
		return errors.New("proof: a touch key is a P-256 key")
	}
	if _, err := t.jws.Verify(key); err != nil {
		return errors.New("proof: the touch statement was signed by another key")
	}
	return nil
}
