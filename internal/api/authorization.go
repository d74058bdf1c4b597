package api

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"
)

// credentials are what an Authorization header carries, unverified.
type credentials struct {
	scheme string // lower case; "" when there is no header
	value  string
}

const (
	schemeDPoP   = "dpop"
	schemeBearer = "bearer"
	schemeBasic  = "basic"

	maxAuthorization = 1024 // the longest of ours has about 170 bytes
)

// readAuthorization reads the one Authorization header (RFC 9110 §11.4). Two of
// them are refused: a proxy and we could look at different ones (RFC 6750 §3.1:
// more than one method is an invalid request).
func readAuthorization(h http.Header) (credentials, error) {
	return readAuthorizationUpTo(h, maxAuthorization)
}

func readAuthorizationUpTo(h http.Header, limit int) (credentials, error) {
	lines := h["Authorization"]
	switch {
	case len(lines) == 0:
		return credentials{}, nil
	case len(lines) > 1:
		return credentials{}, errBadRequest.At("Authorization", "is there twice")
	}
	scheme, value, ok := strings.Cut(lines[0], " ")
	value = strings.TrimLeft(value, " ") // RFC 9110 §11.4: 1*SP
	if !ok || len(lines[0]) > limit || !token68(value) || !word(scheme) {
		return credentials{}, errBadRequest.At("Authorization", "is not a scheme and one token")
	}
	return credentials{strings.ToLower(scheme), value}, nil
}

// token68 is RFC 9110 §11.2. None of our schemes has parameters.
func token68(s string) bool {
	body := strings.TrimRight(s, "=")
	for _, c := range []byte(body) {
		if !alphanumeric(c) && strings.IndexByte("-._~+/", c) < 0 {
			return false
		}
	}
	return body != ""
}

func word(s string) bool {
	for _, c := range []byte(s) {
		if !alphanumeric(c) && c != '-' {
			return false
		}
	}
	return s != ""
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// readBasic takes user and password apart (RFC 7617 §2): the first colon divides,
// the text is UTF-8 without control characters, and base64 has one spelling.
func readBasic(value string) (id, secret string, ok bool) {
	raw, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || !utf8.Valid(raw) {
		return "", "", false
	}
	for _, c := range raw {
		if c < ' ' || c == 0x7f {
			return "", "", false
		}
	}
	return strings.Cut(string(raw), ":")
}

// challenge is the WWW-Authenticate of a 401. Without credentials it names no
// error (RFC 6750 §3.1); with them the word of RFC 9449 §7.1 or RFC 6750.
func challenge(a access, code string, sent bool) string {
	if a == backend {
		return `Basic realm="back ends", charset="UTF-8"`
	}
	const algs = `algs="ES256 EdDSA"`
	switch code {
	case "use_dpop_nonce":
		return `DPoP error="use_dpop_nonce", error_description="make the proof with the nonce of this answer", ` + algs
	case "proof_missing", "proof_invalid", "proof_replayed", "refresh_wrong_key":
		return `DPoP error="invalid_dpop_proof", error_description="` + code + `", ` + algs
	case "not_signed_in", "access_expired", "session_ended":
		if sent {
			return `DPoP error="invalid_token", error_description="` + code + `", ` + algs
		}
	}
	return "DPoP " + algs
}
