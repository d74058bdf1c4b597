package rs_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"keyward/internal/proof/prooftest"
	"keyward/rs"
)

type proofCase struct{ name, proof, want string }

// proofCases are proofs for GET /orders with token, made with k; numbers are those of RFC 9449 §4.3.
func proofCases(is *issuer, k *prooftest.Key, token string) []proofCase {
	good := func(options ...prooftest.Option) string { return is.prove(k, token, options...) }
	of := func(method, url string) string { return k.Proof(method, url, is.clock.now(), prooftest.Token(token)) }
	made := func(ago time.Duration) string {
		return k.Proof("GET", api+"/orders", is.clock.now().Add(-ago), prooftest.Token(token))
	}
	doubled := func(member string) string {
		parts := strings.Split(good(), ".")
		body, _ := base64.RawURLEncoding.DecodeString(parts[1])
		head, _ := base64.RawURLEncoding.DecodeString(parts[0])
		return k.Sign(head, []byte(`{`+member+`,`+string(body[1:])))
	}
	private := k.JWK()
	private["d"] = strings.Repeat("A", 43)
	other := prooftest.NewKey()
	return []proofCase{
		{"a good proof", good(), ""},
		{"2 nothing", "", "the proof is not one well-formed compact JWT"},
		{"2 two proofs in one field", good() + ", " + good(), "the proof is not one well-formed compact JWT"},
		{"2 a line end inside", good()[:10] + "\n" + good()[10:], "the proof is not one well-formed compact JWT"},
		{"2 htm twice, so that two servers read two methods", doubled(`"htm":"POST"`), "the proof is not one well-formed compact JWT"},
		{"2 htu twice, once with an escape", doubled(`"h\u0074u":"https://evil.example/"`), "the proof is not one well-formed compact JWT"},
		{"2 five thousand bytes", good(prooftest.Claim("x", strings.Repeat("x", 5000))), "the proof is too large"},
		{"3 no jti", good(prooftest.Claim("jti", nil)), "a required claim of the proof is missing or of the wrong kind"},
		{"3 no htm", good(prooftest.Claim("htm", nil)), "a required claim of the proof is missing or of the wrong kind"},
		{"3 no htu", good(prooftest.Claim("htu", nil)), "a required claim of the proof is missing or of the wrong kind"},
		{"3 no iat", good(prooftest.Claim("iat", nil)), "a required claim of the proof is missing or of the wrong kind"},
		{"3 HTM instead of htm", good(prooftest.Claim("htm", nil), prooftest.Claim("HTM", "GET")), "a required claim of the proof is missing or of the wrong kind"},
		{"3 iat is a text", good(prooftest.Claim("iat", "now")), "a required claim of the proof is missing or of the wrong kind"},
		{"3 a jti that can be guessed", good(prooftest.JTI("123456789012345")), "jti is too short, too long or not printable"},
		{"3 a jti of 129 characters", good(prooftest.JTI(strings.Repeat("j", 129))), "jti is too short, too long or not printable"},
		{"3 a jti with a space", good(prooftest.JTI("0123456789 abcdef")), "jti is too short, too long or not printable"},
		{"4 typ is JWT", good(prooftest.Head("typ", "JWT")), "typ is not dpop+jwt"},
		{"4 no typ", good(prooftest.Head("typ", nil)), "typ is not dpop+jwt"},
		{"4 typ of an access token", good(prooftest.Head("typ", "at+jwt")), "typ is not dpop+jwt"},
		{"5 alg none", good(prooftest.Head("alg", "none")), "alg is not ES256 or EdDSA"},
		{"5 alg HS256", good(prooftest.Head("alg", "HS256")), "alg is not ES256 or EdDSA"},
		{"5 alg RS256", good(prooftest.Head("alg", "RS256")), "alg is not ES256 or EdDSA"},
		{"5 alg of another kind of key", good(prooftest.Head("alg", "EdDSA")), "jwk is not a public key for this alg"},
		{"5 crit", good(prooftest.Head("crit", []string{"exp"})), "the proof is not one well-formed compact JWT"},
		{"5 b64", good(prooftest.Head("b64", false)), "the proof is not one well-formed compact JWT"},
		{"6 a signature with one character changed", flip(good()), "the signature of the proof does not verify"},
		{"6 no signature", good()[:strings.LastIndexByte(good(), '.')+1], "the signature of the proof does not verify"},
		{"7 no jwk", good(prooftest.Head("jwk", nil)), "jwk is not a public key for this alg"},
		{"7 a private key", good(prooftest.Head("jwk", private)), "jwk carries a private key"},
		{"7 a shared secret", good(prooftest.Head("jwk", map[string]any{"kty": "oct", "k": "AAAA"})), "jwk carries a private key"},
		{"7 a point that is not on the curve", good(prooftest.Head("jwk", map[string]any{"kty": "EC", "crv": "P-256", "x": strings.Repeat("A", 43), "y": strings.Repeat("A", 43)})), "jwk is not a public key for this alg"},
		{"8 for another method", of("POST", api+"/orders"), "htm is not the method of this request"},
		{"8 for the method in small letters", of("get", api+"/orders"), "htm is not the method of this request"},
		{"9 for the address with its query, which does not count", of("GET", api+"/orders?side=sell#top"), ""},
		{"9 for the address written otherwise", of("GET", "HTTPS://API.example.com:443/./%6Frders"), ""},
		{"9 for another path", of("GET", api+"/orders/"), "htu is not the address of this request"},
		{"9 for a path in capitals", of("GET", api+"/Orders"), "htu is not the address of this request"},
		{"9 for another site", of("GET", "https://evil.example/orders"), "htu is not the address of this request"},
		{"9 for a site that ours begins with", of("GET", "https://api.example.com.evil.example/orders"), "htu is not the address of this request"},
		{"9 for plain http", of("GET", "http://api.example.com/orders"), "htu is not the address of this request"},
		{"9 with a name in front of the host", of("GET", "https://me@api.example.com/orders"), "htu is not the address of this request"},
		{"9 for the path alone", of("GET", "/orders"), "htu is not the address of this request"},
		{"11 made a minute ago", made(time.Minute), ""},
		{"11 made 61 seconds ago", made(61 * time.Second), "the proof was made too long ago or in the future"},
		{"11 made in ten seconds", made(-10 * time.Second), ""},
		{"11 made in eleven seconds", made(-11 * time.Second), "the proof was made too long ago or in the future"},
		{"11 expired by its own exp", good(prooftest.Claim("exp", is.clock.now().Unix()-10)), "the proof was made too long ago or in the future"},
		{"11 not good before a minute from now, by its own nbf", good(prooftest.Claim("nbf", is.clock.now().Unix()+60)), "the proof was made too long ago or in the future"},
		{"12 no ath", good(prooftest.Claim("ath", nil)), "ath is not the hash of the access token"},
		{"12 ath of another token", good(prooftest.Token("another")), "ath is not the hash of the access token"},
		{"12 made with another key", is.prove(other, token), "the proof was made with another key than the token is bound to"},
		{"12 made with an Ed25519 key, which is another", is.prove(prooftest.NewEd25519Key(), token), "the proof was made with another key than the token is bound to"},
	}
}

// flip changes a character in the middle of the signature.
func flip(jws string) string {
	i := len(jws) - 40
	c := byte('A')
	if jws[i] == c {
		c = 'B'
	}
	return jws[:i] + string(c) + jws[i+1:]
}

func TestProofs(t *testing.T) {
	is, k := newIssuer(t), prooftest.NewKey()
	v, token := is.verifier(t), is.bound(k)
	for _, c := range proofCases(is, k, token) {
		t.Run(c.name, func(t *testing.T) {
			_, err := v.Check(dpop(token, c.proof), rs.Need{})
			want := "invalid_dpop_proof: " + c.want
			switch {
			case c.want == "":
				want = ""
			case strings.Contains(c.want, "another key"):
				want = "invalid_token: " + c.want // RFC 9449 §7.1, Figure 15
			}
			if got := why(t, err); got != want {
				t.Errorf("%q, want %q", got, want)
			}
			agrees(t, c.proof, token, k.JKT(), is.clock.now(), err)
		})
	}
}

// agrees holds the door of a Verifier against ReadProof, which is another way to the same reader, and what both
// accept against go-jose.
func agrees(t *testing.T, header, token, jkt string, at time.Time, err error) {
	t.Helper()
	p, alone := rs.ReadProof(header, rs.ProofNeed{Method: "GET", URL: api + "/orders", AccessToken: token, JKT: jkt}, at)
	if why(t, err) != why(t, alone) {
		t.Errorf("Check says %v, ReadProof says %v, of %q", err, alone, header)
	}
	if err == nil {
		joseReadsTheSame(t, header, p)
	}
}

func TestAnEd25519KeyServesAsWell(t *testing.T) {
	is, k := newIssuer(t), prooftest.NewEd25519Key()
	token := is.bound(k)
	if _, err := is.verifier(t).Check(dpop(token, is.prove(k, token)), rs.Need{}); err != nil {
		t.Error(err)
	}
}

func TestOneDPoPHeader(t *testing.T) {
	is, k := newIssuer(t), prooftest.NewKey()
	v, token := is.verifier(t), is.bound(k)
	r := dpop(token, is.prove(k, token))
	r.Header.Add("DPoP", is.prove(k, token))
	if _, err := v.Check(r, rs.Need{}); why(t, err) != "invalid_dpop_proof: more than one DPoP header" {
		t.Error(err)
	}
	r.Header.Del("DPoP")
	if _, err := v.Check(r, rs.Need{}); why(t, err) != "invalid_dpop_proof: no DPoP header" {
		t.Error(err)
	}
}

func TestAProofIsGoodOnce(t *testing.T) {
	is, k := newIssuer(t), prooftest.NewKey()
	v, token := is.verifier(t), is.bound(k)
	p := is.prove(k, token)
	for i, want := range []string{"", "invalid_dpop_proof: the proof was used before", "invalid_dpop_proof: the proof was used before"} {
		if _, err := v.Check(dpop(token, p), rs.Need{}); why(t, err) != want {
			t.Errorf("time %d: %v, want %q", i+1, err, want)
		}
	}
	// The same id under another key is another proof: nobody can use up somebody else's.
	k2 := prooftest.NewKey()
	token2 := is.bound(k2)
	for _, name := range []string{"first", "again"} {
		p2 := is.prove(k2, token2, prooftest.JTI("the-same-id-for-both"))
		_, err := v.Check(dpop(token2, p2), rs.Need{})
		if (err == nil) != (name == "first") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := v.Check(dpop(token, is.prove(k, token, prooftest.JTI("the-same-id-for-both"))), rs.Need{}); err != nil {
		t.Error(err)
	}
}

type brokenReplay struct{ err error }

func (b brokenReplay) Spend(context.Context, [32]byte, time.Time) (bool, error) { return false, b.err }

func TestWithoutAMemoryOfProofsNobodyComesIn(t *testing.T) {
	is, k := newIssuer(t), prooftest.NewKey()
	token := is.bound(k)
	for err, want := range map[error]string{rs.ErrFull: "temporarily_unavailable: too many proofs to remember", errors.New("connection refused"): "temporarily_unavailable: proofs cannot be remembered"} {
		v := is.verifier(t, func(c *rs.Config) { c.Replay = brokenReplay{err} })
		if _, err := v.Check(dpop(token, is.prove(k, token)), rs.Need{}); why(t, err) != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestABadProofIsNotSpent(t *testing.T) {
	is, k := newIssuer(t), prooftest.NewKey()
	spent := 0
	v := is.verifier(t, func(c *rs.Config) { c.Replay = countingReplay{&spent} })
	token := is.bound(k)
	for _, c := range proofCases(is, k, token) {
		if c.want != "" {
			v.Check(dpop(token, c.proof), rs.Need{})
		}
	}
	if spent != 0 {
		t.Errorf("%d bad proofs took up memory", spent)
	}
}

type countingReplay struct{ n *int }

func (c countingReplay) Spend(context.Context, [32]byte, time.Time) (bool, error) {
	*c.n++
	return true, nil
}

// A handler behind http.StripPrefix sees another path than the client wrote, and proofs are about the latter.
func TestProofsAreAboutWhatTheClientWrote(t *testing.T) {
	is, k := newIssuer(t), prooftest.NewKey()
	token := is.bound(k)
	v := is.verifier(t, func(c *rs.Config) { c.PublicURL = api + "/exchange/" })
	ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
	h := http.StripPrefix("/v1", v.Require(rs.Need{}, ok))
	for url, want := range map[string]int{api + "/exchange/v1/orders": 200, api + "/exchange/orders": 401, api + "/v1/orders": 401, api + "/orders": 401} {
		r := httptest.NewRequest("GET", "/v1/orders", nil)
		r.Host = "evil.example" // the Host of the request is not asked
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", k.Proof("GET", url, is.clock.now(), prooftest.Token(token)))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("a proof for %s: %d, want %d", url, w.Code, want)
		}
	}
}

func TestNonces(t *testing.T) {
	is, k := newIssuer(t), prooftest.NewKey()
	if _, err := rs.NewNonces(make([]byte, 31)); err == nil {
		t.Error("a short secret was taken")
	}
	secret := sha256.Sum256([]byte("a secret"))
	n, err := rs.NewNonces(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := rs.NewNonces(make([]byte, 32))
	token := is.bound(k)
	v := is.verifier(t, func(c *rs.Config) { c.Nonces = n })
	h := v.Require(rs.Need{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	ask := func(options ...prooftest.Option) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, dpop(token, is.prove(k, token, options...)))
		return w
	}
	w := ask()
	given := w.Header().Get("DPoP-Nonce")
	if challenge := w.Header().Get("WWW-Authenticate"); w.Code != 401 || given == "" || !strings.Contains(challenge, `error="use_dpop_nonce"`) {
		t.Fatalf("%d, nonce %q, %s", w.Code, given, challenge)
	}
	for _, c := range []struct {
		name, nonce string
		pass        time.Duration
		want        int
	}{
		{"the nonce that was given", given, 0, 200},
		{"the nonce of another server", foreign.Mint(now), 0, 401},
		{"an empty nonce", "", 0, 401},
		{"two minutes later", given, 2 * time.Minute, 200},
		{"four minutes later", given, 2 * time.Minute, 401},
	} {
		is.clock.pass(c.pass)
		token = is.bound(k)
		if w := ask(prooftest.Nonce(c.nonce)); w.Code != c.want || w.Header().Get("DPoP-Nonce") == "" {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.want)
		}
	}
}
