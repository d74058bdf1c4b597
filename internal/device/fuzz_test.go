package device

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"keyward/internal/keyring/keyringtest"
)

// Each parser that faces the network has a target. None may panic, and what one
// accepts must survive being written and read again.

func FuzzClientData(f *testing.F) {
	for _, s := range []string{
		`{"type":"webauthn.get","challenge":"AAAA","origin":"https://example.com","crossOrigin":false}`,
		`{"type":"webauthn.create","challenge":"","origin":"android:apk-key-hash:x","crossOrigin":true,"topOrigin":"https://example.org"}`,
		`{"type":"webauthn.get","challenge":"AA","challenge":"AB","origin":"x"}`,
		`{"type":"webauthn.get","\u0063hallenge":"AA","challenge":"AB","origin":"x"}`,
		`{"Type":"webauthn.get","CHALLENGE":"AA","origin":"x"}`,
		`{"type":null,"challenge":"AAB","origin":1}`, `{} {}`, `[]`, ``, "\xef\xbb\xbf{}", "{\"\xff\":1}",
		`{"type":"t","challenge":"AA","origin":"o","crossOrigin":"true"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseClientData(b)
		if err != nil {
			return
		}
		m, err := members(b)
		if err != nil {
			t.Fatalf("client data without members: %v", err)
		}
		if again, err := m.bytes("challenge"); err != nil || !bytes.Equal(again, c.challenge) {
			t.Fatalf("challenge %x, then %x", c.challenge, again)
		}
		if bytes.Count(b, []byte(`"challenge":`)) > 1 && bytes.Count(b, []byte(`{`)) == 1 && !bytes.Contains(b, []byte(`\`)) {
			t.Fatalf("two challenges in %q", b)
		}
	})
}

// FuzzMembers compares our splitter with the standard library, which must read the
// same values wherever both read anything.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":"\\\"}","b":[{"c":"]"},{}],"d":{"e":{"f":null}},"g":-1.5e3,"h":true}`,
		`{"a" : 1 ,"b"	:[ ] , "c":"x" }`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"":{"":[]}}`, `[1]`, `"x"`, `{} {}`, `{"a":1,}`, `{"a"}`,
		`{"\ud800":1,"\ufffd":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, err := members(b)
		var std map[string]json.RawMessage
		stdErr := json.Unmarshal(b, &std)
		if err != nil {
			return
		}
		if stdErr != nil || len(std) != len(ours) {
			t.Fatalf("%q: %d members, the library has %d, %v", b, len(ours), len(std), stdErr)
		}
		for name, v := range std {
			if !bytes.Equal(v, ours[name]) {
				t.Fatalf("%q: member %q is %q, the library has %q", b, name, ours[name], v)
			}
		}
	})
}

func FuzzAuthData(f *testing.F) {
	head := bytes.Repeat([]byte{1}, 32)
	f.Add(append(head[:32:32], flagUP|flagUV, 0, 0, 0, 1))
	f.Add(append(head[:32:32], flagUP|flagUV, 0, 0, 0, 1, 0))
	f.Add(append(head[:32:32], flagUP|flagED, 0, 0, 0, 1, 0xa0))
	f.Add(append(head[:32:32], flagUP|flagED, 0, 0, 0, 1, 0xa2, 0x61, 'a', 1, 0x61, 'a', 1))
	key := append(head[:32:32], flagUP|flagUV|flagAT, 0, 0, 0, 0)
	key = append(key, make([]byte, 16)...)
	f.Add(append(key[:len(key):len(key)], 0, 2, 9, 9, 0xa1, 1, 2))
	f.Add(append(key[:len(key):len(key)], 0xff, 0xff, 9, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseAuthData(b)
		if err != nil {
			return
		}
		if len(a.credentialID) > maxCredentialID || a.has(flagAT) != (a.publicKey != nil) {
			t.Fatalf("flags %08b, id of %d bytes, key of %d bytes", a.flags, len(a.credentialID), len(a.publicKey))
		}
		if len(b) < maxAuthData {
			if _, err := parseAuthData(append(bytes.Clone(b), 0)); err == nil {
				t.Fatal("a byte more is accepted too")
			}
		}
		if a.publicKey != nil {
			_, _ = checkKey(a.publicKey)
		}
	})
}

func FuzzAttestation(f *testing.F) {
	for _, b := range seedAttestations(f) {
		f.Add(b)
		f.Add(append(bytes.Clone(b), 0))
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseAttestation(b)
		if err != nil {
			return
		}
		if len(o.Format) > maxFormat {
			t.Fatalf("format %q", o.Format)
		}
		// The whole judgement, library included, must not panic.
		st := site{rpID: "example.com", origins: []string{"https://example.com"}, unverified: true}
		cd := clientData{typ: "webauthn.create", challenge: make([]byte, 16), origin: "https://example.com"}
		raw := []byte(`{"type":"webauthn.create","challenge":"AAAAAAAAAAAAAAAAAAAAAA","origin":"https://example.com"}`)
		id := make([]byte, 16)
		if ad, err := parseAuthData(o.AuthData); err == nil && ad.credentialID != nil {
			id = ad.credentialID
		}
		_, _ = st.create(t.Context(), make(bench, 1), cd.challenge, cd, &response{id: id, clientData: raw, attestation: b})
		_, _ = st.judgeStatement(cd, &response{id: id, clientData: raw, attestation: b})
	})
}

func FuzzCredential(f *testing.F) {
	for _, s := range []string{
		`{"id":"AAAAAAAAAAAAAAAAAAAAAA","rawId":"AAAAAAAAAAAAAAAAAAAAAA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA","transports":["usb","internal"]},"clientExtensionResults":{"credProps":{"rk":true}}}`,
		`{"id":"AAAAAAAAAAAAAAAAAAAAAA","rawId":"AAAAAAAAAAAAAAAAAAAAAA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA","userHandle":"AA"},"clientExtensionResults":{}}`,
		`{"id":"AAAAAAAAAAAAAAAAAAAAAA","rawId":"AAAAAAAAAAAAAAAAAAAAAB","type":"public-key","response":{}}`,
		`{"id":"AA","rawId":"AA","type":"public-key","response":null}`,
		`{"id":"AAAAAAAAAAAAAAAAAAAAAA","rawId":"AAAAAAAAAAAAAAAAAAAAAA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA","transports":[null,1]}}`,
		`{"response":{"clientDataJSON":"e30","clientDataJSON":"e31"}}`, `null`, `{`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, ceremony := range []string{"create", "get"} {
			r, err := parseResponse(b, ceremony)
			if err != nil {
				continue
			}
			if len(r.id) < minCredentialID || len(r.id) > maxCredentialID || len(r.userHandle) > maxHandle || len(r.signature) > maxSignature {
				t.Fatalf("sizes: id %d, handle %d, signature %d", len(r.id), len(r.userHandle), len(r.signature))
			}
		}
	})
}

func FuzzChallenge(f *testing.F) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	s, err := New(Config{RPID: "example.com", RPName: "x", Origins: []string{"https://example.com"}, Now: func() time.Time { return at }},
		keyringtest.NewTestRing(f), nil)
	if err != nil {
		f.Fatal(err)
	}
	p := purpose{ceremony: "get", subject: "acc_1", act: Act{"keys.add", ""}, bind: "b"}
	ours := s.issue(p)
	f.Add(ours)
	f.Add(ours[:challengeSize-1])
	f.Add(append(bytes.Clone(ours), 0))
	f.Add(make([]byte, challengeSize))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := s.check(p, b)
		if bytes.Equal(b, ours) != (err == nil) {
			t.Fatalf("%x: %v", b, err)
		}
		if err != nil && !errors.Is(err, ErrNotAccepted) {
			t.Fatalf("a forged challenge is told apart: %v", err)
		}
	})
}

// What an app sends: whatever is read must say the same when it is read again, and the
// keys in it lie on the curve.
func FuzzPhone(f *testing.F) {
	const jwk = `{"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}`
	const other = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`
	const jws = `eyJhbGciOiJFUzI1NiIsInR5cCI6Imt3LXRvdWNoK2p3dCIsImtpZCI6ImEifQ.eyJjaGFsbGVuZ2UiOiJBQUFBIn0.AAAA`
	for _, s := range []string{
		`{"type":"phone","platform":"android","touch_key":` + jwk + `,"session_key":` + other + `,"statement":"` + jws + `","session_chain":["AAAA"],"touch_chain":["AAAA","BBBB"]}`,
		`{"type":"phone","platform":"ios","touch_key":` + jwk + `,"session_key":` + other + `,"statement":"` + jws + `","app_key_id":"AAAA","app_attestation":"oA"}`,
		`{"type":"phone","id":"AAAA","statement":"` + jws + `","app_assertion":"oA"}`,
		`{"type":"phone","platform":"android","touch_key":` + jwk + `,"session_key":` + jwk + `}`, `{"type":"phone"}`, `{}`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fromPhone(b)
		if e, err := parseEnrolling(b); err == nil {
			if e.thumb == e.session || e.thumb != thumbprint(e.key) || len(e.sessionChain) > maxPhoneChain || len(e.touchChain) > maxPhoneChain {
				t.Fatalf("read %+v", e)
			}
			if pub, err := publicKeyOf(cose(e.key)); err != nil || !e.key.Equal(pub) {
				t.Fatalf("the key does not survive being stored: %v", err)
			}
		}
		if a, err := parseTouching(b); err == nil && encode(a.challenge) != a.statement.Challenge {
			t.Fatalf("challenge %x of %q", a.challenge, a.statement.Challenge)
		}
	})
}
