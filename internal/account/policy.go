package account

import "time"

// Policy constants live here so that an auditor reads one screen.
const (
	// HandleLen: WebAuthn L3 §14.6.1 recommends 64 random bytes at most and asks
	// that a handle says nothing about the person; 32 are beyond guessing.
	HandleLen = 32

	// linkLife: NIST SP 800-63B-4 §4.2.1.2 lets a code sent by mail live 24 h.
	linkLife = 24 * time.Hour

	// onceLife: how long a retry with the same Idempotency-Key gets the same answer.
	onceLife = 24 * time.Hour

	// maxContacts: SP 800-63B-4 §4.2.3 asks for at least two addresses; more than
	// eight are a way to make us send mail.
	maxContacts = 8

	maxMail       = 254 // RFC 5321 §4.5.3.1.3 less the angle brackets
	maxLocal      = 64  // RFC 5321 §4.5.3.1.1
	maxDomain     = 253 // RFC 1035 §2.3.4, as text without the final dot
	maxExternalID = 128
	maxLabel      = 32
	maxPhrase     = 64  // characters
	maxOnceKey    = 255 // bytes; the RFC draft leaves the bound to us
	maxOnceBody   = 1 << 20
	maxBecause    = 200 // characters

	// maxSubs: open sub-accounts of one account. Each gate keeps them in memory with the
	// account, and an owner who has more reads none of them.
	maxSubs      = 20
	maxSubName   = 64 // characters
	maxSubKeys   = 30
	maxSubPerMin = 60_000
)

// linkKey names the key under which links to a contact are made.
const linkKey = "account/contact-link"
