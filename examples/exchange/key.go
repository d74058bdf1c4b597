package exchange

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"

	"github.com/go-jose/go-jose/v4"
)

// NewKey makes a key for Config and its public half, a key set to register us with
// (RFC 7517).
func NewKey(kid string) (*ecdsa.PrivateKey, json.RawMessage, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"}}})
	return key, jwks, err
}
