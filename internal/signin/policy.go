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

	// joinLife: a code that a new device shows is good for ten minutes, once
	// (SP 800-63B-4 §4.1.2.2). What the owner's yes opens lives no longer than the
	// touch behind it, FreshTouch.
	joinLife = 10 * time.Minute

	// joinKept: how long a finished join can still be looked at.
	joinKept = time.Hour

	// NewKeyHold: no withdrawals for this long after a key came in by a code, or from
	// a device that the account has not known for as long. An owner who was led to say
	// yes has a day and a mail to notice (D4: nobody shortens it).
	NewKeyHold = 24 * time.Hour
)
