package apikey

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// move takes the last n bytes of the query into the body, or the first -n of the body
// into the query. Where both are written one behind the other, the signature still holds.
func move(n int) func(*Request) {
	return func(r *Request) {
		all, at := r.Query+string(r.Body), len(r.Query)-n
		r.Query, r.Body = all[:at], []byte(all[at:])
	}
}

func method(m string) func(*Request) { return func(r *Request) { r.Method = m } }
func query(q string) func(*Request)  { return func(r *Request) { r.Query = q } }
func body(b string) func(*Request)   { return func(r *Request) { r.Body = []byte(b) } }
func path(p string) func(*Request)   { return func(r *Request) { r.Path = p } }
func drop(name string) func(*Request) {
	return func(r *Request) { r.Header.Del(name) }
}

const (
	goodStamp = "2023-11-14T22:13:20.123Z"
	ed64      = "hKjxUq8Lp%2BSLt6sUZ0kaa6ht6TeWp9GM65Ud3z4east2%2BV6Ery0gEcs7CY6%2FZksnFSDL%2B7fGD%2B3cEc7fa4QzCg%3D%3D"
)

// manyMembers are one more than an object may have, and manyPairs are what they would be
// hashed as.
var manyMembers, manyPairs = func() (members, pairs string) {
	for i := range maxMembers + 1 {
		members += fmt.Sprintf(`"m%d":%d,`, i, i)
		pairs += fmt.Sprintf("&m%d=%d", i, i)
	}
	return members, pairs[1:]
}()

var refusals = []struct {
	name string
	p    Profile
	r    *Request
}{
	// binance
	{"the key header twice", Binance, edit(binanceGet(binanceOrder), add(binanceKey, "key"))},
	{"no key", Binance, edit(binanceGet(binanceOrder), drop(binanceKey))},
	{"timestamp twice", Binance, binanceGet(binanceOrder + "&timestamp=" + stampMS)},
	{"timestamp once in the query and once in the body", Binance, edit(binancePost(binanceOrder), query("timestamp="+stampMS))},
	{"timestamp twice, once in other letters", Binance, binanceGet(binanceOrder + "&Timestamp=" + stampMS)},
	{"timestamp twice, once encoded", Binance, binanceGet(binanceOrder + "&%74imestamp=" + stampMS)},
	{"timestamp in other letters", Binance, binanceGet("Timestamp=" + stampMS)},
	{"signature in other letters", Binance, edit(binanceGet(binanceOrder), func(r *Request) { r.Query = strings.Replace(r.Query, "sig", "Sig", 1) })},
	{"recvWindow in other letters", Binance, binanceGet(binanceOrder + "&recvwindow=5000")},
	{"no timestamp, which would hold for ever", Binance, binanceGet("symbol=LTCBTC")},
	{"a timestamp in seconds", Binance, binanceGet("timestamp=1700000000")},
	{"a timestamp with a sign", Binance, binanceGet("timestamp=%2B700000000123")},
	{"recvWindow twice", Binance, binanceGet(binanceOrder + "&recvWindow=1&recvWindow=60000")},
	{"recvWindow of more than a minute", Binance, binanceGet(binanceOrder + "&recvWindow=60000.001")},
	{"recvWindow with four decimals", Binance, binanceGet(binanceOrder + "&recvWindow=1.0001")},
	{"recvWindow below zero", Binance, binanceGet(binanceOrder + "&recvWindow=-1")},
	{"recvWindow that overflows", Binance, binanceGet(binanceOrder + "&recvWindow=18446744073709551615")},
	{"signature twice", Binance, edit(binanceGet(binanceOrder), func(r *Request) { r.Query += "&signature=" + strings.Repeat("0", 64) })},
	{"signature in the query and in the body", Binance, edit(binancePost(binanceOrder), query("signature="+strings.Repeat("0", 64)))},
	{"no signature", Binance, get("/", binanceOrder, binanceKey, "key")},
	{"hex with one digit too few", Binance, get("/", binanceOrder+"&signature="+strings.Repeat("0", 63), binanceKey, "key")},
	{"hex with a letter that is none", Binance, get("/", binanceOrder+"&signature="+strings.Repeat("0", 63)+"g", binanceKey, "key")},
	{"base64 with a plus sign that would be read as a space", Binance, get("/", binanceOrder+"&signature="+strings.Replace(ed64, "%2B", "+", 1), binanceKey, "key")},
	{"base64 without its padding", Binance, get("/", binanceOrder+"&signature="+strings.TrimSuffix(ed64, "%3D%3D"), binanceKey, "key")},
	{"base64 whose last bits are not zero", Binance, get("/", binanceOrder+"&signature="+strings.Replace(ed64, "zCg", "zCh", 1), binanceKey, "key")},
	{"base64 with a line end in it", Binance, get("/", binanceOrder+"&signature="+strings.Replace(ed64, "hKjx", "%0AKjx", 1), binanceKey, "key")},
	{"base64url", Binance, get("/", binanceOrder+"&signature="+strings.Replace(ed64, "%2B", "-", 1), binanceKey, "key")},
	{"a percent sign that encodes nothing", Binance, binanceGet(binanceOrder + "&a=%zz")},
	{"a pair without an equals sign", Binance, binanceGet(binanceOrder + "&a")},
	{"a pair with two", Binance, binanceGet(binanceOrder + "&a=b=c")},
	{"an empty pair", Binance, binanceGet(binanceOrder + "&&a=b")},
	{"a pair without a name", Binance, binanceGet(binanceOrder + "&=b")},
	{"a form sent as an object", Binance, edit(binancePost(binanceOrder), set("Content-Type", jsonType))},
	{"two content types", Binance, edit(binancePost(binanceOrder), add("Content-Type", formType))},
	{"a body on a GET", Binance, edit(binancePost(binanceOrder), method("GET"))},

	// okx, coinbase exchange
	{"two signatures", OKX, edit(okxPost(goodStamp, orderObj), add("OK-ACCESS-SIGN", "x"))},
	{"two timestamps", OKX, edit(okxPost(goodStamp, orderObj), add("OK-ACCESS-TIMESTAMP", goodStamp))},
	{"no passphrase", OKX, edit(okxPost(goodStamp, orderObj), drop("OK-ACCESS-PASSPHRASE"))},
	{"an empty passphrase", OKX, edit(okxPost(goodStamp, orderObj), set("OK-ACCESS-PASSPHRASE", ""))},
	{"an empty key", OKX, edit(okxPost(goodStamp, orderObj), set("OK-ACCESS-KEY", ""))},
	{"a time that is not in UTC", OKX, okxPost("2023-11-14T22:13:20.123+09:00", orderObj)},
	{"a time with a comma", OKX, okxPost("2023-11-14T22:13:20,123Z", orderObj)},
	{"the thirtieth of February", OKX, okxPost("2023-02-30T22:13:20.123Z", orderObj)},
	{"a time in hexadecimal", OKX, okxPost("0x6553f100aa", orderObj)},
	{"a signature without its padding", OKX, edit(okxPost(goodStamp, orderObj), func(r *Request) {
		r.Header.Set(okxSign, strings.TrimRight(r.Header.Get(okxSign), "="))
	})},
	{"a signature of 31 bytes", OKX, edit(okxPost(goodStamp, orderObj), set(okxSign, b64(make([]byte, 31))))},
	{"a signature in base64url", OKX, edit(okxPost(goodStamp, orderObj), set(okxSign, strings.Repeat("-", 43)+"="))},
	{"a body that is moved into the path", OKX, edit(okxPost(goodStamp, orderObj), func(r *Request) { r.Path += string(r.Body); r.Body = nil })},
	{"a query that is moved into the body", OKX, edit(okxPost(goodStamp, ""), body("?a=b"))},
	{"a list in the query that is moved into the body", OKX, edit(okxPost(goodStamp, ""), func(r *Request) { r.Query = "ids=[1]" })},
	{"an object sent as a form", OKX, edit(okxPost(goodStamp, orderObj), set("Content-Type", formType))},
	{"a body on a GET", OKX, edit(okxPost(goodStamp, orderObj), method("GET"))},
	{"no path", OKX, edit(okxPost(goodStamp, orderObj), path(""))},
	{"a time in milliseconds", CoinbaseExchange, coinbasePost(stampMS)},
	{"a time with seven decimals", CoinbaseExchange, coinbasePost("1700000000.1234567")},
	{"a time with a dot and nothing", CoinbaseExchange, coinbasePost("1700000000.")},

	// bitget
	{"a name twice, so that sorting could swap the two", Bitget, bitgetGet("a=1&a=2", "a=1&a=2")},
	{"an encoded ampersand, which would make two of one", Bitget, bitgetGet("a=1%26b=2", "a=1&b=2")},
	{"an encoded equals sign in a name", Bitget, bitgetGet("a%3Db=2", "a=b=2")},
	{"a plus sign, which some read as a space", Bitget, bitgetGet("a=1+2", "a=1+2")},
	{"a pair without an equals sign", Bitget, bitgetGet("a", "a")},
	{"a percent sign at the end", Bitget, bitgetGet("a=1%2", "a=1%2")},
	{"a time in seconds", Bitget, edit(bitgetGet("a=1", "a=1"), set(bitgetTime, "1700000000"))},

	// bybit
	{"the window twice", Bybit, edit(bybit(get("/", "a=1"), "5000"), add(bybitWindow, "5000"))},
	{"a window that is no number", Bybit, bybit(get("/", "a=1"), "5e3")},
	{"a window of a day", Bybit, bybit(get("/", "a=1"), "86400000")},
	{"a window that took a digit of the query", Bybit, bybit(get("/", "0=1"), "500")},
	{"a query beside a body, which nothing covers", Bybit, edit(bybit(post("/", orderObj, jsonType), "5000"), query("a=1"))},
	{"a query that came back as a body", Bybit, edit(bybit(get("/", "a=1"), "5000"), func(r *Request) { move(3)(r); r.Method = "POST" })},
	{"a body that came back as a query", Bybit, edit(bybit(post("/", orderObj, jsonType), "5000"), func(r *Request) { move(-len(orderObj))(r); r.Method = "GET" })},
	{"a query on a POST", Bybit, edit(bybit(get("/", "a=1"), "5000"), method("POST"))},
	{"a signature in base64", Bybit, edit(bybit(get("/", "a=1"), "5000"), set(bybitSign, b64(make([]byte, 32))))},
	{"a time in microseconds", Bybit, edit(bybit(get("/", "a=1"), "5000"), set(bybitTime, "1700000000123456"))},

	// kraken
	{"no nonce", Kraken, kraken("7", "pair=XBTUSD", formType)},
	{"the nonce twice", Kraken, kraken("7", "nonce=7&nonce=8", formType)},
	{"the nonce twice, once in other letters", Kraken, kraken("7", "nonce=7&Nonce=8", formType)},
	{"the nonce twice, once encoded", Kraken, kraken("7", "nonce=7&%6eonce=8", formType)},
	{"the nonce in other letters", Kraken, kraken("7", "Nonce=7", formType)},
	{"a form that is an object as well", Kraken, kraken("7", `{"a":"=&nonce=7&b="}`, formType)},
	{"the nonce twice in an object", Kraken, kraken("7", `{"nonce":7,"nonce":8}`, jsonType)},
	{"the nonce twice in an object, once escaped", Kraken, kraken("7", `{"nonce":7,"n\u006fnce":8}`, jsonType)},
	{"the nonce twice in an object, once in other letters", Kraken, kraken("7", `{"nonce":7,"NONCE":8}`, jsonType)},
	{"a nonce with a fraction", Kraken, kraken("7.5", `{"nonce":7.5}`, jsonType)},
	{"a nonce of nothing", Kraken, kraken("0", "nonce=0", formType)},
	{"a nonce that begins with zero", Kraken, kraken("07", "nonce=07", formType)},
	{"a nonce of 65 bits", Kraken, kraken("18446744073709551616", "nonce=18446744073709551616", formType)},
	{"something behind the object", Kraken, kraken("7", `{"nonce":7}{}`, jsonType)},
	{"an object sent as a form", Kraken, kraken("7", `{"nonce":7}`, formType)},
	{"a form sent as an object", Kraken, kraken("7", "nonce=7", jsonType)},
	{"a type that is neither", Kraken, kraken("7", "nonce=7", "text/plain")},
	{"a query, which nothing covers", Kraken, edit(kraken("7", "nonce=7", formType), query("pair=ETHUSD"))},
	{"another method, which nothing covers", Kraken, edit(kraken("7", "nonce=7", formType), method("PUT"))},
	{"a signature of SHA-256", Kraken, edit(kraken("7", "nonce=7", formType), set(krakenSign, b64(tag(sha256.New, Kraken, "x"))))},

	// gemini
	{"a body that says another amount", Gemini, gemini(`{"request":"/v1/order/new","nonce":9,"amount":"1"}`, `{"amount":"2"}`)},
	{"a body that says more", Gemini, gemini(`{"request":"/v1/order/new","nonce":9}`, `{"amount":"2"}`)},
	{"a body that leaves something out", Gemini, gemini(`{"request":"/v1/order/new","nonce":9,"a":1,"b":2}`, `{"a":1}`)},
	{"a payload for another address", Gemini, gemini(`{"request":"/v1/balances","nonce":9}`, "")},
	{"a query, which nothing covers", Gemini, edit(gemini(`{"request":"/v1/order/new","nonce":9}`, ""), query("a=1"))},
	{"a member twice", Gemini, gemini(`{"request":"/v1/order/new","nonce":9,"nonce":10}`, "")},
	{"no nonce", Gemini, gemini(`{"request":"/v1/order/new"}`, "")},
	{"a nonce with a fraction", Gemini, gemini(`{"request":"/v1/order/new","nonce":9.5}`, "")},
	{"two payloads", Gemini, edit(gemini(`{"request":"/v1/order/new","nonce":9}`, ""), add(geminiPayload, "e30="))},
	{"a payload that is no base64", Gemini, edit(gemini(`{"request":"/v1/order/new","nonce":9}`, ""), set(geminiPayload, "{}"))},
	{"a GET", Gemini, edit(gemini(`{"request":"/v1/order/new","nonce":9}`, ""), method("GET"))},

	// deribit
	{"a parameter more", Deribit, edit(deribit(get("/", "")), func(r *Request) { r.Header[authorization][0] += ",id=other" })},
	{"a parameter less", Deribit, get("/", "", authorization, "deri-hmac-sha256 id=key,ts="+stampMS+",sig="+strings.Repeat("0", 64))},
	{"parameters in another order", Deribit, get("/", "", authorization, "deri-hmac-sha256 ts="+stampMS+",id=key,sig="+strings.Repeat("0", 64)+",nonce=abc")},
	{"no nonce", Deribit, get("/", "", authorization, "deri-hmac-sha256 id=key,ts="+stampMS+",sig="+strings.Repeat("0", 64)+",nonce=")},
	{"a scheme in other letters", Deribit, get("/", "", authorization, "Deri-HMAC-SHA256 id=key,ts="+stampMS+",sig="+strings.Repeat("0", 64)+",nonce=abc")},
	{"the header twice", Deribit, edit(deribit(get("/", "")), add(authorization, "x"))},
	{"a line end in the path, which would begin another line", Deribit, edit(deribit(get("/", "")), path("/a\n/b"))},

	// JWT
	{"no algorithm", Upbit, withJWT(get("/", ""), `{"alg":"none","typ":"JWT"}`, upbitClaims(""))},
	{"an algorithm that is not theirs", Upbit, withJWT(get("/", ""), `{"alg":"HS384","typ":"JWT"}`, upbitClaims(""))},
	{"an algorithm in small letters", Upbit, withJWT(get("/", ""), `{"alg":"hs256","typ":"JWT"}`, upbitClaims(""))},
	{"an access token of ours", Upbit, withJWT(get("/", ""), `{"alg":"HS256","typ":"at+jwt"}`, upbitClaims(""))},
	{"a type that is a number", Upbit, withJWT(get("/", ""), `{"alg":"HS256","typ":1}`, upbitClaims(""))},
	{"two algorithms", Upbit, withJWT(get("/", ""), `{"alg":"HS256","alg":"none"}`, upbitClaims(""))},
	{"a header that asks for more than we know", Upbit, withJWT(get("/", ""), `{"alg":"HS256","crit":["exp"]}`, upbitClaims(""))},
	{"a key in the header", Upbit, withJWT(get("/", ""), `{"alg":"HS256","jwk":{}}`, upbitClaims(""))},
	{"two keys in the claims", Upbit, withJWT(get("/", ""), hs256, `{"access_key":"key","access_key":"other","nonce":"n"}`)},
	{"two keys in the claims, one escaped", Upbit, withJWT(get("/", ""), hs256, `{"access_key":"key","access\u005fkey":"other","nonce":"n"}`)},
	{"no nonce", Upbit, withJWT(get("/", ""), hs256, `{"access_key":"key"}`)},
	{"a claim that nobody reads", Upbit, withJWT(get("/", ""), hs256, `{"access_key":"key","nonce":"n","exp":1}`)},
	{"something behind the claims", Upbit, withJWT(get("/", ""), hs256, upbitClaims("")+" x")},
	{"claims that are a list", Upbit, withJWT(get("/", ""), hs256, `[]`)},
	{"claims that are not UTF-8", Upbit, withJWT(get("/", ""), hs256, "{\"access_key\":\"key\xff\",\"nonce\":\"n\"}")},
	{"half a surrogate pair", Upbit, withJWT(get("/", ""), hs256, `{"access_key":"key\ud800","nonce":"n"}`)},
	{"more members than anybody has", Upbit, withJWT(post("/", "{"+strings.TrimSuffix(manyMembers, ",")+"}", jsonType), hs256, upbitClaims(manyPairs))},
	{"a fourth part", Upbit, edit(withJWT(get("/", ""), hs256, upbitClaims("")), func(r *Request) { r.Header[authorization][0] += ".AAAA" })},
	{"padding", Upbit, edit(withJWT(get("/", ""), hs256, upbitClaims("")), func(r *Request) { r.Header[authorization][0] += "=" })},
	{"an empty signature", Upbit, get("/", "", authorization, "Bearer "+b64url(hs256)+"."+b64url(upbitClaims(""))+".")},
	{"a signature of another length than its algorithm makes", Upbit, get("/", "", authorization, "Bearer "+b64url(hs256)+"."+b64url(upbitClaims(""))+"."+b64url(strings.Repeat("x", 64)))},
	{"two Authorization headers", Upbit, edit(withJWT(get("/", ""), hs256, upbitClaims("")), add(authorization, "Basic x"))},
	{"parameters that the token does not name", Upbit, withJWT(get("/", "a=1"), hs256, upbitClaims(""))},
	{"a hash and no parameters", Upbit, withJWT(get("/", ""), hs256, upbitClaims("a=1"))},
	{"a hash of other parameters", Upbit, withJWT(get("/", "a=2"), hs256, upbitClaims("a=1"))},
	{"a hash by another name", Upbit, withJWT(get("/", "a=1"), hs256, strings.Replace(upbitClaims("a=1"), "SHA512", "MD5", 1))},
	{"a hash without the name of its algorithm", Upbit, withJWT(get("/", "a=1"), hs256, strings.Replace(upbitClaims("a=1"), `,"query_hash_alg":"SHA512"`, "", 1))},
	{"a hash of the query before it was decoded", Upbit, withJWT(get("/", "a=%2B"), hs256, upbitClaims("a=%2B"))},
	{"an encoded ampersand, which would make two of one", Upbit, withJWT(get("/", "a=1%26b=2"), hs256, upbitClaims("a=1&b=2"))},
	{"a query beside a body", Upbit, withJWT(edit(post("/", `{"a":"1"}`, jsonType), query("b=2")), hs256, upbitClaims("a=1"))},
	{"a body on a DELETE", Upbit, withJWT(edit(post("/", `{"a":"1"}`, jsonType), method("DELETE")), hs256, upbitClaims("a=1"))},
	{"a body beside the query of a DELETE", Upbit, withJWT(edit(post("/", `{"b":"2"}`, jsonType), func(r *Request) { r.Method, r.Query = "DELETE", "a=1" }), hs256, upbitClaims("a=1"))},
	{"an object sent as a form", Upbit, withJWT(post("/", `{"a":"1"}`, formType), hs256, upbitClaims("a=1"))},
	{"a body that is a form", Upbit, withJWT(post("/", "a=1", formType), hs256, upbitClaims("a=1"))},
	{"members in another order than was hashed", Upbit, withJWT(post("/", `{"b":"2","a":"1"}`, jsonType), hs256, upbitClaims("a=1&b=2"))},
	{"one member whose value reads as two", Upbit, withJWT(post("/", `{"a":"1&b=2"}`, jsonType), hs256, upbitClaims("a=1&b=2"))},
	{"one member whose name reads as two", Upbit, withJWT(post("/", `{"a=1&b":"2"}`, jsonType), hs256, upbitClaims("a=1&b=2"))},
	{"a name that reads as a list", Upbit, withJWT(post("/", `{"a[]":"1"}`, jsonType), hs256, upbitClaims("a[]=1"))},
	{"an empty list, which leaves no trace in the hash", Upbit, withJWT(post("/", `{"a":"1","b":[]}`, jsonType), hs256, upbitClaims("a=1"))},
	{"an object in the object", Upbit, withJWT(post("/", `{"a":{}}`, jsonType), hs256, upbitClaims("a={}"))},
	{"a member twice", Upbit, withJWT(post("/", `{"a":"1","a":"2"}`, jsonType), hs256, upbitClaims("a=1&a=2"))},
	{"an encoded ampersand under a hash over the decoded query", Bithumb, withJWT(get("/", "a=1%26b=2"), hs256, strings.Replace(upbitClaims("a=1&b=2"), "{", `{"timestamp":1700000000123,`, 1))},
	{"an object hashed as the query it would be", Upbit, withJWT(post("/", `{"a":"="}`, jsonType), hs256, upbitClaims("a=%3D"))},
	{"a token of bithumb without its time", Bithumb, withJWT(get("/", ""), hs256, upbitClaims(""))},
	{"a time in quotes", Bithumb, withJWT(get("/", ""), hs256, `{"access_key":"key","nonce":"n","timestamp":"1700000000123"}`)},
	{"a claim that nobody reads", Bithumb, withJWT(get("/", ""), hs256, `{"access_key":"key","nonce":"n","timestamp":1700000000123,"exp":1}`)},
	{"a time in seconds", Bithumb, withJWT(get("/", ""), hs256, `{"access_key":"key","nonce":"n","timestamp":1700000000}`)},
	{"a token of upbit with the time of bithumb", Upbit, withJWT(get("/", ""), hs256, `{"access_key":"key","nonce":"n","timestamp":1700000000123}`)},
	{"a token for another path", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, "v3/accounts", "v3/orders", 1))},
	{"a token for another method", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, "GET", "POST", 1))},
	{"a token for another host", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, "api.example.com", "api.evil.example", 1))},
	{"a token for two", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, `"uris":[`, `"uris":["GET api.example.com/api/v3/orders",`, 1))},
	{"a token for two, this one first", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, `accounts"]`, `accounts","GET api.example.com/api/v3/orders"]`, 1))},
	{"a token for none", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, `"GET api.example.com/api/v3/accounts"`, "", 1))},
	{"both uri and uris", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, `"uris"`, `"uri":"GET api.example.com/api/v3/accounts","uris"`, 1))},
	{"a token that lives 121 seconds", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, "1700000120", "1700000121", 1))},
	{"a token that ends before it begins", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, "1700000120", "1699999999", 1))},
	{"a token that ends when it begins", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, "1700000120", "1700000000", 1))},
	{"a token that was made after it ends", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, `"iat":1700000000`, `"iat":1700000121`, 1))},
	{"a token that never began", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, `"nbf":1700000000,`, "", 1))},
	{"a time with an exponent", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, "1700000120", "17e8", 1))},
	{"one key in the header and another in the claims", CDP, cdp(strings.Replace(cdpHeader, `"key"`, `"other"`, 1), cdpClaims)},
	{"an audience that is somebody else", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, "cdp_service", "other", 1))},
	{"an issuer that is somebody else", CDP, cdp(cdpHeader, strings.Replace(cdpClaims, `"iss":"cdp"`, `"iss":"x"`, 1))},
	{"a MAC in the place of a signature", CDP, cdp(strings.Replace(cdpHeader, "EdDSA", "HS256", 1), cdpClaims)},
}

// TestWhatIsDoubledOrCutAnewIsNotRead: most rows carry a signature that holds over the
// text they would be checked against. What is refused is the reading.
func TestWhatIsDoubledOrCutAnewIsNotRead(t *testing.T) {
	for _, row := range refusals {
		if c, ok := read(row.p, row.r, nil); ok {
			t.Errorf("%s: %s is read as %q", row.p, row.name, c.Signed)
		}
	}
}

func TestARequestWithMarksOfTwoProfilesIsInNone(t *testing.T) {
	for _, row := range []struct {
		name string
		r    *Request
	}{
		{"a key of binance beside a native signature", edit(binanceGet(binanceOrder), set(nativeInput, "sig1=()"))},
		{"a key of binance beside half a native signature", edit(binanceGet(binanceOrder), set(nativeSig, ""))},
		{"a key of okx beside one of bitget", edit(okxPost(goodStamp, orderObj), set(bitgetKey, "key"))},
		{"a key of kraken beside a token", edit(kraken("7", "nonce=7", formType), set(authorization, "Bearer x"))},
		{"a key of gemini beside a password", edit(gemini("{}", ""), set(authorization, "Basic x"))},
		{"a password", get("/", "", authorization, "Basic x")},
		{"a token of nobody", get("/", "", authorization, "Bearer x")},
		{"a token with two headers", edit(withJWT(get("/", ""), hs256, upbitClaims("")), add(authorization, "x"))},
		{"no mark", get("/", "")},
		{"a mark in a spelling that no front passes on", &Request{Header: http.Header{"X-MBX-APIKEY": {"key"}}}},
	} {
		if p, ok := profileOf(row.r); ok || p != "" {
			t.Errorf("%s looks like %q", row.name, p)
		}
	}
	if _, ok := read("no such profile", binanceGet(binanceOrder), nil); ok {
		t.Error("a profile that does not exist is read")
	}
}

// TestNoCutOfAQueryMakesAnotherRequest moves every byte between query and body. binance
// writes both one behind the other and signs no method, so one signature would hold for
// all of these.
func TestNoCutOfAQueryMakesAnotherRequest(t *testing.T) {
	whole := binancePost(binanceOrder)
	all := string(whole.Body)
	for at := range len(all) {
		if at == 0 {
			continue
		}
		r := binancePost(binanceOrder)
		r.Query, r.Body = all[:at], []byte(all[at:])
		if c, ok := readBinance(r, nil); ok {
			t.Errorf("%q and %q are read as %q", r.Query, r.Body, c.Signed)
		}
	}
	mixed := edit(binancePost("timestamp="+stampMS+"quantity=10"), move(-len("timestamp="+stampMS)))
	if _, ok := readBinance(mixed, nil); !ok {
		t.Fatal("what a client cut itself is not read")
	}
	n := len(mixed.Query)
	all = mixed.Query + string(mixed.Body)
	for at := range len(all) + 1 {
		r := edit(binancePost(binanceOrder), func(r *Request) { r.Query, r.Body = all[:at], []byte(all[at:]) })
		c, ok := readBinance(r, nil)
		if ok && at != n {
			t.Errorf("%q and %q are read as %q", r.Query, r.Body, c.Signed)
		}
	}
}
