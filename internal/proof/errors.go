package proof

import "errors"

// ErrInvalid is behind every refusal but ErrNonce: OAuth answers it with invalid_dpop_proof. Texts are
// constants and repeat nothing of what was sent.
var ErrInvalid = errors.New("proof: not accepted")

// ErrNonce asks for the server's nonce: OAuth answers it with use_dpop_nonce and a fresh one (RFC 9449 §8).
var ErrNonce = errors.New("proof: a current nonce of this server is needed")

// Why a proof is not accepted, in the order of RFC 9449 §4.3.
var (
	ErrAbsent     = refuse("no DPoP header")
	ErrMany       = refuse("more than one DPoP header")
	ErrSize       = refuse("larger than 4 KiB")
	ErrMalformed  = refuse("not one well-formed compact JWT")
	ErrClaims     = refuse("a required claim is missing or of the wrong kind")
	ErrJTI        = refuse("jti is too short, too long or not printable")
	ErrType       = refuse("typ is not dpop+jwt")
	ErrAlgorithm  = refuse("alg is not ES256 or EdDSA")
	ErrKey        = refuse("jwk is not a public key for this alg")
	ErrPrivateKey = refuse("jwk carries a private key")
	ErrSignature  = refuse("signature does not verify")
	ErrMethod     = refuse("htm is not the method of this request")
	ErrURL        = refuse("htu is not the address of this request")
	ErrTime       = refuse("made too long ago or in the future")
	ErrToken      = refuse("ath is not the hash of the access token")
	ErrBinding    = refuse("made with another key than the token is bound to")
)

type refusal string

func refuse(why string) error { return refusal("proof: " + why) }

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == ErrInvalid || target == error(r) }
