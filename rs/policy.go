package rs

import "time"

// What is accepted, on one screen.
const (
	// clockSkew: the issuer's clock and ours. Both are servers with NTP; a client's clock is not asked here.
	clockSkew = 5 * time.Second

	// maxLife: the longest life of a token that we take, whoever signed it. Keyward's live minutes; the Tail
	// remembers what ended for as long as this, so a longer token could outlive the memory of its end.
	maxLife = time.Hour

	// proofAge and proofAhead: RFC 9449 §11.1 and FAPI 2.0 §5.3.2.1-13. A minute forgives a slow phone; ten
	// seconds forgive a fast clock without letting proofs be made in stock.
	proofAge   = 60 * time.Second
	proofAhead = 10 * time.Second

	// maxToken and maxProof bound the work that an unknown caller can ask for; a token has about 700 bytes,
	// with authorization_details a few thousand, a proof about 500.
	maxToken = 8 << 10
	maxProof = 4 << 10

	// maxSigned: a confirmation carries the answer of an authenticator, about 3 KiB, at most 12 with an RSA key.
	maxSigned = 32 << 10

	// minJTI is 96 bits in base64url, the least that RFC 9449 §4.2 calls sufficient.
	minJTI = 16
	maxJTI = 128

	// maxMembers and maxDepth bound what one JSON object may make us do; a proof, whose sender nobody knows
	// yet, gets less.
	maxMembers   = 128
	maxDepth     = 8
	proofMembers = 32
	proofDepth   = 4

	// keysFresh: older keys are fetched again beside the traffic. keysGood: how long the last good set serves
	// while the issuer is away; its tokens are all dead by then, so more would only keep a withdrawn key alive.
	keysFresh = 5 * time.Minute
	keysGood  = time.Hour

	// fetchEvery: an unknown kid is reason to look for new keys, but anybody can make up a kid.
	fetchEvery = 5 * time.Second
	// fetchTime bounds one fetch, maxDocument its size, maxKeys what is taken from it.
	fetchTime   = 5 * time.Second
	maxDocument = 64 << 10
	maxKeys     = 32

	// maxTokens verified tokens are remembered, about 1 KiB each.
	maxTokens = 1 << 15
	// maxProofs proofs are remembered per 75 seconds, some 50 bytes each: 3500 requests per second.
	maxProofs = 1 << 18

	// maxGrace is what DESIGN §7 allows an operator for what only looks, cancels or reduces.
	maxGrace = 60 * time.Second

	// The lease of DESIGN §7. Who revokes waits 600 ms for a lease that stands still, so 400 leaves 200 for
	// clocks that run at different speeds and for what was already past the check.
	leaseLife  = 400 * time.Millisecond
	leaseEvery = 100 * time.Millisecond
	// leaseDrift: wall and monotonic time part when a machine was asleep; then no clock of ours can say how long.
	leaseDrift = 200 * time.Millisecond
	// maxEnded: ends remembered by the Tail; maxTailAnswer: of one answer, in bytes.
	maxEnded      = 1 << 18
	maxTailAnswer = 32 << 20
)

// The acr values of Keyward, weakest first; the first two do not include each other.
const (
	Legacy   = "urn:keyward:legacy"   // vouched for by an exchange's older login
	Fallback = "urn:keyward:fallback" // recovery codes and the like: to look and to stop things
	Phr      = "phr"                  // a passkey with user verification
	Phrh     = "phrh"                 // one that cannot leave its hardware
)

// reaches reports whether a sign-in with acr has satisfies a need of acr want. Names outside of the ladder
// satisfy only themselves.
func reaches(has, want string) bool {
	if has == want {
		return true
	}
	switch want {
	case Legacy, Fallback:
		return has == Phr || has == Phrh
	case Phr:
		return has == Phrh
	}
	return false
}
