package keyring

import "time"

// What an auditor asks about keys, on one screen.
const (
	// rootSize is 256 bits: the strength of everything below is that of the root at most.
	rootSize = 32

	// RefreshOverlap is how long a refresh key still answers for the tokens it made before it was rotated
	// away. It must outlast the longest refresh family, or a rotation would sign people out; 400 days is
	// also the longest a browser keeps a cookie (RFC 6265bis §5.5).
	RefreshOverlap = 400 * 24 * time.Hour

	// SigningOverlap is how long a retired signing key stays in the JWKS: far longer than the longest
	// token signed with it, plus the time that careless verifiers keep a JWKS.
	SigningOverlap = 48 * time.Hour

	// minTag is the shortest MAC that Equal looks at. 128 bits leave 2^64 online tries for a one in 2^64
	// chance; anything shorter is a caller's mistake or an attacker's truncation.
	minTag = 16

	// maxCodeInput bounds what NormalizeCode reads of a typed recovery code.
	maxCodeInput = 256

	// kidSize is how much of the RFC 7638 thumbprint names a signing key: 96 bits never collide here, and
	// the kid travels in every token.
	kidSize = 12
)

// Names in the shelf (store_meta). They are also bound into the ciphertexts as associated data, so one
// record cannot be passed off as another.
const (
	metaRoot    = "keyring.root"
	metaSeal    = "keyring.seal"
	metaSafe    = "keyring.safe"
	metaRefresh = "keyring.refresh"
	metaSigning = "keyring.signing"
)
