package executor_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"keyward/executor"
)

// The other side, in a test: an issuer, a person's key of each kind, and what they sign.

const (
	issuer   = "https://login.example.com"
	audience = "treasury"
	rpID     = "example.com"
)

var (
	start  = time.Date(2026, 3, 12, 5, 7, 0, 0, time.UTC)
	wanted = executor.Withdrawal{Account: "acc_01jp5b0a3v8qk2m9x7c4d6e1fz", Asset: "BTC", Network: "bitcoin", Amount: "0.25", MaxFee: "0.0001",
		Address: "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", Memo: "Rent, March"}
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func newEC() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func coordinates(k *ecdsa.PublicKey) (x, y []byte) {
	p, err := k.Bytes()
	if err != nil {
		panic(err)
	}
	return p[1:33], p[33:]
}

// jws signs a compact JWS by ES256.
func jws(key *ecdsa.PrivateKey, head, body string) string {
	text := b64([]byte(head)) + "." + b64([]byte(body))
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return text + "." + b64(sig[:])
}

// person is a passkey of one of the three algorithms, or the touch key of a phone.
type person struct {
	ec    *ecdsa.PrivateKey
	ed    ed25519.PrivateKey
	rsa   *rsa.PrivateKey
	phone bool
}

func bstr(b []byte) []byte {
	if len(b) < 24 {
		return append([]byte{0x40 | byte(len(b))}, b...)
	}
	if len(b) < 256 {
		return append([]byte{0x58, byte(len(b))}, b...)
	}
	return append([]byte{0x59, byte(len(b) >> 8), byte(len(b))}, b...)
}

func (p person) cose() []byte {
	switch {
	case p.ec != nil:
		x, y := coordinates(&p.ec.PublicKey)
		return append(append(append([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21}, bstr(x)...), 0x22), bstr(y)...)
	case p.ed != nil:
		return append([]byte{0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21}, bstr(p.ed.Public().(ed25519.PublicKey))...)
	}
	return append(append([]byte{0xa4, 1, 3, 3, 0x39, 1, 0, 0x20}, bstr(p.rsa.N.Bytes())...), 0x21, 0x43, 1, 0, 1)
}

func (p person) sign(what []byte) []byte {
	digest := sha256.Sum256(what)
	var sig []byte
	var err error
	switch {
	case p.ec != nil:
		sig, err = ecdsa.SignASN1(rand.Reader, p.ec, digest[:])
	case p.ed != nil:
		sig = ed25519.Sign(p.ed, what)
	default:
		sig, err = rsa.SignPKCS1v15(rand.Reader, p.rsa, 5, digest[:])
	}
	if err != nil {
		panic(err)
	}
	return sig
}

// made is what goes into a proof; tests change a part and have the rest signed anew.
type made struct {
	intent     executor.Intent
	nonce      [32]byte
	challenge  []byte // nil: the right one
	client     string // nil: as a browser writes it
	flags      byte
	rpID       string
	act, about string
	claims     map[string]any
	typ        string
	kid        string
	by         *ecdsa.PrivateKey // who signs the token
}

func newMade() *made {
	return &made{
		intent: executor.Intent{ID: "int_01jp5b0a3v8qk2m9x7c4d6e1f8", Withdrawal: wanted, Created: start.Unix(), Expires: start.Unix() + 120},
		nonce:  sha256.Sum256([]byte("nonce")), flags: 0x1d, rpID: rpID, act: "confirm", typ: "kw-confirmation+jwt", kid: "k1", claims: map[string]any{},
	}
}

func (m *made) token(p person, key *ecdsa.PrivateKey) string {
	if m.by != nil {
		key = m.by
	}
	raw := m.intent.CBOR()
	c := executor.Challenge(raw, m.nonce)
	if m.challenge == nil {
		m.challenge = c[:]
	}
	evidence := map[string]string{"public_key": b64(p.cose()), "credential_id": b64([]byte("credential-id-16"))}
	if p.phone {
		x, y := coordinates(&p.ec.PublicKey)
		thumb := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + b64(x) + `","y":"` + b64(y) + `"}`))
		about := m.about
		if about == "" {
			about = m.intent.ID
		}
		evidence["type"] = "phone"
		evidence["statement"] = jws(p.ec, `{"alg":"ES256","typ":"kw-touch+jwt","kid":"`+b64(thumb[:])+`"}`,
			fmt.Sprintf(`{"aud":%q,"session":"s","challenge":%q,"act":%q,"object":%q}`, m.rpID, b64(m.challenge), m.act, about))
	} else {
		client := m.client
		if client == "" {
			client = `{"type":"webauthn.get","challenge":"` + b64(m.challenge) + `","origin":"` + issuer + `","crossOrigin":false}`
		}
		hash := sha256.Sum256([]byte(m.rpID))
		auth := binary.BigEndian.AppendUint32(append(hash[:], m.flags), 7)
		sum := sha256.Sum256([]byte(client))
		evidence["type"], evidence["authenticator_data"], evidence["client_data_json"] = "webauthn", b64(auth), b64([]byte(client))
		evidence["signature"] = b64(p.sign(append(append([]byte{}, auth...), sum[:]...)))
	}
	w := m.intent.Withdrawal
	claims := map[string]any{
		"iss": issuer, "sub": w.Account, "aud": audience, "jti": m.intent.ID, "iat": start.Unix() + 21, "approved": start.Unix() + 20, "exp": start.Unix() + 140,
		"authorization_details": []map[string]string{{"type": "keyward_withdrawal", "asset": w.Asset, "network": w.Network, "amount": w.Amount, "max_fee": w.MaxFee, "address": w.Address, "memo": w.Memo}},
		"intent":                b64(raw), "nonce": b64(m.nonce[:]), "grade": "hardware", "rule": "hardware", "evidence": evidence,
	}
	for k, v := range m.claims {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return jws(key, `{"alg":"ES256","kid":"`+m.kid+`","typ":"`+m.typ+`"}`, string(body))
}

func jwks(key *ecdsa.PublicKey) string {
	x, y := coordinates(key)
	return fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","x":%q,"y":%q,"kid":"k1","use":"sig","alg":"ES256"}]}`, b64(x), b64(y))
}

// answering is an issuer that says one thing.
type answering string

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

func verifier(t testing.TB, keys string, change ...func(*executor.Config)) *executor.Verifier {
	t.Helper()
	c := executor.Config{
		Issuer: issuer, Audience: audience, RPID: rpID, Origins: []string{issuer}, JWKSURL: issuer + "/oauth/jwks",
		HTTPClient: &http.Client{Transport: answering(keys)},
	}
	for _, f := range change {
		f(&c)
	}
	v, err := executor.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
