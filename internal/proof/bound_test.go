package proof_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"keyward/internal/proof"
	"keyward/internal/proof/prooftest"
)

const (
	bindHere = "https://login.example.com/session/bound/new"
	showHere = "https://login.example.com/session/bound"
)

func TestReadRegistration(t *testing.T) {
	k := prooftest.NewKey()
	reg := func(options ...prooftest.Option) string { return k.Registration("c1", "a1", options...) }
	jwk := k.JWK()
	for _, c := range []struct {
		name, jwt string
		err       error
	}{
		{"as Chromium writes it", reg(), nil},
		{"with the members of the draft beside them", reg(prooftest.Claim("aud", bindHere), prooftest.Claim("iat", "1725579055")), nil},
		{"with members that nobody knows yet", reg(prooftest.Claim("later", map[string]any{"x": "y"}), prooftest.Head("kid", "1")), nil},
		{"made for another address", reg(prooftest.Claim("aud", "https://evil.example/new")), proof.ErrInvalid},
		{"without its key", reg(prooftest.Head("jwk", nil)), proof.ErrInvalid},
		{"with its private key", reg(prooftest.Head("jwk", prooftest.With(jwk, "d", "AAAA"))), proof.ErrInvalid},
		{"with a point beside the curve", reg(prooftest.Head("jwk", prooftest.With(jwk, "y", jwk["x"]))), proof.ErrInvalid},
		{"with a key of another curve", reg(prooftest.Head("jwk", prooftest.With(jwk, "crv", "P-384"))), proof.ErrInvalid},
		{"with a key in words", reg(prooftest.Head("jwk", "key")), proof.ErrInvalid},
		{"signed by somebody else", prooftest.NewKey().Registration("c1", "a1", prooftest.Head("jwk", jwk)), proof.ErrDeviceSignature},
		{"of another type", reg(prooftest.Head("typ", "dpop+jwt")), proof.ErrInvalid},
		{"of no type", reg(prooftest.Head("typ", nil)), proof.ErrInvalid},
		{"with no algorithm", reg(prooftest.Head("alg", "none")), proof.ErrInvalid},
		{"with RS256, which is not offered", reg(prooftest.Head("alg", "RS256")), proof.ErrInvalid},
		{"with an extension", reg(prooftest.Head("crit", "exp")), proof.ErrInvalid},
		{"with b64", reg(prooftest.Head("b64", false)), proof.ErrInvalid},
		{"without a challenge", reg(prooftest.Claim("jti", nil)), proof.ErrInvalid},
		{"with a number for a challenge", reg(prooftest.Claim("jti", 7)), proof.ErrInvalid},
		{"with an endless challenge", reg(prooftest.Claim("jti", strings.Repeat("c", 257))), proof.ErrInvalid},
		{"without authorization", reg(prooftest.Claim("authorization", nil)), proof.ErrInvalid},
		{"with an array", reg(prooftest.Claim("list", []int{1})), proof.ErrInvalid},
		{"with too much in it", reg(prooftest.Claim("long", strings.Repeat("x", 4096))), proof.ErrInvalid},
		{"with a challenge twice", k.Sign(head(k), []byte(`{"authorization":"a1","jti":"c1","jti":"c2"}`)), proof.ErrInvalid},
		{"with something behind its payload", k.Sign(head(k), []byte(`{"authorization":"a1","jti":"c1"}{}`)), proof.ErrInvalid},
		{"with a payload that is no UTF-8", k.Sign(head(k), []byte("{\"authorization\":\"a1\",\"jti\":\"\xff\"}")), proof.ErrInvalid},
		{"in four parts", reg() + ".x", proof.ErrInvalid},
		{"with a line break", strings.Replace(reg(), ".", "\n.", 1), proof.ErrInvalid},
		{"with padding", reg() + "=", proof.ErrInvalid},
		{"nothing", "", proof.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := proof.ReadRegistration(c.jwt, proof.DeviceWant{URL: bindHere})
			if !errors.Is(err, c.err) {
				t.Fatalf("error is %v, want %v", err, c.err)
			}
			if c.err == nil && (got.JKT != k.JKT() || got.Challenge != "c1" || got.Authorization != "a1") {
				t.Errorf("gave %+v", got)
			}
			if c.err != nil && got != (proof.DeviceProof{}) {
				t.Errorf("refused, and gave %+v", got)
			}
		})
	}
}

func head(k *prooftest.Key) []byte {
	x, y := k.JWK()["x"].(string), k.JWK()["y"].(string)
	return []byte(`{"alg":"ES256","jwk":{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"},"typ":"dbsc+jwt"}`)
}

func TestReadDeviceProof(t *testing.T) {
	k, other := prooftest.NewKey(), prooftest.NewKey()
	registered, err := proof.ReadRegistration(k.Registration("c0", "a0"), proof.DeviceWant{URL: bindHere})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, jwt string
		err       error
	}{
		{"as Chromium writes it", k.Device("c1"), nil},
		{"with the members of the draft", k.Device("c1", prooftest.Claim("aud", showHere), prooftest.Claim("sub", "ses_1")), nil},
		{"of another session", k.Device("c1", prooftest.Claim("sub", "ses_2")), proof.ErrInvalid},
		{"made for another address", k.Device("c1", prooftest.Claim("aud", bindHere)), proof.ErrInvalid},
		{"by another key", other.Device("c1"), proof.ErrDeviceSignature},
		{"by another key that it brings along", other.Device("c1", prooftest.Head("jwk", other.JWK())), proof.ErrInvalid},
		{"by the key, which it brings along", k.Device("c1", prooftest.Head("jwk", k.JWK())), proof.ErrInvalid},
		{"a DPoP proof of the key", k.Proof("POST", showHere, now), proof.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, err := proof.ReadDeviceProof(c.jwt, proof.DeviceWant{URL: showHere, Session: "ses_1"})
			if err == nil {
				err = j.SignedBy(registered.JWK)
			}
			if !errors.Is(err, c.err) || c.err == nil && j.Challenge != "c1" {
				t.Errorf("gave %q, %v, want %v", j.Challenge, err, c.err)
			}
		})
	}
	// Only a good signature of somebody else is told apart, and no text repeats what came.
	if _, err := proof.ReadDeviceProof("secret.secret.secret", proof.DeviceWant{}); errors.Is(err, proof.ErrDeviceSignature) || strings.Contains(err.Error(), "secret") {
		t.Errorf("junk is %v", err)
	}
}

// The draft says sf-string, Chromium sends it bare.
func TestDeviceHeader(t *testing.T) {
	for _, c := range []struct {
		name, want string
		lines      []string
		ok         bool
	}{
		{"bare", "ses_1", []string{"ses_1"}, true},
		{"quoted", "ses_1", []string{`"ses_1"`}, true},
		{"quoted, with parameters, which do not count", "ses_1", []string{`"ses_1";v=1;w="x"`}, true},
		{"with spaces around it", "ses_1", []string{"  ses_1\t"}, true},
		{"with escapes", `a"b\`, []string{`"a\"b\\"`}, true},
		{"a bare list", "", []string{"a, b"}, false},
		{"a quoted list", "", []string{`"a", "b"`}, false},
		{"a list behind a parameter", "", []string{`"a";v=1, "b"`}, false},
		{"bare with a parameter", "", []string{"a;v=1"}, false},
		{"never closed", "", []string{`"a`}, false},
		{"an escape of something else", "", []string{`"a\n"`}, false},
		{"an escape of nothing", "", []string{`"a\`}, false},
		{"nothing", "", []string{""}, false},
		{"nothing in quotes", "", []string{`""`}, false},
		{"twice", "", []string{"a", "a"}, false},
		{"not ASCII", "", []string{"é"}, false},
		{"too long", "", []string{strings.Repeat("a", 5000)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := proof.DeviceHeader(http.Header{http.CanonicalHeaderKey(proof.HeaderDeviceSession): c.lines}, proof.HeaderDeviceSession)
			if got != c.want || (err == nil) != c.ok || errors.Is(err, proof.ErrDeviceAbsent) || err != nil && !errors.Is(err, proof.ErrInvalid) {
				t.Errorf("gave %q, %v", got, err)
			}
		})
	}
	if _, err := proof.DeviceHeader(http.Header{}, proof.HeaderDeviceProof); !errors.Is(err, proof.ErrDeviceAbsent) {
		t.Errorf("no header is %v", err)
	}
}

func TestSkippedIsAWordOfOurs(t *testing.T) {
	for line, want := range map[string]string{
		`quota_exceeded;session_identifier="ses_1"`: "quota_exceeded", "unreachable": "unreachable", "server_error, unreachable": "server_error",
		"": "", "quota_exceededx": "", "<script>": "", `"quota_exceeded"`: "",
	} {
		if got := proof.Skipped(http.Header{proof.HeaderDeviceSkipped: {line}}); got != want {
			t.Errorf("%q is %q, want %q", line, got, want)
		}
	}
}

// Whatever we accept, go-jose, which shares no code with ours, accepts too and reads the
// same.
func FuzzDeviceJWT(f *testing.F) {
	k := prooftest.NewKey()
	f.Add(k.Registration("c1", "a1"))
	f.Add(k.Registration("c1", "a1", prooftest.Claim("aud", bindHere), prooftest.Head("kid", "1")))
	f.Add(k.Device("c1"))
	f.Add(k.Sign(head(k), []byte(`{"authorization":"a1","jti":"c1","jti":"c2"}`)))
	f.Add(k.Sign([]byte(`{"alg":"ES256","typ":"dbsc+jwt","jwk":{"kty":"EC"}}`), []byte(`{"jti":"\ud800"}`)))
	f.Add("..")
	registered, err := proof.ReadRegistration(k.Registration("c0", "a0"), proof.DeviceWant{URL: bindHere})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, jwt string) {
		if p, err := proof.ReadRegistration(jwt, proof.DeviceWant{URL: bindHere}); err == nil {
			jws, err := jose.ParseSignedCompact(jwt, []jose.SignatureAlgorithm{jose.ES256})
			if err != nil {
				t.Fatalf("go-jose does not parse what we accept: %v", err)
			}
			if _, err := jws.Verify(jws.Signatures[0].Protected.JSONWebKey); err != nil {
				t.Fatalf("go-jose does not verify what we accept: %v", err)
			}
			if len(p.JKT) != 43 || p.Challenge == "" {
				t.Errorf("accepted with %+v", p)
			}
		} else if !errors.Is(err, proof.ErrInvalid) {
			t.Errorf("refused with %v", err)
		}
		if j, err := proof.ReadDeviceProof(jwt, proof.DeviceWant{URL: showHere, Session: "ses_1"}); err == nil && j.SignedBy(registered.JWK) == nil {
			jws, err := jose.ParseSignedCompact(jwt, []jose.SignatureAlgorithm{jose.ES256})
			if err != nil || jws.Signatures[0].Protected.JSONWebKey != nil {
				t.Fatalf("go-jose reads another JWT: %v", err)
			}
		}
	})
}

func FuzzDeviceHeader(f *testing.F) {
	for _, line := range []string{"ses_1", `"ses_1"`, `"a\"b";v=1`, "a, b", `"`, "", "\x00"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, err := proof.DeviceHeader(http.Header{http.CanonicalHeaderKey(proof.HeaderDeviceSession): {line}}, proof.HeaderDeviceSession)
		if err != nil {
			if got != "" || !errors.Is(err, proof.ErrInvalid) {
				t.Errorf("refused %q with %q, %v", line, got, err)
			}
			return
		}
		for i := range len(got) {
			if got[i] < ' ' || got[i] > '~' {
				t.Errorf("%q gives %q", line, got)
			}
		}
		// What we read is what we would write.
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(got) + `"`
		if again, err := proof.DeviceHeader(http.Header{http.CanonicalHeaderKey(proof.HeaderDeviceSession): {quoted}}, proof.HeaderDeviceSession); err != nil || again != got {
			t.Errorf("%q is %q, and quoted %q, %v", line, got, again, err)
		}
		proof.Skipped(http.Header{proof.HeaderDeviceSkipped: {line}})
	})
}
