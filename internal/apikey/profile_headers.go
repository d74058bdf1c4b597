package apikey

import (
	"slices"
	"strings"
	"time"
)

// Four profiles put all they have to say into headers, and sign the time, the method,
// the target and the body in one text without separators. Bybit leaves method and path
// out and writes the key in.

// headers are the names one such profile uses, as net/http spells them.
type headers struct{ key, sign, time, passphrase string }

const (
	okxKey  = "Ok-Access-Key"
	okxSign = "Ok-Access-Sign"
	okxTime = "Ok-Access-Timestamp"
	okxPass = "Ok-Access-Passphrase"

	bitgetKey  = "Access-Key"
	bitgetSign = "Access-Sign"
	bitgetTime = "Access-Timestamp"
	bitgetPass = "Access-Passphrase"

	coinbaseKey  = "Cb-Access-Key"
	coinbaseSign = "Cb-Access-Sign"
	coinbaseTime = "Cb-Access-Timestamp"
	coinbasePass = "Cb-Access-Passphrase"
)

var (
	okxHeaders      = headers{okxKey, okxSign, okxTime, okxPass}
	bitgetHeaders   = headers{bitgetKey, bitgetSign, bitgetTime, bitgetPass}
	coinbaseHeaders = headers{coinbaseKey, coinbaseSign, coinbaseTime, coinbasePass}
)

// read takes the four, each exactly once, and decodes the signature: base64 of 32 bytes
// in all three profiles.
func (h headers) read(r *Request, p Profile, at func(string) (time.Time, bool)) (c Claim, stamp string, ok bool) {
	key, ok1 := r.one(h.key)
	sign, ok2 := r.one(h.sign)
	stamp, ok3 := r.one(h.time)
	pass, ok4 := r.one(h.passphrase)
	if !ok1 || !ok2 || !ok3 || !ok4 || key == "" || pass == "" || len(key) > maxText || len(pass) > maxText {
		return c, "", false
	}
	c = Claim{Profile: p, Key: key, Alg: HMACSHA256, Passphrase: pass}
	if c.At, ok = at(stamp); !ok {
		return c, "", false
	}
	c.Sig, ok = base64Bytes(nil, sign)
	return c, stamp, ok && len(c.Sig) == 32
}

// readOKX reads a request of the okx profile: timestamp, method, path with query, body.
func readOKX(r *Request, buf []byte) (Claim, bool) {
	c, stamp, ok := okxHeaders.read(r, OKX, isoOrEpoch)
	if !ok {
		return c, false
	}
	return c, c.sign(r, append(append(buf[:0], stamp...), r.Method...), r.appendTarget)
}

// readCoinbaseExchange reads a request of the coinbase-exchange profile: the same text,
// with a time in seconds.
func readCoinbaseExchange(r *Request, buf []byte) (Claim, bool) {
	c, stamp, ok := coinbaseHeaders.read(r, CoinbaseExchange, epochSeconds)
	if !ok {
		return c, false
	}
	return c, c.sign(r, append(append(buf[:0], stamp...), r.Method...), r.appendTarget)
}

// readBitget reads a request of the bitget profile: the same text, with a time in
// milliseconds and with the query sorted by name and its percent-encoding undone.
//
// Undoing it makes one text of many queries. A query is read only if no other that
// parses to something else would make the same text: without a name twice, without an
// encoded "&", without an encoded "=" in a name, and without a plus sign.
func readBitget(r *Request, buf []byte) (Claim, bool) {
	c, stamp, ok := bitgetHeaders.read(r, Bitget, epochMillis)
	if !ok {
		return c, false
	}
	pairs, ok := decodedPairs(r.Query)
	if !ok {
		return c, false
	}
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	for i := range pairs {
		if i > 0 && pairs[i].name == pairs[i-1].name {
			return c, false
		}
	}
	return c, c.sign(r, append(append(buf[:0], stamp...), r.Method...), func(buf []byte) []byte {
		buf = append(buf, r.Path...)
		if len(pairs) > 0 {
			buf = appendPairs(append(buf, '?'), pairs)
		}
		return buf
	})
}

// sign completes what was signed: target and body behind buf.
func (c *Claim) sign(r *Request, buf []byte, target func([]byte) []byte) bool {
	n := len(buf)
	buf = target(buf)
	if !strings.HasPrefix(r.Path, "/") || !r.jsonSeam(buf[n:]) {
		return false
	}
	c.Signed = append(buf, r.Body...)
	return true
}

const (
	bybitKey    = "X-Bapi-Api-Key"
	bybitSign   = "X-Bapi-Sign"
	bybitTime   = "X-Bapi-Timestamp"
	bybitWindow = "X-Bapi-Recv-Window"
)

// readBybit reads a request of the bybit profile: time, key, window, and then the query
// or the body. Neither method nor path is signed.
func readBybit(r *Request, buf []byte) (c Claim, ok bool) {
	key, ok1 := r.one(bybitKey)
	sign, ok2 := r.one(bybitSign)
	stamp, ok3 := r.one(bybitTime)
	if !ok1 || !ok2 || !ok3 || key == "" || len(key) > maxText {
		return c, false
	}
	c = Claim{Profile: Bybit, Key: key, Alg: HMACSHA256}
	if c.At, ok = epochMillis(stamp); !ok {
		return c, false
	}
	window := ""
	if v, there := r.Header[bybitWindow]; there {
		if len(v) != 1 || len(v[0]) > 5 {
			return c, false
		}
		window = v[0]
		ms, ok := digits(window)
		if !ok {
			return c, false
		}
		c.Window = time.Duration(ms) * time.Millisecond
	}
	// One of the two is signed, so the other one must be empty: a query on a POST would be
	// what anybody likes. What is there must not begin with a digit, or the last digit of
	// the window could become its first; and a query holds no bracket, or it could come
	// back as a body.
	switch {
	case r.Query != "" && (r.Query[0] >= '0' && r.Query[0] <= '9' || r.Query[0] == '{' || r.Query[0] == '['):
		return c, false
	case r.Query != "" && !r.bodyless():
		return c, false
	case !r.jsonSeam(nil):
		return c, false
	}
	if c.Sig, ok = hexBytes(nil, sign, 32); !ok {
		return c, false
	}
	buf = append(append(append(buf[:0], stamp...), key...), window...)
	c.Signed = append(append(buf, r.Query...), r.Body...)
	return c, true
}

// epochMillis is a time in milliseconds.
func epochMillis(s string) (time.Time, bool) {
	if len(s) != 13 {
		return time.Time{}, false
	}
	return clock(s)
}

// epochSeconds is a time in seconds, with up to six decimals.
func epochSeconds(s string) (time.Time, bool) {
	whole, part, dot := strings.Cut(s, ".")
	if len(whole) != 10 || dot && (part == "" || len(part) > 6) {
		return time.Time{}, false
	}
	at, ok := clock(whole)
	unit := time.Second / 10
	for i := range len(part) {
		d := part[i] - '0'
		if d > 9 {
			return time.Time{}, false
		}
		at, unit = at.Add(time.Duration(d)*unit), unit/10
	}
	return at, ok
}

// isoOrEpoch is what clients of the okx profile send: ISO 8601 in UTC, to the second or
// to the millisecond, or a time since the epoch.
func isoOrEpoch(s string) (time.Time, bool) {
	for _, form := range []string{"2006-01-02T15:04:05.000Z", "2006-01-02T15:04:05Z"} {
		if len(s) != len(form) {
			continue
		}
		at, err := time.Parse(form, s)
		return at, err == nil && at.Format(form) == s // Parse takes a comma for the dot
	}
	if len(s) == 13 && s[10] != '.' {
		return epochMillis(s)
	}
	return epochSeconds(s)
}

// pair is one parameter of a query, its percent-encoding undone.
type pair struct{ name, value string }

// decodedPairs reads a query whose text without percent-encoding can be read in one way
// only.
func decodedPairs(query string) (pairs []pair, ok bool) {
	if query == "" {
		return nil, true
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || len(pairs) == maxMembers {
			return nil, false
		}
		n, ok1 := unescape(nil, name)
		v, ok2 := unescape(nil, value)
		if !ok1 || !ok2 || len(n) == 0 || strings.ContainsAny(string(n), "&=") || strings.IndexByte(string(v), '&') >= 0 {
			return nil, false
		}
		pairs = append(pairs, pair{string(n), string(v)})
	}
	return pairs, true
}

func appendPairs(buf []byte, pairs []pair) []byte {
	for i, p := range pairs {
		if i > 0 {
			buf = append(buf, '&')
		}
		buf = append(append(append(buf, p.name...), '='), p.value...)
	}
	return buf
}
