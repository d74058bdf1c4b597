package apikey

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// The property of all targets: nothing panics, what is read says who and what, and the
// text that goes under the MAC is made of nothing but bytes of the request and the
// letters that its profile puts between them. What was signed is never a fresh spelling.

func fuzzed(f *testing.F, profiles []Profile, names []string, seeds ...*Request) {
	for _, r := range seeds {
		var h strings.Builder
		for i, name := range names {
			if i > 0 {
				h.WriteByte('\n')
			}
			h.WriteString(strings.Join(r.Header[name], "\r"))
		}
		f.Add(r.Method, r.Path, r.Query, h.String(), r.Body)
	}
	f.Fuzz(func(t *testing.T, method, path, query, headers string, body []byte) {
		r := &Request{Method: method, Authority: "api.example.com", Path: path, Query: query, Header: http.Header{}, Body: body}
		for i, line := range strings.SplitN(headers, "\n", len(names)) {
			if line != "" && i < len(names) { // a carriage return stands between two of one name
				r.Header[names[i]] = strings.Split(line, "\r")
			}
		}
		sent := bytes.Clone(body)
		buf := make([]byte, 0, 64)
		for _, p := range profiles {
			c, ok := read(p, r, buf)
			if !bytes.Equal(sent, r.Body) {
				t.Fatalf("%s writes into the body", p)
			}
			if !ok {
				continue
			}
			if c.Profile != p || c.Key == "" || c.Alg == "" || len(c.Sig) == 0 || len(c.Signed) == 0 {
				t.Fatalf("%s reads %+v", p, c)
			}
			if c.At.IsZero() && c.Nonce == "" && c.Counter == 0 {
				t.Fatalf("%s reads what holds for ever: %+v", p, c)
			}
			if p == Kraken {
				if len(c.Signed) != len(path)+sha256.Size || !strings.HasPrefix(string(c.Signed), path) {
					t.Fatalf("kraken signed %q", c.Signed)
				}
				continue
			}
			if rest := leftOver(r, c.Signed, p); rest != "" {
				t.Fatalf("%s signed %q, which no part of the request has", p, rest)
			}
			signed := string(c.Signed)
			if again, ok := read(p, r, make([]byte, 0, 4096)); !ok || string(again.Signed) != signed {
				t.Fatalf("%s reads it in two ways: %q and %q", p, signed, again.Signed)
			}
		}
		profileOf(r)
	})
}

// leftOver takes the pieces that a text is put together from off its front, the longest
// first, and returns what is left.
func leftOver(r *Request, signed []byte, p Profile) string {
	pieces := []string{r.Method, r.Path, r.Query, string(r.Body), "?", "&", "=", "\n", ": "}
	for _, v := range r.Header {
		pieces = append(pieces, v...)
	}
	switch p {
	case Native:
		pieces = append(pieces, r.Authority, strings.TrimPrefix(strings.Join(r.Header[nativeInput], ""), "sig1="),
			`"@method"`, `"@authority"`, `"@path"`, `"@query"`, `"content-type"`, `"content-digest"`, `"@signature-params"`)
	case Binance:
		for _, part := range []string{r.Query, string(r.Body)} {
			pieces = append(pieces, strings.Split(part, "&")...)
		}
	case Bitget:
		pairs, _ := decodedPairs(r.Query)
		for _, it := range pairs {
			pieces = append(pieces, it.name, it.value)
		}
	case Deribit:
		_, rest, _ := strings.Cut(r.Header.Get(authorization), " ")
		for part := range strings.SplitSeq(rest, ",") {
			_, v, _ := strings.Cut(part, "=")
			pieces = append(pieces, v)
		}
	case Upbit, Bithumb, CDP:
		token := strings.TrimPrefix(r.Header.Get(authorization), bearer)
		pieces = append(pieces, token[:strings.LastIndexByte(token, '.')])
	}
	return leftOf(string(signed), pieces, map[int]bool{})
}

func leftOf(text string, pieces []string, dead map[int]bool) string {
	if text == "" {
		return ""
	}
	for _, p := range pieces {
		if rest, ok := strings.CutPrefix(text, p); p != "" && ok && !dead[len(rest)] && leftOf(rest, pieces, dead) == "" {
			return ""
		}
	}
	dead[len(text)] = true
	return text
}

func seeds(profiles ...Profile) (list []*Request) {
	for _, row := range clientRequests {
		for _, p := range profiles {
			if row.p == p {
				list = append(list, row.r)
			}
		}
	}
	for _, row := range refusals {
		for _, p := range profiles {
			if row.p == p {
				list = append(list, row.r)
			}
		}
	}
	return list
}

func FuzzNative(f *testing.F) {
	with := post("/v1/withdrawals", `{"asset":"BTC","amount":"0.1","address_id":"addr_01"}`, jsonType,
		"Content-Digest", "sha-256=:6n55k4UYLzZjDYrg1ZMyjlsfY8T6Dh9lqoRRhy8FMco=:",
		nativeInput, nativeBody+`;created=1700000000;expires=1700000005;nonce="ICEiIyQlJicoKSorLC0uLw";alg="ed25519";keyid="kwk_live_7VNtooFuLquAFfZsFABgc33SPTxJ";tag="keyward-v1"`,
		nativeSig, "sig1=:QJueCQqzz92ULxKfekRpVfeAm1obYb57QgaozZt66G3f1yXqgVs5sKItPKltpA8bPvs1K67awzVsEnoKYWh2BA==:")
	fuzzed(f, []Profile{Native}, []string{nativeInput, nativeSig, "Content-Type", "Content-Digest"}, nativeSeed(), with)
}

func FuzzBinance(f *testing.F) {
	fuzzed(f, []Profile{Binance}, []string{binanceKey, "Content-Type"}, seeds(Binance)...)
}

func FuzzHeaders(f *testing.F) {
	names := []string{"Content-Type", authorization, geminiKey, geminiPayload, geminiSign, bybitKey, bybitSign, bybitTime, bybitWindow}
	for _, h := range []headers{okxHeaders, bitgetHeaders, coinbaseHeaders} {
		names = append(names, h.key, h.sign, h.time, h.passphrase)
	}
	all := []Profile{OKX, Bitget, CoinbaseExchange, Bybit, Deribit, Gemini}
	fuzzed(f, all, names, seeds(all...)...)
}

func FuzzKraken(f *testing.F) {
	fuzzed(f, []Profile{Kraken}, []string{krakenKey, krakenSign, "Content-Type"}, seeds(Kraken)...)
}

// FuzzJWT puts the parts of the token together itself: a mutation of base64 hardly ever
// is JSON.
func FuzzJWT(f *testing.F) {
	for _, r := range seeds(Upbit, Bithumb, CDP) {
		t, ok := readJWS(strings.Join(r.Header[authorization], ""))
		if !ok {
			continue
		}
		parts := strings.Split(t.signed, ".")
		header, _ := base64URLBytes(nil, parts[0])
		claims, _ := base64URLBytes(nil, parts[1])
		f.Add(r.Method, r.Path, r.Query, string(header), string(claims), r.Body, len(t.sig) == 64)
	}
	f.Fuzz(func(t *testing.T, method, path, query, header, claims string, body []byte, long bool) {
		sig := make([]byte, 32)
		if long {
			sig = make([]byte, 64)
		}
		token := b64url(header) + "." + b64url(claims) + "." + b64url(string(sig))
		r := &Request{Method: method, Authority: "api.example.com", Path: path, Query: query, Body: body,
			Header: http.Header{authorization: {bearer + token}}}
		for _, p := range []Profile{Upbit, Bithumb, CDP} {
			c, ok := read(p, r, nil)
			if !ok {
				continue
			}
			if string(c.Signed) != token[:strings.LastIndexByte(token, '.')] || c.Key == "" || c.Nonce == "" || c.Profile != p {
				t.Fatalf("%s reads %+v", p, c)
			}
			if !utf8.ValidString(header) || !utf8.ValidString(claims) {
				t.Fatalf("%s reads a token that is not UTF-8", p)
			}
			if got, ok := profileOf(r); !ok || (p == CDP) != (got == CDP) {
				t.Fatalf("a token of %s looks like one of %q", p, got)
			}
		}
	})
}
