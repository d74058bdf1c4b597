package device

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
)

// weighStatement bounds what verifying an attestation statement can cost, before
// anything in it is computed with. Whoever signs up is a stranger, and the keys
// in x5c are of the stranger's choosing: one RSA verification with a modulus of
// 19,000 bytes and an exponent of 31 bits is a second of CPU, more than ten
// thousand honest ones.
//
// It goes by names and shapes, not by format: every format that carries
// certificates calls them x5c and every signature is sig (WebAuthn L3 §8.2–§8.9),
// and so nothing is missed in a compound statement or in a format added later.
// What it is not: a check of the statement. The library makes that next.
func weighStatement(raw []byte) error {
	var statement any
	if err := strict.Unmarshal(raw, &statement); err != nil {
		return fmt.Errorf("attestation statement: %w", err)
	}
	var w weight
	if err := w.add(statement); err != nil {
		return fmt.Errorf("attestation statement: %w", err)
	}
	return nil
}

// weight is what was found so far in all of a statement.
type weight struct{ certificates, signatures int }

func (w *weight) add(v any) error {
	switch v := v.(type) {
	case []any:
		for _, part := range v {
			if err := w.add(part); err != nil {
				return err
			}
		}
	case map[any]any:
		for name, part := range v {
			if err := w.member(name, part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *weight) member(name, v any) error {
	switch name {
	case "x5c":
		chain, ok := v.([]any)
		if !ok {
			return errors.New("x5c is no list")
		}
		for _, c := range chain {
			if w.certificates++; w.certificates > maxCertificates {
				return fmt.Errorf("more than %d certificates", maxCertificates)
			}
			if err := checkCertificate(c); err != nil {
				return fmt.Errorf("certificate %d: %w", w.certificates, err)
			}
		}
	case "sig":
		sig, ok := v.([]byte)
		if !ok || len(sig) > maxStatementSignature {
			return fmt.Errorf("a signature of more than %d bytes, or none", maxStatementSignature)
		}
		if w.signatures++; w.signatures > maxStatements {
			return fmt.Errorf("more than %d signatures", maxStatements)
		}
	default:
		return w.add(v)
	}
	return nil
}

func checkCertificate(v any) error {
	der, ok := v.([]byte)
	if !ok {
		return errors.New("not a byte string")
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return checkRSASize(key.N.BitLen(), uint64(key.E))
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return nil // their curves bound them
	}
	return fmt.Errorf("%w: type %T", errOtherKind, cert.PublicKey)
}

// errOtherKind: a key that nothing here can verify with, as the ones of new Android
// phones that sign with ML-DSA. It costs nothing and proves nothing.
var errOtherKind = errors.New("a key of another kind")

// checkRSASize is for keys of strangers: verifying costs bits² for each bit of
// the exponent. Real exponents are 3 and 65537 (RFC 8017 §3.1: odd, at least 3).
func checkRSASize(bits int, exponent uint64) error {
	switch {
	case bits < minRSA || bits > maxRSA:
		return fmt.Errorf("an RSA key of %d bits", bits)
	case exponent < 3 || exponent > maxRSAExponent || exponent&1 == 0:
		return fmt.Errorf("an RSA key with the exponent %d", exponent)
	}
	return nil
}

// bench lets a few statements be verified at once and no more: a crowd of
// sign-ups waits for its turn instead of taking the CPU from everybody who
// refreshes a session.
type bench chan struct{}

func (b bench) sit(ctx context.Context, judge func() error) error {
	select {
	case b <- struct{}{}:
		defer func() { <-b }()
		return judge()
	case <-ctx.Done():
		return ctx.Err()
	}
}
