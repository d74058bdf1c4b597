package keyring

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"

	"github.com/go-jose/go-jose/v4"
)

// signing is the ES256 keys that are alive: previous, current, next, in order of age.
type signing struct {
	current *Signer
	keys    []signingKey
	stored  []byte
}

type signingKey struct {
	term
	signer *Signer
}

// Signer signs with one ES256 key. It is a jose.OpaqueSigner, so tokens are made by
//
//	jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: ring.Signer()}, options)
//
// and carry its kid; the private key never leaves this package.
type Signer struct {
	redacted
	kid    string
	key    *ecdsa.PrivateKey
	public jose.JSONWebKey
}

var _ jose.OpaqueSigner = (*Signer)(nil)

// KID names the key in token headers and in the JWKS.
func (s *Signer) KID() string { return s.kid }

// Public is the verifying key as it stands in the JWKS.
func (s *Signer) Public() *jose.JSONWebKey {
	public := s.public
	return &public
}

// Algs is ES256 alone.
func (s *Signer) Algs() []jose.SignatureAlgorithm { return []jose.SignatureAlgorithm{jose.ES256} }

// SignPayload signs per RFC 7518 §3.4: R ‖ S of 32 bytes each, over SHA-256.
func (s *Signer) SignPayload(payload []byte, alg jose.SignatureAlgorithm) ([]byte, error) {
	if alg != jose.ES256 {
		return nil, jose.ErrUnsupportedAlgorithm
	}
	digest := sha256.Sum256(payload)
	r, t, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		return nil, errors.New("keyring: signing failed")
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	t.FillBytes(out[32:])
	return out, nil
}

func (r *Ring) readSigning(plain []byte) (signing, error) {
	t, err := readTimetable(plain)
	if err != nil {
		return signing{}, err
	}
	var out signing
	for _, k := range t.Terms {
		signer, err := r.signingKey(k.N)
		if err != nil {
			return signing{}, err
		}
		out.keys = append(out.keys, signingKey{term: k, signer: signer})
		if k.N == t.Current {
			out.current = signer
		}
	}
	return out, nil
}

// signingKey derives number n of the signing keys: candidates of 32 bytes until one is a scalar of P-256
// (FIPS 186-5 A.2.2, rejection sampling). All but one in 2^32 fit at once.
func (r *Ring) signingKey(n uint32) (*Signer, error) {
	for try := range 8 {
		candidate := r.derive(forSigning, strconv.FormatUint(uint64(n), 10)+"/"+strconv.Itoa(try))
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), candidate[:])
		if err != nil {
			continue
		}
		return newSigner(key)
	}
	return nil, errors.New("no signing key from eight candidates")
}

func newSigner(key *ecdsa.PrivateKey) (*Signer, error) {
	public := jose.JSONWebKey{Key: &key.PublicKey, Algorithm: string(jose.ES256), Use: "sig"}
	thumb, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, errors.New("thumbprint of a signing key")
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumb[:kidSize])
	return &Signer{kid: public.KeyID, key: key, public: public}, nil
}

// Signer is the current signing key.
func (r *Ring) Signer() *Signer { return r.live.Load().signing.current }

// JWKS is what verifiers need: previous keys until their overlap is over, the current one, and the next
// one, so that a verifier which fetched the set last week still knows the key after today's rotation.
func (r *Ring) JWKS() jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	at := r.now().UnixMicro()
	for _, k := range r.live.Load().signing.keys {
		if k.alive(at) {
			set.Keys = append(set.Keys, k.signer.public)
		}
	}
	return set
}

// VerifyKey is the public key for kid, for tokens that come back to us. False when it never was ours or is
// past its overlap.
func (r *Ring) VerifyKey(kid string) (*ecdsa.PublicKey, bool) {
	at := r.now().UnixMicro()
	for _, k := range r.live.Load().signing.keys {
		if k.signer.kid == kid && k.alive(at) {
			return &k.signer.key.PublicKey, true
		}
	}
	return nil, false
}

// RotateSigning puts the next signing key to work and publishes a new next one.
func (r *Ring) RotateSigning(ctx context.Context) error {
	return r.rotate(ctx, metaSigning, r.currentSigning(), SigningOverlap)
}

// WithdrawSigning takes a rotated key out of the JWKS at once; tokens signed with it are refused from then
// on by whoever fetches the set anew.
func (r *Ring) WithdrawSigning(ctx context.Context, kid string) error {
	for _, k := range r.live.Load().signing.keys {
		if k.signer.kid == kid {
			return r.withdraw(ctx, metaSigning, k.N)
		}
	}
	return ErrNoKey
}

func (r *Ring) currentSigning() uint32 {
	live := r.live.Load().signing
	for _, k := range live.keys {
		if k.signer == live.current {
			return k.N
		}
	}
	return 0
}
