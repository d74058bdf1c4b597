package apikey

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"
)

// The native profile is RFC 9421 with one spelling: one label, one list of components,
// one order of parameters. Whatever a general parser would still accept is refused, so
// that no two parsers can read one request differently.
const (
	nativeInput = "Signature-Input"
	nativeSig   = "Signature"

	nativeBare = `sig1=("@method" "@authority" "@path" "@query")`
	nativeBody = `sig1=("@method" "@authority" "@path" "@query" "content-type" "content-digest")`
	nativeTag  = `tag="keyward-v1"`

	nativeLife = 60 * time.Second // expires − created, at most
)

// readNative reads a keyward-v1 signature. The boolean is all it says: before a
// signature holds nobody is told what was wrong with it.
func readNative(r *Request, buf []byte) (c Claim, ok bool) {
	input, ok1 := r.one(nativeInput)
	text, ok2 := r.one(nativeSig)
	if !ok1 || !ok2 {
		return c, false
	}
	want, signsBody := nativeBare, len(r.Body) > 0 || r.Unseen && len(r.Header["Content-Digest"]) > 0
	if signsBody {
		want = nativeBody
	} else {
		r.Digest = emptyDigest
	}
	params, ok := strings.CutPrefix(input, want)
	if !ok {
		return c, false
	}
	signed := input[len("sig1="):]
	created, ok1 := number(&params, ";created=")
	expires, ok2 := number(&params, ";expires=")
	nonce, ok3 := quoted(&params, `;nonce="`)
	alg, ok4 := quoted(&params, `;alg="`)
	key, ok5 := quoted(&params, `;keyid="`)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || params != ";"+nativeTag {
		return c, false
	}
	life := time.Duration(expires-created) * time.Second
	if expires <= created || life > nativeLife || len(nonce) < 22 || len(nonce) > 64 || !isBase64URL(nonce) {
		return c, false
	}
	c = Claim{Profile: Native, Key: key, Alg: Alg(alg), At: time.Unix(created, 0), Window: life, Nonce: nonce}
	if c.Alg != HMACSHA256 && c.Alg != Ed25519 {
		return c, false
	}
	sig, ok := strings.CutPrefix(text, "sig1=:")
	if !ok || !strings.HasSuffix(sig, ":") {
		return c, false
	}
	sig = sig[:len(sig)-1]

	buf = append(append(buf[:0], "\"@method\": "...), r.Method...)
	buf = append(append(buf, "\n\"@authority\": "...), r.Authority...)
	buf = append(append(buf, "\n\"@path\": "...), r.Path...)
	buf = append(append(buf, "\n\"@query\": ?"...), r.Query...)
	if signsBody {
		kind, ok1 := r.one("Content-Type")
		digest, ok2 := r.one("Content-Digest")
		if !ok1 || !ok2 || !r.digested(digest) {
			return c, false
		}
		buf = append(append(buf, "\n\"content-type\": "...), kind...)
		buf = append(append(buf, "\n\"content-digest\": "...), digest...)
	}
	buf = append(append(buf, "\n\"@signature-params\": "...), signed...)
	// The signature is decoded behind what was signed: one buffer for both.
	n := len(buf)
	buf, err := base64.StdEncoding.Strict().AppendDecode(buf, []byte(sig))
	if err != nil || base64.StdEncoding.EncodedLen(len(buf)-n) != len(sig) {
		return c, false
	}
	c.Signed, c.Sig = buf[:n:n], buf[n:]
	return c, true
}

// digested compares the one spelling of RFC 9530 that is taken with the body that
// arrived: a digest that was signed says nothing about a body nobody hashed. Where the
// front kept the body, the upstream is told the digest and compares.
func (r *Request) digested(text string) bool {
	digest, ok := strings.CutPrefix(text, "sha-256=:")
	if !ok || len(digest) != 45 || digest[44] != ':' {
		return false
	}
	var sum [33]byte
	n, err := base64.StdEncoding.Strict().Decode(sum[:], []byte(digest[:44]))
	if err != nil || n != 32 {
		return false
	}
	r.Digest = [32]byte(sum[:32])
	return r.Unseen || r.Digest == sha256.Sum256(r.Body)
}

var emptyDigest = sha256.Sum256(nil)

// number cuts a parameter that is a whole number in its one spelling.
func number(params *string, name string) (int64, bool) {
	rest, ok := strings.CutPrefix(*params, name)
	if !ok {
		return 0, false
	}
	end := strings.IndexByte(rest, ';')
	if end < 1 || end > 12 || rest[0] == '0' {
		return 0, false
	}
	var n int64 // twelve digits cannot be too many for it
	for i := range end {
		if rest[i] < '0' || rest[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(rest[i]-'0')
	}
	*params = rest[end:]
	return n, true
}

// quoted cuts a parameter that is a string without anything to escape.
func quoted(params *string, name string) (string, bool) {
	rest, ok := strings.CutPrefix(*params, name)
	if !ok {
		return "", false
	}
	end := strings.IndexByte(rest, '"')
	if end < 1 || end > 128 || strings.IndexByte(rest[:end], '\\') >= 0 {
		return "", false
	}
	*params = rest[end+1:]
	return rest[:end], true
}

func isBase64URL(s string) bool {
	for i := range len(s) {
		if c := s[i]; value62(c) < 0 && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
