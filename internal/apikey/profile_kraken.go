package apikey

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"strings"
)

const (
	krakenKey  = "Api-Key"
	krakenSign = "Api-Sign"
)

// readKraken reads a request of the kraken profile. What goes under the MAC is the path
// and then SHA-256 of the nonce and the body; the nonce stands in the body, which is a
// form or an object, and has to grow. Time is in nothing.
func readKraken(r *Request, buf []byte) (c Claim, ok bool) {
	key, ok1 := r.one(krakenKey)
	sign, ok2 := r.one(krakenSign)
	// Method and query are not signed: there is one method, and no query.
	if !ok1 || !ok2 || key == "" || len(key) > maxText || r.Method != http.MethodPost || r.Query != "" || !strings.HasPrefix(r.Path, "/") {
		return c, false
	}
	kind, ok := r.contentType()
	if !ok {
		return c, false
	}
	// The type is not signed either. A body is read as what it says it is, and none is
	// both: a form does not begin with a brace.
	var nonce []byte
	switch kind {
	case jsonType:
		nonce, ok = jsonNonce(r.Body)
	case formType, "":
		nonce, ok = formNonce(r.Body)
	default:
		return c, false
	}
	if !ok {
		return c, false
	}
	c = Claim{Profile: Kraken, Key: key, Alg: HMACSHA512}
	if c.Counter, ok = digits(nonce); !ok {
		return c, false
	}
	if c.Sig, ok = base64Bytes(nil, sign); !ok || len(c.Sig) != 64 {
		return c, false
	}
	h := sha256.New()
	h.Write(nonce)
	h.Write(r.Body)
	c.Signed = h.Sum(append(buf[:0], r.Path...))
	return c, true
}

// formNonce finds the one nonce of a form.
func formNonce(body []byte) (nonce []byte, ok bool) {
	if len(body) == 0 || body[0] == '{' {
		return nil, false
	}
	for part := range bytes.SplitSeq(body, []byte{'&'}) {
		name, value, ok := bytes.Cut(part, []byte{'='})
		if !ok || !plainName(name) || !wellEscaped(value) {
			return nil, false
		}
		if equalFold(name, "nonce") {
			if string(name) != "nonce" || nonce != nil {
				return nil, false
			}
			nonce = value
		}
	}
	return nonce, nonce != nil
}

// jsonNonce finds the one nonce of an object: a number, or the same in quotes.
func jsonNonce(body []byte) ([]byte, bool) {
	list, ok := object(body)
	if !ok {
		return nil, false
	}
	for i := range list {
		if list[i].name != "nonce" && strings.EqualFold(list[i].name, "nonce") {
			return nil, false
		}
	}
	nonce, ok := raw(list, "nonce")
	if ok && len(nonce) > 1 && nonce[0] == '"' {
		nonce = nonce[1 : len(nonce)-1]
	}
	return nonce, ok // digits are left to check: an escape is none
}
