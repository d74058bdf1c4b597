package rs

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"time"
)

var proofBounds = bounds{proofMembers, proofDepth}

// wanted is what a proof has to be about.
type wanted struct {
	method string
	base   string // the public address of this server, and
	path   string // the path of the request
	ath    []byte // hash of the token that came along, as it is written
	jkt    string // the key that the token is bound to
	nonces Nonces // nil: none is demanded
	now    time.Time
}

// proof is what a good proof has shown: at iat, the holder of the key meant this very request.
type proof struct {
	jti string
	iat time.Time
}

// until is when its age alone refuses the proof, so how long it must be remembered.
func (p proof) until() time.Time { return p.iat.Add(proofAge + time.Second) }

// proofHeader is the one DPoP header of a request (RFC 9449 §4.3 (1)). Of two, an intermediary and we might
// look at different ones.
func proofHeader(h http.Header) (string, *Error) {
	switch v := h["Dpop"]; len(v) {
	case 0:
		return "", errProofAbsent
	case 1:
		return v[0], nil
	}
	return "", errProofMany
}

// readProof runs the checks of RFC 9449 §4.3, whose numbers stand beside them. Cheap ones come first: what
// fails there costs the sender as much as us, and nothing that they reveal is secret.
func readProof(text string, want wanted) (proof, *Error) {
	if len(text) > maxProof {
		return proof{}, errProofSize
	}
	// (2)
	headText, bodyText, signed, signature, ok := splitJWS(text)
	if !ok {
		return proof{}, errProofForm
	}
	key, e := proofKey(headText)
	if e != nil {
		return proof{}, e
	}
	p, e := proofBody(bodyText, want)
	if e != nil {
		return proof{}, e
	}
	// (12), second half.
	if subtle.ConstantTimeCompare([]byte(key.jkt()), []byte(want.jkt)) != 1 {
		return proof{}, errBinding
	}
	// (6)
	if !key.verify(signed, signature) {
		return proof{}, errProofSig
	}
	return p, nil
}

// proofKey does checks 4, 5 and 7: type, algorithm, and the key inside.
func proofKey(text string) (publicKey, *Error) {
	raw, ok := decodeText(text)
	if !ok {
		return publicKey{}, errProofForm
	}
	var room [8]member
	head, ok := readWithin(proofBounds, raw, room[:0])
	if !ok {
		return publicKey{}, errProofForm
	}
	if typ, _, ok := head.text("typ"); !ok || typ != "dpop+jwt" {
		return publicKey{}, errProofType
	}
	// Our own list decides, never what the key or the sender suggests.
	alg, _, ok := head.text("alg")
	if !ok || alg != algES256 && alg != algEdDSA {
		return publicKey{}, errProofAlg
	}
	// RFC 7515 §4.1.11: extensions that are not implemented, b64 (RFC 7797) among them, must be refused.
	if head.has("crit") || head.has("b64") {
		return publicKey{}, errProofForm
	}
	jwk, _ := head.raw("jwk")
	if jwk.kind != 'o' {
		return publicKey{}, errProofKey
	}
	var keyRoom [8]member
	m, ok := readWithin(proofBounds, jwk.text, keyRoom[:0])
	if !ok {
		return publicKey{}, errProofForm
	}
	if m.private() {
		return publicKey{}, errProofPrivate
	}
	key, ok := m.keyFor(alg)
	if !ok {
		return publicKey{}, errProofKey
	}
	return key, nil
}

// proofBody does checks 3 and 8 to 12: that the claims are all there and speak of this request, now.
func proofBody(text string, want wanted) (proof, *Error) {
	raw, ok := decodeText(text)
	if !ok {
		return proof{}, errProofForm
	}
	var room [12]member
	body, ok := readWithin(proofBounds, raw, room[:0])
	if !ok {
		return proof{}, errProofForm
	}
	jti, _, ok1 := body.text("jti")
	htm, _, ok2 := body.text("htm")
	htu, _, ok3 := body.text("htu")
	iat, _, ok4 := body.seconds("iat")
	exp, hasExp, ok5 := body.seconds("exp")
	nbf, hasNbf, ok6 := body.seconds("nbf")
	nonce, hasNonce, ok7 := body.text("nonce")
	if !ok1 || !ok2 || !ok3 || !ok4 || hasExp && !ok5 || hasNbf && !ok6 || hasNonce && !ok7 {
		return proof{}, errProofClaims
	}
	if !goodID(jti, minJTI) {
		return proof{}, errProofJTI
	}
	// Exact, as RFC 9110 §9.1 has methods case-sensitive.
	if htm != want.method || htm == "" {
		return proof{}, errProofMethod
	}
	if !want.at(htu) {
		return proof{}, errProofURL
	}
	// (10) before (11): a client whose clock is wrong still learns the nonce.
	if want.nonces != nil && !want.nonces.Check(nonce, want.now) {
		return proof{}, errProofNonce
	}
	// (11). exp and nbf are not part of DPoP, but where a client sets them they are meant.
	if want.now.Sub(iat) > proofAge || iat.Sub(want.now) > proofAhead ||
		hasExp && want.now.Sub(exp) >= proofAhead || hasNbf && nbf.Sub(want.now) > proofAhead {
		return proof{}, errProofTime
	}
	// (12), first half.
	ath, _, ok := body.text("ath")
	if !ok || subtle.ConstantTimeCompare([]byte(ath), want.ath) != 1 {
		return proof{}, errProofToken
	}
	return proof{jti: jti, iat: iat}, nil
}

// at compares htu with the address of the request, usually without building it.
func (w wanted) at(htu string) bool {
	if rest, ok := strings.CutPrefix(htu, w.base); ok && rest == w.path {
		return true
	}
	return sameURL(htu, w.base+w.path)
}

// goodID is printable ASCII of bounded length.
func goodID(s string, least int) bool {
	if len(s) < least || len(s) > maxJTI {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
