package proof

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	algES256 = "ES256"
	algEdDSA = "EdDSA"
)

// Algorithms is what the server announces as dpop_signing_alg_values_supported.
func Algorithms() []string { return []string{algES256, algEdDSA} }

// Want is what the proof has to be about.
type Want struct {
	Method string // of the request, as it stands in the request line
	URL    string // of the request as the client sees it: our public origin and the path

	// AccessToken is the token presented together with the proof; empty where none is, as at the token
	// endpoint. With a token, ath is demanded.
	AccessToken string

	// JKT is the thumbprint that the token (or code, or family) is bound to; empty when there is none yet.
	JKT string

	// Nonce checks the server nonce of the proof, "" when it has none; nil means that none is demanded.
	Nonce func(nonce string) bool
}

// Proof is what a proof has shown: at IAT, the holder of the key JKT meant this very request. The caller
// still has to spend (JKT, JTI), once, before relying on it.
type Proof struct {
	JKT   string    // RFC 7638 thumbprint of the key, base64url
	JTI   string    // unique per proof; from outside, so hash it before using it as a key
	IAT   time.Time // as the client's clock had it
	Nonce string    // the server nonce, "" when there was none
}

// Until is when a replay of this proof is refused by its age alone, so how long JTI must be remembered.
func (p Proof) Until() time.Time { return p.IAT.Add(MaxAge + time.Second) }

// Header is the one DPoP header of a request (RFC 9449 §4.3 (1)): ErrAbsent when there is none, ErrMany
// when there are several, since taking either of two lets an intermediary and us look at different ones.
func Header(h http.Header) (string, error) {
	switch v := h["Dpop"]; len(v) {
	case 0:
		return "", ErrAbsent
	case 1:
		return v[0], nil
	}
	return "", ErrMany
}

// VerifyDPoP runs the checks of RFC 9449 §4.3 on the value of a DPoP header. The cheap ones come first:
// what fails there costs the sender as much as us, and nothing they reveal is secret.
func VerifyDPoP(header string, want Want, now time.Time) (Proof, error) {
	if header == "" {
		return Proof{}, ErrAbsent
	}
	if len(header) > maxSize {
		return Proof{}, ErrSize
	}
	// (2) Compact serialisation, one signature: exactly three parts.
	lastDot := strings.LastIndexByte(header, '.')
	headText, bodyText, ok := strings.Cut(header[:max(lastDot, 0)], ".")
	if !ok || strings.IndexByte(bodyText, '.') >= 0 {
		return Proof{}, ErrMalformed
	}
	key, err := readHead(headText)
	if err != nil {
		return Proof{}, err
	}
	proof, err := readBody(bodyText, want, now)
	if err != nil {
		return Proof{}, err
	}
	proof.JKT = key.jkt()
	// (12), second half.
	if want.JKT != "" && subtle.ConstantTimeCompare([]byte(proof.JKT), []byte(want.JKT)) != 1 {
		return Proof{}, ErrBinding
	}
	// (6)
	if !key.verify(header[:lastDot], header[lastDot+1:]) {
		return Proof{}, ErrSignature
	}
	return proof, nil
}

// readHead does checks 4, 5 and 7: type, algorithm, and the key inside.
func readHead(text string) (publicKey, error) {
	raw, ok := decodeText(text)
	if !ok {
		return publicKey{}, ErrMalformed
	}
	var room [8]member
	head, ok := readObject(raw, room[:0])
	if !ok {
		return publicKey{}, ErrMalformed
	}
	if typ, _, ok := head.text("typ"); !ok || typ != "dpop+jwt" {
		return publicKey{}, ErrType
	}
	// Our own list decides, never what the key or the sender suggests: "none" and the HMAC family, which
	// would verify against a public key as the shared secret, are simply not on it.
	alg, _, ok := head.text("alg")
	if !ok || alg != algES256 && alg != algEdDSA {
		return publicKey{}, ErrAlgorithm
	}
	// RFC 7515 §4.1.11: extensions we do not implement, b64 (RFC 7797) among them, must be refused.
	if head.has("crit") || head.has("b64") {
		return publicKey{}, ErrMalformed
	}
	for _, m := range head {
		if m.name == "jwk" {
			if m.kind != 'o' {
				return publicKey{}, ErrKey
			}
			return readKey(m.text, alg)
		}
	}
	return publicKey{}, ErrKey
}

// readBody does checks 3 and 8 to 12: that the claims are all there and speak of this request, now.
func readBody(text string, want Want, now time.Time) (Proof, error) {
	raw, ok := decodeText(text)
	if !ok {
		return Proof{}, ErrMalformed
	}
	var room [12]member
	body, ok := readObject(raw, room[:0])
	if !ok {
		return Proof{}, ErrMalformed
	}
	jti, _, ok1 := body.text("jti")
	htm, _, ok2 := body.text("htm")
	htu, _, ok3 := body.text("htu")
	iat, _, ok4 := body.seconds("iat")
	exp, hasExp, ok5 := body.seconds("exp")
	nbf, hasNbf, ok6 := body.seconds("nbf")
	if !ok1 || !ok2 || !ok3 || !ok4 || hasExp && !ok5 || hasNbf && !ok6 {
		return Proof{}, ErrClaims
	}
	if !goodJTI(jti) {
		return Proof{}, ErrJTI
	}
	// Exact, as RFC 9110 §9.1 has methods case-sensitive. An empty want is a mistake of the caller's and
	// must not match an empty claim.
	if htm != want.Method || htm == "" {
		return Proof{}, ErrMethod
	}
	if !sameURL(htu, want.URL) {
		return Proof{}, ErrURL
	}
	// (10) before (11): a client whose clock is wrong still learns the nonce.
	nonce, hasNonce, ok := body.text("nonce")
	if hasNonce && !ok {
		return Proof{}, ErrClaims
	}
	if want.Nonce != nil && !want.Nonce(nonce) {
		return Proof{}, ErrNonce
	}
	// (11). exp and nbf are not part of DPoP, but where a client sets them they are meant.
	if now.Sub(iat) > MaxAge || iat.Sub(now) > MaxAhead ||
		hasExp && now.Sub(exp) >= MaxAhead || hasNbf && nbf.Sub(now) > MaxAhead {
		return Proof{}, ErrTime
	}
	// (12), first half.
	if want.AccessToken != "" {
		sum := sha256.Sum256([]byte(want.AccessToken))
		var hash [43]byte
		base64.RawURLEncoding.Encode(hash[:], sum[:])
		ath, _, ok := body.text("ath")
		if !ok || subtle.ConstantTimeCompare([]byte(ath), hash[:]) != 1 {
			return Proof{}, ErrToken
		}
	}
	return Proof{JTI: jti, IAT: iat, Nonce: nonce}, nil
}

// seconds is a NumericDate (RFC 7519 §2), its fraction dropped. Exponents and numbers that JavaScript cannot
// hold exactly are refused: nobody means them.
func (m members) seconds(name string) (at time.Time, present, ok bool) {
	for i := range m {
		if m[i].name != name {
			continue
		}
		whole, _, _ := strings.Cut(m[i].text, ".")
		n, err := strconv.ParseInt(whole, 10, 64)
		ok := m[i].kind == 'n' && err == nil && n >= 0 && n < 1<<53 && !strings.ContainsAny(m[i].text, "eE")
		return time.Unix(n, 0).UTC(), true, ok
	}
	return time.Time{}, false, false
}

func goodJTI(s string) bool {
	if len(s) < minJTI || len(s) > maxJTI {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
