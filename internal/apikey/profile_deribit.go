package apikey

import "strings"

const deribitScheme = "deri-hmac-sha256 "

// readDeribit reads a request of the deribit profile: one header with four parameters in
// one order, and a line each for time, nonce, method, target and body. A line end cannot
// stand in any but the last, so the text has one reading.
func readDeribit(r *Request, buf []byte) (c Claim, ok bool) {
	a, ok := r.one(authorization)
	if !ok {
		return c, false
	}
	rest, ok := strings.CutPrefix(a, deribitScheme)
	if !ok {
		return c, false
	}
	parts := strings.Split(rest, ",")
	if len(parts) != 4 {
		return c, false
	}
	var v [4]string
	for i, name := range []string{"id=", "ts=", "sig=", "nonce="} {
		if v[i], ok = strings.CutPrefix(parts[i], name); !ok || v[i] == "" || len(v[i]) > maxText || strings.ContainsAny(v[i], "\n ") {
			return c, false
		}
	}
	id, stamp, sig, nonce := v[0], v[1], v[2], v[3]
	c = Claim{Profile: Deribit, Key: id, Alg: HMACSHA256, Nonce: nonce}
	if c.At, ok = epochMillis(stamp); !ok {
		return c, false
	}
	if c.Sig, ok = hexBytes(nil, sig, 32); !ok {
		return c, false
	}
	if strings.Contains(r.Method+r.Path+r.Query, "\n") {
		return c, false
	}
	buf = append(append(buf[:0], stamp...), '\n')
	buf = append(append(buf, nonce...), '\n')
	buf = append(append(buf, r.Method...), '\n')
	buf = append(r.appendTarget(buf), '\n')
	c.Signed = append(append(buf, r.Body...), '\n')
	return c, true
}
