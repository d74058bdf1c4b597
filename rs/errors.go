package rs

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is why a request was not let in. Its texts are constants and repeat nothing of what was sent.
type Error struct {
	Status int    // of the HTTP answer
	Code   string // error code of RFC 6750 §3.1, RFC 9449 §7.1 or RFC 9470 §3; "" when nothing was presented
	Text   string // for the developer at the other end

	scope  string        // what would be enough, for insufficient_scope
	acr    string        // and for insufficient_user_authentication
	maxAge time.Duration // the same
	cause  error         // for the log; never sent
}

func (e *Error) Error() string {
	s := "rs: " + e.Text
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.cause }

func (e *Error) because(cause error) *Error {
	with := *e
	with.cause = cause
	return &with
}

const (
	invalidRequest = "invalid_request"
	invalidToken   = "invalid_token"
	invalidProof   = "invalid_dpop_proof"
	useNonce       = "use_dpop_nonce"
	lowScope       = "insufficient_scope"
	lowAuth        = "insufficient_user_authentication"
	unavailable    = "temporarily_unavailable"
)

func request(text string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: invalidRequest, Text: text}
}
func badToken(text string) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: invalidToken, Text: text}
}
func badProof(text string) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: invalidProof, Text: text}
}

// away: the token cannot be judged just now. Not a 401, after which a client throws a good token away.
func away(text string) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: unavailable, Text: text}
}

var (
	// RFC 6750 §3.1: no code when the request lacks any authentication.
	errNothing = &Error{Status: http.StatusUnauthorized, Text: "an access token is needed"}

	errManyTokens = request("more than one Authorization header")
	errScheme     = request("the Authorization header is not a scheme and one token")

	errTokenSize    = badToken("the token is too large")
	errTokenForm    = badToken("the token is not one well-formed compact JWT")
	errTokenType    = badToken("typ is not at+jwt")
	errTokenAlg     = badToken("alg is not ES256")
	errTokenCrit    = badToken("the token uses extensions that are not understood here")
	errTokenKey     = badToken("signed with a key that the issuer does not publish")
	errTokenSig     = badToken("the signature does not verify")
	errTokenClaims  = badToken("a required claim is missing or of the wrong kind")
	errTokenIssuer  = badToken("of another issuer")
	errTokenAud     = badToken("for another audience")
	errTokenExpired = badToken("expired")
	errTokenEarly   = badToken("not valid yet")
	errTokenLife    = badToken("valid for too long")
	errTokenConf    = badToken("bound in a way that is not understood here")
	errTokenEnded   = badToken("revoked")
	errAsBearer     = badToken("bound to a key, but presented as a bearer token")
	errNotBound     = badToken("presented with the DPoP scheme, but bound to no key")
	errNoBearer     = badToken("bearer tokens are not accepted here")
	errBinding      = badToken("the proof was made with another key than the token is bound to") // RFC 9449 §7.1, Figure 15

	errProofAbsent  = badProof("no DPoP header")
	errProofMany    = badProof("more than one DPoP header")
	errProofSize    = badProof("the proof is too large")
	errProofForm    = badProof("the proof is not one well-formed compact JWT")
	errProofType    = badProof("typ is not dpop+jwt")
	errProofAlg     = badProof("alg is not ES256 or EdDSA")
	errProofKey     = badProof("jwk is not a public key for this alg")
	errProofPrivate = badProof("jwk carries a private key")
	errProofSig     = badProof("the signature of the proof does not verify")
	errProofClaims  = badProof("a required claim of the proof is missing or of the wrong kind")
	errProofJTI     = badProof("jti is too short, too long or not printable")
	errProofMethod  = badProof("htm is not the method of this request")
	errProofURL     = badProof("htu is not the address of this request")
	errProofTime    = badProof("the proof was made too long ago or in the future")
	errProofToken   = badProof("ath is not the hash of the access token")
	errProofReplay  = badProof("the proof was used before")
	errProofNonce   = &Error{Status: http.StatusUnauthorized, Code: useNonce, Text: "a current nonce is needed"}

	errKeysAway   = away("the issuer's keys cannot be read")
	errReplayFull = away("too many proofs to remember")
	errReplay     = away("proofs cannot be remembered")
	errStale      = away("revocations cannot be seen at the moment")
)

// Refuse answers a request that Check refused, with the challenges of RFC 6750 §3, RFC 9449 §7.1 and RFC 9470 §3.
func (v *Verifier) Refuse(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = away("not judged").because(err)
	}
	h := w.Header()
	if e.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	} else {
		// Two fields, not one with a comma: many clients read only one challenge per field.
		h.Add("WWW-Authenticate", `DPoP algs="`+algES256+" "+algEdDSA+`"`+e.params(", "))
		// DPoP's own errors say nothing to a Bearer client.
		if v.conf.AcceptBearer && e.Code != invalidProof && e.Code != useNonce {
			h.Add("WWW-Authenticate", `Bearer realm="`+v.conf.Audience+`"`+e.params(", "))
		}
	}
	if v.conf.Nonces != nil {
		h.Set("DPoP-Nonce", v.conf.Nonces.Mint(v.conf.Now())) // RFC 9449 §9
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	code := ""
	if e.Code != "" {
		code = `"error":"` + e.Code + `",`
	}
	w.Write([]byte("{" + code + `"error_description":"` + e.Text + "\"}\n")) // both are constants of this file
}

// params are the parameters of a challenge, each behind sep. Values need no escapes: Need.check and our own
// constants leave out what would.
func (e *Error) params(sep string) string {
	var b strings.Builder
	add := func(name, value string) {
		if value != "" {
			b.WriteString(sep + name + `="` + value + `"`)
		}
	}
	if e.Code != "" {
		add("error", e.Code)
		add("error_description", e.Text)
	}
	add("scope", e.scope)
	add("acr_values", e.acr)
	if e.maxAge > 0 {
		add("max_age", strconv.FormatInt(int64(e.maxAge/time.Second), 10))
	}
	return b.String()
}
