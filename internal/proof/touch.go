package proof

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
)

// Touch is the statement that the touch key of a phone signs: a compact JWS (RFC 7515) of the type kw-touch+jwt,
// by ES256. The phone asks for a finger or a face before it lets the key sign, so the act stands in it in words:
// what is signed is what the person was shown.
type Touch struct {
	statement
	Session   string // thumbprint of the session key beside it
	Audience  string // the relying party id
	Challenge string // as the server gave it out
	Act       string
	Object    string
}

// Beside is the statement that the session key signs at enrolment, of the type kw-session+jwt: that it is there,
// and which touch key it goes with. Without it a phone could name a session key that is another's.
type Beside struct {
	statement
	Touch     string // thumbprint of the touch key
	Audience  string
	Challenge string
}

// statement is what both have.
type statement struct {
	Key string // kid: RFC 7638 thumbprint of the key that signed
	jws *jose.JSONWebSignature
}

const maxStatement = 2 << 10 // bytes; one with the longest object is below 1 KiB

// ParseTouch reads a statement. Nothing in it is true before SignedBy says so.
func ParseTouch(text string) (*Touch, error) {
	var c struct {
		Audience  string `json:"aud"`
		Session   string `json:"session"`
		Challenge string `json:"challenge"`
		Act       string `json:"act"`
		Object    string `json:"object"`
	}
	s, err := parseStatement(text, "kw-touch+jwt", &c)
	if err != nil {
		return nil, err
	}
	return &Touch{statement: s, Session: c.Session, Audience: c.Audience, Challenge: c.Challenge, Act: c.Act, Object: c.Object}, nil
}

// ParseBeside is ParseTouch for what the session key signs.
func ParseBeside(text string) (*Beside, error) {
	var c struct {
		Audience  string `json:"aud"`
		Touch     string `json:"touch"`
		Challenge string `json:"challenge"`
	}
	s, err := parseStatement(text, "kw-session+jwt", &c)
	if err != nil {
		return nil, err
	}
	return &Beside{statement: s, Touch: c.Touch, Audience: c.Audience, Challenge: c.Challenge}, nil
}

func parseStatement(text, typ string, claims any) (statement, error) {
	if len(text) > maxStatement {
		return statement{}, errors.New("proof: a statement that is too long")
	}
	// The header is read before the library sees it, and has three members: typ keeps a proof
	// for a request from passing for a touch (RFC 8725 §3.11), because all keys of a phone are
	// of one kind; a key or a certificate that comes along is nobody's (§3.10), and parsing
	// it is work for a stranger.
	head, _, _ := strings.Cut(text, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(head)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return statement{}, errors.New("proof: a statement that is no compact JWS")
	}
	var h map[string]any
	if err := josejson.Unmarshal(raw, &h); err != nil || len(h) != 3 || h["alg"] != "ES256" || h["typ"] != typ {
		return statement{}, errors.New("proof: the header of a statement is alg, typ and kid")
	}
	kid, ok := h["kid"].(string)
	if !ok || kid == "" {
		return statement{}, errors.New("proof: the header of a statement is alg, typ and kid")
	}
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return statement{}, errors.New("proof: a statement that is no compact JWS by ES256")
	}
	// Exact names, and none twice: encoding/json would take any case of them, and the last.
	body := jws.UnsafePayloadWithoutVerification()
	if len(body) == 0 || body[0] != '{' || josejson.Unmarshal(body, claims) != nil {
		return statement{}, errors.New("proof: the claims of a statement are no JSON object")
	}
	return statement{kid, jws}, nil
}

// SignedBy verifies the signature.
func (s *statement) SignedBy(key *ecdsa.PublicKey) error {
	if key == nil || key.Curve != elliptic.P256() {
		return errors.New("proof: a key of a phone is a P-256 key")
	}
	if _, err := s.jws.Verify(key); err != nil {
		return errors.New("proof: the statement was signed by another key")
	}
	return nil
}
