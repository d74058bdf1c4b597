package executor

import (
	"math/big"
	"strings"

	"encoding/asn1"
)

// splitJWS takes a compact JWS apart (RFC 7515 §7.1). signed is what the signature is over.
func splitJWS(text string) (head, body []byte, signed string, signature []byte, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, nil, "", nil, false
	}
	head, ok1 := decode(parts[0])
	body, ok2 := decode(parts[1])
	signature, ok3 := decode(parts[2])
	return head, body, parts[0] + "." + parts[1], signature, ok1 && ok2 && ok3
}

// derOf writes R ‖ S (RFC 7518 §3.4) as crypto/ecdsa reads it.
func derOf(signature []byte) ([]byte, bool) {
	if len(signature) != 64 {
		return nil, false
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])})
	return der, err == nil
}
