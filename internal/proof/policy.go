package proof

import "time"

// What a proof may look like, on one screen. RFC 9449 leaves these to us.
const (
	// MaxAge and MaxAhead: FAPI 2.0 §5.3.2.1-13 and RFC 9449 §11.1. A minute forgives a slow phone; ten
	// seconds forgive a fast clock without letting proofs be made in stock.
	MaxAge   = 60 * time.Second
	MaxAhead = 10 * time.Second

	// maxSize bounds the work an unknown caller can ask for; real proofs are about 500 bytes.
	maxSize = 4 << 10

	// minJTI is 96 bits in base64url, the least that RFC 9449 §4.2 calls sufficient; in hexadecimal, as in
	// a UUID, sixteen characters would be 64 bits, but a UUID is longer. maxJTI bounds the replay store.
	minJTI = 16
	maxJTI = 128

	// maxMembers and maxDepth bound what one JSON object may make us do.
	maxMembers = 32
	maxDepth   = 4

	// nonceBucket: a server nonce is good for the rest of its bucket and all of the next one, so for two
	// to four minutes; nonceAhead forgives servers whose clocks differ.
	nonceBucket = 2 * time.Minute
	nonceAhead  = 10 * time.Second
)
