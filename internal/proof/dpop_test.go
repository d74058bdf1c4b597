package proof_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"keyward/internal/proof"
	"keyward/internal/proof/prooftest"
)

const (
	here  = "https://login.example.com/oauth/token"
	token = "kwa_an_access_token"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// maker builds the header of one case with the case's key.
type maker func(k *prooftest.Key) string

// with is a good proof for POST here, changed by options.
func with(options ...prooftest.Option) maker {
	return func(k *prooftest.Key) string { return k.Proof("POST", here, now, options...) }
}

// text is a proof made of a header and claims as they are written; $jwk stands for the key.
func text(head, claims string) maker {
	return func(k *prooftest.Key) string {
		return k.Sign([]byte(strings.ReplaceAll(head, "$jwk", jwkText(k))), []byte(claims))
	}
}

func jwkText(k *prooftest.Key) string {
	m := k.JWK()
	if m["kty"] == "OKP" {
		return `{"kty":"OKP","crv":"Ed25519","x":"` + m["x"].(string) + `"}`
	}
	return `{"kty":"EC","crv":"P-256","x":"` + m["x"].(string) + `","y":"` + m["y"].(string) + `"}`
}

const (
	goodHead   = `{"typ":"dpop+jwt","alg":"ES256","jwk":$jwk}`
	goodClaims = `{"jti":"0123456789abcdef","htm":"POST","htu":"https://login.example.com/oauth/token","iat":1772366400}`
)

type dpopCase struct {
	name string
	make maker
	ed   bool              // with an Ed25519 key
	want func(*proof.Want) // changes what is expected of the proof
	err  error
}

func expecting(accessToken string) func(*proof.Want) {
	return func(w *proof.Want) { w.AccessToken = accessToken }
}

func nonceIs(n string) func(*proof.Want) {
	return func(w *proof.Want) { w.Nonce = func(got string) bool { return got == n } }
}

// The numbers are those of the checks in RFC 9449 §4.3. Check 1 is TestHeader.
var dpopCases = []dpopCase{
	{name: "a good proof", make: with()},
	{name: "a good proof with Ed25519", make: with(), ed: true},
	{name: "a good proof, written by hand", make: text(goodHead, goodClaims)},
	{name: "a good proof with much white space", make: text(" { \"typ\" : \"dpop+jwt\",\r\n\t\"alg\":\"ES256\" , \"jwk\":$jwk } ", " "+goodClaims+"\n")},
	{name: "a good proof whose typ is written with an escape", make: text(`{"\u0074yp":"dpop\u002bjwt","alg":"ES256","jwk":$jwk}`, goodClaims)},

	// 2: a single well-formed JWT.
	{name: "2 empty", make: func(*prooftest.Key) string { return "" }, err: proof.ErrAbsent},
	{name: "2 not a JWT", make: func(*prooftest.Key) string { return "Bearer" }, err: proof.ErrMalformed},
	{name: "2 two parts", make: cut(".", 2), err: proof.ErrMalformed},
	{name: "2 four parts", make: after(with(), ".AAAA"), err: proof.ErrMalformed},
	{name: "2 two proofs in one field", make: func(k *prooftest.Key) string { return with()(k) + ", " + with()(k) }, err: proof.ErrMalformed},
	{name: "2 JSON serialisation", make: jsonSerialised, err: proof.ErrMalformed},
	{name: "2 a space in front", make: func(k *prooftest.Key) string { return " " + with()(k) }, err: proof.ErrMalformed},
	{name: "2 a line end inside, which lax decoders skip", make: func(k *prooftest.Key) string {
		p := with()(k)
		return p[:10] + "\n" + p[10:]
	}, err: proof.ErrMalformed},
	{name: "2 padded base64", make: padded, err: proof.ErrMalformed},
	{name: "2 header is an array", make: text(`[]`, goodClaims), err: proof.ErrMalformed},
	{name: "2 header is not JSON", make: text(`typ=dpop+jwt`, goodClaims), err: proof.ErrMalformed},
	{name: "2 two header objects", make: text(goodHead+goodHead, goodClaims), err: proof.ErrMalformed},
	{name: "2 claims are a string", make: text(goodHead, `"claims"`), err: proof.ErrMalformed},
	{name: "2 claims end early", make: text(goodHead, goodClaims[:len(goodClaims)-1]), err: proof.ErrMalformed},
	{name: "2 claims with a comma too many", make: text(goodHead, strings.Replace(goodClaims, "}", ",}", 1)), err: proof.ErrMalformed},
	{name: "2 claims are not UTF-8", make: text(goodHead, strings.Replace(goodClaims, "POST", "PO\xffST", 1)), err: proof.ErrMalformed},
	{name: "2 claims nested deeper than anyone needs", make: text(goodHead, `{"x":`+strings.Repeat("[", 50)+strings.Repeat("]", 50)+`,`+goodClaims[1:]), err: proof.ErrMalformed},
	{name: "2 a hundred claims", make: text(goodHead, `{`+manyMembers(100)+goodClaims[1:]), err: proof.ErrMalformed},
	{name: "2 alg twice, the second one good", make: text(`{"typ":"dpop+jwt","alg":"none","alg":"ES256","jwk":$jwk}`, goodClaims), err: proof.ErrMalformed},
	{name: "2 htm twice, so that two servers read two methods", make: text(goodHead, `{"htm":"GET",`+goodClaims[1:]), err: proof.ErrMalformed},
	{name: "2 htm twice, once with an escape", make: text(goodHead, `{"h\u0074m":"GET",`+goodClaims[1:]), err: proof.ErrMalformed},
	{name: "2 x twice in the key", make: func(k *prooftest.Key) string {
		return text(strings.Replace(goodHead, "$jwk", `{"x":"AAAA",`+jwkText(k)[1:], 1), goodClaims)(k)
	}, err: proof.ErrMalformed},
	{name: "2 a critical extension we do not know", make: with(prooftest.Head("crit", []string{"exp"}), prooftest.Head("exp", 1)), err: proof.ErrMalformed},
	{name: "2 an unencoded payload", make: with(prooftest.Head("b64", false)), err: proof.ErrMalformed},
	{name: "2 larger than 4 KiB", make: with(prooftest.Claim("pad", strings.Repeat("x", 4096))), err: proof.ErrSize},

	// 3: all required claims.
	{name: "3 no jti", make: with(prooftest.Claim("jti", nil)), err: proof.ErrClaims},
	{name: "3 no htm", make: with(prooftest.Claim("htm", nil)), err: proof.ErrClaims},
	{name: "3 no htu", make: with(prooftest.Claim("htu", nil)), err: proof.ErrClaims},
	{name: "3 no iat", make: with(prooftest.Claim("iat", nil)), err: proof.ErrClaims},
	{name: "3 no claims at all", make: text(goodHead, `{}`), err: proof.ErrClaims},
	{name: "3 claims in the wrong case", make: text(goodHead, strings.Replace(goodClaims, `"jti"`, `"JTI"`, 1)), err: proof.ErrClaims},
	{name: "3 jti is a number", make: with(prooftest.Claim("jti", 1234567890123456)), err: proof.ErrClaims},
	{name: "3 htm is a list", make: with(prooftest.Claim("htm", []string{"POST", "GET"})), err: proof.ErrClaims},
	{name: "3 htu is null", make: text(goodHead, strings.Replace(goodClaims, `"https://login.example.com/oauth/token"`, "null", 1)), err: proof.ErrClaims},
	{name: "3 iat is a string", make: with(prooftest.Claim("iat", "1772366400")), err: proof.ErrClaims},
	{name: "3 iat is a date", make: with(prooftest.Claim("iat", "2026-03-01T12:00:00Z")), err: proof.ErrClaims},
	{name: "3 jti of 15 characters", make: with(prooftest.JTI(strings.Repeat("x", 15))), err: proof.ErrJTI},
	{name: "3 jti of 16 characters", make: with(prooftest.JTI(strings.Repeat("x", 16)))},
	{name: "3 jti of 128 characters", make: with(prooftest.JTI(strings.Repeat("x", 128)))},
	{name: "3 jti of 129 characters", make: with(prooftest.JTI(strings.Repeat("x", 129))), err: proof.ErrJTI},
	{name: "3 jti is a UUID", make: with(prooftest.JTI("6fa459ea-ee8a-4ca4-894e-db77e160355e"))},
	{name: "3 jti with a NUL, which a database would cut", make: with(prooftest.JTI("0123456789abcdef\x00x")), err: proof.ErrJTI},
	{name: "3 jti outside ASCII", make: with(prooftest.JTI("0123456789abcdefé")), err: proof.ErrJTI},

	// 4: typ.
	{name: "4 no typ", make: with(prooftest.Head("typ", nil)), err: proof.ErrType},
	{name: "4 an ID token in the place of a proof", make: with(prooftest.Head("typ", "JWT")), err: proof.ErrType},
	{name: "4 an access token in the place of a proof", make: with(prooftest.Head("typ", "at+jwt")), err: proof.ErrType},
	{name: "4 typ in upper case", make: with(prooftest.Head("typ", "DPOP+JWT")), err: proof.ErrType},

	// 5: alg.
	{name: "5 no alg", make: with(prooftest.Head("alg", nil)), err: proof.ErrAlgorithm},
	{name: "5 none", make: with(prooftest.Head("alg", "none")), err: proof.ErrAlgorithm},
	{name: "5 none and no signature", make: unsigned, err: proof.ErrAlgorithm},
	{name: "5 None", make: with(prooftest.Head("alg", "None")), err: proof.ErrAlgorithm},
	{name: "5 HMAC with the public key as its secret", make: with(prooftest.Head("alg", "HS256")), err: proof.ErrAlgorithm},
	{name: "5 RS256", make: with(prooftest.Head("alg", "RS256")), err: proof.ErrAlgorithm},
	{name: "5 ES384", make: with(prooftest.Head("alg", "ES384")), err: proof.ErrAlgorithm},
	{name: "5 es256 in lower case", make: with(prooftest.Head("alg", "es256")), err: proof.ErrAlgorithm},
	{name: "5 alg is a list", make: with(prooftest.Head("alg", []string{"ES256"})), err: proof.ErrAlgorithm},

	// 6: the signature verifies with the key inside.
	{name: "6 signed by another key", make: func(k *prooftest.Key) string {
		return prooftest.NewKey().Proof("POST", here, now, prooftest.Head("jwk", k.JWK()))
	}, err: proof.ErrSignature},
	{name: "6 Ed25519 signed by another key", ed: true, make: func(k *prooftest.Key) string {
		return prooftest.NewEd25519Key().Proof("POST", here, now, prooftest.Head("jwk", k.JWK()))
	}, err: proof.ErrSignature},
	{name: "6 claims changed after signing", make: func(k *prooftest.Key) string {
		a, b := strings.Split(with()(k), "."), strings.Split(with()(k), ".")
		return a[0] + "." + b[1] + "." + a[2]
	}, err: proof.ErrSignature},
	{name: "6 one bit of the signature flipped", make: flipSignature, err: proof.ErrSignature},
	{name: "6 no signature", make: func(k *prooftest.Key) string { p := with()(k); return p[:strings.LastIndex(p, ".")+1] }, err: proof.ErrSignature},
	{name: "6 signature of zeros (CVE-2022-21449)", make: func(k *prooftest.Key) string {
		p := with()(k)
		return p[:strings.LastIndex(p, ".")+1] + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
	}, err: proof.ErrSignature},
	{name: "6 signature in ASN.1, as TLS has it", make: asn1Signature, err: proof.ErrSignature},
	{name: "6 ES256 claimed for an Ed25519 key", ed: true, make: with(prooftest.Head("alg", "ES256")), err: proof.ErrKey},
	{name: "6 EdDSA claimed for a P-256 key", make: with(prooftest.Head("alg", "EdDSA")), err: proof.ErrKey},

	// 7: no private key, and a key at all.
	{name: "7 no jwk", make: with(prooftest.Head("jwk", nil)), err: proof.ErrKey},
	{name: "7 jwk is a string", make: with(prooftest.Head("jwk", "key")), err: proof.ErrKey},
	{name: "7 only a kid", make: with(prooftest.Head("jwk", nil), prooftest.Head("kid", "1")), err: proof.ErrKey},
	{name: "7 private key of the curve", make: changeKey("d", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"), err: proof.ErrPrivateKey},
	{name: "7 private Ed25519 key", ed: true, make: changeKey("d", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"), err: proof.ErrPrivateKey},
	{name: "7 an empty d", make: changeKey("d", ""), err: proof.ErrPrivateKey},
	{name: "7 a shared secret", make: with(prooftest.Head("jwk", map[string]any{"kty": "oct", "k": "AAAA"})), err: proof.ErrPrivateKey},
	{name: "7 an RSA key", make: with(prooftest.Head("jwk", map[string]any{"kty": "RSA", "n": "AAAA", "e": "AQAB"})), err: proof.ErrKey},
	{name: "7 another curve", make: changeKey("crv", "secp256k1"), err: proof.ErrKey},
	{name: "7 a point that is not on the curve", make: changeKey("y", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"), err: proof.ErrKey},
	{name: "7 the point at infinity", make: with(prooftest.Head("jwk", map[string]any{"kty": "EC", "crv": "P-256", "x": zeros, "y": zeros})), err: proof.ErrKey},
	{name: "7 a coordinate with a leading zero too many", make: changeKey("x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"), err: proof.ErrKey},
	{name: "7 an X25519 key, which does not sign", ed: true, make: changeKey("crv", "X25519"), err: proof.ErrKey},
	{name: "7 members that say nothing about the key are fine", make: changeKey("kid", "my key")},

	// 8: htm.
	{name: "8 made for GET", make: with(prooftest.Claim("htm", "GET")), err: proof.ErrMethod},
	{name: "8 the method in lower case", make: with(prooftest.Claim("htm", "post")), err: proof.ErrMethod},
	{name: "8 no method", make: with(prooftest.Claim("htm", "")), err: proof.ErrMethod},
	{name: "8 no method and none expected, a mistake of ours", make: with(prooftest.Claim("htm", "")), want: func(w *proof.Want) { w.Method = "" }, err: proof.ErrMethod},

	// 9: htu; spellings are in TestURLs.
	{name: "9 made for another server", make: with(prooftest.Claim("htu", "https://api.example.com/oauth/token")), err: proof.ErrURL},
	{name: "9 made for another path", make: with(prooftest.Claim("htu", "https://login.example.com/oauth/par")), err: proof.ErrURL},
	{name: "9 the host in upper case and the port written out", make: with(prooftest.Claim("htu", "HTTPS://LOGIN.example.com:443/oauth/token"))},
	{name: "9 with a query, which does not count", make: with(prooftest.Claim("htu", here+"?a=b#c"))},
	{name: "9 the request has a query, which does not count", make: with(), want: func(w *proof.Want) { w.URL = here + "?x=1" }},
	{name: "9 no address and none expected, a mistake of ours", make: with(prooftest.Claim("htu", "")), want: func(w *proof.Want) { w.URL = "" }, err: proof.ErrURL},

	// 10: nonce.
	{name: "10 the nonce we gave", make: with(prooftest.Nonce("n1")), want: nonceIs("n1")},
	{name: "10 another nonce", make: with(prooftest.Nonce("n0")), want: nonceIs("n1"), err: proof.ErrNonce},
	{name: "10 no nonce where one is demanded", make: with(), want: nonceIs("n1"), err: proof.ErrNonce},
	{name: "10 an empty nonce", make: with(prooftest.Nonce("")), want: nonceIs("n1"), err: proof.ErrNonce},
	{name: "10 a nonce that is a number", make: with(prooftest.Claim("nonce", 1)), want: nonceIs(""), err: proof.ErrClaims},
	{name: "10 a nonce where none is demanded", make: with(prooftest.Nonce("whatever"))},
	{name: "10 an old nonce and a wrong clock: the nonce comes first, so that the client can go on", make: with(prooftest.Nonce("n0"), prooftest.Claim("iat", now.Add(-time.Hour).Unix())), want: nonceIs("n1"), err: proof.ErrNonce},

	// 11: iat.
	{name: "11 made a minute ago", make: with(prooftest.Claim("iat", now.Add(-60*time.Second).Unix()))},
	{name: "11 made 61 seconds ago", make: with(prooftest.Claim("iat", now.Add(-61*time.Second).Unix())), err: proof.ErrTime},
	{name: "11 ten seconds in the future", make: with(prooftest.Claim("iat", now.Add(10*time.Second).Unix()))},
	{name: "11 eleven seconds in the future", make: with(prooftest.Claim("iat", now.Add(11*time.Second).Unix())), err: proof.ErrTime},
	{name: "11 a fraction of a second", make: text(goodHead, strings.Replace(goodClaims, "1772366400", "1772366400.25", 1))},
	{name: "11 written as a power of ten", make: text(goodHead, strings.Replace(goodClaims, "1772366400", "1.7723664e9", 1)), err: proof.ErrClaims},
	{name: "11 negative", make: with(prooftest.Claim("iat", -1)), err: proof.ErrClaims},
	{name: "11 minus zero", make: text(goodHead, strings.Replace(goodClaims, "1772366400", "-0", 1)), err: proof.ErrTime},
	{name: "11 more digits than an integer holds", make: text(goodHead, strings.Replace(goodClaims, "1772366400", strings.Repeat("9", 40), 1)), err: proof.ErrClaims},
	{name: "11 in milliseconds", make: with(prooftest.Claim("iat", now.UnixMilli())), err: proof.ErrTime},
	{name: "11 already expired by its own exp", make: with(prooftest.Claim("exp", now.Add(-30*time.Second).Unix())), err: proof.ErrTime},
	{name: "11 exp to come", make: with(prooftest.Claim("exp", now.Add(30*time.Second).Unix()))},
	{name: "11 not yet good by its own nbf", make: with(prooftest.Claim("nbf", now.Add(30*time.Second).Unix())), err: proof.ErrTime},
	{name: "11 nbf passed", make: with(prooftest.Claim("nbf", now.Add(-30*time.Second).Unix()))},
	{name: "11 exp is a word", make: with(prooftest.Claim("exp", "never")), err: proof.ErrClaims},

	// 12: the access token and its key.
	{name: "12 the hash of the token", make: with(prooftest.Token(token)), want: expecting(token)},
	{name: "12 no ath beside a token", make: with(), want: expecting(token), err: proof.ErrToken},
	{name: "12 ath of another token", make: with(prooftest.Token("kwa_another")), want: expecting(token), err: proof.ErrToken},
	{name: "12 the token itself in the place of its hash", make: with(prooftest.Claim("ath", token)), want: expecting(token), err: proof.ErrToken},
	{name: "12 ath with padding", make: func(k *prooftest.Key) string {
		return with(prooftest.Claim("ath", base64.URLEncoding.EncodeToString(sha(token))))(k)
	}, want: expecting(token), err: proof.ErrToken},
	{name: "12 ath where no token is presented", make: with(prooftest.Token(token))},
	{name: "12 a token bound to another key", make: with(prooftest.Token(token)), want: func(w *proof.Want) { w.AccessToken, w.JKT = token, prooftest.NewKey().JKT() }, err: proof.ErrBinding},
}

func TestVerifyDPoP(t *testing.T) {
	ec, ed := prooftest.NewKey(), prooftest.NewEd25519Key()
	for _, c := range dpopCases {
		t.Run(c.name, func(t *testing.T) {
			key := ec
			if c.ed {
				key = ed
			}
			want := proof.Want{Method: "POST", URL: here}
			if c.want != nil {
				c.want(&want)
			}
			got, err := proof.VerifyDPoP(c.make(key), want, now)
			if !errors.Is(err, c.err) {
				t.Fatalf("error is %v, want %v", err, c.err)
			}
			if c.err != nil {
				if got != (proof.Proof{}) {
					t.Errorf("a refused proof gave %+v", got)
				}
				if errors.Is(err, proof.ErrInvalid) == errors.Is(err, proof.ErrNonce) {
					t.Errorf("%v must be either invalid_dpop_proof or use_dpop_nonce", err)
				}
				return
			}
			if got.JKT != key.JKT() || len(got.JTI) < 16 || got.IAT.Sub(now).Abs() > time.Minute {
				t.Errorf("gave %+v", got)
			}
			want.JKT = key.JKT()
			if _, err := proof.VerifyDPoP(c.make(key), want, now); err != nil {
				t.Errorf("refused for the key it is bound to: %v", err)
			}
		})
	}
}

// Check 1 of RFC 9449 §4.3.
func TestHeader(t *testing.T) {
	for _, c := range []struct {
		name   string
		header http.Header
		err    error
	}{
		{"one", http.Header{"Dpop": {"proof"}}, nil},
		{"none", http.Header{}, proof.ErrAbsent},
		{"two", http.Header{"Dpop": {"proof", "proof"}}, proof.ErrMany},
		{"two, one of them empty", http.Header{"Dpop": {"", "proof"}}, proof.ErrMany},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := proof.Header(c.header)
			if !errors.Is(err, c.err) || (err == nil) != (got == "proof") {
				t.Errorf("gave %q, %v", got, err)
			}
		})
	}
}

// A proof is remembered until its age alone refuses it: no gap in which a replay passes.
func TestReplayIsCoveredUntilAgeRefuses(t *testing.T) {
	k := prooftest.NewKey()
	header := k.Proof("POST", here, now.Add(10*time.Second))
	want := proof.Want{Method: "POST", URL: here}
	p, err := proof.VerifyDPoP(header, want, now)
	if err != nil {
		t.Fatal(err)
	}
	for at := now; at.Before(p.Until()); at = at.Add(250 * time.Millisecond) {
		if _, err := proof.VerifyDPoP(header, want, at); err != nil && at.Sub(p.IAT) <= proof.MaxAge {
			t.Fatalf("%v after it was made: %v", at.Sub(p.IAT), err)
		}
	}
	if _, err := proof.VerifyDPoP(header, want, p.Until()); !errors.Is(err, proof.ErrTime) {
		t.Errorf("forgotten while still acceptable: %v", err)
	}
}

// Nothing that was sent comes back in an error: it would land in logs and answers.
func TestErrorsRepeatNothing(t *testing.T) {
	k := prooftest.NewKey()
	for _, c := range dpopCases {
		header := c.make(k)
		want := proof.Want{Method: "POST", URL: here}
		if c.want != nil {
			c.want(&want)
		}
		_, err := proof.VerifyDPoP(header, want, now)
		if err == nil {
			continue
		}
		for _, part := range append(strings.Split(header, "."), here, token) {
			if len(part) > 8 && strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}
