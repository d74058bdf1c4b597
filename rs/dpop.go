package rs

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// Proof is what a good DPoP proof has shown: at IAT, the holder of the key JKT meant this very request. It is
// good once: whoever relies on it has to remember (JKT, JTI) until Until and refuse it the second time (RFC
// 9449 §11.1). A Verifier does that itself.
type Proof struct {
	JKT   string    // RFC 7638 thumbprint of the key: SHA-256 in base64url
	JTI   string    // unique per proof; from outside, so hash it before using it as a key
	IAT   time.Time // as the client's clock had it
	Nonce string    // the server's nonce that it carries, "" when it has none
	Until time.Time // from then on its age alone refuses it
}

// ProofNeed is what ReadProof asks of a proof.
type ProofNeed struct {
	Method string // of the request, as it stands in the request line
	URL    string // of the request as the client sees it: the public origin and the path; a query does not count

	// AccessToken is what is presented beside the proof; "" where none is, as at a token endpoint. With a
	// token, ath is demanded.
	AccessToken string

	// JKT is the thumbprint that the token (or code, or session) is bound to; "" while there is none: then the
	// proof may be made with any key, and its JKT is what to bind to.
	JKT string

	// Nonce checks the server's nonce of the proof, "" when it has none; nil means that none is demanded.
	Nonce func(nonce string) bool

	// MaxAge and MaxAhead are how long ago and how far in the future a proof may have been made, by the
	// client's clock (RFC 9449 §11.1). Zero means what a Verifier takes: 60 and 10 seconds.
	MaxAge   time.Duration
	MaxAhead time.Duration
}

// ProofAlgorithms is what proofs may be signed with, for dpop_signing_alg_values_supported (RFC 9449 §5.1).
func ProofAlgorithms() []string { return []string{algES256, algEdDSA} }

// ProofHeader is the one DPoP header of a request (RFC 9449 §4.3 (1)). None and more than one are an *Error: of
// two, an intermediary and we might look at different ones.
func ProofHeader(h http.Header) (string, error) {
	switch v := h["Dpop"]; len(v) {
	case 0:
		return "", errProofAbsent
	case 1:
		return v[0], nil
	}
	return "", errProofMany
}

// ReadProof runs the checks of RFC 9449 §4.3 on the value of a DPoP header. A Verifier does it for each request
// with a bound token; on its own it is for who binds something to a key first, such as a token endpoint.
//
// The error is an *Error: use_dpop_nonce when only the nonce is missing, old or foreign (§8), invalid_token when
// the key is another than need.JKT, and invalid_dpop_proof for the rest.
//
// It keeps no state, so it does not see replays. It never looks at the token: whether that is bound, and to
// which key, is what need.JKT says.
func ReadProof(header string, need ProofNeed, now time.Time) (Proof, error) {
	if need.MaxAge == 0 {
		need.MaxAge = proofAge
	}
	if need.MaxAhead == 0 {
		need.MaxAhead = proofAhead
	}
	want := wanted{ProofNeed: need, now: now}
	var ath [43]byte
	if need.AccessToken != "" {
		sum := sha256.Sum256([]byte(need.AccessToken))
		base64.RawURLEncoding.Encode(ath[:], sum[:])
		want.ath = ath[:]
	}
	p, e := readProof(header, want)
	if e != nil {
		return Proof{}, e
	}
	return p, nil
}

var proofBounds = bounds{proofMembers, proofDepth}

// wanted is a ProofNeed as a Verifier has it on each request: with the hash of the token, which it needs anyway,
// and with the address in two parts, so that it need not be built.
type wanted struct {
	ProofNeed        // URL is the public address of the server, AccessToken is not looked at
	path      string // of the request, behind URL
	ath       []byte // hash of the token, as it is written; nil when there is none
	now       time.Time
}

// readProof's numbers are those of RFC 9449 §4.3. Cheap checks come first: what fails there costs the sender as
// much as us, and nothing that they reveal is secret.
func readProof(text string, want wanted) (Proof, *Error) {
	if len(text) > maxProof {
		return Proof{}, errProofSize
	}
	// (2)
	headText, bodyText, signed, signature, ok := splitJWS(text)
	if !ok {
		return Proof{}, errProofForm
	}
	key, e := proofKey(headText)
	if e != nil {
		return Proof{}, e
	}
	p, e := proofBody(bodyText, want)
	if e != nil {
		return Proof{}, e
	}
	p.JKT = key.jkt()
	// (12), second half.
	if want.JKT != "" && subtle.ConstantTimeCompare([]byte(p.JKT), []byte(want.JKT)) != 1 {
		return Proof{}, errBinding
	}
	// (6)
	if !key.verify(signed, signature) {
		return Proof{}, errProofSig
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
func proofBody(text string, want wanted) (Proof, *Error) {
	raw, ok := decodeText(text)
	if !ok {
		return Proof{}, errProofForm
	}
	var room [12]member
	body, ok := readWithin(proofBounds, raw, room[:0])
	if !ok {
		return Proof{}, errProofForm
	}
	jti, _, ok1 := body.text("jti")
	htm, _, ok2 := body.text("htm")
	htu, _, ok3 := body.text("htu")
	iat, _, ok4 := body.seconds("iat")
	exp, hasExp, ok5 := body.seconds("exp")
	nbf, hasNbf, ok6 := body.seconds("nbf")
	nonce, hasNonce, ok7 := body.text("nonce")
	if !ok1 || !ok2 || !ok3 || !ok4 || hasExp && !ok5 || hasNbf && !ok6 || hasNonce && !ok7 {
		return Proof{}, errProofClaims
	}
	if !goodID(jti, minJTI) {
		return Proof{}, errProofJTI
	}
	// Exact, as RFC 9110 §9.1 has methods case-sensitive. An empty need is a mistake of the caller's and must not
	// match an empty claim.
	if htm != want.Method || htm == "" {
		return Proof{}, errProofMethod
	}
	if !want.at(htu) {
		return Proof{}, errProofURL
	}
	// (10) before (11): a client whose clock is wrong still learns the nonce.
	if want.Nonce != nil && !want.Nonce(nonce) {
		return Proof{}, errProofNonce
	}
	// (11). exp and nbf are not part of DPoP, but where a client sets them they are meant.
	if want.now.Sub(iat) > want.MaxAge || iat.Sub(want.now) > want.MaxAhead ||
		hasExp && want.now.Sub(exp) >= want.MaxAhead || hasNbf && nbf.Sub(want.now) > want.MaxAhead {
		return Proof{}, errProofTime
	}
	// (12), first half.
	if want.ath != nil {
		ath, _, ok := body.text("ath")
		if !ok || subtle.ConstantTimeCompare([]byte(ath), want.ath) != 1 {
			return Proof{}, errProofToken
		}
	}
	// The second beyond leaves no gap: at MaxAge exactly a proof is still good.
	return Proof{JTI: jti, IAT: iat, Nonce: nonce, Until: iat.Add(want.MaxAge + time.Second)}, nil
}

// at compares htu with the address of the request, usually without building it.
func (w wanted) at(htu string) bool {
	if rest, ok := strings.CutPrefix(htu, w.URL); ok && rest == w.path && rest != "" {
		return true
	}
	return sameURL(htu, w.URL+w.path)
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
