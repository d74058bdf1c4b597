package device

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"keyward/internal/attest"
	"keyward/internal/proof"
)

// An app on a phone has no WebAuthn; it holds two keys of its own, made in one
// enrolment. The session key needs no touch: it signs the DPoP proofs of the app's
// requests and can do nothing alone. The touch key asks for a finger or a face each
// time, and signs what a passkey would. It is a key like any other here: a touch of it
// becomes a [Proof] by the same way, and its answers take the place of a
// PublicKeyCredential at the same doors.
//
// The challenge binds a touch to the act and to who began, as ever. The phone's session
// key binds it to the app: a touch whose request is not proved by that key is refused,
// so that one which was coaxed out of a phone is good on no other machine.

// Kind is what a key answers with.
type Kind string

// The kinds. Stored, so never renamed.
const (
	Passkey Kind = "passkey" // WebAuthn
	Phone   Kind = "phone"   // the two keys of an app on a phone
)

// Apps are the exchange's own apps. Without any no phone enrols.
type Apps struct {
	Android []attest.App // package and SHA-256 of the signing certificate
	IOS     []string     // "TEAMID1234.com.example.app"

	// Environment of App Attest. A key of the other one is refused.
	Environment attest.Environment

	// AppIsEnough lets Apple's word for the app count as word for the key. App Attest says
	// that a genuine app on a genuine device vouches for its keys; it does not say that they
	// ask for a face or a finger. Whoever wrote the app may know.
	AppIsEnough bool
}

const (
	platformAndroid = "android"
	platformIOS     = "ios"

	formatAndroid = "phone-android"
	formatIOS     = "phone-ios"
)

// fromPhone tells the answers apart. It decides nothing: each reader looks for itself.
func fromPhone(answer []byte) bool {
	if len(answer) > maxResponse {
		return false
	}
	m, err := members(answer)
	if err != nil {
		return false
	}
	typ, err := m.text("type")
	return err == nil && typ == string(Phone)
}

// enrolling is the answer of a phone to creation options.
type enrolling struct {
	platform     string
	key          *ecdsa.PublicKey // touch key
	thumb        [32]byte         // its RFC 7638 thumbprint
	session      [32]byte         // that of the session key
	own          *ecdsa.PublicKey // session key
	statement    *proof.Touch
	beside       *proof.Beside
	challenge    []byte
	sessionChain [][]byte // Android
	touchChain   [][]byte
	appKey       [32]byte // iOS: id of the App Attest key
	appObject    []byte
}

func parseEnrolling(b []byte) (*enrolling, error) {
	m, err := members(b)
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	e := new(enrolling)
	if e.platform, err = m.text("platform"); err != nil {
		return nil, err
	}
	// It is stored as it came, to be judged again: only what is read is let in.
	if err := m.only(enrolNames[e.platform]); err != nil {
		return nil, err
	}
	if e.key, err = m.jwk("touch_key"); err != nil {
		return nil, err
	}
	if e.own, err = m.jwk("session_key"); err != nil {
		return nil, err
	}
	if e.thumb, e.session = thumbprint(e.key), thumbprint(e.own); e.thumb == e.session {
		return nil, errors.New("one key for both")
	}
	if e.statement, e.challenge, err = m.touch(); err != nil {
		return nil, err
	}
	text, err := m.text("session_statement")
	if err != nil {
		return nil, err
	}
	if e.beside, err = proof.ParseBeside(text); err != nil {
		return nil, err
	}
	switch e.platform {
	case platformAndroid:
		if e.sessionChain, err = m.chain("session_chain"); err != nil {
			return nil, err
		}
		e.touchChain, err = m.chain("touch_chain")
	case platformIOS:
		var id []byte
		if id, err = m.bytes("app_key_id"); err == nil && len(id) != len(e.appKey) {
			err = fmt.Errorf("an app key id of %d bytes", len(id))
		}
		if err != nil {
			return nil, err
		}
		copy(e.appKey[:], id)
		e.appObject, err = m.bytes("app_attestation")
	default:
		err = errors.New("a platform that is not known")
	}
	return e, err
}

// enrolNames are the members of an answer, by platform.
var enrolNames = map[string][]string{
	platformAndroid: {"type", "platform", "touch_key", "session_key", "statement", "session_statement", "session_chain", "touch_chain"},
	platformIOS:     {"type", "platform", "touch_key", "session_key", "statement", "session_statement", "app_key_id", "app_attestation"},
}

// only refuses members that nobody reads.
func (m object) only(names []string) error {
	for name := range m {
		if !slices.Contains(names, name) {
			return fmt.Errorf("member %q is not known", name)
		}
	}
	return nil
}

// touching is the answer of a phone to request options.
type touching struct {
	id        []byte // thumbprint of the touch key
	statement *proof.Touch
	challenge []byte
	assertion []byte // iOS: by the App Attest key
}

func parseTouching(b []byte) (*touching, error) {
	m, err := members(b)
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	t := new(touching)
	if t.id, err = m.bytes("id"); err != nil {
		return nil, err
	}
	if t.statement, t.challenge, err = m.touch(); err != nil {
		return nil, err
	}
	if _, has := m["app_assertion"]; has {
		t.assertion, err = m.bytes("app_assertion")
	}
	return t, err
}

// touch reads the statement and the challenge in it.
func (m object) touch() (*proof.Touch, []byte, error) {
	text, err := m.text("statement")
	if err != nil {
		return nil, nil, err
	}
	t, err := proof.ParseTouch(text)
	if err != nil {
		return nil, nil, err
	}
	c, err := decode(t.Challenge)
	return t, c, err
}

// chain reads a list of certificates. How many there may be, and how large, attest says.
func (m object) chain(name string) ([][]byte, error) {
	var list []string
	if err := json.Unmarshal(m[name], &list); err != nil || len(list) == 0 || len(list) > maxPhoneChain {
		return nil, fmt.Errorf("member %q is not a list of certificates", name)
	}
	out := make([][]byte, len(list))
	for i, s := range list {
		var err error
		if out[i], err = decode(s); err != nil {
			return nil, fmt.Errorf("member %q is not base64url", name)
		}
	}
	return out, nil
}

// jwk reads a public P-256 key (RFC 7518 §6.2.1).
func (o object) jwk(name string) (*ecdsa.PublicKey, error) {
	m, err := o.object(name)
	if err != nil {
		return nil, err
	}
	kty, _ := m.text("kty")
	crv, _ := m.text("crv")
	x, err := m.bytes("x")
	if err != nil {
		return nil, err
	}
	y, err := m.bytes("y")
	if err != nil {
		return nil, err
	}
	if err := m.only([]string{"kty", "crv", "x", "y"}); err != nil {
		return nil, err
	}
	if kty != "EC" || crv != "P-256" || len(x) != 32 || len(y) != 32 {
		return nil, errors.New("not a public P-256 key")
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
}

// thumbprint is that of RFC 7638 §3.
func thumbprint(key *ecdsa.PublicKey) [32]byte {
	x, y := coordinates(key)
	return sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + encode(x) + `","y":"` + encode(y) + `"}`))
}

// coordinates of a key that is known to be on P-256.
func coordinates(key *ecdsa.PublicKey) (x, y []byte) {
	p, err := key.Bytes()
	if err != nil {
		panic(err) // it was parsed as a point of the curve
	}
	return p[1:33], p[33:]
}

// cose writes the key as authenticators do (RFC 9053 §7.1.1), so that one reader reads all.
func cose(key *ecdsa.PublicKey) []byte {
	x, y := coordinates(key)
	b, err := canonical.Marshal(map[int]any{1: 2, 3: algES256, -1: 1, -2: x, -3: y})
	if err != nil {
		panic(err) // it holds plain values
	}
	return b
}

// leafKey is the P-256 key of the first certificate of a chain.
func leafKey(chain [][]byte) (*ecdsa.PublicKey, error) {
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, err
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("not a P-256 key")
	}
	return key, nil
}

// says checks that a statement is the touch key's own, about this act and for us.
func (t touchFor) says(s *proof.Touch, key *ecdsa.PublicKey, thumb []byte) error {
	switch {
	case s.Key != encode(thumb):
		return errors.New("the statement names another touch key")
	case s.Session != encode(t.session):
		return errors.New("the statement names another session key")
	case s.Audience != t.rpID:
		return errors.New("the statement is for another server")
	// What was signed is what was shown: the challenge is bound to the act as well, but only
	// these words were before the person's eyes.
	case s.Act != t.act.Kind || s.Object != t.act.Object:
		return errors.New("the statement is about another act")
	}
	return s.SignedBy(key)
}

// goesWith checks that the session key is there, and says which touch key it goes with.
func (t touchFor) goesWith(e *enrolling) error {
	switch s := e.beside; {
	case s.Key != encode(e.session[:]) || s.Touch != encode(e.thumb[:]):
		return errors.New("the session key's statement names other keys")
	case s.Audience != t.rpID || s.Challenge != e.statement.Challenge:
		return errors.New("the session key's statement is for another server or challenge")
	}
	return e.beside.SignedBy(e.own)
}

// touchFor is what a statement has to be about.
type touchFor struct {
	rpID    string
	act     Act
	session []byte // thumbprint
}

// vouched is what the App Attest key of an iPhone signs over, at enrolment and with each
// touch: the challenge and both keys.
func vouched(challenge []byte, session, touch []byte) [32]byte {
	return sha256.Sum256(slices.Concat(challenge, session, touch))
}
