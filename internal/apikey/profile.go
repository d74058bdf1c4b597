package apikey

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"
)

// The compatibility profiles read what the clients of other exchanges send, byte for
// byte as it arrived. None of them is as strict as the native one by itself: most sign
// neither host nor method, and several sign a text without separators. Each reader
// therefore refuses every request that could be cut into other parts and still carry the
// same signature.

// marked is the profile whose mark a header is. Names are in the canonical form of
// net/http. The header Authorization is a mark of several; its scheme says which.
func marked(header string) (p Profile, ok bool) {
	switch header {
	case nativeInput, nativeSig:
		return Native, true
	case binanceKey:
		return Binance, true
	case okxKey, okxSign, okxTime, okxPass:
		return OKX, true
	case bitgetKey, bitgetSign, bitgetTime, bitgetPass:
		return Bitget, true
	case coinbaseKey, coinbaseSign, coinbaseTime, coinbasePass:
		return CoinbaseExchange, true
	case bybitKey, bybitSign, bybitTime, bybitWindow:
		return Bybit, true
	case krakenKey, krakenSign:
		return Kraken, true
	case geminiKey, geminiPayload, geminiSign:
		return Gemini, true
	case authorization:
		return "", true
	}
	return "", false
}

var strict64 = base64.StdEncoding.Strict()

const authorization = "Authorization"

// Marked reports whether a request has a header that only a key's request has, beside
// Authorization, which is not theirs alone.
func Marked(h http.Header) bool {
	for name := range h {
		if p, ok := marked(name); ok && p != "" {
			return true
		}
	}
	return false
}

// profileOf reports which profile a request is in, by its headers alone. A request with
// marks of two is in none: the one that we check and the one that a server behind us
// goes by could be different ones.
func profileOf(r *Request) (Profile, bool) {
	var found Profile
	seen := false
	for name := range r.Header {
		p, ok := marked(name)
		if !ok {
			continue
		}
		if seen && p != found {
			return "", false
		}
		found, seen = p, true
	}
	if found != "" || !seen {
		return found, seen
	}
	a, ok := r.one(authorization)
	if !ok {
		return "", false
	}
	if strings.HasPrefix(a, deribitScheme) {
		return Deribit, true
	}
	return jwtProfile(a)
}

// read reads the claim of a request in profile p. Claim.Signed is good until buf is used
// again.
func read(p Profile, r *Request, buf []byte) (Claim, bool) {
	switch p {
	case Native:
		return readNative(r, buf)
	case Binance:
		return readBinance(r, buf)
	case OKX:
		return readOKX(r, buf)
	case Bitget:
		return readBitget(r, buf)
	case CoinbaseExchange:
		return readCoinbaseExchange(r, buf)
	case Bybit:
		return readBybit(r, buf)
	case Kraken:
		return readKraken(r, buf)
	case Upbit:
		return readUpbit(r, buf)
	case Bithumb:
		return readBithumb(r, buf)
	case Deribit:
		return readDeribit(r, buf)
	case Gemini:
		return readGemini(r, buf)
	case CDP:
		return readCDP(r, buf)
	}
	return Claim{}, false
}

// Unsigned reports whether a profile leaves the query and the body out of what it signs.
// A key of such a profile may read and nothing else: who can change a body on its way
// would name the amount.
func (p Profile) Unsigned() bool { return p == CDP }

// Unrouted reports whether a profile leaves the method and the path out of what it
// signs. The bytes of a read are then those of a change as well: a GET of an order that
// somebody saw comes back as a DELETE of it, under a signature that holds. With such a
// profile reads have to be remembered, so that no change comes in with their bytes.
func (p Profile) Unrouted() bool {
	return p == Binance || p == Bybit || p == Upbit || p == Bithumb
}

var errSecret = errors.New("apikey: the secret is not spelled as its profile spells secrets")

// secretKey is the key of the MAC, as the clients of a profile make it out of the secret
// that they were given. The error says nothing of the secret.
func secretKey(p Profile, secret string) ([]byte, error) {
	if secret == "" {
		return nil, errSecret
	}
	if p != Kraken && p != CoinbaseExchange {
		return []byte(secret), nil
	}
	key, ok := base64Bytes(nil, secret)
	if !ok {
		return nil, errSecret
	}
	return key, nil
}

// base64Bytes appends what s encodes, with padding, in its one spelling.
func base64Bytes(buf []byte, s string) ([]byte, bool) {
	return decodeBase64(strict64, buf, s)
}

// base64URLBytes does so for the alphabet of JWTs, without padding (RFC 7515 §2).
func base64URLBytes(buf []byte, s string) ([]byte, bool) {
	return decodeBase64(base64.RawURLEncoding.Strict(), buf, s)
}

func decodeBase64(enc *base64.Encoding, buf []byte, s string) ([]byte, bool) {
	n := len(buf)
	buf, err := enc.AppendDecode(buf, []byte(s))
	// The decoder of Go reads over line ends.
	if err != nil || len(buf) == n || enc.EncodedLen(len(buf)-n) != len(s) {
		return buf[:n], false
	}
	return buf, true
}

// hexBytes appends n bytes of hex, in either case: clients write both, and what is
// compared and remembered is what it decodes to.
func hexBytes(buf []byte, s string, n int) ([]byte, bool) {
	if len(s) != 2*n {
		return buf, false
	}
	out, err := hex.AppendDecode(buf, []byte(s))
	return out, err == nil
}

// digits is a whole number without sign, without leading zeros, and not zero.
func digits[T string | []byte](s T) (uint64, bool) {
	if len(s) == 0 || len(s) > 20 || s[0] == '0' {
		return 0, false
	}
	var n uint64
	for i := range len(s) {
		d := uint64(s[i] - '0')
		if d > 9 || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// clock reads a time by its magnitude: 10 digits are seconds, 13 are milliseconds, 16
// are microseconds. Whatever else is no time of this century.
func clock[T string | []byte](s T) (time.Time, bool) {
	n, ok := digits(s)
	if !ok {
		return time.Time{}, false
	}
	switch len(s) {
	case 10:
		return time.Unix(int64(n), 0), true
	case 13:
		return time.UnixMilli(int64(n)), true
	case 16:
		return time.UnixMicro(int64(n)), true
	}
	return time.Time{}, false
}

// appendTarget appends the path and, where there is one, the query with its question
// mark.
func (r *Request) appendTarget(buf []byte) []byte {
	buf = append(buf, r.Path...)
	if r.Query != "" {
		buf = append(append(buf, '?'), r.Query...)
	}
	return buf
}

// contentType is the type of the body without its parameters, in small letters; not ok
// when it is named twice.
func (r *Request) contentType() (string, bool) {
	v, there := r.Header["Content-Type"]
	if !there {
		return "", true
	}
	if len(v) != 1 {
		return "", false
	}
	kind, _, _ := strings.Cut(v[0], ";")
	return strings.ToLower(strings.TrimSpace(kind)), true
}

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// bodyless reports whether a method takes no body with any server.
func (r *Request) bodyless() bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// jsonSeam reports whether a body that is written right behind a target, with nothing
// between them, has its one place: it begins with a bracket, and no bracket stands
// before it. Otherwise the end of a query could become the beginning of a body, which is
// another request under the same signature.
func (r *Request) jsonSeam(target []byte) bool {
	for _, c := range target {
		if c == '{' || c == '[' {
			return r.bodyless() && len(r.Body) == 0
		}
	}
	if len(r.Body) == 0 {
		return true
	}
	kind, ok := r.contentType()
	return ok && (kind == jsonType || kind == "") && !r.bodyless() && (r.Body[0] == '{' || r.Body[0] == '[')
}

// unescape appends s with its percent-encoding undone (RFC 3986 §2.1). A plus sign stays
// out: some servers read a space in it, others a plus.
func unescape(buf []byte, s string) ([]byte, bool) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			return buf, false
		case c == '%':
			if c, ok := escaped(s[i:]); ok {
				buf, i = append(buf, c), i+2
				continue
			}
			return buf, false
		}
		buf = append(buf, c)
	}
	return buf, true
}

// escaped is the byte of the percent-encoding that s begins with.
func escaped[T string | []byte](s T) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	hi, lo := nibble(s[1]), nibble(s[2])
	return byte(hi<<4 | lo), hi >= 0 && lo >= 0
}

func nibble(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// plainName reports whether the name of a parameter is spelled in the one way: nothing
// is percent-encoded that need not be (RFC 3986 §6.2.2.2), so that "%74imestamp" is not
// a second timestamp, and the name of it is there.
func plainName[T string | []byte](s T) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '+', '=', '&', ';':
			return false
		case '%':
			c, ok := escaped(s[i:])
			if !ok || value62(c) >= 0 || c == '_' || c == '-' || c == '.' || c == '~' || c == '&' || c == '=' {
				return false
			}
			i += 2
		}
	}
	return len(s) > 0
}
