package proof_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"keyward/internal/proof"
	"keyward/internal/proof/prooftest"
	"keyward/rs"
)

const (
	here  = "https://login.example.com/oauth/token"
	token = "kwa_an_access_token"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// What a proof may look like is held by the tests of rs; here, that each wish of ours reaches its reader and how
// its refusals come back.
func TestVerifyDPoP(t *testing.T) {
	k := prooftest.NewKey()
	good := func(options ...prooftest.Option) string { return k.Proof("POST", here, now, options...) }
	at := func(d time.Duration) string { return k.Proof("POST", here, now.Add(d)) }
	isN1 := func(n string) bool { return n == "n1" }
	for _, c := range []struct {
		name   string
		header string
		want   proof.Want
		err    error
	}{
		{"a good proof", good(), proof.Want{}, nil},
		{"nothing in the header", "", proof.Want{}, proof.ErrInvalid},
		{"made for another method", good(), proof.Want{Method: "GET"}, proof.ErrInvalid},
		{"made for another address", good(), proof.Want{URL: here + "/x"}, proof.ErrInvalid},
		{"beside the token it names", good(prooftest.Token(token)), proof.Want{AccessToken: token}, nil},
		{"beside a token, and it names none", good(), proof.Want{AccessToken: token}, proof.ErrInvalid},
		{"beside another token", good(prooftest.Token("another")), proof.Want{AccessToken: token}, proof.ErrInvalid},
		{"with the key it is bound to", good(), proof.Want{JKT: k.JKT()}, nil},
		{"with another key", good(), proof.Want{JKT: prooftest.NewKey().JKT()}, proof.ErrInvalid},
		{"with our nonce", good(prooftest.Nonce("n1")), proof.Want{Nonce: isN1}, nil},
		{"without our nonce", good(), proof.Want{Nonce: isN1}, proof.ErrNonce},
		{"with another nonce", good(prooftest.Nonce("n0")), proof.Want{Nonce: isN1}, proof.ErrNonce},
		{"with another nonce and no jti: a new nonce would not help", good(prooftest.Nonce("n0"), prooftest.Claim("jti", nil)), proof.Want{Nonce: isN1}, proof.ErrInvalid},
		{"made a minute ago", at(-proof.MaxAge), proof.Want{}, nil},
		{"made a second earlier", at(-proof.MaxAge - time.Second), proof.Want{}, proof.ErrInvalid},
		{"made ten seconds from now", at(proof.MaxAhead), proof.Want{}, nil},
		{"made a second later", at(proof.MaxAhead + time.Second), proof.Want{}, proof.ErrInvalid},
		{"signed by somebody else", prooftest.NewKey().Proof("POST", here, now, prooftest.Head("jwk", k.JWK())), proof.Want{}, proof.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want.Method == "" {
				c.want.Method = "POST"
			}
			if c.want.URL == "" {
				c.want.URL = here
			}
			got, err := proof.VerifyDPoP(c.header, c.want, now)
			if !errors.Is(err, c.err) {
				t.Fatalf("error is %v, want %v", err, c.err)
			}
			if c.err == nil && (got.JKT != k.JKT() || len(got.JTI) < 16 || got.IAT.Sub(now).Abs() > proof.MaxAge) {
				t.Errorf("gave %+v", got)
			}
			if c.err != nil && (got != proof.Proof{} || errors.Is(err, proof.ErrInvalid) == errors.Is(err, proof.ErrNonce) || errors.Is(err, proof.ErrAbsent)) {
				t.Errorf("gave %+v and %v: want nothing, and either a bad proof or a missing nonce", got, err)
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
		absent bool
	}{
		{"one", http.Header{"Dpop": {"proof"}}, nil, false},
		{"none", http.Header{}, proof.ErrInvalid, true},
		{"two", http.Header{"Dpop": {"proof", "proof"}}, proof.ErrInvalid, false},
		{"two, one of them empty", http.Header{"Dpop": {"", "proof"}}, proof.ErrInvalid, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := proof.Header(c.header)
			if !errors.Is(err, c.err) || (err == nil) != (got == "proof") || errors.Is(err, proof.ErrAbsent) != c.absent {
				t.Errorf("gave %q, %v", got, err)
			}
		})
	}
}

// The services behind us take a proof exactly as long as we do: whoever is refused at one door for its age must not
// find the other one open.
func TestTheWindowIsThatOfTheServices(t *testing.T) {
	k := prooftest.NewKey()
	header := k.Proof("POST", here, now)
	for d := -20 * time.Second; d < 90*time.Second; d += time.Second / 2 {
		ours, err := proof.VerifyDPoP(header, proof.Want{Method: "POST", URL: here}, now.Add(d))
		theirs, err2 := rs.ReadProof(header, rs.ProofNeed{Method: "POST", URL: here}, now.Add(d))
		if (err == nil) != (err2 == nil) || ours != theirs {
			t.Errorf("%v after it was made: we say %v, a service says %v", d, err, err2)
		}
	}
}
