package apikey

import (
	"encoding/hex"
	"time"
)

// okxLoginLife: that exchange takes a login for half a minute.
const okxLoginLife = 30 * time.Second

// readOKX reads {"op":"login","args":[{"apiKey","passphrase","timestamp","sign"}]}. What
// is signed is the time and the words of one request that no route has, so a login is
// good for nothing else and no request for a login.
func (l *Login) readOKX(list []member) bool {
	args, ok := raw(list, "args")
	if !ok || args[0] != '[' || !only(list, "op", "args", "access", "id") {
		return false
	}
	items := array(args)
	if len(items) != 1 { // several accounts on one stream: each would end by itself
		return false
	}
	arg, ok := object(items[0])
	if !ok || !only(arg, "apiKey", "passphrase", "timestamp", "sign") {
		return false
	}
	key, ok1 := text(arg, "apiKey")
	pass, ok2 := text(arg, "passphrase")
	at, ok3 := plainValue(arg, "timestamp")
	sign, ok4 := text(arg, "sign")
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return false
	}
	c := Claim{Profile: OKX, Key: key, Alg: HMACSHA256, Passphrase: pass, Window: okxLoginLife}
	if c.At, ok = epochSeconds(string(at)); !ok {
		return false
	}
	if c.Sig, ok = base64Bytes(nil, sign); !ok || len(c.Sig) != 32 {
		return false
	}
	c.Signed = append([]byte(at), "GET/users/self/verify"...)
	l.claim = c
	return l.named(list, "id")
}

// readBybit reads {"op":"auth","args":[key, expires, signature]}. The client says until
// when the login is good and not when it was made; the key's own window bounds how far
// ahead that may lie.
func (l *Login) readBybit(list []member) bool {
	args, ok := raw(list, "args")
	if !ok || args[0] != '[' || !only(list, "op", "args", "req_id") {
		return false
	}
	items := array(args)
	if len(items) != 3 {
		return false
	}
	key, ok1 := unquoted(items[0])
	ends, ok2 := plainItem(items[1])
	sign, ok3 := unquoted(items[2])
	if !ok1 || !ok2 || !ok3 || key == "" || len(key) > maxText {
		return false
	}
	c := Claim{Profile: Bybit, Key: key, Alg: HMACSHA256}
	if c.Ends, ok = epochMillis(ends); !ok {
		return false
	}
	if c.Sig, ok = hexBytes(nil, sign, 32); !ok {
		return false
	}
	c.Signed = append([]byte("GET/realtime"), ends...)
	l.claim = c
	return l.named(list, "req_id")
}

// readBinance reads {"id","method":"session.logon","params":{"apiKey","recvWindow",
// "timestamp","signature"}}. What is signed is the parameters sorted by name, as a query.
func (l *Login) readBinance(list []member) bool {
	params, ok := raw(list, "params")
	if !ok || params[0] != '{' || !only(list, "id", "method", "params") {
		return false
	}
	in, ok := object(params)
	if !ok || !only(in, "apiKey", "recvWindow", "timestamp", "signature") {
		return false
	}
	key, ok1 := text(in, "apiKey")
	at, ok2 := plainValue(in, "timestamp")
	sign, ok3 := text(in, "signature")
	if !ok1 || !ok2 || !ok3 || !isBase64URL(key) { // no "&" and no "=": one text, one reading
		return false
	}
	p := binancePairs{Claim: Claim{Profile: Binance, Key: key}}
	if !p.timestamp([]byte(at)) {
		return false
	}
	p.Signed = append([]byte("apiKey="), key...)
	if has(in, "recvWindow") {
		window, ok := plainValue(in, "recvWindow")
		if !ok || !p.recvWindow([]byte(window)) {
			return false
		}
		p.Signed = append(append(p.Signed, "&recvWindow="...), window...)
	}
	p.Signed = append(append(p.Signed, "&timestamp="...), at...)
	switch len(sign) {
	case 64:
		p.Alg = HMACSHA256
		p.Sig, ok = hexBytes(nil, sign, 32)
	case 88:
		p.Alg = Ed25519
		p.Sig, ok = base64Bytes(nil, sign)
		ok = ok && len(p.Sig) == 64
	default:
		ok = false
	}
	l.claim = p.Claim
	return ok && l.named(list, "id")
}

// named keeps what the client calls its message, to be given back. A text that needs no
// escape, or a whole number.
func (l *Login) named(list []member, name string) bool {
	v, there := raw(list, name)
	if !there || string(v) == "null" {
		return true
	}
	if _, ok := plainItem(v); !ok || len(v) > 66 {
		return false
	}
	l.id = v
	return true
}

// plainValue is a member that is a number, or a text of the same letters: clients write
// times both ways, and sign the letters.
func plainValue(list []member, name string) (string, bool) {
	v, ok := raw(list, name)
	if !ok {
		return "", false
	}
	return plainItem(v)
}

func plainItem(v []byte) (string, bool) {
	s := string(v)
	if v[0] == '"' {
		s = s[1 : len(s)-1]
	}
	if s == "" || len(s) > 64 {
		return "", false
	}
	for i := range len(s) {
		if value62(s[i]) < 0 && s[i] != '.' && s[i] != '-' && s[i] != '_' {
			return "", false
		}
	}
	return s, true
}

// short is an id for a connection, as those exchanges give one.
func short(id [16]byte) string { return hex.EncodeToString(id[:4]) }
