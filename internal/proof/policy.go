package proof

import "time"

// What the server decides about proofs, on one screen. What a proof may look like at all stands in rs.
const (
	// MaxAge and MaxAhead: FAPI 2.0 §5.3.2.1-13 and RFC 9449 §11.1. A minute forgives a slow phone; ten
	// seconds forgive a fast clock without letting proofs be made in stock.
	MaxAge   = 60 * time.Second
	MaxAhead = 10 * time.Second

	// nonceBucket: a server nonce is good for the rest of its bucket and all of the next one, so for two
	// to four minutes; nonceAhead forgives servers whose clocks differ.
	nonceBucket = 2 * time.Minute
	nonceAhead  = 10 * time.Second

	// What a JWT of a device may be: Chromium's has 400 bytes.
	maxDeviceJWT     = 4096
	maxDeviceClaim   = 256
	maxDeviceMembers = 16
)
