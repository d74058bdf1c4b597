package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Transport reaches the doors of a demo, the exchange's too: names below .localhost are
// this machine (RFC 6761 §6.3), which browsers know and resolvers often do not.
// cert is nil where they speak plain http.
func Transport(cert *Certificate) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if cert != nil {
		t = cert.Transport()
	}
	dialer := &net.Dialer{}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".localhost") {
			address = net.JoinHostPort("localhost", port)
		}
		return dialer.DialContext(ctx, network, address)
	}
	return t
}

// ClientKey makes the key of an app that proves itself with one, and the public half
// to register (RFC 7517).
func ClientKey(kid string) (*ecdsa.PrivateKey, json.RawMessage, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"}}})
	return key, jwks, err
}
