package softkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"time"
)

// BindingKey is the key a browser (WebCrypto, not extractable) or an app binds
// its session to. It makes proofs of possession in the form of RFC 9449 §4.2.
type BindingKey struct {
	key *ecdsa.PrivateKey
	jwk string // public, members in the order of RFC 7638
}

// NewBindingKey makes an ES256 key.
func NewBindingKey() *BindingKey {
	key := newSigner(ES256).key.(*ecdsa.PrivateKey)
	x, y := point(&key.PublicKey)
	return &BindingKey{key: key, jwk: `{"crv":"P-256","kty":"EC","x":"` + encode(x) + `","y":"` + encode(y) + `"}`}
}

// Thumbprint is the jkt by which servers know the key (RFC 7638 §3).
func (k *BindingKey) Thumbprint() string {
	sum := sha256.Sum256([]byte(k.jwk))
	return encode(sum[:])
}

// DPoP says what a proof is for. Empty members are left out.
type DPoP struct {
	Method, URL string
	Token       string // the access token the request carries: becomes ath
	Nonce       string
	ID          string // jti; random when empty
}

// Proof makes the value of a DPoP header.
func (k *BindingKey) Proof(p DPoP, now time.Time) string {
	if p.ID == "" {
		p.ID = encode(random(16))
	}
	claims := map[string]any{"jti": p.ID, "htm": p.Method, "htu": p.URL, "iat": now.Unix()}
	if p.Token != "" {
		sum := sha256.Sum256([]byte(p.Token))
		claims["ath"] = encode(sum[:])
	}
	if p.Nonce != "" {
		claims["nonce"] = p.Nonce
	}
	return k.Sign(`{"typ":"dpop+jwt","alg":"ES256","jwk":`+k.jwk+`}`, claims)
}

// Sign makes a compact JWS with a header of the caller's choice, so that tests
// can lie in it.
func (k *BindingKey) Sign(header string, claims map[string]any) string {
	text := encode([]byte(header)) + "." + encode(mustJSON(claims))
	digest := sha256.Sum256([]byte(text))
	der, err := k.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		panic(err)
	}
	var sig [64]byte // RFC 7518 §3.4: R ‖ S, not DER
	rs.R.FillBytes(sig[:32])
	rs.S.FillBytes(sig[32:])
	return text + "." + encode(sig[:])
}
