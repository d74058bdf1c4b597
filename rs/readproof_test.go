package rs_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"keyward/internal/proof/prooftest"
	"keyward/rs"
)

const (
	here   = "https://login.example.com/oauth/token"
	beside = "kwa_an_access_token"
)

// maker builds the header of one case with the case's key.
type maker func(k *prooftest.Key) string

// with is a good proof for POST here, changed by options.
func with(options ...prooftest.Option) maker {
	return func(k *prooftest.Key) string { return k.Proof("POST", here, now, options...) }
}

// written is a proof made of a header and claims as they are written; $jwk stands for the key.
func written(head, claims string) maker {
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
	proofHead   = `{"typ":"dpop+jwt","alg":"ES256","jwk":$jwk}`
	proofClaims = `{"jti":"0123456789abcdef","htm":"POST","htu":"https://login.example.com/oauth/token","iat":1772366400}`
)

// The refusals of a proof. The first two are not invalid_dpop_proof.
const (
	badNonce     = "a current nonce is needed"
	badBinding   = "the proof was made with another key than the token is bound to"
	badForm      = "the proof is not one well-formed compact JWT"
	badSize      = "the proof is too large"
	badClaims    = "a required claim of the proof is missing or of the wrong kind"
	badJTI       = "jti is too short, too long or not printable"
	badType      = "typ is not dpop+jwt"
	badAlg       = "alg is not ES256 or EdDSA"
	badKey       = "jwk is not a public key for this alg"
	badPrivate   = "jwk carries a private key"
	badSignature = "the signature of the proof does not verify"
	badMethod    = "htm is not the method of this request"
	badURL       = "htu is not the address of this request"
	badTime      = "the proof was made too long ago or in the future"
	badToken     = "ath is not the hash of the access token"
)

type readCase struct {
	name string
	make maker
	ed   bool                // with an Ed25519 key
	want func(*rs.ProofNeed) // changes what is expected of the proof
	err  string              // text of the refusal, "" for none
}

func expecting(accessToken string) func(*rs.ProofNeed) {
	return func(w *rs.ProofNeed) { w.AccessToken = accessToken }
}

func nonceIs(n string) func(*rs.ProofNeed) {
	return func(w *rs.ProofNeed) { w.Nonce = func(got string) bool { return got == n } }
}

// The numbers are those of the checks in RFC 9449 §4.3. Check 1 is TestOneDPoPHeader.
var readCases = []readCase{
	{name: "a good proof", make: with()},
	{name: "a good proof with Ed25519", make: with(), ed: true},
	{name: "a good proof, written by hand", make: written(proofHead, proofClaims)},
	{name: "a good proof with much white space", make: written(" { \"typ\" : \"dpop+jwt\",\r\n\t\"alg\":\"ES256\" , \"jwk\":$jwk } ", " "+proofClaims+"\n")},
	{name: "a good proof whose typ is written with an escape", make: written(`{"\u0074yp":"dpop\u002bjwt","alg":"ES256","jwk":$jwk}`, proofClaims)},

	// 2: a single well-formed JWT.
	{name: "2 empty", make: func(*prooftest.Key) string { return "" }, err: badForm},
	{name: "2 not a JWT", make: func(*prooftest.Key) string { return "Bearer" }, err: badForm},
	{name: "2 two parts", make: cut(".", 2), err: badForm},
	{name: "2 four parts", make: after(with(), ".AAAA"), err: badForm},
	{name: "2 two proofs in one field", make: func(k *prooftest.Key) string { return with()(k) + ", " + with()(k) }, err: badForm},
	{name: "2 JSON serialisation", make: jsonSerialised, err: badForm},
	{name: "2 a space in front", make: func(k *prooftest.Key) string { return " " + with()(k) }, err: badForm},
	{name: "2 a line end inside, which lax decoders skip", make: func(k *prooftest.Key) string {
		p := with()(k)
		return p[:10] + "\n" + p[10:]
	}, err: badForm},
	{name: "2 padded base64", make: padded, err: badForm},
	{name: "2 header is an array", make: written(`[]`, proofClaims), err: badForm},
	{name: "2 header is not JSON", make: written(`typ=dpop+jwt`, proofClaims), err: badForm},
	{name: "2 two header objects", make: written(proofHead+proofHead, proofClaims), err: badForm},
	{name: "2 claims are a string", make: written(proofHead, `"claims"`), err: badForm},
	{name: "2 claims end early", make: written(proofHead, proofClaims[:len(proofClaims)-1]), err: badForm},
	{name: "2 claims with a comma too many", make: written(proofHead, strings.Replace(proofClaims, "}", ",}", 1)), err: badForm},
	{name: "2 claims are not UTF-8", make: written(proofHead, strings.Replace(proofClaims, "POST", "PO\xffST", 1)), err: badForm},
	{name: "2 claims nested deeper than anyone needs", make: written(proofHead, `{"x":`+strings.Repeat("[", 50)+strings.Repeat("]", 50)+`,`+proofClaims[1:]), err: badForm},
	{name: "2 a hundred claims", make: written(proofHead, `{`+manyMembers(100)+proofClaims[1:]), err: badForm},
	{name: "2 alg twice, the second one good", make: written(`{"typ":"dpop+jwt","alg":"none","alg":"ES256","jwk":$jwk}`, proofClaims), err: badForm},
	{name: "2 htm twice, so that two servers read two methods", make: written(proofHead, `{"htm":"GET",`+proofClaims[1:]), err: badForm},
	{name: "2 htm twice, once with an escape", make: written(proofHead, `{"h\u0074m":"GET",`+proofClaims[1:]), err: badForm},
	{name: "2 x twice in the key", make: func(k *prooftest.Key) string {
		return written(strings.Replace(proofHead, "$jwk", `{"x":"AAAA",`+jwkText(k)[1:], 1), proofClaims)(k)
	}, err: badForm},
	{name: "2 a critical extension we do not know", make: with(prooftest.Head("crit", []string{"exp"}), prooftest.Head("exp", 1)), err: badForm},
	{name: "2 an unencoded payload", make: with(prooftest.Head("b64", false)), err: badForm},
	{name: "2 larger than 4 KiB", make: with(prooftest.Claim("pad", strings.Repeat("x", 4096))), err: badSize},

	// 3: all required claims.
	{name: "3 no jti", make: with(prooftest.Claim("jti", nil)), err: badClaims},
	{name: "3 no htm", make: with(prooftest.Claim("htm", nil)), err: badClaims},
	{name: "3 no htu", make: with(prooftest.Claim("htu", nil)), err: badClaims},
	{name: "3 no iat", make: with(prooftest.Claim("iat", nil)), err: badClaims},
	{name: "3 no claims at all", make: written(proofHead, `{}`), err: badClaims},
	{name: "3 claims in the wrong case", make: written(proofHead, strings.Replace(proofClaims, `"jti"`, `"JTI"`, 1)), err: badClaims},
	{name: "3 jti is a number", make: with(prooftest.Claim("jti", 1234567890123456)), err: badClaims},
	{name: "3 htm is a list", make: with(prooftest.Claim("htm", []string{"POST", "GET"})), err: badClaims},
	{name: "3 htu is null", make: written(proofHead, strings.Replace(proofClaims, `"https://login.example.com/oauth/token"`, "null", 1)), err: badClaims},
	{name: "3 iat is a string", make: with(prooftest.Claim("iat", "1772366400")), err: badClaims},
	{name: "3 iat is a date", make: with(prooftest.Claim("iat", "2026-03-01T12:00:00Z")), err: badClaims},
	{name: "3 jti of 15 characters", make: with(prooftest.JTI(strings.Repeat("x", 15))), err: badJTI},
	{name: "3 jti of 16 characters", make: with(prooftest.JTI(strings.Repeat("x", 16)))},
	{name: "3 jti of 128 characters", make: with(prooftest.JTI(strings.Repeat("x", 128)))},
	{name: "3 jti of 129 characters", make: with(prooftest.JTI(strings.Repeat("x", 129))), err: badJTI},
	{name: "3 jti is a UUID", make: with(prooftest.JTI("6fa459ea-ee8a-4ca4-894e-db77e160355e"))},
	{name: "3 jti with a NUL, which a database would cut", make: with(prooftest.JTI("0123456789abcdef\x00x")), err: badJTI},
	{name: "3 jti outside ASCII", make: with(prooftest.JTI("0123456789abcdefé")), err: badJTI},

	// 4: typ.
	{name: "4 no typ", make: with(prooftest.Head("typ", nil)), err: badType},
	{name: "4 an ID token in the place of a proof", make: with(prooftest.Head("typ", "JWT")), err: badType},
	{name: "4 an access token in the place of a proof", make: with(prooftest.Head("typ", "at+jwt")), err: badType},
	{name: "4 typ in upper case", make: with(prooftest.Head("typ", "DPOP+JWT")), err: badType},

	// 5: alg.
	{name: "5 no alg", make: with(prooftest.Head("alg", nil)), err: badAlg},
	{name: "5 none", make: with(prooftest.Head("alg", "none")), err: badAlg},
	{name: "5 none and no signature", make: unsigned, err: badAlg},
	{name: "5 None", make: with(prooftest.Head("alg", "None")), err: badAlg},
	{name: "5 HMAC with the public key as its secret", make: with(prooftest.Head("alg", "HS256")), err: badAlg},
	{name: "5 RS256", make: with(prooftest.Head("alg", "RS256")), err: badAlg},
	{name: "5 ES384", make: with(prooftest.Head("alg", "ES384")), err: badAlg},
	{name: "5 es256 in lower case", make: with(prooftest.Head("alg", "es256")), err: badAlg},
	{name: "5 alg is a list", make: with(prooftest.Head("alg", []string{"ES256"})), err: badAlg},

	// 6: the signature verifies with the key inside.
	{name: "6 signed by another key", make: func(k *prooftest.Key) string {
		return prooftest.NewKey().Proof("POST", here, now, prooftest.Head("jwk", k.JWK()))
	}, err: badSignature},
	{name: "6 Ed25519 signed by another key", ed: true, make: func(k *prooftest.Key) string {
		return prooftest.NewEd25519Key().Proof("POST", here, now, prooftest.Head("jwk", k.JWK()))
	}, err: badSignature},
	{name: "6 claims changed after signing", make: func(k *prooftest.Key) string {
		a, b := strings.Split(with()(k), "."), strings.Split(with()(k), ".")
		return a[0] + "." + b[1] + "." + a[2]
	}, err: badSignature},
	{name: "6 one bit of the signature flipped", make: flipSignature, err: badSignature},
	{name: "6 no signature", make: func(k *prooftest.Key) string { p := with()(k); return p[:strings.LastIndex(p, ".")+1] }, err: badSignature},
	{name: "6 signature of zeros (CVE-2022-21449)", make: func(k *prooftest.Key) string {
		p := with()(k)
		return p[:strings.LastIndex(p, ".")+1] + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
	}, err: badSignature},
	{name: "6 signature in ASN.1, as TLS has it", make: asn1Signature, err: badSignature},
	{name: "6 ES256 claimed for an Ed25519 key", ed: true, make: with(prooftest.Head("alg", "ES256")), err: badKey},
	{name: "6 EdDSA claimed for a P-256 key", make: with(prooftest.Head("alg", "EdDSA")), err: badKey},

	// 7: no private key, and a key at all.
	{name: "7 no jwk", make: with(prooftest.Head("jwk", nil)), err: badKey},
	{name: "7 jwk is a string", make: with(prooftest.Head("jwk", "key")), err: badKey},
	{name: "7 only a kid", make: with(prooftest.Head("jwk", nil), prooftest.Head("kid", "1")), err: badKey},
	{name: "7 private key of the curve", make: changeKey("d", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"), err: badPrivate},
	{name: "7 private Ed25519 key", ed: true, make: changeKey("d", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"), err: badPrivate},
	{name: "7 an empty d", make: changeKey("d", ""), err: badPrivate},
	{name: "7 a shared secret", make: with(prooftest.Head("jwk", map[string]any{"kty": "oct", "k": "AAAA"})), err: badPrivate},
	{name: "7 an RSA key", make: with(prooftest.Head("jwk", map[string]any{"kty": "RSA", "n": "AAAA", "e": "AQAB"})), err: badKey},
	{name: "7 another curve", make: changeKey("crv", "secp256k1"), err: badKey},
	{name: "7 a point that is not on the curve", make: changeKey("y", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"), err: badKey},
	{name: "7 the point at infinity", make: with(prooftest.Head("jwk", map[string]any{"kty": "EC", "crv": "P-256", "x": zeros, "y": zeros})), err: badKey},
	{name: "7 a coordinate with a leading zero too many", make: changeKey("x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"), err: badKey},
	{name: "7 an X25519 key, which does not sign", ed: true, make: changeKey("crv", "X25519"), err: badKey},
	{name: "7 members that say nothing about the key are fine", make: changeKey("kid", "my key")},

	// 8: htm.
	{name: "8 made for GET", make: with(prooftest.Claim("htm", "GET")), err: badMethod},
	{name: "8 the method in lower case", make: with(prooftest.Claim("htm", "post")), err: badMethod},
	{name: "8 no method", make: with(prooftest.Claim("htm", "")), err: badMethod},
	{name: "8 no method and none expected, a mistake of ours", make: with(prooftest.Claim("htm", "")), want: func(w *rs.ProofNeed) { w.Method = "" }, err: badMethod},

	// 9: htu; spellings are in TestURLs.
	{name: "9 made for another server", make: with(prooftest.Claim("htu", "https://api.example.com/oauth/token")), err: badURL},
	{name: "9 made for another path", make: with(prooftest.Claim("htu", "https://login.example.com/oauth/par")), err: badURL},
	{name: "9 the host in upper case and the port written out", make: with(prooftest.Claim("htu", "HTTPS://LOGIN.example.com:443/oauth/token"))},
	{name: "9 with a query, which does not count", make: with(prooftest.Claim("htu", here+"?a=b#c"))},
	{name: "9 the request has a query, which does not count", make: with(), want: func(w *rs.ProofNeed) { w.URL = here + "?x=1" }},
	{name: "9 no address and none expected, a mistake of ours", make: with(prooftest.Claim("htu", "")), want: func(w *rs.ProofNeed) { w.URL = "" }, err: badURL},

	// 10: nonce.
	{name: "10 the nonce we gave", make: with(prooftest.Nonce("n1")), want: nonceIs("n1")},
	{name: "10 another nonce", make: with(prooftest.Nonce("n0")), want: nonceIs("n1"), err: badNonce},
	{name: "10 no nonce where one is demanded", make: with(), want: nonceIs("n1"), err: badNonce},
	{name: "10 an empty nonce", make: with(prooftest.Nonce("")), want: nonceIs("n1"), err: badNonce},
	{name: "10 a nonce that is a number", make: with(prooftest.Claim("nonce", 1)), want: nonceIs(""), err: badClaims},
	{name: "10 a nonce where none is demanded", make: with(prooftest.Nonce("whatever"))},
	{name: "10 an old nonce and a wrong clock: the nonce comes first, so that the client can go on", make: with(prooftest.Nonce("n0"), prooftest.Claim("iat", now.Add(-time.Hour).Unix())), want: nonceIs("n1"), err: badNonce},

	{name: "10 a nonce that is a number, where none is demanded", make: with(prooftest.Claim("nonce", 1)), err: badClaims},

	// 11: iat.
	{name: "11 made a minute ago", make: with(prooftest.Claim("iat", now.Add(-60*time.Second).Unix()))},
	{name: "11 made 61 seconds ago", make: with(prooftest.Claim("iat", now.Add(-61*time.Second).Unix())), err: badTime},
	{name: "11 ten seconds in the future", make: with(prooftest.Claim("iat", now.Add(10*time.Second).Unix()))},
	{name: "11 eleven seconds in the future", make: with(prooftest.Claim("iat", now.Add(11*time.Second).Unix())), err: badTime},
	{name: "11 a fraction of a second", make: written(proofHead, strings.Replace(proofClaims, "1772366400", "1772366400.25", 1))},
	{name: "11 written as a power of ten", make: written(proofHead, strings.Replace(proofClaims, "1772366400", "1.7723664e9", 1)), err: badClaims},
	{name: "11 negative", make: with(prooftest.Claim("iat", -1)), err: badClaims},
	{name: "11 minus zero", make: written(proofHead, strings.Replace(proofClaims, "1772366400", "-0", 1)), err: badTime},
	{name: "11 more digits than an integer holds", make: written(proofHead, strings.Replace(proofClaims, "1772366400", strings.Repeat("9", 40), 1)), err: badClaims},
	{name: "11 in milliseconds", make: with(prooftest.Claim("iat", now.UnixMilli())), err: badTime},
	{name: "11 made 61 seconds ago, where more is allowed", make: with(prooftest.Claim("iat", now.Add(-61*time.Second).Unix())), want: func(w *rs.ProofNeed) { w.MaxAge = 2 * time.Minute }},
	{name: "11 made 31 seconds ago, where less is allowed", make: with(prooftest.Claim("iat", now.Add(-31*time.Second).Unix())), want: func(w *rs.ProofNeed) { w.MaxAge = 30 * time.Second }, err: badTime},
	{name: "11 three seconds in the future, where less is allowed", make: with(prooftest.Claim("iat", now.Add(3*time.Second).Unix())), want: func(w *rs.ProofNeed) { w.MaxAhead = 2 * time.Second }, err: badTime},
	{name: "11 already expired by its own exp", make: with(prooftest.Claim("exp", now.Add(-30*time.Second).Unix())), err: badTime},
	{name: "11 exp to come", make: with(prooftest.Claim("exp", now.Add(30*time.Second).Unix()))},
	{name: "11 not yet good by its own nbf", make: with(prooftest.Claim("nbf", now.Add(30*time.Second).Unix())), err: badTime},
	{name: "11 nbf passed", make: with(prooftest.Claim("nbf", now.Add(-30*time.Second).Unix()))},
	{name: "11 exp is a word", make: with(prooftest.Claim("exp", "never")), err: badClaims},

	// 12: the access token and its key.
	{name: "12 the hash of the token", make: with(prooftest.Token(beside)), want: expecting(beside)},
	{name: "12 no ath beside a token", make: with(), want: expecting(beside), err: badToken},
	{name: "12 ath of another token", make: with(prooftest.Token("kwa_another")), want: expecting(beside), err: badToken},
	{name: "12 the token itself in the place of its hash", make: with(prooftest.Claim("ath", beside)), want: expecting(beside), err: badToken},
	{name: "12 ath with padding", make: func(k *prooftest.Key) string {
		return with(prooftest.Claim("ath", base64.URLEncoding.EncodeToString(sha(beside))))(k)
	}, want: expecting(beside), err: badToken},
	{name: "12 ath where no token is presented", make: with(prooftest.Token(beside))},
	{name: "12 a token bound to another key", make: with(prooftest.Token(beside)), want: func(w *rs.ProofNeed) { w.AccessToken, w.JKT = beside, prooftest.NewKey().JKT() }, err: badBinding},
}

// need is what the case expects, and key who makes its proof.
func (c readCase) need() rs.ProofNeed {
	n := rs.ProofNeed{Method: "POST", URL: here}
	if c.want != nil {
		c.want(&n)
	}
	return n
}

func (c readCase) key(ec, ed *prooftest.Key) *prooftest.Key {
	if c.ed {
		return ed
	}
	return ec
}

func TestReadProof(t *testing.T) {
	ec, ed := prooftest.NewKey(), prooftest.NewEd25519Key()
	for _, c := range readCases {
		t.Run(c.name, func(t *testing.T) {
			key, need := c.key(ec, ed), c.need()
			header := c.make(key)
			got, err := rs.ReadProof(header, need, now)
			if c.err != "" {
				want := map[string]string{badNonce: "use_dpop_nonce: ", badBinding: "invalid_token: "}[c.err]
				if want == "" {
					want = "invalid_dpop_proof: "
				}
				if why(t, err) != want+c.err || got != (rs.Proof{}) {
					t.Errorf("gave %+v and %v, want %q", got, err, want+c.err)
				}
				// Nothing that was sent comes back: it would land in logs and answers.
				for _, part := range append(strings.Split(header, "."), here, beside) {
					if len(part) > 8 && strings.Contains(err.Error(), part) {
						t.Errorf("the refusal repeats %q", part)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.JKT != key.JKT() || len(got.JTI) < 16 || got.IAT.Sub(now).Abs() > 61*time.Second {
				t.Errorf("gave %+v", got)
			}
			joseReadsTheSame(t, header, got)
			need.JKT = key.JKT()
			if _, err := rs.ReadProof(header, need, now); err != nil {
				t.Errorf("refused for the key it is bound to: %v", err)
			}
		})
	}
}

// A proof is remembered until its age alone refuses it: no gap in which a replay passes.
func TestAProofIsRememberedUntilItsAgeRefusesIt(t *testing.T) {
	header := prooftest.NewKey().Proof("POST", here, now.Add(10*time.Second))
	for _, age := range []time.Duration{0, 20 * time.Second} { // 0: a minute
		need := rs.ProofNeed{Method: "POST", URL: here, MaxAge: age}
		p, err := rs.ReadProof(header, need, now)
		if err != nil {
			t.Fatal(err)
		}
		var last time.Time // at which it was good
		for at := now; at.Before(p.Until.Add(time.Minute)); at = at.Add(250 * time.Millisecond) {
			if _, err := rs.ReadProof(header, need, at); err == nil {
				last = at
			}
		}
		if !last.Before(p.Until) || last.Sub(p.IAT) < 20*time.Second {
			t.Errorf("good until %v after it was made, remembered until %v", last.Sub(p.IAT), p.Until.Sub(p.IAT))
		}
	}
}
