package apikey

import (
	"bytes"
	"time"
)

const (
	binanceKey       = "X-Mbx-Apikey"
	binanceMaxWindow = 60_000_000 // µs, as the exchange has it; a key may be held to less
)

// readBinance reads a request of the binance profile: what is signed is the query and
// then the body, with nothing between them, without the one pair "signature". Neither
// method nor path is in it.
//
// Because nothing stands between the two, every pair is held to one equals sign and a
// name: no cut of a query into a query and a body, and no joining of both, gives pairs
// again.
func readBinance(r *Request, buf []byte) (c Claim, ok bool) {
	key, ok := r.one(binanceKey)
	if !ok || key == "" || len(key) > maxText {
		return c, false
	}
	if len(r.Body) > 0 { // a server goes by it, so a body in another coat is another request
		if kind, ok := r.contentType(); !ok || kind != formType && kind != "" || r.bodyless() {
			return c, false
		}
	}
	p := binancePairs{Claim: Claim{Profile: Binance, Key: key}}
	buf = append(append(buf[:0], r.Query...), r.Body...)
	n := len(r.Query)
	query, ok1 := p.read(buf[:n])
	body, ok2 := p.read(buf[n:])
	if !ok1 || !ok2 || p.At.IsZero() || p.sigLen == 0 {
		return c, false
	}
	// Both moved to the front of what they stood in; the signature goes behind them.
	buf = append(buf[:query], buf[n:n+body]...)
	n = len(buf)
	buf = append(buf, p.sig[:p.sigLen]...)
	c = p.Claim
	c.Signed, c.Sig = buf[:n:n], buf[n:]
	return c, true
}

// binancePairs collects what the pairs of query and body say.
type binancePairs struct {
	Claim
	window bool
	sig    [64]byte
	sigLen int
}

// read goes through the pairs of b, moves all of them but the signature to its front and
// reports how long they are.
func (p *binancePairs) read(b []byte) (kept int, ok bool) {
	if len(b) == 0 {
		return 0, true
	}
	for rest, more := b, true; more; {
		var pair []byte
		pair, rest, more = bytes.Cut(rest, []byte{'&'})
		name, value, ok := bytes.Cut(pair, []byte{'='})
		if !ok || !plainName(name) || bytes.IndexByte(value, '=') >= 0 || !wellEscaped(value) {
			return 0, false
		}
		switch {
		case equalFold(name, "signature"):
			if string(name) != "signature" || p.sigLen != 0 || !p.signature(value) {
				return 0, false
			}
			continue
		case equalFold(name, "timestamp"):
			if string(name) != "timestamp" || !p.At.IsZero() || !p.timestamp(value) {
				return 0, false
			}
		case equalFold(name, "recvwindow"):
			if string(name) != "recvWindow" || p.window || !p.recvWindow(value) {
				return 0, false
			}
		}
		if kept > 0 {
			b[kept] = '&'
			kept++
		}
		kept += copy(b[kept:], pair)
	}
	return kept, true
}

func (p *binancePairs) timestamp(v []byte) (ok bool) {
	p.At, ok = clock(v)
	return ok && len(v) > 10 // seconds are no time of this profile
}

// recvWindow is in milliseconds, with at most three decimals.
func (p *binancePairs) recvWindow(v []byte) bool {
	p.window = true
	ms, part, dot := bytes.Cut(v, []byte{'.'})
	µs, ok := digits(ms)
	if string(ms) == "0" && dot {
		ok = true
	}
	if !ok || dot && (len(part) == 0 || len(part) > 3) || len(ms) > 5 {
		return false
	}
	µs *= 1000
	for i, unit := 0, uint64(100); i < len(part); i, unit = i+1, unit/10 {
		d := uint64(part[i] - '0')
		if d > 9 {
			return false
		}
		µs += d * unit
	}
	p.Window = time.Duration(µs) * time.Microsecond
	return µs > 0 && µs <= binanceMaxWindow
}

// signature reads either hex of 32 bytes or base64 of 64: which of the two it is says
// how it was made. That this is how the key signs is for who knows the key to say.
func (p *binancePairs) signature(v []byte) bool {
	if len(v) == 64 {
		for i := range 32 {
			hi, lo := nibble(v[2*i]), nibble(v[2*i+1])
			if hi < 0 || lo < 0 {
				return false
			}
			p.sig[i] = byte(hi<<4 | lo)
		}
		p.sigLen, p.Alg = 32, HMACSHA256
		return true
	}
	var text [88]byte // base64 of 64 bytes, its percent-encoding undone
	n := 0
	for i := 0; i < len(v); i, n = i+1, n+1 {
		c := v[i]
		if c == '%' {
			c, _ = escaped(v[i:]) // wellEscaped said so
			i += 2
		} else if c == '+' { // would be a space
			return false
		}
		if n == len(text) {
			return false
		}
		text[n] = c
	}
	if n != len(text) { // a line end in it would make less than 64 bytes
		return false
	}
	var sig [66]byte // the decoder counts in threes
	got, err := strict64.Decode(sig[:], text[:])
	if err != nil || got != 64 {
		return false
	}
	p.sigLen, p.Alg = copy(p.sig[:], sig[:64]), Ed25519
	return true
}

// wellEscaped reports whether every percent sign of a value begins a percent-encoding.
func wellEscaped(v []byte) bool {
	for i := 0; i < len(v); i++ {
		if v[i] == '%' {
			if _, ok := escaped(v[i:]); !ok {
				return false
			}
			i += 2
		}
	}
	return true
}

// equalFold compares a name with one in small ASCII letters, for a server that does not
// mind case would otherwise see two.
func equalFold(name []byte, small string) bool {
	if len(name) != len(small) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != small[i] {
			return false
		}
	}
	return true
}
