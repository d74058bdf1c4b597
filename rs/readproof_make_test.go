package rs_test

import (
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"

	"keyward/internal/proof/prooftest"
)

// Makers of proofs that are wrong in a way no option covers.

var zeros = base64.RawURLEncoding.EncodeToString(make([]byte, 32))

func sha(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// cut keeps the first n parts.
func cut(sep string, n int) maker {
	return func(k *prooftest.Key) string {
		return strings.Join(strings.Split(with()(k), sep)[:n], sep)
	}
}

func after(m maker, suffix string) maker {
	return func(k *prooftest.Key) string { return m(k) + suffix }
}

func padded(k *prooftest.Key) string {
	parts := strings.Split(with(prooftest.Head("x", "1"))(k), ".")
	for i, p := range parts {
		raw, _ := base64.RawURLEncoding.DecodeString(p)
		parts[i] = base64.URLEncoding.EncodeToString(raw)
	}
	return strings.Join(parts, ".")
}

func jsonSerialised(k *prooftest.Key) string {
	p := strings.Split(with()(k), ".")
	return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, p[0], p[1], p[2])
}

func unsigned(k *prooftest.Key) string {
	p := with(prooftest.Head("alg", "none"))(k)
	return p[:strings.LastIndex(p, ".")+1]
}

func flipSignature(k *prooftest.Key) string {
	p := with()(k)
	dot := strings.LastIndex(p, ".")
	sig, _ := base64.RawURLEncoding.DecodeString(p[dot+1:])
	sig[40] ^= 1
	return p[:dot+1] + base64.RawURLEncoding.EncodeToString(sig)
}

func asn1Signature(k *prooftest.Key) string {
	p := with()(k)
	dot := strings.LastIndex(p, ".")
	sig, _ := base64.RawURLEncoding.DecodeString(p[dot+1:])
	der, _ := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])})
	return p[:dot+1] + base64.RawURLEncoding.EncodeToString(der)
}

// changeKey sets one member of the key inside.
func changeKey(name, value string) maker {
	return func(k *prooftest.Key) string {
		return with(prooftest.Head("jwk", prooftest.With(k.JWK(), name, value)))(k)
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"x%d":1,`, i)
	}
	return b.String()
}
