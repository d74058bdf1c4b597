package prooftest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Key is a client's key pair.
type Key struct {
	alg    string
	signer crypto.Signer
	public jose.JSONWebKey
}

// NewKey is a fresh ES256 key, as browsers and most clients have it.
func NewKey() *Key {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return &Key{alg: "ES256", signer: k, public: jose.JSONWebKey{Key: k.Public()}}
}

// NewEd25519Key is a fresh EdDSA key.
func NewEd25519Key() *Key {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	return &Key{alg: "EdDSA", signer: k, public: jose.JSONWebKey{Key: k.Public()}}
}

// JKT is the RFC 7638 thumbprint, computed by go-jose and not by the code under test.
func (k *Key) JKT() string {
	sum, err := k.public.Thumbprint(crypto.SHA256)
	must(err)
	return encode(sum)
}

// JWK is the public key as a JSON object.
func (k *Key) JWK() map[string]any {
	raw, err := k.public.MarshalJSON()
	must(err)
	var m map[string]any
	must(json.Unmarshal(raw, &m))
	return m
}

// Option changes a proof before it is signed.
type Option func(head, claims map[string]any)

// Token adds the hash of an access token.
func Token(accessToken string) Option {
	sum := sha256.Sum256([]byte(accessToken))
	return Claim("ath", encode(sum[:]))
}

// Nonce adds a server nonce.
func Nonce(nonce string) Option { return Claim("nonce", nonce) }

// JTI sets the proof's id, to build a replay.
func JTI(jti string) Option { return Claim("jti", jti) }

// Claim sets any claim; nil removes it.
func Claim(name string, value any) Option {
	return func(_, claims map[string]any) { set(claims, name, value) }
}

// Head sets any member of the header; nil removes it.
func Head(name string, value any) Option {
	return func(head, _ map[string]any) { set(head, name, value) }
}

// Proof is a proof for one request, good at now unless an option spoils it.
func (k *Key) Proof(method, url string, now time.Time, options ...Option) string {
	head := map[string]any{"typ": "dpop+jwt", "alg": k.alg, "jwk": k.JWK()}
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": url, "iat": now.Unix()}
	for _, o := range options {
		o(head, claims)
	}
	h, err := json.Marshal(head)
	must(err)
	c, err := json.Marshal(claims)
	must(err)
	return k.Sign(h, c)
}

// Sign makes a compact JWS of a header and a payload as they are, for texts that no encoder would write.
func (k *Key) Sign(head, payload []byte) string {
	signed := encode(head) + "." + encode(payload)
	return signed + "." + encode(k.signature(signed))
}

func (k *Key) signature(signed string) []byte {
	if ed, ok := k.signer.(ed25519.PrivateKey); ok {
		return ed25519.Sign(ed, []byte(signed))
	}
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k.signer.(*ecdsa.PrivateKey), digest[:])
	must(err)
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out
}

// With is a JWK with one member more or other, to spoil it.
func With(jwk map[string]any, name string, value any) map[string]any {
	out := maps.Clone(jwk)
	set(out, name, value)
	return out
}

func set(m map[string]any, name string, value any) {
	if value == nil {
		delete(m, name)
		return
	}
	m[name] = value
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must(err error) {
	if err != nil {
		panic("prooftest: " + err.Error())
	}
}

// Registration is the JWT that a browser registers its device key with (DBSC), as Chromium 156 writes it.
func (k *Key) Registration(challenge, authorization string, options ...Option) string {
	return k.deviceJWT(map[string]any{"alg": k.alg, "jwk": k.JWK(), "typ": "dbsc+jwt"}, map[string]any{"authorization": authorization, "jti": challenge}, options)
}

// Device is the JWT that it shows the key with later.
func (k *Key) Device(challenge string, options ...Option) string {
	return k.deviceJWT(map[string]any{"alg": k.alg, "typ": "dbsc+jwt"}, map[string]any{"jti": challenge}, options)
}

func (k *Key) deviceJWT(head, claims map[string]any, options []Option) string {
	for _, o := range options {
		o(head, claims)
	}
	h, err := json.Marshal(head)
	must(err)
	c, err := json.Marshal(claims)
	must(err)
	return k.Sign(h, c)
}
