package device

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// certificateFor is a certificate about any key, as a stranger can make one.
func certificateFor(t *testing.T, key any) []byte {
	t.Helper()
	ca, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		Subject: pkix.Name{
			CommonName: "any", Country: []string{"KR"}, Organization: []string{"Any"}, OrganizationalUnit: []string{"Authenticator Attestation"},
		},
	}
	if key == nil {
		key = &ca.PublicKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key, ca)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func rsaKey(bits, exponent int) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	return &rsa.PublicKey{N: n.Sub(n, big.NewInt(1)), E: exponent}
}

// Each row is at the edge of what may be computed with, or one past it.
func TestWhatAStatementMayCost(t *testing.T) {
	ec := certificateFor(t, nil)
	times := func(n int, v any) (out []any) {
		for range n {
			out = append(out, v)
		}
		return out
	}
	packed := func(sig int, x5c ...any) any {
		m := map[string]any{"alg": -7, "sig": make([]byte, sig)}
		if len(x5c) > 0 {
			m["x5c"] = x5c
		}
		return m
	}
	compound := func(parts ...any) any {
		var all []any
		for _, p := range parts {
			all = append(all, map[string]any{"fmt": "packed", "attStmt": p})
		}
		return all
	}
	const taken = ""
	for _, tc := range []struct {
		name string
		stmt any
		why  string
	}{
		{"nothing", map[string]any{}, taken},
		{"five certificates, as Android has", packed(64, times(5, ec)...), taken},
		{"six certificates", packed(64, times(6, ec)...), "more than 5 certificates"},
		{"RSA of 4096 bits and 65537", packed(64, certificateFor(t, rsaKey(4096, 65537))), taken},
		{"RSA of 2048 bits and 3", packed(64, certificateFor(t, rsaKey(2048, 3))), taken},
		{"RSA of 4097 bits", packed(64, certificateFor(t, rsaKey(4097, 65537))), "4097 bits"},
		{"RSA of 2047 bits", packed(64, certificateFor(t, rsaKey(2047, 65537))), "2047 bits"},
		{"an exponent past 65537", packed(64, certificateFor(t, rsaKey(2048, 65539))), "exponent 65539"},
		{"an exponent of 31 bits", packed(64, certificateFor(t, rsaKey(2048, 1<<31-1))), "exponent 2147483647"},
		{"an even exponent", packed(64, certificateFor(t, rsaKey(2048, 4))), "exponent 4"},
		{"a heavy key behind a light one", packed(64, ec, certificateFor(t, rsaKey(8192, 65537))), "certificate 2"},
		{"a certificate that is none", packed(64, []byte("none")), "certificate 1"},
		{"a certificate as text", packed(64, "none"), "byte string"},
		{"x5c that is no list", map[string]any{"x5c": ec}, "no list"},
		{"a signature of 512 bytes", packed(512), taken},
		{"a signature of 513 bytes", packed(513), "512 bytes"},
		{"a signature that is text", map[string]any{"sig": "signed"}, "512 bytes"},
		{"four statements in one", compound(times(4, packed(64, ec))...), taken},
		{"five statements in one", compound(times(5, packed(64))...), "more than 4 signatures"},
		{"certificates spread over statements", compound(packed(64, times(3, ec)...), packed(64, times(3, ec)...)), "more than 5"},
		{"a heavy key in a part", compound(packed(64, ec), packed(64, certificateFor(t, rsaKey(4097, 3)))), "4097 bits"},
	} {
		raw, err := cbor.Marshal(tc.stmt)
		if err != nil {
			t.Fatal(err)
		}
		err = weighStatement(raw)
		switch {
		case (tc.why == taken) != (err == nil):
			t.Errorf("%s: %v", tc.name, err)
		case err != nil && !strings.Contains(err.Error(), tc.why):
			t.Errorf("%s: refused because %v, want %q", tc.name, err, tc.why)
		}
	}
}

// TestAHeavyStatementIsRefusedUnverified is the attack as it was found: a
// sign-up that costs a second. The key in it is as heavy as now fits.
func TestAHeavyStatementIsRefusedUnverified(t *testing.T) {
	heavy := certificateFor(t, rsaKey(15_000*8, 1<<31-1))
	client := []byte(`{"type":"webauthn.create","challenge":"AAAAAAAAAAAAAAAAAAAAAA","origin":"https://example.com"}`)
	cd, err := parseClientData(client)
	if err != nil {
		t.Fatal(err)
	}
	honest, err := parseAttestation(seedAttestations(t)[3])
	if err != nil {
		t.Fatal(err)
	}
	object := func(format string, pad int) []byte {
		b, err := cbor.Marshal(map[string]any{
			"fmt": format, "authData": honest.AuthData,
			"attStmt": map[string]any{"alg": -257, "sig": bytes.Repeat([]byte{1}, 512), "x5c": []any{heavy}, "pad": make([]byte, pad)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ad, err := parseAuthData(honest.AuthData)
	if err != nil {
		t.Fatal(err)
	}
	st := site{rpID: "example.com", origins: []string{"https://example.com"}}
	if sha256.Sum256([]byte(st.rpID)) != ad.rpIDHash {
		t.Fatal("the seed is for another site")
	}
	for _, tc := range []struct {
		name, format, why string
		pad               int
	}{
		{"packed", "packed", "120000 bits", 0},
		{"tpm", "tpm", "120000 bits", 0},
		{"android-key", "android-key", "120000 bits", 0},
		{"fido-u2f", "fido-u2f", "120000 bits", 0},
		{"apple", "apple", "120000 bits", 0},
		{"larger than any honest one", "packed", "attestation of", maxAttestation},
	} {
		r := &response{id: ad.credentialID, clientData: client, attestation: object(tc.format, tc.pad)}
		if _, err := st.create(t.Context(), make(bench, 1), cd.challenge, cd, r); err == nil || !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.why)
		}
	}
}

func TestACrowdOfStatementsWaitsItsTurn(t *testing.T) {
	b := make(bench, 2)
	seated, leave := make(chan struct{}), make(chan struct{})
	for range 2 {
		go b.sit(context.Background(), func() error { seated <- struct{}{}; <-leave; return nil })
		<-seated
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.sit(ctx, func() error { t.Error("a third one was judged"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up waiting got %v", err)
	}
	close(leave)
	judged := false
	if err := b.sit(t.Context(), func() error { judged = true; return nil }); err != nil || !judged {
		t.Errorf("the next one: %v, %v", judged, err)
	}
}
