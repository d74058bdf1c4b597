package oauth

import "time"

const (
	// codeLife: FAPI 2.0 §5.3.2.1-11.
	codeLife = 60 * time.Second

	// askLife: how long a person may take from the app's button to the answer; a
	// sign-up may lie between. pushedLife: FAPI 2.0 §5.3.2.2-12, less than 600 s.
	askLife    = 30 * time.Minute
	pushedLife = 300 * time.Second

	// codeKept: how long a spent code is remembered, so that a second use still ends
	// what the first one gave. As long as the longest access token.
	codeKept = time.Hour

	// detailAge: a payment is asked for by somebody who is there (DESIGN §5: as keys).
	detailAge = 5 * time.Minute

	// idLife: an ID token tells of a sign-in and opens nothing; it is read at once.
	idLife = 5 * time.Minute

	// logoutTime bounds one call that tells an app of a sign-out.
	logoutTime = 5 * time.Second

	// assertionLife: how far ahead a client assertion may expire (RFC 7523 §3: the
	// server MAY reject one with an unreasonable exp).
	assertionLife = 5 * time.Minute

	// The clock rule of FAPI 2.0 §5.3.2.1-13.
	clockAhead = 10 * time.Second

	maxState    = 1024
	maxNonce    = 512
	maxParam    = 2048
	maxDetail   = 4 << 10 // the whole authorization_details parameter
	maxAsk      = 6 << 10
	maxName     = 80
	maxPurpose  = 200
	maxDetails  = 5
	maxURIs     = 20
	maxURI      = 512
	defaultLife = 90 * 24 * time.Hour
	maxLife     = 400 * 24 * time.Hour
)
