package apikey

import (
	"bytes"
	"net/http"
)

const (
	geminiKey     = "X-Gemini-Apikey"
	geminiPayload = "X-Gemini-Payload"
	geminiSign    = "X-Gemini-Signature"
)

// readGemini reads a request of the gemini profile. All it has to say stands in a header,
// an object in base64, and the text of that header is what is signed. The body of the
// request is not, so it may be missing or repeat the object; it says nothing of its own.
//
// Claim.Counter is the nonce. With keys that use a clock for it, it is in seconds; which
// of the two a key does, only the key knows.
func readGemini(r *Request, buf []byte) (c Claim, ok bool) {
	key, ok1 := r.one(geminiKey)
	payload, ok2 := r.one(geminiPayload)
	sign, ok3 := r.one(geminiSign)
	if !ok1 || !ok2 || !ok3 || key == "" || len(key) > maxText || r.Method != http.MethodPost {
		return c, false
	}
	said, ok := base64Bytes(nil, payload)
	if !ok {
		return c, false
	}
	list, ok := object(said)
	if !ok || !repeats(r.Body, list) {
		return c, false
	}
	// The only thing that ties the payload to where it was sent.
	at, ok := text(list, "request")
	if !ok || at != string(r.appendTarget(nil)) {
		return c, false
	}
	nonce, ok := raw(list, "nonce")
	if !ok {
		return c, false
	}
	if len(nonce) > 1 && nonce[0] == '"' {
		nonce = nonce[1 : len(nonce)-1]
	}
	c = Claim{Profile: Gemini, Key: key, Alg: HMACSHA384}
	if c.Counter, ok = digits(nonce); !ok {
		return c, false
	}
	if c.Sig, ok = hexBytes(nil, sign, 48); !ok {
		return c, false
	}
	c.Signed = append(buf[:0], payload...)
	return c, true
}

// repeats reports whether a body is empty or an object whose members all stand in the
// signed one, letter for letter, and leave out nothing but request and nonce: a server
// behind us that reads the body finds what was signed. An empty object counts as empty.
func repeats(body []byte, signed []member) bool {
	if len(body) == 0 {
		return true
	}
	list, ok := object(body)
	if !ok {
		return false
	}
	if len(list) == 0 {
		return true
	}
	for i := range list {
		v, ok := raw(signed, list[i].name)
		if !ok || !bytes.Equal(v, list[i].raw) {
			return false
		}
	}
	for i := range signed {
		if name := signed[i].name; name != "request" && name != "nonce" && !has(list, name) {
			return false
		}
	}
	return true
}
