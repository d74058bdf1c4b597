package apikey

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"testing"
	"time"
)

// secretText is a secret in the spelling that every profile takes.
var secretText = base64.StdEncoding.EncodeToString([]byte("a secret of 32 bytes for testing"))

func tag(of func() hash.Hash, p Profile, signed string) []byte {
	key, err := secretKey(p, secretText)
	if err != nil {
		panic(err)
	}
	m := hmac.New(of, key)
	m.Write([]byte(signed))
	return m.Sum(nil)
}

func hex256(p Profile, signed string) string { return hex.EncodeToString(tag(sha256.New, p, signed)) }
func b64(b []byte) string                    { return base64.StdEncoding.EncodeToString(b) }
func b64url(s string) string                 { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

const (
	stampMS  = "1700000000123"
	orderObj = `{"symbol":"BTCUSDT","qty":"0.1"}`
)

func post(path, body, kind string, headers ...string) *Request {
	r := &Request{Method: "POST", Authority: "api.example.com", Path: path, Header: http.Header{}, Body: []byte(body)}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func get(path, query string, headers ...string) *Request {
	r := post(path, "", "", headers...)
	r.Method, r.Query, r.Body = "GET", query, nil
	return r
}

// A good request of each profile, signed as its clients sign.

func binanceGet(signed string) *Request {
	return get("/api/v3/account", signed+"&signature="+hex256(Binance, signed), binanceKey, "key")
}

func binancePost(signed string) *Request {
	return post("/api/v3/order", signed+"&signature="+hex256(Binance, signed), formType, binanceKey, "key")
}

func okxPost(stamp, body string) *Request {
	return post("/api/v5/trade/order", body, jsonType, "OK-ACCESS-KEY", "key", "OK-ACCESS-PASSPHRASE", "pass", "OK-ACCESS-TIMESTAMP", stamp,
		"OK-ACCESS-SIGN", b64(tag(sha256.New, OKX, stamp+"POST/api/v5/trade/order"+body)))
}

func bitgetGet(query, signed string) *Request {
	return get("/api/v2/orders", query, "ACCESS-KEY", "key", "ACCESS-PASSPHRASE", "pass", "ACCESS-TIMESTAMP", stampMS,
		"ACCESS-SIGN", b64(tag(sha256.New, Bitget, stampMS+"GET/api/v2/orders?"+signed)))
}

func coinbasePost(stamp string) *Request {
	return post("/orders", orderObj, jsonType, "CB-ACCESS-KEY", "key", "CB-ACCESS-PASSPHRASE", "pass", "CB-ACCESS-TIMESTAMP", stamp,
		"CB-ACCESS-SIGN", b64(tag(sha256.New, CoinbaseExchange, stamp+"POST/orders"+orderObj)))
}

func bybit(r *Request, window string) *Request {
	r.Header.Set("X-BAPI-API-KEY", "key")
	r.Header.Set("X-BAPI-TIMESTAMP", stampMS)
	if window != "" {
		r.Header.Set("X-BAPI-RECV-WINDOW", window)
	}
	r.Header.Set("X-BAPI-SIGN", hex256(Bybit, stampMS+"key"+window+r.Query+string(r.Body)))
	return r
}

func kraken(nonce, body, kind string) *Request {
	sum := sha256.Sum256([]byte(nonce + body))
	return post("/0/private/AddOrder", body, kind, "API-Key", "key",
		"API-Sign", b64(tag(sha512.New, Kraken, "/0/private/AddOrder"+string(sum[:]))))
}

func gemini(payload, body string) *Request {
	p := b64([]byte(payload))
	return post("/v1/order/new", body, "text/plain", "X-GEMINI-APIKEY", "account-key", "X-GEMINI-PAYLOAD", p,
		"X-GEMINI-SIGNATURE", hex.EncodeToString(tag(sha512.New384, Gemini, p)))
}

func deribit(r *Request) *Request {
	target := r.Path
	if r.Query != "" {
		target += "?" + r.Query
	}
	signed := stampMS + "\nabc\n" + r.Method + "\n" + target + "\n" + string(r.Body) + "\n"
	r.Header.Set("Authorization", "deri-hmac-sha256 id=key,ts="+stampMS+",sig="+hex256(Deribit, signed)+",nonce=abc")
	return r
}

func withJWT(r *Request, header, claims string) *Request {
	signed := b64url(header) + "." + b64url(claims)
	of := sha256.New
	if strings.Contains(header, "512") {
		of = sha512.New
	}
	sig := tag(of, Upbit, signed)
	if strings.Contains(header, "EdDSA") || strings.Contains(header, "ES256") {
		sig = make([]byte, 64)
	}
	r.Header.Set("Authorization", "Bearer "+signed+"."+b64url(string(sig)))
	return r
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

func upbitClaims(params string) string {
	if params == "" {
		return `{"access_key":"key","nonce":"f47ac10b"}`
	}
	return fmt.Sprintf(`{"access_key":"key","nonce":"f47ac10b","query_hash":"%x","query_hash_alg":"SHA512"}`, sha512.Sum512([]byte(params)))
}

const (
	cdpHeader = `{"alg":"EdDSA","typ":"JWT","kid":"key","nonce":"0011"}`
	cdpClaims = `{"aud":["cdp_service"],"iss":"cdp","nbf":1700000000,"exp":1700000120,"sub":"key","iat":1700000000,"uris":["GET api.example.com/api/v3/accounts"]}`
)

func cdp(header, claims string) *Request {
	return withJWT(get("/api/v3/accounts", "limit=1"), header, claims)
}

const binanceOrder = "symbol=LTCBTC&quantity=10&timestamp=" + stampMS

func edit(r *Request, f func(*Request)) *Request { f(r); return r }
func set(name, value string) func(*Request) {
	return func(r *Request) { r.Header.Set(name, value) }
}
func add(name, value string) func(*Request) {
	return func(r *Request) { r.Header.Add(name, value) }
}

var clientRequests = []struct {
	name string
	p    Profile
	r    *Request
	want Claim // without signature and what was signed
}{
	{"binance, without a window", Binance, binanceGet(binanceOrder), Claim{Alg: HMACSHA256, At: time.UnixMilli(1700000000123)}},
	{"binance, time and window in microseconds", Binance, binancePost("timestamp=1700000000123456&recvWindow=5000.25"), Claim{Alg: HMACSHA256, At: time.UnixMicro(1700000000123456), Window: 5000250 * time.Microsecond}},
	{"binance, half in the query and half in the body", Binance, edit(binancePost("timestamp="+stampMS+"quantity=1"), func(r *Request) {
		r.Query = "timestamp=" + stampMS
		r.Body = r.Body[len(r.Query):]
	}), Claim{Alg: HMACSHA256, At: time.UnixMilli(1700000000123)}},
	{"binance, signature first and in capitals", Binance, get("/api/v3/account", "signature="+strings.ToUpper(hex256(Binance, binanceOrder))+"&"+binanceOrder, binanceKey, "key"), Claim{Alg: HMACSHA256, At: time.UnixMilli(1700000000123)}},
	{"binance, a name that has to be encoded, twice", Binance, binanceGet("ids%5B%5D=1&ids%5B%5D=2&timestamp=" + stampMS), Claim{Alg: HMACSHA256, At: time.UnixMilli(1700000000123)}},
	{"okx, ISO time", OKX, okxPost("2023-11-14T22:13:20.123Z", orderObj), Claim{Alg: HMACSHA256, At: time.UnixMilli(1700000000123).UTC(), Passphrase: "pass"}},
	{"okx, epoch time and no body", OKX, okxPost("1700000000.123", ""), Claim{Alg: HMACSHA256, At: time.UnixMilli(1700000000123), Passphrase: "pass"}},
	{"bitget, a query out of order and encoded", Bitget, bitgetGet("symbol=BTC%2FUSDT&coin=%E2%82%BF", "coin=₿&symbol=BTC/USDT"), Claim{Alg: HMACSHA256, At: time.UnixMilli(1700000000123), Passphrase: "pass"}},
	{"coinbase exchange, a time with decimals", CoinbaseExchange, coinbasePost("1700000000.5"), Claim{Alg: HMACSHA256, At: time.UnixMilli(1700000000500), Passphrase: "pass"}},
	{"bybit, a query and a window", Bybit, bybit(get("/v5/order/realtime", "category=linear"), "5000"), Claim{Alg: HMACSHA256, At: time.UnixMilli(1700000000123), Window: 5 * time.Second}},
	{"bybit, a body and no window", Bybit, bybit(post("/v5/order/create", orderObj, jsonType), ""), Claim{Alg: HMACSHA256, At: time.UnixMilli(1700000000123)}},
	{"kraken, a form", Kraken, kraken("7", "pair=XBTUSD&nonce=7", formType), Claim{Alg: HMACSHA512, Counter: 7}},
	{"kraken, an object with a number and the largest nonce", Kraken, kraken("18446744073709551615", `{"nonce":18446744073709551615,"pair":"XBTUSD"}`, "application/json; charset=utf-8"), Claim{Alg: HMACSHA512, Counter: 1<<64 - 1}},
	{"gemini, a body that repeats the payload", Gemini, gemini(`{"request":"/v1/order/new","nonce":"9","side":"buy"}`, `{"side":"buy"}`), Claim{Alg: HMACSHA384, Key: "account-key", Counter: 9}},
	{"gemini, no body", Gemini, gemini(`{"request":"/v1/order/new","nonce":9,"side":"buy"}`, ""), Claim{Alg: HMACSHA384, Key: "account-key", Counter: 9}},
	{"deribit, a body", Deribit, deribit(post("/api/v2/private/buy", `{"method":"private/buy"}`, jsonType)), Claim{Alg: HMACSHA256, At: time.UnixMilli(1700000000123), Nonce: "abc"}},
	{"upbit, no parameters", Upbit, withJWT(get("/v1/accounts", ""), hs256, upbitClaims("")), Claim{Alg: HMACSHA256, Nonce: "f47ac10b"}},
	{"upbit, no type in the header, HS512, and a time", Upbit, withJWT(get("/v1/accounts", ""), `{"alg":"HS512"}`, `{"access_key":"key","nonce":"f47ac10b","iat":1700000000}`), Claim{Alg: HMACSHA512, Nonce: "f47ac10b", At: time.Unix(1700000000, 0)}},
	{"upbit, a query with a list", Upbit, withJWT(get("/v1/orders", "states%5B%5D=wait&states%5B%5D=watch&to=a%2Bb"), hs256, upbitClaims("states[]=wait&states[]=watch&to=a+b")), Claim{Alg: HMACSHA256, Nonce: "f47ac10b"}},
	{"upbit, an object with a list, a number and a truth", Upbit, withJWT(post("/v1/orders", `{"uuids":["a","b"],"n":1.0,"t":true}`, jsonType), hs256, upbitClaims("uuids[]=a&uuids[]=b&n=1.0&t=true")), Claim{Alg: HMACSHA256, Nonce: "f47ac10b"}},
	{"upbit, the same with the list counted", Upbit, withJWT(post("/v1/orders", `{"uuids":["a","b"]}`, jsonType), hs256, upbitClaims("uuids[0]=a&uuids[1]=b")), Claim{Alg: HMACSHA256, Nonce: "f47ac10b"}},
	{"bithumb, hash over the query as sent", Bithumb, withJWT(get("/v1/orders", "to=a%2Bb"), hs256, strings.Replace(upbitClaims("to=a%2Bb"), "{", `{"timestamp":1700000000123,`, 1)), Claim{Alg: HMACSHA256, Nonce: "f47ac10b", At: time.UnixMilli(1700000000123)}},
	{"bithumb, an encoded ampersand under a hash over the query as sent", Bithumb, withJWT(get("/v1/orders", "to=a%26b"), hs256, strings.Replace(upbitClaims("to=a%26b"), "{", `{"timestamp":1700000000123,`, 1)), Claim{Alg: HMACSHA256, Nonce: "f47ac10b", At: time.UnixMilli(1700000000123)}},
	{"bithumb, an object hashed as the query it would be", Bithumb, withJWT(post("/v1/orders", `{"ids":["a","b"],"to":"a=+한"}`, jsonType), hs256, strings.Replace(upbitClaims("ids[]=a&ids[]=b&to=a%3D%2B%ED%95%9C"), "{", `{"timestamp":1700000000123,`, 1)), Claim{Alg: HMACSHA256, Nonce: "f47ac10b", At: time.UnixMilli(1700000000123)}},
	{"coinbase cloud, EdDSA", CDP, cdp(cdpHeader, cdpClaims), Claim{Alg: Ed25519, Nonce: "0011", At: time.Unix(1700000000, 0), Window: 2 * time.Minute}},
	{"coinbase cloud, ES256 and one uri", CDP, cdp(`{"alg":"ES256","kid":"key","nonce":"0011","typ":"JWT"}`, `{"iss":"coinbase-cloud","nbf":1700000000,"exp":1700000060,"sub":"key","uri":"GET api.example.com/api/v3/accounts"}`), Claim{Alg: ES256, Nonce: "0011", At: time.Unix(1700000000, 0), Window: time.Minute}},
}

func TestWhatClientsSendIsRead(t *testing.T) {
	for _, row := range clientRequests {
		p, ok := profileOf(row.r)
		if !ok || p != row.p {
			t.Errorf("%s: looks like %q", row.name, p)
		}
		c, ok := read(row.p, row.r, nil)
		if !ok {
			t.Errorf("%s: is not read", row.name)
			continue
		}
		want := row.want
		want.Profile, want.Signed, want.Sig = row.p, c.Signed, c.Sig
		if want.Key == "" {
			want.Key = "key"
		}
		if fmt.Sprintf("%+v", c) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s:\n got %+v\nwant %+v", row.name, c, want)
		}
		of := map[Alg]func() hash.Hash{HMACSHA256: sha256.New, HMACSHA384: sha512.New384, HMACSHA512: sha512.New}[c.Alg]
		if of != nil && !hmac.Equal(tag(of, row.p, string(c.Signed)), c.Sig) {
			t.Errorf("%s: %q does not hold under the secret", row.name, c.Signed)
		}
	}
}

func TestSecretsBecomeKeysAsClientsMakeThem(t *testing.T) {
	for _, row := range []struct {
		name   string
		p      Profile
		secret string
		want   string
	}{
		{"a native secret is its letters", Native, "kws_live_x", "kws_live_x"},
		{"so is one that looks like base64", Binance, "c2VjcmV0", "c2VjcmV0"},
		{"kraken decodes it", Kraken, "c2VjcmV0", "secret"},
		{"coinbase exchange decodes it", CoinbaseExchange, "c2VjcmV0", "secret"},
		{"what kraken cannot decode is no secret", Kraken, "c2VjcmV", ""},
		{"nor is what it could decode in two spellings", Kraken, "c2VjcmV1b=", ""},
		{"nor is one with a line end in it", Kraken, "c2Vj\ncmV0", ""},
		{"nor is an empty one, which every request would hold under", Bybit, "", ""},
	} {
		key, err := secretKey(row.p, row.secret)
		if string(key) != row.want || (err != nil) != (row.want == "") {
			t.Errorf("%s: %q, %v", row.name, key, err)
		}
		if err != nil && row.secret != "" && strings.Contains(err.Error(), row.secret) {
			t.Errorf("%s: the error tells the secret", row.name)
		}
	}
}

// TestTheHotPathAllocatesNothing holds the two profiles that most requests are in to it.
func TestTheHotPathAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 4096)
	for name, r := range map[string]*Request{"binance": binancePost(binanceOrder), "native": nativeSeed()} {
		p, ok := profileOf(r)
		if _, read := read(p, r, buf); !ok || !read {
			t.Fatalf("%s is not read", name)
		}
		if n := testing.AllocsPerRun(100, func() {
			p, _ := profileOf(r)
			read(p, r, buf)
		}); n > 0 {
			t.Errorf("%s allocates %.0f times", name, n)
		}
	}
}

func nativeSeed() *Request {
	return get("/v1/orders", "symbol=BTC-USD",
		nativeInput, `sig1=("@method" "@authority" "@path" "@query");created=1700000000;expires=1700000005;nonce="AAECAwQFBgcICQoLDA0ODw";alg="hmac-sha256";keyid="kwk_live_1wD3RuqwSn9cwZf2vyyyfG0qGKDv";tag="keyward-v1"`,
		nativeSig, "sig1=:KodRHJn56BmPpqCaoOCnXd+LdbAwQ7eOCCWyzAr0QgQ=:")
}
