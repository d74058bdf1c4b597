package proof

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"net/http"
	"strings"
)

// Device Bound Session Credentials (W3C webappsec-dbsc): a browser signs our challenge
// with a key that it keeps for one session, in hardware where there is any. What is
// signed is a JWT (typ dbsc+jwt). At registration its header carries the public key;
// at a refresh it must not, because the key to verify with is the one we stored.

// DeviceProof is what a registration has shown: whoever sent it holds the private half
// of JWK and signed Challenge with it. Whether the challenge is ours, for this session
// and unspent, is the caller's to ask.
type DeviceProof struct {
	JWK           string // public, in the one spelling that RFC 7638 §3.2 hashes
	JKT           string // its thumbprint
	Challenge     string // jti
	Authorization string // of the header that invited the browser
}

// DeviceWant is what a proof has to be about. Browsers of today say neither (Chromium
// 156); the draft wants aud at both and sub at a refresh, so where they stand they count.
type DeviceWant struct {
	URL     string // this very endpoint, as the browser sees it
	Session string // the session identifier; "" at registration
}

// ReadRegistration reads the JWT of a registration and verifies it with the key inside.
func ReadRegistration(jwt string, want DeviceWant) (DeviceProof, error) {
	j, err := readDeviceJWT(jwt, want)
	if err != nil {
		return DeviceProof{}, err
	}
	key, ok := j.head["jwk"]
	if !ok || key.object == nil {
		return DeviceProof{}, deviceError("no public key in a registration")
	}
	x, y, ok := p256(key.object)
	if !ok {
		return DeviceProof{}, deviceError("jwk is no public key of P-256")
	}
	authorization, ok := j.body["authorization"]
	if !ok || !authorization.isText || len(authorization.text) > maxDeviceClaim {
		return DeviceProof{}, deviceError("no authorization in a registration")
	}
	p := DeviceProof{
		JWK:       `{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`,
		Challenge: j.challenge, Authorization: authorization.text,
	}
	sum := sha256.Sum256([]byte(p.JWK))
	p.JKT = base64.RawURLEncoding.EncodeToString(sum[:])
	if !j.signedBy(x, y) {
		return DeviceProof{}, ErrDeviceSignature
	}
	return p, nil
}

// DeviceJWT is the JWT of a refresh whose form is good and whose signature nobody
// verified: until SignedBy has, Challenge is only what somebody claims. It stands alone so
// that a foreign challenge is refused before any row is read.
type DeviceJWT struct {
	Challenge string
	jwt       deviceJWT
}

// ReadDeviceProof reads the JWT of a refresh.
func ReadDeviceProof(jwt string, want DeviceWant) (DeviceJWT, error) {
	j, err := readDeviceJWT(jwt, want)
	if err != nil {
		return DeviceJWT{}, err
	}
	// A key that comes along is a key that the sender chose. Whoever verifies with it
	// has verified nothing.
	if _, ok := j.head["jwk"]; ok {
		return DeviceJWT{}, deviceError("a public key in a refresh")
	}
	return DeviceJWT{j.challenge, j}, nil
}

// SignedBy verifies with jwk, the key that was registered. ErrDeviceSignature when it was
// another one that signed.
func (d DeviceJWT) SignedBy(jwk string) error {
	members, ok := readFlat(jwk, 1)
	if !ok {
		return deviceError("the stored key cannot be read")
	}
	x, y, ok := p256(members)
	if !ok {
		return deviceError("the stored key is none of P-256")
	}
	if !d.jwt.signedBy(x, y) {
		return ErrDeviceSignature
	}
	return nil
}

// deviceJWT is a JWT whose form is good and whose signature nobody looked at.
type deviceJWT struct {
	head, body map[string]value
	challenge  string
	signed     string
	signature  [64]byte
}

func readDeviceJWT(jwt string, want DeviceWant) (j deviceJWT, err error) {
	if len(jwt) > maxDeviceJWT {
		return j, deviceError("longer than any JWT of a browser")
	}
	head, rest, ok1 := strings.Cut(jwt, ".")
	body, signature, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || !decode64(j.signature[:], signature) {
		return j, deviceError("no compact JWS")
	}
	j.signed = jwt[:len(head)+1+len(body)]
	if j.head, ok1 = readPart(head); !ok1 {
		return j, deviceError("its header is no strict JSON")
	}
	if j.body, ok2 = readPart(body); !ok2 {
		return j, deviceError("its payload is no strict JSON")
	}
	if v := j.head["typ"]; !v.is("dbsc+jwt") { // RFC 8725 §3.11: one kind never passes for another
		return j, deviceError("typ is not dbsc+jwt")
	}
	if v := j.head["alg"]; !v.is("ES256") { // our own list decides, and we offer no other
		return j, deviceError("alg is not ES256")
	}
	for _, name := range [...]string{"crit", "b64"} { // RFC 7515 §4.1.11, RFC 7797
		if _, ok := j.head[name]; ok {
			return j, deviceError("it needs an extension")
		}
	}
	jti := j.body["jti"]
	if !jti.isText || jti.text == "" || len(jti.text) > maxDeviceClaim {
		return j, deviceError("no challenge")
	}
	j.challenge = jti.text
	if v, ok := j.body["aud"]; ok && !v.is(want.URL) {
		return j, deviceError("made for another address")
	}
	if v, ok := j.body["sub"]; ok && !v.is(want.Session) {
		return j, deviceError("made for another session")
	}
	return j, nil
}

func (j deviceJWT) signedBy(xText, yText string) bool {
	var point [65]byte
	point[0] = 4
	if !decode64(point[1:33], xText) || !decode64(point[33:], yText) {
		return false
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point[:])
	if err != nil {
		return false
	}
	digest := sha256.Sum256([]byte(j.signed))
	return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(j.signature[:32]), new(big.Int).SetBytes(j.signature[32:]))
}

// p256 reads a public key. Coordinates have one spelling each, or one key would have
// several thumbprints; a private half is refused, because then it is private no more.
func p256(m map[string]value) (x, y string, ok bool) {
	if _, private := m["d"]; private || !m["kty"].is("EC") || !m["crv"].is("P-256") {
		return "", "", false
	}
	var point [65]byte
	point[0] = 4
	if x, y = m["x"].text, m["y"].text; !decode64(point[1:33], x) || !decode64(point[33:], y) {
		return "", "", false
	}
	_, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point[:]) // refuses points beside the curve
	return x, y, err == nil
}

// The headers of DBSC that browsers send.
const (
	HeaderDeviceProof   = "Secure-Session-Response"
	HeaderDeviceSession = "Sec-Secure-Session-Id"
	HeaderDeviceSkipped = "Secure-Session-Skipped"
)

// DeviceHeader is the one value of a header. The draft says that it is an sf-string
// (RFC 9651 §3.3.3); Chromium 156 sends the text bare, so both are read, and of an
// sf-string the parameters are left out. ErrDeviceAbsent when there is none.
func DeviceHeader(h http.Header, name string) (string, error) {
	lines := h.Values(name)
	switch {
	case len(lines) == 0:
		return "", ErrDeviceAbsent
	case len(lines) > 1:
		return "", deviceError("a header that is there twice")
	case len(lines[0]) > maxDeviceJWT+maxDeviceClaim:
		return "", deviceError("a header that is too long")
	}
	text, ok := readBareOrQuoted(lines[0])
	if !ok {
		return "", deviceError("a header that is neither bare nor quoted")
	}
	return text, nil
}

func readBareOrQuoted(line string) (string, bool) {
	line = strings.Trim(line, " \t")
	if !strings.HasPrefix(line, `"`) {
		return line, line != "" && plain(line, `",; \`)
	}
	var b strings.Builder
	for i := 1; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			rest := line[i+1:]
			return b.String(), b.Len() > 0 && (rest == "" || rest[0] == ';' && plain(rest, ","))
		case c == '\\':
			if i++; i == len(line) || line[i] != '"' && line[i] != '\\' {
				return "", false
			}
			b.WriteByte(line[i])
		case c < ' ' || c > '~':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// plain: printable ASCII without those of not.
func plain(s, not string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || strings.IndexByte(not, s[i]) >= 0 {
			return false
		}
	}
	return true
}

// Skipped is the reason a browser gives for going on without its credential, "" when it
// gives none that the draft knows. It is a word for the log: a thief can write it as
// well, so nothing may ever be allowed because of it.
func Skipped(h http.Header) string {
	line := h.Get(HeaderDeviceSkipped)
	for _, word := range [...]string{"quota_exceeded", "unreachable", "server_error"} {
		if rest, ok := strings.CutPrefix(line, word); ok && (rest == "" || strings.IndexByte(";, ", rest[0]) >= 0) {
			return word
		}
	}
	return ""
}
