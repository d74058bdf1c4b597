package rs_test

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/http/httptest"
	"testing"

	"keyward/internal/proof/prooftest"
	"keyward/rs"
)

// Beside the limits of DESIGN §11, with the same load: bare is the signature check alone, HMAC what a check in
// process costs. Run all with -count and compare medians.

func BenchmarkBareES256(b *testing.B) {
	is := newIssuer(b)
	message := []byte(is.token(nil))
	digest := sha256.Sum256(message)
	sig, err := ecdsa.SignASN1(rand.Reader, is.key, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		digest := sha256.Sum256(message)
		if !ecdsa.VerifyASN1(&is.key.PublicKey, digest[:], sig) {
			b.Fatal("does not verify")
		}
	}
}

func BenchmarkBareHMAC(b *testing.B) {
	message, m := []byte(newIssuer(b).token(nil)), hmac.New(sha256.New, make([]byte, 32))
	var room [32]byte
	b.ReportAllocs()
	for b.Loop() {
		m.Reset()
		m.Write(message)
		m.Sum(room[:0])
	}
}

// BenchmarkFirstSight: more different tokens than are remembered, each shown in turn.
func BenchmarkFirstSight(b *testing.B) {
	is := newIssuer(b)
	v := is.verifier(b)
	reqs := make([]string, 1<<11)
	for i := range reqs {
		reqs[i] = is.token(claims{"jti": rand.Text()})
	}
	v.Check(bearer(reqs[0]), rs.Need{})
	r, i := bearer(""), 0
	b.ReportAllocs()
	for b.Loop() {
		if i++; i%len(reqs) == 0 {
			b.StopTimer()
			v = is.verifier(b) // forgets them all
			v.Check(bearer(is.token(nil)), rs.Need{})
			b.StartTimer()
		}
		r.Header["Authorization"] = []string{"Bearer " + reqs[i%len(reqs)]}
		if _, err := v.Check(r, rs.Need{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRemembered(b *testing.B) {
	is := newIssuer(b)
	v, r := is.verifier(b), bearer(is.token(nil))
	need := rs.Need{Scope: []string{"trade"}, ACR: rs.Phr}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Check(r, need); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRememberedInParallel(b *testing.B) {
	is := newIssuer(b)
	v, token := is.verifier(b), is.token(nil)
	b.RunParallel(func(pb *testing.PB) {
		r := bearer(token)
		for pb.Next() {
			if _, err := v.Check(r, rs.Need{}); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkProof: a remembered token with a new proof, so one signature check per request.
func BenchmarkProof(b *testing.B) {
	is, k := newIssuer(b), prooftest.NewKey()
	n := 0
	v := is.verifier(b, func(c *rs.Config) { c.Replay = countingReplay{&n} })
	token := is.bound(k)
	r := dpop(token, is.prove(k, token))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Check(r, rs.Need{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRefused: what junk costs before it is refused.
func BenchmarkRefused(b *testing.B) {
	is := newIssuer(b)
	v, r := is.verifier(b), bearer(is.token(claims{"iss": "https://evil.example"}))
	b.ReportAllocs()
	for b.Loop() {
		v.Refuse(httptest.NewRecorder(), func() error { _, err := v.Check(r, rs.Need{}); return err }())
	}
}
