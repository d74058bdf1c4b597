package apikey

import (
	"crypto/sha512"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Three profiles carry a JWT. What is signed is the token; the request is tied to it by
// claims in it, and each reader checks those: a token whose claims were not looked at
// would be good for every request.

const (
	bearer   = "Bearer "
	maxToken = 8 << 10
	cdpLife  = 120 * time.Second
)

// jws is a compact JWS (RFC 7515 §3.1), read and not verified.
type jws struct {
	alg    string
	header []member
	claims []member
	signed string // header, dot, payload
	sig    []byte
}

// readJWS reads the token of an Authorization header. Its type is "JWT" or not given,
// never another: an access token of ours must not pass for a token that a key signed
// (RFC 8725 §3.11).
func readJWS(authorization string) (t jws, ok bool) {
	token, ok := strings.CutPrefix(authorization, bearer)
	if !ok || len(token) > maxToken {
		return t, false
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return t, false
	}
	var raw [3][]byte
	for i := range parts {
		if raw[i], ok = base64URLBytes(nil, parts[i]); !ok {
			return t, false
		}
	}
	if t.header, ok = object(raw[0]); !ok {
		return t, false
	}
	if t.claims, ok = object(raw[1]); !ok {
		return t, false
	}
	if has(t.header, "typ") {
		if typ, ok := text(t.header, "typ"); !ok || typ != "JWT" {
			return t, false
		}
	}
	t.alg, ok = text(t.header, "alg")
	t.signed, t.sig = token[:len(parts[0])+1+len(parts[1])], raw[2]
	return t, ok
}

// jwtProfile tells the three apart: by the algorithm, and the two Korean ones by the
// time that one of them writes in.
func jwtProfile(authorization string) (Profile, bool) {
	t, ok := readJWS(authorization)
	if !ok {
		return "", false
	}
	switch t.alg {
	case "HS256", "HS512":
		if has(t.claims, "timestamp") {
			return Bithumb, true
		}
		return Upbit, true
	case "EdDSA", "ES256":
		return CDP, true
	}
	return "", false
}

// readUpbit reads a request of the upbit profile. The token names the key, a nonce and
// the SHA-512 of the parameters. It says no time, unless the client adds iat.
func readUpbit(r *Request, buf []byte) (Claim, bool) {
	c, t, ok := readKorean(r, buf, Upbit)
	if !ok || !only(t.claims, "access_key", "nonce", "query_hash", "query_hash_alg", "iat") {
		return c, false
	}
	if iat, there := raw(t.claims, "iat"); there {
		if len(iat) != 10 {
			return c, false
		}
		c.At, ok = clock(iat)
	}
	return c, ok
}

// readBithumb reads a request of the bithumb profile: the same, with the time in
// milliseconds.
func readBithumb(r *Request, buf []byte) (Claim, bool) {
	c, t, ok := readKorean(r, buf, Bithumb)
	if !ok || !only(t.claims, "access_key", "nonce", "query_hash", "query_hash_alg", "timestamp") {
		return c, false
	}
	stamp, _ := raw(t.claims, "timestamp")
	if len(stamp) != 13 {
		return c, false
	}
	c.At, ok = clock(stamp)
	return c, ok
}

func readKorean(r *Request, buf []byte, p Profile) (c Claim, t jws, ok bool) {
	a, ok := r.one(authorization)
	if !ok {
		return c, t, false
	}
	t, ok = readJWS(a)
	if !ok || !only(t.header, "alg", "typ") {
		return c, t, false
	}
	c = Claim{Profile: p, Sig: t.sig}
	size := 0
	switch t.alg {
	case "HS256":
		c.Alg, size = HMACSHA256, 32
	case "HS512":
		c.Alg, size = HMACSHA512, 64
	}
	key, ok1 := text(t.claims, "access_key")
	nonce, ok2 := text(t.claims, "nonce")
	if size == 0 || len(t.sig) != size || !ok1 || !ok2 || !tied(r, t.claims, p) {
		return c, t, false
	}
	c.Key, c.Nonce = key, nonce
	c.Signed = append(buf[:0], t.signed...)
	return c, t, true
}

// tied reports whether the token was made for the parameters of this request. They are
// in the query of a GET or DELETE and in the object of everything else, never in both:
// only one of the two would be under the hash.
//
// Clients of upbit hash the parameters without percent-encoding. Clients of bithumb hash
// them as they would stand in a query.
func tied(r *Request, claims []member, p Profile) bool {
	var texts []string // what the hash may be of
	if r.bodyless() || r.Method == http.MethodDelete {
		if len(r.Body) > 0 {
			return false
		}
		pairs, ok := decodedPairs(r.Query)
		if !ok && p != Bithumb { // as it was sent, a query has one reading anyway
			return false
		}
		if ok {
			texts = append(texts, string(appendPairs(nil, pairs)))
		}
		if p == Bithumb {
			texts = append(texts, r.Query)
		}
	} else {
		if r.Query != "" {
			return false
		}
		if len(r.Body) > 0 {
			kind, ok := r.contentType()
			if !ok || kind != jsonType && kind != "" {
				return false
			}
			if texts, ok = objectTexts(r.Body, p == Bithumb); !ok {
				return false
			}
		}
	}
	if len(texts) == 0 || texts[0] == "" {
		return !has(claims, "query_hash") && !has(claims, "query_hash_alg")
	}
	hash, ok1 := text(claims, "query_hash")
	alg, ok2 := text(claims, "query_hash_alg")
	want, ok3 := hexBytes(nil, hash, sha512.Size)
	return ok1 && ok2 && ok3 && alg == "SHA512" && slices.ContainsFunc(texts, func(s string) bool {
		sum := sha512.Sum512([]byte(s))
		return string(sum[:]) == string(want) // nothing secret: who sends the one sends the other
	})
}

// objectTexts writes an object as parameters in the order it has them, as clients do
// before they hash it. Lists are written in two ways, "k[]=" and "k[0]=", and values with
// or without percent-encoding, so there may be several texts. Refused is what could be an
// object of other members under the same text.
func objectTexts(body []byte, encoded bool) ([]string, bool) {
	list, ok := object(body)
	if !ok {
		return nil, false
	}
	var plain, counted []pair
	for _, m := range list {
		if m.name == "" || strings.ContainsAny(m.name, "&=[]") {
			return nil, false
		}
		if m.raw[0] != '[' {
			v, ok := scalar(m.raw)
			if !ok {
				return nil, false
			}
			plain, counted = append(plain, pair{m.name, v}), append(counted, pair{m.name, v})
			continue
		}
		items := array(m.raw)
		if len(items) == 0 || len(items) > maxItems { // an empty list would leave no trace in the text
			return nil, false
		}
		for i, it := range items {
			v, ok := scalar(it)
			if !ok {
				return nil, false
			}
			plain = append(plain, pair{m.name + "[]", v})
			counted = append(counted, pair{m.name + "[" + strconv.Itoa(i) + "]", v})
		}
	}
	texts := []string{string(appendPairs(nil, plain)), string(appendPairs(nil, counted))}
	if encoded {
		for i := range plain {
			plain[i].value = string(appendEscaped(nil, plain[i].value))
		}
		texts = append(texts, string(appendPairs(nil, plain)))
	}
	return texts, true
}

// appendEscaped percent-encodes all but the unreserved characters (RFC 3986 §2.3).
func appendEscaped(buf []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if value62(c) >= 0 || strings.IndexByte("-._~", c) >= 0 {
			buf = append(buf, c)
		} else {
			buf = append(buf, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return buf
}

const maxItems = 1000

// scalar is a value as it stands in a query. null and objects have no agreed spelling
// there.
func scalar(b []byte) (string, bool) {
	switch b[0] {
	case '"':
		s, ok := unquoted(b)
		return s, ok && strings.IndexByte(s, '&') < 0
	case '{', '[', 'n':
		return "", false
	}
	return string(b), true
}

// readCDP reads a request of the cdp-jwt profile. The token names method, host and path;
// neither query nor body is in it (Profile.Unsigned).
func readCDP(r *Request, buf []byte) (c Claim, ok bool) {
	a, ok := r.one(authorization)
	if !ok {
		return c, false
	}
	t, ok := readJWS(a)
	if !ok || !only(t.header, "alg", "typ", "kid", "nonce") ||
		!only(t.claims, "iss", "sub", "aud", "nbf", "exp", "iat", "uri", "uris") || len(t.sig) != 64 {
		return c, false
	}
	c = Claim{Profile: CDP, Sig: t.sig}
	switch t.alg {
	case "EdDSA":
		c.Alg = Ed25519
	case "ES256":
		c.Alg = ES256
	default:
		return c, false
	}
	kid, ok1 := text(t.header, "kid")
	nonce, ok2 := text(t.header, "nonce")
	sub, ok3 := text(t.claims, "sub")
	iss, ok4 := text(t.claims, "iss")
	// kid names the key that is looked up, sub is the one that is signed for: they must
	// not be two.
	if !ok1 || !ok2 || !ok3 || !ok4 || kid != sub || iss != "cdp" && iss != "coinbase-cloud" {
		return c, false
	}
	if aud, there := raw(t.claims, "aud"); there && !oneOf(aud, "cdp_service", "retail_rest_api_proxy") {
		return c, false
	}
	here := r.Method + " " + r.Authority + r.Path
	uri, one := raw(t.claims, "uri")
	uris, many := raw(t.claims, "uris")
	if one == many || one && (uri[0] != '"' || !oneOf(uri, here)) || many && (uris[0] != '[' || !oneOf(uris, here)) {
		return c, false
	}
	nbf, ok1 := whole(t.claims, "nbf")
	exp, ok2 := whole(t.claims, "exp")
	if !ok1 || !ok2 || nbf >= 1<<40 || exp <= nbf || exp-nbf > uint64(cdpLife/time.Second) {
		return c, false
	}
	if has(t.claims, "iat") {
		if iat, ok := whole(t.claims, "iat"); !ok || iat > exp {
			return c, false
		}
	}
	c.Key, c.Nonce = sub, nonce
	c.At, c.Window = time.Unix(int64(nbf), 0), time.Duration(exp-nbf)*time.Second
	c.Signed = append(buf[:0], t.signed...)
	return c, true
}

// oneOf reports whether a value is one of the given strings, alone or in a list of one
// (RFC 7519 §4.1.3). A token for two is for whoever picks.
func oneOf(b []byte, want ...string) bool {
	if b[0] == '[' {
		items := array(b)
		if len(items) != 1 {
			return false
		}
		b = items[0]
	}
	s, ok := unquoted(b)
	return ok && slices.Contains(want, s)
}
