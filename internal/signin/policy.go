package signin

import "time"

// Policy constants live here so that an auditor reads one screen.
const (
	// ticketLife: how long a sign-up may sit between the mail address and the
	// touch. The ticket is sealed and stateless; nothing is stored for strangers.
	ticketLife = 15 * time.Minute

	// FreshTouch: a sensitive act needs user verification this recent (DESIGN §2).
	FreshTouch = 5 * time.Minute

	// CodesPerSet and their 125 bits: above the 112 bit of ASVS 6.5.2, so a plain
	// SHA-256 is the right hash.
	CodesPerSet = 10
)
